//! Prevents: two primaries that both tell; a promise that is forgotten, or given twice. Faults 42, 51 and 52.

use crate::pair::{PATIENCE, Pair, Wire, follow, open, open_accounts, post, transfer};
use florin_core::following::{Promotion, promote_on};
use florin_core::group::Term;
use florin_core::request::{Request, TransferBatch};
use florin_core::shipping::{Missing, Synchrony};
use florin_core::{Database, Error, ErrorKind};
use std::fmt::Debug;
use std::sync::mpsc::channel;

const FIRST: Term = Term(0x1_0000);
const SECOND: Term = Term(0x2_0000);

fn kind<T: Debug>(result: Result<T, Error>) -> ErrorKind {
    result.unwrap_err().kind()
}

fn synced(database: &Database) -> florin_ledger::Lsn {
    database.replication().synchrony().synced
}

/// What arrives after the promise is refused, and what was acknowledged lies before the end that is told with it.
#[test]
fn who_has_promised_hears_no_lower_term() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let (standby, mut follower) = pair.follow();
    let mut wire = Wire::new(&pair.primary, &mut follower);
    let acknowledged = wire.carry(&mut follower, 1 << 20);
    post(&pair.primary, 1, 3);
    let batch = wire.shipment.next(1 << 20).unwrap();
    let promised = standby.promise(FIRST, None).unwrap();
    assert!(promised.is_granted);
    assert_eq!((promised.promised, promised.term), (FIRST, Term::NONE));
    assert_eq!(promised.end, acknowledged);
    assert_eq!(kind(follower.take(&batch)), ErrorKind::Fenced);
    assert_eq!(synced(&standby), acknowledged, "nothing of it was written");
    // Each term once, and none below.
    for term in [FIRST, Term(1)] {
        let again = standby.promise(term, None).unwrap();
        assert_eq!((again.is_granted, again.promised), (false, FIRST));
    }
    assert!(standby.promise(SECOND, None).unwrap().is_granted);
    // The last term of all would leave none for anybody else.
    assert_eq!(kind(standby.promise(Term(u64::MAX), None)), ErrorKind::Invalid);
}

/// The primary learns of the promise when its standby comes back, and ceases to be one.
#[test]
fn a_primary_that_hears_of_a_later_term_tells_nothing_more() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let (standby, mut follower) = pair.follow();
    Wire::new(&pair.primary, &mut follower).carry(&mut follower, 1 << 20);
    let (sender, deposed) = channel();
    pair.primary.on_deposed(move || sender.send(()).unwrap());
    standby.promise(FIRST, None).unwrap();
    let refused = pair.primary.ship(&follower.begin().unwrap(), "the standby");
    assert_eq!(kind(refused), ErrorKind::Fenced);
    deposed.recv_timeout(PATIENCE).unwrap();
    assert!(pair.primary.replication().synchrony().is_deposed);
    assert_eq!(kind(pair.primary.create_transfers(&[transfer(1)])), ErrorKind::Stopped);
    // Nor after a restart; then it follows.
    pair.primary.close().unwrap();
    drop(pair.primary);
    assert_eq!(kind(open(&pair.primary_disk, &pair.clock)), ErrorKind::Fenced);
    standby.close().unwrap();
    drop((standby, follower));
    promote_on(&pair.standby_disk, Promotion::Elected(FIRST)).unwrap();
    let promoted = open(&pair.standby_disk, &pair.clock).unwrap();
    assert_eq!(promoted.node().term, FIRST);
    follow(&pair.primary_disk, &pair.clock, &promoted).unwrap();
}

/// An answer waits for a standby, another term is promised, and then the acknowledgement comes.
#[test]
fn an_acknowledgement_that_comes_after_the_promise_releases_nothing() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let primary = &pair.primary;
    let (_standby, mut follower) = pair.follow();
    let mut wire = Wire::new(primary, &mut follower);
    wire.carry(&mut follower, 1 << 20);
    primary.demand_standbys(Synchrony { standbys: 1, missing: Missing::Wait, nodes: None });
    wire.carry(&mut follower, 1 << 20);
    let released = primary.durable_end();
    let (sender, answer) = channel();
    let batch = TransferBatch::new(&[transfer(1)]).unwrap();
    primary.submit(Request::CreateTransfers(batch), move |reply| drop(sender.send(reply)));
    while synced(primary) <= released {
        std::thread::yield_now();
    }
    let promised = primary.promise(FIRST, None).unwrap();
    assert!(promised.is_granted && released < promised.end);
    wire.carry(&mut follower, 1 << 20);
    assert_eq!(kind(answer.recv_timeout(PATIENCE).unwrap()), ErrorKind::Stopped, "nobody knows");
    assert_eq!(primary.durable_end(), released);
}

/// Fault 45: a promise is whole or was not given.
#[test]
fn a_promise_outlives_a_power_cut() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let (standby, mut follower) = pair.follow();
    Wire::new(&pair.primary, &mut follower).carry(&mut follower, 1 << 20);
    standby.close().unwrap();
    drop((standby, follower));
    let (standby, follower) = pair.follow();
    let begun = pair.standby_disk.operations_count();
    standby.promise(FIRST, None).unwrap();
    let given = pair.standby_disk.operations_count();
    drop((standby, follower));
    for at in begun..=given {
        for seed in 0..4 {
            let disk = pair.standby_disk.crash_image(at, seed);
            let (standby, _follower) = follow(&disk, &pair.clock, &pair.primary).unwrap();
            let promised = standby.node().promised;
            assert!(promised == FIRST || (promised == Term::NONE && at < given), "cut at {at}");
        }
    }
}

/// A standby that promised another term after it was elected is not promoted in the first.
#[test]
fn whoever_was_elected_and_promised_another_since_is_not_promoted() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let (standby, mut follower) = pair.follow();
    Wire::new(&pair.primary, &mut follower).carry(&mut follower, 1 << 20);
    standby.promise(FIRST, None).unwrap();
    standby.promise(SECOND, None).unwrap();
    standby.close().unwrap();
    drop((standby, follower));
    let disk = &pair.standby_disk;
    assert_eq!(kind(promote_on(disk, Promotion::Elected(FIRST))), ErrorKind::Fenced);
    assert_eq!(kind(open(disk, &pair.clock)), ErrorKind::Unusable);
    promote_on(disk, Promotion::Elected(SECOND)).unwrap();
    assert_eq!(open(disk, &pair.clock).unwrap().node().term, SECOND);
}

/// A standby of the new primary is of its term, and refuses the old one.
#[test]
fn a_term_is_on_record_before_its_first_frame() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let (standby, mut follower) = pair.follow();
    Wire::new(&pair.primary, &mut follower).carry(&mut follower, 1 << 20);
    let other = pair.standby_disk.copy();
    standby.close().unwrap();
    drop((standby, follower));
    promote_on(&pair.standby_disk, Promotion::Forced).unwrap();
    let promoted = open(&pair.standby_disk, &pair.clock).unwrap();
    let term = promoted.node().term;
    assert!(Term::NONE < term);
    let (third, mut follower) = follow(&other, &pair.clock, &promoted).unwrap();
    Wire::new(&promoted, &mut follower).carry(&mut follower, 1 << 20);
    assert_eq!((third.node().term, third.node().promised), (term, term));
    let back = pair.primary.ship(&follower.begin().unwrap(), "third");
    assert_eq!(kind(back), ErrorKind::Fenced);
}
