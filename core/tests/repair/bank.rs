//! A small bank with a log of several segments, a tree of proofs and, if it is encrypted, a keyring; and
//! copies of it.

use crate::keys::TestKey;
use florin_core::backup::memory::MemoryStore;
use florin_core::backup::{Creation, PublicKey, Signer, Source, Store, Trust, create, newest};
use florin_core::clock::FixedClock;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::disk::{Access, Disk};
use florin_core::log::PreparerOptions;
use florin_core::repair::{BackedUp, Repaired, repair_on};
use florin_core::snapshot::StillLog;
use florin_core::tree::Proving;
use florin_core::verify::{VerifyReport, verify_keyring, verify_on};
use florin_core::{Database, Error, Options, sealing};
use florin_keys::KeyEncryptionKey;
use florin_ledger::{
    Account, AccountId, Amount, Code, CreateTransferStatus, LedgerId, Timestamp, Transfer,
    TransferId,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The directories of a database, and the one of what was damaged.
const DIRECTORIES: [&str; 6] = ["", "log", "runs", "tree", "keyring", "damaged"];
pub(crate) const PAGE: usize = 4_096;

pub(crate) type Files = BTreeMap<String, Vec<u8>>;

pub(crate) struct Bank {
    pub(crate) is_sealed: bool,
    pub(crate) disk: SimulatedDisk,
    openings: u64,
    next_id: u128,
}

impl Bank {
    /// A bank of two accounts; its first opening is over.
    pub(crate) fn found(is_sealed: bool) -> Bank {
        let disk = SimulatedDisk::new();
        if is_sealed {
            sealing::create(&disk, &TestKey::A).unwrap();
        }
        let mut bank = Bank { is_sealed, disk, openings: 0, next_id: 1 };
        let database = bank.open();
        let account = |id| Account {
            id: AccountId(id),
            ledger: LedgerId(978),
            code: Code(1),
            ..Account::default()
        };
        database.create_accounts(&[account(1), account(2)]).unwrap();
        if is_sealed {
            database.make_keys(&[b"ann", b"bob"]).unwrap();
        }
        database.close().unwrap();
        bank
    }

    /// A bank of so many days, of 700 transfers each.
    pub(crate) fn of_days(is_sealed: bool, days: u32) -> Bank {
        let mut bank = Bank::found(is_sealed);
        for _ in 0..days {
            bank.day(7);
        }
        bank
    }

    /// The same bank at another place, with another future.
    pub(crate) fn copy(&self) -> Bank {
        self.on(self.disk.copy())
    }

    /// The same bank on another disk.
    pub(crate) fn on(&self, disk: SimulatedDisk) -> Bank {
        Bank { disk, ..*self }
    }

    /// Opened, in a segment of its own.
    pub(crate) fn open(&mut self) -> Database {
        self.openings += 1;
        let clock =
            FixedClock(Timestamp(1_800_000_000_000_000_000 + self.openings * 1_000_000_000));
        let preparer =
            PreparerOptions { slice_bytes: 128 << 10, reserve_bytes: 32 << 10, free_bytes_min: 0 };
        let options = Options {
            segment_bytes: 8 << 20,
            preparer,
            key: self.key(),
            proving: Some(Proving { tile_level: 9, ..Proving::default() }),
            ..Options::default()
        };
        Database::open_on(Arc::new(self.disk.clone()), Arc::new(clock), options).unwrap()
    }

    /// Posts so many batches of a hundred transfers of one unit, each in a frame of its own.
    pub(crate) fn post(&mut self, database: &Database, batches: u32) {
        for _ in 0..batches {
            let transfer = |id| Transfer {
                id: TransferId(id),
                debit_account_id: AccountId(1),
                credit_account_id: AccountId(2),
                amount: Amount(1),
                ledger: LedgerId(978),
                code: Code(1),
                ..Transfer::default()
            };
            let batch: Vec<_> = (self.next_id..self.next_id + 100).map(transfer).collect();
            self.next_id += 100;
            let results = database.create_transfers(&batch).unwrap();
            assert!(results.iter().all(|it| it.status == CreateTransferStatus::Created));
        }
    }

    /// Opens, posts, closes.
    pub(crate) fn day(&mut self, batches: u32) {
        let database = self.open();
        self.post(&database, batches);
        database.await_tree().unwrap();
        database.close().unwrap();
    }

    pub(crate) fn key(&self) -> Option<Arc<dyn KeyEncryptionKey>> {
        if self.is_sealed { Some(Arc::new(TestKey::A)) } else { None }
    }

    pub(crate) fn unlocked(&self) -> Result<Arc<dyn Disk>, Error> {
        sealing::unlock(Arc::new(self.disk.clone()), self.key().as_deref())
    }

    /// The log as a copy of it would be read.
    pub(crate) fn still(&self) -> StillLog {
        StillLog::open(&self.unlocked().unwrap()).unwrap()
    }

    pub(crate) fn back_up(&self, store: &MemoryStore) {
        let (signer, key) = (signer(), self.key());
        let creation = Creation {
            signer: &signer,
            also_trusted: &[],
            key: key.as_deref(),
            in_the_clear: true,
            now: Timestamp(1_900_000_000_000_000_000),
        };
        create(&self.still(), store, &creation, &mut |_| {}).unwrap();
    }

    pub(crate) fn backed_up(&self) -> BackedUp {
        let store = MemoryStore::new();
        self.back_up(&store);
        opened(&store, None).unwrap()
    }

    pub(crate) fn repair(&self, source: &dyn Source) -> Result<Repaired, Error> {
        repair_on(&self.unlocked()?, self.key().as_deref(), source, &mut |_| {})
    }

    pub(crate) fn verified(&self) -> VerifyReport {
        let disk = self.unlocked().unwrap();
        let mut report = verify_on(&disk, &mut |_| {}).unwrap().unwrap();
        if let Some(key) = self.key() {
            verify_keyring(&disk, key.as_ref(), &mut report).unwrap();
        }
        report
    }

    /// Every file.
    pub(crate) fn files(&self) -> Files {
        let mut files = Files::new();
        for directory in DIRECTORIES {
            for name in self.disk.list(directory).unwrap_or_default() {
                let path = if directory.is_empty() { name } else { format!("{directory}/{name}") };
                files.insert(path.clone(), self.disk.contents(&path).unwrap());
            }
        }
        files
    }

    pub(crate) fn segments(&self) -> Files {
        let mut files = self.files();
        files.retain(|name, _| name.starts_with("log/"));
        files
    }

    pub(crate) fn damage(&self, name: &str, damage: Damage) {
        damage.happen(&self.disk, name);
    }
}

/// A backup of a store, without a key.
pub(crate) fn opened(
    store: &MemoryStore,
    signers: Option<&[PublicKey]>,
) -> Result<BackedUp, Error> {
    let signer = [signer().public()];
    let trust = Trust { signers: signers.unwrap_or(&signer), key: None };
    let stored: Arc<dyn Store> = Arc::new(store.clone());
    BackedUp::open(&stored, &newest(store, None)?, trust)
}

pub(crate) fn signer() -> Signer {
    Signer::from_seed(&[7; 32])
}

/// What happens to a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Damage {
    /// One bit of this page.
    Flip(usize),
    /// This page is zeros.
    Zeros(usize),
    /// It ends before this page.
    Cut(usize),
    Removed,
}

