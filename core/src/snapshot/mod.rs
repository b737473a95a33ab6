//! A moment of a log, for those who copy it while it goes on.
//!
//! What is durable of a log never changes, is never moved and never removed: so a snapshot is a position,
//! all before it can be read in pieces for as long as anybody likes, and nothing has to be pinned or let
//! go. If the beginning of the log is ever moved elsewhere, a snapshot must keep it, and must then end.

use crate::checkpoint::{CheckpointStore, Metadata};
use crate::database::Database;
use crate::disk::Disk;
use crate::disk::overlay::Overlay;
use crate::error::{Error, ErrorKind};
use crate::limits::SNAPSHOT_PIECE_BYTES_MAX;
use crate::log::recovery::judge;
use crate::log::{End, FramePosition, Identity, LogReader, ReadError, identify};
use crate::sealing;
use florin_ledger::record::{LifeRecord, Record};
use florin_ledger::{Lsn, Timestamp};
use std::sync::Arc;

/// A moment of a log: everything before its end is durable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// What the database was born with: the name that its segments have.
    pub birth: u128,
    /// The life that it is in: what clients are told.
    pub incarnation: u128,
    /// The opening that wrote the end.
    pub epoch: u64,
    /// Bytes of a segment.
    pub segment_bytes: u64,
    /// Whether the log is encrypted.
    pub is_sealed: bool,
    /// The end of the last durable frame.
    pub end: FramePosition,
    /// The recorded time of that frame.
    pub time: Timestamp,
    /// The file `database_key`, which the key-encryption key opens; empty unless the log is encrypted.
    pub wrapped_key: Vec<u8>,
}

impl Snapshot {
    pub(crate) fn new(
        disk: &dyn Disk,
        reader: &LogReader,
        incarnation: u128,
        end: FramePosition,
    ) -> Result<Snapshot, Error> {
        let identity = reader.identity();
        let last = reader.last_block_before(end.lsn)?;
        let wrapped_key = if identity.is_sealed {
            let wrapped = sealing::wrapped(disk)?;
            wrapped.map(|wrapped| wrapped.encoded()).ok_or_else(|| {
                Error::corrupt(format!(
                    "the log is encrypted and there is no file `{}`: put back a copy of it",
                    sealing::FILE_NAME
                ))
            })?
        } else {
            Vec::new()
        };
        Ok(Snapshot {
            birth: identity.incarnation,
            incarnation,
            epoch: last.epoch,
            segment_bytes: identity.geometry.segment_bytes(),
            is_sealed: identity.is_sealed,
            end,
            time: last.timestamp,
            wrapped_key,
        })
    }
}

impl Database {
    /// This moment of the log. Takes no copy and holds nothing up: what lies before the end can be read
    /// with [`Database::read_log`] for as long as the database is open.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] while standbys are waited for and nothing may be told; see [`ErrorKind`].
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        // Not its status, which waits until everything may be told: who asks here has no time to wait.
        let incarnation = self.life();
        let reads = self.reads()?;
        let durable = reads.durable().get();
        if durable <= FramePosition::GENESIS.lsn {
            return Err(Error::new(ErrorKind::Busy, "standbys are waited for: ask again later"));
        }
        let end = reads.log().position_at(durable, durable)?;
        Snapshot::new(reads.log().disk(), reads.log(), incarnation, end)
    }

    /// Bytes of a segment of the log as they are stored, its header included: fewer than asked for only
    /// where the segment, or what is durable, ends. On the caller's thread; the engine is not asked.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for more than [`SNAPSHOT_PIECE_BYTES_MAX`] bytes, or for a segment that has
    /// nothing durable; see [`ErrorKind`].
    pub fn read_log(&self, segment: u64, offset: u64, bytes: usize) -> Result<Vec<u8>, Error> {
        if SNAPSHOT_PIECE_BYTES_MAX < bytes {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("at most {SNAPSHOT_PIECE_BYTES_MAX} bytes of the log at once"),
            ));
        }
        let reads = self.reads()?;
        // Whether it may be told or not: who copies a log to follow it is sent it too.
        let durable = self.release().synced().get();
        reads.log().stored_bytes(segment, offset, bytes, durable).map_err(ReadError::of_caller)
    }
}

/// The log of a directory that nobody has open.
#[derive(Debug)]
pub struct StillLog {
    reader: LogReader,
    snapshot: Snapshot,
}

