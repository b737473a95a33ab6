//! A bank with a tree of small tiles, and the tree that it must have.

use florin_core::clock::FixedClock;
use florin_core::disk::Disk;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::log::PreparerOptions;
use florin_core::proof::{Hash, Leaf, PublicKey, SigningKey, leaf_hash, node_hash};
use florin_core::tree::Proving;
use florin_core::verify::verify_on;
use florin_core::{Database, Error, ErrorKind, Options};
use florin_ledger::commit::{Event, Topic};
use florin_ledger::document::DocumentCondition;
use florin_ledger::{
    Account, AccountFlags, AccountId, Amount, Code, Commit, CommitId, DocumentWrite, LedgerId, Lsn,
    Position, StreamFilter, StreamStart, TableId, Timestamp, Transfer, TransferFlags, TransferId,
};
use std::sync::Arc;
use std::time::Duration;

/// 512 leaves in a file of the tree: as small as they may be.
pub(crate) const TILE_LEVEL: u32 = 9;
pub(crate) const TILE_LEAVES: u64 = 512;

pub(crate) fn signing_key() -> SigningKey {
    SigningKey::from_seed(&[42; 32])
}

pub(crate) fn public_key() -> PublicKey {
    signing_key().public()
}

pub(crate) fn options(tile_level: u32) -> Options {
    Options {
        segment_bytes: 8 << 20,
        preparer: PreparerOptions {
            slice_bytes: 128 << 10,
            reserve_bytes: 32 << 10,
            ..PreparerOptions::default()
        },
        checkpoint_bytes: 64 << 10,
        proving: Some(Proving { signing_key: Some(signing_key()), tile_level, capture_bytes: 0 }),
        ..Options::default()
    }
}

pub(crate) fn open(disk: &SimulatedDisk) -> Result<Database, Error> {
    open_with(disk, options(TILE_LEVEL))
}

pub(crate) fn open_with(disk: &SimulatedDisk, options: Options) -> Result<Database, Error> {
    let clock = Arc::new(FixedClock(Timestamp(1_000_000)));
    Database::open_on(Arc::new(disk.clone()), clock, options)
}

pub(crate) fn transfer(id: u128, amount: u128, flags: TransferFlags) -> Transfer {
    Transfer {
        id: TransferId(id),
        debit_account_id: AccountId(1 + id % 3),
        credit_account_id: AccountId(4 + id % 3),
        amount: Amount(amount),
        ledger: LedgerId(978),
        code: Code(7),
        flags,
        ..Transfer::default()
    }
}

/// Opens the accounts that [`transfer`] moves money between.
pub(crate) fn open_accounts(database: &Database) {
    let account = |id| Account {
        id: AccountId(id),
        ledger: LedgerId(978),
        code: Code(1),
        flags: AccountFlags::NONE,
        ..Account::default()
    };
    let accounts: Vec<Account> = (1..=6).map(account).collect();
    database.create_accounts(&accounts).unwrap();
}

/// Posts transfers with these ids, in batches.
pub(crate) fn post(database: &Database, ids: std::ops::Range<u128>) {
    let transfers: Vec<Transfer> =
        ids.map(|id| transfer(id, 1 + id % 97, TransferFlags::NONE)).collect();
    for batch in transfers.chunks(300) {
        database.create_transfers(batch).unwrap();
    }
}

/// Posts transfers with these ids in one batch, which is one frame.
pub(crate) fn post_at_once(database: &Database, ids: std::ops::Range<u128>) {
    let transfers: Vec<Transfer> =
        ids.map(|id| transfer(id, 1 + id % 97, TransferFlags::NONE)).collect();
    database.create_transfers(&transfers).unwrap();
}

/// Asks again while files are derived again.
pub(crate) fn patiently<T>(ask: impl Fn() -> Result<T, Error>) -> T {
    loop {
        match ask() {
            Err(error) if error.kind() == ErrorKind::NotYet => {}
            answered => return answered.unwrap(),
        }
    }
}

