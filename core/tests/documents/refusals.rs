//! Prevents: a refusal that leaves no trace; a caller that fills the disk with its refusals.

use crate::cabinet::{Cabinet, PLAIN, account, commit, put, put_if, transfer};
use florin_core::ErrorKind;
use florin_core::commits::{Caller, CallerId, CommitRequest, RefusedRequest};
use florin_core::disk::Disk;
use florin_core::log::{FramePosition, LogReader, identify};
use florin_core::request::{AccountBatch, Reply, Request, TransferBatch};
use florin_ledger::document::DocumentCondition;
use florin_ledger::record::{Record, RefusalReason, RefusalRecord};
use florin_ledger::{
    Commit, CommitOutcome, CreateTransferStatus, Lsn, Position, Precondition, Timestamp, Transfer,
    TransferFlags, TransferId, TransferResult,
};
use std::sync::{Arc, mpsc};

fn ask(cabinet: &Cabinet, request: Request) -> Result<Reply, florin_core::Error> {
    let (sender, receiver) = mpsc::sync_channel(1);
    cabinet.database.submit(request, move |reply| sender.send(reply).unwrap());
    receiver.recv().unwrap()
}

/// Posts transfers for a caller; says how each was answered, and when.
fn post(cabinet: &Cabinet, caller: &Caller, transfers: &[Transfer]) -> Vec<TransferResult> {
    let batch = TransferBatch::new(transfers).unwrap();
    match ask(cabinet, Request::CreateTransfers(batch).by(caller)).unwrap() {
        Reply::Transfers(results) => results,
        other => panic!("transfers are answered by results, not {other:?}"),
    }
}

/// Every refusal on record, with whose it was and when.
fn on_record(cabinet: Cabinet) -> Vec<(RefusalRecord, String, Timestamp)> {
    cabinet.database.close().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(cabinet.disk);
    let identity = identify(disk.as_ref()).unwrap().unwrap();
    let mut frames = LogReader::new(disk, identity).frames(FramePosition::GENESIS, Lsn(u64::MAX));
    let mut found = Vec::new();
    while let Some(frame) = frames.next().unwrap() {
        for stored in frame.records_with_payloads() {
            let (stored, payload) = stored.unwrap();
            if let Record::Refusal(refusal) = stored.record {
                let who = String::from_utf8(payload.into_owned()).unwrap();
                found.push((refusal, who, stored.time));
            }
        }
    }
    found
}

#[test]
fn every_reason_is_on_record_with_who_and_what() {
    let cabinet = Cabinet::new();
    cabinet.open_accounts();
    cabinet.done(&commit(1));
    cabinet.put_any("a", "1");
    let ann = |id: u128| Commit { actor: b"ann".to_vec(), ..commit(id) };
    let (table, key, version) = (PLAIN, b"a".to_vec(), Position::NONE);
    let needs = Precondition::Document { table, key, version };
    cabinet.commit(&ann(1));
    cabinet.commit(&Commit { preconditions: vec![needs], ..ann(2) });
    let stale = put_if("a", "2", DocumentCondition::Absent);
    cabinet.commit(&Commit { documents: vec![put("b", "1"), stale], ..ann(3) });
    cabinet.commit(&Commit { transfers: vec![transfer(1, 2, 1, 5)], ..ann(4) });
    let refused = RefusedRequest {
        caller: Caller::new(CallerId(5), "key 5"),
        reason: RefusalReason::Forbidden,
        actor: b"key 5 may not write".to_vec(),
    };
    assert_eq!(ask(&cabinet, Request::RecordRefusal(refused)).unwrap(), Reply::Recorded);
    let found = on_record(cabinet);
    let told: Vec<_> = found
        .iter()
        .map(|(refusal, who, _)| (refusal.id, refusal.reason.name(), refusal.index, who.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (1, "exists_with_different_digest", 0, "ann"),
            (2, "document_precondition", 0, "ann"),
            (3, "write_condition", 1, "ann"),
            (4, "exceeds_credits", 0, "ann"),
            (0, "forbidden", 0, "key 5 may not write"),
        ]
    );
    assert!(found.iter().all(|(refusal, ..)| refusal.count == 1));
}

