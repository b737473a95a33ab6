//! What an open database says about itself. Figures that are wrong send an operator to the wrong
//! place at three in the morning, and figures that need the engine are missing when it has stopped.
#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use florin_core::SEGMENT_BYTES_MIN;
use florin_core::clock::FixedClock;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::log::PreparerOptions;
use florin_core::metrics::RequestKind;
use florin_core::{Database, ErrorKind, MetricsSnapshot, Options};
use florin_ledger::{
    Account, AccountId, Amount, Code, CreateTransferStatus, LedgerId, Timestamp, Transfer,
    TransferFlags, TransferId,
};
use std::sync::Arc;

fn account(id: u128) -> Account {
    Account { id: AccountId(id), ledger: LedgerId(1), code: Code(1), ..Account::default() }
}

fn transfer(id: u128) -> Transfer {
    Transfer {
        id: TransferId(id),
        debit_account_id: AccountId(1),
        credit_account_id: AccountId(2),
        amount: Amount(1),
        ledger: LedgerId(1),
        code: Code(1),
        ..Transfer::default()
    }
}

fn open(disk: &SimulatedDisk) -> Database {
    let preparer =
        PreparerOptions { slice_bytes: SEGMENT_BYTES_MIN, reserve_bytes: 4096, free_bytes_min: 0 };
    let options = Options { segment_bytes: SEGMENT_BYTES_MIN, preparer, ..Options::default() };
    let clock = Arc::new(FixedClock(Timestamp(1_000)));
    Database::open_on(Arc::new(disk.clone()), clock, options).unwrap()
}

fn of_status(metrics: &MetricsSnapshot, status: CreateTransferStatus) -> u64 {
    let mut found = metrics.requests.transfers.iter().filter(|(known, _)| *known == status);
    found.next().unwrap().1
}

#[test]
fn what_was_asked_and_what_came_of_it_is_counted() {
    let database = open(&SimulatedDisk::new());
    database.create_accounts(&[account(1), account(2)]).unwrap();
    let hold = Transfer { flags: TransferFlags::PENDING, ..transfer(4) };
    let nobody = Transfer { debit_account_id: AccountId(9), ..transfer(3) };
    database.create_transfers(&[transfer(1), transfer(2), nobody, hold]).unwrap();
    database.create_transfers(&[transfer(1)]).unwrap();
    // A turn counts itself when it is over, and its answers are out before.
    database.status().unwrap();
    let metrics = database.metrics();
    assert_eq!(of_status(&metrics, CreateTransferStatus::Created), 3);
    assert_eq!(of_status(&metrics, CreateTransferStatus::DebitAccountNotFound), 1);
    assert_eq!(of_status(&metrics, CreateTransferStatus::Exists), 1);
    let batches = &metrics.requests.batch_events;
    assert_eq!((batches.count(), batches.sum), (3, 7));
    let asked = |kind| metrics.requests.by_kind.iter().find(|(known, _)| *known == kind).unwrap().1;
    assert_eq!(asked(RequestKind::CreateTransfers), 2);
    assert_eq!(asked(RequestKind::CreateAccounts), 1);
    database.close().unwrap();

    // Closing finishes the last turn: from here on the figures stand.
    let metrics = database.metrics();
    let engine = &metrics.engine;
    assert_eq!((engine.accounts_count, engine.transfers_count, engine.holds_count), (2, 3, 1));
    assert_eq!(engine.turns, engine.turn_ns.count());
    assert!(engine.is_stopped);
    assert_eq!(metrics.log.sync_frames.sum, metrics.log.frames);
    assert_eq!(metrics.log.durable, metrics.checkpoint.position);
    assert_eq!((metrics.checkpoint.checkpoints, metrics.checkpoint.failures), (1, 0));
    assert!(metrics.log.frame_bytes < metrics.log.written_bytes);
    assert_eq!(metrics.queue.tasks_count, 0);
}

/// A full disk is the first thing an operator must be told of.
#[test]
fn a_full_disk_is_seen_and_its_end_too() {
    let disk = SimulatedDisk::new();
    let database = open(&disk);
    database.create_accounts(&[account(1), account(2)]).unwrap();
    assert!(!database.metrics().log.is_full);
    disk.set_capacity(Some(0));
    let mut id = 0;
    let refused = loop {
        let transfers: Vec<Transfer> = (id + 1..=id + 8_000).map(transfer).collect();
        id += 8_000;
        match database.create_transfers(&transfers) {
            Ok(_) => assert!(id < 1_000_000, "the disk never fills up"),
            Err(error) => break error,
        }
    };
    assert_eq!(refused.kind(), ErrorKind::DiskFull);
    database.status().unwrap();
    let metrics = database.metrics();
    assert!(metrics.log.is_full);
    let errors = metrics.requests.errors.iter();
    let full = errors.filter(|(kind, _)| *kind == ErrorKind::DiskFull).map(|(_, count)| count);
    assert_eq!(full.sum::<u64>(), 1);
    disk.set_capacity(None);
    // So many that the room which was left does not do.
    let transfers: Vec<Transfer> = (1_000_001..=1_008_000).map(transfer).collect();
    database.create_transfers(&transfers).unwrap();
    assert!(!database.metrics().log.is_full);
}
