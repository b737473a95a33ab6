//! What a key may not ask. What would go wrong without it: a web shop's key reads salaries, or
//! moves money in another currency by a transfer in the middle of a batch.

mod keyring_role;
mod own_tables;
mod pace;
mod proofs;
mod revoked;
mod roles;

use crate::closed::{Closed, public, secret, teller, teller_of};
use crate::harness::{Peer, Running, created, open, transfer};
use bytes::{Bytes, BytesMut};
use florin_core::request::Reply;
use florin_core::{Database, Options};
use florin_ledger::commit_bytes::encode_commit;
use florin_ledger::document::DocumentScan;
use florin_ledger::query::{AccountFilter, BalanceAt, BalancePage, QueryFilter, TransferPage};
use florin_ledger::{
    Account, AccountId, Amount, Code, Commit, CommitId, CreateTransferStatus, DocumentWrite,
    LedgerId, Position, Precondition, StreamFilter, StreamStart, TableId, Timestamp, Transfer,
    TransferFlags, TransferId, TransferResult,
};
use florin_server::{
    Admission, ClientKey, Doors, Forbidden, KeyLimits, MemoryKeys, RefusalSink, Resource,
    ServerOptions,
};
use florin_wire::cold::AsOf;
use florin_wire::stream::Subscribe;
use florin_wire::{
    Binding, Operation, Outcome, RefusalKind, Role, Roles, Verdict, array, cold, documents, page,
};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

const DOLLARS: LedgerId = LedgerId(840);
const EUROS: LedgerId = LedgerId(978);

/// Remembers what it heard.
#[derive(Default)]
struct Heard(Mutex<Vec<Forbidden>>);

impl RefusalSink for Heard {
    fn forbidden(&self, forbidden: &Forbidden) {
        self.0.lock().unwrap().push(forbidden.clone());
    }
}

/// A real engine behind a server that knows keys and needs no TLS.
struct Bank {
    server: Running,
    database: Database,
    heard: Arc<Heard>,
    _directory: tempfile::TempDir,
}

impl Bank {
    async fn open(keys: impl IntoIterator<Item = ClientKey>) -> Bank {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::open(directory.path(), Options::default()).unwrap();
        Bank::over(directory, database, keys).await
    }

    async fn over(
        directory: tempfile::TempDir,
        database: Database,
        keys: impl IntoIterator<Item = ClientKey>,
    ) -> Bank {
        let heard = Arc::new(Heard::default());
        let doors = Doors {
            admission: Admission::Directory(Arc::new(MemoryKeys::new(keys))),
            refusals: heard.clone(),
            ..Doors::insecure_loopback()
        };
        let server = Running::over(database.clone(), ServerOptions { doors, ..open() }).await;
        Bank { server, database, heard, _directory: directory }
    }

    async fn admitted(&self, number: u8) -> Peer {
        let mut peer = Peer::connected(self.server.address).await;
        let seen = peer.see(Binding::None).await;
        let verdict = peer.prove(&seen.proof(&secret(number))).await;
        assert!(matches!(verdict, Verdict::Admitted { .. }), "{verdict:?}");
        peer
    }

