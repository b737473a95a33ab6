//! Which roles each operation takes.

use super::{Bank, DOLLARS, account, keyed, subscribe, writes};
use crate::harness::transfer;
use bytes::{Bytes, BytesMut};
use florin_ledger::commit_bytes::encode_commit;
use florin_ledger::document::DocumentScan;
use florin_ledger::query::{AccountFilter, QueryFilter};
use florin_ledger::{
    AccountId, Commit, CommitId, DocumentKey, Lsn, Position, Subject, TableId, TableOptions,
    Timestamp, TransferId,
};
use florin_wire::cold::{AsOf, Await, HistoryOf, Once};
use florin_wire::group::{HandOver, HasPosition, Promise, truth_to_bytes};
use florin_wire::keyring::{self, KeyNames};
use florin_wire::replication::{Acknowledge, Follow};
use florin_wire::stream::{Credit, Unsubscribe};
use florin_wire::tree::{self, BalanceOf, ConsistencyOf, InclusionOf};
use florin_wire::{
    KeyringPiece, LogPiece, Operation, RefusalKind, Role, SeedPiece, array, cold, documents,
};

/// A standby of a database that nobody has.
fn follow() -> Bytes {
    let name = String::from("standby");
    let nobody = Follow {
        incarnation: 1,
        life: 1,
        node: 1,
        lsn: Lsn(4_096),
        sequence: 1,
        chain: [0; 32],
        promised: 0,
        must_compare: false,
        name,
    };
    nobody.to_bytes()
}

