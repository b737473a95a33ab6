//! What a standby's engine has still to apply: frames that are durable here, in order, and digests at
//! their places between them. Whoever copies frames waits when the engine is behind; the engine never
//! waits.

use crate::error::Error;
use crate::log::Stamped;
use florin_ledger::Lsn;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes of frames that the engine may be behind.
pub(crate) const INTAKE_BYTES_MAX: usize = 64 << 20;

/// Something to apply, or to compare.
pub(crate) enum Taken {
    Frame(Arc<Stamped>),
    /// What the primary's whole state hashed to at a position.
    Digest(Lsn, [u8; 32]),
}

/// The queue. One follower puts, one engine takes.
#[derive(Default)]
pub(crate) struct Intake {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Taken>,
    bytes: usize,
    /// Why nothing is taken any more.
    refusal: Option<Error>,
}

impl Intake {
    /// Waits until the engine is not far behind.
    ///
    /// # Errors
    /// Why it takes nothing any more.
    pub(crate) fn wait_for_room(&self) -> Result<(), Error> {
        let state = self.lock();
        let is_full =
            |state: &mut State| INTAKE_BYTES_MAX <= state.bytes && state.refusal.is_none();
        let state = self.changed.wait_while(state, is_full).unwrap_or_else(PoisonError::into_inner);
        state.refusal.clone().map_or(Ok(()), Err)
    }

    /// What nobody takes any more is dropped.
    pub(crate) fn put(&self, items: impl IntoIterator<Item = Taken>) {
        let mut state = self.lock();
        for item in items {
            if state.refusal.is_some() {
                continue;
            }
            state.bytes += item.bytes();
            state.queue.push_back(item);
        }
    }

    pub(crate) fn take(&self) -> Option<Taken> {
        let mut state = self.lock();
        let item = state.queue.pop_front()?;
        state.bytes -= item.bytes();
        drop(state);
        self.changed.notify_all();
        Some(item)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().queue.is_empty()
    }

    /// Takes nothing any more, for the first reason given.
    pub(crate) fn refuse(&self, reason: Error) {
        let mut state = self.lock();
        state.refusal.get_or_insert(reason);
        state.queue.clear();
        state.bytes = 0;
        drop(state);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn bytes(&self) -> usize {
        match self {
            Taken::Frame(frame) => frame.bytes(),
            Taken::Digest(..) => size_of::<Taken>(),
        }
    }
}
