//! Prevents: an encrypted database that says anything without its key, that is changed by whoever
//! comes with a wrong one, or that is lost while its key is changed.
#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod keys;

use florin_core::clock::SystemClock;
use florin_core::disk::Disk;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::log::PreparerOptions;
use florin_core::verify::{VerifyReport, verify_on};
use florin_core::{Database, Error, ErrorKind, Options, sealing};
use florin_keys::KeyEncryptionKey;
use florin_ledger::{
    Account, AccountId, Amount, Code, LedgerId, Transfer, TransferFlags, TransferId,
};
use keys::TestKey;
use std::collections::BTreeMap;
use std::sync::Arc;

const B: TestKey = TestKey { id: "test:b", bits: 0x0f };
const LEDGER: LedgerId = LedgerId(978);
/// What must not be found on the disk: a reference, an amount, ids.
const REFERENCE: u128 = 0x6e6f_626f_6479_206d_6179_2072_6561_6421;
const AMOUNT: u128 = 0x0123_4567_89ab_cdef;
const ACCOUNT: u128 = 0xacc0_acc1_acc2_acc3_acc4_acc5_acc6_0000;
const TRANSFER: u128 = 0xfeed_f00d_feed_f00d_feed_f00d_0000_0000;

fn open(disk: &SimulatedDisk, key: Option<TestKey>) -> Result<Database, Error> {
    let preparer = PreparerOptions {
        slice_bytes: 128 << 10,
        reserve_bytes: 32 << 10,
        ..PreparerOptions::default()
    };
    let key: Option<Arc<dyn KeyEncryptionKey>> = match key {
        Some(key) => Some(Arc::new(key)),
        None => None,
    };
    let options = Options {
        segment_bytes: 8 << 20,
        preparer,
        checkpoint_bytes: 4 << 10,
        key,
        ..Options::default()
    };
    Database::open_on(Arc::new(disk.clone()), Arc::new(SystemClock::new()), options)
}

/// Accounts, transfers and holds, with checkpoints and runs in between.
fn work(database: &Database) {
    let account = |number| Account {
        id: AccountId(ACCOUNT + number),
        user_data_128: REFERENCE,
        ledger: LEDGER,
        code: Code(1),
        ..Account::default()
    };
    let accounts: Vec<Account> = (0..50).map(account).collect();
    database.create_accounts(&accounts).unwrap();
    for round in 0..20 {
        let transfer = |number| Transfer {
            id: TransferId(TRANSFER + (round << 16) + number),
            debit_account_id: AccountId(ACCOUNT + number),
            credit_account_id: AccountId(ACCOUNT + number + 1),
            amount: Amount(AMOUNT),
            user_data_128: REFERENCE,
            ledger: LEDGER,
            code: Code(1),
            flags: if number < 9 { TransferFlags::PENDING } else { TransferFlags(0) },
            ..Transfer::default()
        };
        let transfers: Vec<Transfer> = (0..49).map(transfer).collect();
        let results = database.create_transfers(&transfers).unwrap();
        assert!(results.iter().all(|result| result.status.name() == "created"));
    }
}

/// The disk of a database that was opened and closed in order, twice.
fn closed(key: Option<TestKey>) -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    if let Some(key) = key {
        sealing::create(&disk, &key).unwrap();
    }
    let database = open(&disk, key).unwrap();
    work(&database);
    database.close().unwrap();
    open(&disk, key).unwrap().close().unwrap();
    assert!(disk.contents("checkpoint.redb").is_some());
    assert!(!disk.list("runs").unwrap().is_empty());
    disk
}

/// Every file, and how often anything was asked to change.
fn everything(disk: &SimulatedDisk) -> (usize, BTreeMap<String, Vec<u8>>) {
    let mut files = BTreeMap::new();
    for directory in ["", "log/", "runs/"] {
        for name in disk.list(directory.trim_end_matches('/')).unwrap_or_default() {
            let path = format!("{directory}{name}");
            files.insert(path.clone(), disk.contents(&path).unwrap());
        }
    }
    (disk.operations_count(), files)
}

