//! How a standby stands to its primary: told by the follower and the engine, read by whoever asks.

use crate::clock::Clock;
use crate::error::{Error, ErrorKind};
use crate::group::Term;
use crate::shipping::StandbyStanding;
use florin_ledger::Lsn;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

/// Shared by the follower, the engine and whoever asks.
pub(crate) struct Standing {
    node: u128,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

type Promote = Box<dyn Fn(PromotionAsked) + Send>;

/// Somebody wants this standby promoted.
#[derive(Debug)]
pub struct PromotionAsked {
    /// Although something that was told may be lost.
    pub is_forced: bool,
    /// Takes the term that it will decide in, once that is known; [`Term::NONE`]: by force, whatever it is then.
    /// Dropped, it says that it won't.
    pub answer: SyncSender<Result<Term, Error>>,
}

#[derive(Default)]
struct State {
    primary: String,
    is_connected: bool,
    primary_end: Option<Lsn>,
    /// When all that the primary had was last here; before that ever was, when this was opened.
    in_step: Duration,
    was_in_step: bool,
    compared: Lsn,
    trouble: Option<String>,
    has_stopped: bool,
    promote: Option<Promote>,
}

impl Standing {
    pub(crate) fn new(primary: &str, node: u128, clock: Arc<dyn Clock>) -> Standing {
        let primary = primary.to_owned();
        let state = State { primary, in_step: clock.elapsed(), ..State::default() };
        Standing { node, clock, state: Mutex::new(state) }
    }

    /// Where the primary is; empty if nobody knows.
    pub(crate) fn primary(&self) -> String {
        self.lock().primary.clone()
    }

    pub(super) fn turn_to(&self, primary: &str) {
        primary.clone_into(&mut self.lock().primary);
    }

    pub(super) fn connected(&self) {
        let mut state = self.lock();
        state.is_connected = true;
        if !state.has_stopped {
            state.trouble = None;
        }
    }

    pub(super) fn disconnected(&self, reason: &str) {
        let mut state = self.lock();
        state.is_connected = false;
        if !state.has_stopped {
            state.trouble = Some(reason.to_owned());
        }
    }

    pub(super) fn heard(&self, primary_end: Lsn, position: Lsn) {
        let now = self.clock.elapsed();
        let mut state = self.lock();
        state.primary_end = Some(primary_end);
        if primary_end <= position {
            state.in_step = now;
            state.was_in_step = true;
        }
    }

    /// The state was found to be the primary's.
    pub(crate) fn compared(&self, at: Lsn) {
        self.lock().compared = at;
    }

    /// Following has ended for good.
    pub(crate) fn stopped(&self, reason: &Error) {
        let mut state = self.lock();
        state.has_stopped = true;
        state.trouble = Some(reason.to_string());
    }

    pub(super) fn on_promotion(&self, promote: Promote) {
        self.lock().promote = Some(promote);
    }

    pub(super) fn ask_for_promotion(&self, is_forced: bool) -> Result<Term, Error> {
        let (answer, answered) = mpsc::sync_channel(1);
        {
            let state = self.lock();
            let Some(promote) = &state.promote else {
                let message = "nobody here promotes: this database is embedded";
                return Err(Error::new(ErrorKind::Invalid, message));
            };
            promote(PromotionAsked { is_forced, answer });
        }
        answered.recv().unwrap_or_else(|_| {
            let message =
                "this standby is not promoted: it is stopping, or its promotion is under way";
            Err(Error::new(ErrorKind::Busy, message))
        })
    }

    pub(crate) fn standing(&self, durable: Lsn, applied: Lsn) -> StandbyStanding {
        let now = self.clock.elapsed();
        let state = self.lock();
        // What was compared since is applied, and what is applied is durable.
        let applied = applied.max(state.compared);
        let durable = durable.max(applied);
        StandbyStanding {
            primary: state.primary.clone(),
            node: self.node,
            is_connected: state.is_connected,
            durable,
            applied,
            primary_end: state.primary_end,
            lag: now.saturating_sub(state.in_step),
            was_in_step: state.was_in_step,
            compared: state.compared,
            trouble: state.trouble.clone(),
            has_stopped: state.has_stopped,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