    async fn close(self) {
        self.server.stop().await.unwrap();
        self.database.close().unwrap();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    /// The body of the answer.
    async fn answered(&mut self, operation: Operation, body: &[u8]) -> Bytes {
        self.ask(1, operation.number(), 0, body).await;
        let reply = self.reply().await;
        assert_eq!(reply.header.outcome, Outcome::Answered, "{:?}", reply.refusal());
        reply.body
    }

    /// The message of the refusal, which must be for want of a right.
    async fn forbidden(&mut self, operation: Operation, body: &[u8]) -> String {
        self.ask(1, operation.number(), 0, body).await;
        let refusal = self.reply().await.refusal();
        assert_eq!(refusal.kind, RefusalKind::Forbidden, "{}", refusal.message);
        refusal.message
    }

    async fn post(&mut self, transfers: &[Transfer]) -> Vec<CreateTransferStatus> {
        let body = self.answered(Operation::CreateTransfers, &array::to_bytes(transfers)).await;
        let results: Vec<TransferResult> = array::decode(&body).unwrap();
        results.iter().map(|result| result.status).collect()
    }
}

fn account(id: u128, ledger: LedgerId) -> Account {
    Account { id: AccountId(id), ledger, code: Code(1), ..Account::default() }
}

fn payment(id: u128, from: u128, to: u128, ledger: LedgerId) -> Transfer {
    Transfer {
        id: TransferId(id),
        debit_account_id: AccountId(from),
        credit_account_id: AccountId(to),
        amount: Amount(5),
        ledger,
        code: Code(1),
        ..Transfer::default()
    }
}

fn subscribe(credit_bytes: u32) -> Subscribe {
    let filter = StreamFilter::default();
    Subscribe { incarnation: 0, start: StreamStart::Begin, filter, credit_bytes }
}

fn write(table: u16) -> DocumentWrite {
    DocumentWrite {
        table: TableId(table),
        key: b"a".to_vec(),
        value: Some(Vec::new()),
        ..DocumentWrite::default()
    }
}

fn writes(table: u16) -> Bytes {
    documents::writes_to_bytes(&[write(table)])
}

fn keyed(number: u8, roles: &[Role]) -> ClientKey {
    ClientKey { roles: roles.iter().copied().collect(), ..teller(&secret(number)) }
}

/// A bank with two accounts in dollars (1, 2) and two in euros (11, 12), a key for everything (1)
/// and one for dollars alone (2).
async fn two_ledgers() -> Bank {
    let bank = Bank::open([teller(&secret(1)), teller_of(&secret(2), 840)]).await;
    let mut teller = bank.admitted(1).await;
    let accounts =
        [account(1, DOLLARS), account(2, DOLLARS), account(11, EUROS), account(12, EUROS)];
    teller.answered(Operation::CreateAccounts, &array::to_bytes(&accounts)).await;
    let payments = [payment(101, 1, 2, DOLLARS), payment(111, 11, 12, EUROS)];
    assert_eq!(teller.post(&payments).await, [CreateTransferStatus::Created; 2]);
    bank
}

/// A key that is limited to tables gets at no other by any way: not by a commit that writes there, nor
/// by one that only asks. What it may not is on record.
#[tokio::test]
async fn a_key_limited_to_tables_keeps_to_them() {
    let limits = KeyLimits { tables: Some([20].into()), ..KeyLimits::default() };
    let key = ClientKey { limits, ..keyed(2, &[Role::Read, Role::Write]) };
    let bank = Bank::open([key]).await;
    let mut shop = bank.admitted(2).await;
    let scan = |table| DocumentScan { table: TableId(table), limit: 1, ..DocumentScan::default() };
    shop.answered(Operation::ScanDocuments, &cold::to_bytes(&scan(20))).await;
    let message = shop.forbidden(Operation::ScanDocuments, &cold::to_bytes(&scan(16))).await;
    assert!(message.contains("table 16"), "{message}");
    shop.answered(Operation::WriteDocuments, &writes(20)).await;
    shop.forbidden(Operation::WriteDocuments, &writes(16)).await;
    let asks =
        Precondition::Document { table: TableId(16), key: b"k".to_vec(), version: Position::NONE };
    let commit = Commit { id: CommitId(1), preconditions: vec![asks], ..Commit::default() };
    shop.forbidden(Operation::Commit, &encode_commit(&commit)).await;
    shop.forbidden(Operation::DryRun, &encode_commit(&commit)).await;
    let commit = Commit { preconditions: Vec::new(), ..commit };
    shop.answered(Operation::Commit, &encode_commit(&commit)).await;
    bank.close().await;
}

/// A commit is no way round a limit: its transfers are looked at, and it may not ask about balances.
#[tokio::test]
async fn a_commit_keeps_to_the_ledgers_of_its_key() {
    let bank = two_ledgers().await;
    let mut shop = bank.admitted(2).await;
    let commit = |transfers| Commit { id: CommitId(1), transfers, ..Commit::default() };
    let euros = encode_commit(&commit(vec![payment(300, 11, 12, EUROS)]));
    let message = shop.forbidden(Operation::Commit, &euros).await;
    assert!(message.contains("ledger 978"), "{message}");
    let asks = Precondition::HoldPending { transfer_id: TransferId(9) };
    let curious = Commit { preconditions: vec![asks], ..commit(Vec::new()) };
    shop.forbidden(Operation::DryRun, &encode_commit(&curious)).await;
    let dollars = encode_commit(&commit(vec![payment(301, 1, 2, DOLLARS)]));
    shop.answered(Operation::Commit, &dollars).await;
    bank.close().await;
}

/// Fault 66, a batch whose items are not checked one by one: the last of many counts as the first.
/// The refusal names index and ledger, and nothing else of the batch.
#[tokio::test]
async fn one_event_beyond_the_limit_forbids_the_batch() {
    let bank = two_ledgers().await;
    let mut shop = bank.admitted(2).await;
    assert_eq!(shop.post(&[payment(1, 1, 2, DOLLARS)]).await, [CreateTransferStatus::Created]);

    let mut batch: Vec<_> = (200..300).map(|id| payment(id, 1, 2, DOLLARS)).collect();
    batch.push(payment(300, 11, 12, EUROS));
    let message = shop.forbidden(Operation::CreateTransfers, &array::to_bytes(&batch)).await;
    assert!(message.contains("ledger 978") && message.contains("event 100"), "{message}");
    let accounts = [account(3, DOLLARS), account(13, EUROS)];
    let message = shop.forbidden(Operation::CreateAccounts, &array::to_bytes(&accounts)).await;
    assert!(message.contains("ledger 978") && message.contains("event 1 "), "{message}");

    let heard = bank.heard.0.lock().unwrap().clone();
    let expected = Forbidden {
        key: public(&secret(2)),
        key_name: String::from("teller"),
        operation: Operation::CreateTransfers,
        role: Role::Write,
        resource: Some(Resource::EventLedger { event_index: 100, ledger: EUROS }),
    };
    assert_eq!(heard[0], expected);
    // Nothing of either happened.
    let mut teller = bank.admitted(1).await;
    let body = array::to_bytes(&[TransferId(200), TransferId(300)]);
    let found = teller.answered(Operation::LookupTransfers, &body).await;
    assert_eq!(array::decode::<Option<Transfer>>(&found).unwrap(), [None, None]);
    bank.close().await;
}

/// A post or void may leave its ledger to the hold: the way in for whoever knows the id of a hold
/// in another ledger.
#[tokio::test]
async fn a_hold_of_another_ledger_can_not_be_settled() {
    let bank = two_ledgers().await;
    let mut teller = bank.admitted(1).await;
    let pending = Transfer { flags: TransferFlags::PENDING, ..payment(120, 11, 12, EUROS) };
    assert_eq!(teller.post(&[pending]).await, [CreateTransferStatus::Created]);

    let mut shop = bank.admitted(2).await;
    for flag in [TransferFlags::POST_PENDING_TRANSFER, TransferFlags::VOID_PENDING_TRANSFER] {
        let settle = |ledger| Transfer {
            id: TransferId(121),
            pending_id: TransferId(120),
            flags: flag,
            ledger,
            ..Transfer::default()
        };
        let body = array::to_bytes(&[settle(LedgerId(0))]);
        let message = shop.forbidden(Operation::CreateTransfers, &body).await;
        assert!(message.contains("names none: name the ledger, of a hold too"), "{message}");
        shop.forbidden(Operation::CreateTransfers, &array::to_bytes(&[settle(EUROS)])).await;
        // Under the name of an allowed ledger the engine itself refuses.
        assert_eq!(
            shop.post(&[settle(DOLLARS)]).await,
            [CreateTransferStatus::PendingTransferHasDifferentLedger]
        );
    }
    // And one of its own ledger it settles, once it names it.
    let own = Transfer { flags: TransferFlags::PENDING, ..payment(130, 1, 2, DOLLARS) };
    let post = Transfer {
        id: TransferId(131),
        pending_id: TransferId(130),
        amount: Amount(5),
        flags: TransferFlags::POST_PENDING_TRANSFER,
        ledger: DOLLARS,
        ..Transfer::default()
    };
    assert_eq!(shop.post(&[own, post]).await, [CreateTransferStatus::Created; 2]);
    bank.close().await;
}

/// Neither do accounts of another ledger take part under a ledger's name that is allowed.
#[tokio::test]
async fn a_payment_between_accounts_of_another_ledger_fails_by_the_rules() {
    let bank = two_ledgers().await;
    let mut shop = bank.admitted(2).await;
    assert_eq!(
        shop.post(&[payment(140, 11, 12, DOLLARS), payment(141, 1, 12, DOLLARS)]).await,
        [
            CreateTransferStatus::TransferMustHaveTheSameLedgerAsAccounts,
            CreateTransferStatus::AccountsMustHaveTheSameLedger,
        ]
    );
    bank.close().await;
}

/// What lies beyond the limit looks like what does not exist, so that nothing is learned of it.
#[tokio::test]
async fn what_lies_beyond_the_limit_is_not_seen() {
    let bank = two_ledgers().await;
    let mut shop = bank.admitted(2).await;

    let ids = array::to_bytes(&[AccountId(1), AccountId(11), AccountId(99)]);
    let found = shop.answered(Operation::LookupAccounts, &ids).await;
    let found: Vec<Option<Account>> = array::decode(&found).unwrap();
    assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, false]);
    let ids = array::to_bytes(&[TransferId(101), TransferId(111)]);
    let found = shop.answered(Operation::LookupTransfers, &ids).await;
    let found: Vec<Option<Transfer>> = array::decode(&found).unwrap();
    assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);

    for (id, seen) in [(1, 1), (11, 0), (99, 0)] {
        let filter = cold::to_bytes(&AccountFilter::new(AccountId(id)));
        let transfers = shop.answered(Operation::AccountTransfers, &filter).await;
        let transfers: TransferPage = page::decode(&transfers).unwrap();
        assert_eq!(transfers.items.len(), seen, "account {id}");
        let balances = shop.answered(Operation::AccountBalances, &filter).await;
        let balances: BalancePage = page::decode(&balances).unwrap();
        assert_eq!(balances.items.len(), seen, "account {id}");
        let asked = AsOf { account_id: AccountId(id), timestamp: Timestamp(u64::MAX - 1) };
        let balance = shop.answered(Operation::BalanceAsOf, &cold::to_bytes(&asked)).await;
        let balance: Option<BalanceAt> = cold::decode(&balance).unwrap();
        assert_eq!(balance.is_some(), seen == 1, "account {id}");
    }
    bank.close().await;
}