fn refused(disk: &SimulatedDisk, key: Option<TestKey>, kind: ErrorKind, expect: &str) {
    let before = everything(disk);
    let error = open(disk, key).expect_err(expect);
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(expect), "{error}, not: {expect}");
    assert!(everything(disk) == before, "{expect}: the disk was changed");
}

#[test]
fn a_missing_wrong_or_needless_key_is_named_and_changes_nothing() {
    let disk = closed(Some(TestKey::A));
    let unusable = ErrorKind::Unusable;
    refused(&disk, None, unusable, "is encrypted: give its key test:a");
    refused(&disk, Some(B), unusable, "encrypted under test:a, the key given is test:b");
    let twin = TestKey { id: "test:a", bits: 1 };
    refused(&disk, Some(twin), unusable, "and is another one");
    refused(&closed(None), Some(B), unusable, "no encrypted database here");

    let damaged = disk.copy();
    damaged.corrupt(sealing::FILE_NAME, 40, 3);
    refused(&damaged, Some(TestKey::A), ErrorKind::Corrupt, "put back a copy");
    let lost = disk.copy();
    lost.remove(sealing::FILE_NAME).unwrap();
    refused(&lost, None, unusable, "its database key is missing");
    let other = closed(Some(TestKey::A));
    let moved = other.copy();
    moved.remove(sealing::FILE_NAME).unwrap();
    copy_file(&disk, &moved, sealing::FILE_NAME);
    refused(&moved, Some(TestKey::A), unusable, "put back the right one");
    let plain = closed(None);
    copy_file(&disk, &plain, sealing::FILE_NAME);
    refused(&plain, Some(TestKey::A), unusable, "the log is not encrypted");
}

fn copy_file(from: &SimulatedDisk, to: &SimulatedDisk, name: &str) {
    let file = to.create(name, florin_core::disk::Access::Buffered).unwrap();
    file.write_all_at(&from.contents(name).unwrap(), 0).unwrap();
    file.sync().unwrap();
    to.sync_directory("").unwrap();
}

#[test]
fn only_an_empty_directory_can_be_encrypted() {
    let disk = closed(None);
    let before = everything(&disk);
    let error = sealing::create(&disk, &TestKey::A).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unusable);
    assert!(everything(&disk) == before, "the disk was changed");
}

#[test]
fn no_id_amount_or_reference_is_on_the_disk() {
    let found = |disk: &SimulatedDisk| {
        let (_, files) = everything(disk);
        let mut found = Vec::new();
        for (name, bytes) in files {
            for (what, marker) in [
                ("reference", REFERENCE.to_le_bytes()),
                ("amount", AMOUNT.to_le_bytes()),
                ("account", (ACCOUNT + 7).to_le_bytes()),
                ("transfer", (TRANSFER + 7).to_le_bytes()),
            ] {
                if bytes.windows(16).any(|window| window == marker) {
                    found.push(format!("{name}: {what}"));
                }
            }
        }
        found
    };
    let plain = found(&closed(None));
    assert!(plain.iter().any(|found| found.starts_with("checkpoint.redb")), "{plain:?}");
    assert!(plain.iter().any(|found| found.starts_with("log/")), "{plain:?}");
    assert_eq!(found(&closed(Some(TestKey::A))), [""; 0]);
}

fn verified(disk: &SimulatedDisk, key: Option<TestKey>) -> VerifyReport {
    let mut shared: Arc<dyn Disk> = Arc::new(disk.clone());
    if let Some(key) = key {
        shared = sealing::unlock(shared, Some(&key)).unwrap();
    }
    let before = everything(disk);
    let report = verify_on(&shared, &mut |_| {}).unwrap().unwrap();
    assert!(everything(disk) == before, "verifying changed the disk");
    report
}

