//! Prevents: an answer, a read or a stream that speaks of what only one machine has, although two were asked
//! for. Faults 51 and 52.

use crate::pair::{PATIENCE, Pair, Wire, follow, open_accounts, post, transfer};
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::request::{Reply, Request, TransferBatch};
use florin_core::shipping::{BATCH_HEAD_BYTES, Missing, Synchrony};
use florin_core::{Database, Error, ErrorKind};
use florin_ledger::{
    AccountId, Lsn, Position, StreamFilter, StreamStart, Timestamp, Transfer, TransferFlags,
    TransferId,
};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

const ONE: Synchrony = Synchrony { standbys: 1, missing: Missing::Wait, nodes: None };

/// Posts a transfer; the answer comes when it may.
fn ask(database: &Database, id: u64) -> Receiver<Result<Reply, Error>> {
    let (sender, receiver) = channel();
    let batch = TransferBatch::new(&[transfer(id)]).unwrap();
    database.submit(Request::CreateTransfers(batch), move |reply| drop(sender.send(reply)));
    receiver
}

/// Carries until the answer is there: a witness may come between any two steps, and is waited for, too.
fn carry_until(answer: &Receiver<Result<Reply, Error>>, mut carry: impl FnMut() -> Lsn) -> Reply {
    loop {
        match answer.try_recv() {
            Ok(reply) => return reply.unwrap(),
            Err(TryRecvError::Empty) => _ = carry(),
            Err(TryRecvError::Disconnected) => panic!("it is answered, once"),
        }
    }
}

fn synced(database: &Database) -> Lsn {
    database.replication().synchrony().synced
}

/// Waits until what was asked is durable at the primary.
fn await_synced(database: &Database, past: Lsn) {
    while synced(database) <= past {
        std::thread::yield_now();
    }
}

#[test]
fn nothing_is_told_before_a_standby_has_it() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let primary = &pair.primary;
    let (standby, mut follower) = pair.follow();
    let mut wire = Wire::new(primary, &mut follower);
    wire.carry(&mut follower, 1 << 20);
    primary.demand_standbys(ONE);
    wire.carry(&mut follower, 1 << 20);
    let released = primary.durable_end();
    let mut stream = primary.subscribe(StreamStart::End, StreamFilter::default()).unwrap();
    let answer = ask(primary, 1);
    // Durable at both, and nobody is told as long as the standby does not say so: no answer, no stream, no
    // history.
    let mut position = follower.begin().unwrap().position;
    while standby.lookup_transfers(&[TransferId(1)]).unwrap()[0].is_none() {
        position = follower.take(&wire.shipment.next(1 << 20).unwrap()).unwrap();
    }
    assert_eq!(answer.try_recv().unwrap_err(), TryRecvError::Empty);
    assert_eq!(primary.durable_end(), released);
    assert_eq!(stream.next(1 << 20, Duration::ZERO).unwrap().view().items_count(), 0);
    let (sender, looked_up) = channel();
    let ids = Request::LookupAccounts(vec![AccountId(2)]);
    primary.submit(ids, move |reply| drop(sender.send(reply)));
    assert!(looked_up.recv_timeout(Duration::from_millis(20)).is_err(), "a read waits, too");
    // Now it has it.
    wire.shipment.acknowledger().acknowledge(position.lsn).unwrap();
    answer.recv_timeout(PATIENCE).unwrap().unwrap();
    carry_until(&looked_up, || wire.carry(&mut follower, 1 << 20));
    assert!(released < primary.durable_end());
    // Nobody acknowledges beside this thread, so what asks the engine on the way may wait for a witness.
    primary.demand_standbys(Synchrony::default());
    assert_ne!(stream.next(1 << 20, PATIENCE).unwrap().view().items_count(), 0);
    assert!(primary.lookup_transfers(&[TransferId(1)]).unwrap()[0].is_some());
}

