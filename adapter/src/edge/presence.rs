//! What is under way on a connection: requests that are not answered whole.

use super::limits::{GIVEN_UP_MAX, Limits};
use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use futures_util::StreamExt;
use hyper::body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::sync::watch;
use tokio::time::timeout;

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    under_way: u32,
    /// Requests that there ever were.
    asked: u64,
    /// Requests whose answers were not out when their peer took them back.
    given_up: u32,
    /// Its time is over.
    is_leaving: bool,
}

/// The requests of a connection.
#[derive(Clone)]
pub(super) struct Presence(Arc<watch::Sender<Counts>>);

impl Presence {
    pub(super) fn new() -> Presence {
        Presence(Arc::new(watch::Sender::new(Counts::default())))
    }

    /// A request begins.
    pub(super) fn begin(&self) -> UnderWay {
        self.0.send_modify(|counts| {
            counts.under_way += 1;
            counts.asked += 1;
        });
        UnderWay { presence: self.clone(), is_answered: false }
    }

    /// Ends once nothing was asked for so long that nothing will be.
    pub(super) async fn idle(&self, limits: Limits) {
        let mut counts = self.0.subscribe();
        loop {
            let now = *counts.borrow_and_update();
            let limit = if now.asked == 0 { limits.head } else { limits.idle };
            if now.under_way == 0 {
                let asked = counts.wait_for(|counts| counts.asked != now.asked);
                if timeout(limit, asked).await.is_err() {
                    return;
                }
            } else if counts.wait_for(|counts| counts.under_way == 0).await.is_err() {
                return;
            }
        }
    }

    /// Ends once the peer has taken back too much of what it asked.
    pub(super) async fn abused(&self) {
        let mut counts = self.0.subscribe();
        // It can't fail: this holds the sender.
        let _ = counts.wait_for(|counts| GIVEN_UP_MAX < counts.given_up).await;
    }

    /// The connection's time is over.
    pub(super) fn leave(&self) {
        self.0.send_modify(|counts| counts.is_leaving = true);
    }

    /// Ends once the connection's time is over.
    async fn left(self) {
        let mut counts = self.0.subscribe();
        // It can't fail: this holds the sender.
        let _ = counts.wait_for(|counts| counts.is_leaving).await;
    }
}

/// A request, until its answer is out.
pub(super) struct UnderWay {
    presence: Presence,
    is_answered: bool,
}

impl UnderWay {
    /// An answer's body that is under way until its end.
    pub(super) fn until_end(self, body: Body) -> Body {
        Body::new(Answering { body, under_way: self })
    }

    /// An answer's body without an end, until the connection's time is over. Whoever leaves it has been answered.
    pub(super) fn until_leaving(mut self, body: Body) -> Body {
        self.is_answered = true;
        let left = Box::pin(self.presence.clone().left());
        self.until_end(Body::from_stream(body.into_data_stream().take_until(left)))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let is_answered = self.is_answered;
        self.presence.0.send_modify(|counts| {
            counts.under_way -= 1;
            counts.given_up = counts.given_up.saturating_add(u32::from(!is_answered));
        });
    }
}

struct Answering {
    body: Body,
    under_way: UnderWay,
}

impl HttpBody for Answering {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(frame.map(|frame| frame.map_err(BoxError::from)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        // Whoever sends a body of known length does not ask it whether there is more.
        self.under_way.is_answered |= self.body.is_end_stream();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use std::time::Duration;
    use tokio::time::Instant;

    /// Row 46 of the threat table: who has nothing to ask does not keep a place.
    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_from_the_last_answer_on() {
        let limits = Limits::default();
        let began = Instant::now();
        Presence::new().idle(limits).await;
        assert_eq!(began.elapsed(), limits.head, "nothing was asked");

        let presence = Presence::new();
        let request = presence.begin();
        let long = Duration::from_secs(200);
        assert!(timeout(long, presence.idle(limits)).await.is_err(), "it is not answered yet");
        let body = request.until_end(Body::from("hello"));
        assert!(timeout(long, presence.idle(limits)).await.is_err(), "its answer is not out yet");
        body.collect().await.unwrap();
        let began = Instant::now();
        presence.idle(limits).await;
        assert_eq!(began.elapsed(), limits.idle);
    }

    /// Row 48: requests are asked and taken back, again and again, so that the bank works for nobody.
    #[tokio::test(start_paused = true)]
    async fn who_takes_back_what_they_ask_is_found() {
        let presence = Presence::new();
        let is_abused = async || timeout(Duration::from_secs(1), presence.abused()).await.is_ok();
        for _ in 0..1_000 {
            presence.begin().until_end(Body::from("hello")).collect().await.unwrap();
        }
        drop(presence.begin().until_end(Body::empty()));
        for _ in 0..GIVEN_UP_MAX {
            assert!(!is_abused().await);
            drop(presence.begin());
        }
        drop(presence.begin().until_end(Body::from("hello")));
        assert!(is_abused().await);
    }

    /// Prevents: a live page that is left and counted as a request taken back, or that holds up a bank that closes.
    #[tokio::test(start_paused = true)]
    async fn an_answer_without_an_end_ends_with_its_connection_and_may_be_left() {
        let presence = Presence::new();
        let endless =
            || Body::from_stream(futures_util::stream::pending::<Result<Bytes, BoxError>>());
        for _ in 0..=GIVEN_UP_MAX {
            drop(presence.begin().until_leaving(endless()));
        }
        assert!(timeout(Duration::from_secs(1), presence.abused()).await.is_err());
        let body = presence.begin().until_leaving(endless());
        let ending = tokio::spawn(body.collect());
        assert!(timeout(Duration::from_secs(700), presence.idle(Limits::default())).await.is_err());
        assert!(!ending.is_finished());
        presence.leave();
        assert!(ending.await.unwrap().unwrap().to_bytes().is_empty());
        assert_eq!(presence.0.borrow().under_way, 0);
    }
}
