//! Prevents: a damaged or crashed data directory that is changed by looking at it, so that whoever
//! comes to repair it no longer finds what the crash left.
#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use florin_core::clock::SystemClock;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::disk::{Access, Disk};
use florin_core::log::PreparerOptions;
use florin_core::verify::{VerifyReport, verify_on};
use florin_core::{Database, Error, ErrorKind, Options};
use florin_ledger::{Account, AccountId, Amount, Code, LedgerId, Transfer, TransferId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A checkpoint begins every few requests.
fn open(disk: &SimulatedDisk) -> Result<Database, Error> {
    let preparer = PreparerOptions {
        slice_bytes: 128 << 10,
        reserve_bytes: 32 << 10,
        ..PreparerOptions::default()
    };
    let options = Options {
        segment_bytes: 8 << 20,
        preparer,
        checkpoint_bytes: 4 << 10,
        ..Options::default()
    };
    Database::open_on(Arc::new(disk.clone()), Arc::new(SystemClock::new()), options)
}

const ACCOUNTS_COUNT: u128 = 100;
const LEDGER: LedgerId = LedgerId(978);

/// Some requests, many of which are followed by a checkpoint.
fn work(database: &Database, day: u128) {
    let account =
        |id| Account { id: AccountId(id), ledger: LEDGER, code: Code(1), ..Account::default() };
    let accounts: Vec<Account> = (1..=ACCOUNTS_COUNT).map(account).collect();
    database.create_accounts(&accounts).unwrap();
    for round in day * 20..(day + 1) * 20 {
        let transfer = |id| Transfer {
            id: TransferId(round * ACCOUNTS_COUNT + id),
            debit_account_id: AccountId(id),
            credit_account_id: AccountId(id + 1),
            amount: Amount(1),
            ledger: LEDGER,
            code: Code(1),
            ..Transfer::default()
        };
        let transfers: Vec<Transfer> = (1..ACCOUNTS_COUNT).map(transfer).collect();
        database.create_transfers(&transfers).unwrap();
    }
}

/// The disk of a database that was opened and closed in order, twice.
fn closed() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    for day in 0..2 {
        let database = open(&disk).unwrap();
        work(&database, day);
        database.close().unwrap();
    }
    assert!(disk.contents("checkpoint.redb").is_some());
    disk
}

/// Every file, and how often anything was asked to change: a write of the same bytes counts.
fn everything(disk: &SimulatedDisk) -> (usize, BTreeMap<String, Option<Vec<u8>>>) {
    let mut files = BTreeMap::new();
    for directory in ["", "log/", "runs/"] {
        for name in disk.list(directory.trim_end_matches('/')).unwrap_or_default() {
            let path = format!("{directory}{name}");
            files.insert(path.clone(), disk.contents(&path));
        }
    }
    (disk.operations_count(), files)
}

fn verified(disk: &SimulatedDisk) -> Option<VerifyReport> {
    let before = everything(disk);
    let disk_dyn: Arc<dyn Disk> = Arc::new(disk.clone());
    let report = verify_on(&disk_dyn, &mut |_| {}).unwrap();
    assert!(everything(disk) == before, "verifying changed the disk");
    report
}

/// Opening marks the checkpoint file as in use; a directory that is then refused has changed.
#[test]
fn a_directory_with_a_damaged_log_is_refused_as_it_is() {
    let closed = closed();
    let names = closed.list("log").unwrap();
    let last = format!("log/{}", names.last().unwrap());
    let bytes = closed.contents(&last).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let mut refused_count = 0;
    for offset in (0..=used).step_by(used / 60 + 1) {
        let disk = closed.copy();
        disk.corrupt(&last, offset, 2);
        let before = everything(&disk);
        match open(&disk) {
            Ok(database) => database.close().unwrap(),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                assert!(everything(&disk) == before, "offset {offset}: opening changed the disk");
                refused_count += 1;
            }
        }
    }
    let disk = closed.copy();
    disk.remove(&last).unwrap();
    let before = everything(&disk);
    assert_eq!(open(&disk).err().map(|error| error.kind()), Some(ErrorKind::Corrupt));
    assert!(everything(&disk) == before, "opening changed the disk");
    assert_ne!(refused_count, 0);
}

#[test]
fn verifying_a_closed_database_changes_nothing() {
    let disk = closed();
    let report = verified(&disk).unwrap();
    assert_eq!(report.findings, [""; 0]);
    assert!(report.checkpoint.is_some());
    open(&disk).unwrap().close().unwrap();
}

/// An opening clears what lies behind the end of the log.
#[test]
fn verifying_a_torn_log_changes_nothing() {
    let disk = closed();
    let last = format!("log/{}", disk.list("log").unwrap().last().unwrap());
    let file = disk.open(&last, Access::Buffered).unwrap();
    file.write_all_at(&[1; 600], file.bytes().unwrap()).unwrap();
    assert!(verified(&disk).unwrap().is_torn);
}

/// After a power cut redb repairs the checkpoint file.
#[test]
fn verifying_what_a_power_cut_left_changes_nothing() {
    let disk = closed();
    let operations_count = disk.operations_count();
    let mut checkpoints_count = 0;
    for (at, seed) in (0..=operations_count).step_by(operations_count / 40 + 1).zip(0..) {
        let image = disk.crash_image(at, seed);
        let Some(report) = verified(&image) else { continue };
        assert_eq!(report.findings, [""; 0], "operation {at}, seed {seed}");
        checkpoints_count += usize::from(report.checkpoint.is_some());
        // What was found in the overlay is what an opening finds in the file itself.
        let database = open(&image).unwrap();
        let status = database.status().unwrap();
        assert_eq!(status.transfers_count, report.transfers_count, "operation {at}, seed {seed}");
        database.close().unwrap();
        assert_eq!(verified(&image).unwrap().findings, [""; 0], "operation {at}, seed {seed}");
    }
    assert_ne!(checkpoints_count, 0);
}
