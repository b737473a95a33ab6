//! Backups one after the other: what is stored once, what goes, and what never does.

use crate::bank::{
    Bank, Kind, NOW, checked, checked_by_name, creation, opens, restored, restored_by_name, signer,
    stored,
};
use florin_core::ErrorKind;
use florin_core::backup::memory::MemoryStore;
use florin_core::backup::{Creation, Signer, Target, Trust, check, create, newest, prune};
use florin_core::disk::simulated::SimulatedDisk;
use florin_ledger::Timestamp;

fn later(seconds: u64) -> Timestamp {
    Timestamp(NOW.0 + seconds * 1_000_000_000)
}

/// Faults 39 and 40: a later backup names what is there, and stores what was added, nothing else.
#[test]
fn a_later_backup_stores_what_was_added() {
    for kind in Kind::ALL {
        let mut bank = Bank::found(kind);
        bank.day(2);
        let store = MemoryStore::new();
        let first = bank.back_up(&store).unwrap();
        assert_eq!((first.stored_count, first.kept_count), (2, 0));
        let again = bank.back_up_at(&store, later(1)).unwrap();
        // Nothing was recorded: not even the segment that is written is read again.
        assert_eq!((again.stored_count, again.kept_count), (0, 2));
        bank.day(3);
        bank.day(1);
        let later = bank.back_up_at(&store, later(2)).unwrap();
        assert_eq!((later.stored_count, later.kept_count), (2, 1), "{kind:?}");
        assert_eq!(checked(kind, &store).unwrap().findings, [""; 0]);
        assert!(!checked(kind, &store).unwrap().is_locked);
        let disk = SimulatedDisk::new();
        assert_eq!(restored(kind, &store, &disk, Target::End).unwrap().report.transfers_count, 6);
    }
}

/// Fault 39: what somebody has removed from the store is stored again, not named as if it were there.
#[test]
fn what_was_removed_is_stored_again() {
    for kind in Kind::ALL {
        let mut bank = Bank::found(kind);
        bank.day(1);
        bank.day(1);
        let store = MemoryStore::new();
        let made = bank.back_up(&store).unwrap();
        let removed = made.manifest.object_name(&made.manifest.objects[1]);
        let before = store.objects().remove(&removed);
        florin_core::backup::Store::remove(&store, &removed).unwrap();
        let again = bank.back_up_at(&store, later(1)).unwrap();
        assert_eq!((again.stored_count, again.kept_count), (1, 2));
        assert_eq!(store.objects().remove(&removed), before);
        assert_eq!(checked(kind, &store).unwrap().findings, [""; 0]);
    }
}

/// What an operator is told to do with a damaged object while the bank lives: remove it, and back up again.
/// Every backup that names it is whole then.
#[test]
fn a_damaged_object_is_mended_while_the_bank_lives() {
    for kind in Kind::ALL {
        let mut bank = Bank::found(kind);
        bank.day(1);
        bank.day(1);
        let store = MemoryStore::new();
        let made = bank.back_up(&store).unwrap();
        bank.day(1);
        let damaged = made.manifest.object_name(&made.manifest.objects[1]);
        let mut bytes = store.objects().remove(&damaged).unwrap();
        bytes[4_200] ^= 1;
        store.put(&damaged, bytes);
        let findings = checked_by_name(kind, &store, &made.name).unwrap().findings;
        assert_eq!(findings.len(), 1, "{findings:?}");
        florin_core::backup::Store::remove(&store, &damaged).unwrap();
        bank.back_up_at(&store, later(1)).unwrap();
        for name in [&made.name, &newest(&store, None).unwrap()] {
            assert_eq!(checked_by_name(kind, &store, name).unwrap().findings, [""; 0]);
        }
    }
}

/// A running database is backed up while it posts: what was durable is in it, and nothing half.
#[test]
fn a_running_bank_is_backed_up_and_goes_on() {
    for kind in Kind::ALL {
        let mut bank = Bank::found(kind);
        let (store, database) = (MemoryStore::new(), bank.open());
        for round in 1..=4 {
            bank.post(&database, 5);
            let created = bank.back_up_running(&database, &store, later(round)).unwrap();
            assert_eq!(created.passed_over, [""; 0]);
            assert_eq!(checked(kind, &store).unwrap().findings, [""; 0]);
            let disk = SimulatedDisk::new();
            let life = restored(kind, &store, &disk, Target::End).unwrap();
            assert_eq!(life.report.transfers_count, round * 5);
        }
        database.close().unwrap();
    }
}

