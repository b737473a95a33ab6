//! Openings that went wrong once.

use crate::bank::{Bank, Books, options};
use crate::forms::account;
use crate::recovery::recover;
use florin_core::{Database, Options};
use florin_ledger::{Account, AccountFlags, CreateAccountStatus, Timestamp};
use std::sync::Arc;

/// Fault 26: two power cuts while a database was made left a checkpoint file and no log, which no opening
/// accepts.
#[test]
fn a_database_opens_after_two_power_cuts_while_it_was_made() {
    let bank = Bank::new();
    for cut in (0..=bank.opened_at).step_by(3) {
        let image = bank.disk.crash_image(cut, 2 + u64::try_from(cut).unwrap());
        let again = recover(image.clone(), &[Books::new()], 0).0;
        for cut in 0..=again.opened_at {
            let seed = 2 + u64::try_from(cut).unwrap();
            recover(again.disk.crash_image(cut, seed), &[Books::new()], 0);
        }
    }
}

/// Whether a time is taken is looked up in the segments of earlier openings, which were cut short:
/// reading past their ends failed.
#[test]
fn imports_are_compared_with_times_in_segments_that_were_cut() {
    let mut bank = Bank::new();
    bank.create_accounts(&[account(1)]);
    let mut bank = bank.restart();
    bank.wait(1_000);
    let between = Timestamp(bank.books.model.clock - 500);
    let flags = AccountFlags::IMPORTED;
    let imported = Account { timestamp: between, flags, ..account(2) };
    let results = bank.create_accounts(&[imported]);
    assert_eq!(results[0].status, CreateAccountStatus::Created);
}

/// Fault 54: an option that is given again and differs must not be taken silently where it can't
/// be: segments stay as they were made.
#[test]
fn segments_keep_their_size_whatever_the_next_opening_asks_for() {
    let mut bank = Bank::new();
    bank.create_accounts(&[account(1)]);
    bank.database.close().unwrap();
    let options = Options { segment_bytes: 16 << 20, ..options() };
    let disk = Arc::new(bank.disk.clone());
    let database = Database::open_on(disk, bank.clock.clone(), options).unwrap();
    let applied = database.status().unwrap().applied.0;
    assert!(8 << 20 < applied, "the second opening begins the second segment");
    assert!(applied < 16 << 20, "which begins after 8 MiB");
}