impl Damage {
    /// All that can happen to a file of so many bytes.
    pub(crate) fn all(bytes: usize) -> Vec<Damage> {
        let mut all = vec![Damage::Removed];
        for page in 0..bytes.div_ceil(PAGE) {
            all.extend([Damage::Flip(page), Damage::Zeros(page), Damage::Cut(page)]);
        }
        all
    }

    fn happen(self, disk: &SimulatedDisk, name: &str) {
        let file = disk.open(name, Access::Buffered).unwrap();
        let bytes = usize::try_from(file.bytes().unwrap()).unwrap();
        let of = |page: usize| u64::try_from(page * PAGE).unwrap();
        match self {
            Damage::Flip(page) => {
                let length = (bytes - page * PAGE).min(PAGE);
                disk.corrupt(name, page * PAGE + page * 1_013 % length, 5);
            }
            Damage::Zeros(page) => {
                let length = (bytes - page * PAGE).min(PAGE);
                file.write_all_at(&vec![0; length], of(page)).unwrap();
            }
            Damage::Cut(page) => file.set_bytes(of(page)).unwrap(),
            Damage::Removed => {
                drop(file);
                disk.remove(name).unwrap();
            }
        }
    }
}

/// Whether all of these files are there, byte for byte. Not to be compared by `assert_eq`, which prints them.
pub(crate) fn has_all(files: &Files, expected: &Files) -> bool {
    expected.iter().all(|(name, bytes)| files.get(name) == Some(bytes))
}

/// Without the zeros that it ends with.
pub(crate) fn trimmed(bytes: &[u8]) -> &[u8] {
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    &bytes[..used]
}