/// Over its budget a caller is told `busy`, nothing is decided, and one record counts what was over.
#[test]
fn refusals_over_the_budget_are_counted_in_one_record() {
    const BUDGET: usize = 600;
    let cabinet = Cabinet::new();
    cabinet.open_accounts();
    let caller = Caller::new(CallerId(9), "bob");
    let submit = |commit: &Commit| {
        let request = CommitRequest::new(commit).unwrap().by(&caller);
        match ask(&cabinet, Request::Commit(request)) {
            Ok(Reply::Commit(outcome)) => Ok(outcome),
            Ok(_) => unreachable!("a commit is answered by its outcome"),
            Err(error) => Err(error.kind()),
        }
    };
    let late = Commit { not_after: Timestamp(1), ..commit(1) };
    for _ in 0..BUDGET {
        assert!(matches!(submit(&late), Ok(CommitOutcome::Unmet(_))));
    }
    assert_eq!(submit(&late), Err(ErrorKind::Busy));
    let poor = Commit { transfers: vec![transfer(1, 2, 1, 5)], ..commit(2) };
    assert_eq!(submit(&poor), Err(ErrorKind::Busy), "what can't be put on record is not final");
    let rich = Commit { transfers: vec![transfer(2, 1, 2, 5)], ..commit(3) };
    assert!(matches!(submit(&rich), Ok(CommitOutcome::Done(_))), "what is done is done");
    assert!(matches!(submit(&poor), Ok(CommitOutcome::Done(_))), "and no id was spent");
    assert!(matches!(cabinet.commit(&late), CommitOutcome::Unmet(_)), "others have theirs");
    cabinet.wait_until(cabinet.now() + 61_000_000_000);
    let found = on_record(cabinet);
    assert_eq!(found.len(), BUDGET + 2);
    let (count, who, _) = found.last().unwrap();
    assert_eq!((count.count, count.reason, who.as_str()), (1, RefusalReason::TooLate, "bob"));
}

/// Prevents: somebody tries accounts or amounts in batches, and the log shows only what succeeded.
#[test]
fn what_a_batch_is_refused_is_on_record_with_who_when_and_where() {
    let cabinet = Cabinet::new();
    cabinet.open_accounts();
    let ann = Caller::new(CallerId(7), "ann of accounting");
    let linked = |id| Transfer { flags: TransferFlags::LINKED, ..transfer(id, 1, 2, 1) };
    let poor = transfer(11, 2, 1, 1_000);
    let transfers = [
        transfer(10, 1, 2, 5),
        poor,
        transfer(10, 1, 2, 5),
        linked(12),
        Transfer { id: TransferId(13), ..poor },
        transfer(10, 1, 2, 6),
        transfer(14, 1, 2, 5),
    ];
    let results = post(&cabinet, &ann, &transfers);
    let names: Vec<_> = results.iter().map(|result| result.status.name()).collect();
    assert_eq!(
        names,
        [
            "created",
            "exceeds_credits",
            "exists",
            "linked_event_failed",
            "exceeds_credits",
            "exists_with_different_amount",
            "created",
        ]
    );
    let times: Vec<_> = [1, 4, 5].map(|index: usize| results[index].timestamp).into();
    let opened = AccountBatch::new(&[account(3), account(1), account(0)]).unwrap();
    ask(&cabinet, Request::CreateAccounts(opened).by(&ann)).unwrap();
    // What comes after is where it would be without the record, in a new opening too.
    let cabinet = cabinet.restart();
    let repeat = post(&cabinet, &Caller::default(), &transfers[..2]);
    assert_eq!(repeat[0].status, CreateTransferStatus::Exists);
    assert_eq!(repeat[1].status, CreateTransferStatus::IdAlreadyFailed);
    let found = on_record(cabinet);
    let told: Vec<_> = found
        .iter()
        .map(|(refusal, who, _)| {
            let RefusalRecord { id, reason, index, .. } = *refusal;
            (reason.subject(), id, reason.name(), index, who.as_str())
        })
        .collect();
    let ann = ann.name();
    assert_eq!(
        told,
        [
            ("transfer", 11, "exceeds_credits", 1, ann),
            ("transfer", 13, "exceeds_credits", 4, ann),
            ("transfer", 10, "exists_with_different_amount", 5, ann),
            ("account", 0, "id_must_not_be_zero", 2, ann),
            ("transfer", 11, "id_already_failed", 1, ""),
        ]
    );
    assert!(found.iter().zip(&times).all(|((.., time), answered)| time == answered));
    assert!(found.iter().all(|(refusal, ..)| refusal.count == 1));
}

/// Batches over their budget are answered all the same, and keep no commit from being decided.
#[test]
fn events_over_the_budget_are_answered_and_counted() {
    const BUDGET: usize = 600;
    let cabinet = Cabinet::new();
    cabinet.open_accounts();
    let caller = Caller::new(CallerId(9), "bob");
    let poor: Vec<_> = (1..=1_000).map(|id| transfer(id, 2, 1, 1_000)).collect();
    let results = post(&cabinet, &caller, &poor);
    let exceeds = CreateTransferStatus::ExceedsCredits;
    assert!(results.iter().all(|result| result.status == exceeds));
    let late = CommitRequest::new(&Commit { not_after: Timestamp(1), ..commit(1) }).unwrap();
    let outcome = ask(&cabinet, Request::Commit(late).by(&caller)).unwrap();
    assert!(matches!(outcome, Reply::Commit(CommitOutcome::Unmet(_))), "commits have their own");
    cabinet.wait_until(cabinet.now() + 61_000_000_000);
    let found = on_record(cabinet);
    assert_eq!(found.len(), BUDGET + 2);
    let (count, who, _) = found.last().unwrap();
    let told = (count.count, count.reason, who.as_str());
    assert_eq!(told, (400, RefusalReason::BatchTransfer(exceeds), "bob"));
}
