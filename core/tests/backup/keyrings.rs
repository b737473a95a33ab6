//! Copies of a keyring in a store that others write to, under clocks that are wrong, of lives that are not
//! the real one's. What would go wrong without: a customer who was forgotten is back, or a customer who was
//! not can't be read any more.

use crate::bank::{Bank, Kind, NOW, opens, signer, stored};
use crate::erasure::{kept, with_customers};
use crate::keys::TestKey;
use crate::names::{CUSTOMERS, readable};
use florin_core::backup::keyring::{
    KEPT_FOR, Keeping, Kept, KeyringCopy, SignedCopy, copies, keep, newest, put_back, read,
};
use florin_core::backup::memory::MemoryStore;
use florin_core::backup::{Restored, Restoring, Signer, Store, Target, Trust, restore};
use florin_core::disk::Disk;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::{Error, ErrorKind, keyring, sealing};
use florin_keys::KeyEncryptionKey;
use florin_ledger::Timestamp;
use std::sync::Arc;

const B: TestKey = TestKey { id: "test:b", bits: 0x0f };
const HOUR: u64 = 3_600_000_000_000;

fn later(hours: u64) -> Timestamp {
    Timestamp(NOW.0 + hours * HOUR)
}

/// The keyring of a bank, and the life that it is in.
fn copied(bank: &mut Bank) -> (KeyringCopy, u128) {
    let database = bank.open();
    let copied = database.copy_keyring().unwrap().unwrap();
    let incarnation = database.status().unwrap().incarnation;
    database.close().unwrap();
    (copied, incarnation)
}

fn destroy(bank: &mut Bank, name: &str) {
    let database = bank.open();
    database.destroy_keys(&[name.as_bytes()], "the test").unwrap();
    database.close().unwrap();
}

/// What a restore takes at a time.
fn taken(
    store: &MemoryStore,
    (birth, incarnation): (u128, u128),
    now: Timestamp,
) -> Result<String, Error> {
    let found = newest(store, birth, incarnation, &[signer().public()], now)?;
    Ok(found.expect("there is one").0.name)
}

fn shared(key: TestKey) -> Arc<dyn KeyEncryptionKey> {
    Arc::new(key)
}

/// Restores the newest backup of a bank whose life is in the directory `keyring` already, or not.
fn restored_with(
    backups: &MemoryStore,
    disk: &SimulatedDisk,
    key: TestKey,
    keyring: Option<KeyringCopy>,
    keyring_key: Option<TestKey>,
) -> Result<Restored, Error> {
    let name = florin_core::backup::newest(backups, None).unwrap();
    let signers = [signer().public()];
    let restoring = Restoring {
        name: &name,
        target: Target::End,
        trust: Trust { signers: &signers, key: Some(&key) },
        key: Some(Arc::new(key)),
        keyring,
        keyring_key: keyring_key.map(shared),
    };
    restore(&stored(backups), Arc::new(disk.clone()), &restoring, &mut |_| {})
}

