//! Prevents: a nonce that comes twice under one key, after which both messages lie open and anybody
//! can forge. A long history of crashes, restored copies and forks; every sealing in it is counted.

use super::numbers;
use crate::clock::SystemClock;
use crate::disk::keyed::KeyedDisk;
use crate::disk::simulated::SimulatedDisk;
use crate::log::PreparerOptions;
use crate::sealing::DatabaseKey;
use crate::{Database, Options};
use florin_ledger::{
    Account, AccountId, Amount, Code, LedgerId, Transfer, TransferFlags, TransferId,
};
use std::sync::Arc;

const LEDGER: LedgerId = LedgerId(978);
const ROUNDS: u64 = 36;

fn open(disk: &SimulatedDisk, key: &DatabaseKey) -> Database {
    let keyed = KeyedDisk::new(Arc::new(disk.clone()), key.clone());
    let options = Options {
        segment_bytes: 8 << 20,
        preparer: PreparerOptions {
            slice_bytes: 128 << 10,
            reserve_bytes: 32 << 10,
            free_bytes_min: 0,
        },
        checkpoint_bytes: 4 << 10,
        ..Options::default()
    };
    Database::open_on(Arc::new(keyed), Arc::new(SystemClock::new()), options).unwrap()
}

fn work(database: &Database, round: u64) {
    let account =
        |id| Account { id: AccountId(id), ledger: LEDGER, code: Code(1), ..Account::default() };
    let accounts: Vec<Account> = (1..=40).map(account).collect();
    database.create_accounts(&accounts).unwrap();
    for batch in 0..=round % 6 {
        let transfer = |number: u64| Transfer {
            // Far apart, so that runs are written and looked into.
            id: TransferId(u128::from(round * 100_000 + batch * 1_000 + number) << 64 | 7),
            debit_account_id: AccountId(u128::from(number % 40) + 1),
            credit_account_id: AccountId(u128::from((number + 1) % 40) + 1),
            amount: Amount(1),
            ledger: LEDGER,
            code: Code(1),
            flags: if number.is_multiple_of(5) { TransferFlags::PENDING } else { TransferFlags(0) },
            ..Transfer::default()
        };
        let transfers: Vec<Transfer> = (1..=60).map(transfer).collect();
        database.create_transfers(&transfers).unwrap();
    }
}

#[test]
fn no_number_is_used_twice_whatever_crashed_forked_or_was_restored() {
    let key = DatabaseKey::new([3; 32].into(), 0x77);
    let mut images = vec![SimulatedDisk::new()];
    for round in 0..ROUNDS {
        // Now and then what was long ago goes on: a restored copy, beside what came after it.
        let from = if round % 3 == 2 { images.len() / 2 } else { images.len() - 1 };
        let disk = images[from].copy();
        let database = open(&disk, &key);
        let opened_at = disk.operations_count();
        work(&database, round);
        if round % 4 == 0 {
            database.close().unwrap();
        }
        let operations = disk.operations_count();
        let cut = operations - (operations - opened_at) * usize::try_from(round % 5).unwrap() / 5;
        images.push(disk.crash_image(cut, round));
    }
    let (sealings_count, keys_count, again_count) = numbers::counts();
    assert_eq!(again_count, 0, "a nonce was used twice");
    assert!(1_000 < sealings_count, "only {sealings_count} sealings");
    assert!(usize::try_from(2 * ROUNDS).unwrap() < keys_count, "only {keys_count} keys");
}
