//! An account's history: its chain of postings, walked from the newest back through the log.
//!
//! The engine says where the chain begins and what the balances are there; everything else is read
//! from the immutable log on the caller's thread. Waypoints let a walk that begins in the past skip
//! ahead 32 postings at a time: each carries the balances after its posting, and where the waypoint
//! before it is.
//!
//! Costs: newest first, O(page) hops after O(postings / 32) to reach its start; oldest first, a
//! walk over everything from `timestamp_max` down to the page.

use super::posting::{Cause, Posting};
use super::{cursor_at, time_of};
use crate::driver::promise::stopped;
use crate::engine::ask::AccountPosition;
use crate::error::Error;
use crate::log::LogReader;
use florin_ledger::query::{AccountFilter, BalanceAt, Cursor};
use florin_ledger::record::{Balances, Record, WAYPOINT_INTERVAL};
use florin_ledger::{Code, Lsn, Timestamp, TransferFlags};
use florin_proof::AccountState;
use std::cell::Cell;
use std::collections::VecDeque;

/// A walk back along an account's chain of postings.
pub(super) struct Walk<'log> {
    log: &'log LogReader,
    durable: Lsn,
    account: AccountPosition,
    /// The next posting to visit, [`Lsn::NONE`] at the end.
    next: Lsn,
    /// The balances after that posting.
    balances: Balances,
}

/// One step of a walk: a posting, and the balances after it.
pub(super) struct Step {
    pub(super) posting: Posting,
    pub(super) balances: Balances,
}

