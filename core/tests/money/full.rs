//! The disk is full, from any call on: writes are refused, reads go on, nothing is lost, and work
//! resumes when there is room.

use crate::bank::{Bank, options};
use crate::days::{Case, random_day, seeds};
use crate::events::Step;
use crate::forms::{account, transfer};
use crate::recovery::recover;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::{Database, ErrorKind};
use florin_ledger::query::AccountFilter;
use florin_ledger::{AccountId, TransferId};
use std::sync::Arc;

/// Reads are answered, and rightly, whatever the disk has no room for.
fn assert_reads_go_on(bank: &Bank) {
    for account in bank.books.model.accounts() {
        let found = bank.database.lookup_accounts(&[account.id]).unwrap();
        assert_eq!(found[0].as_ref(), Some(account));
        let filter = AccountFilter { limit: 8_190, ..AccountFilter::new(account.id) };
        let balances = bank.database.account_balances(&filter).unwrap();
        let expected = bank.books.book.history(account.id.0).len();
        assert_eq!(balances.items.len(), expected);
    }
}

/// Faults 1, 46: a full disk, met by a commit, a checkpoint or a run, stops the bank or costs it
/// what was acknowledged.
#[test]
fn a_disk_that_fills_up_at_any_call_refuses_writes_and_nothing_else() {
    for seed in seeds(30..32) {
        let steps = random_day(seed, 30);
        let mut at = 0;
        loop {
            let _case = Case(format!("day {seed}, full after {at} calls"));
            let mut bank = Bank::new();
            let calls_before = bank.disk.counters().calls_count;
            bank.disk.fill_after(at);
            let mut books = vec![bank.books.clone()];
            for (number, step) in steps.iter().enumerate() {
                if let Err(error) = bank.step(number, step) {
                    assert_eq!(error.kind(), ErrorKind::DiskFull, "{error}");
                    assert!(bank.status().disk_full);
                    bank.synchronise();
                    assert_reads_go_on(&bank);
                    bank.disk.lift_faults();
                    bank.step(number, step).expect("there is room again");
                }
                books.push(bank.books.clone());
            }
            let calls_count = bank.disk.counters().calls_count - calls_before;
            bank.disk.lift_faults();
            let image = bank.disk.crash_image(bank.disk.operations_count(), at % 3);
            recover(image, &books, books.len() - 1);
            if calls_count <= at {
                break;
            }
            at += 7;
        }
    }
}

/// Fault 46: a disk with little room fills up under steady traffic.
#[test]
fn a_full_disk_answers_disk_full_until_there_is_room() {
    let mut bank = Bank::new();
    bank.create_accounts(&[account(1), account(2)]);
    let used: usize = files_bytes(&bank.disk);
    bank.disk.set_capacity(Some(u64::try_from(used).unwrap() + (300 << 10)));
    let mut id = 0;
    let refused = loop {
        id += 1;
        let step = Step::Transfers(vec![transfer(id, 1, 2, 1)]);
        if let Err(error) = bank.step(0, &step) {
            break error;
        }
        assert!(id < 20_000, "the disk never filled up");
    };
    assert_eq!(refused.kind(), ErrorKind::DiskFull);
    assert_eq!(bank.database.lookup_transfers(&[TransferId(id)]).unwrap(), [None]);
    assert_eq!(bank.account(1).debits_posted.0, id - 1);
    bank.disk.set_capacity(None);
    bank.synchronise();
    bank.create_transfers(&[transfer(id, 1, 2, 1)]);
    assert_eq!(bank.account(1).debits_posted.0, id);
    let mut bank = bank.restart();
    assert_eq!(bank.account(1).debits_posted.0, id);
    bank.create_transfers(&[transfer(id + 1, 1, 2, 1)]);
}

/// Fault 46: a database is opened on a full disk: one clear error, and nothing is lost.
#[test]
fn opening_on_a_full_disk_says_disk_full_and_changes_nothing() {
    let mut bank = Bank::new();
    bank.create_accounts(&[account(1), account(2)]);
    bank.create_transfers(&[transfer(1, 1, 2, 7)]);
    bank.database.close().unwrap();
    let disk = bank.disk.copy();
    disk.set_capacity(Some(0));
    let opened = Database::open_on(Arc::new(disk.clone()), bank.clock.clone(), options());
    assert_eq!(opened.unwrap_err().kind(), ErrorKind::DiskFull);
    disk.set_capacity(None);
    let bank = Bank::reopen(disk, bank.clock.nanoseconds(), bank.books).unwrap();
    let found = bank.database.lookup_accounts(&[AccountId(1)]).unwrap();
    assert_eq!(found[0].unwrap().debits_posted.0, 7);
}

fn files_bytes(disk: &SimulatedDisk) -> usize {
    use florin_core::disk::Disk;
    let length = |name: String| disk.contents(&name).map_or(0, |bytes| bytes.len());
    let names = ["", "log", "runs"].into_iter().flat_map(|directory| {
        let names = disk.list(directory).unwrap().into_iter();
        names.map(move |name| match directory {
            "" => name,
            _ => format!("{directory}/{name}"),
        })
    });
    names.map(length).sum()
}

/// A checkpoint that fails is not missed: writes go on, the close says why there is none, and
/// the next opening has everything.
#[test]
fn a_failed_checkpoint_costs_no_answer() {
    let mut at = 0;
    loop {
        let _case = Case(format!("call {at} failed"));
        let mut bank = Bank::new();
        bank.create_accounts(&[account(1), account(2)]);
        let calls_before = bank.disk.counters().calls_count;
        bank.disk.fail_call(at);
        let mut stopped = false;
        for id in 1..=60 {
            let step = Step::Transfers(vec![transfer(id, 1, 2, 1), transfer(id + 100, 2, 1, 1)]);
            match bank.step(0, &step) {
                Ok(()) => {}
                Err(error) => {
                    // The failed call was the log's.
                    stopped = error.kind() == ErrorKind::Stopped;
                    break;
                }
            }
        }
        if !stopped {
            if let Err(error) = bank.database.close() {
                // `Stopped` if it was the log's last write.
                assert!([ErrorKind::Io, ErrorKind::Stopped].contains(&error.kind()), "{error}");
            }
            let calls_count = bank.disk.counters().calls_count - calls_before;
            let image = bank.disk.crash_image(bank.disk.operations_count(), 0);
            recover(image, &[bank.books], 0);
            if calls_count <= at {
                break;
            }
        }
        at += 2;
    }
}

/// Faults 19, 37: a bank is closed while the disk is full, so that the ids of the last checkpoint
/// could not be written: a checkpoint without them forgets that they were used.
#[test]
fn a_close_on_a_full_disk_forgets_no_id() {
    for calls_count in 0..40 {
        let _case = Case(format!("full after {calls_count} calls"));
        let mut bank = Bank::new();
        bank.create_accounts(&[account(1), account(2)]);
        bank.create_transfers(&[transfer(1, 1, 2, 1), transfer(2, 1, 9, 1)]);
        bank.disk.fill_after(calls_count);
        if let Err(error) = bank.database.close() {
            assert_eq!(error.kind(), ErrorKind::DiskFull, "{error}");
        }
        bank.disk.lift_faults();
        let image = bank.disk.crash_image(bank.disk.operations_count(), calls_count % 3);
        recover(image, &[bank.books], 0);
    }
}
