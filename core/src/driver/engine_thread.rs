//! The engine thread: takes what has arrived, runs one turn, hands frames and answers to the log.
//!
//! It waits for the preparer (room in the log) and for the log thread (when too many turns are
//! queued there), never for the background thread, an outbox or a reader; none of those that it
//! waits for ever waits for it.

use super::backstage::Backstage;
use super::durable::Durable;
use super::inbox::{Inbox, Rest, Task};
use super::intake::{Intake, Taken};
use super::log_thread::{TurnOutput, Waiting};
use super::promise::{Promise, stopped};
use super::release::Release;
use super::room::RoomAhead;
use crate::clock::{Clock, ClockWatch};
use crate::engine::{Engine, Outcome};
use crate::error::{Error, ErrorKind};
use crate::event::{Event, Observer};
use crate::following::mark;
use crate::following::standing::Standing;
use crate::group::Allegiance;
use crate::limits::{DIGEST_ITEMS_MAX, FOLLOW_TURN_BYTES, HAND_OVER_BYTES, RECENT_BYTES_MAX};
use crate::metrics::Metrics;
use crate::request::{Reply, Request};
use florin_ledger::{Lsn, Timestamp};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

/// How long nothing must have arrived before a witness frame is written.
const WITNESS_AFTER: Duration = Duration::from_millis(10);
/// How long what could not be done is left alone.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long the engine sleeps at most when nothing is due.
const SLEEP_MAX: Duration = Duration::from_secs(60);

pub(crate) struct EngineThread {
    pub(crate) engine: Engine,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) log: SyncSender<TurnOutput>,
    /// What answers may speak of; at a standby, what may be applied.
    pub(crate) durable: Arc<Durable>,
    pub(crate) room: Arc<RoomAhead>,
    pub(crate) backstage: Backstage,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<Metrics>,
    /// Something is due that can't be done now: a full disk, indexes that are behind, a clock that
    /// can't be trusted. It is tried again after [`RETRY_AFTER`], or when something arrives.
    pub(crate) is_blocked: bool,
    /// What it applies, if another decides.
    pub(crate) following: Option<Following>,
    /// Who follows this one.
    pub(crate) release: Arc<Release>,
    /// Where the last digest for those was taken.
    pub(crate) digested: Lsn,
    /// Log bytes between two of them.
    pub(crate) digest_bytes: u64,
    /// Nothing is decided for so long.
    pub(crate) rest: Option<Rest>,
    pub(crate) observer: Observer,
}

/// The standby's part of an engine.
pub(crate) struct Following {
    pub(crate) intake: Arc<Intake>,
    pub(crate) standing: Arc<Standing>,
    /// Where it is noted what the comparison of the states gave.
    pub(crate) allegiance: Arc<Allegiance>,
    /// Nothing is applied any more.
    pub(crate) is_at_end: bool,
}

impl EngineThread {
    /// Runs until a close is asked for, or the log has failed.
    pub(crate) fn run(mut self) {
        let intake = self.following.as_ref().map(|following| following.intake.clone());
        let guard = CloseOnDrop(self.inbox.clone(), intake);
        let watch = ClockWatch::new(&*self.clock);
        let mut tasks = Vec::new();
        let mut closing = None;
        while closing.is_none() && !self.inbox.is_closed() {
            self.inbox.take_turn(self.patience(), &mut tasks);
            let now = watch.now(&*self.clock);
            let started = (!tasks.is_empty()).then(|| self.clock.elapsed());
            closing = self.turn(&mut tasks, now);
            self.count_turn(started, now.err());
        }
        if let Some(promise) = closing {
            self.close(promise);
        }
        drop(guard);
    }

    fn count_turn(&self, started: Option<Duration>, jump: Option<Duration>) {
        let engine = &self.metrics.engine;
        engine.stands(&self.engine.status(), self.engine.conserved_frames());
        engine.documents_fill(self.engine.documents_fill_per_mille());
        engine.clock_jumped(jump.unwrap_or_default());
        if let Some(started) = started {
            engine.turn_ended(self.clock.elapsed().saturating_sub(started));
        }
    }

