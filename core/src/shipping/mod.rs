//! Log shipping, the primary's side: durable frames as they are stored, in order, for a standby; and how
//! far standbys are.
//!
//! What is shipped is an endless run of items, cut anywhere into batches:
//!
//! ```text
//! batch:  offset  bytes  field
//!              0      8  everything before this log position is durable at the primary
//!              8      8  epoch of the primary
//!             16      8  term of the primary that the log is of
//!             24      4  CRC32 of bytes 0..24: a term that a wire has altered would end a primary's time
//!             28      4  zero
//!             32         the run goes on
//!
//! item:        0      8  lsn: of a frame, where it starts; of a segment, where it begins; of a digest,
//!                        the end of the frame that it is of
//!              8      4  kind: 1 segment, 2 frame, 3 digest
//!             12      4  bytes that follow
//!             16         1: the header of the segment; 2: the frame as it is stored; 3: BLAKE3 of the
//!                        whole state
//! ```
//! All little-endian. A segment's item comes before its first frame. `docs/PROTOCOL.md` says the same.

mod standing;

use crate::database::Database;
use crate::disk::Access;
use crate::driver::inbox::{Rest, Task};
use crate::driver::promise::Promise;
use crate::driver::release::Release;
use crate::error::{Error, ErrorKind};
use crate::group::{Allegiance, Term};
use crate::log::segment::{self, Found};
use crate::log::{Corruption, Damage, FramePosition, Frames, LogReader, ReadError};
use crate::request::Reply;
use florin_ledger::Lsn;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use standing::{
    Missing, ReplicaStanding, Replication, StandbyStanding, Synchrony, SynchronyStanding,
};

/// Bytes before the run goes on in a batch.
pub const BATCH_HEAD_BYTES: usize = 32;
/// Bytes of it that its checksum is of.
pub(crate) const BATCH_CHECKED_BYTES: usize = 24;
/// Bytes of an item's head.
pub(crate) const ITEM_HEAD_BYTES: usize = 16;
/// Bytes of items that are gathered before they are handed out.
const GATHER_BYTES: usize = 512 << 10;
/// How far one that must be compared may be behind to be told a digest: what it compares is where it comes to.
const COMPARED_WITHIN_BYTES: u64 = 64 << 20;

/// The kinds of items. The numbers are the protocol's and never change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ItemKind {
    Segment = 1,
    Frame = 2,
    Digest = 3,
}

impl ItemKind {
    pub(crate) fn from_number(number: u32) -> Option<ItemKind> {
        match number {
            1 => Some(ItemKind::Segment),
            2 => Some(ItemKind::Frame),
            3 => Some(ItemKind::Digest),
            _ => None,
        }
    }

    fn number(self) -> u32 {
        match self {
            ItemKind::Segment => 1,
            ItemKind::Frame => 2,
            ItemKind::Digest => 3,
        }
    }
}

/// Who wants to follow, and from where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FollowFrom {
    /// The database that it has; a primary of another refuses it.
    pub incarnation: u128,
    /// The life that it is in.
    pub life: u128,
    /// Names the standby's directory: it counts once, however often it connects.
    pub node: u128,
    /// The end of its log.
    pub position: FramePosition,
    /// It hears no lower term.
    pub promised: Term,
    /// Whether it acknowledges nothing before its state was found the same.
    pub must_compare: bool,
}

/// What one standby is sent. Dropping it ends the standby's part in synchronous mode.
pub struct Shipment {
    frames: Frames,
    release: Arc<Release>,
    reader: LogReader,
    epoch: u64,
    allegiance: Arc<Allegiance>,
    /// Names it in the table of those who follow.
    id: u64,
    /// Items that were gathered; the first bytes of them are handed out.
    gathered: Vec<u8>,
    handed_out: usize,
    /// Of each frame among them, where it ends there, and in the log.
    ends: VecDeque<(usize, Lsn)>,
    /// The end of the last frame that was handed out whole.
    sent: Arc<AtomicU64>,
    /// The last position whose digest was sent.
    digested: Lsn,
}

/// The standby's end of it: what it has acknowledged.
#[derive(Clone)]
pub struct Acknowledger {
    release: Arc<Release>,
    id: u64,
    sent: Arc<AtomicU64>,
}

