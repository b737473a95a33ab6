//! The log as leaves: every record that its readers are told of, in order of effect, up to the durable
//! position and never past it.

use crate::error::{Error, ErrorKind};
use crate::limits::{TREE_HOLDS_MAX, TREE_NAMES_MAX};
use crate::log::{FramePosition, Frames, LogReader, ReadError, StoredRecord};
use crate::reads::Reads;
use crate::stream::holds::RecentHolds;
use crate::stream::items::{Items, kind_of, slots_of};
use crate::stream::names::Names;
use florin_ledger::record::{LifeRecord, Record};
use florin_ledger::{AccountId, Lsn, Position, Slot, StreamCursor, Timestamp};
use florin_proof::{Hash, Leaf, hash};
use std::ops::ControlFlow;
use std::sync::Arc;

/// A leaf as a scan hands it out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanned {
    /// Names it, and all before it.
    pub(super) cursor: StreamCursor,
    pub(super) time: Timestamp,
    pub(super) hash: Hash,
    /// The life that begins with it.
    pub(super) life: Option<LifeRecord>,
}

/// What a scan keeps in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    names_max: usize,
    holds_max: usize,
}

impl Kept {
    /// For who reads the whole log: 45 MiB.
    pub(super) const MUCH: Kept = Kept { names_max: TREE_NAMES_MAX, holds_max: TREE_HOLDS_MAX };
    /// For who reads a few records.
    pub(super) const LITTLE: Kept = Kept { names_max: 1 << 10, holds_max: 1 << 6 };
}

/// A scan. What went wrong changes nothing: the next call goes on behind the last leaf.
pub(super) struct LeafScan {
    reads: Arc<Reads>,
    frames: Frames,
    names: Names,
    holds: RecentHolds,
    passed: Lsn,
    /// The position before the frame in memory.
    before: FramePosition,
    /// Whether the frame in memory has records that were not looked at.
    is_in_frame: bool,
    /// Memory for a leaf.
    leaf: Vec<u8>,
}

impl LeafScan {
    /// A scan from the end of a frame on, that passes over records up to `passed`.
    pub(super) fn new(reads: Arc<Reads>, from: FramePosition, passed: Lsn, kept: Kept) -> LeafScan {
        let durable = reads.durable().get();
        LeafScan {
            frames: reads.log().frames(from, durable),
            reads,
            names: Names::keeping(kept.names_max),
            holds: RecentHolds::keeping(kept.holds_max),
            passed,
            before: from,
            is_in_frame: false,
            leaf: Vec::new(),
        }
    }

    /// The end of the last frame that was read.
    pub(super) fn position(&self) -> FramePosition {
        if self.is_in_frame { self.before } else { self.frames.position() }
    }

    /// Hands out the leaves of the next frame, `wanted` at most, and returns its end; `None` if nothing more
    /// is durable, or if so many were taken. Names of accounts are asked for as far as that.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`]: again later. [`ErrorKind::Stopped`], [`ErrorKind::Corrupt`],
    /// [`ErrorKind::Io`].
    pub(super) fn next(
        &mut self,
        mut wanted: u64,
        mut take: impl FnMut(&Scanned),
    ) -> Result<Option<FramePosition>, Error> {
        if !self.is_in_frame && !self.begin_frame()? {
            return Ok(None);
        }
        loop {
            match self.take_named(&mut wanted, &mut take)? {
                ControlFlow::Continue(()) => break,
                ControlFlow::Break(Pause::Enough) => return Ok(None),
                ControlFlow::Break(Pause::Unnamed) => self.learn_names(wanted)?,
            }
        }
        self.is_in_frame = false;
        Ok(Some(self.frames.position()))
    }

    /// Goes to the next frame; `false` if none is durable.
    fn begin_frame(&mut self) -> Result<bool, Error> {
        let durable = self.reads.durable().get();
        let before = self.frames.position();
        if self.frames.next()?.is_none() {
            self.frames.check_whole()?;
            self.frames.set_until(durable);
            if self.frames.next()?.is_none() {
                self.frames.check_whole()?;
                return Ok(false);
            }
        }
        self.before = before;
        self.is_in_frame = true;
        Ok(true)
    }