/// Faults 7 and 37: nothing that a kept manifest names is ever removed, whatever fails on the way.
#[test]
fn pruning_leaves_every_kept_backup_whole() {
    let kind = Kind::SealedBackup;
    let mut bank = Bank::found(kind);
    let store = MemoryStore::new();
    let database = bank.open();
    for round in 0..5 {
        bank.post(&database, 1);
        bank.back_up_running(&database, &store, later(round)).unwrap();
    }
    database.close().unwrap();
    let (incarnation, signers) = (opens(kind, &bank.disk).unwrap(), [signer().public()]);
    let incarnation = incarnation.status().unwrap().incarnation;
    let whole = |store: &MemoryStore, name: &str| {
        let key = kind.key();
        let trust = Trust { signers: &signers, key: key.as_deref() };
        check(&stored(store), name, trust, &mut |_| {}).unwrap().findings.is_empty()
    };
    let mut fails_after = 0;
    loop {
        let broken = store.copy();
        broken.fail_after(Some(fails_after));
        let pruned = prune(&broken, incarnation, 2, &signers);
        let left = florin_core::backup::check::manifest_names(&broken, incarnation).unwrap();
        assert!(2 <= left.len());
        assert!(left.iter().all(|name| whole(&broken, name)), "after {fails_after} changes");
        if let Ok(pruned) = pruned {
            assert_eq!((pruned.kept.len(), pruned.removed.len()), (2, 3));
            assert!(0 < pruned.removed_objects_count);
            assert_eq!(left, pruned.kept);
            break;
        }
        fails_after += 1;
    }
    assert!(3 < fails_after);
    let error = prune(&store, incarnation, 0, &signers).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    // Whoever stays must be read first.
    let name = newest(&store, None).unwrap();
    store.put(&name, b"not a manifest".to_vec());
    let objects = store.objects();
    assert_eq!(prune(&store, incarnation, 2, &signers).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(store.objects(), objects);
}

/// Fault 50: a bank that was restored for a test writes nothing among the backups of the real one.
#[test]
fn each_life_has_its_own_backups() {
    let mut bank = Bank::found(Kind::Clear);
    bank.day(2);
    let store = MemoryStore::new();
    let real = bank.back_up(&store).unwrap();
    let disk = SimulatedDisk::new();
    restored(Kind::Clear, &store, &disk, Target::End).unwrap();
    let before = store.objects();
    let mut copy = Bank::on(Kind::Clear, disk, bank.openings, 100);
    copy.day(1);
    let other = copy.back_up_at(&store, later(9)).unwrap();
    assert_ne!(other.manifest.incarnation, real.manifest.incarnation);
    assert_eq!(other.kept_count, 0);
    for (name, bytes) in before {
        assert_eq!(store.objects().get(&name), Some(&bytes));
    }
    // Fault 48: which of them is meant must be said.
    let error = newest(&store, None).unwrap_err();
    assert!(error.to_string().contains(&format!("{:032x}", real.manifest.incarnation)), "{error}");
    assert_eq!(newest(&store, Some(real.manifest.incarnation)).unwrap(), real.name);
}

/// A log that went its own way, put in the place of the one that was backed up, is told.
#[test]
fn a_forked_log_adds_nothing_to_the_backups_of_the_other() {
    for count in [1, 8] {
        let mut bank = Bank::found(Kind::Clear);
        bank.day(1);
        let copy = bank.disk.copy();
        bank.day(4);
        let store = MemoryStore::new();
        bank.back_up(&store).unwrap();
        let before = store.objects();
        let mut fork = Bank::on(Kind::Clear, copy, bank.openings, 500);
        fork.day(count);
        fork.day(1);
        let error = fork.back_up_at(&store, later(1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Fork, "{error}");
        let manifests = |objects: &std::collections::BTreeMap<String, Vec<u8>>| {
            objects.keys().filter(|name| name.contains("manifests")).cloned().collect::<Vec<_>>()
        };
        assert_eq!(manifests(&store.objects()), manifests(&before));
    }
}

/// A log that is damaged is not backed up as if it were whole: the backup before stays the newest.
#[test]
fn a_damaged_log_makes_no_backup() {
    let mut bank = Bank::found(Kind::Clear);
    bank.day(3);
    let store = MemoryStore::new();
    bank.disk.corrupt("log/00000000000000000000", 4_096 + 300, 3);
    let disk: std::sync::Arc<dyn florin_core::disk::Disk> = std::sync::Arc::new(bank.disk.clone());
    let error = florin_core::snapshot::StillLog::open(&disk).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(store.objects().is_empty());
}

/// A backup of a database in the clear is made only if somebody says so; another key's signature is none.
#[test]
fn what_is_not_said_is_not_done() {
    let mut bank = Bank::found(Kind::Clear);
    bank.day(1);
    let (store, signer) = (MemoryStore::new(), signer());
    let creation = Creation { in_the_clear: false, ..creation(&signer, None, NOW) };
    let error = create(&bank.still(), &store, &creation, &mut |_| {}).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(store.objects().is_empty());
    bank.back_up(&store).unwrap();
    let (name, disk) = (newest(&store, None).unwrap(), SimulatedDisk::new());
    let stranger = [Signer::from_seed(&[8; 32]).public()];
    let refused = restored_by_name(Kind::Clear, &store, &name, &disk, Target::End, &stranger);
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(
        error.to_string().contains("signature") && error.to_string().contains(&name),
        "{error}"
    );
    assert_eq!(disk.counters().writes_count, 0);
}