/// A primary that crashed before its standby had a transfer knows it when it is back; nobody else does, and it
/// may die for good before anybody does.
#[test]
fn what_a_crash_left_is_not_told_before_a_standby_has_it_either() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    post(&pair.primary, 1, 1);
    let disk = pair.primary_disk.crash_image(pair.primary_disk.operations_count(), 1);
    let primary = crate::pair::open(&disk, &pair.clock).unwrap();
    primary.demand_standbys(ONE);
    let again = ask(&primary, 1);
    let (sender, looked_up) = channel();
    primary
        .submit(Request::LookupAccounts(vec![AccountId(2)]), move |reply| drop(sender.send(reply)));
    let mut stream = primary.subscribe(StreamStart::Begin, StreamFilter::default()).unwrap();
    assert!(again.recv_timeout(Duration::from_millis(50)).is_err());
    assert!(looked_up.try_recv().is_err());
    assert_eq!(stream.next(1 << 20, Duration::ZERO).unwrap().view().items_count(), 0);
    let (_standby, mut follower) = follow(&pair.standby_disk, &pair.clock, &primary).unwrap();
    let mut wire = Wire::new(&primary, &mut follower);
    carry_until(&again, || wire.carry(&mut follower, 1 << 20));
    carry_until(&looked_up, || wire.carry(&mut follower, 1 << 20));
    primary.demand_standbys(Synchrony::default());
    assert_ne!(stream.next(1 << 20, PATIENCE).unwrap().view().items_count(), 0);
}

/// One directory that connects twice is one standby: K of them are K machines.
#[test]
fn a_standby_counts_once_however_often_it_connects() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let (one, mut first) = pair.follow();
    let other_disk = SimulatedDisk::new();
    let (_two, mut second) = follow(&other_disk, &pair.clock, &pair.primary).unwrap();
    pair.primary.demand_standbys(Synchrony { standbys: 2, ..ONE });
    let mut wire = Wire::new(&pair.primary, &mut first);
    wire.carry(&mut first, 1 << 20);
    let mut again = Wire::new(&pair.primary, &mut first);
    let answer = ask(&pair.primary, 1);
    while one.lookup_transfers(&[TransferId(1)]).unwrap()[0].is_none() {
        again.carry(&mut first, 1 << 20);
    }
    // The connection from before says the same, and does not count besides.
    while !wire.shipment.is_live() {
        wire.shipment.next(1 << 20).unwrap();
    }
    let has = first.begin().unwrap().position.lsn;
    wire.shipment.acknowledger().acknowledge(has).unwrap();
    assert_eq!(pair.primary.replication().synchrony().replicas.len(), 1);
    assert_eq!(answer.try_recv().unwrap_err(), TryRecvError::Empty);
    let mut other = Wire::new(&pair.primary, &mut second);
    carry_until(&answer, || {
        again.carry(&mut first, 1 << 20);
        other.carry(&mut second, 1 << 20)
    });
}

/// One that has gone does not count any more, whatever it has.
#[test]
fn a_standby_that_has_gone_holds_answers_until_it_is_back() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let (_standby, mut follower) = pair.follow();
    pair.primary.demand_standbys(ONE);
    let mut wire = Wire::new(&pair.primary, &mut follower);
    wire.carry(&mut follower, 1 << 20);
    drop(wire);
    let before = synced(&pair.primary);
    let answer = ask(&pair.primary, 1);
    await_synced(&pair.primary, before);
    assert_eq!(answer.try_recv().unwrap_err(), TryRecvError::Empty);
    let mut wire = Wire::new(&pair.primary, &mut follower);
    carry_until(&answer, || wire.carry(&mut follower, 1 << 20));
}

