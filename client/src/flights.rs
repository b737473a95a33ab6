//! The requests of one connection that wait for their replies.

use crate::failure::Failure;
use bytes::Bytes;
use florin_wire::Refusal;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

/// How a request is told what became of it.
pub(crate) type Ticket = oneshot::Sender<Result<Bytes, Failure>>;

/// A request that is being sent or waits for its reply.
pub(crate) struct Flight {
    operation: u16,
    ticket: Ticket,
    /// Where the batches of a stream go, before its reply.
    batches: Option<UnboundedSender<Bytes>>,
    began: Instant,
    /// Held until the reply is there, even if its caller gave up: the bound is on what the server
    /// still has to do.
    _place: OwnedSemaphorePermit,
}

impl Flight {
    pub(crate) fn new(operation: u16, ticket: Ticket, place: OwnedSemaphorePermit) -> Flight {
        Flight { operation, ticket, batches: None, began: Instant::now(), _place: place }
    }

    /// The same, with batches that come before its reply. Their number needs no bound of its own:
    /// a server sends no more than it was granted.
    pub(crate) fn with_batches(self, batches: Option<UnboundedSender<Bytes>>) -> Flight {
        Flight { batches, ..self }
    }
}

/// How a connection ended.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// Without a last word: what was sent may or may not have taken effect.
    Lost(String),
    /// With one: what has no reply did not take effect.
    LastWord(Refusal),
}

/// The requests of one connection that wait, until it ends.
pub(crate) struct Flights(Mutex<State>);

enum State {
    Open { waiting: HashMap<u64, Flight>, last_heard: Instant },
    Ended(End),
}

impl Flights {
    pub(crate) fn new(now: Instant) -> Flights {
        Flights(Mutex::new(State::Open { waiting: HashMap::new(), last_heard: now }))
    }

    /// Notes that a request is about to be written. Once the connection has ended the request is
    /// told that it was not sent, and must not be.
    pub(crate) fn begin(&self, id: u64, flight: Flight) -> bool {
        match &mut *self.lock() {
            State::Open { waiting, .. } => {
                waiting.insert(id, flight);
                true
            }
            State::Ended(end) => {
                // Its caller may have given up.
                let _ = flight.ticket.send(Err(end.of_unsent()));
                false
            }
        }
    }

    /// Hands a reply to its request. `false` if no such request waits.
    pub(crate) fn land(
        &self,
        id: u64,
        operation: u16,
        reply: Result<Bytes, Failure>,
        now: Instant,
    ) -> bool {
        let State::Open { waiting, last_heard } = &mut *self.lock() else { return true };
        *last_heard = now;
        match waiting.remove(&id) {
            Some(flight) if flight.operation == operation => {
                // Its caller may have given up.
                let _ = flight.ticket.send(reply);
                true
            }
            Some(flight) => {
                waiting.insert(id, flight);
                false
            }
            None => false,
        }
    }

    /// Hands a batch to its stream. `false` if there is no such stream.
    pub(crate) fn pass(&self, id: u64, batch: Bytes, now: Instant) -> bool {
        let State::Open { waiting, last_heard } = &mut *self.lock() else { return true };
        *last_heard = now;
        match waiting.get(&id).and_then(|flight| flight.batches.as_ref()) {
            Some(batches) => {
                // Its reader may have gone, and its connection goes after it.
                let _ = batches.send(batch);
                true
            }
            None => false,
        }
    }

    /// Since when a reply has been owed without a word of any kind; `None` if none is owed.
    pub(crate) fn silent_since(&self) -> Option<Instant> {
        match &*self.lock() {
            State::Open { waiting, last_heard } => {
                let oldest = waiting.values().map(|flight| flight.began).min()?;
                Some(oldest.max(*last_heard))
            }
            State::Ended(_) => None,
        }
    }

    /// Ends the connection: tells every request what that means for it. Only the first end counts.
    pub(crate) fn end(&self, end: End) {
        let mut state = self.lock();
        if let State::Open { waiting, .. } = &mut *state {
            for (_, flight) in waiting.drain() {
                // Its caller may have given up.
                let _ = flight.ticket.send(Err(end.of_sent()));
            }
            *state = State::Ended(end);
        }
    }

    /// What a request is told that the connection never took; `None` while it is open.
    pub(crate) fn ended(&self) -> Option<Failure> {
        match &*self.lock() {
            State::Open { .. } => None,
            State::Ended(end) => Some(end.of_unsent()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is whole, so a panic elsewhere left nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl End {
    fn of_sent(&self) -> Failure {
        match self {
            End::Lost(message) => Failure::Lost(message.clone()),
            End::LastWord(refusal) => Failure::Refused(refusal.clone()),
        }
    }

    fn of_unsent(&self) -> Failure {
        match self {
            End::Lost(message) => Failure::NotSent(message.clone()),
            End::LastWord(refusal) => Failure::NotSent(refusal.message.clone()),
        }
    }
}
