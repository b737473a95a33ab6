//! A stream of somebody who listens.
//!
//! ```text
//! id: 9mVh..                           at once: where the stream begins, and when to come back
//! retry: 2000
//!
//! id: Kd0a..                           an event
//! data: {"type":"transaction.received","account_id":"acc_..","transaction_id":"txn_.."}
//!
//! id: Tq2x..                           every 15 seconds: nothing has happened up to here
//! ```
//! Whoever takes the id of the last block as where they are misses nothing and is told nothing twice. A block without
//! data is no event to a browser.

use super::audience::{Admission, Ending, Seat};
use super::happening::{Happening, Kind, Message};
use super::room::Live;
use super::{COME_BACK, HEARTBEAT};
use crate::edge::Endless;
use crate::id::{Customer, Id};
use axum::http::{HeaderValue, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use florin_ledger::StreamCursor;
use futures_util::stream::unfold;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// A stream, until it is dropped.
pub struct Listening {
    live: Arc<Live>,
    customer: Id<Customer>,
    seat: Seat,
    queue: mpsc::Receiver<Happening>,
    ending: Arc<OnceLock<Ending>>,
    /// Where it begins.
    place: StreamCursor,
    /// Whether something may have happened before that they were not told.
    is_reset: bool,
    /// What happened before they came back.
    missed: VecDeque<Happening>,
    state: State,
    /// When they were told something last.
    told: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    New,
    Begun,
    Over,
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening").field("customer", &self.customer).finish_non_exhaustive()
    }
}

impl Listening {
    pub(super) fn new(
        live: Arc<Live>,
        customer: Id<Customer>,
        admission: Admission,
        place: StreamCursor,
    ) -> Listening {
        let Admission { seat, queue, ending } = admission;
        Listening {
            live,
            customer,
            seat,
            queue,
            ending,
            place,
            is_reset: false,
            missed: VecDeque::new(),
            state: State::New,
            told: Instant::now(),
        }
    }

    pub(super) fn seat(&self) -> Seat {
        self.seat
    }

    pub(super) fn customer(&self) -> Id<Customer> {
        self.customer
    }

    /// Begins after a place, with what they have missed since.
    pub(super) fn go_on(&mut self, place: StreamCursor, missed: VecDeque<Happening>) {
        assert_eq!(self.state, State::New, "it begins once");
        self.place = place;
        self.missed = missed;
    }

    /// Begins after a place, and tells that something may have been missed.
    pub(super) fn begin_again(&mut self, place: StreamCursor) {
        assert_eq!(self.state, State::New, "it begins once");
        self.place = place;
        self.is_reset = true;
    }

    /// The next block; `None` at the end. May be dropped before it is done, and asked again.
    async fn next(&mut self) -> Option<Event> {
        let event = match self.state {
            State::New => {
                self.state = State::Begun;
                Some(self.first())
            }
            State::Begun => self.following().await,
            State::Over => None,
        };
        self.told = Instant::now();
        event
    }

    fn first(&self) -> Event {
        let event = self.block(self.place).retry(COME_BACK);
        if self.is_reset { with(event, &Message::of_stream(Kind::Reset)) } else { event }
    }

    async fn following(&mut self) -> Option<Event> {
        if let Some(missed) = self.missed.pop_front()
            && self.ending.get() != Some(&Ending::LoginOver)
        {
            return Some(self.event(&missed));
        }
        loop {
            let Ok(happening) = timeout_at(self.told + HEARTBEAT, self.queue.recv()).await else {
                // If something waits in the queue, that is told, and no place after it.
                if let Some(here) = self.live.here_if(|| self.queue.is_empty()) {
                    return Some(self.block(here));
                }
                continue;
            };
            return match (happening, self.ending.get()) {
                // What waits in the queue is nobody's any more.
                (_, Some(Ending::LoginOver)) => Some(self.last()),
                (Some(happening), _) => Some(self.event(&happening)),
                (None, _) => None,
            };
        }
    }

    /// That the login is over, and nothing more.
    fn last(&mut self) -> Event {
        self.state = State::Over;
        with(Event::default(), &Message::of_stream(Kind::SessionEnded))
    }

    fn event(&self, happening: &Happening) -> Event {
        with(self.block(happening.cursor), &happening.message())
    }

    /// A block that says where they are then.
    fn block(&self, place: StreamCursor) -> Event {
        Event::default().id(self.live.bookmark(self.customer, place))
    }
}

fn with(event: Event, message: &Message) -> Event {
    event.data(serde_json::to_string(message).expect("messages are plain"))
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.live.leave(self.seat);
    }
}

impl IntoResponse for Listening {
    fn into_response(self) -> Response {
        let events = unfold(self, async |mut listening| {
            let event = listening.next().await?;
            Some((Ok::<_, Infallible>(event), listening))
        });
        let mut response = Sse::new(events).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.extensions_mut().insert(Endless);
        response
    }
}