    /// How long to wait for a task before something else is due.
    fn patience(&self) -> Duration {
        if self.backstage.is_busy(&self.engine) {
            return Duration::ZERO;
        }
        if self.is_blocked {
            return RETRY_AFTER;
        }
        if let Some(following) = &self.following {
            let is_done = following.is_at_end || following.intake.is_empty();
            return if is_done { SLEEP_MAX } else { Duration::ZERO };
        }
        let until_end = match self.rest {
            Some(Rest::Until(until)) => until.saturating_sub(self.clock.elapsed()),
            Some(Rest::ForGood) | None => SLEEP_MAX,
        };
        let until_witness = if self.engine.is_witnessed() { SLEEP_MAX } else { WITNESS_AFTER };
        let now = self.clock.now();
        let until_expiry = self.engine.next_expiry().map_or(SLEEP_MAX, |due| {
            Duration::from_nanos(due.0.saturating_sub(now.0)).max(Duration::from_millis(1))
        });
        until_witness.min(until_expiry).min(until_end).min(SLEEP_MAX)
    }

    /// One turn: what is due, then what has arrived, in order.
    fn turn(
        &mut self,
        tasks: &mut Vec<Task>,
        now: Result<Timestamp, Duration>,
    ) -> Option<Promise<()>> {
        self.engine.set_durable(self.durable.get());
        self.engine.set_room(self.room.room());
        let mut output = TurnOutput::default();
        if let Some(Rest::Until(until)) = self.rest
            && until <= self.clock.elapsed()
        {
            self.rest = None;
        }
        let (mut closing, mut room) = (None, RECENT_BYTES_MAX);
        if self.following.is_some() {
            self.is_blocked = !self.apply_what_came();
        } else if self.rest.is_none() {
            let expired = now.is_ok_and(|now| self.expire_due(now, &mut output));
            self.is_blocked = !expired;
        }
        let is_idle = tasks.is_empty() && self.following.is_none();
        let is_gated = self.release.is_gated();
        let mut decided_bytes = 0;
        for task in tasks.drain(..) {
            decided_bytes += task.bytes();
            match task {
                Task::Request(request, promise) => {
                    let reply = self.execute(&request, now, &mut output);
                    self.metrics.engine.executed(&request, &reply);
                    let waiting = output.waiting(self.engine.is_all_durable() && !is_gated);
                    waiting.push(Waiting::Reply(promise, reply));
                }
                Task::Ask(ask, promise) => {
                    let answer = self.engine.answer(&ask, &mut room);
                    let is_durable = self.engine.is_all_durable()
                        || answer.as_ref().is_ok_and(|it| self.engine.is_durable(&ask, it));
                    output.waiting(is_durable && !is_gated).push(Waiting::Answer(promise, answer));
                }
                Task::Rest(rest, promise) => {
                    self.begin_rest(rest, &mut output);
                    // A standby has nothing to wait for.
                    let waiting = output.waiting(self.following.is_some());
                    waiting.push(Waiting::Reply(promise, Ok(Reply::Recorded)));
                }
                Task::Close(promise) => closing = Some(promise),
            }
            // The disk works on these while the engine decides the next, and their callers can go on.
            if HAND_OVER_BYTES <= decided_bytes {
                self.hand_over(&mut output);
                decided_bytes = 0;
            }
        }
        if is_idle {
            output.frames.extend(self.engine.end_turn());
            self.is_blocked |= !self.engine.witness();
        }
        self.hand_over(&mut output);
        self.digest_if_due();
        self.backstage.step(&mut self.engine);
        closing
    }

