//! Prevents: a commit of which a part took effect; one that was decided without what it needs.

use crate::cabinet::{Cabinet, PLAIN, account, commit, customer, delete, put, put_if, transfer};
use florin_core::ErrorKind;
use florin_ledger::commit::{BalanceField, BrokenRule, Event, Topic, Unmet};
use florin_ledger::document::{DocumentCondition, WriteResult};
use florin_ledger::{
    AccountFlags, AccountId, Amount, Commit, CommitOutcome, Position, Precondition, Timestamp,
    TransferFlags, TransferId,
};

/// Everything at once, seen at once.
#[test]
fn accounts_transfers_documents_and_events_take_effect_together() {
    let cabinet = Cabinet::new();
    cabinet.open_accounts();
    let done = cabinet.done(&Commit {
        accounts: vec![customer(3)],
        transfers: vec![transfer(1, 1, 3, 500), transfer(2, 3, 2, 200)],
        documents: vec![put("payment", "of 2.00"), put("limit", "3.00 left")],
        events: vec![Event { topic: Topic(7), key: b"ann".to_vec(), value: b"paid".to_vec() }],
        actor: b"teller 9".to_vec(),
        ..commit(1)
    });
    let counts = (done.accounts.len(), done.transfers.len(), done.documents.len());
    assert_eq!((counts, done.events.len()), ((1, 2, 2), 1));
    let times = [done.accounts[0], done.transfers[0], done.transfers[1], done.timestamp];
    assert!(times.is_sorted_by(|a, b| a < b), "each has a nanosecond of its own: {times:?}");
    assert_eq!(cabinet.account(3).unwrap().debits_posted, Amount(200));
    assert_eq!(cabinet.account(2).unwrap().credits_posted, Amount(200));
    assert_eq!(cabinet.value("payment").as_deref(), Some("of 2.00"));
    assert_eq!(cabinet.get(PLAIN, "limit").unwrap().version, done.documents[1]);
    let found = cabinet.database.lookup_transfers(&[TransferId(2)]).unwrap();
    assert_eq!(found[0].unwrap().timestamp, done.transfers[1]);
    assert!(done.documents.iter().chain(&done.events).all(|it| *it < done.position));
}

/// Fault 4: the order of its items must not make a commit partial. Each part in turn is at fault.
#[test]
fn one_part_at_fault_takes_everything_back() {
    let cabinet = Cabinet::new();
    cabinet.open_accounts();
    let version = cabinet.put_any("taken", "by another");
    let whole = |id: u128| Commit {
        accounts: vec![customer(10 + id)],
        transfers: vec![transfer(100 + id, 1, 2, 500)],
        documents: vec![put("note", "paid")],
        ..commit(id)
    };
    let check = |commit: Commit, expected: &str| {
        let before = cabinet.account(2).unwrap();
        let outcome = format!("{:?}", cabinet.commit(&commit));
        assert!(outcome.contains(expected), "{outcome} is not {expected}");
        assert_eq!(cabinet.account(2).unwrap(), before, "{expected}");
        assert_eq!(cabinet.account(commit.accounts[0].id.0), None, "{expected}");
        assert_eq!(cabinet.value("note"), None, "{expected}");
    };
    let mut twice = whole(1);
    twice.accounts.push(account(2));
    check(twice, "ExistsWithDifferentFlags");
    let mut overdrawn = whole(2);
    overdrawn.transfers.push(transfer(102, 2, 1, 501));
    overdrawn.transfers[0].id = TransferId(103);
    check(overdrawn, "ExceedsCredits");
    let mut stale = whole(3);
    stale.documents.push(put_if("taken", "by me", DocumentCondition::Absent));
    check(stale, "Write { index: 1, version: Position");
    let mut needed = whole(4);
    let key = b"taken".to_vec();
    let wrong = Position { epoch: version.epoch + 1, ..version };
    needed.preconditions =
        vec![Precondition::Document { table: PLAIN, key: key.clone(), version: wrong }];
    check(needed.clone(), "Document { index: 0, version: Position");
    needed.preconditions = vec![Precondition::Document { table: PLAIN, key, version }];
    cabinet.done(&needed);
    assert_eq!(cabinet.value("note").as_deref(), Some("paid"));
}

