//! A small bank with a log of several segments, and a store for its backups.

use crate::keys::TestKey;
use florin_core::backup::memory::MemoryStore;
use florin_core::backup::{
    Checked, Created, Creation, PublicKey, Restored, Restoring, Signer, Store, Target, Trust,
    check, create, newest, restore,
};
use florin_core::clock::FixedClock;
use florin_core::disk::Disk;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::log::PreparerOptions;
use florin_core::snapshot::StillLog;
use florin_core::{Database, Error, Options, sealing};
use florin_keys::KeyEncryptionKey;
use florin_ledger::{
    Account, AccountId, Amount, Code, CreateTransferStatus, LedgerId, Timestamp, Transfer,
    TransferFlags, TransferId,
};
use std::sync::Arc;

pub(crate) const NOW: Timestamp = Timestamp(1_900_000_000_000_000_000);
/// Recorded time begins here; each opening is a second later.
pub(crate) const START: u64 = 1_800_000_000_000_000_000;

pub(crate) fn signer() -> Signer {
    Signer::from_seed(&[7; 32])
}

/// How a bank and its backups are encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Neither is.
    Clear,
    /// The database is, and its backups with it.
    Sealed,
    /// Only the backups are.
    SealedBackup,
}

impl Kind {
    pub(crate) const ALL: [Kind; 3] = [Kind::Clear, Kind::Sealed, Kind::SealedBackup];

    pub(crate) fn key(self) -> Option<Arc<dyn KeyEncryptionKey>> {
        if self == Kind::Clear { None } else { Some(Arc::new(TestKey::A)) }
    }

    fn database_key(self) -> Option<Arc<dyn KeyEncryptionKey>> {
        if self == Kind::Sealed { self.key() } else { None }
    }
}

pub(crate) struct Bank {
    pub(crate) kind: Kind,
    pub(crate) disk: SimulatedDisk,
    pub(crate) openings: u64,
    next_id: u128,
}

impl Bank {
    /// A bank of two accounts.
    pub(crate) fn found(kind: Kind) -> Bank {
        let disk = SimulatedDisk::new();
        if kind == Kind::Sealed {
            sealing::create(&disk, &TestKey::A).unwrap();
        }
        let mut bank = Bank { kind, disk, openings: 0, next_id: 1 };
        let database = bank.open();
        let account = |id| Account {
            id: AccountId(id),
            ledger: LedgerId(978),
            code: Code(1),
            ..Account::default()
        };
        database.create_accounts(&[account(1), account(2)]).unwrap();
        database.close().unwrap();
        bank
    }

    /// The bank of a disk.
    pub(crate) fn on(kind: Kind, disk: SimulatedDisk, openings: u64, next_id: u128) -> Bank {
        Bank { kind, disk, openings, next_id }
    }

    /// Opened, in a segment of its own.
    pub(crate) fn open(&mut self) -> Database {
        self.openings += 1;
        let clock = FixedClock(Timestamp(START + self.openings * 1_000_000_000));
        let options = Options { key: self.kind.database_key(), ..options() };
        Database::open_on(Arc::new(self.disk.clone()), Arc::new(clock), options).unwrap()
    }

    /// Posts so many transfers of one unit, each in a frame of its own; the ids.
    pub(crate) fn post(&mut self, database: &Database, count: u128) -> Vec<TransferId> {
        let mut ids = Vec::new();
        for _ in 0..count {
            let id = TransferId(self.next_id);
            self.next_id += 1;
            let results = database.create_transfers(&[transfer(id)]).unwrap();
            assert_eq!(results[0].status, CreateTransferStatus::Created);
            ids.push(id);
        }
        ids
    }

    /// A day: opens, posts, closes.
    pub(crate) fn day(&mut self, count: u128) -> Vec<TransferId> {
        let database = self.open();
        let ids = self.post(&database, count);
        database.close().unwrap();
        ids
    }

    pub(crate) fn still(&self) -> StillLog {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let key = self.kind.database_key();
        StillLog::open(&sealing::unlock(disk, key.as_deref()).unwrap()).unwrap()
    }

