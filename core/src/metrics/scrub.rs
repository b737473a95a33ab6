//! What the scrubber counts: how far it has come, what it found, and the sums of every ledger.

use super::instrument::{Counter, Gauge};
use super::nanoseconds;
use crate::scrub::{Check, Finding};
use florin_ledger::query::TrialBalance;
use florin_ledger::trial::LedgerSums;
use florin_ledger::{LedgerId, Lsn};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Written by the scrubber's thread alone.
#[derive(Debug, Default)]
pub(crate) struct ScrubMetrics {
    checks: [CheckMetrics; Check::ALL.len()],
    log_position: Gauge,
    /// Taken a few times a minute; nobody waits long for it.
    sums: Mutex<Option<Sums>>,
}

#[derive(Debug, Default)]
struct CheckMetrics {
    passes: Counter,
    bytes: Counter,
    found: Counter,
    standing: Gauge,
    /// When the last pass ended, by the clock's elapsed time.
    ended_ns: Gauge,
}

#[derive(Clone, Debug)]
struct Sums {
    position: Lsn,
    ledgers: LedgerSums,
    taken: Duration,
}

/// The scrubber.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScrubFigures {
    /// Each check.
    pub checks: Vec<CheckFigures>,
    /// Where the pass over the log is.
    pub log_position: Lsn,
    /// What was found and still holds, as far as it is kept.
    pub findings: Vec<Finding>,
    /// The sums of every ledger, added afresh; `None` before the first pass.
    pub conservation: Option<ConservationFigures>,
}

/// One check of the scrubber.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CheckFigures {
    /// Which.
    pub check: Check,
    /// Whole passes.
    pub passes: u64,
    /// What was read, as it counts against the rate.
    pub bytes: u64,
    /// Findings so far; each counts once as long as it stays.
    pub found: u64,
    /// Findings that still hold.
    pub standing: u64,
    /// Time since the last pass ended; `None` before the first has.
    pub age: Option<Duration>,
}

/// The sums of every ledger at one position.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConservationFigures {
    /// The sums are exact here.
    pub position: Lsn,
    /// Time since they were taken.
    pub age: Duration,
    /// Ascending; `None` where a sum does not fit an amount.
    pub ledgers: Vec<(LedgerId, Option<TrialBalance>)>,
    /// The ledgers on which debits and credits differ.
    pub unbalanced: Vec<LedgerId>,
}

impl ScrubMetrics {
    pub(crate) fn read(&self, check: Check, bytes: u64) {
        self.checks[check.index()].bytes.add(bytes);
    }

    pub(crate) fn found(&self, check: Check) {
        self.checks[check.index()].found.add(1);
    }

    pub(crate) fn stand(&self, check: Check, count: u64) {
        self.checks[check.index()].standing.set(count);
    }

    pub(crate) fn pass_ended(&self, check: Check, now: Duration) {
        let metrics = &self.checks[check.index()];
        metrics.ended_ns.set(nanoseconds(now));
        metrics.passes.add(1);
    }

    pub(crate) fn log_is_at(&self, position: Lsn) {
        self.log_position.set(position.0);
    }

    pub(crate) fn summed(&self, position: Lsn, ledgers: LedgerSums, taken: Duration) {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        *sums = Some(Sums { position, ledgers, taken });
    }

    pub(crate) fn figures(&self, findings: Vec<Finding>, now: Duration) -> ScrubFigures {
        let of_check = |check: &Check| {
            let metrics = &self.checks[check.index()];
            let passes = metrics.passes.get();
            let ended = Duration::from_nanos(metrics.ended_ns.get());
            CheckFigures {
                check: *check,
                passes,
                bytes: metrics.bytes.get(),
                found: metrics.found.get(),
                standing: metrics.standing.get(),
                age: (passes != 0).then(|| now.saturating_sub(ended)),
            }
        };
        let sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ScrubFigures {
            checks: Check::ALL.iter().map(of_check).collect(),
            log_position: Lsn(self.log_position.get()),
            findings,
            conservation: sums.map(|sums| ConservationFigures {
                position: sums.position,
                age: now.saturating_sub(sums.taken),
                ledgers: sums.ledgers.trial_balances().collect(),
                unbalanced: sums.ledgers.unbalanced().map(|(ledger, _)| ledger).collect(),
            }),
        }
    }
}
