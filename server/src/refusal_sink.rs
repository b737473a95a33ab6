//! Who hears of requests that a key was not allowed to make.

use florin_ledger::{LedgerId, TableId};
use florin_wire::{Operation, PublicKey, Role};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// A request that a key was not allowed to make. Only keys that were proved get so far: nothing
/// that a stranger does ever becomes one of these.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Forbidden {
    /// Who asked.
    pub key: PublicKey,
    /// Its name.
    pub key_name: String,
    /// What for.
    pub operation: Operation,
    /// The role that it lacks, or by which it could have asked within its limits.
    pub role: Role,
    /// What it may not touch; `None` if it lacks the role.
    pub resource: Option<Resource>,
}

/// What a request concerns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resource {
    /// The ledger of an event, with its index in the batch.
    EventLedger {
        /// From 0.
        event_index: usize,
        /// As the event names it; zero if it leaves it to the hold that it settles.
        ledger: LedgerId,
    },
    /// The ledger that a question names; zero if it asks about all.
    Ledger(LedgerId),
    /// A table whose documents it would read, need or write.
    Table(TableId),
    /// More than one ledger and table: what is not cut to a key's limits, like a stream, a limited
    /// key does not get.
    Everything,
}

/// Hears of every request refused by role or limit. Called on the server's tasks: must not block.
pub trait RefusalSink: Send + Sync + 'static {
    /// One request was refused.
    fn forbidden(&self, forbidden: &Forbidden);
}

/// Counts refusals and keeps nothing of them.
#[derive(Default, Debug)]
pub struct CountedRefusals(AtomicU64);

impl CountedRefusals {
    /// Refusals so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl RefusalSink for CountedRefusals {
    fn forbidden(&self, _: &Forbidden) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Forbidden { key_name, role, .. } = self;
        let operation = self.operation.name();
        match self.resource {
            None => {
                write!(f, "the key `{key_name}` has not the role {role}, which {operation} needs")
            }
            Some(Resource::EventLedger { event_index, ledger: LedgerId(0) }) => write!(
                f,
                "the key `{key_name}` may {role} in some ledgers only, and event {event_index} of \
                 {operation} names none: name the ledger, of a hold too"
            ),
            Some(Resource::EventLedger { event_index, ledger }) => write!(
                f,
                "the key `{key_name}` may not {role} in ledger {ledger}, which event {event_index} \
                 of {operation} names"
            ),
            Some(Resource::Ledger(LedgerId(0))) => write!(
                f,
                "the key `{key_name}` may {role} in some ledgers only, and {operation} names none: \
                 name one"
            ),
            Some(Resource::Table(table)) => write!(
                f,
                "the key `{key_name}` may not {role} in table {table}, which {operation} names"
            ),
            Some(Resource::Everything) => write!(
                f,
                "the key `{key_name}` is limited to some ledgers or tables, and {operation} is not \
                 cut to them: use a key without limits"
            ),
            Some(Resource::Ledger(ledger)) => write!(
                f,
                "the key `{key_name}` may not {role} in ledger {ledger}, which {operation} names"
            ),
        }
    }
}
