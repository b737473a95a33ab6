//! Prevents: a key that is destroyed and can still be found, or is lost without being destroyed.

use super::{DIRECTORY, DestroyResult, Held, Keyring, KeyringStatus, rotate, verify};
use crate::disk::simulated::SimulatedDisk;
use crate::disk::{Access, Disk};
use crate::error::ErrorKind;
use crate::sealing::DatabaseKey;
use florin_keys::{FileKey, KeyEncryptionKey, KeyError, Secret, Zeroizing};
use std::sync::Arc;

const INCARNATION: u128 = 0x0f;

fn database_key(incarnation: u128) -> DatabaseKey {
    DatabaseKey::new(Zeroizing::new([7; 32]), incarnation)
}

fn kek(number: u8) -> Arc<dyn KeyEncryptionKey> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(format!("key-{number}"));
    FileKey::generate(&path).unwrap();
    Arc::new(FileKey::open(&path).unwrap())
}

/// The keyring there is, or a new one.
fn open(disk: &SimulatedDisk, kek: &Arc<dyn KeyEncryptionKey>) -> Result<Keyring, crate::Error> {
    let (disk, key) = (Arc::new(disk.clone()), database_key(INCARNATION));
    match Keyring::open(disk.clone(), kek.clone(), &key)? {
        Some(keyring) => Ok(keyring),
        None => Keyring::begin(disk, kek.clone(), &key),
    }
}

fn held(keyring: &Keyring, name: &[u8]) -> Result<Held, crate::Error> {
    Ok(keyring.held(&keyring.hashes(&[name]))?.remove(0))
}

fn make(keyring: &mut Keyring, names: &[&[u8]]) -> Result<Vec<Held>, crate::Error> {
    let names = keyring.hashes(names);
    keyring.make(&names)
}

fn destroy(keyring: &mut Keyring, name: &[u8]) -> Result<DestroyResult, crate::Error> {
    let names = keyring.hashes(&[name]);
    Ok(keyring.destroy(&names)?.remove(0))
}