/// Something of every kind that readers are told of, but expiries of holds.
pub(crate) fn everything(database: &Database, from: u128) {
    let hold = Transfer { timeout: 0, ..transfer(from, 50, TransferFlags::PENDING) };
    let posting = Transfer {
        pending_id: TransferId(from),
        ..transfer(from + 3, 20, TransferFlags::POST_PENDING_TRANSFER)
    };
    let nobody =
        Transfer { debit_account_id: AccountId(99), ..transfer(from + 6, 1, TransferFlags::NONE) };
    database.create_transfers(&[hold]).unwrap();
    database.create_transfers(&[posting]).unwrap();
    database.create_transfers(&[nobody]).unwrap();
    let write = |key: &[u8], value: Option<Vec<u8>>| DocumentWrite {
        table: TableId(16),
        key: key.to_vec(),
        value,
        condition: DocumentCondition::Any,
        expires: Timestamp::NONE,
    };
    let commit = Commit {
        id: CommitId(from),
        transfers: vec![transfer(from + 9, 5, TransferFlags::NONE)],
        documents: vec![
            write(b"small", Some(b"value".to_vec())),
            write(b"large", Some(vec![7; 40_000])),
        ],
        events: vec![Event { topic: Topic(3), key: b"whom".to_vec(), value: b"what".to_vec() }],
        actor: b"who".to_vec(),
        ..Commit::default()
    };
    database.commit(&commit).unwrap();
    database.write_documents(&[write(b"small", None)]).unwrap();
}

/// A leaf, as the stream tells it.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) position: Position,
    pub(crate) bytes: Vec<u8>,
}

/// The whole log as its readers are told of it.
pub(crate) fn told(database: &Database) -> Vec<Told> {
    let mut stream = database.subscribe(StreamStart::Begin, StreamFilter::default()).unwrap();
    let mut leaves = Vec::new();
    loop {
        let batch = stream.next(1 << 20, Duration::ZERO).unwrap();
        for item in batch.view().items() {
            let position = Position { epoch: item.cursor.epoch, lsn: item.cursor.lsn };
            let leaf = Leaf { position, time: item.time, content: item.content };
            leaves.push(Told { position, bytes: leaf.to_bytes() });
        }
        if batch.view().end().is_live {
            return leaves;
        }
    }
}

/// The root of RFC 9162, by halves.
pub(crate) fn naive_root(leaves: &[Told]) -> Hash {
    let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(&leaf.bytes)).collect();
    naive_root_of(&hashes)
}

pub(crate) fn naive_root_of(leaves: &[Hash]) -> Hash {
    if let [leaf] = leaves {
        return *leaf;
    }
    let middle = leaves.len().next_power_of_two() / 2;
    node_hash(&naive_root_of(&leaves[..middle]), &naive_root_of(&leaves[middle..]))
}

pub(crate) fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap()
}

/// The tree is the naive one over what the stream tells; returns that.
pub(crate) fn assert_tree(database: &Database) -> Vec<Told> {
    database.await_tree().unwrap();
    let leaves = told(database);
    let head = database.tree_head(None).unwrap();
    head.verify(&public_key()).unwrap();
    assert_eq!(head.head.size, wide(leaves.len()));
    assert_eq!(head.head.root, naive_root(&leaves));
    assert!(leaves.last().is_some_and(|leaf| leaf.position.lsn < head.head.lsn));
    let status = database.status().unwrap();
    assert_eq!((head.head.life, head.head.epoch), (status.incarnation, status.epoch));
    leaves
}

/// The files of the tree.
pub(crate) fn tiles(disk: &SimulatedDisk) -> Vec<String> {
    disk.list("tree").unwrap_or_default().iter().map(|file| format!("tree/{file}")).collect()
}

/// What `florin verify` finds.
pub(crate) fn verify(disk: &SimulatedDisk) -> Vec<String> {
    let disk: Arc<dyn Disk> = Arc::new(disk.copy());
    verify_on(&disk, &mut |_| {}).unwrap().unwrap().findings
}

/// A position that no leaf has.
pub(crate) fn beside(position: Position) -> Position {
    Position { lsn: Lsn(position.lsn.0 + 8), ..position }
}
