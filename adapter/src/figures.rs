//! What an adapter counts of itself, for whoever watches it.
//!
//! - Numbers alone: no address, id, name or amount is in any of them. A route is named as it was declared, so what somebody
//!   made up is no name of its own.
//! - Counting asks the ledger nothing. What is read of the ledger ([`Figures::look`]) is read beside, and stands until it
//!   is read again.
//! - An adapter counts what it did since it was started; what is read of the ledger is the same at all adapters.

use crate::bank::Bank;
use crate::error::BankError;
use crate::store::Store;
use crate::tables;
use crate::web::OutcomeUnknown;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use florin_ledger::TableId;
use florin_ledger::document::DocumentScan;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The largest value of each bucket of a duration but the last, in nanoseconds: from 1 ms to 10 s.
pub const BOUNDS_NS: &[u64; 12] = &[
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    3_000_000_000,
    10_000_000_000,
];
/// Routes that are counted apart: more than there are.
const ROUTES_MAX: usize = 512;
/// What was asked for is none of the routes.
const NO_ROUTE: &str = "none";
/// Documents of a table that are counted at most: what is more is told as this many.
const COUNTED_MAX: u64 = 1 << 20;
/// Keys that are read at once.
const PAGE: u32 = 4_096;

/// Statuses that begin with the same digit.
pub const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// For whom a route is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Surface {
    /// Programs.
    Api,
    /// Customers' browsers.
    Pages,
    /// The staff's browsers.
    Staff,
}

impl Surface {
    /// All of them.
    pub const ALL: [Surface; 3] = [Surface::Api, Surface::Pages, Surface::Staff];

    /// As it is told.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Surface::Api => "api",
            Surface::Pages => "pages",
            Surface::Staff => "staff",
        }
    }

    fn of(route: &str) -> Surface {
        if route.starts_with("/v1") {
            Surface::Api
        } else if route.starts_with("/staff") {
            Surface::Staff
        } else {
            Surface::Pages
        }
    }
}

/// How long something took, since the adapter was started.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Durations {
    /// How many fell into each bucket of [`BOUNDS_NS`], and above all.
    pub counts: [u64; BOUNDS_NS.len() + 1],
    /// The sum of all, in nanoseconds.
    pub sum_ns: u64,
}

#[derive(Default, Debug)]
struct Histogram {
    counts: [AtomicU64; BOUNDS_NS.len() + 1],
    sum_ns: AtomicU64,
}

