//! Keys that are documents of the ledger itself: who writes them decides who comes in. What would go
//! wrong without it: a key that was revoked stays until somebody restarts the server, a broken
//! document opens a door or locks all of them, or a shop makes itself an operator.

mod unread;

use crate::closed::{public, secret};
use crate::harness::{Peer, Running, open};
use bytes::Bytes;
use florin_core::{Database, Options};
use florin_ledger::commit::{BalanceField, Precondition};
use florin_ledger::commit_bytes::encode_commit;
use florin_ledger::document::DocumentScan;
use florin_ledger::record::RefusalReason;
use florin_ledger::stream::ItemContent;
use florin_ledger::{
    Account, AccountId, Amount, Code, Commit, CommitId, CommitOutcome, CreateAccountStatus,
    DocumentKey, DocumentWrite, LedgerId, Position, StreamFilter, StreamStart, TableId, Timestamp,
};
use florin_server::{Admission, Doors, ServerOptions};
use florin_wire::cold::Once;
use florin_wire::documents::{self, Found};
use florin_wire::{
    Binding, Operation, Outcome, Refusal, RefusalKind, Verdict, array, cold, outcome,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// The operator of these tests is key 1.
const OPERATOR: u8 = 1;

/// A real engine behind a server that lets in its own keys, the operator alone at first.
struct Bank {
    server: Running,
    database: Database,
    directory: TempDir,
}

impl Bank {
    async fn open() -> Bank {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::open(directory.path(), Options::default()).unwrap();
        let first = put(OPERATOR, &document("operator", &["operate"]));
        database.write_documents(&[first]).unwrap();
        Bank::over(database, directory).await
    }

    async fn over(database: Database, directory: TempDir) -> Bank {
        let doors = Doors { admission: Admission::Documents, ..Doors::insecure_loopback() };
        let server = Running::over(database.clone(), ServerOptions { doors, ..open() }).await;
        Bank { server, database, directory }
    }

    async fn introduced(&self, number: u8) -> (Peer, Verdict) {
        let mut peer = Peer::connected(self.server.address).await;
        let seen = peer.see(Binding::None).await;
        let verdict = peer.prove(&seen.proof(&secret(number))).await;
        (peer, verdict)
    }

    async fn admitted(&self, number: u8) -> Peer {
        let (peer, verdict) = self.introduced(number).await;
        assert!(matches!(verdict, Verdict::Admitted { .. }), "{verdict:?}");
        peer
    }

    async fn lets_in(&self, number: u8) -> bool {
        matches!(self.introduced(number).await.1, Verdict::Admitted { .. })
    }

    /// What the process that embeds the engine does.
    fn writes(&self, write: DocumentWrite) {
        self.database.write_documents(&[write]).unwrap();
    }

    async fn close(self) -> TempDir {
        self.server.stop().await.unwrap();
        self.database.close().unwrap();
        self.directory
    }
}

impl Peer {
    async fn asked(&mut self, operation: Operation, body: &[u8]) -> Result<Bytes, Refusal> {
        self.ask(1, operation.number(), 0, body).await;
        self.told().await
    }

    async fn told(&mut self) -> Result<Bytes, Refusal> {
        let reply = self.reply().await;
        match reply.header.outcome {
            Outcome::Answered => Ok(reply.body),
            _ => Err(reply.refusal()),
        }
    }

    /// Makes a change of keys in the name of a key.
    async fn changes(&mut self, by: u8, writes: Vec<DocumentWrite>) -> Result<(), Refusal> {
        let body = self.asked(Operation::Commit, &change(by, writes)).await?;
        let decided = outcome::decode(&body).unwrap();
        assert!(matches!(decided, CommitOutcome::Done(_)), "{decided:?}");
        Ok(())
    }

    /// The kind of the last word.
    async fn is_dismissed(&mut self) -> RefusalKind {
        let last = self.reply().await;
        assert_eq!(last.header.outcome, Outcome::LastWord);
        last.refusal().kind
    }
}

fn change(by: u8, documents: Vec<DocumentWrite>) -> Bytes {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let id = CommitId(u128::from(NEXT.fetch_add(1, Ordering::Relaxed)));
    let actor = format!("{} by a test", public(&secret(by))).into_bytes();
    encode_commit(&Commit { id, actor, documents, ..Commit::default() }).into()
}

fn document(name: &str, roles: &[&str]) -> String {
    serde_json::json!({ "version": 1, "name": name, "roles": roles }).to_string()
}

fn put(number: u8, value: &str) -> DocumentWrite {
    write(&public(&secret(number)).0, Some(value))
}

fn delete(number: u8) -> DocumentWrite {
    write(&public(&secret(number)).0, None)
}

fn write(key: &[u8], value: Option<&str>) -> DocumentWrite {
    DocumentWrite {
        table: TableId::CLIENT_KEYS,
        key: key.to_vec(),
        value: value.map(|value| value.as_bytes().to_vec()),
        ..DocumentWrite::default()
    }
}

fn revoked(name: &str, roles: &[&str]) -> String {
    let document = document(name, roles);
    format!("{},\"revoked\":true}}", document.trim_end_matches('}'))
}

/// An answer is a promise: who asked for a revocation may rely on it from then on.
#[tokio::test]
async fn a_change_of_keys_counts_when_it_is_answered() {
    let bank = Bank::open().await;
    let mut operator = bank.admitted(OPERATOR).await;
    assert!(!bank.lets_in(2).await);
    operator.changes(OPERATOR, vec![put(2, &document("shop", &["read"]))]).await.unwrap();
    let mut shop = bank.admitted(2).await;
    shop.asked(Operation::ListTables, &[]).await.unwrap();

    operator.changes(OPERATOR, vec![put(2, &document("shop", &["write"]))]).await.unwrap();
    assert_eq!(shop.is_dismissed().await, RefusalKind::Stopped, "other roles: come again");
    let mut shop = bank.admitted(2).await;
    operator.changes(OPERATOR, vec![put(2, &revoked("shop", &["write"]))]).await.unwrap();
    assert!(!bank.lets_in(2).await);
    assert_eq!(shop.is_dismissed().await, RefusalKind::Unauthenticated);

    operator.changes(OPERATOR, vec![put(3, &document("shop", &["read"]))]).await.unwrap();
    let mut shop = bank.admitted(3).await;
    operator.changes(OPERATOR, vec![delete(3)]).await.unwrap();
    assert!(!bank.lets_in(3).await);
    assert_eq!(shop.is_dismissed().await, RefusalKind::Unauthenticated);
    let metrics = &bank.server.metrics;
    assert_eq!((metrics.keys_active(), metrics.keys_revoked(), metrics.keys_broken()), (1, 1, 0));

    // The operator itself too, once there is another.
    operator.changes(OPERATOR, vec![put(4, &document("second", &["operate"]))]).await.unwrap();
    operator.changes(OPERATOR, vec![put(1, &revoked("operator", &["operate"]))]).await.unwrap();
    assert_eq!(operator.is_dismissed().await, RefusalKind::Unauthenticated);

    // It is not the server that remembers.
    let directory = bank.close().await;
    let database = Database::open(directory.path(), Options::default()).unwrap();
    let bank = Bank::over(database, directory).await;
    assert!(bank.lets_in(4).await);
    assert!(!bank.lets_in(OPERATOR).await && !bank.lets_in(2).await);
    bank.close().await;
}

/// The process that embeds the engine asks no server, and whatever it writes must harm nobody.
#[tokio::test]
async fn what_the_embedding_process_writes_counts_and_what_is_broken_lets_nobody_in() {
    let bank = Bank::open().await;
    bank.writes(put(2, &document("shop", &["read"])));
    // It is told when the write is durable, the server a moment later.
    while !bank.lets_in(2).await {}
    let mut shop = bank.admitted(2).await;

    bank.writes(put(2, "{\"version\":1,\"name\":\"shop\",\"roles\":[\"root\"]}"));
    assert_eq!(shop.is_dismissed().await, RefusalKind::Unauthenticated);
    bank.writes(put(3, "nonsense"));
    bank.writes(write(b"short", Some(&document("clerk", &["read"]))));
    bank.writes(put(4, &document("operator", &["operate"])));
    bank.writes(put(5, &document("teller", &["read"])));
    while !bank.lets_in(5).await {}
    for number in 2..=4 {
        assert!(!bank.lets_in(number).await, "key {number}");
    }
    assert_eq!((bank.server.metrics.keys_active(), bank.server.metrics.keys_broken()), (2, 4));

    // An operator that is let in mends it.
    let mut operator = bank.admitted(OPERATOR).await;
    let mended = vec![put(2, &document("shop", &["read"])), write(b"short", None)];
    operator.changes(OPERATOR, mended).await.unwrap();
    assert!(bank.lets_in(2).await);
    assert_eq!((bank.server.metrics.keys_active(), bank.server.metrics.keys_broken()), (3, 2));

    // What expires is gone as if it were deleted.
    let mut teller = bank.admitted(5).await;
    let soon = Timestamp(bank.database.status().unwrap().timestamp.0 + 1);
    bank.writes(DocumentWrite { expires: soon, ..put(5, &document("teller", &["read"])) });
    assert_eq!(teller.is_dismissed().await, RefusalKind::Unauthenticated);
    bank.close().await;
}

/// One line a rule: what is refused names what is wrong, and nothing of it happens.
#[tokio::test]
async fn a_change_that_makes_no_sense_is_refused_by_name() {
    let bank = Bank::open().await;
    let mut operator = bank.admitted(OPERATOR).await;
    let first =
        vec![put(2, &document("shop", &["write", "operate"])), put(3, &revoked("old", &["read"]))];
    operator.changes(OPERATOR, first).await.unwrap();
    let mut shop = bank.admitted(2).await;
    let good = || put(9, &document("clerk", &["read"]));
    let soon = DocumentWrite { expires: Timestamp(u64::MAX / 4), ..good() };
    for (writes, named) in [
        (vec![good(), put(8, "nonsense")], "not the document of a key"),
        (vec![put(8, &document("x", &["root"]))], "there is no role `root`"),
        (vec![put(8, "{\"version\":1,\"name\":\"x\",\"roles\":[],\"limit\":1}")], "limit"),
        (vec![good(), write(&[1; 33], Some(&document("x", &[])))], "this one has 33 bytes"),
        (vec![good(), put(8, &document("shop", &["read"]))], "the name `shop` belongs to the key"),
        (vec![good(), put(8, &document("clerk", &[]))], "the name `clerk` belongs to the key"),
        (vec![put(3, &document("new", &["read"]))], "was revoked, and stays so"),
        (vec![delete(OPERATOR), delete(2)], "no key with the role operate would be left"),
        (vec![soon], "does not expire"),
    ] {
        for operation in [Operation::DryRun, Operation::Commit] {
            let body = change(OPERATOR, writes.clone());
            let refusal = operator.asked(operation, &body).await.unwrap_err();
            assert_eq!(refusal.kind, RefusalKind::Invalid);
            assert!(refusal.message.contains(named), "{named}: {}", refusal.message);
        }
    }
    // In another's name, or in nobody's.
    let refusal = shop.changes(OPERATOR, vec![good()]).await.unwrap_err();
    let named = format!("its actor begins with {}", public(&secret(2)));
    assert!(refusal.message.contains(&named), "{}", refusal.message);
    let batch = documents::writes_to_bytes(&[good()]);
    let refusal = shop.asked(Operation::WriteDocuments, &batch).await.unwrap_err();
    assert!(refusal.message.contains("written by a commit"), "{}", refusal.message);
    let key = DocumentKey { table: TableId::CLIENT_KEYS, key: vec![9; 32] };
    let once = cold::to_bytes(&Once { key, expires: Timestamp::NONE });
    let refusal = shop.asked(Operation::InsertUnique, &once).await.unwrap_err();
    assert!(refusal.message.contains("written by a commit"), "{}", refusal.message);

    let scan = DocumentScan { table: TableId::CLIENT_KEYS, limit: 9, ..DocumentScan::default() };
    assert_eq!(bank.database.scan_documents(&scan).unwrap().items.len(), 3);
    assert!(!bank.lets_in(9).await);
    bank.close().await;
}

/// Whoever could write the table would let itself in as somebody else. What it may not is on record.
#[tokio::test]
async fn only_who_operates_changes_keys_and_need_not_touch_money_for_it() {
    let bank = Bank::open().await;
    let mut operator = bank.admitted(OPERATOR).await;
    let shop = put(2, &document("shop", &["read", "write", "stream", "audit"]));
    operator.changes(OPERATOR, vec![shop]).await.unwrap();
    let mut shop = bank.admitted(2).await;
    let refusal = shop.changes(2, vec![put(9, &document("me", &["operate"]))]).await.unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::Forbidden);
    assert!(refusal.message.contains("`shop` has not the role operate"), "{}", refusal.message);
    assert!(!bank.lets_in(9).await);

    let scan = |table| DocumentScan { table, limit: 9, ..DocumentScan::default() };
    let body = cold::to_bytes(&scan(TableId::CLIENT_KEYS));
    let found = operator.asked(Operation::ScanDocuments, &body).await.unwrap();
    let found: Found = documents::decode_found(&found).unwrap();
    assert_eq!(found.documents.len(), 2);
    let elsewhere = cold::to_bytes(&scan(TableId::FIRST_FREE));
    let mut forbidden = Vec::new();
    forbidden.push(operator.asked(Operation::ScanDocuments, &elsewhere).await);
    let account =
        Account { id: AccountId(1), ledger: LedgerId(840), code: Code(1), ..Account::default() };
    let accounts = array::to_bytes(&[account]);
    forbidden.push(operator.asked(Operation::CreateAccounts, &accounts).await);
    let mixed = Commit {
        id: CommitId(u128::MAX - 1),
        actor: public(&secret(OPERATOR)).to_string().into_bytes(),
        accounts: vec![account],
        documents: vec![put(9, &document("me", &["operate"]))],
        ..Commit::default()
    };
    forbidden.push(operator.asked(Operation::Commit, &encode_commit(&mixed)).await);
    // Asked for what it may write, and beside that what somebody has.
    let spying = Commit {
        preconditions: vec![Precondition::Balance {
            account_id: AccountId(1),
            field: BalanceField::CreditsPosted,
            min: Amount(0),
            max: Amount(1_000),
        }],
        accounts: Vec::new(),
        ..mixed
    };
    let spying = encode_commit(&spying);
    let status = bank.database.status().unwrap();
    let position = Position { epoch: status.epoch, lsn: status.durable };
    let as_of = documents::as_of_to_bytes(position, &spying);
    forbidden.push(operator.asked(Operation::DryRun, &spying).await);
    forbidden.push(operator.asked(Operation::DryRunAsOf, &as_of).await);
    for refused in forbidden {
        assert_eq!(refused.unwrap_err().kind, RefusalKind::Forbidden);
    }

    // What a rule refuses is the writer's own, whatever its batch says.
    let batch = array::to_bytes(&[Account::default()]);
    shop.asked(Operation::CreateAccounts, &batch).await.unwrap();

    // The log says who was refused what, and who let in whom.
    let status = bank.database.status().unwrap();
    let mut stream = bank.database.subscribe(StreamStart::Begin, StreamFilter::default()).unwrap();
    let (mut refusals, mut actors) = (Vec::new(), Vec::new());
    loop {
        let batch = stream.next(1 << 20, Duration::ZERO).unwrap();
        for item in batch.view().items() {
            match item.content {
                ItemContent::Refusal(refused) => {
                    let who = String::from_utf8(refused.actor.to_vec()).unwrap();
                    refusals.push((refused.reason, who));
                }
                ItemContent::Commit { actor, .. } => {
                    actors.push(String::from_utf8(actor.to_vec()).unwrap());
                }
                _ => {}
            }
        }
        let end = batch.view().end();
        if end.is_live && status.durable <= end.durable {
            break;
        }
    }
    let (by_rule, by_role): (Vec<_>, Vec<_>) =
        refusals.into_iter().partition(|(reason, _)| reason.is_of_batch());
    assert!(by_role.iter().all(|(reason, _)| *reason == RefusalReason::Forbidden));
    assert_eq!(by_role.len(), 6);
    assert!(by_role[0].1.contains("`shop` has not the role operate"), "{}", by_role[0].1);
    let status = CreateAccountStatus::IdMustNotBeZero;
    let who = format!("shop {}", public(&secret(2)));
    assert_eq!(by_rule, [(RefusalReason::BatchAccount(status), who)]);
    assert_eq!(actors, [format!("{} by a test", public(&secret(OPERATOR)))]);
    bank.close().await;
}