/// A query over everything would answer about all ledgers.
#[tokio::test]
async fn a_limited_key_names_its_ledger_in_queries_and_sums() {
    let bank = two_ledgers().await;
    let mut shop = bank.admitted(2).await;
    for operation in [Operation::QueryAccounts, Operation::QueryTransfers] {
        let filter = |ledger| {
            let mut filter = QueryFilter::all();
            filter.ledger = ledger;
            filter.scan = true;
            cold::to_bytes(&filter)
        };
        shop.answered(operation, &filter(DOLLARS)).await;
        let message = shop.forbidden(operation, &filter(EUROS)).await;
        assert!(message.contains("ledger 978"), "{message}");
        let message = shop.forbidden(operation, &filter(LedgerId(0))).await;
        assert!(message.contains("name one"), "{message}");
    }
    shop.answered(Operation::TrialBalance, &cold::to_bytes(&DOLLARS)).await;
    shop.forbidden(Operation::TrialBalance, &cold::to_bytes(&EUROS)).await;
    bank.close().await;
}

/// A stream shows every ledger, so a key that is limited to one gets none.
#[tokio::test]
async fn a_limited_key_does_not_follow_the_log() {
    let limited =
        ClientKey { roles: Roles::from_iter([Role::Stream]), ..teller_of(&secret(1), 840) };
    let limits = KeyLimits { tables: Some([20].into()), ..KeyLimits::default() };
    let of_a_table = ClientKey { limits, ..keyed(2, &[Role::Stream]) };
    let bank = Bank::open([limited, of_a_table]).await;
    for number in [1, 2] {
        let mut peer = bank.admitted(number).await;
        let body = subscribe(1 << 20).to_bytes();
        let message = peer.forbidden(Operation::Subscribe, &body).await;
        assert!(message.contains("is not cut to them"), "{message}");
    }
    let heard = bank.heard.0.lock().unwrap().clone();
    assert!(heard.iter().all(|it| it.resource == Some(Resource::Everything)));
    assert_eq!(heard.len(), 2);
    bank.close().await;
}

