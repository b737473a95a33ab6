//! The promise to whoever is forgotten: a backup from before, the newest keyring and the master key read
//! everybody else's name, and not theirs.

use crate::bank::{Bank, Kind, NOW, opens, signer, stored};
use crate::keys::TestKey;
use crate::names::{self, CUSTOMERS, readable};
use florin_core::backup::keyring::{
    KEPT_FOR, Keeping, Kept, KeyringCopy, copies, keep, newest as newest_copy,
};
use florin_core::backup::memory::MemoryStore;
use florin_core::backup::{Restoring, Target, Trust, newest, restore};
use florin_core::disk::Disk;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::keyring::{DestroyResult, Held};
use florin_core::sealing;
use florin_core::verify::{verify_keyring, verify_on};
use florin_keys::KeyEncryptionKey;
use florin_ledger::Timestamp;
use std::sync::Arc;

/// A bank with three customers, whose names are documents sealed under keys of the keyring.
pub(crate) fn with_customers() -> Bank {
    let mut bank = Bank::found(Kind::Sealed);
    let database = bank.open();
    names::write(&database);
    database.close().unwrap();
    bank
}

/// The test of the promise.
#[test]
fn whoever_was_forgotten_is_in_no_backup() {
    let mut bank = with_customers();
    let (backups, keyrings) = (MemoryStore::new(), MemoryStore::new());
    bank.back_up(&backups).unwrap();
    let database = bank.open();
    assert_eq!(readable(&database), CUSTOMERS);
    let old_copy = database.copy_keyring().unwrap().unwrap();
    let birth = old_copy.birth();
    let incarnation = database.status().unwrap().incarnation;
    kept(&keyrings, &old_copy, incarnation, NOW);
    assert_eq!(database.destroy_keys(&[b"bob"], "the test").unwrap(), [DestroyResult::Destroyed]);
    let day = 24 * 3_600 * 1_000_000_000;
    let copy = database.copy_keyring().unwrap().unwrap();
    assert_eq!(kept(&keyrings, &copy, incarnation, Timestamp(NOW.0 + day)).removed_count, 0);
    assert_eq!(readable(&database), ["ann", "eve"]);
    database.close().unwrap();

    // From before the erasure: the log. From now: the newest keyring and the master key.
    let disk = SimulatedDisk::new();
    let (signers, key) = ([signer().public()], Kind::Sealed.key());
    let trust = Trust { signers: &signers, key: key.as_deref() };
    let name = newest(&backups, None).unwrap();
    let then = Timestamp(NOW.0 + day);
    let (_, copy) = newest_copy(&keyrings, birth, incarnation, &signers, then).unwrap().unwrap();
    let restoring = Restoring {
        name: &name,
        target: Target::End,
        trust,
        key: key.clone(),
        keyring: Some(copy),
        keyring_key: None,
    };
    let life = restore(&stored(&backups), Arc::new(disk.clone()), &restoring, &mut |_| {}).unwrap();
    assert_eq!(life.report.findings, [""; 0]);
    let keyring = life.report.keyring.unwrap();
    assert_eq!((keyring.keys_count, keyring.destroyed_count), (2, 1));
    let database = opens(Kind::Sealed, &disk).unwrap();
    assert_eq!(readable(&database), ["ann", "eve"]);
    // And the key is not made anew, nor brought back by the copy from before.
    assert_eq!(database.make_keys(&[b"bob"]).unwrap(), [Held::Destroyed]);
    database.close().unwrap();
    for file in disk.list("keyring").unwrap() {
        disk.remove(&format!("keyring/{file}")).unwrap();
    }
    old_copy.write(&disk).unwrap();
    let database = opens(Kind::Sealed, &disk).unwrap();
    assert_eq!(readable(&database), ["ann", "eve"]);
    database.close().unwrap();
    holds(&disk);

    // Seven days later the copy from before the erasure is gone, too.
    let week = u64::try_from(KEPT_FOR.as_nanos()).unwrap();
    let database = bank.open();
    let copy = database.copy_keyring().unwrap().unwrap();
    let kept = kept(&keyrings, &copy, incarnation, Timestamp(NOW.0 + week));
    assert_eq!((kept.removed_count, kept.findings), (1, Vec::new()));
    assert_eq!(copies(&keyrings, birth).unwrap().len(), 2);
}

pub(crate) fn kept(
    store: &MemoryStore,
    copy: &KeyringCopy,
    incarnation: u128,
    now: Timestamp,
) -> Kept {
    let signer = signer();
    let keeping = Keeping { incarnation, signer: &signer, also_trusted: &[], now };
    keep(store, copy, &keeping).unwrap()
}

fn holds(disk: &SimulatedDisk) {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let unlocked = sealing::unlock(disk, Some(&TestKey::A)).unwrap();
    let mut report = verify_on(&unlocked, &mut |_| {}).unwrap().unwrap();
    let key: &dyn KeyEncryptionKey = &TestKey::A;
    verify_keyring(&unlocked, key, &mut report).unwrap();
    assert_eq!(report.findings, [""; 0]);
}

/// No backup of the log has a key, or anything of the keyring.
#[test]
fn no_object_has_anything_of_the_keyring() {
    let mut bank = with_customers();
    let backups = MemoryStore::new();
    bank.back_up(&backups).unwrap();
    let database = bank.open();
    let copy = database.copy_keyring().unwrap().unwrap().to_bytes();
    for name in CUSTOMERS {
        let Held::Key(key) = database.keys(&[name.as_bytes()]).unwrap().remove(0) else { panic!() };
        for bytes in backups.objects().values() {
            assert!(!bytes.windows(32).any(|window| window == key.as_slice()));
            assert!(
                !bytes
                    .windows(name.len() + 12)
                    .any(|it| it == format!("the name of {name}").as_bytes())
            );
        }
    }
    // Nor any part of its files, each of which is sealed: they share nothing but zeros.
    let part = &copy[copy.len() - 64..];
    assert!(backups.objects().values().all(|bytes| !bytes.windows(64).any(|it| it == part)));
}