#[tokio::test]
async fn limits_of_a_document_hold() {
    let bank = Bank::open().await;
    let mut operator = bank.admitted(OPERATOR).await;
    let limited = r#"{"version":1,"name":"shop","roles":["read","write"],"ledgers":[840],
        "tables":[20],"connections":1}"#;
    operator.changes(OPERATOR, vec![put(2, limited)]).await.unwrap();
    let mut shop = bank.admitted(2).await;
    let account = |ledger| {
        let ledger = LedgerId(ledger);
        array::to_bytes(&[Account {
            id: AccountId(u128::from(ledger.0)),
            ledger,
            code: Code(1),
            ..Account::default()
        }])
    };
    shop.asked(Operation::CreateAccounts, &account(840)).await.unwrap();
    let refusal = shop.asked(Operation::CreateAccounts, &account(978)).await.unwrap_err();
    assert!(refusal.message.contains("ledger 978"), "{}", refusal.message);
    let write = |table| {
        let write = DocumentWrite { table: TableId(table), ..put(2, "") };
        documents::writes_to_bytes(&[write])
    };
    shop.asked(Operation::WriteDocuments, &write(20)).await.unwrap();
    let refusal = shop.asked(Operation::WriteDocuments, &write(21)).await.unwrap_err();
    assert!(refusal.message.contains("table 21"), "{}", refusal.message);
    let Verdict::Refused { kind, .. } = bank.introduced(2).await.1 else { unreachable!() };
    assert_eq!(kind, RefusalKind::Busy);
    bank.close().await;
}

