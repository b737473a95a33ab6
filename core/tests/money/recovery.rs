//! Finding out what a database has of a day, after it was opened again.

use crate::audit::{audit, probe};
use crate::bank::{Bank, Books};
use crate::book::Book;
use florin_core::Database;
use florin_core::disk::simulated::SimulatedDisk;
use florin_ledger::{AccountId, CreateTransferStatus, TransferId};
use std::collections::BTreeMap;

/// Opens what is left of a day, finds which of its steps are there (those acknowledged at least),
/// and audits it. `books`: before each step and after the last. Returns the bank and how many steps
/// it has.
pub(crate) fn recover(disk: SimulatedDisk, books: &[Books], acknowledged: usize) -> (Bank, usize) {
    let clock = books[acknowledged].clock;
    let mut bank = Bank::reopen(disk, clock, Books::new()).expect("a power cut is survived");
    let held = steps_held(&bank.database, books, acknowledged);
    bank.books = books[held].clone();
    bank.synchronise();
    audit(&mut bank);
    bank.synchronise();
    (bank, held)
}

/// All steps that left a trace lie before this one.
fn steps_held(database: &Database, books: &[Books], acknowledged: usize) -> usize {
    let has_traces = |step: &usize| holds_any(database, &books[*step].book, &books[*step + 1].book);
    let last = (acknowledged..books.len() - 1).rev().find(has_traces);
    last.map_or(acknowledged, |step| step + 1)
}

/// Whether anything is there of what one step brought.
fn holds_any(database: &Database, before: &Book, after: &Book) -> bool {
    let accounts = new_keys(&before.accounts, &after.accounts, AccountId);
    let transfers = new_keys(&before.transfers, &after.transfers, TransferId);
    let failed = after.failed.difference(&before.failed).copied().map(TransferId);
    let failed: Vec<TransferId> = failed.collect();
    database.lookup_accounts(&accounts).unwrap().iter().any(Option::is_some)
        || database.lookup_transfers(&transfers).unwrap().iter().any(Option::is_some)
        || probe(database, &failed).contains(&CreateTransferStatus::IdAlreadyFailed)
}

fn new_keys<V, I>(
    before: &BTreeMap<u128, V>,
    after: &BTreeMap<u128, V>,
    id: fn(u128) -> I,
) -> Vec<I> {
    after.keys().filter(|key| !before.contains_key(key)).copied().map(id).collect()
}
