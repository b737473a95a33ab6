//! One connection to a server that has let it in: many requests at the same time.
//!
//! One task drives it. It takes requests from a queue and writes all that are there at once, and
//! hands each reply to the request that it names. A request counts as sent from the moment before
//! its first byte is written.

use crate::entrance;
use crate::failure::Failure;
use crate::flights::{End, Flight, Flights, Ticket};
use crate::limits::{
    AWAIT_PATIENCE_MAX, BODY_BYTES_COPIED_MAX, READ_BUFFER_BYTES, REQUESTS_PER_WRITE_MAX,
    SILENCE_MAX, WRITE_BYTES,
};
use crate::options::ClientOptions;
use crate::reached::Reached;
use bytes::{BufMut, Bytes, BytesMut};
use florin_ledger::Position;
use florin_wire::cold::Await;
use florin_wire::frame::{self, HEADER_BYTES, LENGTH_BYTES, REPLY_HEADER_BYTES};
use florin_wire::limits::FRAME_BYTES_MAX;
use florin_wire::{
    Binding, DecodeError, Operation, Outcome, Refusal, RefusalKind, ReplyHeader, RequestHeader,
    cold,
};
use futures_util::StreamExt;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::codec::FramedRead;
use tokio_util::codec::length_delimited::LengthDelimitedCodec;
use tracing::debug;

/// An open connection. Dropping it closes it.
pub(crate) struct Connection {
    /// Bounded by `places`: every request in it holds one.
    queue: UnboundedSender<Queued>,
    flights: Arc<Flights>,
    places: Arc<Semaphore>,
    next_id: AtomicU64,
    /// This end: the peer whose connection the server's messages number.
    local: SocketAddr,
    incarnation: u128,
    /// The newest position that the server is known to have reached.
    reached: Arc<Reached>,
    driver: AbortHandle,
}

struct Queued {
    header: RequestHeader,
    body: Bytes,
    ticket: Ticket,
    batches: Option<UnboundedSender<Bytes>>,
    place: OwnedSemaphorePermit,
}

/// What a server sends to a stream.
pub(crate) struct Feed {
    id: u64,
    batches: UnboundedReceiver<Bytes>,
    reply: oneshot::Receiver<Result<Bytes, Failure>>,
    /// Replies to what was told: a request whose reply nobody waits for is not sent.
    told: VecDeque<oneshot::Receiver<Result<Bytes, Failure>>>,
}

impl Feed {
    /// The id of the request that subscribed.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The next batch; `None` once the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        self.batches.recv().await
    }

    /// How it ended, once it has.
    pub(crate) async fn ended(&mut self) -> Result<Bytes, Failure> {
        let lost = || Err(Failure::Lost(String::from("the connection closed")));
        (&mut self.reply).await.unwrap_or_else(|_| lost())
    }
}

/// Ends a connection with its task, however the task ends: with its runtime too.
struct Ending {
    flights: Arc<Flights>,
    places: Arc<Semaphore>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        // Only the first end counts, so this one counts if the task was cut off.
        self.flights.end(End::Lost(String::from("the runtime of this connection's task stopped")));
        self.places.close();
    }
}

impl Connection {
    /// Comes in over a stream that is open.
    pub(crate) async fn open<R, W>(
        reader: R,
        mut writer: W,
        local: SocketAddr,
        binding: &Binding,
        options: &ClientOptions,
    ) -> Result<Connection, Failure>
    where
        R: AsyncRead + Unpin + Send + 'static,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let codec = LengthDelimitedCodec::builder()
            .little_endian()
            .length_field_length(LENGTH_BYTES)
            .max_frame_length(FRAME_BYTES_MAX)
            .new_codec();
        let mut frames = FramedRead::with_capacity(reader, codec, READ_BUFFER_BYTES);
        let welcome = entrance::enter(&mut frames, &mut writer, binding, options).await?;

