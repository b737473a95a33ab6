//! One connection: hello, requests and answers at the same time, last word.
//!
//! The reader hands each request to the engine or to the reads and goes on to the next; the writer
//! sends answers as they come, in any order. They share nothing but the channel of answers and the
//! connection's places: a request holds its place, counted in bytes, until its answer is written,
//! and without a place nothing more is read.

use crate::answer::{Answer, Meter, Place, Responder};
use crate::budget::Budget;
use crate::frames::{Broken, Frames, Malformed};
use crate::ledger::Ledger;
use crate::limits::{
    CONNECTION_BYTES_IN_FLIGHT_MAX, LINGER_TIMEOUT, REQUEST_WEIGHT_MIN, REQUESTS_IN_FLIGHT_MAX,
    SERVER_BYTES_IN_FLIGHT_MAX,
};
use crate::metrics::{HandshakeFailure, ServerMetrics, Stage, Staged};
use crate::options::ServerOptions;
use crate::question::{Question, Work};
use crate::reads::{self, Reads};
use crate::streams::{Streams, Subscriptions};
use crate::writer::Writer;
use bytes::Bytes;
use florin_wire::limits::{EVENTS_MAX, FRAME_BYTES_MAX, HELLO_BYTES_MAX};
use florin_wire::{
    ClientHello, Farewell, Refusal, RefusalKind, ReplyHeader, ServerHello, Versions, Welcome, cold,
    frame,
};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};
use tracing::debug;

/// What all connections of a server share.
pub(crate) struct Shared<L> {
    pub(crate) ledger: L,
    pub(crate) options: ServerOptions,
    /// Told in every hello.
    pub(crate) incarnation: u128,
    /// Told in every hello.
    pub(crate) epoch: u64,
    pub(crate) budget: Budget,
    pub(crate) reads: Reads,
    pub(crate) metrics: Arc<ServerMetrics>,
    pub(crate) streams: Streams,
}

impl<L: Ledger> Shared<L> {
    pub(crate) fn new(ledger: L, options: ServerOptions, incarnation: u128, epoch: u64) -> Self {
        let budget = Budget::new(SERVER_BYTES_IN_FLIGHT_MAX);
        let streams = Streams::new(&ledger, incarnation);
        Shared {
            ledger,
            options,
            incarnation,
            epoch,
            budget,
            reads: Reads::new(),
            streams,
            metrics: Arc::default(),
        }
    }
}

/// Why the reader stopped.
enum End {
    /// The peer said that it sends nothing more.
    PeerClosed,
    /// The server shuts down.
    Stopping,
    /// What came is not the protocol.
    Malformed(Malformed),
    /// Nothing can be read or written any more.
    Gone,
}

/// Serves one peer until it closes, breaks the protocol, stalls, or the server stops.
pub(crate) async fn serve<L, R, W>(
    shared: Arc<Shared<L>>,
    reader: R,
    writer: W,
    mut stopping: watch::Receiver<bool>,
    peer: Option<SocketAddr>,
) where
    L: Ledger,
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let mut staged = Staged::accepted(Arc::clone(&shared.metrics));
    debug!(connection = staged.number(), peer = peer.map(tracing::field::display), "connected");
    let mut frames = Frames::new(reader, HELLO_BYTES_MAX);
    let mut writer = Writer::new(writer, shared.options.write_timeout);
    let welcomed = tokio::select! {
        biased;
        _ = stopping.wait_for(|stop| *stop) => return,
        welcomed = welcome(&shared, &mut frames, &mut writer) => welcomed,
    };
    match welcomed {
        Ok(true) => staged.move_to(Stage::Open),
        Ok(false) => {
            shared.metrics.handshake_failed(HandshakeFailure::Refused);
            staged.move_to(Stage::Closing);
            return close(frames, writer).await;
        }
        Err(_) => return shared.metrics.handshake_failed(HandshakeFailure::Silent),
    }

    let (answers, outgoing) = mpsc::unbounded_channel();
    let subscriptions = Subscriptions::new(stopping.clone());
    let mut writing = tokio::spawn(writer.write_answers(outgoing));
    // The stop comes first: a peer that always has more to say must not keep the server going.
    let end = tokio::select! {
        biased;
        _ = stopping.wait_for(|stop| *stop) => End::Stopping,
        end = read_requests(&shared, &mut frames, answers, subscriptions, staged.number()) => end,
        _ = &mut writing => End::Gone,
    };
    staged.move_to(Stage::Closing);
    // What was accepted is answered before the last word, so that the last word can promise that
    // everything without an answer did not happen.
    let last_word = match end {
        End::Gone => return writing.abort(),
        End::PeerClosed => None,
        End::Stopping => Some(stopping_refusal()),
        End::Malformed(malformed) => {
            shared.metrics.broke_protocol();
            Some(malformed_refusal(malformed))
        }
    };
    let written = writing.await.expect("writing answers does not panic");
    let Ok(mut writer) = written else { return };
    if let Some(refusal) = last_word {
        let header = ReplyHeader::last_word().to_bytes();
        let frame = writer.write_frame(|out| {
            frame::write(out, &header, |out| cold::write(&refusal, out));
        });
        if frame.await.is_err() {
            return;
        }
    }
    close(frames, writer).await;
}