impl<'log> Walk<'log> {
    /// A walk that begins with the account's newest posting.
    pub(super) fn new(log: &'log LogReader, durable: Lsn, account: AccountPosition) -> Walk<'log> {
        let (next, balances) = (account.last_posting, account.balances());
        Walk { log, durable, account, next, balances }
    }

    /// Skips, by waypoints, over postings that lie after those wanted; what `is_after` says of a
    /// posting must hold for every later one.
    pub(super) fn skip(&mut self, is_after: impl Fn(&Posting) -> bool) -> Result<(), Error> {
        let mut waypoint = self.account.last_waypoint;
        while waypoint.is_some() {
            let Record::Waypoint(record) = self.log.record(waypoint, self.durable)?.record else {
                return Err(Error::corrupt(format!(
                    "the record at {waypoint} is not a waypoint: run `florin verify`"
                )));
            };
            if !is_after(&self.posting(record.posting)?) {
                break;
            }
            (self.next, self.balances) = (record.posting, record.balances);
            waypoint = record.waypoint_prev;
        }
        Ok(())
    }

    /// The next older posting, `None` at the beginning of the account.
    pub(super) fn step(&mut self) -> Result<Option<Step>, Error> {
        if !self.next.is_some() {
            return Ok(None);
        }
        let posting = self.posting(self.next)?;
        assert!(posting.prev < posting.lsn, "a verified chain leads back");
        let step = Step { posting, balances: self.balances };
        self.balances = posting.take_back(self.balances, self.log, self.durable)?;
        self.next = posting.prev;
        Ok(Some(step))
    }

    /// Whether the account is closed after a posting; `None` if the posting leaves it as it was.
    fn closed_by(&self, posting: &Posting) -> Result<Option<bool>, Error> {
        let closing = if posting.is_debit {
            TransferFlags::CLOSING_DEBIT
        } else {
            TransferFlags::CLOSING_CREDIT
        };
        let released = match &posting.cause {
            Cause::Expiry(expiry) => expiry.hold,
            Cause::Transfer(record)
                if record.flags.contains(TransferFlags::VOID_PENDING_TRANSFER) =>
            {
                record.pending
            }
            Cause::Transfer(record) => return Ok(Some(record.flags.contains(closing))),
        };
        match self.log.record(released, self.durable)?.record {
            Record::Transfer(hold) if hold.flags.contains(closing) => Ok(Some(false)),
            Record::Transfer(_) => Ok(None),
            _ => Err(Error::corrupt(format!(
                "the record at {released} is not a hold: run `florin verify`"
            ))),
        }
    }

    fn posting(&self, lsn: Lsn) -> Result<Posting, Error> {
        Posting::read(self.log, self.account.slot, lsn, self.durable)
    }
}

/// The steps of a page in the order asked for, and where the next page starts.
pub(super) fn page(
    mut walk: Walk<'_>,
    filter: &AccountFilter,
    with_expiries: bool,
) -> Result<(Vec<Step>, Option<Cursor>), Error> {
    let limit = usize::try_from(filter.limit).expect("u32 fits usize");
    let wanted = |step: &Step| matches(filter, &step.posting, with_expiries);
    let latest = filter.timestamp_max;
    if filter.reversed {
        let from = filter.cursor.map(time_of);
        walk.skip(|posting| {
            is_later(posting, latest) || from.is_some_and(|from| from < posting.timestamp)
        })?;
        newest_first(walk, filter, from, limit, wanted)
    } else {
        walk.skip(|posting| is_later(posting, latest))?;
        oldest_first(walk, filter, limit, wanted)
    }
}

/// Whether a posting lies after the latest instant asked for.
fn is_later(posting: &Posting, latest: Timestamp) -> bool {
    latest != Timestamp::NONE && latest < posting.timestamp
}

fn newest_first(
    mut walk: Walk<'_>,
    filter: &AccountFilter,
    from: Option<Timestamp>,
    limit: usize,
    wanted: impl Fn(&Step) -> bool,
) -> Result<(Vec<Step>, Option<Cursor>), Error> {
    let mut steps = Vec::new();
    while let Some(step) = walk.step()? {
        if step.posting.timestamp < filter.timestamp_min {
            break;
        }
        if from.is_some_and(|from| from < step.posting.timestamp) || !wanted(&step) {
            continue;
        }
        if steps.len() == limit {
            return Ok((steps, Some(cursor_at(step.posting.timestamp))));
        }
        steps.push(step);
    }
    Ok((steps, None))
}

fn oldest_first(
    mut walk: Walk<'_>,
    filter: &AccountFilter,
    limit: usize,
    wanted: impl Fn(&Step) -> bool,
) -> Result<(Vec<Step>, Option<Cursor>), Error> {
    let from = filter.cursor.map_or(filter.timestamp_min, time_of);
    // The walk comes from the newest: the page is what was seen last, and one more.
    let mut seen: VecDeque<Step> = VecDeque::new();
    while let Some(step) = walk.step()? {
        if step.posting.timestamp < filter.timestamp_min.max(from) {
            break;
        }
        if wanted(&step) {
            seen.push_back(step);
            if limit + 1 < seen.len() {
                seen.pop_front();
            }
        }
    }
    let next = if limit < seen.len() { seen.pop_front() } else { None };
    let cursor = next.map(|step| cursor_at(step.posting.timestamp));
    Ok((seen.into_iter().rev().collect(), cursor))
}

fn matches(filter: &AccountFilter, posting: &Posting, with_expiries: bool) -> bool {
    let in_time = filter.timestamp_min <= posting.timestamp
        && (filter.timestamp_max == Timestamp::NONE || posting.timestamp <= filter.timestamp_max);
    let on_side = if posting.is_debit { filter.debits } else { filter.credits };
    if !in_time || !on_side {
        return false;
    }
    match &posting.cause {
        Cause::Expiry(_) => with_expiries && !asks_of_transfers(filter),
        Cause::Transfer(record) => {
            (filter.code == Code(0) || filter.code == record.code)
                && (filter.user_data_128 == 0 || filter.user_data_128 == record.user_data_128)
                && (filter.user_data_64 == 0 || filter.user_data_64 == record.user_data_64)
                && (filter.user_data_32 == 0 || filter.user_data_32 == record.user_data_32)
        }
    }
}

/// Whether the filter names a field that an expiry does not have.
fn asks_of_transfers(filter: &AccountFilter) -> bool {
    filter.code != Code(0)
        || filter.user_data_128 != 0
        || filter.user_data_64 != 0
        || filter.user_data_32 != 0
}

/// The balances after the last posting at or before an instant; zero before the first.
pub(super) fn balance_as_of(mut walk: Walk<'_>, instant: Timestamp) -> Result<BalanceAt, Error> {
    walk.skip(|posting| instant < posting.timestamp)?;
    while let Some(step) = walk.step()? {
        if step.posting.timestamp <= instant {
            return Ok(BalanceAt { timestamp: step.posting.timestamp, balances: step.balances });
        }
    }
    Ok(BalanceAt { timestamp: walk.account.account.timestamp, balances: Balances::default() })
}

/// An account as it was.
pub(super) struct AccountThen {
    pub(super) balances: Balances,
    /// The newest posting, [`Lsn::NONE`] if there was none.
    pub(super) last_posting: Lsn,
    /// `None`: as when it was opened.
    pub(super) is_closed: Option<bool>,
}

/// An account as it was after the record at a position. `spend` is asked before each posting that is
/// read.
pub(super) fn as_of(
    mut walk: Walk<'_>,
    at: Lsn,
    spend: impl Fn() -> Result<(), Error>,
) -> Result<AccountThen, Error> {
    let spent = Cell::new(Ok(()));
    walk.skip(|posting| {
        let may_go_on = spend();
        let is_after = may_go_on.is_ok() && at < posting.lsn;
        spent.set(may_go_on);
        is_after
    })?;
    spent.into_inner()?;
    let mut then =
        AccountThen { balances: Balances::default(), last_posting: Lsn::NONE, is_closed: None };
    while let Some(step) = walk.step()? {
        spend()?;
        if at < step.posting.lsn {
            continue;
        }
        if !then.last_posting.is_some() {
            (then.balances, then.last_posting) = (step.balances, step.posting.lsn);
        }
        // A closed account is moved by voids and expiries only, so what else moved it says.
        then.is_closed = walk.closed_by(&step.posting)?;
        if then.is_closed.is_some() {
            break;
        }
    }
    Ok(then)
}

/// An account as it was right before a position, by what the log says of its postings since.
///
/// # Errors
/// That the database has stopped, once it may not go on; whatever reading the log says.
pub(crate) fn state_before(
    log: &LogReader,
    durable: Lsn,
    account: AccountPosition,
    position: Lsn,
    may_go_on: &dyn Fn() -> bool,
) -> Result<AccountState, Error> {
    let ledger = account.account.ledger;
    let mut walk = Walk::new(log, durable, account);
    if position <= walk.next {
        walk.skip(|posting| may_go_on() && position <= posting.lsn)?;
    }
    // Nothing lies before the first posting, whatever the position.
    while may_go_on() && position <= walk.next && walk.step()?.is_some() {}
    if !may_go_on() {
        return Err(stopped());
    }
    Ok(AccountState { ledger, balances: walk.balances, last_posting: walk.next })
}

/// What came of recomputing an account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Recount {
    /// Postings that were read.
    pub(crate) postings_count: u64,
    /// What differs, in words that say what to do.
    pub(crate) difference: Option<String>,
}