/// Two changes that are fine alone and not together; and what is asked for after a change on the same
/// connection stays after it.
#[tokio::test]
async fn changes_of_keys_take_effect_one_after_the_other() {
    let bank = Bank::open().await;
    let mut first = bank.admitted(OPERATOR).await;
    let both = vec![put(2, &document("second", &["operate", "write"]))];
    first.changes(OPERATOR, both).await.unwrap();
    let mut second = bank.admitted(2).await;
    let name = |number| vec![put(number, &document("shop", &["read"]))];
    first.ask(1, Operation::Commit.number(), 0, &change(OPERATOR, name(3))).await;
    second.ask(1, Operation::Commit.number(), 0, &change(2, name(4))).await;
    let told = [first.told().await, second.told().await];
    assert_eq!(told.iter().filter(|told| told.is_ok()).count(), 1, "{told:?}");
    assert_ne!(bank.lets_in(3).await, bank.lets_in(4).await);

    second
        .ask(1, Operation::Commit.number(), 0, &change(2, vec![put(5, &document("a", &[]))]))
        .await;
    second.ask(2, Operation::Commit.number(), 0, &change(2, Vec::new())).await;
    let mut positions = [Position::NONE; 2];
    for _ in 0..2 {
        let reply = second.reply().await;
        let CommitOutcome::Done(done) = outcome::decode(&reply.body).unwrap() else {
            unreachable!("nothing is in its way")
        };
        positions[usize::try_from(reply.header.id).unwrap() - 1] = done.position;
    }
    assert!(Position::NONE < positions[0] && positions[0] < positions[1], "{positions:?}");
    bank.close().await;
}