/// Tells a peer over the limit so, in the place of a hello.
pub(crate) async fn refuse<R, W>(
    options: ServerOptions,
    reader: R,
    writer: W,
    mut stopping: watch::Receiver<bool>,
) where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut frames = Frames::new(reader, HELLO_BYTES_MAX);
    let mut writer = Writer::new(writer, options.write_timeout);
    // Its hello is read first: a connection closed over unread bytes is reset, refusal and all.
    let hello = tokio::select! {
        biased;
        _ = stopping.wait_for(|stop| *stop) => return,
        hello = timeout(options.handshake_timeout, frames.next()) => hello,
    };
    if let Ok(Ok(Some(_))) = hello {
        let message = format!(
            "the server has {} connections already: try again later",
            options.connections_max
        );
        if say(&mut writer, &farewell(RefusalKind::Busy, message)).await.is_ok() {
            close(frames, writer).await;
        }
    }
}

/// Exchanges hellos. Whether requests may come; a refusal has then been said.
async fn welcome<L, R, W>(
    shared: &Shared<L>,
    frames: &mut Frames<R>,
    writer: &mut Writer<W>,
) -> io::Result<bool>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let hello = match timeout(shared.options.handshake_timeout, frames.next()).await? {
        Ok(Some(payload)) => answer_hello(shared, frames, &payload),
        Ok(None) | Err(Broken::Gone) => return Err(io::ErrorKind::UnexpectedEof.into()),
        Err(Broken::Malformed(malformed)) => {
            farewell(RefusalKind::Malformed, malformed.to_string())
        }
    };
    say(writer, &hello).await?;
    frames.set_bytes_max(FRAME_BYTES_MAX);
    Ok(matches!(hello, ServerHello::Welcome(_)))
}

fn answer_hello<L, R>(shared: &Shared<L>, frames: &Frames<R>, payload: &Bytes) -> ServerHello
where
    R: AsyncRead + Unpin,
{
    let hello = match ClientHello::decode(payload) {
        Ok(hello) => hello,
        Err(error) => {
            return farewell(RefusalKind::Malformed, frames.malformed(error).to_string());
        }
    };
    let Some(version) = Versions::SPOKEN.highest_common(hello.versions) else {
        let message = format!(
            "the client speaks {} of the protocol and this server {}: bring the older one up to \
             date",
            hello.versions,
            Versions::SPOKEN
        );
        return farewell(RefusalKind::UnsupportedVersion, message);
    };
    let limit = |limit: usize| u32::try_from(limit).expect("the protocol's limits fit 32 bits");
    ServerHello::Welcome(Welcome {
        versions: Versions::SPOKEN,
        version,
        features: 0,
        frame_bytes_max: limit(FRAME_BYTES_MAX),
        events_max: limit(EVENTS_MAX),
        requests_in_flight_max: limit(REQUESTS_IN_FLIGHT_MAX),
        incarnation: shared.incarnation,
        epoch: shared.epoch,
    })
}

