//! Judges the end of the log, and begins writing after it.
//!
//! One sync covers many frames, and a power cut leaves any subset of what was not synced. So a
//! whole frame past a gap proves nothing: the gap may never have been durable. What proves it is a
//! position beyond the gap that somebody knew to be durable: the one in any block past the gap
//! whose tag is right, or a witness from elsewhere (a checkpoint, a standby); but for blocks that a copy wrote
//! together with what they speak of ([`super::unproven`]). A segment's header is
//! synced before anything is written after it, so a damaged header with anything after it is
//! proof as well.

use crate::disk::{Access, Disk, DiskFile};
use crate::log::FramePosition;
use crate::log::block::BLOCK_MAGIC;
use crate::log::error::{Corruption, Damage, LogError, ReadError};
use crate::log::frames::Frames;
use crate::log::geometry::{BLOCK_ALIGNMENT, CELL_BYTES, page_up};
use crate::log::preparer::{PrepareError, Preparer, PreparerOptions};
use crate::log::reader::{LogReader, read_or_zeros};
use crate::log::segment::{self, DIRECTORY, Identity, Segment};
use crate::log::unproven::Unproven;
use crate::log::writer::LogWriter;
use florin_ledger::Lsn;
use std::sync::Arc;

/// Where the log ends, and whether that is its true end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// Nothing but zeros follows.
    Clean {
        /// The end.
        at: FramePosition,
    },
    /// Something follows that was never known to be durable: what a power cut leaves.
    Torn {
        /// The end.
        at: FramePosition,
    },
    /// Something that was durable is lost. Nothing may be written.
    Corrupt(Lost),
}

/// What was durable and is no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the log is damaged: {damage}; everything before log position {witness} was durable: repair \
     from a standby or restore a backup"
)]
pub struct Lost {
    /// The end of what can be read.
    pub at: Lsn,
    /// What is wrong there.
    pub damage: Corruption,
    /// A position beyond it that was known to be durable.
    pub witness: Lsn,
}

/// Everything needed to write, once the log's end was judged [`End::Clean`] or [`End::Torn`].
#[derive(Debug)]
pub struct Writing {
    /// For the log thread.
    pub writer: LogWriter,
    /// For the thread that makes room.
    pub preparer: Preparer,
    /// Where the first frame starts.
    pub start: Lsn,
}

/// Reads and checks everything from a position on, and judges where it ends. `witnesses` are
/// positions that are known to be durable: each the end of a frame. Changes nothing.
///
/// # Errors
/// [`ReadError::Io`]. Damage is an answer, not an error.
pub fn judge(reader: &LogReader, from: FramePosition, witnesses: &[Lsn]) -> Result<End, ReadError> {
    if let Some(lost) = lost_start(reader, from)? {
        return Ok(End::Corrupt(lost));
    }
    let mut frames = reader.frames(from, Lsn(u64::MAX));
    while let Some(frame) = frames.next()? {
        let witness = frame.after().lsn;
        if let Some(damage) = frame.records().find_map(Result::err) {
            return Ok(End::Corrupt(Lost { at: frame.start(), damage, witness }));
        }
    }
    judge_end(reader, &frames, witnesses)
}

/// What is lost if the log does not hold the position to start from; whoever stored it had seen it
/// durable.
///
/// # Errors
/// [`ReadError::Io`].
pub fn lost_start(reader: &LogReader, from: FramePosition) -> Result<Option<Lost>, ReadError> {
    let at = from.lsn;
    let damage = match reader.position_at(at, at) {
        Ok(found) if found == from => return Ok(None),
        Ok(_) => Corruption { lsn: at, what: Damage::Chain },
        Err(ReadError::Corrupt(damage)) => damage,
        Err(ReadError::Io(error)) => return Err(error.into()),
        Err(ReadError::Beyond { lsn, .. } | ReadError::NoRecord { lsn }) => {
            Corruption { lsn, what: Damage::NoBlock }
        }
    };
    Ok(Some(Lost { at, damage, witness: at }))
}

/// Judges what follows a scan that has found no further frame, for those that replay the frames
/// themselves. As [`judge`].
///
/// # Errors
/// [`ReadError::Io`].
pub fn judge_end(reader: &LogReader, frames: &Frames, witnesses: &[Lsn]) -> Result<End, ReadError> {
    let at = frames.position();
    let place = reader.geometry().place_after(at.lsn);
    let damage = frames.stopped().unwrap_or(Corruption { lsn: place, what: Damage::NoBlock });
    let lost =
        |witness: Lsn, damage: Corruption| Ok(End::Corrupt(Lost { at: at.lsn, damage, witness }));
    let unproven = Unproven::read(reader.disk())?;
    let begun = unproven.iter().map(|unproven| unproven.from);
    if let Some(witness) = witnesses.iter().copied().chain(begun).find(|witness| at.lsn < *witness)
    {
        return lost(witness, damage);
    }
    let mut torn = false;
    for number in segments_from(reader, at)? {
        let header = reader.geometry().lsn(number, 0);
        match reader.segment(number) {
            Ok(Some(segment)) => match Beyond::scan(reader, &segment, at.lsn, unproven)? {
                Beyond::Zeros => {}
                Beyond::Bytes => torn = true,
                Beyond::Witness(witness) => return lost(witness, damage),
            },
            Ok(None) | Err(ReadError::Corrupt(_)) if holds_bytes(reader, number)? => {
                return lost(header, Corruption { lsn: header, what: Damage::SegmentHeader });
            }
            Ok(None) => {}
            Err(ReadError::Corrupt(_)) => torn = true,
            Err(error) => return Err(error),
        }
    }
    Ok(if torn { End::Torn { at } } else { End::Clean { at } })
}

