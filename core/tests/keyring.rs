//! Prevents: a key that was destroyed and comes back, by a crash, by an older copy of the keyring or of
//! the log; and a customer who gets a new key for what only the old one opens.
#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod keys;

use florin_core::clock::SystemClock;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::disk::{Access, Disk};
use florin_core::event::{Event, Observer};
use florin_core::keyring::{DestroyResult, Held, KeyringStatus, NAME_BYTES_MAX, NAMES_MAX};
use florin_core::log::PreparerOptions;
use florin_core::verify::{VerifyReport, verify_keyring};
use florin_core::{Database, Error, ErrorKind, Options, keyring, sealing};
use florin_keys::{KeyEncryptionKey, Secret};
use florin_ledger::document::{DocumentScan, WriteResult};
use florin_ledger::{Document, DocumentKey, DocumentWrite, TableId};
use keys::TestKey;
use std::sync::{Arc, Mutex};

const B: TestKey = TestKey { id: "test:b", bits: 0x0f };

fn encrypted() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    sealing::create(&disk, &TestKey::A).unwrap();
    disk
}

/// The database, and what it told of its keyring.
fn open_telling(
    disk: &SimulatedDisk,
    key: Option<TestKey>,
) -> Result<(Database, Vec<String>), Error> {
    let preparer = PreparerOptions {
        slice_bytes: 128 << 10,
        reserve_bytes: 32 << 10,
        ..PreparerOptions::default()
    };
    let told = Arc::new(Mutex::new(Vec::new()));
    let teller = Arc::clone(&told);
    let observer = Observer::new(move |event| match event {
        Event::KeyringRefused(error) => teller.lock().unwrap().push(error.to_string()),
        Event::KeysDestroyedAgain(count) => {
            teller.lock().unwrap().push(format!("{count} destroyed"));
        }
        _ => {}
    });
    let key: Option<Arc<dyn KeyEncryptionKey>> = match key {
        Some(key) => Some(Arc::new(key)),
        None => None,
    };
    let options = Options { segment_bytes: 8 << 20, preparer, key, observer, ..Options::default() };
    let clock = Arc::new(SystemClock::new());
    let database = Database::open_on(Arc::new(disk.clone()), clock, options)?;
    let told = told.lock().unwrap().clone();
    Ok((database, told))
}

fn open(disk: &SimulatedDisk) -> Database {
    open_telling(disk, Some(TestKey::A)).unwrap().0
}

fn key(database: &Database, name: &[u8]) -> Secret {
    match database.keys(&[name]).unwrap().remove(0) {
        Held::Key(key) => key,
        other => panic!("{other:?}"),
    }
}

/// Documents of the table of evidence whose keys are hashes of names.
fn on_record(database: &Database) -> Vec<Document> {
    let scan =
        DocumentScan { table: TableId::DESTROYED_KEYS, limit: 100, ..DocumentScan::default() };
    let page = database.scan_documents(&scan).unwrap();
    page.items.into_iter().filter(|document| document.key.len() == 32).collect()
}

/// Puts the files of a directory of one disk in the place of those of another.
fn restore(from: &SimulatedDisk, to: &SimulatedDisk, directory: &str) {
    let path = |name: &String| {
        if directory.is_empty() { name.clone() } else { format!("{directory}/{name}") }
    };
    for name in to.list(directory).unwrap_or_default() {
        to.remove(&path(&name)).unwrap();
    }
    to.create_directory(directory).unwrap();
    for name in from.list(directory).unwrap_or_default() {
        let file = to.create(&path(&name), Access::Buffered).unwrap();
        file.write_all_at(&from.contents(&path(&name)).unwrap(), 0).unwrap();
        file.sync().unwrap();
    }
    to.sync_directory(directory).unwrap();
    to.sync_directory("").unwrap();
}