fn key(keyring: &Keyring, name: &[u8]) -> Secret {
    match held(keyring, name).unwrap() {
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
    let mut keyring = open(&disk, &kek).unwrap();
    assert_eq!(held(&keyring, b"ann").unwrap(), Held::Unknown);
    let made = make(&mut keyring, &[b"ann", b"bob", b"ann"]).unwrap();
    let (ann, bob) = (key(&keyring, b"ann"), key(&keyring, b"bob"));
    assert_eq!(made, [Held::Key(ann.clone()), Held::Key(bob.clone()), Held::Key(ann.clone())]);
    assert_ne!(ann, bob);
    assert_eq!(make(&mut keyring, &[b"ann"]).unwrap(), [Held::Key(ann.clone())]);
    assert_eq!(keyring.status().unwrap(), KeyringStatus { keys_count: 2, destroyed_count: 0 });
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
    let mut keyring = open(&disk, &kek).unwrap();
    let names: Vec<Vec<u8>> = (0..200_u32).map(|it| it.to_be_bytes().to_vec()).collect();
    let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
    make(&mut keyring, &names).unwrap();
    let before: Vec<Secret> = names.iter().map(|name| key(&keyring, name)).collect();
    let files_before: Vec<(String, Vec<u8>)> = files(&disk);
    assert_eq!(destroy(&mut keyring, names[7]).unwrap(), DestroyResult::Destroyed);
    assert_eq!(destroy(&mut keyring, names[7]).unwrap(), DestroyResult::AlreadyDestroyed);
    assert_eq!(make(&mut keyring, &[names[7]]).unwrap(), [Held::Destroyed]);
    drop(keyring);
    let counted = KeyringStatus { keys_count: 199, destroyed_count: 1 };
    let verified = verify(Arc::new(disk.clone()), kek.as_ref(), &database_key(INCARNATION));
    assert_eq!(verified.unwrap(), Some(counted));
    let mut keyring = open(&disk, &kek).unwrap();
    for (number, (name, secret)) in names.iter().zip(&before).enumerate() {
        let held = held(&keyring, name).unwrap();
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
    assert_eq!(destroy(&mut keyring, b"never there").unwrap(), DestroyResult::Unknown);
    assert_eq!(make(&mut keyring, &[b"never there"]).unwrap(), [Held::Destroyed]);
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
    let mut keyring = open(&disk, &kek).unwrap();
    make(&mut keyring, &[b"ann", b"bob"]).unwrap();
    let (ann, bob) = (key(&keyring, b"ann"), key(&keyring, b"bob"));
    let start = disk.operations_count();
    destroy(&mut keyring, b"ann").unwrap();
    let destroyed = disk.operations_count();
    make(&mut keyring, &[b"eve"]).unwrap();
    let end = disk.operations_count();
    for at in start..=end {
        for seed in 0..3 {
            let image = disk.crash_image(at, seed);
            let mut keyring = open(&image, &kek).unwrap();
            let (disk, database_key) = (Arc::new(image.clone()), database_key(INCARNATION));
            let verified = verify(disk, kek.as_ref(), &database_key).unwrap();
            assert_eq!(verified, Some(keyring.status().unwrap()), "at {at}");
            assert_eq!(key(&keyring, b"bob"), bob, "at {at}");
            let found = held(&keyring, b"ann").unwrap();
            let is_before = found == Held::Key(ann.clone());
            assert!(found == Held::Destroyed || (is_before && at < destroyed), "{found:?} at {at}");
            if at == end {
                assert!(matches!(held(&keyring, b"eve").unwrap(), Held::Key(_)));
            }
            assert_eq!(destroy(&mut keyring, b"bob").unwrap(), DestroyResult::Destroyed);
        }
    }
}

/// Killed right after the new root got its name, opened again by what the system still had in memory,
/// and then the power fails: the old root must not be overwritten before the new one's name is durable.
#[test]
fn a_power_cut_after_a_kill_loses_no_key() {
    let kek = kek(1);
    let mut kills = 0;
    for at in 0.. {
        let disk = SimulatedDisk::new();
        let mut keyring = open(&disk, &kek).unwrap();
        make(&mut keyring, &[b"ann", b"bob"]).unwrap();
        let bob = key(&keyring, b"bob");
        disk.fail_call(at);
        let Err(_) = destroy(&mut keyring, b"ann") else { break };
        kills += 1;
        drop(keyring);
        let start = disk.operations_count();
        open(&disk, &kek).unwrap();
        for cut in start..=disk.operations_count() {
            for seed in 0..4 {
                let case = format!("call {at}, cut {cut}, seed {seed}");
                let image = disk.crash_image(cut, seed);
                let keyring = open(&image, &kek);
                let keyring = keyring.unwrap_or_else(|error| panic!("{case}: {error}"));
                assert_eq!(key(&keyring, b"bob"), bob, "{case}");
            }
        }
    }
    assert!(8 < kills, "{kills}");
}

/// An error of any call: nothing is relied on until the keyring was opened again.
#[test]
fn a_change_that_fails_half_way_stops_the_keyring() {
    let kek = kek(1);
    let mut failures = 0;
    for at in 0.. {
        let disk = SimulatedDisk::new();
        let mut keyring = open(&disk, &kek).unwrap();
        make(&mut keyring, &[b"ann"]).unwrap();
        disk.fail_call(at);
        let Err(error) = destroy(&mut keyring, b"ann") else { break };
        assert!(matches!(error.kind(), ErrorKind::Io | ErrorKind::Stopped), "{error}");
        failures += 1;
        let image = disk.crash_image(disk.operations_count(), 1);
        let stopped = destroy(&mut keyring, b"ann").and_then(|_| held(&keyring, b"ann"));
        assert!(stopped.is_err() || stopped == Ok(Held::Destroyed), "{stopped:?}");
        let mut again = open(&image, &kek).unwrap();
        destroy(&mut again, b"ann").unwrap();
        assert_eq!(held(&again, b"ann").unwrap(), Held::Destroyed);
    }
    assert!(8 < failures, "{failures}");
}

#[test]
fn a_wrong_key_or_database_is_refused_by_name_and_changes_nothing() {
    let (disk, right) = (SimulatedDisk::new(), kek(1));
    make(&mut open(&disk, &right).unwrap(), &[b"ann"]).unwrap();
    let before = files(&disk);
    let error = open(&disk, &kek(2)).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unusable, "{error}");
    let other = database_key(INCARNATION + 1);
    let error = Keyring::open(Arc::new(disk.clone()), right, &other).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unusable, "{error}");
    assert!(error.to_string().contains("another database's"), "{error}");
    assert_eq!(files(&disk), before);
}