/// Makes everything past the end zero or gone, durably, and makes the first room in a segment of
/// its own. A crash at any point of it leaves a log with the same end. The identity is the log's,
/// or a new one if there is none yet.
///
/// # Errors
/// [`LogError::DiskFull`] if there is no room for a slice; [`LogError::Io`]. Open again.
pub fn begin_writing(
    disk: Arc<dyn Disk>,
    identity: Identity,
    at: FramePosition,
    options: PreparerOptions,
) -> Result<Writing, LogError> {
    disk.create_directory(DIRECTORY)?;
    disk.sync_directory("")?;
    let used = (at != FramePosition::GENESIS).then(|| identity.geometry.segment_before(at.lsn));
    let number = used.map_or(0, |used| used + 1);
    for made in segment::list(disk.as_ref())?.into_iter().rev() {
        if number <= made {
            disk.remove(&segment::file_name(made))?;
        }
    }
    // The removals are durable with the first slice, which syncs the directory.
    if let Some(used) = used {
        let file = disk.open(&segment::file_name(used), Access::Buffered)?;
        clear_after(file.as_ref(), at.lsn.0 - identity.geometry.lsn(used, 0).0)?;
    }
    // The positions that it speaks of are used again.
    Unproven::remove(disk.as_ref())?;
    let mut preparer = Preparer::new(Arc::clone(&disk), identity, options, number);
    let start = identity.geometry.first_place(number);
    match preparer.advance(start) {
        Ok(_) => {}
        Err(PrepareError::DiskFull) => return Err(LogError::DiskFull),
        Err(PrepareError::Io(error)) => return Err(error.into()),
    }
    Ok(Writing { writer: LogWriter::new(disk, identity, at), preparer, start })
}

/// Cuts a segment after its last page, zeroes the rest of that page, and syncs it. Always: a process
/// that was killed before its sync leaves frames and cuts that look done and would come undone in a
/// power cut.
pub(super) fn clear_after(file: &dyn DiskFile, used_bytes: u64) -> Result<(), LogError> {
    let page_end = page_up(used_bytes);
    if page_end < file.bytes()? {
        file.set_bytes(page_end)?;
    }
    let rest = file.bytes()?.saturating_sub(used_bytes);
    let mut tail = vec![0; usize::try_from(rest).expect("less than a page")];
    file.read_exact_at(&mut tail, used_bytes)?;
    if tail.iter().any(|byte| *byte != 0) {
        tail.fill(0);
        file.write_all_at(&tail, used_bytes)?;
    }
    Ok(file.sync()?)
}

fn segments_from(reader: &LogReader, at: FramePosition) -> Result<Vec<u64>, ReadError> {
    let mut numbers = match segment::list(reader.disk()) {
        Ok(numbers) => numbers,
        Err(LogError::Io(error)) => return Err(error.into()),
        // Foreign files were refused by name when the log was opened.
        Err(_) => Vec::new(),
    };
    let first = reader.geometry().segment_before(at.lsn);
    numbers.retain(|number| first <= *number);
    Ok(numbers)
}

fn holds_bytes(reader: &LogReader, number: u64) -> Result<bool, ReadError> {
    match segment::holds_bytes(reader.disk(), number) {
        Ok(holds) => Ok(holds),
        Err(LogError::Io(error)) => Err(error.into()),
        Err(_) => Ok(true),
    }
}

/// What there is past the end, in one segment.
enum Beyond {
    Zeros,
    Bytes,
    /// A position past the end that was durable.
    Witness(Lsn),
}

impl Beyond {
    /// Looks at every place where a block could start: the gap may have swallowed the block whose
    /// end would say where the next one starts.
    fn scan(
        reader: &LogReader,
        segment: &Segment,
        end: Lsn,
        unproven: Option<Unproven>,
    ) -> Result<Beyond, ReadError> {
        let geometry = reader.geometry();
        let number = segment.header.number;
        let start = geometry.first_place(number).max(end);
        let file_end = geometry.lsn(number, segment.file.bytes()?);
        let mut beyond = Beyond::Zeros;
        let mut cell = vec![0; usize::try_from(CELL_BYTES).expect("a cell is small")];
        let mut at = geometry.cell_start(start);
        while at < file_end {
            read_or_zeros(segment, geometry.offset(at), &mut cell)?;
            let skip = usize::try_from(start.0.saturating_sub(at.0)).expect("within the cell");
            let part = &cell[skip.min(cell.len())..];
            if part.iter().any(|byte| *byte != 0) {
                beyond = Beyond::Bytes;
                let lsn = Lsn(at.0.max(start.0));
                if let Some(witness) = witness_in(part, lsn, segment, end, unproven) {
                    return Ok(Beyond::Witness(witness));
                }
            }
            at = geometry.cell_end(at);
        }
        Ok(beyond)
    }
}

fn witness_in(
    part: &[u8],
    lsn: Lsn,
    segment: &Segment,
    end: Lsn,
    unproven: Option<Unproven>,
) -> Option<Lsn> {
    let alignment = usize::try_from(BLOCK_ALIGNMENT).expect("16");
    (0..part.len()).step_by(alignment).find_map(|offset| {
        let bytes = &part[offset..];
        if !bytes.starts_with(&BLOCK_MAGIC) {
            return None;
        }
        let at = Lsn(lsn.0 + u64::try_from(offset).expect("a cell is small"));
        if unproven.is_some_and(|unproven| unproven.covers(at, end)) {
            return None;
        }
        let header = segment.header.block(bytes, at).ok()?;
        Some(header.durable).filter(|durable| end < *durable)
    })
}
