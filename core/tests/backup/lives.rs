//! A restored bank is the same bank up to the cut, and another one from there on.

use crate::bank::{Bank, Kind, balance, hold, opens, restored, transfer};
use florin_core::ErrorKind;
use florin_core::backup::memory::MemoryStore;
use florin_core::backup::{ErrorOf, Target};
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::verify::verify_on;
use florin_ledger::{
    CreateTransferStatus, Position, StreamFilter, StreamStart, TransferId,
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
        first.remove_for_test("checkpoint.redb");
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
