//! A restored bank is the same bank up to the cut, and another one from there on.

use crate::bank::{Bank, Kind, NOW, balance, hold, opens, options, restored, transfer};
use florin_core::backup::Target;
use florin_core::backup::memory::MemoryStore;
use florin_core::clock::FixedClock;
use florin_core::disk::Disk;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::following::{Promotion, promote_on};
use florin_core::group::{Group, GroupNode};
use florin_core::shipping::Synchrony;
use florin_core::{Database, ErrorKind};
use florin_ledger::{
    CreateTransferStatus, Lsn, Position, StreamCursor, StreamFilter, StreamStart, TransferId,
};
use std::sync::Arc;
use std::time::Duration;

/// Faults 19 and 30: what took effect once does so never again, in whichever life.
#[test]
fn a_restored_bank_has_every_transfer_and_repeats_none() {
    for kind in Kind::ALL {
        let mut bank = Bank::found(kind);
        let ids: Vec<TransferId> = [bank.day(3), bank.day(4)].concat();
        let store = MemoryStore::new();
        let created = bank.back_up(&store).unwrap();
        let disk = SimulatedDisk::new();
        let restored = restored(kind, &store, &disk, Target::End).unwrap();
        assert_eq!(restored.cut, created.manifest.end);
        assert_eq!(restored.report.transfers_count, 7);
        let database = opens(kind, &disk).unwrap();
        assert_eq!(balance(&database), 7, "{kind:?}");
        for id in ids {
            let again = database.create_transfers(&[transfer(id)]).unwrap();
            assert_eq!(again[0].status, CreateTransferStatus::Exists);
        }
        database.close().unwrap();
    }
}

/// Faults 42, 43 and 48: old clients, standbys and stream cursors can't take it for the bank that was backed
/// up, and it can't be taken for that one's next opening.
#[test]
fn a_restored_bank_is_another_life_for_ever() {
    for kind in Kind::ALL {
        let mut bank = Bank::found(kind);
        bank.day(2);
        let store = MemoryStore::new();
        bank.back_up(&store).unwrap();
        let old = bank.open().status().unwrap().incarnation;
        let (first, second) = (SimulatedDisk::new(), SimulatedDisk::new());
        let one = restored(kind, &store, &first, Target::End).unwrap();
        let other = restored(kind, &store, &second, Target::End).unwrap();
        assert_ne!(one.incarnation, old);
        assert_ne!(one.incarnation, other.incarnation);
        for _ in 0..3 {
            let database = opens(kind, &first).unwrap();
            assert_eq!(database.status().unwrap().incarnation, one.incarnation);
            database.close().unwrap();
        }
        // Without its checkpoint, too: the log says it.
        first.remove("checkpoint.redb").unwrap();
        let database = opens(kind, &first).unwrap();
        assert_eq!(database.status().unwrap().incarnation, one.incarnation);
        database.close().unwrap();
        // Restored from a backup of its own, it is a third one.
        let again = MemoryStore::new();
        let bank = Bank::on(kind, first, 9, 100);
        let created = bank.back_up(&again).unwrap();
        assert_eq!(created.manifest.incarnation, one.incarnation);
        let third = SimulatedDisk::new();
        let third = restored(kind, &again, &third, Target::End).unwrap();
        assert!(![old, one.incarnation].contains(&third.incarnation));
    }
}

/// Prevents: a standby that copies a restored bank, and is the old one once it is promoted.
#[test]
fn a_standby_of_a_restored_bank_is_in_its_life() {
    let mut bank = Bank::found(Kind::Clear);
    bank.day(2);
    let store = MemoryStore::new();
    bank.back_up(&store).unwrap();
    let disk = SimulatedDisk::new();
    let life = restored(Kind::Clear, &store, &disk, Target::End).unwrap().incarnation;
    let primary = opens(Kind::Clear, &disk).unwrap();
    let copy = SimulatedDisk::new();
    let clock = Arc::new(FixedClock(NOW));
    let origin = || primary.origin();
    let (standby, mut follower) =
        Database::follow_on(Arc::new(copy.clone()), clock, "primary:3000", origin, options())
            .unwrap();
    let mut shipment = primary.ship(&follower.begin().unwrap(), "the standby").unwrap();
    let mut end = Lsn(0);
    while !shipment.is_live() {
        end = follower.take(&shipment.next(1 << 20).unwrap()).unwrap().lsn;
    }
    let last = Position { epoch: primary.status().unwrap().epoch, lsn: Lsn(end.0 - 1) };
    standby.wait_for(last, Duration::from_secs(60)).unwrap();
    assert_eq!(standby.status().unwrap().incarnation, life);
    // Its last checkpoint says so, too.
    standby.close().unwrap();
    drop((standby, follower));
    promote_on(&copy, Promotion::Forced).unwrap();
    assert_eq!(opens(Kind::Clear, &copy).unwrap().status().unwrap().incarnation, life);
}

/// Prevents: a drill that waits for the nodes of the bank that was backed up, or asks them for promises.
#[test]
fn a_restored_bank_is_of_no_group() {
    let mut bank = Bank::found(Kind::Clear);
    let original = bank.open();
    let node = original.node_id().unwrap();
    let nodes =
        vec![GroupNode { node, name: String::from("one"), address: String::from("one:3000") }];
    original.change_group(&Group { nodes, ..Group::default() }).unwrap();
    assert!(original.group().unwrap().is_some());
    original.close().unwrap();
    let store = MemoryStore::new();
    bank.back_up(&store).unwrap();
    let disk = SimulatedDisk::new();
    restored(Kind::Clear, &store, &disk, Target::End).unwrap();
    let copy = opens(Kind::Clear, &disk).unwrap();
    assert_eq!(copy.group().unwrap(), None);
    assert_ne!(copy.life(), copy.incarnation().unwrap());
    copy.lead(Synchrony::default()).unwrap();
    copy.status().unwrap();
}