    /// Hands out leaves of the frame in memory up to the first whose accounts nobody has named yet.
    fn take_named(
        &mut self,
        wanted: &mut u64,
        take: &mut impl FnMut(&Scanned),
    ) -> Result<ControlFlow<Pause>, Error> {
        let LeafScan { reads, frames, names, holds, passed, leaf, .. } = self;
        let frame = frames.current().expect("the frame stays until it was looked at");
        let (log, durable) = (reads.log(), frame.after().lsn);
        let mut blocks = frame.blocks();
        let mut block = blocks.next().expect("a frame has a block");
        frame.visit_after(*passed, |stored, payload| {
            let slots = slots_of(&stored.record);
            let Some(accounts) = slots.map_or(Some([AccountId::ZERO; 2]), |slots| names.of(slots))
            else {
                return Ok(ControlFlow::Break(Pause::Unnamed));
            };
            let items = Items { log, durable, holds: Some(&*holds) };
            let is_leaf = write_leaf(&items, stored, payload, accounts, leaf)?;
            holds.note(stored.lsn, &stored.record, stored.time);
            *passed = stored.lsn;
            if !is_leaf {
                return Ok(ControlFlow::Continue(()));
            }
            while block.header().end() <= stored.lsn {
                block = blocks.next().expect("a record lies in a block of its frame");
            }
            let Position { epoch, lsn } = stored.position();
            let scanned = Scanned {
                cursor: StreamCursor { epoch, lsn, hash: block.hash() },
                time: stored.time,
                hash: hash::prefixed_leaf_hash(leaf),
                life: life_in(&stored.record),
            };
            take(&scanned);
            *wanted -= 1;
            let flow = if *wanted == 0 {
                ControlFlow::Break(Pause::Enough)
            } else {
                ControlFlow::Continue(())
            };
            Ok::<_, Error>(flow)
        })
    }

    /// Asks who the accounts are of so many leaves, or of all the rest of the frame in memory.
    fn learn_names(&mut self, mut wanted: u64) -> Result<(), Error> {
        assert!(0 < wanted);
        let frame = self.frames.current().expect("the frame stays until it was looked at");
        let _: ControlFlow<()> = frame.visit_after(self.passed, |stored, _| {
            self.names.need(&stored.record);
            wanted -= u64::from(kind_of(&stored.record).is_some());
            let flow = if wanted == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            Ok::<_, Error>(flow)
        })?;
        self.names.learn(&self.reads)
    }
}

/// The life that a record tells of.
pub(super) fn life_in(record: &Record) -> Option<LifeRecord> {
    if let Record::Life(life) = record { Some(*life) } else { None }
}

/// Why a frame is not gone through to its end.
enum Pause {
    /// Nobody wants more.
    Enough,
    /// The accounts of the next leaf have no names yet.
    Unnamed,
}

/// Writes the leaf of a record, behind the byte that it is hashed with, in the place of what `leaf` holds;
/// `false` if the record is the engine's own affair.
pub(super) fn write_leaf(
    items: &Items<'_>,
    stored: &StoredRecord,
    payload: &[u8],
    accounts: [AccountId; 2],
    leaf: &mut Vec<u8>,
) -> Result<bool, Error> {
    let Some(content) = items.content(stored, payload, accounts)? else { return Ok(false) };
    Leaf { position: stored.position(), time: stored.time, content }.write_prefixed(leaf);
    Ok(true)
}

/// A leaf that was read by itself.
pub(super) struct SingleLeaf {
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
    /// Of the opening that wrote it.
    pub(super) epoch: u64,
    /// The position before its frame.
    pub(super) before: FramePosition,
}

/// The leaf at a position that a caller named, and where its frame begins.
///
/// # Errors
/// [`ErrorKind::NotYet`] if nothing is durable there; [`ErrorKind::Invalid`] if no record begins there, or
/// one that nobody is told of; as any read.
pub(super) fn leaf_at(reads: &Reads, lsn: Lsn) -> Result<SingleLeaf, Error> {
    let (log, durable) = (reads.log(), reads.durable().get());
    if durable <= lsn {
        let message = format!("nothing is durable at {lsn} yet, only up to {durable}: ask again");
        return Err(Error::new(ErrorKind::NotYet, message));
    }
    let (stored, payload) = log.payload(lsn, durable).map_err(ReadError::of_caller)?;
    let accounts = match slots_of(&stored.record) {
        None => [AccountId::ZERO; 2],
        Some(slots) => names_of(reads, slots)?,
    };
    let items = Items { log, durable, holds: None };
    let mut bytes = Vec::new();
    if !write_leaf(&items, &stored, &payload, accounts, &mut bytes)? {
        let message = format!("what lies at {lsn} is the engine's own: no reader is told of it");
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    bytes.remove(0);
    Ok(SingleLeaf { bytes, epoch: stored.epoch, before: log.position_before_record(lsn)? })
}

fn names_of(reads: &Reads, slots: [Slot; 2]) -> Result<[AccountId; 2], Error> {
    let ids = reads.account_ids(slots.to_vec())?;
    Ok([ids[0], ids[1]])
}

/// The end of the frame that follows a position, and whether a record lies in it that is a leaf and is
/// behind `lsn`.
pub(super) fn frame_after(
    log: &LogReader,
    before: FramePosition,
    lsn: Lsn,
    durable: Lsn,
) -> Result<(FramePosition, bool), Error> {
    let mut frames = log.frames(before, durable);
    if frames.next()?.is_none() {
        frames.check_whole()?;
        return Err(Error::corrupt(format!("the frame behind {} is not there", before.lsn)));
    }
    let frame = frames.current().expect("a frame was just read");
    let more = frame.visit_after(lsn, |stored, _| {
        let is_leaf = kind_of(&stored.record).is_some();
        Ok::<_, Error>(if is_leaf { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok((frame.after(), more.is_break()))
}