        let places = usize::try_from(welcome.requests_in_flight_max).unwrap_or(usize::MAX);
        let places = places.min(options.requests_in_flight_max).clamp(1, Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(places));
        let flights = Arc::new(Flights::new(Instant::now()));
        let reached = Arc::<Reached>::default();
        let (queue, queued) = mpsc::unbounded_channel();
        // Who waits long for an answer means to: half of it is for another connection.
        let silence_max = SILENCE_MAX.max(options.deadline / 2);
        let driver = tokio::spawn({
            let ending = Ending { flights: Arc::clone(&flights), places: Arc::clone(&places) };
            let reached = Arc::clone(&reached);
            async move {
                let flights = &ending.flights;
                let end = tokio::select! {
                    biased;
                    end = read_replies(frames, flights, &reached) => end,
                    end = write_requests(writer, queued, flights) => end,
                    end = watch_silence(flights, silence_max) => end,
                };
                flights.end(end);
            }
        });
        Ok(Connection {
            queue,
            flights,
            places,
            next_id: AtomicU64::new(1),
            local,
            incarnation: welcome.incarnation,
            reached,
            driver: driver.abort_handle(),
        })
    }

    /// The newest position that an answer named.
    pub(crate) fn reached(&self) -> Position {
        self.reached.get()
    }

    /// Names the database behind it.
    pub(crate) fn incarnation(&self) -> u128 {
        self.incarnation
    }

    pub(crate) fn is_open(&self) -> bool {
        self.flights.ended().is_none()
    }

    /// Sends a request and waits for its reply's body, until the deadline.
    pub(crate) async fn request(
        &self,
        operation: Operation,
        body: Bytes,
        deadline: Instant,
    ) -> Result<Bytes, Failure> {
        let place = match timeout_at(deadline, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => place,
            Ok(Err(_)) => return Err(self.unsent()),
            Err(_) => {
                let message = "all places in flight were taken until the deadline";
                return Err(Failure::NotSent(String::from(message)));
            }
        };
        let header = self.header(operation, milliseconds_until(deadline));
        let (ticket, reply) = oneshot::channel();
        if self.queue.send(Queued { header, body, ticket, batches: None, place }).is_err() {
            return Err(self.unsent());
        }
        debug!(local = %self.local, request = header.id, operation = header.operation, "asked");
        let reply = match timeout_at(deadline, reply).await {
            Ok(Ok(reply)) => reply,
            // The queue was dropped with the request still in it.
            Ok(Err(_)) => Err(self.unsent()),
            Err(_) => Err(Failure::Lost(String::from("no reply came before the deadline"))),
        };
        let became = reply.as_ref().map_or_else(Failure::name, |_| "answered");
        debug!(local = %self.local, request = header.id, operation = header.operation, became);
        reply
    }

    /// Waits until the server has reached a position, unless it is known to have.
    pub(crate) async fn await_position(
        &self,
        position: Position,
        deadline: Instant,
    ) -> Result<(), Failure> {
        if self.reached.covers(position) || !position.is_some() {
            return Ok(());
        }
        // The other half is for the answer.
        let mut left = deadline.saturating_duration_since(Instant::now()) / 2;
        loop {
            let patience = left.min(AWAIT_PATIENCE_MAX);
            left -= patience;
            let patience_ms = u32::try_from(patience.as_millis()).expect("it is bounded");
            let asked = cold::to_bytes(&Await { position, patience_ms });
            match self.request(Operation::AwaitPosition, asked, deadline).await {
                // A server that names no position has reached this one.
                Ok(_) => {
                    self.reached.rise(position);
                    return Ok(());
                }
                Err(Failure::Refused(refusal))
                    if refusal.kind == RefusalKind::NotYet && left != Duration::ZERO => {}
                // Nothing of what is asked for was sent yet.
                Err(Failure::Lost(message)) => return Err(Failure::NotSent(message)),
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Sends a request whose reply is the end of a stream.
    pub(crate) async fn subscribe(
        &self,
        operation: Operation,
        body: Bytes,
    ) -> Result<Feed, Failure> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| self.unsent())?;
        let header = self.header(operation, 0);
        let (ticket, reply) = oneshot::channel();
        let (sender, batches) = mpsc::unbounded_channel();
        let id = header.id;
        let queued = Queued { header, body, ticket, batches: Some(sender), place };
        self.queue.send(queued).map_err(|_| self.unsent())?;
        debug!(local = %self.local, request = id, operation = operation.number(), "asked");
        Ok(Feed { id, batches, reply, told: VecDeque::new() })
    }

    /// Sends a request of a stream without waiting for its reply; `false` if all places are taken.
    pub(crate) fn tell(&self, operation: Operation, body: Bytes, feed: &mut Feed) -> bool {
        feed.told.retain_mut(|reply| reply.try_recv() == Err(TryRecvError::Empty));
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return false };
        let header = self.header(operation, 0);
        let (ticket, reply) = oneshot::channel();
        feed.told.push_back(reply);
        // A connection that has closed says so to the stream.
        let _ = self.queue.send(Queued { header, body, ticket, batches: None, place });
        true
    }

    fn header(&self, operation: Operation, deadline_ms: u32) -> RequestHeader {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        RequestHeader { id, operation: operation.number(), deadline_ms }
    }

    /// Ends a connection that makes no sense any more.
    pub(crate) fn end(&self, message: String) {
        self.flights.end(End::Lost(message));
        self.places.close();
        self.driver.abort();
    }

    fn unsent(&self) -> Failure {
        let closed = || Failure::NotSent(String::from("the connection closed"));
        self.flights.ended().unwrap_or_else(closed)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// At least one: zero would say that there is no deadline.
fn milliseconds_until(deadline: Instant) -> u32 {
    let left = deadline.saturating_duration_since(Instant::now());
    u32::try_from(left.as_millis()).unwrap_or(u32::MAX).max(1)
}

/// Hands replies to their requests until there are no more.
async fn read_replies<R>(
    mut frames: FramedRead<R, LengthDelimitedCodec>,
    flights: &Flights,
    reached: &Reached,
) -> End
where
    R: AsyncRead + Unpin,
{
    loop {
        let payload = match frames.next().await {
            Some(Ok(payload)) => payload.freeze(),
            Some(Err(error)) => return End::Lost(format!("the connection broke: {error}")),
            None => return End::Lost(String::from("the server closed the connection")),
        };
        match take_reply(&payload, flights, reached) {
            Ok(None) => {}
            Ok(Some(last_word)) => return End::LastWord(last_word),
            Err(error) => return End::Lost(format!("the server sent a malformed reply {error}")),
        }
    }
}

/// Hands one reply to its request; returns the last word if it is that.
fn take_reply(
    payload: &Bytes,
    flights: &Flights,
    reached: &Reached,
) -> Result<Option<Refusal>, DecodeError> {
    let header = ReplyHeader::decode(payload)?;
    let body = payload.slice(REPLY_HEADER_BYTES..);
    let refusal =
        || cold::decode::<Refusal>(&body).map_err(|error| error.after(REPLY_HEADER_BYTES));
    reached.rise(header.position);
    let reply = match header.outcome {
        Outcome::Answered => Ok(body),
        Outcome::Refused => Err(Failure::Refused(refusal()?)),
        Outcome::LastWord => return Ok(Some(refusal()?)),
        Outcome::Batch if flights.pass(header.id, body, Instant::now()) => return Ok(None),
        Outcome::Batch => return Err(DecodeError::new(0, florin_wire::Reason::Unknown)),
    };
    if flights.land(header.id, header.operation, reply, Instant::now()) {
        Ok(None)
    } else {
        Err(DecodeError::new(0, florin_wire::Reason::Unknown))
    }
}

/// Waits until a peer that owes a reply has gone without a word. Its callers may have time left for
/// another connection, so none of their deadlines has to pass first.
async fn watch_silence(flights: &Flights, silence_max: Duration) -> End {
    loop {
        let silent_since = flights.silent_since();
        // If nothing is owed now, nothing that is owed at the next look is late by then.
        let look_at = silent_since.unwrap_or_else(Instant::now) + silence_max;
        if silent_since.is_some() && look_at <= Instant::now() {
            let silence_s = silence_max.as_secs();
            return End::Lost(format!("the server was silent for {silence_s} seconds"));
        }
        sleep_until(look_at).await;
    }
}

/// Writes requests until the connection breaks.
async fn write_requests<W>(
    mut writer: W,
    mut queue: UnboundedReceiver<Queued>,
    flights: &Flights,
) -> End
where
    W: AsyncWrite + Unpin,
{
    let mut batch = Vec::new();
    let mut buffer = BytesMut::new();
    while 0 < queue.recv_many(&mut batch, REQUESTS_PER_WRITE_MAX).await {
        let written = write_batch(&mut writer, &mut batch, &mut buffer, flights).await;
        if let Err(error) = written {
            return End::Lost(format!("the connection broke: {error}"));
        }
    }
    End::Lost(String::from("the client closed the connection"))
}

async fn write_batch<W>(
    writer: &mut W,
    batch: &mut Vec<Queued>,
    buffer: &mut BytesMut,
    flights: &Flights,
) -> io::Result<()>
where
    W: AsyncWrite + Unpin,
{
    for Queued { header, body, ticket, batches, place } in batch.drain(..) {
        // Its caller gave up before anything was sent.
        if ticket.is_closed() {
            continue;
        }
        let flight = Flight::new(header.operation, ticket, place).with_batches(batches);
        if !flights.begin(header.id, flight) {
            continue;
        }
        buffer.put_slice(&frame::length_prefix(HEADER_BYTES + body.len()));
        buffer.put_slice(&header.to_bytes());
        if body.len() <= BODY_BYTES_COPIED_MAX {
            buffer.put_slice(&body);
        } else {
            flush(writer, buffer).await?;
            writer.write_all(&body).await?;
        }
        if WRITE_BYTES <= buffer.len() {
            flush(writer, buffer).await?;
        }
    }
    flush(writer, buffer).await?;
    // TLS may have taken the bytes and kept them.
    writer.flush().await
}

async fn flush<W: AsyncWrite + Unpin>(writer: &mut W, buffer: &mut BytesMut) -> io::Result<()> {
    writer.write_all(buffer).await?;
    buffer.clear();
    Ok(())
}
