//! What a receipt says of standbys. Prevents: a promise that a payment is on two machines which only one has, and
//! one that is given away before it may be told.

use crate::pair::{PATIENCE, Pair, Wire, open_accounts, options, transfer};
use florin_core::commits::CommitRequest;
use florin_core::proof::{SignedReceipt, SigningKey};
use florin_core::request::{Reply, Request};
use florin_core::shipping::{Missing, Synchrony};
use florin_core::tree::Proving;
use florin_core::{Database, Options};
use florin_ledger::{Commit, CommitId, CommitOutcome, Subject};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

/// A pair whose primary signs.
fn signing() -> Pair {
    let mut pair = Pair::new();
    open_accounts(&pair.primary);
    pair.primary.close().unwrap();
    let key = SigningKey::from_seed(&[5; 32]);
    let proving = Some(Proving { signing_key: Some(key), ..Proving::default() });
    let options = Options { proving, ..options(&pair.primary_disk) };
    let disk = Arc::new(pair.primary_disk.clone());
    pair.primary = Database::open_on(disk, pair.clock.clone(), options).unwrap();
    pair
}

fn commit(id: u64) -> Commit {
    let id_of_commit = CommitId(u128::from(id));
    Commit { id: id_of_commit, transfers: vec![transfer(id)], ..Commit::default() }
}

/// Commits; the outcome comes when it may be told, and the receipt is asked for then, as a server does.
fn ask(database: &Database, id: u64) -> Receiver<CommitOutcome> {
    let (sender, receiver) = channel();
    let request = Request::Commit(CommitRequest::new(&commit(id)).unwrap());
    database.submit(request, move |reply| match reply {
        Ok(Reply::Commit(outcome)) => drop(sender.send(outcome)),
        other => panic!("{other:?}"),
    });
    receiver
}

fn standbys(receipt: &SignedReceipt) -> (u16, u16) {
    receipt.verify(&SigningKey::from_seed(&[5; 32]).public()).unwrap();
    (receipt.receipt.standbys, receipt.receipt.standbys_demanded)
}

#[test]
fn no_receipt_is_had_before_the_outcome_is_told_and_it_says_who_has_it() {
    let pair = signing();
    let primary = &pair.primary;
    let outcome = primary.commit_with_receipt(&commit(1)).unwrap();
    assert_eq!(standbys(&outcome.1.unwrap()), (0, 0), "nobody follows");
    let (_standby, mut follower) = pair.follow();
    let mut wire = Wire::new(primary, &mut follower);
    wire.carry(&mut follower, 1 << 20);
    primary.demand_standbys(Synchrony { standbys: 1, missing: Missing::Wait, nodes: None });
    wire.carry(&mut follower, 1 << 20);
    let synced = |database: &Database| database.replication().synchrony().synced;
    let before = synced(primary);
    let outcome = ask(primary, 2);
    while synced(primary) <= before {
        std::thread::yield_now();
    }
    // Durable here, and a standby's word is missing.
    assert_eq!(outcome.try_recv().unwrap_err(), TryRecvError::Empty);
    assert!(primary.durable_end() <= before, "it is told");
    // What is found by id in memory is not told either.
    let early = {
        let (asked, receipt) = channel();
        let database = primary.clone();
        let asking = std::thread::spawn(move || {
            drop(asked.send(database.receipt(&Subject::Commit(CommitId(2)))));
        });
        let early = receipt.recv_timeout(Duration::from_millis(50));
        (early, receipt, asking)
    };
    assert!(!matches!(early.0, Ok(Ok(_))), "a receipt of what may not be told: {:?}", early.0);
    wire.carry(&mut follower, 1 << 20);
    let outcome = outcome.recv_timeout(PATIENCE).unwrap();
    early.2.join().unwrap();
    assert_eq!(standbys(&primary.receipt_of(&outcome).unwrap()), (1, 1));
    // The standby that had it has gone: it had it all the same.
    drop(wire);
    assert_eq!(standbys(&primary.receipt_of(&outcome).unwrap()), (1, 1));
    primary.demand_standbys(Synchrony::default());
    assert_eq!(standbys(&primary.receipt_of(&outcome).unwrap()).1, 0);
}

#[test]
fn what_was_told_without_standbys_says_so() {
    let pair = signing();
    let primary = &pair.primary;
    let (_standby, mut follower) = pair.follow();
    let mut wire = Wire::new(primary, &mut follower);
    wire.carry(&mut follower, 1 << 20);
    let patience = Duration::from_secs(10);
    primary.demand_standbys(Synchrony {
        standbys: 1,
        missing: Missing::Degrade(patience),
        nodes: None,
    });
    wire.carry(&mut follower, 1 << 20);
    let outcome = ask(primary, 2);
    while primary.replication().synchrony().waiting.is_none() {
        std::thread::yield_now();
    }
    // Its standby says nothing, and time passes.
    let past = u64::try_from(2 * patience.as_nanos()).unwrap();
    pair.clock.pass_until(pair.clock.nanoseconds() + past);
    let outcome = outcome.recv_timeout(PATIENCE).unwrap();
    assert_eq!(standbys(&primary.receipt_of(&outcome).unwrap()), (0, 1), "on one machine alone");
    wire.carry(&mut follower, 1 << 20);
    assert_eq!(standbys(&primary.receipt_of(&outcome).unwrap()), (1, 1), "now it is on two");
}
