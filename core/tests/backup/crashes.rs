//! The power goes while a backup is made or restored.

use crate::bank::{Bank, Kind, balance, checked, opens, restored};
use florin_core::ErrorKind;
use florin_core::backup::memory::MemoryStore;
use florin_core::backup::{Target, newest};
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::disk::{Access, Disk};

/// Faults 36 and 37: interrupted at every change of the store, there is the backup before or this one, and
/// the next attempt makes it.
#[test]
fn an_interrupted_backup_leaves_the_one_before_and_is_made_again() {
    for kind in [Kind::Clear, Kind::SealedBackup] {
        let mut bank = Bank::found(kind);
        bank.day(1);
        let store = MemoryStore::new();
        let before = bank.back_up(&store).unwrap();
        bank.day(2);
        bank.day(3);
        let now = florin_ledger::Timestamp(crate::bank::NOW.0 + 1);
        let mut changes = 0;
        loop {
            let broken = store.copy();
            broken.fail_after(Some(changes));
            let made = bank.back_up_at(&broken, now);
            broken.fail_after(None);
            assert!(checked(kind, &broken).unwrap().findings.is_empty(), "after {changes}");
            if made.is_ok() {
                break;
            }
            assert_eq!(made.unwrap_err().kind(), ErrorKind::Io);
            assert_eq!(newest(&broken, None).unwrap(), before.name);
            let made = bank.back_up_at(&broken, now).unwrap();
            assert_eq!(newest(&broken, None).unwrap(), made.name);
            assert!(checked(kind, &broken).unwrap().findings.is_empty());
            changes += 1;
        }
        assert!(2 < changes);
    }
}

/// Fault 40: an object that an interrupted backup left in part, under its whole name, is not believed.
#[test]
fn an_object_that_was_left_in_part_is_not_believed() {
    let mut bank = Bank::found(Kind::Clear);
    bank.day(1);
    let (store, whole) = (MemoryStore::new(), MemoryStore::new());
    bank.back_up(&whole).unwrap();
    let (name, bytes) = whole.objects().into_iter().next().unwrap();
    store.put(&name, bytes[..bytes.len() / 2].to_vec());
    let error = bank.back_up(&store).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains(&name), "{error}");
    assert!(store.objects().keys().all(|name| !name.contains("manifests")));
}

/// Faults 36, 45 and 46: cut at every operation, a restore is whole or does not open; a disk that fills up
/// says so.
#[test]
fn a_restore_that_was_cut_short_does_not_open() {
    for kind in [Kind::Clear, Kind::Sealed] {
        let mut bank = Bank::found(kind);
        bank.day(2);
        let store = MemoryStore::new();
        bank.back_up(&store).unwrap();
        let disk = SimulatedDisk::new();
        let life = restored(kind, &store, &disk, Target::End).unwrap();
        let operations_count = disk.operations_count();
        let mut opened = 0;
        for cut in 0..=operations_count {
            for seed in [0, 1, 2 + u64::try_from(cut).unwrap()] {
                let image = disk.crash_image(cut, seed);
                let has_log = image.contents("log/00000000000000000000").is_some();
                if kind == Kind::Clear && !has_log && image.contents("log/restoring").is_none() {
                    // Nothing is there yet: an empty directory.
                    continue;
                }
                match opens(kind, &image) {
                    Ok(database) => {
                        opened += 1;
                        let status = database.status().unwrap();
                        assert_eq!(status.incarnation, life.incarnation, "cut {cut}, image {seed}");
                        assert_eq!(balance(&database), 2);
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Unusable, "cut {cut}: {error}");
                    }
                }
            }
        }
        // The mark is taken away last of all.
        assert!((2..=8).contains(&opened), "{opened} images open");
        for calls in (0..disk.counters().calls_count).step_by(7) {
            let full = SimulatedDisk::new();
            full.fill_after(calls);
            let error = restored(kind, &store, &full, Target::End);
            full.lift_faults();
            let Err(error) = error else { continue };
            let kinds = [ErrorKind::DiskFull, ErrorKind::Io, ErrorKind::Stopped];
            assert!(kinds.contains(&error.kind()), "{error}");
            if full.contents("log/restoring").is_some() {
                let error = opens(kind, &full).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unusable, "{error}");
                let says_why = error.to_string().contains("restore again");
                assert!(says_why || kind == Kind::Sealed, "{error}");
            }
        }
    }
}

/// A directory that has something in it is left as it is.
#[test]
fn nothing_is_restored_over_anything() {
    let mut bank = Bank::found(Kind::Clear);
    bank.day(1);
    let store = MemoryStore::new();
    bank.back_up(&store).unwrap();
    let before = bank.disk.operations_count();
    let error = restored(Kind::Clear, &store, &bank.disk, Target::End).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unusable);
    assert_eq!(bank.disk.operations_count(), before, "something was changed");
    // Nor beside what is left of a bank whose log is gone.
    for left in ["keyring/x", "runs/x", "tree/x", "log/x", "x"] {
        let disk = SimulatedDisk::new();
        if let Some((directory, _)) = left.split_once('/') {
            disk.create_directory(directory).unwrap();
        }
        disk.create(left, Access::Buffered).unwrap();
        let before = disk.operations_count();
        let error = restored(Kind::Clear, &store, &disk, Target::End).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unusable, "{left}");
        assert!(error.to_string().contains("`x`"), "{error}");
        assert_eq!(disk.operations_count(), before, "{left}: something was changed");
    }
}