#[test]
fn keys_are_made_once_read_and_destroyed_for_ever() {
    let disk = encrypted();
    let database = open(&disk);
    assert_eq!(database.keys(&[b"ann"]).unwrap(), [Held::Unknown]);
    assert_eq!(database.keyring_status().unwrap(), KeyringStatus::default());
    assert!(disk.list(keyring::DIRECTORY).is_err(), "who asks begins no keyring");
    let made = database.make_keys(&[b"ann", b"bob"]).unwrap();
    assert_eq!(database.keys(&[b"bob", b"ann"]).unwrap(), [made[1].clone(), made[0].clone()]);
    assert_eq!(database.make_keys(&[b"ann"]).unwrap(), [made[0].clone()]);

    let destroyed = database.destroy_keys(&[b"ann", b"eve"], "the officer").unwrap();
    assert_eq!(destroyed, [DestroyResult::Destroyed, DestroyResult::Unknown]);
    let again = database.destroy_keys(&[b"ann", b"eve"], "somebody else").unwrap();
    assert_eq!(again, [DestroyResult::AlreadyDestroyed; 2]);
    let evidence = on_record(&database);
    assert_eq!(evidence.len(), 2);
    assert!(evidence.iter().all(|it| it.value.as_deref() == Some(&b"the officer"[..])));
    database.close().unwrap();
    assert_eq!(database.keys(&[b"bob"]).unwrap_err().kind(), ErrorKind::Stopped);

    let (database, told) = open_telling(&disk, Some(TestKey::A)).unwrap();
    assert_eq!(told, [""; 0]);
    let names: [&[u8]; 3] = [b"ann", b"bob", b"eve"];
    let expected = [Held::Destroyed, made[1].clone(), Held::Destroyed];
    assert_eq!(database.make_keys(&names).unwrap(), expected);
    let status = KeyringStatus { keys_count: 1, destroyed_count: 2 };
    assert_eq!(database.keyring_status().unwrap(), status);
    database.close().unwrap();
    let unlocked = sealing::unlock(Arc::new(disk), Some(&TestKey::A)).unwrap();
    let mut report = VerifyReport::default();
    verify_keyring(&unlocked, &TestKey::A, &mut report).unwrap();
    assert_eq!((report.keyring, report.findings), (Some(status), Vec::new()));
}

/// Fault 45 and what follows from it: whatever a power cut leaves, a key whose destruction is on record
/// is destroyed before any key is handed out, and no other key is touched.
#[test]
fn a_power_cut_at_any_moment_leaves_log_and_keyring_saying_the_same() {
    let disk = encrypted();
    let database = open(&disk);
    database.make_keys(&[b"ann", b"bob"]).unwrap();
    let (ann, bob) = (key(&database, b"ann"), key(&database, b"bob"));
    let start = disk.operations_count();
    database.destroy_keys(&[b"ann"], "test").unwrap();
    let end = disk.operations_count();
    drop(database);
    let (mut before, mut between, mut after) = (0, 0, 0);
    for at in start..=end {
        for seed in 0..2 {
            let image = disk.crash_image(at, seed);
            let (database, told) = open_telling(&image, Some(TestKey::A)).unwrap();
            assert_eq!(key(&database, b"bob"), bob, "at {at}");
            let held = database.keys(&[b"ann"]).unwrap().remove(0);
            let is_on_record = !on_record(&database).is_empty();
            match (is_on_record, told.as_slice()) {
                (false, []) => before += 1,
                (true, [told]) if told == "1 destroyed" => between += 1,
                (true, []) => after += 1,
                other => panic!("{other:?} at {at}"),
            }
            let expected = if is_on_record { Held::Destroyed } else { Held::Key(ann.clone()) };
            assert_eq!(held, expected, "at {at}");
            assert!(is_on_record || at < end, "what was answered is done");
        }
    }
    assert!(0 < before && 0 < between && 0 < after, "{before} {between} {after}");
}

/// The first key of all: the directory, what the log says of it, the key.
#[test]
fn a_power_cut_while_a_keyring_is_begun_leaves_one_that_can_be_used() {
    let disk = encrypted();
    let database = open(&disk);
    let start = disk.operations_count();
    let made = database.make_keys(&[b"ann"]).unwrap();
    let end = disk.operations_count();
    drop(database);
    for at in start..=end {
        let image = disk.crash_image(at, 1);
        let (database, told) = open_telling(&image, Some(TestKey::A)).unwrap();
        assert_eq!(told, [""; 0], "at {at}");
        let held = database.keys(&[b"ann"]).unwrap();
        assert!(held == made || (held == [Held::Unknown] && at < end), "at {at}");
        assert!(matches!(database.make_keys(&[b"ann"]).unwrap()[..], [Held::Key(_)]));
    }
}

/// A disk that fails while the first key of all is made: what a sync that failed left is never relied
/// on, nor tried again, until the database was opened again.
#[test]
fn a_keyring_that_could_not_be_begun_is_refused_until_it_is_opened_again() {
    let mut failures = 0;
    for at in 0.. {
        let disk = encrypted();
        let database = open(&disk);
        let calls_before = disk.counters().calls_count;
        disk.fail_call(at);
        let made = database.make_keys(&[b"ann"]);
        let calls_count = disk.counters().calls_count - calls_before;
        disk.lift_faults();
        if made.is_err() {
            failures += 1;
            let before = keyring_files(&disk);
            for error in [
                database.make_keys(&[b"ann"]).unwrap_err(),
                database.begin_keyring().unwrap_err(),
                database.keys(&[b"ann"]).unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::Stopped, "at {at}: {error}");
            }
            assert_eq!(keyring_files(&disk), before, "at {at}");
        }
        drop(database);
        let made = open(&disk).make_keys(&[b"ann"]).unwrap();
        assert!(matches!(made[..], [Held::Key(_)]), "at {at}");
        if calls_count <= at {
            break;
        }
    }
    assert!(8 < failures, "{failures}");
}

