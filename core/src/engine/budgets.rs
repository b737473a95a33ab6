//! How many refusals of one caller are put on record: enough to see what it does, not so many that it
//! could fill the disk with them. What is over is counted, and the count is put on record when the
//! minute is over. Events of batches have a budget of their own: they are answered all the same when
//! it is spent, and must not be what keeps a commit from being decided.

use crate::commits::{Caller, CallerId};
use florin_ledger::Timestamp;
use florin_ledger::record::RefusalReason;
use std::collections::BTreeMap;

/// Refusals of one caller on record in a minute.
pub(super) const RECORDED_PER_MINUTE: u32 = 600;
/// Callers whose refusals are counted at the same time; those of any other are over at once.
const CALLERS_MAX: usize = 4_096;
const MINUTE: u64 = 60 * 1_000_000_000;

/// What the callers have left.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    minutes: BTreeMap<CallerId, Minute>,
    /// When the first count is due, if any is.
    counts_due: Option<Timestamp>,
}

/// A caller's minute.
#[derive(Debug)]
struct Minute {
    caller: Caller,
    end: Timestamp,
    /// Commits, and requests that a role forbids.
    requests: Spent,
    /// Events of batches.
    events: Spent,
}

#[derive(Debug, Default)]
struct Spent {
    recorded: u32,
    /// How many were over, and why the last one was.
    over: Option<(u32, RefusalReason)>,
}

/// Refusals of a caller that were over its budget.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Over {
    pub(super) caller: Caller,
    pub(super) count: u32,
    pub(super) reason: RefusalReason,
}

impl Minute {
    fn of(caller: &Caller, now: Timestamp) -> Minute {
        let end = now.after_ticks(MINUTE).unwrap_or(Timestamp::MAX);
        let (requests, events) = (Spent::default(), Spent::default());
        Minute { caller: caller.clone(), end, requests, events }
    }

    /// Whether it is over, and nothing is left to be told of it.
    fn is_past(&self, now: Timestamp) -> bool {
        self.end <= now && self.requests.over.is_none() && self.events.over.is_none()
    }

    fn take_over(&mut self) -> Option<(u32, RefusalReason)> {
        self.requests.over.take().or_else(|| self.events.over.take())
    }

    fn has_over(&self) -> bool {
        self.requests.over.is_some() || self.events.over.is_some()
    }
}

impl Budgets {
    /// Whether the next refusal of a caller's request is over its budget.
    pub(super) fn is_spent(&self, caller: &Caller, now: Timestamp) -> bool {
        match self.minutes.get(&caller.id()) {
            Some(minute) => now < minute.end && RECORDED_PER_MINUTE <= minute.requests.recorded,
            None => {
                CALLERS_MAX <= self.minutes.len()
                    && !self.minutes.values().any(|minute| minute.is_past(now))
            }
        }
    }

    /// Spends one refusal of a caller; `false`: it is over, and only counted.
    pub(super) fn spend(&mut self, caller: &Caller, reason: RefusalReason, now: Timestamp) -> bool {
        if !self.minutes.contains_key(&caller.id()) && CALLERS_MAX <= self.minutes.len() {
            self.minutes.retain(|_, minute| !minute.is_past(now));
            if CALLERS_MAX <= self.minutes.len() {
                return false;
            }
        }
        let minute = self.minutes.entry(caller.id()).or_insert_with(|| Minute::of(caller, now));
        if minute.is_past(now) {
            *minute = Minute::of(caller, now);
        }
        let end = minute.end;
        let is_of_batch = reason.is_of_batch();
        let spent = if is_of_batch { &mut minute.events } else { &mut minute.requests };
        if now < end && RECORDED_PER_MINUTE <= spent.recorded {
            let count = spent.over.map_or(0, |(count, _)| count);
            spent.over = Some((count.saturating_add(1), reason));
            self.counts_due = Some(self.counts_due.map_or(end, |first| first.min(end)));
            return false;
        }
        spent.recorded += 1;
        true
    }

    /// When the next count is due.
    pub(super) fn counts_due(&self) -> Option<Timestamp> {
        self.counts_due
    }

    /// Takes a count whose minute is over.
    pub(super) fn take_over(&mut self, now: Timestamp) -> Option<Over> {
        let is_due = |minute: &&mut Minute| minute.has_over() && minute.end <= now;
        let found = self.minutes.values_mut().find(is_due).and_then(|minute| {
            let (count, reason) = minute.take_over()?;
            Some(Over { caller: minute.caller.clone(), count, reason })
        });
        self.counts_due =
            self.minutes.values().filter(|minute| minute.has_over()).map(|it| it.end).min();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REASON: RefusalReason = RefusalReason::TooLate;

    fn caller(number: u64) -> Caller {
        Caller::new(CallerId(number), "")
    }

    /// Prevents: a caller without a role fills the log with its refusals; or they leave no trace.
    #[test]
    fn what_is_over_the_budget_is_counted_when_the_minute_is_over() {
        let mut budgets = Budgets::default();
        let (one, other) = (&caller(1), &caller(2));
        let start = Timestamp(1);
        for _ in 0..RECORDED_PER_MINUTE {
            assert!(!budgets.is_spent(one, start));
            assert!(budgets.spend(one, REASON, start));
        }
        assert_eq!(budgets.counts_due(), None);
        assert!(budgets.is_spent(one, start));
        assert!(!budgets.spend(one, REASON, start));
        assert!(!budgets.spend(one, RefusalReason::Hold, Timestamp(MINUTE)));
        assert!(budgets.spend(other, REASON, start), "budgets are each caller's own");
        let end = Timestamp(MINUTE + 1);
        assert_eq!(budgets.counts_due(), Some(end));
        assert_eq!(budgets.take_over(Timestamp(MINUTE)), None);
        let over = Over { caller: one.clone(), count: 2, reason: RefusalReason::Hold };
        assert_eq!(budgets.take_over(end), Some(over));
        assert_eq!((budgets.take_over(end), budgets.counts_due()), (None, None));
        assert!(budgets.spend(one, REASON, end), "the next minute");
    }

    /// Prevents: a batch of refused events that keeps the caller's commits from being decided.
    #[test]
    fn events_of_batches_spend_nothing_of_what_commits_have() {
        let reason = RefusalReason::BatchTransfer(florin_ledger::CreateTransferStatus::Exists);
        let mut budgets = Budgets::default();
        let (one, start) = (&caller(1), Timestamp(1));
        for _ in 0..=RECORDED_PER_MINUTE {
            budgets.spend(one, reason, start);
        }
        assert!(!budgets.is_spent(one, start) && budgets.spend(one, REASON, start));
        let over = Over { caller: one.clone(), count: 1, reason };
        assert_eq!(budgets.take_over(Timestamp(MINUTE + 1)), Some(over));
        assert_eq!(budgets.take_over(Timestamp(MINUTE + 1)), None);
    }

    /// Prevents: callers without number take memory without end.
    #[test]
    fn callers_are_bounded_and_make_room_when_their_minute_is_over() {
        let mut budgets = Budgets::default();
        for number in 0..u64::try_from(CALLERS_MAX).unwrap() {
            assert!(budgets.spend(&caller(number), REASON, Timestamp(1)));
        }
        let late = &caller(u64::MAX);
        assert!(budgets.is_spent(late, Timestamp(2)));
        assert!(!budgets.spend(late, REASON, Timestamp(2)));
        assert!(budgets.spend(late, REASON, Timestamp(MINUTE + 1)));
        assert_eq!(budgets.minutes.len(), 1);
    }
}