/// A rotation that is cut off leaves what one of the two keys opens, and can be run again.
#[test]
fn rotating_the_key_keeps_the_keys_and_locks_the_old_one_out() {
    let (old, new) = (kek(1), kek(2));
    let disk = SimulatedDisk::new();
    crate::sealing::create(&disk, old.as_ref()).unwrap();
    let unlocked = crate::sealing::unlock(Arc::new(disk.clone()), Some(old.as_ref())).unwrap();
    let key_of_names = unlocked.database_key().unwrap().clone();
    let disk_of = |disk: &SimulatedDisk| -> Arc<dyn Disk> { Arc::new(disk.clone()) };
    let open = |disk: &SimulatedDisk, kek: &Arc<dyn KeyEncryptionKey>| {
        Keyring::open(disk_of(disk), kek.clone(), &key_of_names).map(Option::unwrap)
    };
    let mut keyring = Keyring::begin(disk_of(&disk), old.clone(), &key_of_names).unwrap();
    make(&mut keyring, &[b"ann"]).unwrap();
    let ann = key(&keyring, b"ann");
    let start = disk.operations_count();
    rotate(disk_of(&disk), old.as_ref(), new.as_ref()).unwrap();
    let end = disk.operations_count();
    for at in start..=end {
        let image = disk.crash_image(at, 1);
        rotate(disk_of(&image), old.as_ref(), new.as_ref()).unwrap();
        assert_eq!(open(&image, &old).map(drop).unwrap_err().kind(), ErrorKind::Unusable);
        let mut keyring = open(&image, &new).unwrap();
        assert_eq!(key(&keyring, b"ann"), ann);
        destroy(&mut keyring, b"bob").unwrap();
        assert_eq!(files(&image).iter().filter(|(name, _)| name.starts_with("root")).count(), 1);
    }
}

/// A key-encryption key whose token is not to be reached.
#[derive(Debug)]
struct Unreachable<'id>(&'id str);

impl KeyEncryptionKey for Unreachable<'_> {
    fn id(&self) -> &str {
        self.0
    }

    fn wrap(&self, _: &[u8; 32]) -> Result<Vec<u8>, KeyError> {
        Err(KeyError::Unavailable("the token is not there".into()))
    }

    fn unwrap(&self, _: &[u8]) -> Result<Secret, KeyError> {
        Err(KeyError::Unavailable("the token is not there".into()))
    }
}

/// Prevents: who runs a rotation again while the disk or the new key's token fails is told that the
/// old key is the wrong one, and goes to look for another.
#[test]
fn a_rotation_that_is_run_again_says_what_is_the_matter_with_the_new_key() {
    let (old, new) = (kek(1), kek(2));
    let disk = SimulatedDisk::new();
    crate::sealing::create(&disk, old.as_ref()).unwrap();
    let unlocked = crate::sealing::unlock(Arc::new(disk.clone()), Some(old.as_ref())).unwrap();
    let key_of_names = unlocked.database_key().unwrap();
    Keyring::begin(Arc::new(disk.clone()), old.clone(), key_of_names).unwrap();
    let rotate = |new| rotate(Arc::new(disk.clone()), old.as_ref(), new);
    rotate(new.as_ref()).unwrap();

    let unreachable = Unreachable(new.id());
    let error = rotate(&unreachable).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unusable);
    assert!(error.to_string().contains("the token is not there"), "{error}");

    let mut failures = 0;
    for at in 0.. {
        let calls_before = disk.counters().calls_count;
        disk.fail_call(at);
        let rotated = rotate(new.as_ref());
        let calls_count = disk.counters().calls_count - calls_before;
        disk.lift_faults();
        if let Err(error) = rotated {
            failures += 1;
            assert_eq!(error.kind(), ErrorKind::Io, "at {at}: {error}");
        }
        if calls_count <= at {
            break;
        }
    }
    assert!(4 < failures, "{failures}");
}

/// Damage is named; it is never a key that nobody made, nor the answer that there is none.
#[test]
fn a_flipped_bit_anywhere_is_named() {
    let (disk, kek) = (SimulatedDisk::new(), kek(1));
    make(&mut open(&disk, &kek).unwrap(), &[b"ann"]).unwrap();
    for (name, bytes) in files(&disk) {
        let step = (bytes.len() / 60).max(1);
        for at in (0..bytes.len()).step_by(step) {
            let path = format!("{DIRECTORY}/{name}");
            let file = disk.open(&path, Access::Buffered).unwrap();
            let flip = u64::try_from(at).unwrap();
            file.write_all_at(&[bytes[at] ^ 1], flip).unwrap();
            let found = open(&disk, &kek).and_then(|keyring| held(&keyring, b"ann"));
            let kind = found.unwrap_err().kind();
            assert!(matches!(kind, ErrorKind::Corrupt | ErrorKind::Unusable), "{name} at {at}");
            file.write_all_at(&[bytes[at]], flip).unwrap();
        }
    }
    key(&open(&disk, &kek).unwrap(), b"ann");
}
