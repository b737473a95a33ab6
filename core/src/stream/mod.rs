//! Streams: the log read from any position on, then live. On the caller's thread, up to the durable
//! position and never past it; nothing here holds the engine up.
//!
//! - A subscription hands out every wanted item once, in order of effect, each after its block was
//!   checked and found to follow the one before.
//! - Its memory is bounded: a piece of the log, the names of some accounts, one batch.
//! - What went wrong changes nothing: after [`ErrorKind::Busy`] the next call goes on where the last
//!   batch ended.

pub(crate) mod holds;
pub(crate) mod items;
mod matcher;
pub(crate) mod names;

use crate::database::Database;
use crate::error::{Error, ErrorKind};
use crate::limits::STREAM_RECORDS_MAX;
use crate::log::resume::{NoWay, Resume};
use crate::log::{BlockView, Frames};
use crate::reads::Reads;
use florin_ledger::stream::{BATCH_HEAD_BYTES, BatchEnd, BatchView, BatchWriter, FilterTooLarge};
use florin_ledger::{
    AccountId, Lsn, StreamCursor, StreamFilter, StreamItem, StreamStart, Timestamp,
};
use items::Items;
use matcher::Matcher;
use names::Names;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// A reader of the log. [`Subscription::next`] until it fails. Drop it before the database's
/// directory is opened again: it keeps the directory in use.
pub struct Subscription {
    reads: Arc<Reads>,
    matcher: Matcher,
    names: Names,
    frames: Frames,
    /// Everything up to here was looked at.
    cursor: StreamCursor,
    /// When what the cursor names was recorded.
    time: Timestamp,
    /// Records before this are passed over: the stream began with a time.
    not_before: Timestamp,
    /// Whether the frame in memory has records that were not looked at.
    is_in_frame: bool,
    /// Whether more of the chain that the cursor lies in follows.
    is_in_chain: bool,
    /// The commits of the frame in memory: the first record that may be each one's, and its own.
    commits: Vec<(Lsn, Lsn)>,
    /// Memory of a batch that was handed back.
    spare: Vec<u8>,
    /// Bytes of the last batch: the next one is likely as large.
    batch_bytes: usize,
}

/// Some items, and how far the stream has looked for them.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamBatch(Vec<u8>);

impl StreamBatch {
    /// What is in it.
    #[must_use]
    pub fn view(&self) -> BatchView<'_> {
        BatchView::of_own(&self.0).expect("a batch was written whole")
    }

    /// Its bytes, as the wire has them.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl fmt::Debug for StreamBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let view = self.view();
        f.debug_struct("StreamBatch")
            .field("items_count", &view.items_count())
            .field("end", &view.end())
            .finish_non_exhaustive()
    }
}

impl Database {
    /// Reads the log from a position on, then what becomes durable: every record that the filter
    /// wants, in order of effect. Cheap, but for a cursor that names nothing here: that may read a
    /// segment of the log.
    ///
    /// # Errors
    /// [`ErrorKind::Gone`], [`ErrorKind::Fork`], [`ErrorKind::NotYet`] for a start that this log does
    /// not have; [`ErrorKind::Invalid`] for a filter that is too large; see [`ErrorKind`].
    pub fn subscribe(
        &self,
        start: StreamStart,
        filter: StreamFilter,
    ) -> Result<Subscription, Error> {
        Subscription::open(self.reads()?, start, filter)
    }
}

impl Subscription {
    pub(crate) fn open(
        reads: Arc<Reads>,
        start: StreamStart,
        filter: StreamFilter,
    ) -> Result<Subscription, Error> {
        filter.check()?;
        let durable = reads.durable().get();
        let log = reads.log();
        if durable == Lsn::NONE && start != StreamStart::Begin {
            // Where it ends is a word about what is here, too.
            return Err(Error::new(
                ErrorKind::Busy,
                "standbys are not known yet to have what is here, and nothing may be told: again later",
            ));
        }
        let (resume, not_before) = match start {
            StreamStart::Begin => (log.resume_at_begin()?, Timestamp::NONE),
            StreamStart::End => (Ok(log.resume_at_end(durable)?), Timestamp::NONE),
            StreamStart::After(cursor) => (log.resume_after(cursor, durable)?, Timestamp::NONE),
            StreamStart::Time(time) => (log.resume_at_time(time, durable)?, time),
        };
        let Resume { from, cursor } = resume.map_err(|no_way| refused(start, no_way, durable))?;
        Ok(Subscription {
            frames: log.frames(from, durable),
            reads,
            matcher: Matcher::new(filter),
            names: Names::default(),
            cursor,
            time: Timestamp::NONE,
            not_before,
            is_in_frame: false,
            is_in_chain: false,
            commits: Vec::new(),
            spare: Vec::new(),
            batch_bytes: 0,
        })
    }