/// What nobody sent can't be acknowledged: it would release what is not even written.
#[test]
fn a_position_that_nobody_has_is_not_acknowledged() {
    let pair = Pair::new();
    let (_standby, mut follower) = pair.follow();
    let wire = Wire::new(&pair.primary, &mut follower);
    let acknowledger = wire.shipment.acknowledger();
    let durable = synced(&pair.primary);
    for unsent in [durable, Lsn(durable.0 + 1)] {
        let error = acknowledger.acknowledge(unsent).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "it was sent nothing yet");
    }
    // A part of a frame is nothing yet, either.
    let mut shipment = wire.shipment;
    let whole = shipment.next(1 << 20).unwrap().len();
    let mut shipment = pair.primary.ship(&follower.begin().unwrap(), "x").unwrap();
    shipment.next(whole - BATCH_HEAD_BYTES - 1).unwrap();
    let sent = shipment.acknowledger();
    assert_eq!(sent.acknowledge(durable).unwrap_err().kind(), ErrorKind::Invalid);
    shipment.next(1 << 20).unwrap();
    sent.acknowledge(durable).unwrap();
}

/// Degrading is a setting, takes its time, is loud, and ends when the standby has caught up.
#[test]
fn without_standbys_answers_go_on_only_if_that_was_asked_for() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let primary = &pair.primary;
    primary.demand_standbys(Synchrony {
        standbys: 1,
        missing: Missing::Degrade(Duration::from_secs(5)),
        nodes: None,
    });
    let answer = ask(primary, 1);
    assert_eq!(
        answer.recv_timeout(Duration::from_millis(120)).map(|_| ()),
        Err(std::sync::mpsc::RecvTimeoutError::Timeout)
    );
    pair.clock.pass_until(pair.clock.nanoseconds() + 6_000_000_000);
    answer.recv_timeout(PATIENCE).unwrap().unwrap();
    assert!(primary.replication().synchrony().is_degraded);
    assert_eq!(primary.replication().synchrony().degradations, 1);
    let troubles = primary.metrics().health().troubles;
    assert!(troubles.iter().any(|trouble| trouble.name() == "degraded"), "{troubles:?}");
    // Degraded, nothing waits; a standby that is behind changes nothing, one that has caught up does.
    post(primary, 2, 3);
    let (_standby, mut follower) = pair.follow();
    let mut wire = Wire::new(primary, &mut follower);
    assert!(primary.replication().synchrony().is_degraded);
    wire.carry(&mut follower, 1 << 20);
    assert!(!primary.replication().synchrony().is_degraded);
    let answer = ask(primary, 5);
    assert_eq!(
        answer.recv_timeout(Duration::from_millis(20)).map(|_| ()),
        Err(std::sync::mpsc::RecvTimeoutError::Timeout)
    );
    carry_until(&answer, || wire.carry(&mut follower, 1 << 20));
}

/// Prevents: "not degraded" while what was told is on one machine alone.
#[test]
fn a_primary_is_degraded_until_standbys_have_all_that_was_told_without_them() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let primary = &pair.primary;
    let missing = Missing::Degrade(Duration::from_secs(5));
    primary.demand_standbys(Synchrony { missing, ..ONE });
    let answer = ask(primary, 1);
    // Time is looked at when something has waited.
    while !primary.replication().synchrony().is_degraded {
        pair.clock.pass_until(pair.clock.nanoseconds() + 1_000_000_000);
        std::thread::yield_now();
    }
    answer.recv_timeout(PATIENCE).unwrap().unwrap();
    let degraded_at = synced(primary);
    post(primary, 2, 3);
    let (_standby, mut follower) = pair.follow();
    let mut wire = Wire::new(primary, &mut follower);
    while !wire.shipment.is_live() {
        follower.take(&wire.shipment.next(1 << 20).unwrap()).unwrap();
    }
    let has = follower.begin().unwrap().position.lsn;
    let acknowledger = wire.shipment.acknowledger();
    // It has come near: from now on answers wait for it.
    acknowledger.acknowledge(degraded_at).unwrap();
    let answer = ask(primary, 5);
    assert!(answer.recv_timeout(Duration::from_millis(20)).is_err());
    assert!(primary.replication().synchrony().is_degraded, "transfers 2 to 4 are here alone");
    acknowledger.acknowledge(has).unwrap();
    carry_until(&answer, || wire.carry(&mut follower, 1 << 20));
    assert!(!primary.replication().synchrony().is_degraded);
}

