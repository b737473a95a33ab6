//! A data directory of each released format must open and answer as it did: a bank's ten years are
//! in it.
//!
//! `v1` was written by [`write`] with version 1 of the format; `FLORIN_MAKE_GOLDEN=1` makes the
//! directory of the present format, if there is none. Directories are never made again.
#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

#[path = "../keys/mod.rs"]
mod keys;
mod workload;

use florin_core::disk::os::OsDisk;
use florin_core::verify::verify;
use florin_core::{Database, Options, sealing};
use florin_keys::KeyEncryptionKey;
use florin_ledger::query::{AccountFilter, QueryFilter};
use florin_ledger::{
    Account, AccountId, AccountResult, LedgerId, Timestamp, Transfer, TransferFlags, TransferResult,
};
use keys::TestKey;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/v1");
/// The same workload, encrypted.
const GOLDEN_SEALED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/v1_sealed");

/// Each opening is a second later than the one before; holds expire in between.
fn open(directory: &Path, opening: u64) -> Database {
    let start = Timestamp(1_790_000_000_000_000_000 + opening * 1_000_000_000);
    let is_sealed = directory.join(sealing::FILE_NAME).exists();
    let key: Option<Arc<dyn KeyEncryptionKey>> =
        if is_sealed { Some(Arc::new(TestKey::A)) } else { None };
    let options = Options { clock_start: Some(start), key, ..Options::default() };
    Database::open(directory, options).unwrap()
}

/// Writes the workload; says what was answered.
fn write(directory: &Path) -> (Vec<AccountResult>, Vec<TransferResult>) {
    let (mut accounts, mut transfers) = (Vec::new(), Vec::new());
    for (opening, steps) in (0..).zip(workload::openings()) {
        let database = open(directory, opening);
        for batch in steps.accounts {
            accounts.extend(database.create_accounts(&batch).unwrap());
        }
        for batch in steps.transfers {
            transfers.extend(database.create_transfers(&batch).unwrap());
        }
        database.close().unwrap();
    }
    (accounts, transfers)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().unwrap().is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}

/// Everything that can be read.
fn read(database: &Database) -> (Vec<Option<Account>>, Vec<Option<Transfer>>, Vec<String>) {
    let accounts = database.lookup_accounts(&workload::account_ids()).unwrap();
    let transfers = database.lookup_transfers(&workload::transfer_ids()).unwrap();
    let mut others = Vec::new();
    for id in workload::account_ids() {
        for reversed in [false, true] {
            let filter = AccountFilter { reversed, limit: 1_000, ..AccountFilter::new(id) };
            others.push(format!("{:?}", database.account_transfers(&filter).unwrap()));
            others.push(format!("{:?}", database.account_balances(&filter).unwrap()));
        }
    }
    let filter = QueryFilter { limit: 8_190, ..QueryFilter::all() };
    others.push(format!("{:?}", database.query_transfers(&filter).unwrap()));
    others.push(format!("{:?}", database.query_accounts(&filter).unwrap()));
    others.push(format!("{:?}", database.trial_balance(LedgerId(840)).unwrap()));
    (accounts, transfers, others)
}

#[test]
fn the_directory_of_version_1_opens_and_answers_as_it_did() {
    make_golden(Path::new(GOLDEN), false);
    opens_and_answers_as_it_did(Path::new(GOLDEN));
}

#[test]
fn the_encrypted_directory_of_version_1_opens_and_answers_as_it_did() {
    make_golden(Path::new(GOLDEN_SEALED), true);
    opens_and_answers_as_it_did(Path::new(GOLDEN_SEALED));
}

fn make_golden(golden: &Path, is_sealed: bool) {
    if std::env::var_os("FLORIN_MAKE_GOLDEN").is_none() || golden.exists() {
        return;
    }
    if is_sealed {
        let disk = OsDisk::open(golden).unwrap();
        sealing::create(&disk, &TestKey::A).unwrap();
    }
    write(golden);
    fs::remove_file(golden.join("lock")).unwrap();
}

fn opens_and_answers_as_it_did(golden: &Path) {
    let directory = tempfile::tempdir().unwrap();
    let (old, new): (PathBuf, PathBuf) =
        (directory.path().join("old"), directory.path().join("new"));
    copy(golden, &old);
    let (accounts, transfers) = write(&new);
    let is_sealed = golden.join(sealing::FILE_NAME).exists();
    let key: Option<&dyn KeyEncryptionKey> = if is_sealed { Some(&TestKey::A) } else { None };
    let report = verify(&old, key, &mut |_| {}).unwrap();
    assert!(!report.is_locked);
    assert_eq!(report.findings, Vec::<String>::new());

    let openings = u64::try_from(workload::openings().len()).unwrap();
    let (old, new) = (open(&old, openings), open(&new, openings));
    assert_eq!(read(&old), read(&new), "the old directory, and what is written today");
    workload::check_by_hand(&old);
    check_again(&old, &accounts, &transfers);
    old.close().unwrap();
    new.close().unwrap();
}

/// Every id is still known: what was created exists, with its first time; what failed has failed.
fn check_again(
    database: &Database,
    mut accounts: &[AccountResult],
    mut transfers: &[TransferResult],
) {
    for steps in workload::openings() {
        for batch in steps.accounts {
            let (first, rest) = accounts.split_at(batch.len());
            for (again, first) in database.create_accounts(&batch).unwrap().iter().zip(first) {
                assert_eq!((again.status.name(), again.timestamp), ("exists", first.timestamp));
            }
            accounts = rest;
        }
        for batch in steps.transfers {
            let (first, rest) = transfers.split_at(batch.len());
            for (event, first) in batch.iter().zip(first) {
                // Alone: in a chain, a member that exists would fail the others.
                let flags = TransferFlags(event.flags.0 & !TransferFlags::LINKED.0);
                let again = database.create_transfers(&[Transfer { flags, ..*event }]).unwrap()[0];
                let expected = match first.status.name() {
                    "created" if flags != event.flags => "exists_with_different_flags",
                    "created" => "exists",
                    _ if first.status.is_transient() => "id_already_failed",
                    // Refused for what it is, or taken back with its chain: nothing is remembered.
                    "linked_event_failed" => continue,
                    refused => refused,
                };
                assert_eq!(again.status.name(), expected, "{event:?}");
            }
            transfers = rest;
        }
    }
}

/// Prevents: the golden directory is opened by its projections alone, or by its log alone.
#[test]
fn the_log_of_version_1_is_enough() {
    let directory = tempfile::tempdir().unwrap();
    let (whole, log) = (directory.path().join("whole"), directory.path().join("log"));
    copy(Path::new(GOLDEN), &whole);
    copy(&Path::new(GOLDEN).join("log"), &log.join("log"));
    let openings = u64::try_from(workload::openings().len()).unwrap();
    let (whole, log) = (open(&whole, openings), open(&log, openings));
    assert_eq!(read(&whole), read(&log));
    let found = log.lookup_accounts(&[AccountId(1)]).unwrap();
    assert!(found[0].is_some());
}
