//! Prevents: a bank that does not open because its checkpoint file was cut short, while its log holds
//! everything.
#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use florin_core::clock::SystemClock;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::disk::{Access, Disk};
use florin_core::log::PreparerOptions;
use florin_core::{Database, Options};
use florin_ledger::{Account, AccountId, Code, LedgerId};
use std::sync::Arc;

const CHECKPOINT: &str = "checkpoint.redb";

fn open(disk: &SimulatedDisk) -> Database {
    let preparer = PreparerOptions {
        slice_bytes: 128 << 10,
        reserve_bytes: 32 << 10,
        ..PreparerOptions::default()
    };
    let options = Options { segment_bytes: 8 << 20, preparer, ..Options::default() };
    Database::open_on(Arc::new(disk.clone()), Arc::new(SystemClock::new()), options).unwrap()
}

/// Every length within the header is cut at where the checkpoint is tested by itself.
#[test]
fn a_database_opens_whatever_is_left_of_its_checkpoint() {
    let disk = SimulatedDisk::new();
    let database = open(&disk);
    let account = |id| Account {
        id: AccountId(id),
        ledger: LedgerId(978),
        code: Code(1),
        ..Account::default()
    };
    let accounts: Vec<Account> = (1..=100).map(account).collect();
    database.create_accounts(&accounts).unwrap();
    database.close().unwrap();
    let whole_bytes = disk.contents(CHECKPOINT).unwrap().len();
    let lengths =
        [0, 1, 8, 9, 63, 64, 255, 256, 319, 320, 511, 512, 513, 4_095, 4_096, 8_191, 8_192];
    for bytes in lengths.into_iter().chain((8_193..whole_bytes).step_by(whole_bytes / 10)) {
        let cut = disk.copy();
        let file = cut.open(CHECKPOINT, Access::Buffered).unwrap();
        file.set_bytes(u64::try_from(bytes).unwrap()).unwrap();
        let database = open(&cut);
        let ids: Vec<AccountId> = accounts.iter().map(|account| account.id).collect();
        assert_eq!(database.lookup_accounts(&ids).unwrap().len(), ids.len(), "{bytes} bytes");
        database.close().unwrap();
    }
}