/// One line per operation: who may ask, who not, and what the refusal names.
#[tokio::test]
async fn every_operation_needs_its_role() {
    let roles: Vec<_> = (1..).zip(Role::ALL.iter().copied()).collect();
    let bank = Bank::encrypted(roles.iter().map(|(number, role)| keyed(*number, &[*role]))).await;
    let names = keyring::names_to_bytes(&KeyNames(vec![b"ann".to_vec()]));
    let ids = array::to_bytes(&[AccountId(1)]);
    let filter = cold::to_bytes(&AccountFilter::new(AccountId(1)));
    let mut query = QueryFilter::all();
    query.scan = true;
    let query = cold::to_bytes(&query);
    let as_of = cold::to_bytes(&AsOf { account_id: AccountId(1), timestamp: Timestamp(1) });
    let reading = &[Role::Read, Role::Audit][..];
    let everyone = Role::ALL;
    let streaming = &[Role::Stream][..];
    let waiting = &[Role::Read, Role::Write, Role::Stream, Role::Audit][..];
    let commit = |id| Bytes::from(encode_commit(&Commit { id: CommitId(id), ..Commit::default() }));
    let key = DocumentKey { table: TableId(16), key: b"a".to_vec() };
    let mut keys = BytesMut::new();
    documents::write_keys(std::slice::from_ref(&key), &mut keys);
    let history = HistoryOf { key: key.clone(), before: Position::NONE, limit: 1 };
    let scan = DocumentScan { table: key.table, limit: 1, ..DocumentScan::default() };
    let once = Once { key, expires: Timestamp::NONE };
    let table = array::to_bytes(&[(TableId(17), TableOptions::default())]);
    let reached = cold::to_bytes(&Await { position: Position::NONE, patience_ms: 0 });
    let then = documents::as_of_to_bytes(Position { epoch: 1, lsn: Lsn(4096) }, &commit(3));
    let piece = LogPiece { segment: 0, offset: 0, bytes: 4_096 }.to_bytes();
    let subject = Subject::Transfer(TransferId(1));
    let inclusion = InclusionOf { subject, size: None };
    let consistency = ConsistencyOf { first: 1, second: None };
    let balance = BalanceOf { account: AccountId(1), at: Position::NONE };
    let cases: [(Operation, Bytes, &[Role]); 51] = [
        (Operation::CreateAccounts, array::to_bytes(&[account(1, DOLLARS)]), &[Role::Write]),
        (Operation::CreateTransfers, array::to_bytes(&[transfer(1)]), &[Role::Write]),
        (Operation::LookupAccounts, ids.clone(), reading),
        (Operation::LookupTransfers, ids, reading),
        (Operation::AccountTransfers, filter.clone(), reading),
        (Operation::AccountBalances, filter, reading),
        (Operation::BalanceAsOf, as_of, reading),
        (Operation::QueryAccounts, query.clone(), reading),
        (Operation::QueryTransfers, query, reading),
        (Operation::TrialBalance, cold::to_bytes(&DOLLARS), reading),
        (Operation::Status, Bytes::new(), everyone),
        (Operation::AwaitPosition, reached, waiting),
        (Operation::Commit, commit(1), &[Role::Write]),
        (Operation::CommitWithReceipt, commit(4), &[Role::Write]),
        (Operation::DryRun, commit(2), &[Role::Write, Role::Read, Role::Audit]),
        (Operation::DryRunAsOf, then, &[Role::Write, Role::Read, Role::Audit]),
        (Operation::GetDocuments, keys.freeze(), reading),
        (Operation::ScanDocuments, cold::to_bytes(&scan), reading),
        (Operation::DocumentHistory, cold::to_bytes(&history), reading),
        (Operation::WriteDocuments, writes(16), &[Role::Write]),
        (Operation::InsertUnique, cold::to_bytes(&once), &[Role::Write]),
        (Operation::DeclareTable, table, &[Role::Operate]),
        (Operation::ListTables, Bytes::new(), reading),
        (Operation::Subscribe, subscribe(0).to_bytes(), streaming),
        (Operation::Credit, Credit { subscription: 9, bytes: 1 }.to_bytes(), streaming),
        (Operation::Unsubscribe, Unsubscribe { subscription: 9 }.to_bytes(), streaming),
        (Operation::MakeKeys, names.clone(), &[Role::Keyring]),
        (Operation::ReadKeys, names.clone(), &[Role::Keyring]),
        (Operation::DestroyKeys, names, &[Role::Keyring, Role::Operate]),
        (Operation::KeyringStatus, Bytes::new(), &[Role::Keyring, Role::Operate, Role::Audit]),
        (Operation::Snapshot, Bytes::new(), &[Role::Replicate]),
        (Operation::ReadLog, piece, &[Role::Replicate]),
        (Operation::CopyKeyring, KeyringPiece::default().to_bytes(), &[Role::Replicate]),
        (Operation::OfferSeed, Bytes::new(), &[Role::Replicate]),
        (Operation::ReadSeed, SeedPiece { id: 1, part: 0, from: 0 }.to_bytes(), &[Role::Replicate]),
        (Operation::TreeHead, tree::head_to_bytes(None), reading),
        (Operation::ProveInclusion, inclusion.to_bytes(), reading),
        (Operation::ProveConsistency, consistency.to_bytes(), reading),
        (Operation::Receipt, tree::subject_to_bytes(&inclusion.subject), reading),
        (Operation::ProveBalance, balance.to_bytes(), reading),
        (Operation::CaptureBalances, Bytes::new(), &[Role::Operate]),
        (Operation::LogOrigin, Bytes::new(), &[Role::Replicate]),
        (Operation::FollowLog, follow(), &[Role::Replicate]),
        (
            Operation::AcknowledgeLog,
            Acknowledge { following: 9, lsn: Lsn(4_096), counts: true }.to_bytes(),
            &[Role::Replicate],
        ),
        (Operation::ReplicationStatus, Bytes::new(), everyone),
        (Operation::Promote, truth_to_bytes(true), &[Role::Operate]),
        (
            Operation::Promise,
            Promise { incarnation: 1, life: 1, candidate: 1, term: 1 }.to_bytes(),
            &[Role::Replicate],
        ),
        (
            Operation::HasPosition,
            HasPosition { incarnation: 1, lsn: Lsn(4_096), sequence: 1, chain: [0; 32] }.to_bytes(),
            &[Role::Replicate],
        ),
        (Operation::HandOver, HandOver { node: 1, patience_ms: 1 }.to_bytes(), &[Role::Operate]),
        (Operation::ReadGroup, Bytes::new(), everyone),
        (Operation::ChangeGroup, Bytes::from_static(b"no group"), &[Role::Operate]),
    ];
    assert_eq!(cases.len(), Operation::ALL.len(), "every operation has its line");
    for (number, role) in roles {
        let mut peer = bank.admitted(number).await;
        for (operation, body, allowed) in &cases {
            let refused = match operation {
                // A stream without credit, a position without a record, a database without a tree, a primary that
                // shall be promoted or hand over to nobody, and a group that is none are refused, but not for
                // want of the role.
                Operation::Subscribe
                | Operation::DryRunAsOf
                | Operation::TreeHead
                | Operation::ProveInclusion
                | Operation::ProveConsistency
                | Operation::Receipt
                | Operation::ProveBalance
                | Operation::CaptureBalances
                | Operation::CommitWithReceipt
                | Operation::Promote
                | Operation::HandOver
                | Operation::ChangeGroup => Some(RefusalKind::Invalid),
                // So is a standby of another database, and a promise to one.
                Operation::FollowLog | Operation::Promise | Operation::HasPosition => {
                    Some(RefusalKind::Fork)
                }
                // And a piece of a checkpoint that was not offered.
                Operation::ReadSeed => Some(RefusalKind::Busy),
                _ => None,
            };
            if allowed.contains(&role)
                && let Some(kind) = refused
            {
                peer.ask(1, operation.number(), 0, body).await;
                assert_eq!(peer.reply().await.refusal().kind, kind);
            } else if allowed.contains(&role) {
                peer.answered(*operation, body).await;
            } else {
                let message = peer.forbidden(*operation, body).await;
                let needed = format!("the role {}, which {}", allowed[0], operation.name());
                assert!(message.contains(&needed), "{message}");
            }
        }
    }
    let heard = bank.heard.0.lock().unwrap().clone();
    // By how many roles each operation may be asked for: one, two, three, four of the seven.
    let expected_count = (6 + 3 + 1 + 2 + 3 + 4 + 4 + 2 + 1) * 6 + (17 + 1) * 5 + 3 * 4 + 3;
    assert_eq!(heard.len(), expected_count, "each was heard of once");
    assert!(heard.iter().all(|it| it.resource.is_none() && it.key_name == "teller"));
    bank.close().await;
}