#[test]
fn everything_holds_with_the_key_and_its_checks_without() {
    let disk = closed(Some(TestKey::A));
    let (with, without) = (verified(&disk, Some(TestKey::A)), verified(&disk, None));
    assert_eq!(with.findings, [""; 0]);
    assert_eq!(without.findings, [""; 0]);
    assert!(!with.is_locked && without.is_locked);
    assert_eq!(with.accounts_count, 50);
    assert_eq!(without.accounts_count, 0);
    let seen = |report: &VerifyReport| {
        (report.end, report.frames_count, report.records_count, report.epoch, report.checkpoint)
    };
    assert_eq!(seen(&with), seen(&without));
}

/// Prevents: a scrub that passes over damage because it can't read what is damaged, and an answer
/// from what was changed.
#[test]
fn damage_anywhere_is_found_without_the_key() {
    let disk = closed(Some(TestKey::A));
    let (_, files) = everything(&disk);
    let healthy = verified(&disk, Some(TestKey::A));
    for (name, bytes) in files {
        if name == sealing::FILE_NAME || name == "lock" {
            continue;
        }
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        let (mut found_count, mut flips_count) = (0, 0);
        for offset in (0..=used).step_by(used / 25 + 1) {
            let image = disk.copy();
            image.corrupt(&name, offset, 4);
            flips_count += 1;
            let is_found = !verified(&image, None).findings.is_empty();
            found_count += usize::from(is_found);
            let with_key = verified(&image, Some(TestKey::A));
            if with_key.findings.is_empty() {
                assert_eq!(with_key.digest, healthy.digest, "{name}: offset {offset}");
                assert!(!is_found, "{name}: offset {offset} is found without the key alone");
            }
        }
        // The last witness of the log and pages that redb does not use may be lost unnoticed.
        let unnoticed = flips_count - found_count;
        let is_checkpoint = name == "checkpoint.redb";
        assert!(is_checkpoint || unnoticed <= 1, "{name}: {unnoticed} of {flips_count} unnoticed");
        assert_ne!(found_count, 0, "{name}");
    }
}

#[test]
fn a_key_is_changed_whole_or_not_at_all() {
    let disk = closed(Some(TestKey::A));
    let (begun, mut before) = everything(&disk);
    sealing::rotate(&disk, &TestKey::A, &B).unwrap();
    let (ended, mut after) = everything(&disk);
    before.remove(sealing::FILE_NAME).unwrap();
    after.remove(sealing::FILE_NAME).unwrap();
    assert!(before == after, "what is stored was touched");
    let opens = |image: &SimulatedDisk, key: TestKey| {
        sealing::unlock(Arc::new(image.clone()), Some(&key)).is_ok()
    };
    for cut in begun..=ended {
        for seed in 0..6 {
            let image = disk.crash_image(cut, seed);
            assert!(opens(&image, TestKey::A) != opens(&image, B), "cut {cut}, image {seed}");
            // What was begun is done again.
            if opens(&image, TestKey::A) {
                sealing::rotate(&image, &TestKey::A, &B).unwrap();
            }
            assert!(opens(&image, B), "cut {cut}, image {seed}");
        }
    }
    let image = disk.crash_image(ended, 1);
    assert!(opens(&image, B), "it was durable");
    refused(&disk, Some(TestKey::A), ErrorKind::Unusable, "encrypted under test:b");
    let database = open(&disk, Some(B)).unwrap();
    assert!(database.lookup_accounts(&[AccountId(ACCOUNT)]).unwrap()[0].is_some());
    database.close().unwrap();
}

/// Prevents: a database that can't be made after a crash while it was being made.
#[test]
fn a_database_whose_making_was_cut_short_is_made() {
    let disk = SimulatedDisk::new();
    sealing::create(&disk, &TestKey::A).unwrap();
    for cut in 0..=disk.operations_count() {
        for seed in 0..4 {
            let image = disk.crash_image(cut, seed);
            if image.contents(sealing::FILE_NAME).is_none() {
                sealing::create(&image, &TestKey::A).unwrap();
            }
            open(&image, Some(TestKey::A)).unwrap().close().unwrap();
        }
    }
}