/// Fault 50: a bank that was restored for a test neither adds copies to those of the real one, nor removes
/// any; and where another life has a newer one, nobody guesses which is meant.
#[test]
fn each_life_has_its_own_copies() {
    let mut bank = with_customers();
    let (backups, keyrings) = (MemoryStore::new(), MemoryStore::new());
    bank.back_up(&backups).unwrap();
    let (copy, real) = copied(&mut bank);
    let birth = copy.birth();
    let first = kept(&keyrings, &copy, real, NOW);

    // A test restore, which loses a key and copies what it has, week after week.
    let disk = SimulatedDisk::new();
    restored_with(&backups, &disk, TestKey::A, Some(copy), None).unwrap();
    let mut test = Bank::on(Kind::Sealed, disk, bank.openings, 100);
    destroy(&mut test, "ann");
    let (poisoned, other) = copied(&mut test);
    assert_ne!(real, other);
    let poison = kept(&keyrings, &poisoned, other, later(1));
    let error = taken(&keyrings, (birth, real), later(2)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains(&poison.name) && error.to_string().contains(&first.name));
    let again = kept(&keyrings, &poisoned, other, later(24 * 6));
    assert_eq!((again.removed_count, &again.findings), (0, &Vec::new()));
    let again = kept(&keyrings, &poisoned, other, later(24 * 8));
    assert_eq!((again.removed_count, &again.findings), (1, &Vec::new()), "its own alone");
    assert!(keyrings.objects().contains_key(&first.name));

    // The real one goes on, and is the newest again.
    destroy(&mut bank, "bob");
    destroy(&mut bank, "eve");
    let (copy, _) = copied(&mut bank);
    let last = kept(&keyrings, &copy, real, later(24 * 8 + 1));
    assert_eq!(taken(&keyrings, (birth, real), later(24 * 9)).unwrap(), last.name);
    // Of a life that has none, too.
    let error = taken(&keyrings, (birth, 77), later(24 * 9)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let (_, named) = read(&keyrings, &first.name, &[signer().public()]).unwrap();
    assert_eq!(named.birth(), birth);
}

/// Whoever writes to the store can alter a copy, cut it short, rename an older one to a later place, and put
/// one of another signer there: nothing of it is taken for the newest.
#[test]
fn a_copy_is_what_its_name_says_or_none() {
    let mut bank = with_customers();
    let keyrings = MemoryStore::new();
    let (copy, life) = copied(&mut bank);
    let whose = (copy.birth(), life);
    let old = kept(&keyrings, &copy, life, NOW);
    destroy(&mut bank, "bob");
    let (copy, _) = copied(&mut bank);
    let new = kept(&keyrings, &copy, life, later(1));
    assert_eq!(taken(&keyrings, whose, later(2)).unwrap(), new.name);
    let objects = keyrings.objects();
    let (old_bytes, new_bytes) = (&objects[&old.name], &objects[&new.name]);

    let refused = |name: &str, bytes: &[u8], why: &str| {
        let store = keyrings.copy();
        store.put(name, bytes.to_vec());
        let error = taken(&store, whose, later(2)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{why}: {error}");
        assert!(error.to_string().contains(name), "{why}: {error}");
    };
    // The erased customer's key, in the place of the copy without it, or behind it.
    refused(&new.name, old_bytes, "replayed");
    let behind = |root: u64, made: Timestamp| {
        format!("keyring/{:032x}/{life:032x}/{root:020}-{:020}", whose.0, made.0)
    };
    refused(&behind(copy.root_number(), later(2)), old_bytes, "renamed to a later time");
    refused(&behind(copy.root_number() + 1, NOW), old_bytes, "renamed to a later root");
    refused(&behind(copy.root_number() + 1, later(1)), new_bytes, "renamed");
    let stranger = Signer::from_seed(&[8; 32]);
    let forged = SignedCopy { incarnation: life, made: later(1), copy: copy.clone() };
    refused(&new.name, &forged.encoded(&stranger), "another's");
    for at in (0..new_bytes.len()).step_by(new_bytes.len() / 400).chain([new_bytes.len() - 1]) {
        refused(&new.name, &new_bytes[..at], "truncated");
        let mut altered = new_bytes.clone();
        altered[at] ^= 1 << (at % 8);
        let store = keyrings.copy();
        store.put(&new.name, altered);
        let kind = taken(&store, whose, later(2)).unwrap_err().kind();
        // Another version is told from damage.
        assert!(kind == ErrorKind::Corrupt || (8..12).contains(&at), "byte {at}");
    }
    refused(&new.name, &[&new_bytes[..], &[0]].concat(), "lengthened");
    // Names that no copy has are nobody's.
    let store = keyrings.copy();
    let beside = format!("keyring/{:032x}/", whose.0);
    for stray in ["README", "99999999999999999999", &format!("{life:032x}/9-9")] {
        store.put(&format!("{beside}{stray}"), old_bytes.clone());
    }
    assert_eq!(taken(&store, whose, later(2)).unwrap(), new.name);
}

/// Every byte of a copy as a server gives it is covered.
#[test]
fn a_copy_that_was_altered_on_its_way_is_none() {
    let mut bank = with_customers();
    let bytes = copied(&mut bank).0.to_bytes();
    assert_eq!(KeyringCopy::from_bytes(&bytes).unwrap().to_bytes(), bytes);
    for at in (0..bytes.len()).step_by(997).chain(0..64) {
        assert!(KeyringCopy::from_bytes(&bytes[..at]).is_err(), "{at} bytes");
        let mut altered = bytes.clone();
        altered[at] ^= 1 << (at % 8);
        assert!(KeyringCopy::from_bytes(&altered).is_err(), "byte {at}");
    }
}

/// A clock that was wrong once takes no copy with it, and its copy is not the newest for ever.
#[test]
fn a_clock_that_is_wrong_once_takes_nothing_with_it() {
    let mut bank = with_customers();
    let keyrings = MemoryStore::new();
    let (copy, life) = copied(&mut bank);
    let whose = (copy.birth(), life);
    let honest = kept(&keyrings, &copy, life, NOW);
    let in_2099 = Timestamp(4_080_000_000_000_000_000);
    let wrong = kept(&keyrings, &copy, life, in_2099);
    assert_eq!(wrong.removed_count, 0);
    assert!(wrong.findings[0].contains("clock"), "{:?}", wrong.findings);
    assert!(keyrings.objects().contains_key(&honest.name));
    assert_eq!(taken(&keyrings, whose, later(1)).unwrap(), honest.name);
    // What was destroyed since is destroyed in the newest, whatever the clock of the other said.
    destroy(&mut bank, "bob");
    let (copy, _) = copied(&mut bank);
    let next = kept(&keyrings, &copy, life, later(1));
    assert!(next.findings[0].contains(&wrong.name), "{:?}", next.findings);
    assert_eq!(taken(&keyrings, whose, later(2)).unwrap(), next.name);
    // Without an honest one, somebody must look.
    for name in [&honest.name, &next.name] {
        keyrings.remove(name).unwrap();
    }
    let error = taken(&keyrings, whose, later(2)).unwrap_err();
    assert!(error.to_string().contains(&wrong.name), "{error}");
    // When it was put away, old ones go again.
    keyrings.remove(&wrong.name).unwrap();
    let hours = u64::try_from(KEPT_FOR.as_nanos()).unwrap() / HOUR;
    for (hour, removed) in [(2, 0), (100, 0), (2 + hours, 1)] {
        assert_eq!(kept(&keyrings, &copy, life, later(hour)).removed_count, removed);
    }
}

/// A store that keeps what is removed is told each time; older copies are removed all the same.
#[test]
fn a_store_that_keeps_versions_is_told() {
    let mut bank = with_customers();
    let keyrings = MemoryStore::new();
    let (copy, life) = copied(&mut bank);
    assert_eq!(kept(&keyrings, &copy, life, NOW).findings, [""; 0]);
    keyrings.keep_versions();
    let hours = u64::try_from(KEPT_FOR.as_nanos()).unwrap() / HOUR;
    for (hour, removed) in [(100, 0), (hours, 1)] {
        let told = kept(&keyrings, &copy, life, later(hour));
        assert_eq!((told.removed_count, told.findings.len()), (removed, 1));
        assert!(told.findings[0].contains("keeps versions"), "{:?}", told.findings);
    }
}

/// An older keyring that was put back does not push out the copies of the newer one.
#[test]
fn copies_of_a_later_state_are_not_pushed_out() {
    let mut bank = with_customers();
    let keyrings = MemoryStore::new();
    let (old, life) = copied(&mut bank);
    destroy(&mut bank, "bob");
    let (new, _) = copied(&mut bank);
    assert!(old.root_number() < new.root_number());
    kept(&keyrings, &new, life, NOW);
    let before = keyrings.objects();
    let signer = signer();
    let keeping =
        Keeping { incarnation: life, signer: &signer, also_trusted: &[], now: later(24 * 30) };
    let refused: Result<Kept, Error> = keep(&keyrings, &old, &keeping);
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Fork);
    assert_eq!(keyrings.objects(), before);
    assert_eq!(copies(&keyrings, old.birth()).unwrap().len(), 1);
}

/// After the key was changed, an older backup and the newest keyring make a bank, under the key that the
/// backup had; the other way round, too.
#[test]
fn a_backup_and_a_keyring_under_two_keys_make_a_bank() {
    let mut bank = with_customers();
    let backups = MemoryStore::new();
    bank.back_up(&backups).unwrap();
    let (before, _) = copied(&mut bank);
    let disk: Arc<dyn Disk> = Arc::new(bank.disk.copy());
    keyring::rotate(disk.clone(), &TestKey::A, &B).unwrap();
    sealing::rotate(disk.as_ref(), &TestKey::A, &B).unwrap();
    let after = KeyringCopy::read(disk.as_ref(), before.birth()).unwrap().unwrap();

    let wrong = SimulatedDisk::new();
    for keyring_key in [None, Some(TestKey { id: "test:c", bits: 3 })] {
        let disk = SimulatedDisk::new();
        let refused = restored_with(&backups, &disk, TestKey::A, Some(after.clone()), keyring_key);
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unusable, "{error}");
        assert!(error.to_string().contains("--keyring-key-file"), "{error}");
        assert!(disk.contents("log/00000000000000000000").is_none(), "told before all is fetched");
    }
    let refused = restored_with(&backups, &wrong, B, Some(after.clone()), None);
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unusable);

    let disk = SimulatedDisk::new();
    let restored = restored_with(&backups, &disk, TestKey::A, Some(after.clone()), Some(B));
    let restored = restored.unwrap();
    assert_eq!((restored.report.keyring.unwrap().keys_count, restored.lacks_keyring), (3, false));
    let database = opens(Kind::Sealed, &disk).unwrap();
    assert_eq!(readable(&database), CUSTOMERS);
    database.close().unwrap();
    // Given twice, it is as given once.
    let disk = SimulatedDisk::new();
    restored_with(&backups, &disk, TestKey::A, Some(before), Some(TestKey::A)).unwrap();
}

