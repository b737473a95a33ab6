//! Refusals that change nothing are on record too, before their answer leaves.
//!
//! Whatever is done has its audit row in its own commit. What is refused often has no commit: a form of
//! another site, an account of somebody else, an order that may not be. Each of these is an audit row of its
//! own, whichever page or operation it was. Nobody fills the log with them: an address has a few rows a minute,
//! all together have some more, and what goes beyond is told by one row a minute.

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
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Rows of one address in a minute.
const ROWS_PER_ADDRESS: u32 = 20;
/// Rows of all addresses in a minute; no more addresses are counted apart.
const ROWS_PER_MINUTE: u32 = 600;
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
    /// Of minutes that are over: which, and how many.
    over: Vec<(u64, u64)>,
}

impl Minute {
    fn turn(&mut self, now: Timestamp) {
        let number = now.0 / MINUTE;
        if number == self.number {
            return;
        }
        if self.more_count != 0 {
            self.over.push((self.number, self.more_count));
        }
        let over = std::mem::take(&mut self.over);
        *self = Minute { number, over, ..Minute::default() };
    }
}

impl Refusals {
    /// Whether a refusal gets a row of its own.
    fn take(&self, address: IpAddr, now: Timestamp) -> bool {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// Minutes that are over and had more refusals than rows: their numbers since 1970, and how many.
    fn over(&self, now: Timestamp) -> Vec<(u64, u64)> {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        minute.turn(now);
        std::mem::take(&mut minute.over)
    }
}

/// Puts on record what is refused, before its answer leaves. If that can't be done, the answer is that.
pub async fn refusals(State(bank): State<Arc<Bank>>, mut request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>().cloned().unwrap_or_else(Caller::bank);
    let known = Known::default();
    request.extensions_mut().insert(known.clone());
    let method = request.method().clone();
    let path: String = request.uri().path().chars().take(PATH_CHARACTERS_MAX).collect();
    let response = next.run(request).await;
    let mut acts = Vec::new();
    for (minute, count) in bank.refusals.over(bank.clock.now()) {
        acts.push((Caller::bank(), summary(minute, count)));
    }
    let status = response.status();
    let caller = known.0.get().cloned().unwrap_or(caller);
    let address = caller.address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    if is_refusal(status, caller.customer.is_some())
        && bank.refusals.take(address, bank.clock.now())
    {
        let act = Act {
            action: Action::Refused,
            entity: "REQUEST",
            entity_id: format!("{method} {}", status.as_u16()),
            subject: caller.customer.map_or(Subject::Bank, Subject::Customer),
            old: None,
            new: Some(serde_json::json!({"path": path})),
        };
        acts.push((caller, act));
    }
    match put_on_record(&bank, acts).await {
        Ok(()) => response,
        Err(error) => web::failed(&error),
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

fn summary(minute: u64, count: u64) -> Act {
    Act {
        action: Action::Refused,
        entity: "MINUTE",
        entity_id: minute.to_string(),
        subject: Subject::Bank,
        old: None,
        new: Some(serde_json::json!({"refusals": count})),
    }
}

async fn put_on_record(bank: &Bank, acts: Vec<(Caller, Act)>) -> Result<(), BankError> {
    for (caller, act) in acts {
        let mut commit = audit::commit_of(&bank.store, &caller, audit::commit_id()).await?;
        commit.documents.push(audit::row(&bank.store, &*bank.clock, &caller, act).await?);
        bank.store.commit(&commit).await?;
    }
    Ok(())
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
        assert_eq!(refusals.over(now), []);
        let next = Timestamp(101 * MINUTE);
        assert_eq!(rows(address(1), next, 1), 1, "a minute later it has rows again");
        assert_eq!(refusals.over(next), [(100, 30)]);
        assert_eq!(refusals.over(next), []);
        let all: usize = (0..1_000).map(|number| rows(address(number), next, 1)).sum();
        assert_eq!(all, 599);
        assert_eq!(refusals.over(Timestamp(200 * MINUTE)), [(101, 401)]);
    }
}