/// Prevents: a panic, or "the log is damaged", where nothing may be told yet; a cursor that a reader is told is
/// of another history then.
#[test]
fn positions_and_streams_are_not_yet_there_before_a_standby_has_what_is_here() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let primary = &pair.primary;
    let mut stream = primary.subscribe(StreamStart::Begin, StreamFilter::default()).unwrap();
    let cursor = stream.next(1 << 20, PATIENCE).unwrap().view().end().cursor;
    let position = Position { epoch: 1, lsn: cursor.lsn };
    primary.wait_for(position, PATIENCE).unwrap();
    primary.demand_standbys(ONE);
    let kind = |result: Result<(), Error>| result.unwrap_err().kind();
    assert_eq!(kind(primary.wait_for(position, Duration::ZERO)), ErrorKind::NotYet);
    let starts = [StreamStart::End, StreamStart::After(cursor), StreamStart::Time(Timestamp(1))];
    for start in starts {
        let begun = primary.subscribe(start, StreamFilter::default()).map(drop);
        assert_eq!(kind(begun), ErrorKind::Busy, "{start:?}");
    }
    // A standby that has nothing yet has come to no position, and ends where it begins.
    let (standby, mut follower) = pair.follow();
    assert_eq!(kind(standby.wait_for(position, Duration::ZERO)), ErrorKind::NotYet);
    standby.subscribe(StreamStart::End, StreamFilter::default()).unwrap();
    let mut wire = Wire::new(primary, &mut follower);
    while primary.wait_for(position, Duration::ZERO).is_err() {
        wire.carry(&mut follower, 1 << 20);
    }
    for start in starts {
        primary.subscribe(start, StreamFilter::default()).unwrap();
    }
}

/// Prevents: holds that expire, or a witness, behind the last frame that standbys are sent when a server stops.
#[test]
fn a_database_that_rests_decides_nothing_more_and_a_close_writes_nothing_behind_its_last_frame() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let primary = &pair.primary;
    let hold = Transfer { flags: TransferFlags::PENDING, timeout: 1, ..transfer(1) };
    primary.create_transfers(&[hold]).unwrap();
    let (sender, rested) = channel();
    primary.rest(move || sender.send(()).unwrap());
    rested.recv_timeout(PATIENCE).unwrap();
    let end = synced(primary);
    pair.clock.pass_until(pair.clock.nanoseconds() + 5_000_000_000);
    let error = primary.create_transfers(&[transfer(2)]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
    assert_eq!(primary.status().unwrap().holds_count, 1);
    // What a standby is sent now is all that there will ever be of this opening.
    let (standby, mut follower) = pair.follow();
    assert_eq!(Wire::new(primary, &mut follower).carry(&mut follower, 1 << 20), end);
    primary.close().unwrap();
    drop(standby);
    let reader = crate::pair::follow(&pair.primary_disk, &pair.clock, primary).unwrap();
    let (_old, mut old) = reader;
    assert_eq!(old.begin().unwrap().position.lsn, end);
}

/// A primary that is closed does not wait for standbys for ever, and loses nothing that it wrote.
#[test]
fn a_close_does_not_wait_for_standbys() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    pair.primary.demand_standbys(ONE);
    let before = synced(&pair.primary);
    let answer = ask(&pair.primary, 1);
    await_synced(&pair.primary, before);
    pair.primary.close().unwrap();
    let error = answer.recv_timeout(PATIENCE).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
    let again = crate::pair::open(&pair.primary_disk, &pair.clock).unwrap();
    assert!(again.lookup_transfers(&[TransferId(1)]).unwrap()[0].is_some());
}
