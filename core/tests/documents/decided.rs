//! Prevents: a commit that takes effect twice, or whose second answer is not the first; one that binds
//! its id although it was never decided. Each case also across a restart and a power cut, with
//! checkpoints in between.

use crate::cabinet::{Cabinet, PLAIN, commit, customer, put, put_if, transfer};
use florin_ledger::commit::{Event, Topic, Unmet};
use florin_ledger::document::DocumentCondition;
use florin_ledger::{Amount, Commit, CommitOutcome, Precondition, TransferId};

/// The same in three lives of a database: at once, after a restart, after a power cut.
fn in_three_lives(prepare: impl Fn(&Cabinet), check: impl Fn(&Cabinet)) {
    let cabinet = Cabinet::new();
    cabinet.open_accounts();
    prepare(&cabinet);
    check(&cabinet);
    let cabinet = cabinet.restart();
    check(&cabinet);
    fill(&cabinet);
    let cabinet = cabinet.power_cut(7);
    check(&cabinet);
}

/// So much that several checkpoints pass, and the newest frames are not in memory alone.
fn fill(cabinet: &Cabinet) {
    for number in 0..40 {
        cabinet.put_any(&format!("filling {number}"), &"x".repeat(2_000));
    }
}

fn payment(id: u128) -> Commit {
    Commit {
        accounts: vec![customer(10 + id)],
        transfers: vec![transfer(100 + id, 1, 10 + id, 500), transfer(200 + id, 1, 2, 1)],
        documents: vec![put(&format!("payment {id}"), &"paid ".repeat(8_000))],
        events: vec![Event { topic: Topic(1), key: Vec::new(), value: b"paid".to_vec() }],
        actor: b"ann".to_vec(),
        ..commit(id)
    }
}

/// Fault 15, 16, 19, 20: a repeat is the first answer for ever; another body under its id is told so.
#[test]
fn a_done_commit_answers_the_same_for_ever() {
    let first = std::cell::OnceCell::new();
    let check = |cabinet: &Cabinet| {
        let outcome = cabinet.commit(&payment(1));
        assert_eq!(outcome, *first.get_or_init(|| outcome.clone()));
        let CommitOutcome::Done(done) = outcome else { panic!("it was done") };
        let paid = cabinet.account(11).unwrap();
        assert_eq!(paid.credits_posted, Amount(500), "once");
        assert_eq!(cabinet.get(PLAIN, "payment 1").unwrap().version, done.documents[0]);
        let other = Commit { actor: b"bob".to_vec(), ..payment(1) };
        assert_eq!(cabinet.commit(&other), CommitOutcome::ExistsWithDifferentDigest(done.position));
        let meant_the_same = Commit { digest: digest_of(&payment(1)), ..other };
        assert_eq!(cabinet.commit(&meant_the_same), *first.get().unwrap(), "by its digest");
    };
    in_three_lives(|cabinet| drop(cabinet.commit(&payment(1))), check);
}

fn digest_of(commit: &Commit) -> [u8; 32] {
    blake3::hash(&florin_ledger::commit_bytes::encode_commit(commit)).into()
}

/// A refusal by a posting rule is final, even when the reason has passed.
#[test]
fn a_commit_that_a_rule_refused_stays_refused() {
    let poor = Commit {
        transfers: vec![transfer(1, 1, 2, 1), transfer(2, 2, 1, 1_000)],
        documents: vec![put("never", "written")],
        ..commit(1)
    };
    let first = std::cell::OnceCell::new();
    let prepare = |cabinet: &Cabinet| {
        drop(cabinet.commit(&poor));
        cabinet.done(&Commit { transfers: vec![transfer(3, 1, 2, 5_000)], ..commit(2) });
    };
    in_three_lives(prepare, |cabinet| {
        let outcome = cabinet.commit(&poor);
        assert_eq!(outcome, *first.get_or_init(|| outcome.clone()));
        let CommitOutcome::Refused(refused) = outcome else { panic!("it was refused") };
        assert!(refused.position.is_some());
        assert!(format!("{:?}", refused.broken).contains("index: 1, status: ExceedsCredits"));
        assert_eq!(cabinet.account(2).unwrap().credits_posted, Amount(5_000));
        assert_eq!(cabinet.value("never"), None);
        // The failing transfer's id is spent, as in a chain; the other's is free.
        let retry = |id: u128| cabinet.database.create_transfers(&[transfer(id, 1, 7, 1)]).unwrap();
        assert_eq!(retry(2)[0].status.name(), "id_already_failed");
        assert_eq!(cabinet.database.lookup_transfers(&[TransferId(1)]).unwrap(), [None]);
    });
}

/// What was never decided binds nothing: neither the commit's id nor its transfers'.
#[test]
fn an_unmet_commit_may_be_sent_again() {
    let counted = |version| Commit {
        preconditions: vec![Precondition::Document {
            table: PLAIN,
            key: b"gate".to_vec(),
            version,
        }],
        transfers: vec![transfer(1, 1, 2, 10)],
        ..commit(1)
    };
    let cabinet = Cabinet::new();
    cabinet.open_accounts();
    let version = cabinet.put_any("gate", "closed");
    let opened = cabinet.put_any("gate", "open");
    let unmet = |cabinet: &Cabinet| {
        let outcome = cabinet.commit(&counted(version));
        assert_eq!(outcome, CommitOutcome::Unmet(Unmet::Document { index: 0, version: opened }));
    };
    unmet(&cabinet);
    let cabinet = cabinet.restart();
    unmet(&cabinet);
    fill(&cabinet);
    let cabinet = cabinet.power_cut(3);
    unmet(&cabinet);
    let done = cabinet.done(&counted(opened));
    assert_eq!(cabinet.done(&counted(opened)), done);
    assert_eq!(cabinet.account(2).unwrap().credits_posted, Amount(10));
}

/// Commit ids, transfer ids and account ids do not get in each other's way.
#[test]
fn ids_of_commits_are_a_name_space_of_their_own() {
    let cabinet = Cabinet::new();
    cabinet.open_accounts();
    cabinet.done(&Commit { transfers: vec![transfer(1, 1, 2, 5)], ..commit(1) });
    cabinet.done(&Commit { transfers: vec![transfer(2, 1, 2, 5)], ..commit(2) });
    assert_eq!(cabinet.account(2).unwrap().credits_posted, Amount(10));
}

/// Compare-and-set across openings: the epoch is part of a version.
#[test]
fn a_version_of_an_earlier_opening_still_compares() {
    let cabinet = Cabinet::new();
    let version = cabinet.put_any("counter", "1");
    let cabinet = cabinet.restart();
    let write = |version| put_if("counter", "2", DocumentCondition::Version(version));
    let forged = florin_ledger::Position { epoch: version.epoch + 1, ..version };
    assert_eq!(cabinet.write(write(forged)), florin_ledger::document::WriteResult::Stale(version));
    assert!(matches!(
        cabinet.write(write(version)),
        florin_ledger::document::WriteResult::Written(_)
    ));
    assert_eq!(cabinet.value("counter").as_deref(), Some("2"));
}