/// A precondition that is read otherwise than its caller means lets money go that must not.
#[test]
fn preconditions_are_judged_by_the_present_state() {
    let cabinet = Cabinet::new();
    cabinet.open_accounts();
    cabinet.done(&Commit { transfers: vec![transfer(1, 1, 2, 1_000)], ..commit(1) });
    let mut hold = transfer(2, 2, 1, 400);
    hold.flags = TransferFlags::PENDING;
    cabinet.done(&Commit { transfers: vec![hold], ..commit(2) });
    let unmet = |precondition: Precondition| {
        let asked = Commit { preconditions: vec![precondition], ..commit(99) };
        match cabinet.database.dry_run(&asked).unwrap() {
            CommitOutcome::Done(_) => None,
            CommitOutcome::Unmet(unmet) => Some(unmet),
            other => panic!("{other:?}"),
        }
    };
    let balance = |id: u128, field: BalanceField, min: u128, max: u128| {
        let account_id = AccountId(id);
        let (min, max) = (Amount(min), Amount(max));
        unmet(Precondition::Balance { account_id, field, min, max })
    };
    let is = |balance| Some(Unmet::Balance { index: 0, balance });
    assert_eq!(balance(2, BalanceField::CreditsPosted, 1_000, 1_000), None, "ends included");
    assert_eq!(balance(2, BalanceField::CreditsPosted, 1_001, u128::MAX), is(Some(Amount(1_000))));
    assert_eq!(balance(2, BalanceField::DebitsPending, 0, 399), is(Some(Amount(400))));
    assert_eq!(balance(2, BalanceField::DebitsPosted, 0, 0), None);
    assert_eq!(balance(2, BalanceField::CreditsPending, 0, 0), None);
    assert_eq!(balance(2, BalanceField::CreditAvailable, 600, 600), None, "what is held is gone");
    assert_eq!(balance(2, BalanceField::DebitAvailable, 1, 9), is(Some(Amount(0))), "not negative");
    assert_eq!(balance(1, BalanceField::DebitAvailable, 600, 600), None);
    assert_eq!(balance(7, BalanceField::DebitsPosted, 0, u128::MAX), is(None), "no such account");
    let pending = |id: u128| unmet(Precondition::HoldPending { transfer_id: TransferId(id) });
    assert_eq!(pending(2), None);
    assert_eq!(pending(1), Some(Unmet::Hold { index: 0 }), "a transfer, but no hold");
    let mut void = transfer(3, 0, 0, 0);
    (void.flags, void.pending_id) = (TransferFlags::VOID_PENDING_TRANSFER, TransferId(2));
    (void.ledger, void.code) = (Default::default(), Default::default());
    cabinet.done(&Commit { transfers: vec![void], ..commit(3) });
    assert_eq!(pending(2), Some(Unmet::Hold { index: 0 }), "not any more");
    let absent = |key: &str| {
        let (key, version) = (key.as_bytes().to_vec(), Position::NONE);
        unmet(Precondition::Document { table: PLAIN, key, version })
    };
    assert_eq!(absent("note"), None);
    let version = cabinet.put_any("note", "here");
    assert_eq!(absent("note"), Some(Unmet::Document { index: 0, version }));
    cabinet.write(delete("note"));
    assert_eq!(absent("note"), None, "deleted is absent");
}

/// `not_after` is judged by ledger time, its own instant included.
#[test]
fn a_commit_that_comes_too_late_is_told_so() {
    let cabinet = Cabinet::new();
    let now = cabinet.now();
    cabinet.wait_until(now + 5_000);
    let late = Commit { not_after: Timestamp(now + 4_999), ..commit(1) };
    let CommitOutcome::Unmet(Unmet::TooLate(at)) = cabinet.commit(&late) else {
        panic!("it is late")
    };
    assert_eq!(at, Timestamp(now + 5_000));
    cabinet.done(&Commit { not_after: Timestamp(now + 6_000), ..late });
}