/// What the files of the keyring hold, by their names.
fn keyring_files(disk: &SimulatedDisk) -> Vec<(String, Option<Vec<u8>>)> {
    let names = disk.list(keyring::DIRECTORY).unwrap_or_default();
    let path = |name: &String| format!("{}/{name}", keyring::DIRECTORY);
    names.into_iter().map(|name| (name.clone(), disk.contents(&path(&name)))).collect()
}

/// An error at any call of the disk: the key may or may not be destroyed, but if the log says so no
/// key of that name is handed out, not now and not after opening again.
#[test]
fn a_disk_that_fails_hands_out_no_key_that_is_on_record_as_destroyed() {
    let mut failures = 0;
    for at in 0.. {
        let disk = encrypted();
        let database = open(&disk);
        database.make_keys(&[b"ann"]).unwrap();
        let calls_before = disk.counters().calls_count;
        disk.fail_call(at);
        let destroyed = database.destroy_keys(&[b"ann"], "test");
        let calls_count = disk.counters().calls_count - calls_before;
        disk.lift_faults();
        let held = database.keys(&[b"ann"]);
        drop(database);
        if destroyed.is_err() {
            failures += 1;
        }
        let (database, _) = open_telling(&disk, Some(TestKey::A)).unwrap();
        let is_on_record = !on_record(&database).is_empty();
        if is_on_record {
            assert!(!matches!(held, Ok(ref held) if matches!(held[0], Held::Key(_))), "at {at}");
            assert_eq!(database.keys(&[b"ann"]).unwrap(), [Held::Destroyed], "at {at}");
        }
        assert!(destroyed.is_err() || is_on_record);
        // Calls beyond this one were made: an error that harmed nobody is not the last one.
        if calls_count <= at {
            break;
        }
    }
    assert!(8 < failures, "{failures}");
}

/// A disk with the keys of ann and bob, a copy of it, and the key of bob.
fn bank_of_last_week() -> (SimulatedDisk, SimulatedDisk, Secret) {
    let disk = encrypted();
    let database = open(&disk);
    database.make_keys(&[b"ann", b"bob"]).unwrap();
    let bob = key(&database, b"bob");
    database.close().unwrap();
    let last_week = disk.copy();
    (disk, last_week, bob)
}

/// The keyring of last week beside today's log: what was destroyed since is destroyed again, what was
/// made and destroyed since is never made again, all else opens what it opened.
#[test]
fn an_older_copy_of_the_keyring_brings_no_key_back() {
    let (disk, last_week, bob) = bank_of_last_week();

    let database = open(&disk);
    database.make_keys(&[b"eve"]).unwrap();
    database.destroy_keys(&[b"ann", b"eve"], "test").unwrap();
    database.close().unwrap();

    restore(&last_week, &disk, keyring::DIRECTORY);
    let (database, told) = open_telling(&disk, Some(TestKey::A)).unwrap();
    assert_eq!(told, ["2 destroyed"]);
    let names: [&[u8]; 3] = [b"ann", b"bob", b"eve"];
    let expected = [Held::Destroyed, Held::Key(bob), Held::Destroyed];
    assert_eq!(database.keys(&names).unwrap(), expected);
    assert_eq!(database.make_keys(&names).unwrap(), expected);
    database.close().unwrap();
    // And then it is as if it had never been away.
    let (_, told) = open_telling(&disk, Some(TestKey::A)).unwrap();
    assert_eq!(told, [""; 0]);
}

/// Last week's log beside today's keyring: a restored bank must not lose what makes the destruction
/// last, or an older keyring that is put in later would bring the key back.
#[test]
fn an_older_copy_of_the_log_brings_no_key_back() {
    let (disk, last_week, bob) = bank_of_last_week();

    let database = open(&disk);
    database.destroy_keys(&[b"ann"], "test").unwrap();
    database.close().unwrap();

    for directory in ["", "log", "runs"] {
        restore(&last_week, &disk, directory);
    }
    let database = open(&disk);
    let expected = [Held::Destroyed, Held::Key(bob)];
    assert_eq!(database.keys(&[b"ann", b"bob"]).unwrap(), expected);
    assert_eq!(on_record(&database).len(), 1, "it is on record again");
    database.close().unwrap();

    restore(&last_week, &disk, keyring::DIRECTORY);
    let (database, told) = open_telling(&disk, Some(TestKey::A)).unwrap();
    assert_eq!(told, ["1 destroyed"]);
    assert_eq!(database.make_keys(&[b"ann", b"bob"]).unwrap(), expected);
}