    /// Applies frames that are durable here, a turn's worth; `false` if there are some and the indexes have
    /// no room for them now.
    fn apply_what_came(&mut self) -> bool {
        let Some(following) = &mut self.following else { return true };
        let mut bytes = 0;
        while bytes < FOLLOW_TURN_BYTES && !following.is_at_end {
            if !self.engine.has_room_to_follow() {
                return following.intake.is_empty();
            }
            let Some(taken) = following.intake.take() else { return true };
            let applied = match taken {
                Taken::Frame(frame) => {
                    bytes += frame.bytes();
                    // It was durable before it came here.
                    self.engine.set_durable(self.durable.get());
                    self.engine
                        .follow(&frame.view())
                        .map(|()| self.release.apply(self.engine.applied()))
                }
                Taken::Digest(at, digest) => compare(&self.engine, following, at, digest),
            };
            if let Err(error) = applied {
                following.is_at_end = true;
                following.intake.refuse(error.clone());
                following.standing.stopped(&error);
                self.observer.tell(&Event::StandbyStopped(error));
            }
        }
        true
    }

    /// For those who follow: what the state hashes to, now and then.
    fn digest_if_due(&mut self) {
        let applied = self.engine.applied();
        let is_due = self.digest_bytes <= applied.0 - self.digested.0
            && self.engine.digest_items() <= DIGEST_ITEMS_MAX;
        if self.following.is_some() || !self.release.is_followed() {
            return;
        }
        // However large the state is: whoever goes on from an old primary's directory is rare, and waits for it.
        if is_due || self.release.take_wish_for_digest() {
            self.digested = applied;
            self.release.remember_digest(applied, self.engine.digest());
        }
    }

    fn execute(
        &mut self,
        request: &Request,
        now: Result<Timestamp, Duration>,
        output: &mut TurnOutput,
    ) -> Result<Reply, Error> {
        if let Some(following) = &self.following
            && request.is_write()
        {
            return Err(on_a_standby(&following.standing.primary()));
        }
        if let Some(rest) = self.rest
            && request.is_write()
        {
            return Err(resting(rest));
        }
        let now = match now {
            Ok(now) => now,
            Err(jump) if request.is_write() => return Err(clock_jumped(jump)),
            Err(_) => Timestamp::NONE,
        };
        loop {
            match self.engine.execute(request, now) {
                Outcome::Done(reply) => return reply.map(|reply| self.complete(reply)),
                Outcome::NeedsRoom(until) => self.await_room(until, output)?,
            }
        }
    }

    /// Puts what only the driver knows into a status.
    fn complete(&self, reply: Reply) -> Reply {
        match reply {
            Reply::Status(mut status) => {
                status.durable = self.durable.get();
                status.disk_full = self.room.is_full();
                Reply::Status(status)
            }
            reply => reply,
        }
    }

    /// Lets go what is decided, then waits for the preparer.
    fn await_room(&mut self, until: Lsn, output: &mut TurnOutput) -> Result<(), Error> {
        self.hand_over(output);
        let room = self.room.wait(until, |room| until <= room.ordinary)?;
        self.engine.set_room(room);
        Ok(())
    }

    /// Expires every hold that is due; `false` if that can't be done now. On a full disk they stay due; decisions count them as
    /// expired by being refused until there is room.
    fn expire_due(&mut self, now: Timestamp, output: &mut TurnOutput) -> bool {
        loop {
            match self.engine.expire_due(now) {
                Outcome::Done(Ok(true)) => self.hand_over(output),
                Outcome::Done(expired) => return expired.is_ok(),
                Outcome::NeedsRoom(until) => {
                    self.hand_over(output);
                    match self.room.wait(until, |room| until <= room.reserved) {
                        Ok(room) => self.engine.set_room(room),
                        Err(_) => return false,
                    }
                }
            }
        }
    }

    /// Hands finished frames, and the answers that wait for them, to the log.
    fn hand_over(&mut self, output: &mut TurnOutput) {
        output.frames.extend(self.engine.end_turn());
        let settled = std::mem::take(&mut output.settled);
        if !output.frames.is_empty() || !output.answers.is_empty() {
            self.room.use_until(self.engine.applied());
            // A log thread that is gone has closed the inbox; the promises answer by being dropped.
            drop(self.log.send(std::mem::take(output)));
        }
        // The disk is at work already: nothing waits while others are woken.
        settled.into_iter().for_each(Waiting::release);
    }