impl Acknowledger {
    /// The standby has everything before a position, durably. Waits for nothing; whoever waited for it is
    /// answered on this thread.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a position that it was not sent.
    pub fn acknowledge(&self, position: Lsn) -> Result<(), Error> {
        self.receive(position)?;
        self.release.acknowledge(self.id, position)
    }

    /// The standby has everything before a position, durably, and its state was not found the same yet: nothing is
    /// told that rests on it.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a position that it was not sent.
    pub fn receive(&self, position: Lsn) -> Result<(), Error> {
        let sent = Lsn(self.sent.load(Ordering::Acquire));
        if sent < position {
            let message = format!("{position} was acknowledged, and only up to {sent} was sent");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        Ok(())
    }
}

impl fmt::Debug for Acknowledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acknowledger").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Database {
    /// Ships the log to a standby from the end of its own on.
    ///
    /// # Errors
    /// [`ErrorKind::Fork`] if this log does not have that end: the message says what to do;
    /// [`ErrorKind::NotYet`] if it ends before; [`ErrorKind::Fenced`] if the standby has promised a later term
    /// than this node is of, and one that decides has ceased to; see [`ErrorKind`].
    pub fn ship(&self, from: &FollowFrom, name: &str) -> Result<Shipment, Error> {
        let reads = self.reads()?;
        let release = self.release();
        let allegiance = self.allegiance();
        let (reader, synced) = (reads.log().clone(), release.synced().get());
        check_database(&reader, from.incarnation)?;
        // A standby may not have come to its life yet; but only one that has ends another's time.
        let may_depose = from.life == self.life();
        check_term(&allegiance, &release, from.promised, may_depose)?;
        check_position(&reader, from.position, synced)?;
        let frames = reader.frames(from.position, synced);
        // What it has it does not acknowledge before it was compared.
        let has = if from.must_compare { Lsn::NONE } else { from.position.lsn };
        let id = release.join(from.node, name, has);
        // One that is far behind asks again when it has come nearer: until then a digest would be for nothing.
        if from.must_compare && synced.0 - from.position.lsn.0 <= COMPARED_WITHIN_BYTES {
            release.ask_for_digest();
            self.shared.inbox.nudge();
        }
        Ok(Shipment {
            frames,
            allegiance,
            epoch: self.metrics().engine.epoch,
            release,
            reader,
            id,
            gathered: Vec::new(),
            handed_out: 0,
            ends: VecDeque::new(),
            sent: Arc::new(AtomicU64::new(from.position.lsn.0)),
            digested: Lsn::NONE,
        })
    }

