//! Reading the log: batch after batch, over whatever happens to the connection.
//!
//! - What follows a batch is asked for with that batch's own cursor, so a reconnect leaves nothing
//!   out and repeats nothing, whichever of several servers it leads to.
//! - A batch is paid for when the next one is asked for: whoever is slow holds at most
//!   [`STREAM_WINDOW_BYTES`] in memory, and nobody else up.

use crate::backoff;
use crate::connection::{Connection, Feed};
#[cfg(feature = "embedded")]
use crate::embedded::EmbeddedStream;
use crate::error::ClientError;
use crate::failure::{Failure, Fate};
use crate::limits::{STREAM_GRANT_BYTES, STREAM_WINDOW_BYTES};
use crate::link::Link;
use bytes::Bytes;
use florin_ledger::stream::{BATCH_HEAD_BYTES, BatchEnd, BatchItems, BatchView, ItemKind};
use florin_ledger::{StreamCursor, StreamFilter, StreamStart};
#[cfg(feature = "embedded")]
use florin_wire::Refusal;
use florin_wire::stream::{Credit, Subscribe};
use florin_wire::{Operation, RefusalKind};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// A reader of the log. Dropping it ends the stream.
pub struct Subscription {
    source: Source,
    /// What says where the stream began.
    first: Option<StreamBatch>,
    cursor: StreamCursor,
}

enum Source {
    Tcp(Box<TcpStream>),
    #[cfg(feature = "embedded")]
    Embedded(Box<EmbeddedStream>),
}

/// Some items of the log, in order of effect, and how far the stream has looked for them.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamBatch {
    /// Checked when it arrived.
    bytes: Bytes,
}

impl StreamBatch {
    /// A batch of these bytes; `None` if they are none.
    pub(crate) fn new(bytes: Bytes) -> Option<StreamBatch> {
        BatchView::new(&bytes).is_ok().then_some(StreamBatch { bytes })
    }

    /// The items; none, if the batch only says how far the stream has looked.
    #[must_use]
    pub fn items(&self) -> BatchItems<'_> {
        self.view().items()
    }

    /// How far the stream has looked: a consumer may go on from its cursor although it was told of
    /// nothing.
    #[must_use]
    pub fn end(&self) -> BatchEnd {
        self.view().end()
    }

    /// What is in it.
    #[must_use]
    pub fn view(&self) -> BatchView<'_> {
        BatchView::of_own(&self.bytes).expect("it was checked when it arrived")
    }
}

impl fmt::Debug for StreamBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.items()).finish()
    }
}

impl Subscription {
    pub(crate) async fn over_tcp(
        link: Link,
        start: StreamStart,
        filter: StreamFilter,
        deadline: Duration,
    ) -> Result<Subscription, ClientError> {
        filter.check().map_err(|error| ClientError::Refused {
            kind: RefusalKind::Invalid,
            message: format!("{error}: subscribe with a smaller one"),
        })?;
        let mut stream = Box::new(TcpStream {
            link,
            start,
            filter: of_known_kinds(filter),
            deadline,
            open: None,
            owed_bytes: 0,
        });
        let first = stream.next().await?;
        Ok(Subscription::begun(Source::Tcp(stream), first))
    }

    #[cfg(feature = "embedded")]
    pub(crate) async fn over_engine(
        mut stream: EmbeddedStream,
    ) -> Result<Subscription, ClientError> {
        let first = stream.next(Duration::ZERO).await?;
        Ok(Subscription::begun(Source::Embedded(Box::new(stream)), first))
    }

    fn begun(source: Source, first: StreamBatch) -> Subscription {
        Subscription { source, cursor: first.end().cursor, first: Some(first) }
    }

    /// The next batch. An empty one says how far the stream has looked; while nothing happens there
    /// is one about every second. May be dropped before it is done, and asked again.
    ///
    /// Lost connections are made anew, as long as the client's deadline.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with [`RefusalKind::Gone`], [`RefusalKind::Fork`] or
    /// [`RefusalKind::NotYet`] if the server has another history now, or less of it: compare what
    /// was consumed, then subscribe anew. [`ClientError::NotSent`], and a refusal as busy or
    /// stopped, if the server did not come back: the next call tries again.
    pub async fn next(&mut self) -> Result<StreamBatch, ClientError> {
        if let Some(first) = self.first.take() {
            return Ok(first);
        }
        let batch = match &mut self.source {
            Source::Tcp(stream) => stream.next().await?,
            #[cfg(feature = "embedded")]
            Source::Embedded(stream) => stream.next(HEARTBEAT).await?,
        };
        self.cursor = batch.end().cursor;
        Ok(batch)
    }