    /// Decides nothing from now on, and says in a last frame that all before it is durable.
    fn begin_rest(&mut self, rest: Rest, output: &mut TurnOutput) {
        // What is for good does not end.
        self.rest = if self.rest == Some(Rest::ForGood) { self.rest } else { Some(rest) };
        if self.following.is_none() {
            output.frames.extend(self.engine.end_turn());
            // Without room there is none, and nothing is lost by that.
            self.engine.witness();
            output.frames.extend(self.engine.end_turn());
        }
    }

    /// Answers what was accepted, checkpoints, and says so.
    fn close(mut self, promise: Promise<()>) {
        self.inbox.close();
        if self.following.is_none() {
            self.engine.witness();
        }
        self.hand_over(&mut TurnOutput::default());
        let checkpointed = self.backstage.finish(&mut self.engine);
        drop(self.log);
        promise.resolve(checkpointed);
    }
}

/// However the engine thread ends, nobody is left waiting for it: neither who asks nor who copies frames.
struct CloseOnDrop(Arc<Inbox>, Option<Arc<Intake>>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close_because(stopped());
        if let Some(intake) = &self.1 {
            intake.refuse(stopped());
        }
    }
}

/// Compares the state with what the primary's was at the same position.
fn compare(engine: &Engine, following: &Following, at: Lsn, digest: [u8; 32]) -> Result<(), Error> {
    if at != engine.applied() {
        // Of a position before the one that this copy went on from.
        return Ok(());
    }
    if engine.digest() == digest {
        following.allegiance.compared()?;
        following.standing.compared(at);
        return Ok(());
    }
    let difference = mark::difference(at);
    // On record, so that nobody promotes it, or goes on with it, after a restart.
    match following.allegiance.differs(at) {
        Ok(()) => Err(difference),
        Err(error) => {
            Err(Error::corrupt(format!("{difference}; that could not be noted: {error}")))
        }
    }
}

fn resting(rest: Rest) -> Error {
    match rest {
        Rest::ForGood => Error::new(
            ErrorKind::Stopped,
            "the database is stopping and decides nothing more; nothing happened: send it again later",
        ),
        Rest::Until(_) => Error::new(
            ErrorKind::Busy,
            "another node is about to decide; nothing happened: send it again in a moment",
        ),
    }
}

fn on_a_standby(primary: &str) -> Error {
    let whose = if primary.is_empty() {
        String::from("no primary is known yet")
    } else {
        format!("its primary is {primary}")
    };
    let message = format!("this is a standby and decides nothing; nothing happened: {whose}");
    Error::new(ErrorKind::Standby, message)
}

fn clock_jumped(jump: Duration) -> Error {
    Error::new(
        ErrorKind::ClockJumped,
        format!(
            "the machine's clock has jumped {} s ahead of elapsed time, writes are refused: check \
             the clock; if it is right now, restart to confirm it",
            jump.as_secs()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::intake::INTAKE_BYTES_MAX;
    use crate::error::ErrorKind;

    /// Prevents: a standby that hangs when it stops, since its engine has died and whoever copies frames waits for
    /// it to apply some.
    #[test]
    fn whoever_copies_frames_does_not_wait_for_an_engine_that_has_died() {
        let (inbox, intake) = (Arc::new(Inbox::default()), Arc::new(Intake::default()));
        let item_bytes = size_of::<Taken>();
        let items = INTAKE_BYTES_MAX.div_ceil(item_bytes);
        intake.put((0..items).map(|_| Taken::Digest(Lsn(1), [0; 32])));
        let guard = CloseOnDrop(inbox.clone(), Some(intake.clone()));
        let copying = std::thread::spawn({
            let intake = intake.clone();
            move || intake.wait_for_room()
        });
        drop(guard);
        assert_eq!(copying.join().unwrap().unwrap_err().kind(), ErrorKind::Stopped);
        assert!(inbox.is_closed());
        // Nobody takes what is put now, so it must not pile up.
        intake.put([Taken::Digest(Lsn(1), [0; 32])]);
        assert!(intake.is_empty());
    }
}