/// The cursor after everything that there is.
fn cursor_at_end(database: &Database) -> StreamCursor {
    let mut stream = database.subscribe(StreamStart::Begin, StreamFilter::all()).unwrap();
    let batch = stream.next(1 << 20, Duration::ZERO).unwrap();
    assert!(batch.view().end().is_live, "it is a short log");
    batch.view().end().cursor
}

/// Fault 35: a reader that consumed what is behind the restore point is told, now and when the new life has
/// grown past that position; one that stopped before it goes on.
#[test]
fn cursors_and_positions_behind_the_restore_point_are_told() {
    for kind in [Kind::Clear, Kind::Sealed] {
        let mut bank = Bank::found(kind);
        bank.day(2);
        let store = MemoryStore::new();
        bank.back_up(&store).unwrap();
        let before = bank.open();
        let kept = cursor_at_end(&before);
        before.close().unwrap();
        for _ in 0..3 {
            bank.day(1);
        }
        let before = bank.open();
        bank.post(&before, 3);
        let (gone, epoch) = (cursor_at_end(&before), before.status().unwrap().epoch);
        let versions: Vec<Position> =
            (1..=3).map(|back| Position { epoch, lsn: Lsn(gone.lsn.0 - back * 8) }).collect();
        before.close().unwrap();

        let disk = SimulatedDisk::new();
        let life = restored(kind, &store, &disk, Target::End).unwrap();
        assert!(kept.lsn < gone.lsn && life.cut.lsn <= kept.lsn);
        let mut bank = Bank::on(kind, disk, bank.openings, 100);
        let mut has_passed = false;
        while !has_passed {
            let database = bank.open();
            // First it ends before that position, then behind it.
            has_passed = gone.lsn < database.durable_end();
            bank.post(&database, 1);
            let told = database.subscribe(StreamStart::After(gone), StreamFilter::all());
            assert_eq!(told.expect_err("it is of another life").kind(), ErrorKind::Fork);
            for version in &versions {
                let told = database.wait_for(*version, Duration::ZERO);
                assert_eq!(told.expect_err("it is of another life").kind(), ErrorKind::Fork);
            }
            database.close().unwrap();
        }
        // The bank goes on from every place that both lives have.
        let database = bank.open();
        let begun = StreamCursor::BEGIN;
        assert!(database.subscribe(StreamStart::After(begun), StreamFilter::all()).is_ok());
        database.close().unwrap();
    }
}

/// Epochs of a life are its own, whatever the old bank did after it was backed up, and whatever else was
/// restored from the same backup.
#[test]
fn no_epoch_is_in_two_lives() {
    let mut bank = Bank::found(Kind::Clear);
    bank.day(1);
    let store = MemoryStore::new();
    bank.back_up(&store).unwrap();
    let disk = SimulatedDisk::new();
    restored(Kind::Clear, &store, &disk, Target::End).unwrap();
    let twin = SimulatedDisk::new();
    restored(Kind::Clear, &store, &twin, Target::End).unwrap();
    for _ in 0..3 {
        bank.day(1);
    }
    let old = bank.open().status().unwrap().epoch;
    let new = opens(Kind::Clear, &disk).unwrap().status().unwrap().epoch;
    let other = opens(Kind::Clear, &twin).unwrap().status().unwrap().epoch;
    // Each of the two was opened once before.
    assert!(old < 1 << 20 && 1 << 40 < new && new < 1 << 41, "{old} {new}");
    assert!(1 << 40 < other && 1 << 20 <= other.abs_diff(new), "{new} {other}");
}

/// Time stands still while a bank is restored: a hold that is due when it is restored is there until somebody
/// serves it.
#[test]
fn nothing_runs_out_while_a_bank_is_restored() {
    let mut bank = Bank::found(Kind::Clear);
    let database = bank.open();
    let results = database.create_transfers(&[hold(50, 1)]).unwrap();
    assert_eq!(results[0].status, CreateTransferStatus::Created);
    database.close().unwrap();
    let store = MemoryStore::new();
    bank.back_up(&store).unwrap();
    let disk = SimulatedDisk::new();
    let life = restored(Kind::Clear, &store, &disk, Target::End).unwrap();
    assert_eq!(life.report.holds_count, 1);
    let mut bank = Bank::on(Kind::Clear, disk, bank.openings + 2, 100);
    let database = bank.open();
    // It is two seconds later now.
    bank.post(&database, 1);
    assert_eq!(database.status().unwrap().holds_count, 0);
    assert_eq!(balance(&database), 1);
}

/// The way back: a transfer of the old life that the new one does not have may be posted there.
#[test]
fn an_id_that_was_lost_is_free() {
    let mut bank = Bank::found(Kind::Clear);
    bank.day(1);
    let store = MemoryStore::new();
    bank.back_up(&store).unwrap();
    let lost: Vec<TransferId> = bank.day(1);
    let disk = SimulatedDisk::new();
    restored(Kind::Clear, &store, &disk, Target::End).unwrap();
    let database = opens(Kind::Clear, &disk).unwrap();
    let results = database.create_transfers(&[transfer(lost[0])]).unwrap();
    assert_eq!(results[0].status, CreateTransferStatus::Created);
}