    /// How far the stream has looked: to go on from there later.
    #[must_use]
    pub fn cursor(&self) -> StreamCursor {
        self.cursor
    }
}

/// How long an embedded engine is waited for before the reader hears how far it is.
#[cfg(feature = "embedded")]
const HEARTBEAT: Duration = Duration::from_secs(1);

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}

/// A newer server may know kinds that this client can't read.
fn of_known_kinds(filter: StreamFilter) -> StreamFilter {
    let known = || ItemKind::ALL.iter().copied().collect();
    let kinds = if filter.kinds.is_empty() { known() } else { filter.kinds };
    StreamFilter { kinds, ..filter }
}

/// A stream over a connection of its own.
struct TcpStream {
    link: Link,
    /// Where the next connection goes on.
    start: StreamStart,
    filter: StreamFilter,
    deadline: Duration,
    open: Option<(Arc<Connection>, Feed)>,
    /// Bytes that were handed out and not granted again.
    owed_bytes: usize,
}

impl TcpStream {
    async fn next(&mut self) -> Result<StreamBatch, ClientError> {
        let deadline = Instant::now() + self.deadline;
        let mut fate = Fate::new(false);
        let mut attempt = 0;
        loop {
            let failure = match self.attempt(deadline).await {
                Ok(batch) => return Ok(batch),
                Err(failure) => failure,
            };
            if let Some((connection, _)) = self.open.take() {
                self.link.note(&connection, &failure);
            }
            let pause = backoff::pause(attempt);
            attempt += 1;
            let is_elsewhere = self.link.leads_to_several() && failure.points_elsewhere();
            let may_pass = fate.note(&failure) || is_elsewhere;
            if !may_pass || deadline <= Instant::now() + pause {
                return Err(fate.end(failure));
            }
            sleep(pause).await;
        }
    }

    async fn attempt(&mut self, deadline: Instant) -> Result<StreamBatch, Failure> {
        self.pay();
        if self.open.is_none() {
            let opening = timeout_at(deadline, self.subscribe()).await;
            let message = || String::from("no connection came about in time");
            self.open = Some(opening.map_err(|_| Failure::NotSent(message()))??);
            self.owed_bytes = 0;
        }
        let (connection, feed) = self.open.as_mut().expect("it was just opened");
        let Some(body) = feed.next().await else {
            return Err(match feed.ended().await {
                Ok(_) => Failure::Lost(String::from("the server ended the stream")),
                Err(failure) => failure,
            });
        };
        let bytes = body.len().saturating_sub(BATCH_HEAD_BYTES);
        let Some(batch) = StreamBatch::new(body) else {
            let message = String::from("the server sent a malformed batch");
            connection.end(message.clone());
            return Err(Failure::Lost(message));
        };
        self.owed_bytes += bytes;
        self.start = StreamStart::After(batch.end().cursor);
        Ok(batch)
    }

    async fn subscribe(&self) -> Result<(Arc<Connection>, Feed), Failure> {
        let connection = self.link.connection().await?;
        let subscribe = Subscribe {
            incarnation: connection.incarnation(),
            start: self.start,
            filter: self.filter.clone(),
            credit_bytes: u32::try_from(STREAM_WINDOW_BYTES).expect("a window is small"),
        };
        let feed = connection.subscribe(Operation::Subscribe, subscribe.to_bytes()).await?;
        Ok((connection, feed))
    }

    /// Grants again what was handed out, not for every small batch.
    fn pay(&mut self) {
        let Some((connection, feed)) = &mut self.open else { return };
        if self.owed_bytes < STREAM_GRANT_BYTES {
            return;
        }
        let bytes = u32::try_from(self.owed_bytes).expect("no more is owed than was granted");
        let credit = Credit { subscription: feed.id(), bytes };
        if connection.tell(Operation::Credit, credit.to_bytes(), feed) {
            self.owed_bytes = 0;
        }
    }
}

/// What a stream is told that an engine in this process ended.
#[cfg(feature = "embedded")]
pub(crate) fn refused(refusal: Refusal) -> ClientError {
    Fate::new(false).end(Failure::Refused(refusal))
}
