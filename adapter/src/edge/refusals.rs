//! Refusals that change nothing are on record too, before their answer leaves.
//!
//! Whatever is done has its audit row in its own commit. What is refused often has no commit: a form of
//! another site, an account of somebody else, an order that may not be. Each of these is an audit row of its
//! own, whichever page or operation it was. Nobody fills the log with them: an address has a few rows a minute,
//! all together have some more, and what goes beyond is told by one row a minute, which comes with the next request
//! that is answered. It stands in the way of no answer: if it can't be written, or nobody knows whether it was, the
//! next request writes it, and a minute that has two rows is one minute.

use super::visitors::network;
use crate::audit::{self, Act, Action, Caller};
use crate::bank::Bank;
use crate::clock::MINUTE;
use crate::error::BankError;
use crate::vault::Subject;
use crate::web;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use florin_ledger::Timestamp;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tracing::error;

/// Rows of one address in a minute.
const ROWS_PER_ADDRESS: u32 = 20;
/// Rows of all addresses in a minute; no more addresses are counted apart.
const ROWS_PER_MINUTE: u32 = 600;
/// Minutes that are over and not on record yet; what is beyond is told with the newest of them.
const MINUTES_MAX: usize = 1_440;
/// Characters of a path that are kept.
const PATH_CHARACTERS_MAX: usize = 200;

/// Who asks, once that is known: told by whatever finds the login of a request.
#[derive(Clone, Default)]
pub(crate) struct Known(Arc<OnceLock<Caller>>);

impl Known {
    /// Tells who asks.
    pub(crate) fn is(&self, caller: &Caller) {
        // The first to find the login has found it.
        let _ = self.0.set(caller.clone());
    }
}

/// The refusals of this minute.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<Minute>);

#[derive(Debug, Default)]
struct Minute {
    number: u64,
    rows_count: u32,
    by_address: HashMap<IpAddr, u32>,
    /// Refusals of this minute that got no row of their own.
    more_count: u64,
    over: VecDeque<Over>,
}

/// A minute that is over, and had more refusals than rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Over {
    /// Which one, since 1970.
    minute: u64,
    /// How many had no row.
    more_count: u64,
}

impl Minute {
    fn turn(&mut self, now: Timestamp) {
        let number = now.0 / MINUTE;
        if number == self.number {
            return;
        }
        let over = Over { minute: self.number, more_count: self.more_count };
        let is_full = MINUTES_MAX <= self.over.len();
        match self.over.back_mut().filter(|_| is_full) {
            _ if over.more_count == 0 => {}
            Some(newest) => newest.more_count += over.more_count,
            None => self.over.push_back(over),
        }
        let over = std::mem::take(&mut self.over);
        *self = Minute { number, over, ..Minute::default() };
    }
}

impl Refusals {
    /// Whether a refusal gets a row of its own.
    fn take(&self, address: IpAddr, now: Timestamp) -> bool {
        let mut minute = self.minute();
        minute.turn(now);
        let count = minute.by_address.get(&network(address)).copied().unwrap_or(0);
        if ROWS_PER_ADDRESS <= count || ROWS_PER_MINUTE <= minute.rows_count {
            minute.more_count += 1;
            return false;
        }
        minute.by_address.insert(network(address), count + 1);
        minute.rows_count += 1;
        true
    }

    /// The oldest minute that is over and not on record: it is whoever's who takes it.
    fn over(&self, now: Timestamp) -> Option<Over> {
        let mut minute = self.minute();
        minute.turn(now);
        minute.over.pop_front()
    }

    /// Gives a minute back that could not be put on record.
    fn give_back(&self, over: Over) {
        self.minute().over.push_front(over);
    }