    /// Whether this log has a position of the log of a database, chain hash included: then it has all before it.
    ///
    /// # Errors
    /// [`ErrorKind::Fork`] for one of another database; see [`ErrorKind`].
    pub fn has_position(&self, incarnation: u128, position: FramePosition) -> Result<bool, Error> {
        let reads = self.reads()?;
        let reader = reads.log();
        check_database(reader, incarnation)?;
        match check_position(reader, position, self.release().synced().get()) {
            Ok(()) => Ok(true),
            Err(error) if [ErrorKind::Fork, ErrorKind::NotYet].contains(&error.kind()) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The header of the first segment: what a copy of this log begins with.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub fn origin(&self) -> Result<Vec<u8>, Error> {
        let reads = self.reads()?;
        let reader = reads.log();
        let found = segment::open(reader.disk(), reader.identity(), 0, Access::Read)?;
        match found {
            Found::Segment(segment) => Ok(segment.header.encode().to_vec()),
            Found::Nothing => {
                Err(Error::new(ErrorKind::Gone, "the log does not reach back to its beginning"))
            }
        }
    }

    /// How many standbys must have a frame before anything that rests on it is answered, from now on. To be
    /// called before anybody is served: nothing is told until they have what is here already.
    pub fn demand_standbys(&self, synchrony: Synchrony) {
        self.release().demand(synchrony, Vec::new());
    }

    /// Answers whoever waits for a standby that the database stops: what was asked may or may not have
    /// taken effect. For a server that is stopping.
    pub fn give_up_on_standbys(&self) {
        self.release().give_up();
    }

    /// Finishes what was accepted and decides nothing more: writes are refused as stopped, holds that fall due
    /// stay so. A last frame says that all before it is durable; a close writes none behind it. So whoever
    /// follows can be sent everything before it. Calls `done` when that frame is durable, or the engine has
    /// stopped; in synchronous mode when standbys have it, or are given up on.
    pub fn rest(&self, done: impl FnOnce() + Send + 'static) {
        self.begin_rest(Rest::ForGood, move |_| done());
    }

    pub(crate) fn begin_rest(
        &self,
        rest: Rest,
        done: impl FnOnce(Result<Reply, Error>) + Send + 'static,
    ) {
        self.shared.inbox.submit(Task::Rest(rest, Promise::new(done)));
    }

    /// Calls `risen` whenever more can be shipped, as [`Database::on_durable`] does when more can be told.
    pub fn on_synced(&self, risen: impl Fn() + Send + Sync + 'static) {
        self.release().synced().watch(risen);
    }
}

/// Whether this node may be heard. One that decides and learns of a later term decides no more. One that does not is
/// followed by whoever wants to be promoted and lacks what it has, and has promised a later term to itself.
fn check_term(
    allegiance: &Allegiance,
    release: &Release,
    promised: Term,
    may_depose: bool,
) -> Result<(), Error> {
    let own = allegiance.term();
    if promised <= own || release.is_standby() {
        return Ok(());
    }
    if may_depose {
        allegiance.promise(promised, None, release)?;
    }
    Err(Error::new(
        ErrorKind::Fenced,
        format!(
            "the standby has promised term {promised}, and this node is of term {own}: a later primary was, or is \
             being, promoted"
        ),
    ))
}

/// Whether a log is of the same database.
fn check_database(reader: &LogReader, incarnation: u128) -> Result<(), Error> {
    let own = reader.identity().incarnation;
    if incarnation == own {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Fork,
        format!(
            "this is database {own:032x}, the standby has {incarnation:032x}: name the right primary, or follow \
             with an empty directory"
        ),
    ))
}

/// Whether it has the end of a log of the same database.
fn check_position(reader: &LogReader, end: FramePosition, synced: Lsn) -> Result<(), Error> {
    let at = end.lsn;
    if synced < at {
        return Err(Error::new(
            ErrorKind::NotYet,
            format!(
                "the standby's log ends at {at}, this one at {synced}: the standby has what this primary \
                 has lost or never had; compare them before either goes on"
            ),
        ));
    }
    // Where this log has no block another history may well have one.
    let is_other =
        |damage: Corruption| matches!(damage.what, Damage::NoBlock | Damage::SegmentMissing);
    match reader.position_at(at, synced) {
        Ok(found) if found == end => Ok(()),
        Err(ReadError::Corrupt(damage)) if !is_other(damage) => Err(ReadError::from(damage).into()),
        Ok(_) | Err(ReadError::NoRecord { .. } | ReadError::Corrupt(_)) => Err(Error::new(
            ErrorKind::Fork,
            format!(
                "the standby's log has another history before {at}: keep its directory for comparison, \
                 and follow with an empty one"
            ),
        )),
        Err(error) => Err(error.into()),
    }
}

impl Shipment {
    /// What the standby acknowledges through.
    #[must_use]
    pub fn acknowledger(&self) -> Acknowledger {
        Acknowledger {
            release: Arc::clone(&self.release),
            id: self.id,
            sent: Arc::clone(&self.sent),
        }
    }