impl StillLog {
    /// Judges the log, from its first byte. Changes nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Unusable`] if there is no log, or if its life can't be told without its key;
    /// [`ErrorKind::Corrupt`] if something durable is lost; [`ErrorKind::Io`].
    pub fn open(disk: &Arc<dyn Disk>) -> Result<StillLog, Error> {
        let disk: Arc<dyn Disk> = Arc::new(Overlay::new(disk.clone()));
        let identity = identify(disk.as_ref())?.ok_or_else(|| {
            Error::new(ErrorKind::Unusable, "there is no log: name a data directory of florin")
        })?;
        let reader = LogReader::new(disk.clone(), identity);
        // A checkpoint knows of more of the log to be durable than the log itself, as at an opening.
        let checkpoint = checkpoint_of(&disk, identity);
        let witnesses: Vec<Lsn> = checkpoint.iter().map(|it| it.rows_position).collect();
        let end = match judge_stored(&reader, &witnesses)? {
            End::Clean { at } | End::Torn { at } => at,
            End::Corrupt(lost) => return Err(Error::corrupt(lost.to_string())),
        };
        if end == FramePosition::GENESIS {
            return Err(Error::new(ErrorKind::Unusable, "the log has no frame yet"));
        }
        let life = life_at(checkpoint.as_ref(), &reader, end.lsn)?;
        let snapshot = Snapshot::new(disk.as_ref(), &reader, life.incarnation, end)?;
        Ok(StillLog { reader, snapshot })
    }

    /// All of it.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// As [`Database::read_log`], without a limit.
    ///
    /// # Errors
    /// [`ErrorKind::Io`], [`ErrorKind::Corrupt`].
    pub fn read(&self, segment: u64, offset: u64, bytes: usize) -> Result<Vec<u8>, Error> {
        let end = self.snapshot.end.lsn;
        self.reader.stored_bytes(segment, offset, bytes, end).map_err(ReadError::of_caller)
    }
}

/// What the newest checkpoint says of itself; nothing if it is damaged, as at an opening.
pub(crate) fn checkpoint_of(disk: &Arc<dyn Disk>, identity: Identity) -> Option<Metadata> {
    let is_locked = identity.is_sealed && disk.database_key().is_none();
    let found = if is_locked {
        CheckpointStore::scrub(disk).ok()?
    } else {
        CheckpointStore::open(disk).ok()?.latest().cloned()
    };
    found.filter(|metadata| metadata.incarnation == identity.incarnation)
}

/// Judges what is stored, whether its records can be read or not.
fn judge_stored(reader: &LogReader, witnesses: &[Lsn]) -> Result<End, Error> {
    if reader.disk().database_key().is_some() || !reader.identity().is_sealed {
        return Ok(judge(reader, FramePosition::GENESIS, witnesses)?);
    }
    let mut frames = reader.frames(FramePosition::GENESIS, Lsn(u64::MAX));
    while frames.next()?.is_some() {}
    Ok(crate::log::judge_end(reader, &frames, witnesses)?)
}

/// The life that a log is in at a position: what the newest checkpoint says, or a record behind it.
fn life_at(
    checkpoint: Option<&Metadata>,
    reader: &LogReader,
    end: Lsn,
) -> Result<LifeRecord, Error> {
    let Identity { incarnation, .. } = reader.identity();
    let checkpoint = checkpoint.filter(|it| it.position <= end);
    let mut life = checkpoint.and_then(|checkpoint| checkpoint.life);
    let from = checkpoint.map_or(FramePosition::GENESIS, |checkpoint| FramePosition {
        lsn: checkpoint.position,
        sequence: checkpoint.sequence,
        chain: checkpoint.chain,
    });
    let mut epoch = None;
    let mut frames = reader.frames(from, end);
    while let Some(frame) = frames.next()? {
        // A life begins with an opening, and an opening with the first record of its first frame.
        if epoch.replace(frame.epoch()) == Some(frame.epoch()) {
            continue;
        }
        match frame.records().next() {
            Some(Ok(stored)) => {
                if let Record::Life(begun) = stored.record {
                    life = Some(begun);
                }
            }
            // A restore ends with a checkpoint, which says in the clear which life it is of.
            Some(Err(_)) if checkpoint.is_some() => break,
            Some(Err(damage)) => return Err(ReadError::from(damage).into()),
            None => {}
        }
    }
    Ok(life.unwrap_or(LifeRecord::birth(incarnation)))
}
