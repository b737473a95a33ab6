//! The tree of proofs: a Merkle tree (RFC 9162) over every record that readers of the log are told of.
//! It is built behind the durable position, on a thread of its own; nobody waits for it but who asks for a
//! proof, and no commit ever does.
//!
//! - It is a projection: everything in it follows from the log, and is derived again where it is missing,
//!   damaged, or of another history.
//! - Leaves are not kept, nor are hashes below 256 of them ([`edge`]): a proof reads those records again.
//!   Above, hashes lie in files that are written once ([`tile`], [`tiles`]); the right edge is in memory.
//! - A head is of the end of a frame, and there is one of each size: [`florin_proof::head`].
//! - What is handed out was verified first, by the code that verifiers use ([`prover`]).

mod accounts;
mod builder;
mod captures;
mod capturing;
mod check;
mod edge;
mod figures;
mod lives;
mod nodes;
mod number;
mod open;
mod prover;
mod recorded;
mod scan;
mod thread;
mod tile;
mod tiles;
mod wanted;

pub use figures::TreeFigures;

pub(crate) use check::TreeCheck;
pub(crate) use open::OpenTree;
pub(crate) use recorded::CaptureCheck;
pub(crate) use tiles::{DIRECTORY, remove_all};

use crate::disk::Disk;
use crate::error::{Error, ErrorKind};
use crate::limits::CAPTURE_INTERVAL_BYTES;
use crate::log::FramePosition;
use crate::reads::Reads;
use captures::Captures;
use edge::{BLOCK_LEVEL, Edge, Peaks, Shape};
use florin_ledger::Lsn;
use florin_ledger::record::LifeRecord;
use florin_proof::SigningKey;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tiles::Tiles;
use wanted::Wanted;

/// How a database proves what it has recorded.
#[derive(Clone, Debug)]
pub struct Proving {
    /// Signs heads and receipts; without it there are none.
    pub signing_key: Option<SigningKey>,
    /// A file of the tree has 2^level leaves: from 9 to 24. One that was made with another level is derived
    /// again.
    pub tile_level: u32,
    /// Bytes of log after which all balances are captured again, by whoever decides; 0: only when they are asked for
    /// ([`crate::Database::capture_balances`]).
    pub capture_bytes: u64,
}

impl Default for Proving {
    fn default() -> Proving {
        Proving {
            signing_key: None,
            tile_level: TILE_LEVEL_DEFAULT,
            capture_bytes: CAPTURE_INTERVAL_BYTES,
        }
    }
}

/// A million leaves: what an opening hashes again at most, and 160 KiB of disk.
const TILE_LEVEL_DEFAULT: u32 = 20;

impl Proving {
    fn shape(&self) -> Result<Shape, Error> {
        if (BLOCK_LEVEL + 1..=24).contains(&self.tile_level) {
            return Ok(Shape { tile_level: self.tile_level });
        }
        let message = format!("tiles of 2^{} leaves: must be from 2^9 to 2^24", self.tile_level);
        Err(Error::new(ErrorKind::Invalid, message))
    }
}

/// The tree of an open database.
pub(crate) struct Tree {
    reads: Arc<Reads>,
    shape: Shape,
    tiles: Tiles,
    edge: Mutex<Edge>,
    /// The edge has moved.
    moved: Condvar,
    /// What was durable at the opening. No head is stated before the tree has come so far: it could be of
    /// fewer leaves than one that was stated before a restart.
    opened: Lsn,
    key: Option<SigningKey>,
    /// The newest life that the log was seen to be in.
    life: Mutex<LifeRecord>,
    captures: Captures,
    /// Damaged tiles that somebody needs.
    wanted: Wanted,
    /// The thread that builds has ended: nothing moves any more.
    is_ended: AtomicBool,
    derived_count: AtomicU64,
    /// Leaves hashed since the opening.
    hashed_count: AtomicU64,
    /// Whether building stands still because something went wrong.
    is_stuck: AtomicBool,
}

impl Tree {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        reads: Arc<Reads>,
        life: LifeRecord,
        proving: &Proving,
    ) -> Result<Tree, Error> {
        let shape = proving.shape()?;
        let opened = reads.durable().get();
        let birth = reads.log().identity().incarnation;
        Ok(Tree {
            reads,
            shape,
            tiles: Tiles::new(disk, birth, shape),
            edge: Mutex::new(Edge::new(shape, Peaks::default(), FramePosition::GENESIS.lsn)),
            moved: Condvar::new(),
            opened,
            key: proving.signing_key.clone(),
            life: Mutex::new(life),
            captures: Captures::default(),
            wanted: Wanted::default(),
            is_ended: AtomicBool::new(false),
            derived_count: AtomicU64::new(0),
            hashed_count: AtomicU64::new(0),
            is_stuck: AtomicBool::new(false),
        })
    }

    /// Nothing is built any more: whoever waits is told.
    fn end(&self) {
        self.is_ended.store(true, Ordering::Release);
        self.wanted.end();
        // Whoever looked before is waiting by now.
        drop(self.edge());
        self.moved.notify_all();
    }

    fn is_ended(&self) -> bool {
        self.is_ended.load(Ordering::Acquire)
    }

    /// The log is known to be whole up to here. More than is durable while standbys are demanded that have not
    /// said so yet: what was read once is no less part of this log.
    fn known_end(&self) -> Lsn {
        self.reads.durable().get().max(self.opened).max(self.edge().scanned)
    }

    fn edge(&self) -> MutexGuard<'_, Edge> {
        self.edge.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