    fn minute(&self) -> MutexGuard<'_, Minute> {
        // Every change under the lock is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts on record what is refused, before its answer leaves. If that can't be done, the answer is that: nobody is
/// refused in secret. Whatever else is answered stays as it is.
pub async fn refusals(State(bank): State<Arc<Bank>>, mut request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>().cloned().unwrap_or_else(Caller::bank);
    let known = Known::default();
    request.extensions_mut().insert(known.clone());
    let method = request.method().clone();
    let path: String = request.uri().path().chars().take(PATH_CHARACTERS_MAX).collect();
    let response = next.run(request).await;
    sum_up(&bank).await;
    let status = response.status();
    let caller = known.0.get().cloned().unwrap_or(caller);
    let address = caller.address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let is_refusal = is_refusal(status, caller.customer.is_some());
    if !is_refusal || !bank.refusals.take(address, bank.clock.now()) {
        return response;
    }
    let act = Act {
        action: Action::Refused,
        entity: "REQUEST",
        entity_id: format!("{method} {}", status.as_u16()),
        subject: caller.customer.map_or(Subject::Bank, Subject::Customer),
        old: None,
        new: Some(serde_json::json!({"path": path})),
    };
    match put_on_record(&bank, &caller, act).await {
        Ok(()) => response,
        Err(error) => web::failed(&error),
    }
}

/// Puts on record how many refusals of a minute that is over had no row, if there is one.
async fn sum_up(bank: &Bank) {
    let Some(over) = bank.refusals.over(bank.clock.now()) else { return };
    if let Err(failure) = put_on_record(bank, &Caller::bank(), summary(over)).await {
        error!("{} refusals are not on record yet: {failure}", over.more_count);
        bank.refusals.give_back(over);
    }
}

/// What is nobody's is refused to nobody: whoever looks for pages that are not there is no news unless they
/// are logged in.
fn is_refusal(status: StatusCode, is_known: bool) -> bool {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => true,
        StatusCode::NOT_FOUND
        | StatusCode::CONFLICT
        | StatusCode::UNPROCESSABLE_ENTITY
        | StatusCode::LOCKED => is_known,
        _ => false,
    }
}

fn summary(Over { minute, more_count }: Over) -> Act {
    Act {
        action: Action::Refused,
        entity: "MINUTE",
        entity_id: minute.to_string(),
        subject: Subject::Bank,
        old: None,
        new: Some(serde_json::json!({"refusals": more_count})),
    }
}

async fn put_on_record(bank: &Bank, caller: &Caller, act: Act) -> Result<(), BankError> {
    let mut commit = audit::commit_of(&bank.store, caller, audit::commit_id()).await?;
    commit.documents.push(audit::row(&bank.store, &*bank.clock, caller, act).await?);
    bank.store.commit(&commit).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: a log that whoever is refused can fill.
    #[test]
    fn an_address_has_its_rows_and_the_rest_is_one_row_a_minute() {
        let refusals = Refusals::default();
        let address = |number: u32| IpAddr::V4(Ipv4Addr::from(number));
        let now = Timestamp(100 * MINUTE);
        let rows =
            |address, now, count: u32| (0..count).filter(|_| refusals.take(address, now)).count();
        assert_eq!(rows(address(1), now, 50), 20);
        assert_eq!(rows(address(2), now, 5), 5);
        assert_eq!(refusals.over(now), None);
        let next = Timestamp(101 * MINUTE);
        assert_eq!(rows(address(1), next, 1), 1, "a minute later it has rows again");
        let over = Over { minute: 100, more_count: 30 };
        assert_eq!(refusals.over(next), Some(over));
        assert_eq!(refusals.over(next), None, "it is taken once");
        refusals.give_back(over);
        let all: usize = (0..1_000).map(|number| rows(address(number), next, 1)).sum();
        assert_eq!(all, 599);
        let later = Timestamp(200 * MINUTE);
        assert_eq!(refusals.over(later), Some(over), "oldest first");
        assert_eq!(refusals.over(later), Some(Over { minute: 101, more_count: 401 }));
    }

    /// Prevents: memory that fills up while nothing can be put on record.
    #[test]
    fn refusals_that_nobody_puts_on_record_are_counted_in_so_many_minutes() {
        let refusals = Refusals::default();
        let minutes_count = u64::try_from(MINUTES_MAX).unwrap() + 10;
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        for number in 1..=minutes_count {
            let now = Timestamp(number * MINUTE);
            assert_eq!((0..21).filter(|_| refusals.take(address, now)).count(), 20);
        }
        let now = Timestamp((minutes_count + 1) * MINUTE);
        let over: Vec<_> = std::iter::from_fn(|| refusals.over(now)).collect();
        assert_eq!(over.len(), MINUTES_MAX);
        assert_eq!(over.iter().map(|over| over.more_count).sum::<u64>(), minutes_count);
    }
}
