//! Prevents: a refusal that leaves no trace; a caller that fills the disk with its refusals.

use crate::cabinet::{Cabinet, PLAIN, commit, put, put_if, transfer};
use florin_core::ErrorKind;
use florin_core::commits::{CallerId, CommitRequest, RefusedRequest};
use florin_core::disk::Disk;
use florin_core::log::{FramePosition, LogReader, identify};
use florin_core::request::{Reply, Request};
use florin_ledger::document::DocumentCondition;
use florin_ledger::record::{Record, RefusalReason, RefusalRecord};
use florin_ledger::{Commit, CommitOutcome, Lsn, Position, Precondition};
use std::sync::{Arc, mpsc};

fn ask(cabinet: &Cabinet, request: Request) -> Result<Reply, florin_core::Error> {
    let (sender, receiver) = mpsc::sync_channel(1);
    cabinet.database.submit(request, move |reply| sender.send(reply).unwrap());
    receiver.recv().unwrap()
}

/// Every refusal on record, with whose it was.
fn on_record(cabinet: Cabinet) -> Vec<(RefusalRecord, String)> {
    cabinet.database.close().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(cabinet.disk);
    let identity = identify(disk.as_ref()).unwrap().unwrap();
    let mut frames = LogReader::new(disk, identity).frames(FramePosition::GENESIS, Lsn(u64::MAX));
    let mut found = Vec::new();
    while let Some(frame) = frames.next().unwrap() {
        for stored in frame.records_with_payloads() {
            let (stored, payload) = stored.unwrap();
            if let Record::Refusal(refusal) = stored.record {
                found.push((refusal, String::from_utf8(payload.into_owned()).unwrap()));
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
        caller: CallerId(5),
        reason: RefusalReason::Forbidden,
        actor: b"key 5 may not write".to_vec(),
    };
    assert_eq!(ask(&cabinet, Request::RecordRefusal(refused)).unwrap(), Reply::Recorded);
    let found = on_record(cabinet);
    let told: Vec<_> = found
        .iter()
        .map(|(refusal, who)| (refusal.id.0, refusal.reason.name(), refusal.index, who.as_str()))
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
    assert!(found.iter().all(|(refusal, _)| refusal.count == 1));
}

/// Over its budget a caller is told `busy`, nothing is decided, and one record counts what was over.
#[test]
fn refusals_over_the_budget_are_counted_in_one_record() {
    const BUDGET: usize = 600;
    let cabinet = Cabinet::new();
    cabinet.open_accounts();
    let caller = CallerId(9);
    let submit = |commit: &Commit| {
        let request = CommitRequest::new(commit).unwrap().by(caller);
        match ask(&cabinet, Request::Commit(request)) {
            Ok(Reply::Commit(outcome)) => Ok(outcome),
            Ok(_) => unreachable!("a commit is answered by its outcome"),
            Err(error) => Err(error.kind()),
        }
    };
    let late = Commit { not_after: florin_ledger::Timestamp(1), ..commit(1) };
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
    let (count, who) = found.last().unwrap();
    assert_eq!((count.count, count.reason, who.as_str()), (1, RefusalReason::TooLate, "caller 9"));
}
