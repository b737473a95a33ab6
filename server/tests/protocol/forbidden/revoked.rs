//! Requests that wait behind a revocation. What would go wrong without it: whoever was locked out goes on
//! for as many requests as it had sent before.

use super::keyed;
use crate::closed::secret;
use crate::harness::{Peer, Running, open};
use bytes::BytesMut;
use florin_core::{Database, Options};
use florin_server::{Admission, Doors, Forbidden, MemoryKeys, RefusalSink, ServerOptions};
use florin_wire::{Binding, Operation, Outcome, RefusalKind, RequestHeader, Role, frame};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Takes all keys away when it first hears of a refusal: while the server takes requests.
struct Revoking {
    keys: MemoryKeys,
    heard_count: AtomicUsize,
}

impl RefusalSink for Revoking {
    fn forbidden(&self, _: &Forbidden) {
        self.heard_count.fetch_add(1, Ordering::SeqCst);
        self.keys.replace([]);
    }
}

#[tokio::test]
async fn nothing_begins_behind_a_revocation() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::open(directory.path(), Options::default()).unwrap();
    let keys = MemoryKeys::new([keyed(1, &[Role::Read])]);
    let sink = Arc::new(Revoking { keys: keys.clone(), heard_count: AtomicUsize::new(0) });
    let doors = Doors {
        admission: Admission::Directory(Arc::new(keys)),
        refusals: sink.clone(),
        ..Doors::insecure_loopback()
    };
    let server = Running::over(database.clone(), ServerOptions { doors, ..open() }).await;
    let mut peer = Peer::connected(server.address).await;
    let seen = peer.see(Binding::None).await;
    peer.prove(&seen.proof(&secret(1))).await;

    let mut requests = BytesMut::new();
    for id in 1..=5 {
        let operation = Operation::KeyringStatus.number();
        let header = RequestHeader { id, operation, deadline_ms: 0 };
        frame::write(&mut requests, &header.to_bytes(), |_| {});
    }
    peer.say(&requests).await;
    let first = peer.reply().await;
    assert_eq!((first.header.id, first.refusal().kind), (1, RefusalKind::Forbidden));
    let last = peer.reply().await;
    assert_eq!(last.header.outcome, Outcome::LastWord);
    assert_eq!(last.refusal().kind, RefusalKind::Unauthenticated);
    assert_eq!(sink.heard_count.load(Ordering::SeqCst), 1);
    server.stop().await.unwrap();
    database.close().unwrap();
}
