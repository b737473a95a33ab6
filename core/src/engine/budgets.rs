//! How many refusals of one caller are put on record: enough to see what it does, not so many that it
//! could fill the disk with them. What is over is counted, and the count is put on record when the
//! minute is over. Events of batches have a budget of their own: they are answered all the same when
//! it is spent, and must not be what keeps a commit from being decided.

use crate::commits::CallerId;
use florin_ledger::Timestamp;
use florin_ledger::record::RefusalReason;
use std::collections::BTreeMap;

/// Refusals of one caller on record in a minute.
pub(super) const RECORDED_PER_MINUTE: u32 = 600;
/// Budgets that are kept at the same time; what needs one more is over at once.
const BUDGETS_MAX: usize = 4_096;
const MINUTE: u64 = 60 * 1_000_000_000;

/// What the callers have left.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    minutes: BTreeMap<(CallerId, Share), Minute>,
    /// When the first count is due, if any is.
    counts_due: Option<Timestamp>,
}

/// What a budget is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Share {
    /// Commits, and requests that a role forbids.
    Requests,
    /// Events of batches.
    Events,
}

impl Share {
    fn of(reason: RefusalReason) -> Share {
        if reason.is_of_batch() { Share::Events } else { Share::Requests }
    }
}

#[derive(Debug)]
struct Minute {
    end: Timestamp,
    recorded: u32,
    /// Refusals that were over, and why the last one was.
    over: u32,
    reason: RefusalReason,
}

/// Refusals of a caller that were over its budget.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Over {
    pub(super) caller: CallerId,
    pub(super) count: u32,
    pub(super) reason: RefusalReason,
}

impl Budgets {
    /// Whether the next refusal of a caller's request is over its budget.
    pub(super) fn is_spent(&self, caller: CallerId, now: Timestamp) -> bool {
        self.is_share_spent((caller, Share::Requests), now)
    }

    fn is_share_spent(&self, whose: (CallerId, Share), now: Timestamp) -> bool {
        match self.minutes.get(&whose) {
            Some(minute) => now < minute.end && RECORDED_PER_MINUTE <= minute.recorded,
            None => {
                BUDGETS_MAX <= self.minutes.len()
                    && self.minutes.values().all(|minute| now < minute.end)
            }
        }
    }

    /// Spends one refusal of a caller; `false`: it is over, and only counted.
    pub(super) fn spend(
        &mut self,
        caller: CallerId,
        reason: RefusalReason,
        now: Timestamp,
    ) -> bool {
        let whose = (caller, Share::of(reason));
        let is_spent = self.is_share_spent(whose, now);
        if !self.minutes.contains_key(&whose) && BUDGETS_MAX <= self.minutes.len() {
            self.minutes.retain(|_, minute| now < minute.end || minute.over != 0);
            if BUDGETS_MAX <= self.minutes.len() {
                return false;
            }
        }
        let end = now.after_ticks(MINUTE).unwrap_or(Timestamp::MAX);
        let fresh = Minute { end, recorded: 0, over: 0, reason };
        let minute = self.minutes.entry(whose).or_insert(fresh);
        if minute.end <= now && minute.over == 0 {
            *minute = Minute { end, recorded: 0, over: 0, reason };
        }
        if is_spent {
            minute.over = minute.over.saturating_add(1);
            minute.reason = reason;
            let due = minute.end;
            self.counts_due = Some(self.counts_due.map_or(due, |first| first.min(due)));
            return false;
        }
        minute.recorded += 1;
        true
    }

    /// When the next count is due.
    pub(super) fn counts_due(&self) -> Option<Timestamp> {
        self.counts_due
    }

    /// Takes a count whose minute is over.
    pub(super) fn take_over(&mut self, now: Timestamp) -> Option<Over> {
        let found =
            self.minutes.iter().find(|(_, minute)| minute.over != 0 && minute.end <= now).map(
                |((caller, _), minute)| Over {
                    caller: *caller,
                    count: minute.over,
                    reason: minute.reason,
                },
            );
        if let Some(over) = found {
            self.minutes.remove(&(over.caller, Share::of(over.reason)));
        }
        self.counts_due =
            self.minutes.values().filter(|minute| minute.over != 0).map(|minute| minute.end).min();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REASON: RefusalReason = RefusalReason::TooLate;

    /// Prevents: a caller without a role fills the log with its refusals; or they leave no trace.
    #[test]
    fn what_is_over_the_budget_is_counted_when_the_minute_is_over() {
        let mut budgets = Budgets::default();
        let (one, other) = (CallerId(1), CallerId(2));
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
        let over = Over { caller: one, count: 2, reason: RefusalReason::Hold };
        assert_eq!(budgets.take_over(end), Some(over));
        assert_eq!((budgets.take_over(end), budgets.counts_due()), (None, None));
        assert!(budgets.spend(one, REASON, end), "the next minute");
    }

    /// Prevents: callers without number take memory without end.
    #[test]
    fn callers_are_bounded_and_make_room_when_their_minute_is_over() {
        let mut budgets = Budgets::default();
        for caller in 0..u64::try_from(BUDGETS_MAX).unwrap() {
            assert!(budgets.spend(CallerId(caller), REASON, Timestamp(1)));
        }
        let late = CallerId(u64::MAX);
        assert!(budgets.is_spent(late, Timestamp(2)));
        assert!(!budgets.spend(late, REASON, Timestamp(2)));
        assert!(budgets.spend(late, REASON, Timestamp(MINUTE + 1)));
        assert_eq!(budgets.minutes.len(), 1);
    }
}