#[tokio::test]
async fn a_key_has_so_many_connections_and_no_more() {
    let limits = KeyLimits { connections_max: Some(1), ..KeyLimits::default() };
    let single = ClientKey { limits, ..teller(&secret(1)) };
    let mut closed = Closed::start([single, teller(&secret(2))]).await;
    let first = closed.admitted(&secret(1)).await;
    let verdict = closed.secured().await.introduce(&secret(1)).await;
    let Verdict::Refused { kind, message } = verdict else { unreachable!("admitted") };
    assert_eq!(kind, RefusalKind::Busy);
    assert!(message.contains("`teller` has 1 connections"), "{message}");
    closed.serves(&secret(2)).await;
    drop(first);
    // The server hears of it in its own time: ask until there is a place.
    while !matches!(closed.secured().await.introduce(&secret(1)).await, Verdict::Admitted { .. }) {}
}

/// The place of a connection that nobody uses is for others, if the operator says so.
#[tokio::test(start_paused = true)]
async fn a_connection_without_requests_ends_after_the_idle_timeout() {
    let options = ServerOptions { idle_timeout: Some(Duration::from_secs(60)), ..open() };
    let (server, mut engine) = Running::start(options).await;
    let mut peer = Peer::welcomed(server.address).await;
    peer.create_transfers(1, &[transfer(1)]).await;
    let (_, reply) = engine.next_transfers().await;
    // Whoever waits for an answer is not idle.
    tokio::time::advance(Duration::from_secs(500)).await;
    reply(Ok(Reply::Transfers(vec![created(1)])));
    assert_eq!(peer.results(1).await, [created(1)]);
    let last_word = peer.reply().await;
    assert_eq!(last_word.header.outcome, Outcome::LastWord);
    assert_eq!(last_word.refusal().kind, RefusalKind::Stopped);
    assert!(last_word.refusal().message.contains("idle"));
}