/// What breaks a limit never comes to the engine.
#[test]
fn what_is_no_commit_is_refused_by_name() {
    let cabinet = Cabinet::new();
    let refused = |commit: Commit| {
        let error = cabinet.database.commit(&commit).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        error.to_string()
    };
    assert!(refused(commit(0)).contains("neither zero nor"));
    let mut linked = transfer(1, 1, 2, 5);
    linked.flags = TransferFlags::LINKED;
    assert!(refused(Commit { transfers: vec![linked], ..commit(1) }).contains("linked"));
    let mut imported = customer(5);
    imported.flags = AccountFlags::IMPORTED;
    assert!(refused(Commit { accounts: vec![imported], ..commit(1) }).contains("imported"));
    let twice = vec![put("a", "1"), put("b", "2"), put("a", "3")];
    assert!(refused(Commit { documents: twice, ..commit(1) }).contains("twice"));
    let long = vec![put("a", &"x".repeat(65_537))];
    assert!(refused(Commit { documents: long, ..commit(1) }).contains("65536"));
    cabinet.done(&Commit { documents: vec![put("a", &"x".repeat(65_536))], ..commit(1) });
    assert_eq!(cabinet.value("a").map(|value| value.len()), Some(65_536));
}

/// A dry run says what would come, and leaves nothing: not an id, not a document, not a refusal.
#[test]
fn a_dry_run_tells_and_changes_nothing() {
    let cabinet = Cabinet::new();
    cabinet.open_accounts();
    let asked = Commit {
        accounts: vec![customer(3)],
        transfers: vec![transfer(1, 1, 3, 500)],
        documents: vec![put("note", "paid")],
        ..commit(1)
    };
    let CommitOutcome::Done(tried) = cabinet.database.dry_run(&asked).unwrap() else {
        panic!("it can be done")
    };
    assert_eq!(tried.position, Position::NONE);
    assert_eq!((cabinet.account(3), cabinet.value("note")), (None, None));
    assert_eq!(cabinet.database.lookup_transfers(&[TransferId(1)]).unwrap(), [None]);
    let poor = Commit { transfers: vec![transfer(2, 2, 1, 1)], ..commit(2) };
    for _ in 0..2 {
        let CommitOutcome::Refused(refused) = cabinet.database.dry_run(&poor).unwrap() else {
            panic!("it is refused")
        };
        assert!(matches!(refused.broken, BrokenRule::Transfer { index: 0, .. }));
    }
    let done = cabinet.done(&asked);
    assert!(tried.transfers[0] < done.transfers[0], "time has passed all the same");
    cabinet.done(&Commit { transfers: vec![transfer(3, 1, 2, 1)], ..commit(3) });
    cabinet.done(&poor);
    let CommitOutcome::Done(again) = cabinet.database.dry_run(&asked).unwrap() else {
        panic!("it was done")
    };
    assert_eq!(again, done, "the first answer, for a dry run too");
}

/// One write that is stale must not take the others of its batch with it; one after another.
#[test]
fn writes_of_a_batch_stand_each_by_itself_and_in_order() {
    let cabinet = Cabinet::new();
    let results = cabinet
        .database
        .write_documents(&[
            put("a", "1"),
            put_if("a", "2", DocumentCondition::Absent),
            put_if("b", "1", DocumentCondition::Absent),
            delete("a"),
            put_if("a", "3", DocumentCondition::Absent),
        ])
        .unwrap();
    let WriteResult::Written(first) = results[0] else { panic!("written") };
    assert_eq!(results[1], WriteResult::Stale(first));
    assert!(matches!(
        results[2..],
        [WriteResult::Written(_), WriteResult::Written(_), WriteResult::Written(_)]
    ));
    assert_eq!(cabinet.value("a").as_deref(), Some("3"));
    assert_eq!(cabinet.value("b").as_deref(), Some("1"));
    let WriteResult::Written(third) = results[4] else { panic!("written") };
    let stale = cabinet.write(put_if("a", "4", DocumentCondition::Version(first)));
    assert_eq!(stale, WriteResult::Stale(third));
    let fresh = cabinet.write(put_if("a", "4", DocumentCondition::Version(third)));
    assert!(matches!(fresh, WriteResult::Written(_)));
}
