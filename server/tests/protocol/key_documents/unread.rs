//! A table of keys that can't be read when it matters. What would go wrong without it: a revocation is
//! answered, and the key goes on as if nobody had revoked it.

use super::{OPERATOR, change, document, put, revoked};
use crate::closed::secret;
use crate::harness::{Peer, Running, open};
use florin_core::request::{Reply, Request};
use florin_core::stream::Subscription;
use florin_core::{Database, Error, ErrorKind, Options};
use florin_ledger::{Lsn, Position, StreamFilter, StreamStart};
use florin_server::copies::{CopyAnswer, CopyQuestion, Held};
use florin_server::keyring::{KeyringAnswer, KeyringQuestion};
use florin_server::ledger::{Found, Read};
use florin_server::{Admission, Doors, Ledger, ServerOptions};
use florin_wire::{Binding, Effect, Operation, RefusalKind, Verdict};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// An engine whose disk fails right after the next commit, until it is mended.
#[derive(Clone)]
struct Failing {
    database: Database,
    fails_next: Arc<AtomicBool>,
    fails: Arc<AtomicBool>,
}

impl Ledger for Failing {
    type Stream = Subscription;

    fn submit(&self, request: Request, reply: impl FnOnce(Result<Reply, Error>) + Send + 'static) {
        let is_commit = matches!(request, Request::Commit(_) | Request::DryRun(_));
        if is_commit && self.fails_next.swap(false, Ordering::SeqCst) {
            self.fails.store(true, Ordering::SeqCst);
        }
        Ledger::submit(&self.database, request, reply);
    }

    fn read(&self, read: &Read) -> Result<Found, Error> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Io, "the disk fails"));
        }
        Ledger::read(&self.database, read)
    }

    fn copy(&self, question: CopyQuestion, held: &Held) -> Result<CopyAnswer, Error> {
        Ledger::copy(&self.database, question, held)
    }

    fn ask_keyring(&self, question: &KeyringQuestion, by: &str) -> Result<KeyringAnswer, Error> {
        Ledger::ask_keyring(&self.database, question, by)
    }

    fn subscribe(&self, start: StreamStart, filter: StreamFilter) -> Result<Subscription, Error> {
        Ledger::subscribe(&self.database, start, filter)
    }

    fn on_durable(&self, risen: impl Fn() + Send + Sync + 'static) {
        Ledger::on_durable(&self.database, risen);
    }

    fn durable_end(&self) -> Lsn {
        Ledger::durable_end(&self.database)
    }

    fn position(&self) -> Position {
        Ledger::position(&self.database)
    }

    fn on_client_keys(&self, changed: impl Fn() + Send + Sync + 'static) {
        Ledger::on_client_keys(&self.database, changed);
    }
}

async fn introduced(server: &Running, number: u8) -> (Peer, bool) {
    let mut peer = Peer::connected(server.address).await;
    let seen = peer.see(Binding::None).await;
    let verdict = peer.prove(&seen.proof(&secret(number))).await;
    (peer, matches!(verdict, Verdict::Admitted { .. }))
}

/// Who is told that a key is revoked may rely on it, whatever the disk does; others stay, and so does
/// whoever may, once the disk is well.
#[tokio::test]
async fn a_revocation_counts_although_the_table_can_not_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::open(directory.path(), Options::default()).unwrap();
    let first = [
        put(OPERATOR, &document("operator", &["operate"])),
        put(2, &document("shop", &["read"])),
        put(3, &document("clerk", &["read"])),
        put(4, &document("till", &["read"])),
    ];
    database.write_documents(&first).unwrap();
    let ledger =
        Failing { database: database.clone(), fails_next: Arc::default(), fails: Arc::default() };
    let doors = Doors { admission: Admission::Documents, ..Doors::insecure_loopback() };
    let server = Running::over(ledger.clone(), ServerOptions { doors, ..open() }).await;
    let (mut operator, _) = introduced(&server, OPERATOR).await;
    let (mut shop, is_in) = introduced(&server, 2).await;
    assert!(is_in);

    ledger.fails_next.store(true, Ordering::SeqCst);
    let changed = vec![put(2, &revoked("shop", &["read"])), put(3, &document("clerk", &["audit"]))];
    operator.changes(OPERATOR, changed).await.unwrap();
    assert!(!introduced(&server, 2).await.1, "revoked");
    assert_eq!(shop.is_dismissed().await, RefusalKind::Unauthenticated);
    assert!(!introduced(&server, 3).await.1, "nobody knows what it may");
    assert!(introduced(&server, 4).await.1, "not concerned");
    let out = || vec![put(4, &revoked("till", &["read"]))];
    let unread = operator.changes(OPERATOR, out()).await.unwrap_err();
    assert_eq!((unread.kind, unread.effect), (RefusalKind::Io, Effect::None), "not even tried");

    ledger.fails.store(false, Ordering::SeqCst);
    while !introduced(&server, 3).await.1 {}
    assert!(!introduced(&server, 2).await.1);
    ledger.fails_next.store(true, Ordering::SeqCst);
    operator.asked(Operation::DryRun, &change(OPERATOR, out())).await.unwrap();
    assert!(introduced(&server, 4).await.1, "only asked what would become of it");
    server.stop().await.unwrap();
    drop(ledger);
    database.close().unwrap();
}