    /// The next items, of at most `bytes_max` bytes together. Waits for the first as long as
    /// `patience`; then the batch is empty, but its cursor may have moved. The batch is empty too if
    /// the next item alone has more than `bytes_max` bytes: [`BatchEnd::is_live`] is then false.
    ///
    /// Cost: O(records looked at), at most [`STREAM_RECORDS_MAX`] and the rest of a commit; one
    /// question to the engine for each frame with accounts that were not met lately.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`]: call again later. Anything else ends the subscription:
    /// [`ErrorKind::Stopped`] once everything durable was handed out and nothing more will be;
    /// [`ErrorKind::Corrupt`], [`ErrorKind::Io`].
    pub fn next(&mut self, bytes_max: usize, patience: Duration) -> Result<StreamBatch, Error> {
        let batch = self.batch(bytes_max)?;
        let view = batch.view();
        let is_news = view.items_count() != 0 || !view.end().is_live;
        if is_news || patience.is_zero() {
            return Ok(batch);
        }
        let position = self.frames.position().lsn;
        self.give_back(batch);
        self.reads.durable().wait_past(position, patience);
        self.batch(bytes_max)
    }

    /// Takes back the memory of a batch that is not needed any more.
    pub fn give_back(&mut self, batch: StreamBatch) {
        self.spare = batch.into_bytes();
    }

    fn batch(&mut self, bytes_max: usize) -> Result<StreamBatch, Error> {
        let mut memory = std::mem::take(&mut self.spare);
        memory.clear();
        memory.reserve(self.batch_bytes.min(BATCH_HEAD_BYTES.saturating_add(bytes_max)));
        let mut writer = BatchWriter::new(memory, bytes_max);
        // Asked first: what was durable when the log failed is handed out.
        let has_failed = self.reads.durable().has_failed();
        let is_live = match self.fill(&mut writer) {
            Ok(is_live) => is_live,
            // What is written was consumed: it goes out, and the error comes again.
            Err(_) if 0 < writer.items_count() => false,
            Err(error) => return Err(error),
        };
        let durable = self.reads.durable().get();
        if is_live && writer.items_count() == 0 && has_failed {
            return Err(Error::new(
                ErrorKind::Stopped,
                "the engine has stopped and nothing more will be durable: open it again and go on \
                 from the last cursor",
            ));
        }
        let end = BatchEnd { cursor: self.cursor, time: self.time, durable, is_live };
        let batch = writer.finish(end);
        self.batch_bytes = batch.len();
        Ok(StreamBatch(batch))
    }

    /// Writes wanted items until there is no room, or enough was looked at; `true` if nothing more is
    /// durable.
    fn fill(&mut self, writer: &mut BatchWriter) -> Result<bool, Error> {
        let mut looked_at = 0;
        loop {
            if !self.is_in_frame && !self.begin_frame()? {
                return Ok(true);
            }
            if STREAM_RECORDS_MAX <= looked_at || !self.take(writer, &mut looked_at)? {
                return Ok(false);
            }
        }
    }

    /// Goes to the next frame; `false` if none is durable.
    fn begin_frame(&mut self) -> Result<bool, Error> {
        let durable = self.reads.durable().get();
        if self.frames.next()?.is_none() {
            self.frames.check_whole()?;
            self.frames.set_until(durable);
            if self.frames.next()?.is_none() {
                self.frames.check_whole()?;
                return Ok(false);
            }
        }
        self.is_in_frame = true;
        self.is_in_chain = false;
        let frame = self.frames.current().expect("a frame was just read");
        self.commits.clear();
        self.commits.extend(frame.commits());
        if frame.start() < self.cursor.lsn {
            // One that cannot be read is met again when the frame is looked at.
            let before = frame.records().map_while(Result::ok);
            for stored in before.take_while(|stored| stored.lsn <= self.cursor.lsn) {
                self.is_in_chain = items::is_in_chain(&stored.record, self.is_in_chain);
            }
        }
        Ok(true)
    }

    /// Writes wanted items of the frame in memory; `false` if one does not fit any more.
    ///
    /// # Errors
    /// After [`ErrorKind::Busy`] the batch holds nothing of what this call wrote: if it ended in the midst
    /// of a commit, nobody could say of its last item any more that nothing follows.
    fn take(&mut self, writer: &mut BatchWriter, looked_at: &mut usize) -> Result<bool, Error> {
        let start = (writer.mark(), self.cursor, self.time, self.is_in_chain);
        let taken = self.take_all_named(writer, looked_at);
        if taken.as_ref().is_err_and(|error| error.kind() == ErrorKind::Busy) {
            let mark;
            (mark, self.cursor, self.time, self.is_in_chain) = start;
            writer.undo(mark);
        }
        taken
    }

    /// The same, learning the names of accounts on the way.
    fn take_all_named(
        &mut self,
        writer: &mut BatchWriter,
        looked_at: &mut usize,
    ) -> Result<bool, Error> {
        loop {
            match self.take_named(writer, looked_at)? {
                ControlFlow::Continue(()) => break,
                ControlFlow::Break(Pause::Full) => return Ok(false),
                ControlFlow::Break(Pause::Unnamed) => self.learn_names()?,
            }
        }
        self.is_in_frame = false;
        Ok(true)
    }