/// Takes requests until there are no more to take.
async fn read_requests<L, R>(
    shared: &Shared<L>,
    frames: &mut Frames<R>,
    answers: UnboundedSender<Answer>,
    mut subscriptions: Subscriptions,
    number: u64,
) -> End
where
    L: Ledger,
    R: AsyncRead + Unpin,
{
    let places = Arc::new(Semaphore::new(CONNECTION_BYTES_IN_FLIGHT_MAX));
    loop {
        let payload = match frames.next().await {
            Ok(Some(payload)) => payload,
            Ok(None) => return End::PeerClosed,
            Err(Broken::Gone) => return End::Gone,
            Err(Broken::Malformed(malformed)) => return End::Malformed(malformed),
        };
        let question = match Question::decode(payload) {
            Ok(question) => question,
            Err(error) => return End::Malformed(frames.malformed(error)),
        };
        let weight = u32::try_from(question.cost_bytes.max(REQUEST_WEIGHT_MIN));
        let weight = weight.expect("a frame's length fits 32 bits");
        let connection = Arc::clone(&places).acquire_many_owned(weight).await;
        let connection = connection.expect("the connection's places are never closed");
        let server = shared.budget.lend(question.cost_bytes);
        let place = Place::new(connection, server);
        begin(shared, question, place, answers.clone(), &mut subscriptions, number);
    }
}

/// Begins a request: after this it will be answered.
fn begin<L: Ledger>(
    shared: &Shared<L>,
    question: Question,
    place: Place,
    answers: UnboundedSender<Answer>,
    subscriptions: &mut Subscriptions,
    connection: u64,
) {
    let Question { id, operation, deadline, work, cost_bytes } = question;
    let has_place = place.is_whole();
    let metrics = Arc::clone(&shared.metrics);
    debug!(connection, request = id, operation, "asked");
    let responder = Responder::new(id, operation, answers, place, Meter { metrics, connection });
    if !has_place {
        let message =
            format!("the server has no room for {cost_bytes} bytes more: send it again later");
        responder.refuse(Refusal::without_effect(RefusalKind::Busy, message));
        return;
    }
    if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
        responder.refuse(reads::expired());
        return;
    }
    match work {
        Work::Submit(request) => {
            shared.ledger.submit(request, move |result| responder.reply(result));
        }
        Work::Read(read) => shared.reads.start(&shared.ledger, read, deadline, responder),
        Work::Subscribe(subscribe) => {
            subscriptions.begin(&shared.streams, &shared.ledger, id, *subscribe, responder);
        }
        Work::Credit(credit) => {
            subscriptions.credit(credit);
            responder.done();
        }
        Work::Unsubscribe(unsubscribe) => {
            subscriptions.end(unsubscribe);
            responder.done();
        }
        Work::Refuse(refusal) => responder.refuse(refusal),
    }
}

async fn say<W>(writer: &mut Writer<W>, hello: &ServerHello) -> io::Result<()>
where
    W: AsyncWrite + Unpin,
{
    writer.write_frame(|out| frame::write(out, &[], |out| hello.write(out))).await
}

fn farewell(kind: RefusalKind, message: String) -> ServerHello {
    ServerHello::Refused(Farewell { versions: Versions::SPOKEN, kind, message })
}

fn stopping_refusal() -> Refusal {
    Refusal::without_effect(
        RefusalKind::Stopped,
        "the server is stopping: requests without a reply did not take effect, send them again \
         when it is back",
    )
}

fn malformed_refusal(malformed: Malformed) -> Refusal {
    Refusal::without_effect(
        RefusalKind::Malformed,
        format!(
            "{malformed}: this connection closes, requests without a reply did not take effect"
        ),
    )
}

/// Closes the server's side, then waits a little for the peer's.
async fn close<R, W>(frames: Frames<R>, writer: Writer<W>)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    if writer.close().await.is_err() {
        return;
    }
    let mut reader = frames.into_reader();
    let mut nowhere = tokio::io::sink();
    let unread = tokio::io::copy(&mut reader, &mut nowhere);
    // However it ends, the connection is over.
    let _ = timeout(LINGER_TIMEOUT, unread).await;
}
