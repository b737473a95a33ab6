//! How often a client has asked its ledger, how that ended, and how long it took: for whoever watches.

use crate::error::ClientError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Calls of a client and its clones.
#[derive(Default, Debug)]
pub(crate) struct Calls {
    answered: AtomicU64,
    refused: AtomicU64,
    not_sent: AtomicU64,
    unknown: AtomicU64,
    sum_ns: AtomicU64,
}

/// Calls of a client and its clones since it was made, as they were at one moment, or nearly. Streams are none.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct CallsNow {
    /// The ledger answered, whatever it said of what was asked.
    pub answered: u64,
    /// The ledger refused the request.
    pub refused: u64,
    /// Nothing was sent.
    pub not_sent: u64,
    /// Nobody knows what happened.
    pub unknown: u64,
    /// How long all of them took, in nanoseconds, what was sent again included.
    pub sum_ns: u64,
}

impl Calls {
    /// Counts one that has ended.
    pub(crate) fn count<T>(&self, took: Duration, result: &Result<T, ClientError>) {
        let counter = match result {
            Ok(_) => &self.answered,
            Err(ClientError::Refused { .. }) => &self.refused,
            Err(ClientError::NotSent { .. }) => &self.not_sent,
            Err(ClientError::Unknown { .. }) => &self.unknown,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.sum_ns.fetch_add(took, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> CallsNow {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CallsNow {
            answered: of(&self.answered),
            refused: of(&self.refused),
            not_sent: of(&self.not_sent),
            unknown: of(&self.unknown),
            sum_ns: of(&self.sum_ns),
        }
    }
}