/// A keyring that was left out of a restore is asked for. Begun anew by itself, it would give every
/// customer a second key, and make the restore that comes too late a choice between the two.
#[test]
fn a_keyring_that_is_missing_is_not_begun_by_itself() {
    let disk = encrypted();
    let database = open(&disk);
    database.make_keys(&[b"ann", b"bob"]).unwrap();
    let bob = key(&database, b"bob");
    database.destroy_keys(&[b"ann"], "test").unwrap();
    database.close().unwrap();
    let whole = disk.copy();
    for name in disk.list(keyring::DIRECTORY).unwrap() {
        disk.remove(&format!("{}/{name}", keyring::DIRECTORY)).unwrap();
    }
    let (database, told) = open_telling(&disk, Some(TestKey::A)).unwrap();
    for error in [
        database.keys(&[b"bob"]).unwrap_err(),
        database.make_keys(&[b"bob"]).unwrap_err(),
        database.destroy_keys(&[b"bob"], "test").unwrap_err(),
        database.keyring_status().unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unusable);
        assert!(error.to_string().contains("restore the newest copy"), "{error}");
        assert_eq!(told, [error.to_string()]);
    }
    database.close().unwrap();
    restore(&whole, &disk, keyring::DIRECTORY);
    assert_eq!(key(&open(&disk), b"bob"), bob);

    // If it is lost for good, whoever says so gets an empty one, in which what is destroyed is.
    for name in disk.list(keyring::DIRECTORY).unwrap() {
        disk.remove(&format!("{}/{name}", keyring::DIRECTORY)).unwrap();
    }
    let database = open(&disk);
    let empty = KeyringStatus { keys_count: 0, destroyed_count: 1 };
    assert_eq!(database.begin_keyring().unwrap(), empty);
    assert_eq!(database.keys(&[b"ann", b"bob"]).unwrap(), [Held::Destroyed, Held::Unknown]);
    assert_eq!(database.begin_keyring().unwrap(), empty, "there is one now");
}