    /// Writes wanted items of the frame in memory up to the first whose accounts nobody has named yet.
    fn take_named(
        &mut self,
        writer: &mut BatchWriter,
        looked_at: &mut usize,
    ) -> Result<ControlFlow<Pause>, Error> {
        let Subscription { reads, matcher, names, frames, cursor, time, is_in_chain, .. } = self;
        let frame = frames.current().expect("the frame stays until it was looked at");
        let items = Items { log: reads.log(), durable: frame.after().lsn, holds: None };
        let mut blocks = frame.blocks();
        let mut block = blocks.next().expect("a frame has a block");
        if frame.records_count() == 0 {
            (*cursor, *time) = (cursor_at(&block, frame.start()), frame.timestamp());
        }
        frame.visit_after(cursor.lsn, |stored, payload| {
            while block.header().end() <= stored.lsn {
                block = blocks.next().expect("a record lies in a block of its frame");
            }
            let here = cursor_at(&block, stored.lsn);
            if self.not_before <= stored.time && matcher.may_want(&stored.record) {
                let slots = items::slots_of(&stored.record);
                let Some(accounts) = slots.map_or(Some([AccountId::ZERO; 2]), |it| names.of(it))
                else {
                    return Ok(ControlFlow::Break(Pause::Unnamed));
                };
                if let Some(content) = items.content(stored, payload, accounts)?
                    && matcher.wants(&content)
                    && !writer.push(&StreamItem {
                        cursor: here,
                        time: stored.time,
                        // Whether more is wanted of its commit shows later.
                        ends_commit: false,
                        content,
                    })
                {
                    return Ok(ControlFlow::Break(Pause::Full));
                }
            }
            *is_in_chain = items::is_in_chain(&stored.record, *is_in_chain);
            if !*is_in_chain && !is_within(&self.commits, stored.lsn) {
                writer.end_commit();
            }
            (*cursor, *time) = (here, stored.time);
            *looked_at += 1;
            Ok::<_, Error>(ControlFlow::Continue(()))
        })
    }

    /// Asks who the accounts are of all that may be wanted of the rest of the frame in memory.
    fn learn_names(&mut self) -> Result<(), Error> {
        let frame = self.frames.current().expect("the frame stays until it was looked at");
        let all: ControlFlow<()> = frame.visit_after(self.cursor.lsn, |stored, _| {
            if self.matcher.may_want(&stored.record) {
                self.names.need(&stored.record);
            }
            Ok::<_, Error>(ControlFlow::Continue(()))
        })?;
        assert!(all.is_continue());
        self.names.learn(&self.reads)
    }
}

/// Why a frame is not gone through to its end.
enum Pause {
    /// The batch has no room for the next item.
    Full,
    /// The accounts of the next item have no names yet.
    Unnamed,
}

/// Whether more of a commit follows a record of its. Commits come one after the other.
fn is_within(commits: &[(Lsn, Lsn)], lsn: Lsn) -> bool {
    let next = commits.partition_point(|(_, end)| *end <= lsn);
    commits.get(next).is_some_and(|(first, _)| *first <= lsn)
}

fn cursor_at(block: &BlockView<'_>, lsn: Lsn) -> StreamCursor {
    StreamCursor { epoch: block.header().epoch, lsn, hash: block.hash() }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}

impl From<FilterTooLarge> for Error {
    fn from(error: FilterTooLarge) -> Error {
        Error::new(ErrorKind::Invalid, format!("{error}: subscribe with a smaller one"))
    }
}

/// What a caller is told of a start that this log does not have.
fn refused(start: StreamStart, no_way: NoWay, durable: Lsn) -> Error {
    let what = match start {
        StreamStart::After(cursor) => format!("the cursor {cursor}"),
        StreamStart::Time(time) => format!("the time {time}"),
        StreamStart::Begin | StreamStart::End => String::from("the beginning"),
    };
    match no_way {
        NoWay::Gone { first } => Error::new(
            ErrorKind::Gone,
            format!(
                "{what} is gone, this log begins at {first}: what lay between was moved away; begin \
                 elsewhere, knowing that it was missed"
            ),
        ),
        NoWay::Fork => Error::new(
            ErrorKind::Fork,
            format!(
                "{what} is of another history: this log has something else there. What was consumed \
                 after the fork did not happen here: compare, then begin from an older cursor"
            ),
        ),
        NoWay::NotYet => Error::new(
            ErrorKind::NotYet,
            format!(
                "{what} lies behind the end of this log, which is durable up to {durable}: it was \
                 rewound, or is a copy that is behind. Wait for it, or compare and begin from an \
                 older cursor"
            ),
        ),
        NoWay::NoRecord => Error::new(
            ErrorKind::Invalid,
            format!("{what} names no record of its block: take it as it was handed out"),
        ),
    }
}