/// Takes back every posting since the account's last waypoint, or since it was opened, from its
/// balances, and compares what is left with the waypoint, or with nothing.
///
/// # Errors
/// Whatever reading the log says.
pub(crate) fn recount(
    log: &LogReader,
    durable: Lsn,
    account: AccountPosition,
) -> Result<Recount, Error> {
    let (base, expected) = match account.last_waypoint {
        Lsn::NONE => (Lsn::NONE, Balances::default()),
        lsn => match log.record(lsn, durable)?.record {
            Record::Waypoint(waypoint) if waypoint.slot == account.slot => {
                (waypoint.posting, waypoint.balances)
            }
            _ => {
                return Err(Error::corrupt(format!(
                    "the record at {lsn} is no waypoint of slot {}: run `florin verify`",
                    account.slot
                )));
            }
        },
    };
    let mut walk = Walk::new(log, durable, account);
    let mut postings_count = 0;
    while walk.next != base && postings_count <= WAYPOINT_INTERVAL {
        if walk.step()?.is_none() {
            break;
        }
        postings_count += 1;
    }
    let is_whole = walk.next == base && walk.balances == expected;
    let difference = (!is_whole).then(|| {
        format!(
            "account {} has balances that its postings do not give ({:?} is left where {:?} must \
             be): stop, run `florin verify`, then `florin rebuild`",
            account.account.id, walk.balances, expected
        )
    });
    Ok(Recount { postings_count, difference })
}
