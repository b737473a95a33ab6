//! Prevents: a key that is destroyed and can still be found, or is lost without being destroyed.

use super::{DIRECTORY, Held, Keyring, NAME_BYTES_MAX, NAMES_MAX};
use crate::disk::simulated::SimulatedDisk;
use crate::disk::{Access, Disk};
use crate::error::ErrorKind;
use florin_keys::{FileKey, KeyEncryptionKey, Secret};
use std::sync::Arc;

const INCARNATION: u128 = 0x0f;

fn kek(number: u8) -> Arc<dyn KeyEncryptionKey> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(format!("key-{number}"));
    FileKey::generate(&path).unwrap();
    Arc::new(FileKey::open(&path).unwrap())
}

fn open(disk: &SimulatedDisk, kek: &Arc<dyn KeyEncryptionKey>) -> Result<Keyring, crate::Error> {
    Keyring::open(Arc::new(disk.clone()), kek.clone(), INCARNATION)
}

fn key(keyring: &Keyring, name: &[u8]) -> Secret {
    match keyring.key(name).unwrap() {
        Held::Key(key) => key,
        other => panic!("{other:?}"),
    }
}

/// Every byte of every file of the keyring.
fn stored(disk: &SimulatedDisk) -> Vec<u8> {
    let files = disk.list(DIRECTORY).unwrap();
    let read = |file: &String| {
        let file = disk.open(&format!("{DIRECTORY}/{file}"), Access::Read).unwrap();
        let mut bytes = vec![0; usize::try_from(file.bytes().unwrap()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    };
    files.iter().flat_map(read).collect()
}

#[test]
fn keys_are_made_once_and_are_there_after_opening_again() {
    let (disk, kek) = (SimulatedDisk::new(), kek(1));
    let keyring = open(&disk, &kek).unwrap();
    assert_eq!(keyring.key(b"ann").unwrap(), Held::Unknown);
    let made = keyring.create(&[b"ann", b"bob", b"ann"]).unwrap();
    let ann = key(&keyring, b"ann");
    assert_eq!(made, [Held::Unknown, Held::Unknown, Held::Key(ann.clone())]);
    assert_ne!(ann, key(&keyring, b"bob"));
    assert_eq!(keyring.create(&[b"ann"]).unwrap(), [Held::Key(ann.clone())]);
    drop(keyring);
    let keyring = open(&disk, &kek).unwrap();
    assert_eq!(key(&keyring, b"ann"), ann);
    let bytes = stored(&disk);
    assert!(!bytes.windows(32).any(|window| window == ann.as_slice()), "no key in clear");
    assert!(!bytes.windows(3).any(|window| window == b"ann"), "nor whose it is");
}

/// What erasure promises: who has the directory afterwards and the key-encryption key, has nothing.
#[test]
fn a_destroyed_key_is_gone_for_ever_and_the_others_are_not() {
    let (disk, kek) = (SimulatedDisk::new(), kek(1));
    let keyring = open(&disk, &kek).unwrap();
    let names: Vec<Vec<u8>> = (0..200_u32).map(|it| it.to_be_bytes().to_vec()).collect();
    let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
    keyring.create(&names).unwrap();
    let before: Vec<Secret> = names.iter().map(|name| key(&keyring, name)).collect();
    let files_before: Vec<(String, Vec<u8>)> = files(&disk);
    assert_eq!(keyring.destroy(names[7]).unwrap(), Held::Key(before[7].clone()));
    assert_eq!(keyring.destroy(names[7]).unwrap(), Held::Destroyed);
    assert_eq!(keyring.create(&[names[7]]).unwrap(), [Held::Destroyed]);
    drop(keyring);
    let keyring = open(&disk, &kek).unwrap();
    for (number, (name, secret)) in names.iter().zip(&before).enumerate() {
        let held = keyring.key(name).unwrap();
        let expected = if number == 7 { Held::Destroyed } else { Held::Key(secret.clone()) };
        assert_eq!(held, expected, "{number}");
    }
    // The old root and the old bucket are gone, and nothing of the old root is under any name.
    let files_after = files(&disk);
    let is_left = |old: &(String, Vec<u8>)| files_after.contains(old);
    let gone: Vec<&str> =
        files_before.iter().filter(|old| !is_left(old)).map(|(name, _)| name.as_str()).collect();
    assert_eq!(gone.len(), 2, "{gone:?}");
    assert!(files_after.iter().all(|(name, _)| !gone.contains(&name.as_str())));
    assert_eq!(keyring.destroy(b"never there").unwrap(), Held::Unknown);
    assert_eq!(keyring.create(&[b"never there"]).unwrap(), [Held::Destroyed]);
}

fn files(disk: &SimulatedDisk) -> Vec<(String, Vec<u8>)> {
    let names = disk.list(DIRECTORY).unwrap();
    let read = |name: String| {
        let file = disk.open(&format!("{DIRECTORY}/{name}"), Access::Read).unwrap();
        let mut bytes = vec![0; usize::try_from(file.bytes().unwrap()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        (name, bytes)
    };
    names.into_iter().map(read).collect()
}

/// After a power cut at any moment of a change there is the keyring before or after it; what was
/// answered is after.
#[test]
fn power_cuts_leave_the_keyring_before_or_after_a_change() {
    let (disk, kek) = (SimulatedDisk::new(), kek(1));
    let keyring = open(&disk, &kek).unwrap();
    keyring.create(&[b"ann", b"bob"]).unwrap();
    let (ann, bob) = (key(&keyring, b"ann"), key(&keyring, b"bob"));
    let start = disk.operations_count();
    keyring.destroy(b"ann").unwrap();
    let destroyed = disk.operations_count();
    keyring.create(&[b"eve"]).unwrap();
    let end = disk.operations_count();
    for at in start..=end {
        for seed in 0..3 {
            let image = disk.crash_image(at, seed);
            let keyring = open(&image, &kek).unwrap();
            assert_eq!(key(&keyring, b"bob"), bob, "at {at}");
            let held = keyring.key(b"ann").unwrap();
            let is_before = held == Held::Key(ann.clone());
            assert!(held == Held::Destroyed || (is_before && at < destroyed), "{held:?} at {at}");
            if at == end {
                assert!(matches!(keyring.key(b"eve").unwrap(), Held::Key(_)));
            }
            assert_eq!(keyring.destroy(b"bob").unwrap(), Held::Key(bob.clone()));
        }
    }
}

/// An error of any call: nothing is relied on until the keyring was opened again.
#[test]
fn a_change_that_fails_half_way_stops_the_keyring() {
    let kek = kek(1);
    let mut failures = 0;
    for at in 0.. {
        let disk = SimulatedDisk::new();
        let keyring = open(&disk, &kek).unwrap();
        keyring.create(&[b"ann"]).unwrap();
        disk.fail_call(at);
        let Err(error) = keyring.destroy(b"ann") else { break };
        assert!(matches!(error.kind(), ErrorKind::Io | ErrorKind::DiskFull), "{error}");
        failures += 1;
        let image = disk.crash_image(disk.operations_count(), 1);
        let again = open(&image, &kek).unwrap();
        again.destroy(b"ann").unwrap();
        assert_eq!(again.key(b"ann").unwrap(), Held::Destroyed);
    }
    assert!(8 < failures, "{failures}");
}

#[test]
fn a_wrong_key_or_database_is_refused_by_name_and_changes_nothing() {
    let (disk, right) = (SimulatedDisk::new(), kek(1));
    open(&disk, &right).unwrap().create(&[b"ann"]).unwrap();
    let before = files(&disk);
    let error = open(&disk, &kek(2)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unusable, "{error}");
    let error = Keyring::open(Arc::new(disk.clone()), right, INCARNATION + 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unusable, "{error}");
    assert!(error.to_string().contains("another database's"), "{error}");
    assert_eq!(files(&disk), before);
}

#[test]
fn rotating_the_key_keeps_the_keys_and_locks_the_old_one_out() {
    let (disk, old, new) = (SimulatedDisk::new(), kek(1), kek(2));
    let keyring = open(&disk, &old).unwrap();
    keyring.create(&[b"ann"]).unwrap();
    let ann = key(&keyring, b"ann");
    let keyring = keyring.rotate(new.clone()).unwrap();
    assert_eq!(key(&keyring, b"ann"), ann);
    keyring.destroy(b"bob").unwrap();
    drop(keyring);
    assert_eq!(open(&disk, &old).unwrap_err().kind(), ErrorKind::Unusable);
    assert_eq!(key(&open(&disk, &new).unwrap(), b"ann"), ann);
}

/// Damage is named; it is never a key that nobody made, nor the answer that there is none.
#[test]
fn a_flipped_bit_anywhere_is_named() {
    let (disk, kek) = (SimulatedDisk::new(), kek(1));
    open(&disk, &kek).unwrap().create(&[b"ann"]).unwrap();
    for (name, bytes) in files(&disk) {
        let step = (bytes.len() / 60).max(1);
        for at in (0..bytes.len()).step_by(step) {
            let path = format!("{DIRECTORY}/{name}");
            let file = disk.open(&path, Access::Buffered).unwrap();
            let flip = u64::try_from(at).unwrap();
            file.write_all_at(&[bytes[at] ^ 1], flip).unwrap();
            let found = open(&disk, &kek).and_then(|keyring| keyring.key(b"ann"));
            let kind = found.unwrap_err().kind();
            assert!(matches!(kind, ErrorKind::Corrupt | ErrorKind::Unusable), "{name} at {at}");
            file.write_all_at(&[bytes[at]], flip).unwrap();
        }
    }
    assert!(matches!(open(&disk, &kek).unwrap().key(b"ann").unwrap(), Held::Key(_)));
}

#[test]
fn names_have_limits() {
    let (disk, kek) = (SimulatedDisk::new(), kek(1));
    let keyring = open(&disk, &kek).unwrap();
    let long = [1; NAME_BYTES_MAX + 1];
    for names in [vec![&b""[..]], vec![&long[..]], vec![&b"a"[..]; NAMES_MAX + 1]] {
        assert_eq!(keyring.create(&names).unwrap_err().kind(), ErrorKind::Invalid);
    }
    keyring.create(&[&long[1..]]).unwrap();
}
