//! Prevents: a primary that tells past its lease, when another may decide; answers without standbys that nobody who
//! takes over knows of. Fault 51.

use crate::pair::{PATIENCE, Pair, Wire, open_accounts, transfer};
use florin_core::request::{Reply, Request, TransferBatch};
use florin_core::shipping::{Missing, Synchrony};
use florin_core::{Database, Error};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Ten seconds after a beginning.
fn now() -> Duration {
    Duration::from_secs(10)
}

fn at(seconds: u64) -> u64 {
    seconds * 1_000_000_000
}

fn ask(database: &Database, id: u64) -> Receiver<Result<Reply, Error>> {
    let (sender, receiver) = channel();
    let batch = TransferBatch::new(&[transfer(id)]).unwrap();
    database.submit(Request::CreateTransfers(batch), move |reply| drop(sender.send(reply)));
    receiver
}

fn is_silent<T>(answer: &Receiver<T>) -> bool {
    answer.recv_timeout(Duration::from_millis(30)).is_err()
}

#[test]
fn nothing_is_told_past_the_lease() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let until = Arc::new(AtomicU64::new(at(11)));
    pair.primary.hold_lease(until.clone(), now);
    ask(&pair.primary, 1).recv_timeout(PATIENCE).unwrap().unwrap();
    // The moment itself is too late.
    until.store(at(10), Ordering::Release);
    let told = pair.primary.durable_end();
    let answer = ask(&pair.primary, 2);
    assert!(is_silent(&answer));
    assert_eq!(pair.primary.durable_end(), told, "readers are told nothing, either");
    until.store(at(12), Ordering::Release);
    pair.primary.look_again();
    answer.recv_timeout(PATIENCE).unwrap().unwrap();
    assert!(told < pair.primary.durable_end());
}

/// An acknowledgement comes when the lease is over.
#[test]
fn nor_what_standbys_acknowledge_then() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let (_standby, mut follower) = pair.follow();
    let mut wire = Wire::new(&pair.primary, &mut follower);
    wire.carry(&mut follower, 1 << 20);
    pair.primary.demand_standbys(Synchrony { standbys: 1, missing: Missing::Wait, nodes: None });
    wire.carry(&mut follower, 1 << 20);
    let until = Arc::new(AtomicU64::new(at(9)));
    pair.primary.hold_lease(until.clone(), now);
    let answer = ask(&pair.primary, 1);
    for _ in 0..3 {
        wire.carry(&mut follower, 1 << 20);
        assert!(is_silent(&answer));
    }
    until.store(at(11), Ordering::Release);
    pair.primary.look_again();
    answer.recv_timeout(PATIENCE).unwrap().unwrap();
}

#[test]
fn answers_go_without_standbys_only_when_that_is_on_record() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let primary = &pair.primary;
    primary.hold_lease(Arc::new(AtomicU64::new(at(11))), now);
    let missing = Missing::Degrade(Duration::from_secs(5));
    primary.demand_standbys(Synchrony { standbys: 1, missing, nodes: None });
    let answer = ask(primary, 1);
    assert!(is_silent(&answer) && !primary.wants_alone());
    pair.clock.pass_until(pair.clock.nanoseconds() + 6_000_000_000);
    while !primary.wants_alone() {
        std::thread::yield_now();
    }
    assert!(is_silent(&answer), "nobody has put it on record");
    assert!(!primary.replication().synchrony().is_degraded);
    assert!(primary.allow_alone(true));
    answer.recv_timeout(PATIENCE).unwrap().unwrap();
    // It stays on record as long as standbys lack what was told.
    assert!(!primary.allow_alone(false));
    let (_standby, mut follower) = pair.follow();
    let mut wire = Wire::new(primary, &mut follower);
    while !primary.allow_alone(false) {
        wire.carry(&mut follower, 1 << 20);
    }
    // The next time it has to be put there again.
    drop(wire);
    let again = ask(primary, 2);
    while !primary.wants_alone() {
        pair.clock.pass_until(pair.clock.nanoseconds() + 1_000_000_000);
    }
    assert!(is_silent(&again));
}
