//! A primary and a standby on simulated disks, and a wire between them that a test can cut.

use crate::clock::HandClock;
use crate::dice::Dice;
use crate::keys::TestKey;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::following::Follower;
use florin_core::log::PreparerOptions;
use florin_core::shipping::{Replication, Shipment, StandbyStanding};
use florin_core::verify::{VerifyReport, verify_on};
use florin_core::{Database, Error, Options, sealing};
use florin_keys::KeyEncryptionKey;
use florin_ledger::{
    Account, AccountId, Amount, Code, Commit, CommitId, DocumentWrite, LedgerId, Lsn, Position,
    TableId, Transfer, TransferFlags, TransferId,
};
use std::sync::Arc;
use std::time::Duration;

pub(crate) const START: u64 = 1_000_000;
/// Far above what anything here needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const ACCOUNTS: u64 = 8;

/// Small segments and slices, checkpoints every few requests, digests every few frames.
pub(crate) fn options(disk: &SimulatedDisk) -> Options {
    let is_encrypted = disk.contents(sealing::FILE_NAME).is_some();
    let key: Option<Arc<dyn KeyEncryptionKey>> =
        if is_encrypted { Some(Arc::new(TestKey::A)) } else { None };
    Options {
        segment_bytes: 8 << 20,
        preparer: PreparerOptions {
            slice_bytes: 128 << 10,
            reserve_bytes: 32 << 10,
            free_bytes_min: 0,
        },
        checkpoint_bytes: 16 << 10,
        digest_bytes: 4 << 10,
        key,
        ..Options::default()
    }
}

pub(crate) fn open(disk: &SimulatedDisk, clock: &Arc<HandClock>) -> Result<Database, Error> {
    Database::open_on(Arc::new(disk.clone()), clock.clone(), options(disk))
}

pub(crate) fn follow(
    disk: &SimulatedDisk,
    clock: &Arc<HandClock>,
    primary: &Database,
) -> Result<(Database, Follower), Error> {
    let options = options(disk);
    let disk = Arc::new(disk.clone());
    Database::follow_on(disk, clock.clone(), "primary:3000", || primary.origin(), options)
}

/// A primary that is open, and the disk of a standby.
pub(crate) struct Pair {
    pub(crate) clock: Arc<HandClock>,
    pub(crate) primary_disk: SimulatedDisk,
    pub(crate) primary: Database,
    pub(crate) standby_disk: SimulatedDisk,
}

impl Pair {
    pub(crate) fn new() -> Pair {
        Pair::on(SimulatedDisk::new(), SimulatedDisk::new())
    }

    /// Both with the same database key.
    pub(crate) fn encrypted() -> Pair {
        let disk = SimulatedDisk::new();
        sealing::create(&disk, &TestKey::A).unwrap();
        let copy = disk.copy();
        Pair::on(disk, copy)
    }

    fn on(primary_disk: SimulatedDisk, standby_disk: SimulatedDisk) -> Pair {
        let clock = Arc::new(HandClock::at(START));
        let primary = open(&primary_disk, &clock).unwrap();
        Pair { clock, primary_disk, primary, standby_disk }
    }

    /// Another opening of the primary, with an epoch and a segment of its own.
    pub(crate) fn reopen_primary(&mut self) {
        self.primary.close().unwrap();
        self.primary = open(&self.primary_disk, &self.clock).unwrap();
    }

    pub(crate) fn follow(&self) -> (Database, Follower) {
        follow(&self.standby_disk, &self.clock, &self.primary).unwrap()
    }
}

/// A wire: what a primary ships, and the follower that it is shipped to.
pub(crate) struct Wire {
    pub(crate) shipment: Shipment,
}

impl Wire {
    pub(crate) fn new(primary: &Database, follower: &mut Follower) -> Wire {
        Wire { shipment: primary.ship(&follower.begin().unwrap(), "the standby").unwrap() }
    }

    /// Ships all that is durable at the primary, in batches of so many bytes; acknowledges each.
    pub(crate) fn carry(&mut self, follower: &mut Follower, batch_bytes: usize) -> Lsn {
        loop {
            let batch = self.shipment.next(batch_bytes).unwrap();
            let end = follower.take(&batch).unwrap().lsn;
            self.shipment.acknowledger().acknowledge(end).unwrap();
            if self.shipment.is_live() {
                return end;
            }
        }
    }
}

/// Everything that is shipped from somewhere on.
pub(crate) fn batches(
    primary: &Database,
    follower: &mut Follower,
    batch_bytes: usize,
) -> Vec<Vec<u8>> {
    let mut shipment = primary.ship(&follower.begin().unwrap(), "the standby").unwrap();
    let mut batches = Vec::new();
    loop {
        batches.push(shipment.next(batch_bytes).unwrap());
        if shipment.is_live() {
            return batches;
        }
    }
}

