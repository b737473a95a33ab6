//! Room in the log, made ahead. The preparer's thread makes it and publishes it here; the engine
//! reserves against it and waits only while more is being made: a full disk is an answer.

use super::promise::stopped;
use crate::error::{Error, ErrorKind};
use crate::log::{PrepareError, Preparer, Room};
use florin_ledger::Lsn;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The least that the engine must have come on for the preparer to look.
const GOAL_STEP_BYTES: u64 = 256 << 10;
/// How long a full disk is left alone before it is tried again without being asked.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Shared between the preparer's thread and the engine.
pub(crate) struct RoomAhead {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    room: Room,
    /// How far the engine has come, or wants to.
    goal: Lsn,
    /// Why the last attempt to make room failed, if it did.
    refusal: Option<Error>,
    /// The engine waits: try again at once.
    is_wanted: bool,
    is_stopped: bool,
}

impl RoomAhead {
    pub(crate) fn new(room: Room, goal: Lsn) -> RoomAhead {
        let state = State { room, goal, refusal: None, is_wanted: false, is_stopped: false };
        RoomAhead { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// The room there is, whatever the engine has used of it.
    pub(crate) fn room(&self) -> Room {
        self.lock().room
    }

    /// Whether the last attempt to make room failed.
    pub(crate) fn is_full(&self) -> bool {
        self.lock().refusal.is_some()
    }

    /// Says how far the engine has come. The preparer is not woken for a few bytes: small turns come
    /// tens of thousands a second.
    pub(crate) fn use_until(&self, applied: Lsn) {
        let mut state = self.lock();
        if state.goal.0 + GOAL_STEP_BYTES <= applied.0 {
            state.goal = applied;
            drop(state);
            self.changed.notify_all();
        }
    }

    /// Waits until there is `enough` room for something that ends at `until`.
    ///
    /// # Errors
    /// [`ErrorKind::DiskFull`] or [`ErrorKind::Io`] if making it has just failed.
    pub(crate) fn wait(&self, until: Lsn, enough: impl Fn(Room) -> bool) -> Result<Room, Error> {
        let mut state = self.lock();
        state.goal = state.goal.max(until);
        state.is_wanted = true;
        state.refusal = None;
        self.changed.notify_all();
        let mut state = self
            .changed
            .wait_while(state, |state| {
                !enough(state.room) && state.refusal.is_none() && !state.is_stopped
            })
            .unwrap_or_else(PoisonError::into_inner);
        state.is_wanted = false;
        if enough(state.room) {
            return Ok(state.room);
        }
        Err(state.refusal.clone().unwrap_or_else(stopped))
    }

    /// Ends the preparer's thread, and the engine's wait.
    pub(crate) fn stop(&self) {
        self.lock().is_stopped = true;
        self.changed.notify_all();
    }

    /// Waits until room up to some goal is wanted; `None` when the thread shall end.
    fn next_goal(&self, preparer: &Preparer) -> Option<Lsn> {
        let state = self.lock();
        let is_idle = |state: &mut State| {
            !state.is_stopped && !state.is_wanted && !preparer.wants(state.goal)
        };
        let mut state = if state.refusal.is_some() && !state.is_wanted {
            let is_left_alone = |state: &mut State| !state.is_stopped && !state.is_wanted;
            let waited = self.changed.wait_timeout_while(state, RETRY_AFTER, is_left_alone);
            waited.unwrap_or_else(PoisonError::into_inner).0
        } else {
            self.changed.wait_while(state, is_idle).unwrap_or_else(PoisonError::into_inner)
        };
        state.is_wanted = false;
        if state.is_stopped { None } else { Some(state.goal) }
    }

    fn publish(&self, made: Result<Room, PrepareError>) {
        let mut state = self.lock();
        match made {
            Ok(room) => {
                state.room = room;
                state.refusal = None;
            }
            Err(error) => state.refusal = Some(refusal(&error)),
        }
        drop(state);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The preparer's thread: makes room as the engine uses it, a slice at a time.
pub(crate) fn run(mut preparer: Preparer, room: &Arc<RoomAhead>) -> Preparer {
    let _guard = StopOnDrop(room);
    while let Some(goal) = room.next_goal(&preparer) {
        room.publish(preparer.advance(goal));
    }
    preparer
}

/// However the preparer's thread ends, the engine is not left waiting for it.
struct StopOnDrop<'room>(&'room RoomAhead);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

fn refusal(error: &PrepareError) -> Error {
    match error {
        PrepareError::DiskFull => Error::new(
            ErrorKind::DiskFull,
            "the disk has no room for more log; nothing happened and reads go on: make room, then \
             send it again",
        ),
        PrepareError::Io(_) => Error::new(
            ErrorKind::Io,
            format!(
                "{error}; nothing happened and reads go on: check the disk, then send it again"
            ),
        ),
    }
}