#[test]
fn a_damaged_keyring_is_no_reason_not_to_open_the_ledger() {
    let disk = encrypted();
    open(&disk).make_keys(&[b"ann"]).unwrap();
    for name in disk.list(keyring::DIRECTORY).unwrap() {
        if name.starts_with("root") {
            disk.corrupt(&format!("{}/{name}", keyring::DIRECTORY), 4_000, 3);
        }
    }
    let (database, told) = open_telling(&disk, Some(TestKey::A)).unwrap();
    assert!(told[0].contains("restore the newest copy"), "{told:?}");
    assert_eq!(database.keys(&[b"ann"]).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(database.make_keys(&[b"bob"]).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(database.lookup_accounts(&[]).unwrap(), []);
    database.close().unwrap();
    let unlocked = sealing::unlock(Arc::new(disk), Some(&TestKey::A)).unwrap();
    let mut report = VerifyReport::default();
    verify_keyring(&unlocked, &TestKey::A, &mut report).unwrap();
    assert_eq!(report.findings, told);
}

#[test]
fn without_a_key_there_is_no_keyring_and_it_says_what_to_do() {
    let plain = open_telling(&SimulatedDisk::new(), None).unwrap().0;
    let error = plain.make_keys(&[b"ann"]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("florin init --encrypt"), "{error}");
    assert_eq!(plain.destroy_keys(&[b"ann"], "test").unwrap_err(), error);

    // Unlocked by its database key alone, as a rebuild is.
    let disk = encrypted();
    let unlocked = sealing::unlock(Arc::new(disk), Some(&TestKey::A)).unwrap();
    let options = Options { segment_bytes: 8 << 20, ..Options::default() };
    let database = Database::open_on(unlocked, Arc::new(SystemClock::new()), options).unwrap();
    let error = database.keys(&[b"ann"]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("open it with the key"), "{error}");
}

/// The key that opens the log opens the keyring; between the two halves of a rotation no key is handed
/// out, and running it again ends it.
#[test]
fn another_key_opens_the_keyring_only_after_a_rotation() {
    let disk = encrypted();
    let database = open(&disk);
    database.make_keys(&[b"ann"]).unwrap();
    let ann = key(&database, b"ann");
    database.close().unwrap();
    let last_week = disk.copy();
    let error = open_telling(&disk, Some(B)).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unusable);

    keyring::rotate(Arc::new(disk.clone()), &TestKey::A, &B).unwrap();
    let (database, told) = open_telling(&disk, Some(TestKey::A)).unwrap();
    assert!(told[0].contains("florin kek rotate"), "{told:?}");
    assert_eq!(database.keys(&[b"ann"]).unwrap_err().kind(), ErrorKind::Unusable);
    database.close().unwrap();
    keyring::rotate(Arc::new(disk.clone()), &TestKey::A, &B).unwrap();
    sealing::rotate(&disk, &TestKey::A, &B).unwrap();
    assert_eq!(key(&open_telling(&disk, Some(B)).unwrap().0, b"ann"), ann);

    // A copy of the keyring from before the rotation is of use still.
    restore(&last_week, &disk, keyring::DIRECTORY);
    let (database, told) = open_telling(&disk, Some(B)).unwrap();
    assert!(told[0].contains("florin kek rotate"), "{told:?}");
    database.close().unwrap();
    keyring::rotate(Arc::new(disk.clone()), &TestKey::A, &B).unwrap();
    assert_eq!(key(&open_telling(&disk, Some(B)).unwrap().0, b"ann"), ann);
}

/// Who could delete evidence could bring a key back with an old copy of the keyring.
#[test]
fn evidence_can_neither_be_deleted_nor_written_over() {
    let disk = encrypted();
    let database = open(&disk);
    database.destroy_keys(&[b"ann"], "the officer").unwrap();
    let evidence = on_record(&database).remove(0);
    for value in [None, Some(b"nobody".to_vec())] {
        let key = evidence.key.clone();
        let table = TableId::DESTROYED_KEYS;
        let write = DocumentWrite { table, key, value, ..DocumentWrite::default() };
        let results = database.write_documents(&[write]).unwrap();
        assert_eq!(results, [WriteResult::AppendOnly(evidence.version)]);
    }
    assert_eq!(on_record(&database), [evidence]);
}

/// Names are customers' numbers: neither they nor their plain hashes are in the log, where they could
/// be tried. Keys are nowhere in clear, and in the log not at all.
#[test]
fn neither_names_nor_keys_are_in_any_file() {
    let disk = encrypted();
    let database = open(&disk);
    let (ann, bob) = (b"customer-ann-4711", b"customer-bob-4712");
    database.make_keys(&[ann, bob]).unwrap();
    let secrets = [key(&database, ann), key(&database, bob)];
    database.destroy_keys(&[ann], "test").unwrap();
    let hash =
        DocumentKey { table: TableId::DESTROYED_KEYS, key: blake3::hash(ann).as_bytes().to_vec() };
    assert_eq!(database.documents(&[hash]).unwrap(), [None], "a hash that anybody can make");
    // What the log says when it is opened: nothing of the keyring but evidence.
    let mut stream = database
        .subscribe(florin_ledger::StreamStart::Begin, florin_ledger::StreamFilter::default())
        .unwrap();
    let batch = stream.next(1 << 20, std::time::Duration::ZERO).unwrap().into_bytes();
    database.close().unwrap();
    let mut files = vec![(String::from("the log, opened"), batch)];
    for directory in ["", "log/", "runs/", "keyring/"] {
        for name in disk.list(directory.trim_end_matches('/')).unwrap_or_default() {
            let path = format!("{directory}{name}");
            files.push((path.clone(), disk.contents(&path).unwrap()));
        }
    }
    assert!(files.iter().any(|(name, _)| name.starts_with("keyring/bucket")));
    let markers: [&[u8]; 4] = [ann, bob, &secrets[0][..], &secrets[1][..]];
    for (name, bytes) in files {
        for marker in markers {
            let is_there = bytes.windows(marker.len()).any(|window| window == marker);
            assert!(!is_there, "{name}");
        }
    }
}

#[test]
fn names_have_limits() {
    let database = open(&encrypted());
    let long = [1; NAME_BYTES_MAX + 1];
    let many = vec![&b"a"[..]; NAMES_MAX + 1];
    for names in [&[&b""[..]][..], &[&long[..]], &many] {
        let invalid = |error: Error| assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        invalid(database.keys(names).unwrap_err());
        invalid(database.make_keys(names).unwrap_err());
        invalid(database.destroy_keys(names, "test").unwrap_err());
    }
    database.make_keys(&[&long[1..]]).unwrap();
    assert_eq!(database.make_keys(&many[1..]).unwrap().len(), NAMES_MAX);
}