    /// The next batch, of at most `bytes_max` bytes behind its head; nothing behind it if nothing more is
    /// durable. Reads the disk for what is not in memory any more. With 0 nothing more is gathered: it says how
    /// the primary stands.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`], [`ErrorKind::Io`]: the log can't be read further;
    /// [`ErrorKind::Stopped`].
    pub fn next(&mut self, bytes_max: usize) -> Result<Vec<u8>, Error> {
        if self.is_handed_out() && 0 < bytes_max {
            self.gathered.clear();
            self.handed_out = 0;
            self.gather()?;
        }
        let synced = self.release.synced();
        if self.gathered.is_empty() && synced.has_failed() {
            return Err(Error::new(
                ErrorKind::Stopped,
                "the primary has stopped and nothing more will be durable",
            ));
        }
        let left = self.gathered.len() - self.handed_out;
        let part = &self.gathered[self.handed_out..self.handed_out + left.min(bytes_max)];
        let mut batch = Vec::with_capacity(BATCH_HEAD_BYTES + part.len());
        batch.extend_from_slice(&synced.get().0.to_le_bytes());
        batch.extend_from_slice(&self.epoch.to_le_bytes());
        batch.extend_from_slice(&self.allegiance.term().0.to_le_bytes());
        batch.extend_from_slice(&u64::from(crc32fast::hash(&batch)).to_le_bytes());
        batch.extend_from_slice(part);
        self.handed_out += part.len();
        while self.ends.front().is_some_and(|(end, _)| *end <= self.handed_out) {
            let (_, lsn) = self.ends.pop_front().expect("there is one");
            self.sent.store(lsn.0, Ordering::Release);
        }
        Ok(batch)
    }

    /// Whether everything that was gathered was handed out: if not, the next batch begins with the rest of it.
    #[must_use]
    pub fn is_handed_out(&self) -> bool {
        self.handed_out == self.gathered.len()
    }

    /// Whether everything that is durable was handed out.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.is_handed_out() && self.release.synced().get() <= self.frames.position().lsn
    }

    /// The end of the last frame that was gathered: what is handed out lies before it.
    #[must_use]
    pub fn position(&self) -> Lsn {
        self.frames.position().lsn
    }

    fn gather(&mut self) -> Result<(), Error> {
        while self.gathered.len() < GATHER_BYTES {
            self.gather_digest();
            if self.frames.next()?.is_none() {
                self.frames.check_whole()?;
                self.frames.set_until(self.release.synced().get());
                // One of here is remembered before anything behind it is durable; now something may be.
                self.gather_digest();
                if self.frames.next()?.is_none() {
                    self.frames.check_whole()?;
                    // One may have been taken since.
                    self.gather_digest();
                    return Ok(());
                }
            }
            self.gather_frame()?;
        }
        Ok(())
    }

    /// The digest of the state at the position before the next frame, if there is one.
    fn gather_digest(&mut self) {
        let at = self.frames.position().lsn;
        if at == self.digested {
            return;
        }
        if let Some(digest) = self.release.digest_at(at) {
            self.digested = at;
            self.put(at, ItemKind::Digest, |out| out.extend_from_slice(&digest));
        }
    }

    /// The frame that was just read, in front of the first of a segment that segment's header.
    fn gather_frame(&mut self) -> Result<(), Error> {
        let start = self.frames.current().expect("a frame was just read").start();
        let geometry = self.reader.identity().geometry;
        let number = geometry.segment(start);
        if start == geometry.first_place(number) {
            let lsn = geometry.lsn(number, 0);
            let missing = || Error::corrupt(format!("log segment {number} is missing"));
            let header = self.reader.segment(number)?.ok_or_else(missing)?.header.encode();
            self.put(lsn, ItemKind::Segment, |out| out.extend_from_slice(&header));
        }
        let head = self.gathered.len();
        self.put(start, ItemKind::Frame, |_| {});
        self.frames.append_stored(&mut self.gathered)?;
        let bytes = self.gathered.len() - head - ITEM_HEAD_BYTES;
        self.gathered[head + 12..head + 16].copy_from_slice(&length(bytes));
        self.ends.push_back((self.gathered.len(), self.frames.position().lsn));
        Ok(())
    }

    fn put(&mut self, lsn: Lsn, kind: ItemKind, body: impl FnOnce(&mut Vec<u8>)) {
        let out = &mut self.gathered;
        out.extend_from_slice(&lsn.0.to_le_bytes());
        out.extend_from_slice(&kind.number().to_le_bytes());
        let at = out.len();
        out.extend_from_slice(&[0; 4]);
        body(out);
        let bytes = out.len() - at - 4;
        out[at..at + 4].copy_from_slice(&length(bytes));
    }
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).expect("a frame fits a segment").to_le_bytes()
}

impl Drop for Shipment {
    fn drop(&mut self) {
        self.release.leave(self.id);
    }
}

impl fmt::Debug for Shipment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shipment")
            .field("position", &self.frames.position())
            .finish_non_exhaustive()
    }
}