    pub(crate) fn back_up(&self, store: &MemoryStore) -> Result<Created, Error> {
        self.back_up_at(store, NOW)
    }

    /// While it is open.
    pub(crate) fn back_up_running(
        &self,
        database: &Database,
        store: &MemoryStore,
        now: Timestamp,
    ) -> Result<Created, Error> {
        let (signer, key) = (signer(), self.kind.key());
        let creation = creation(&signer, key.as_deref(), now);
        create(database, store, &creation, &mut |_| {})
    }

    pub(crate) fn back_up_at(&self, store: &MemoryStore, now: Timestamp) -> Result<Created, Error> {
        let (signer, key) = (signer(), self.kind.key());
        let creation = creation(&signer, key.as_deref(), now);
        create(&self.still(), store, &creation, &mut |_| {})
    }
}

pub(crate) fn creation<'a>(
    signer: &'a Signer,
    key: Option<&'a dyn KeyEncryptionKey>,
    now: Timestamp,
) -> Creation<'a> {
    Creation { signer, also_trusted: &[], key, in_the_clear: true, now }
}

pub(crate) fn transfer(id: TransferId) -> Transfer {
    Transfer {
        id,
        debit_account_id: AccountId(1),
        credit_account_id: AccountId(2),
        amount: Amount(1),
        ledger: LedgerId(978),
        code: Code(1),
        ..Transfer::default()
    }
}

pub(crate) fn hold(id: u128, timeout: u32) -> Transfer {
    Transfer { timeout, flags: TransferFlags::PENDING, ..transfer(TransferId(id)) }
}

/// Small segments and slices.
pub(crate) fn options() -> Options {
    let preparer =
        PreparerOptions { slice_bytes: 128 << 10, reserve_bytes: 32 << 10, free_bytes_min: 0 };
    Options { segment_bytes: 8 << 20, preparer, ..Options::default() }
}

pub(crate) fn stored(store: &MemoryStore) -> Arc<dyn Store> {
    Arc::new(store.clone())
}

/// What the newest backup is found to be.
pub(crate) fn checked(kind: Kind, store: &MemoryStore) -> Result<Checked, Error> {
    checked_by_name(kind, store, &newest(store, None)?)
}

pub(crate) fn checked_by_name(
    kind: Kind,
    store: &MemoryStore,
    name: &str,
) -> Result<Checked, Error> {
    let (signers, key) = ([signer().public()], kind.key());
    let trust = Trust { signers: &signers, key: key.as_deref() };
    check(&stored(store), name, trust, &mut |_| {})
}

/// Restores the newest backup.
pub(crate) fn restored(
    kind: Kind,
    store: &MemoryStore,
    disk: &SimulatedDisk,
    target: Target,
) -> Result<Restored, Error> {
    let name = newest(store, None)?;
    restored_by_name(kind, store, &name, disk, target, &[signer().public()])
}

pub(crate) fn restored_by_name(
    kind: Kind,
    store: &MemoryStore,
    name: &str,
    disk: &SimulatedDisk,
    target: Target,
    signers: &[PublicKey],
) -> Result<Restored, Error> {
    let key = kind.key();
    let trust = Trust { signers, key: key.as_deref() };
    let restoring =
        Restoring { name, target, trust, key: key.clone(), keyring: None, keyring_key: None };
    restore(&stored(store), Arc::new(disk.clone()), &restoring, &mut |_| {})
}

/// Whether a database opens on a disk.
pub(crate) fn opens(kind: Kind, disk: &SimulatedDisk) -> Result<Database, Error> {
    opens_with(kind, disk, options())
}

/// The same, with options but for the key.
pub(crate) fn opens_with(
    kind: Kind,
    disk: &SimulatedDisk,
    options: Options,
) -> Result<Database, Error> {
    let clock = Arc::new(FixedClock(Timestamp::NONE));
    let options = Options { key: kind.database_key(), ..options };
    Database::open_on(Arc::new(disk.clone()), clock, options)
}

/// What account 2 has been credited with.
pub(crate) fn balance(database: &Database) -> u128 {
    database.lookup_accounts(&[AccountId(2)]).unwrap()[0].unwrap().credits_posted.0
}
