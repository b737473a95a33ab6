//! Bodies of requests that come in time, and not in drops.

use super::limits::{PACE_BYTES_PER_SECOND, PACE_GRACE};
use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// Whether a body was too slow.
#[derive(Clone, Default)]
pub(super) struct Slow(Arc<AtomicBool>);

impl Slow {
    pub(super) fn is_so(&self) -> bool {
        // Relaxed: the flag guards no other memory.
        self.0.load(Ordering::Relaxed)
    }
}

/// A body that fails when it takes longer than `body_max`, or falls behind its pace. Time runs from when
/// somebody first wants to read it.
pub(super) fn paced(body: Body, body_max: Duration, slow: &Slow) -> Body {
    if body.is_end_stream() {
        return body;
    }
    let slow = slow.clone();
    Body::new(Paced { body, body_max, began: None, bytes_count: 0, ends: None, slow })
}

struct Paced {
    body: Body,
    body_max: Duration,
    began: Option<Instant>,
    bytes_count: u64,
    ends: Option<Pin<Box<Sleep>>>,
    slow: Slow,
}

impl Paced {
    /// When it is too late for the next byte.
    fn deadline(&mut self) -> Instant {
        let began = *self.began.get_or_insert_with(Instant::now);
        let earned = Duration::from_millis(self.bytes_count * 1_000 / PACE_BYTES_PER_SECOND);
        began + self.body_max.min(PACE_GRACE + earned)
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let deadline = self.deadline();
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            if let Some(Ok(frame)) = &frame {
                let count = frame.data_ref().map_or(0, Bytes::len);
                self.bytes_count += u64::try_from(count).unwrap_or(0);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(BoxError::from)));
        }
        let ends = self.ends.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if ends.deadline() != deadline {
            ends.as_mut().reset(deadline);
        }
        if ends.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.slow.0.store(true, Ordering::Relaxed);
        Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::TimedOut).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