/// A keyring that was lost alone is put back alone.
#[test]
fn a_keyring_is_put_back_alone() {
    let mut bank = with_customers();
    let (copy, _) = copied(&mut bank);
    destroy(&mut bank, "bob");
    let disk: Arc<dyn Disk> = Arc::new(bank.disk.clone());
    let refused = put_back(&disk, &copy, &TestKey::A, None).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unusable);
    assert!(refused.to_string().contains("move them away"), "{refused}");
    for file in disk.list("keyring").unwrap() {
        disk.remove(&format!("keyring/{file}")).unwrap();
    }
    let stranger: Arc<dyn Disk> = Arc::new(Bank::found(Kind::Sealed).disk);
    assert_eq!(
        put_back(&stranger, &copy, &TestKey::A, None).unwrap_err().kind(),
        ErrorKind::Unusable
    );
    assert_eq!(put_back(&disk, &copy, &TestKey::A, None).unwrap().keys_count, 3);
    let database = bank.open();
    assert_eq!(readable(&database), ["ann", "eve"], "what the log says is destroyed is again");
    database.close().unwrap();
}

/// A bank whose keyring was left out is not said to be whole.
#[test]
fn a_bank_without_its_keyring_is_told() {
    for begins in [true, false] {
        let mut bank = if begins { with_customers() } else { Bank::found(Kind::Sealed) };
        bank.day(1);
        let backups = MemoryStore::new();
        bank.back_up(&backups).unwrap();
        let disk = SimulatedDisk::new();
        let restored = restored_with(&backups, &disk, TestKey::A, None, None).unwrap();
        assert_eq!(restored.lacks_keyring, begins);
    }
}