/// Waits until a standby has applied everything before a position.
pub(crate) fn await_applied(standby: &Database, end: Lsn) {
    let epoch = standby.status().unwrap().epoch;
    let last = Position { epoch, lsn: Lsn(end.0 - 1) };
    standby.wait_for(last, PATIENCE).unwrap();
    assert!(end <= standby.durable_end(), "what is told is what is applied");
}

pub(crate) fn standing(standby: &Database) -> StandbyStanding {
    match standby.replication() {
        Replication::Standby(standing, _) => standing,
        Replication::Primary(_) => panic!("it is a standby"),
    }
}

/// What a closed directory derives from its log; it must hold.
pub(crate) fn verified(disk: &SimulatedDisk) -> VerifyReport {
    let copy = disk.copy();
    let mut disk: Arc<dyn florin_core::disk::Disk> = Arc::new(copy.clone());
    if copy.contents(sealing::FILE_NAME).is_some() {
        disk = sealing::unlock(disk, Some(&TestKey::A)).unwrap();
    }
    let report = verify_on(&disk, &mut |_| {}).unwrap().expect("there is a log");
    assert_eq!(report.findings, Vec::<String>::new());
    report
}

pub(crate) fn open_accounts(database: &Database) {
    let account = |id: u64| Account {
        id: AccountId(id.into()),
        ledger: LedgerId(978),
        code: Code(1),
        ..Account::default()
    };
    let accounts: Vec<_> = (1..=ACCOUNTS).map(account).collect();
    database.create_accounts(&accounts).unwrap();
}

pub(crate) fn put(table: TableId, key: Vec<u8>, value: Vec<u8>) -> DocumentWrite {
    DocumentWrite { table, key, value: Some(value), ..DocumentWrite::default() }
}

pub(crate) fn transfer(id: u64) -> Transfer {
    Transfer {
        id: TransferId(id.into()),
        debit_account_id: AccountId(u128::from(1 + id % ACCOUNTS)),
        credit_account_id: AccountId(u128::from(1 + (id + 1) % ACCOUNTS)),
        amount: Amount(1 + u128::from(id % 97)),
        ledger: LedgerId(978),
        code: Code(1),
        ..Transfer::default()
    }
}

/// Posts `count` transfers one by one, from an id on.
pub(crate) fn post(database: &Database, from: u64, count: u64) {
    for id in from..from + count {
        database.create_transfers(&[transfer(id)]).unwrap();
    }
}

/// Does something, whatever the dice say: transfers, holds, their ends, refusals, commits, documents, time.
pub(crate) fn step(database: &Database, clock: &HandClock, dice: &mut Dice, next_id: &mut u64) {
    let mut id = || {
        *next_id += 1;
        *next_id
    };
    match dice.roll(8) {
        0 => {
            let count = 1 + dice.roll(200);
            let transfers: Vec<_> = (0..count).map(|_| transfer(id())).collect();
            database.create_transfers(&transfers).unwrap();
        }
        1 => {
            let timeout = u32::try_from(dice.roll(3)).unwrap();
            let hold = Transfer { flags: TransferFlags::PENDING, timeout, ..transfer(id()) };
            let post = Transfer {
                pending_id: hold.id,
                flags: TransferFlags::POST_PENDING_TRANSFER,
                ..Transfer { id: TransferId(id().into()), ..Transfer::default() }
            };
            database.create_transfers(&[hold]).unwrap();
            if dice.one_in(2) {
                database.create_transfers(&[post]).unwrap();
            }
        }
        2 => {
            // Refused: for good, and for a reason that may pass.
            let unknown = Transfer { debit_account_id: AccountId(999), ..transfer(id()) };
            database
                .create_transfers(&[unknown, Transfer { id: TransferId(1), ..transfer(id()) }])
                .unwrap();
        }
        3 => {
            let value = vec![
                u8::try_from(dice.roll(256)).unwrap();
                usize::try_from(dice.roll(40_000)).unwrap()
            ];
            let key = dice.roll(20).to_be_bytes().to_vec();
            database.write_documents(&[put(TableId(16), key, value)]).unwrap();
        }
        4 => {
            let key = dice.roll(20).to_be_bytes().to_vec();
            let id = id();
            let commit = Commit {
                id: CommitId(id.into()),
                transfers: vec![transfer(id)],
                documents: vec![put(TableId(17), key, b"moved".to_vec())],
                ..Commit::default()
            };
            database.commit(&commit).unwrap();
        }
        5 => clock.pass_until(clock.nanoseconds() + dice.roll(2_000_000_000)),
        6 => {
            database.create_transfers(&[transfer(1 + dice.roll((*next_id).max(1)))]).unwrap();
        }
        _ => {
            database.create_transfers(&[transfer(id())]).unwrap();
        }
    }
}