impl Histogram {
    fn observe(&self, nanoseconds: u64) {
        let bucket = BOUNDS_NS.partition_point(|bound| *bound < nanoseconds);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_ns.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    fn get(&self) -> Durations {
        let mut counts = [0; BOUNDS_NS.len() + 1];
        for (count, counted) in counts.iter_mut().zip(&self.counts) {
            *count = counted.load(Ordering::Relaxed);
        }
        Durations { counts, sum_ns: self.sum_ns.load(Ordering::Relaxed) }
    }
}

/// Method and route.
type Asked = (&'static str, String);

/// What an adapter has counted.
#[derive(Default, Debug)]
pub struct Figures {
    /// By method and route: how many answers of each of [`CLASSES`].
    answers: Mutex<BTreeMap<Asked, [u64; CLASSES.len()]>>,
    durations: [Histogram; Surface::ALL.len()],
    refused_for_rate: AtomicU64,
    unknown: AtomicU64,
    looked: Looked,
}

/// What was found in the ledger last.
#[derive(Default, Debug)]
struct Looked {
    open: AtomicU64,
    parked: AtomicU64,
    sessions: AtomicU64,
}

/// All that is counted, as it was at one moment, or nearly.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FiguresNow {
    /// Method, route, and how many answers of each of [`CLASSES`].
    pub answers: Vec<(&'static str, String, [u64; CLASSES.len()])>,
    /// How long answers took until their first byte, of each of [`Surface::ALL`].
    pub durations: [Durations; Surface::ALL.len()],
    /// Answers of 429.
    pub refused_for_rate: u64,
    /// Answers that say that nobody knows what happened.
    pub unknown: u64,
    /// Transfers that have begun and not ended, those in review and set aside among them; for all adapters.
    pub transfers_open: u64,
    /// Transfers that were set aside; for all adapters.
    pub transfers_parked: u64,
    /// Logins that are not over, or not known to be; for all adapters.
    pub sessions: u64,
    /// Streams of events of this adapter.
    pub streams: u64,
    /// Passwords that are being looked at or wait for it.
    pub passwords_waiting: u64,
    /// Passwords that were hashed.
    pub passwords_hashed: u64,
    /// Calls of the ledger.
    pub ledger: florin_client::CallsNow,
}

impl Figures {
    fn count(&self, method: &Method, route: &str, response: &Response, nanoseconds: u64) {
        let status = response.status();
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        let asked = (named(method), String::from(route));
        {
            // Every change under the lock is whole.
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            let is_known = answers.contains_key(&asked);
            let asked = if is_known || answers.len() < ROUTES_MAX {
                asked
            } else {
                (asked.0, String::from(NO_ROUTE))
            };
            answers.entry(asked).or_default()[class] += 1;
        }
        let surface = Surface::of(route);
        let of_surface = Surface::ALL.iter().position(|other| *other == surface);
        if let Some(durations) = of_surface.and_then(|place| self.durations.get(place)) {
            durations.observe(nanoseconds);
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            self.refused_for_rate.fetch_add(1, Ordering::Relaxed);
        }
        if response.extensions().get::<OutcomeUnknown>().is_some() {
            self.unknown.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Looks at what is in the ledger: reads keys alone, a million of a table at most.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn look(&self, store: &Store) -> Result<(), BankError> {
        for (table, found) in [
            (tables::TRANSFERS_OPEN, &self.looked.open),
            (tables::TRANSFERS_PARKED, &self.looked.parked),
            (tables::LOGINS, &self.looked.sessions),
        ] {
            found.store(counted(store, table).await?, Ordering::Relaxed);
        }
        Ok(())
    }

    /// All of it now.
    #[must_use]
    pub fn now(bank: &Bank) -> FiguresNow {
        let Bank { figures, passwords, live, store, .. } = bank;
        let answers = figures.answers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let answers = answers.into_iter().map(|((method, route), counts)| (method, route, counts));
        let Looked { open, parked, sessions } = &figures.looked;
        FiguresNow {
            answers: answers.collect(),
            durations: figures.durations.each_ref().map(Histogram::get),
            refused_for_rate: figures.refused_for_rate.load(Ordering::Relaxed),
            unknown: figures.unknown.load(Ordering::Relaxed),
            transfers_open: open.load(Ordering::Relaxed),
            transfers_parked: parked.load(Ordering::Relaxed),
            sessions: sessions.load(Ordering::Relaxed),
            streams: live.streams_count(),
            passwords_waiting: passwords.waiting_count(),
            passwords_hashed: passwords.hashed_count(),
            ledger: store.client().calls(),
        }
    }
}

/// A method as it is told: those that are none of HTTP's are one.
fn named(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

async fn counted(store: &Store, table: TableId) -> Result<u64, BankError> {
    let (mut count, mut after) = (0, None);
    loop {
        let scan =
            DocumentScan { table, keys_only: true, limit: PAGE, after, ..DocumentScan::default() };
        let page = store.client().scan_documents(&scan).await?;
        count += u64::try_from(page.items.len()).unwrap_or(u64::MAX);
        after = page.next;
        if after.is_none() || COUNTED_MAX <= count {
            return Ok(count.min(COUNTED_MAX));
        }
    }
}

/// Counts an answer, whatever it is.
pub(crate) async fn counting(
    State(bank): State<Arc<Bank>>,
    request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or_else(|| String::from(NO_ROUTE), |it| String::from(it.as_str()));
    let method = request.method().clone();
    let response = next.run(request).await;
    let took = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
    bank.figures.count(&method, &route, &response, took);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;

    /// Prevents: somebody who makes up methods, and an adapter whose memory and figures grow with them; or an answer that
    /// nobody knows about and nobody hears of.
    #[test]
    fn what_is_counted_is_bounded_and_in_its_place() {
        let figures = Figures::default();
        let mut unknown = StatusCode::SERVICE_UNAVAILABLE.into_response();
        unknown.extensions_mut().insert(OutcomeUnknown);
        let limited = StatusCode::TOO_MANY_REQUESTS.into_response();
        let made_up = Method::from_bytes(b"MAKEUP").unwrap();
        figures.count(&Method::POST, "/v1/a", &unknown, 1_000_000);
        figures.count(&Method::POST, "/v1/a", &limited, 1_000_001);
        figures.count(&made_up, "/staff", &limited, u64::MAX / 2);
        for number in 0..ROUTES_MAX {
            let fine = StatusCode::OK.into_response();
            figures.count(&Method::GET, &format!("/{number}"), &fine, 0);
        }
        let answers = figures.answers.lock().unwrap();
        assert_eq!(answers[&("POST", String::from("/v1/a"))], [0, 0, 0, 1, 1]);
        assert_eq!(answers[&("other", String::from("/staff"))], [0, 0, 0, 1, 0]);
        assert_eq!(answers[&("GET", String::from(NO_ROUTE))], [0, 2, 0, 0, 0]);
        assert_eq!(answers.len(), ROUTES_MAX + 1);
        let [api, pages, staff] = figures.durations.each_ref().map(Histogram::get);
        assert_eq!((api.counts[0], api.counts[1], api.sum_ns), (1, 1, 2_000_001));
        assert_eq!(pages.counts[0], u64::try_from(ROUTES_MAX).unwrap());
        assert_eq!(staff.counts[BOUNDS_NS.len()], 1, "longer than all bounds");
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        assert_eq!((of(&figures.refused_for_rate), of(&figures.unknown)), (2, 1));
    }
}
