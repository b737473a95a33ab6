//! The log thread: writes and syncs frames, then lets go what waited for them.
//!
//! It is also the **outbox**: every answer that speaks of something that is not durable yet, be it a refusal
//! or a read, passes through its queue behind the frames that it depends on, and leaves after the sync that
//! covers them, and, in synchronous mode, after standbys have acknowledged it ([`super::release`]). All that queued up
//! during one sync shares the next: group commit without a timer.
//!
//! A failed write or sync is final: the durable position never rises again, every answer that waits
//! becomes `stopped`, and nothing more is written. A sync is never tried twice, because after a
//! failure the kernel may have dropped the very pages that it would then report as clean.

use super::inbox::Inbox;
use super::promise::Promise;
use super::release::{LOOK_EVERY, Release};
use crate::clock::Clock;
use crate::engine::ask::Answer;
use crate::error::{Error, ErrorKind};
use crate::log::{Frame, LogReader, LogWriter, Stamped};
use crate::metrics::{Metrics, Synced};
use crate::request::Reply;
use florin_ledger::Lsn;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// What one turn of the engine leaves behind, or a piece of one: frames, and the answers that wait for
/// them.
#[derive(Default)]
pub(crate) struct TurnOutput {
    pub(crate) frames: Vec<Arc<Frame>>,
    pub(crate) answers: Vec<Waiting>,
    /// Answers that speak of nothing but what is durable: they do not get so far.
    pub(crate) settled: Vec<Waiting>,
}

impl TurnOutput {
    /// Where an answer goes that speaks of what is durable, or does not.
    pub(crate) fn waiting(&mut self, is_durable: bool) -> &mut Vec<Waiting> {
        if is_durable { &mut self.settled } else { &mut self.answers }
    }
}

/// An answer that waits for its frames.
pub(crate) enum Waiting {
    Reply(Promise<Reply>, Result<Reply, Error>),
    Answer(Promise<Answer>, Result<Answer, Error>),
}

impl Waiting {
    pub(crate) fn release(self) {
        match self {
            Waiting::Reply(promise, reply) => promise.resolve(reply),
            Waiting::Answer(promise, answer) => promise.resolve(answer),
        }
    }
}

/// Frame bytes written between two syncs at most, so that a sync does not grow without bound.
const WRITE_BYTES_MAX: usize = 16 << 20;

pub(crate) struct LogThread {
    pub(crate) writer: LogWriter,
    /// The end of what was made durable.
    pub(crate) end: Lsn,
    /// Whoever follows the log reads what is durable through it.
    pub(crate) reader: LogReader,
    pub(crate) turns: Receiver<TurnOutput>,
    pub(crate) release: Arc<Release>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) metrics: Arc<Metrics>,
    /// Tells how long writes and syncs take.
    pub(crate) clock: Arc<dyn Clock>,
}

impl LogThread {
    /// Runs until the engine hangs up and all is written, or the log fails.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut guard =
            Guard { release: self.release.clone(), inbox: self.inbox.clone(), is_armed: true };
        while let Some(turn) = self.next_turn() {
            let mut answers = Vec::new();
            if let Err(error) = self.commit(turn, &mut answers) {
                guard.say_why(&error);
                return Err(error);
            }
            self.release.make(self.end, answers);
        }
        guard.is_armed = false;
        self.writer.close()
    }

    /// The next turn; `None` once the engine hangs up. Looks now and then whether standbys that are waited
    /// for have been missing for too long.
    fn next_turn(&self) -> Option<TurnOutput> {
        while self.release.may_degrade() {
            match self.turns.recv_timeout(LOOK_EVERY) {
                Ok(turn) => return Some(turn),
                Err(RecvTimeoutError::Timeout) => self.release.look_again(),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
        self.turns.recv().ok()
    }

    /// Writes this turn and all that have queued up behind it, and syncs once.
    fn commit(&mut self, first: TurnOutput, answers: &mut Vec<Waiting>) -> io::Result<()> {
        let mut end = None;
        let mut bytes = 0;
        let mut frames_count = 0;
        let mut stamped = Vec::new();
        let mut next = Some(first);
        while let Some(turn) = next {
            for frame in &turn.frames {
                stamped.push(Arc::new(self.writer.append(frame, self.end)?));
                bytes += frame.bytes().len();
                frames_count += 1;
                end = Some(frame.end());
            }
            answers.extend(turn.answers);
            next = if bytes < WRITE_BYTES_MAX { self.turns.try_recv().ok() } else { None };
        }
        if let Some(end) = end {
            let (write, sync) = self.make_durable(end, stamped)?;
            let counters = self.writer.counters();
            let count = |items: usize| u64::try_from(items).expect("a usize fits 64 bits");
            self.metrics.log.synced(&Synced {
                frames_count,
                frame_bytes: count(bytes),
                answers_count: count(answers.len()),
                write,
                sync,
                written_bytes_total: counters.written_bytes,
                writes_total: counters.writes_count,
                syncs_total: counters.syncs_count,
            });
        }
        Ok(())
    }

    /// Says how long it wrote, and how long it synced.
    fn make_durable(
        &mut self,
        end: Lsn,
        stamped: Vec<Arc<Stamped>>,
    ) -> io::Result<(Duration, Duration)> {
        let started = self.clock.elapsed();
        self.writer.write()?;
        let written = self.clock.elapsed();
        self.writer.sync()?;
        self.reader.remember(stamped);
        self.end = end;
        let synced = self.clock.elapsed();
        Ok((written.saturating_sub(started), synced.saturating_sub(written)))
    }
}

/// However the log thread ends but by the engine hanging up, the log has failed.
struct Guard {
    release: Arc<Release>,
    inbox: Arc<Inbox>,
    is_armed: bool,
}

impl Guard {
    fn say_why(&self, error: &io::Error) {
        let message = format!(
            "writing the log failed ({error}); the engine has stopped: check the disk, then open \
             the database again and send what was not answered with the same ids"
        );
        self.inbox.close_because(Error::new(ErrorKind::Stopped, message));
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.is_armed {
            self.release.fail();
            self.inbox.close();
        }
    }
}
