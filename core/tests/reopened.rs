//! A database that was killed is opened again in another log segment than it had made ahead. A
//! reader that still had the old one open would answer from a file that is gone: new transfers would
//! look damaged, cleared ones would come back.
#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use florin_core::SEGMENT_BYTES_MIN;
use florin_core::{Database, Options};
use florin_ledger::{Account, AccountId, Amount, Code, LedgerId, Transfer, TransferId};
use std::path::Path;

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

fn open(directory: &Path) -> Database {
    let options = Options { segment_bytes: SEGMENT_BYTES_MIN, ..Options::default() };
    Database::open(directory, options).unwrap()
}

/// The files as a kill would leave them: the copy is made while the database runs.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().unwrap().is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(from, to).unwrap();
        }
    }
}

#[test]
fn what_is_written_after_a_kill_can_be_read_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let (killed, reopened) = (directory.path().join("killed"), directory.path().join("reopened"));
    let before = open(&killed);
    before.create_accounts(&[account(1), account(2)]).unwrap();
    // Enough for the next segment to have been made ahead.
    let mut id = 0;
    while !killed.join("log/00000000000000000001").exists() {
        let transfers: Vec<Transfer> = (id + 1..=id + 8_000).map(transfer).collect();
        before.create_transfers(&transfers).unwrap();
        id += 8_000;
        assert!(id < 1_000_000, "the next segment is never made");
    }
    copy(&killed, &reopened);
    before.close().unwrap();

    let after = open(&reopened);
    let created = after.create_transfers(&[transfer(10_000_000)]).unwrap();
    assert_eq!(created[0].status.name(), "created");
    let found = after.lookup_transfers(&[TransferId(10_000_000), TransferId(1)]).unwrap();
    assert!(found.iter().all(Option::is_some), "{found:?}");
    after.close().unwrap();
}