/// TLS keeps back what it could not write at once; a reply of a megabyte must leave whole.
#[tokio::test]
async fn large_replies_leave_whole() {
    let mut closed = Closed::start([teller(&secret(1))]).await;
    let mut peer = closed.admitted(&secret(1)).await;
    let ids = vec![AccountId(1); 8_190];
    let mut request = BytesMut::new();
    array::write(&ids, &mut request);
    for id in 1..=4 {
        peer.ask(id, Operation::LookupAccounts.number(), 0, &request).await;
    }
    for _ in 1..=4 {
        let (_, reply) = closed.engine.next().await;
        reply(Ok(Reply::LookedUpAccounts(vec![None; 8_190])));
    }
    for _ in 1..=4 {
        assert_eq!(peer.reply().await.body.len(), 8_190 * 128);
    }
}

/// No role at all is a key that may only ask how the server is.
#[tokio::test]
async fn a_key_without_roles_sees_the_status_alone() {
    let bank = Bank::open([ClientKey { roles: Roles::NONE, ..teller(&secret(1)) }]).await;
    let mut peer = bank.admitted(1).await;
    peer.answered(Operation::Status, &[]).await;
    peer.forbidden(Operation::LookupAccounts, &array::to_bytes(&[AccountId(1)])).await;
    bank.close().await;
}
