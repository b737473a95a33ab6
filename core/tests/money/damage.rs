//! Files that are damaged or gone: what is derived is derived again, what is not is refused, and no
//! answer is wrong.

use crate::audit::audit;
use crate::bank::{Bank, Books};
use crate::days::{Case, random_day, seeds};
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::disk::{Access, Disk};
use florin_core::{Error, ErrorKind};
use florin_ledger::TransferId;
use std::collections::BTreeMap;

/// A bank with a day behind it, closed in order.
struct Closed {
    disk: SimulatedDisk,
    clock: u64,
    books: Books,
}

impl Closed {
    fn after_day(seed: u64) -> Closed {
        let mut bank = Bank::new();
        for steps in random_day(seed, 60).chunks(20) {
            bank.play(steps, 3);
            bank = bank.restart();
        }
        bank.database.close().unwrap();
        Closed { disk: bank.disk, clock: bank.clock.nanoseconds(), books: bank.books }
    }

    fn open(&self, disk: &SimulatedDisk) -> Result<Bank, Error> {
        Bank::reopen(disk.clone(), self.clock, self.books.clone())
    }

    /// The bank says on this disk all that it said before.
    fn assert_whole(&self, disk: &SimulatedDisk) {
        let mut bank = self.open(disk).expect("it is derived from the log again");
        audit(&mut bank);
    }
}

fn remove_all(disk: &SimulatedDisk, directory: &str) {
    for name in disk.list(directory).unwrap() {
        disk.remove(&format!("{directory}/{name}")).unwrap();
    }
}

/// Faults 19, 37, 53: a checkpoint or the runs that it names are gone or cut short.
#[test]
fn missing_checkpoints_and_runs_are_derived_again() {
    let closed = Closed::after_day(seeds(40..41)[0]);
    let disk = closed.disk.copy();
    disk.remove("checkpoint.redb").unwrap();
    closed.assert_whole(&disk);

    let disk = closed.disk.copy();
    assert_ne!(disk.list("runs").unwrap().len(), 0);
    remove_all(&disk, "runs");
    closed.assert_whole(&disk);

    let disk = closed.disk.copy();
    disk.remove("checkpoint.redb").unwrap();
    remove_all(&disk, "runs");
    closed.assert_whole(&disk);

    for name in closed.disk.list("runs").unwrap() {
        let disk = closed.disk.copy();
        disk.remove(&format!("runs/{name}")).unwrap();
        closed.assert_whole(&disk);
    }
    for part in 0..8 {
        let disk = closed.disk.copy();
        let file = disk.open("checkpoint.redb", Access::Buffered).unwrap();
        file.set_bytes(file.bytes().unwrap() * part / 8).unwrap();
        closed.assert_whole(&disk);
    }
}

/// Fault 53: a flipped bit in the checkpoint file stops the bank, or is believed.
#[test]
fn a_damaged_checkpoint_is_derived_again() {
    let closed = Closed::after_day(seeds(41..42)[0]);
    let bytes = closed.disk.contents("checkpoint.redb").unwrap();
    let used = bytes.iter().enumerate().filter(|(_, byte)| **byte != 0);
    let used: Vec<usize> = used.map(|(offset, _)| offset).collect();
    for offset in used.iter().step_by(used.len() / 150 + 1) {
        let _case = Case(format!("offset {offset} flipped"));
        let disk = closed.disk.copy();
        disk.corrupt("checkpoint.redb", *offset, 3);
        closed.assert_whole(&disk);
    }
}

/// Faults 19, 20: a flipped bit in a run makes an id look new.
#[test]
fn a_damaged_run_never_answers_wrongly() {
    let closed = Closed::after_day(seeds(42..43)[0]);
    for name in closed.disk.list("runs").unwrap() {
        let name = format!("runs/{name}");
        let length = closed.disk.contents(&name).unwrap().len();
        for offset in (0..length).step_by(length / 12 + 1) {
            let _case = Case(format!("{name}: offset {offset} flipped"));
            let disk = closed.disk.copy();
            disk.corrupt(&name, offset, 5);
            let bank = closed.open(&disk).expect("runs are not needed to open");
            for (id, expected) in &closed.books.book.transfers {
                match bank.database.lookup_transfers(&[TransferId(*id)]) {
                    Ok(found) => assert_eq!(found, [Some(*expected)]),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}"),
                }
            }
        }
    }
}

fn log_bytes(disk: &SimulatedDisk) -> BTreeMap<String, Option<Vec<u8>>> {
    let names = disk.list("log").unwrap().into_iter();
    names.map(|name| (name.clone(), disk.contents(&format!("log/{name}")))).collect()
}

/// Faults 25, 53: a log that lost something durable is cut there and written over.
#[test]
fn a_log_damaged_below_a_witness_is_refused_and_left_as_it_is() {
    let closed = Closed::after_day(seeds(43..44)[0]);
    let (mut refused_count, mut accepted_count) = (0, 0);
    for name in closed.disk.list("log").unwrap() {
        let name = format!("log/{name}");
        let bytes = closed.disk.contents(&name).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        for offset in (0..=used).step_by(used / 40 + 1) {
            let _case = Case(format!("{name}: offset {offset} flipped"));
            let disk = closed.disk.copy();
            disk.remove("checkpoint.redb").unwrap();
            disk.corrupt(&name, offset, 1);
            let before = log_bytes(&disk);
            match closed.open(&disk) {
                // A witness itself may be lost: nothing depends on it.
                Ok(mut bank) => {
                    audit(&mut bank);
                    accepted_count += 1;
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                    assert_eq!(log_bytes(&disk), before, "a corrupt log was changed");
                    refused_count += 1;
                }
            }
        }
    }
    assert!(50 < refused_count, "only {refused_count} flips were refused");
    assert!(accepted_count <= 3, "{accepted_count} flips were not noticed");
}
