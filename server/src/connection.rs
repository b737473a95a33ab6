//! One connection: its entrance, requests and answers at the same time, last word.
//!
//! The reader hands each request to the engine or to the reads and goes on to the next; the writer
//! sends answers as they come, in any order. They share nothing but the channel of answers and the
//! connection's places: a request holds its place, counted in bytes, until its answer is written,
//! and without a place nothing more is read.

use crate::answer::{Answer, LogPosition, Meter, Place, Responder};
use crate::asker::Asker;
use crate::budget::Budget;
use crate::copies::{HELD_FOR, Held};
use crate::directory::KeyDirectory;
use crate::entrance::{self, Dismissal, Guest};
use crate::frames::{Broken, Frames, Malformed};
use crate::key_changes::{self, KeyChanges, KeyRequest};
use crate::ledger::{Found, Ledger};
use crate::limits::{
    CONNECTION_BYTES_IN_FLIGHT_MAX, COPIES_AT_ONCE_MAX, COPIES_WAITING_MAX, GROUP_AT_ONCE_MAX,
    GROUP_WAITING_MAX, KEYRING_AT_ONCE_MAX, KEYRING_WAITING_MAX, LINGER_TIMEOUT,
    PROOFS_AT_ONCE_MAX, PROOFS_WAITING_MAX, READS_AT_ONCE_MAX, READS_WAITING_MAX,
    REQUEST_WEIGHT_MIN, REVOKED_TIMEOUT, SERVER_BYTES_IN_FLIGHT_MAX,
};
use crate::lobby::{Lobby, Stranger};
use crate::members::Members;
use crate::metrics::{HandshakeFailure, ServerMetrics, Stage, Staged};
use crate::options::ServerOptions;
use crate::positions;
use crate::question::{Question, Work};
use crate::reads::{self, Reads};
use crate::receipts::Receipts;
use crate::shipping::Shipping;
use crate::streams::{Streams, Subscriptions};
use crate::writer::Writer;
use florin_core::request::{Request, Status};
use florin_wire::limits::{FRAME_BYTES_MAX, HELLO_BYTES_MAX};
use florin_wire::{Binding, Refusal, RefusalKind, ReplyHeader, cold, frame};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::sync::{Semaphore, watch};
use tokio::task::yield_now;
use tokio::time::{Instant, interval_at, timeout, timeout_at};
use tracing::debug;

/// What all connections of a server share.
pub(crate) struct Shared<L> {
    pub(crate) ledger: L,
    pub(crate) log: Arc<LogPosition>,
    pub(crate) options: ServerOptions,
    /// Told in every hello.
    pub(crate) incarnation: u128,
    /// Told in every hello.
    pub(crate) epoch: u64,
    pub(crate) budget: Budget,
    pub(crate) reads: Arc<Reads>,
    /// Questions for heads and proofs: those that wait for the tree must not be in the way of reads.
    pub(crate) proofs: Reads,
    /// Questions to the keyring: they wait for the disk longer than history may.
    pub(crate) keyring: Reads,
    /// Pieces of the log and of the keyring: whoever copies a ledger must not be in the way of reads.
    pub(crate) copies: Reads,
    /// What nodes of a group ask each other: some of it waits for standbys.
    pub(crate) group: Reads,
    /// Commits whose answers have a receipt.
    pub(crate) receipts: Receipts,
    /// What their pieces are of.
    pub(crate) held: Arc<Held>,
    /// Of those who have not come in.
    pub(crate) lobby: Lobby,
    /// Of those who have.
    pub(crate) places: Arc<Semaphore>,
    pub(crate) members: Members,
    pub(crate) metrics: Arc<ServerMetrics>,
    pub(crate) streams: Streams,
    pub(crate) shipping: Shipping,
    /// Who may come in; `None`: everyone who reaches the address.
    pub(crate) keys: Option<Arc<dyn KeyDirectory>>,
    pub(crate) key_changes: KeyChanges,
}

/// What a server knows of its clients' keys.
pub(crate) struct KnownKeys {
    pub(crate) directory: Option<Arc<dyn KeyDirectory>>,
    pub(crate) changes: KeyChanges,
}

/// A connection that was accepted and has not come in.
pub(crate) struct Arrival {
    pub(crate) stranger: Stranger,
    pub(crate) staged: Staged,
    /// When it must have.
    pub(crate) deadline: Instant,
    /// Where it comes from, for what is told of it.
    pub(crate) peer: Option<SocketAddr>,
}

impl<L: Ledger> Shared<L> {
    pub(crate) fn new(
        ledger: L,
        options: ServerOptions,
        status: &Status,
        keys: KnownKeys,
        metrics: Arc<ServerMetrics>,
    ) -> Self {
        let Status { incarnation, epoch, .. } = *status;
        let places = Arc::new(Semaphore::new(options.connections_max));
        let streams = Streams::new(&ledger, incarnation, Arc::clone(&metrics));
        let shipping = Shipping::new(&ledger);
        let log = Arc::new({
            let ledger = ledger.clone();
            move || ledger.position()
        });
        Shared {
            ledger,
            log,
            options,
            incarnation,
            epoch,
            budget: Budget::new(SERVER_BYTES_IN_FLIGHT_MAX),
            reads: Arc::new(Reads::new("reads", READS_AT_ONCE_MAX, READS_WAITING_MAX)),
            proofs: Reads::new("questions for proofs", PROOFS_AT_ONCE_MAX, PROOFS_WAITING_MAX),
            keyring: Reads::new(
                "requests to the keyring",
                KEYRING_AT_ONCE_MAX,
                KEYRING_WAITING_MAX,
            ),
            copies: Reads::new("pieces of copies", COPIES_AT_ONCE_MAX, COPIES_WAITING_MAX),
            group: Reads::new("questions of the group", GROUP_AT_ONCE_MAX, GROUP_WAITING_MAX),
            receipts: Receipts::new(),
            held: Arc::default(),
            streams,
            shipping,
            lobby: Lobby::default(),
            places,
            members: Members::default(),
            metrics,
            keys: keys.directory,
            key_changes: keys.changes,
        }
    }
}

/// Why the reader stopped.
enum End {
    /// The peer said that it sends nothing more.
    PeerClosed,
    /// The server shuts down.
    Stopping,
    /// Its key does not let it stay.
    Dismissed(Dismissal),
    /// It has asked nothing for longer than the server's operator likes.
    Idle,
    /// What came is not the protocol.
    Malformed(Malformed),
    /// Nothing can be read or written any more.
    Gone,
}

/// Serves one peer until it closes, breaks the protocol, stalls, must go, or the server stops.
pub(crate) async fn serve<L, R, W>(
    shared: Arc<Shared<L>>,
    reader: R,
    writer: W,
    arrival: Arrival,
    binding: Binding,
    mut stopping: watch::Receiver<bool>,
) where
    L: Ledger,
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let mut frames = Frames::new(reader, HELLO_BYTES_MAX);
    let mut writer = Writer::new(writer, shared.options.write_timeout);
    let Arrival { mut stranger, mut staged, deadline, peer } = arrival;
    debug!(connection = staged.number(), peer = peer.map(tracing::field::display), "connected");
    let entering = entrance::enter(&shared, &mut frames, &mut writer, &binding);
    let entered = tokio::select! {
        biased;
        _ = stopping.wait_for(|stop| *stop) => return,
        () = stranger.sent_away() => return shared.metrics.turn_away(),
        entered = timeout_at(deadline, entering) => entered,
    };
    let mut guest = match entered {
        Ok(Ok(Some(guest))) => guest,
        Ok(Ok(None)) => {
            shared.metrics.handshake_failed(HandshakeFailure::Refused);
            staged.move_to(Stage::Closing);
            return tokio::select! {
                () = stranger.sent_away() => {}
                () = close(frames, writer) => {}
            };
        }
        Ok(Err(_)) | Err(_) => {
            return shared.metrics.handshake_failed(HandshakeFailure::Silent);
        }
    };
    drop(stranger);
    staged.move_to(Stage::Open);
    frames.set_bytes_max(FRAME_BYTES_MAX);

    let (answers, outgoing) = mpsc::unbounded_channel();
    let (follows, mut following) = watch::channel(false);
    let subscriptions = Subscriptions::new(stopping.clone(), follows);
    let mut writing = tokio::spawn(writer.write_answers(outgoing));
    // The stop comes first: a peer that always has more to say must not keep the server going.
    let end = tokio::select! {
        biased;
        () = must_stop(&mut stopping, &mut following) => End::Stopping,
        end = serve_guest(&shared, &mut guest, &mut frames, answers, subscriptions, staged.number()) => end,
        _ = &mut writing => End::Gone,
    };
    staged.move_to(Stage::Closing);
    // What was accepted is answered before the last word, so that the last word can promise that
    // everything without an answer did not happen.
    let last_word = match &end {
        End::Gone => return writing.abort(),
        End::PeerClosed => None,
        End::Stopping => Some(stopping_refusal()),
        End::Dismissed(dismissal) => Some(dismissed_refusal(*dismissal)),
        End::Idle => Some(idle_refusal()),
        End::Malformed(malformed) => {
            shared.metrics.broke_protocol();
            Some(malformed_refusal(*malformed))
        }
    };
    // One whose key was revoked does not stay by leaving its answers unread.
    let patience = match end {
        End::Dismissed(Dismissal::Revoked) => REVOKED_TIMEOUT,
        _ => Duration::MAX,
    };
    let Ok(written) = timeout(patience, &mut writing).await else { return writing.abort() };
    let written = written.expect("writing answers does not panic");
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

/// Completes when the server stops; with a standby at the other end, once that was sent the last frame.
async fn must_stop(stopping: &mut watch::Receiver<bool>, following: &mut watch::Receiver<bool>) {
    // The senders are gone when the server is, and when nothing is asked any more.
    let _ = stopping.wait_for(|stop| *stop).await;
    let _ = following.wait_for(|follows| !*follows).await;
}

/// Takes a guest's requests until there are no more to take or it must go.
async fn serve_guest<L, R>(
    shared: &Shared<L>,
    guest: &mut Guest,
    frames: &mut Frames<R>,
    answers: UnboundedSender<Answer>,
    subscriptions: Subscriptions,
    number: u64,
) -> End
where
    L: Ledger,
    R: AsyncRead + Unpin,
{
    let Guest { asker, standing, .. } = guest;
    let changes = standing.changes();
    tokio::select! {
        biased;
        dismissal = standing.dismissed() => End::Dismissed(dismissal),
        end = read_requests(shared, asker, changes, frames, answers, subscriptions, number) => end,
    }
}

/// Takes requests until there are no more to take. None begins behind a change of keys before whoever
/// polls this beside had its turn to end it.
async fn read_requests<L, R>(
    shared: &Shared<L>,
    asker: &Asker,
    mut changes: Option<watch::Receiver<u64>>,
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
    let idle_timeout = shared.options.idle_timeout.unwrap_or(Duration::MAX);
    loop {
        let payload = match timeout(idle_timeout, frames.next()).await {
            Ok(Ok(Some(payload))) => payload,
            Ok(Ok(None)) => return End::PeerClosed,
            Ok(Err(Broken::Gone)) => return End::Gone,
            Ok(Err(Broken::Malformed(malformed))) => return End::Malformed(malformed),
            // Who waits for an answer is not idle.
            Err(_) if places.available_permits() < CONNECTION_BYTES_IN_FLIGHT_MAX => continue,
            Err(_) => return End::Idle,
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
        // Many requests may lie in the buffer, and are all taken without waiting for anything.
        if let Some(changes) = &mut changes
            && changes.has_changed().unwrap_or(false)
        {
            changes.mark_unchanged();
            yield_now().await;
        }
        let begun =
            begin(shared, asker, question, place, answers.clone(), &mut subscriptions, number);
        if let Some(asked) = begun {
            shared.key_changes.make(&shared.ledger, asked).await;
        }
    }
}

/// Begins a request: after this it will be answered. One that changes keys is handed back to be begun
/// in its turn.
fn begin<L: Ledger>(
    shared: &Shared<L>,
    asker: &Asker,
    question: Question,
    place: Place,
    answers: UnboundedSender<Answer>,
    subscriptions: &mut Subscriptions,
    connection: u64,
) -> Option<KeyRequest> {
    // Nobody waits for the record; over the key's budget it is only counted.
    let refusal = asker.refusal(&question, |refused| {
        shared.ledger.submit(Request::RecordRefusal(refused), drop);
    });
    let Question { id, operation, deadline, own_tables, wants_receipt, work, cost_bytes, .. } =
        question;
    let has_place = place.is_whole();
    let metrics = Arc::clone(&shared.metrics);
    debug!(connection, request = id, operation, "asked");
    let (log, meter) = (Arc::clone(&shared.log), Meter { metrics, connection });
    let responder = Responder::new(id, operation, answers, place, log, meter);
    if let Some(refusal) = refusal {
        responder.refuse(refusal);
        return None;
    }
    if !has_place {
        let message =
            format!("the server has no room for {cost_bytes} bytes more: send it again later");
        responder.refuse(Refusal::without_effect(RefusalKind::Busy, message));
        return None;
    }
    if subscriptions.is_stopping() && !matches!(work, Work::Acknowledge(_)) {
        // It is only here until the last frame was shipped.
        responder.refuse(stopping_refusal());
        return None;
    }
    if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
        responder.refuse(reads::expired());
        return None;
    }
    if let Some(refusal) = own_tables.refusal() {
        responder.refuse(refusal);
        return None;
    }
    let changes = match key_changes::changes_of(&work, own_tables, asker.key()) {
        Ok(changes) => changes,
        Err(improper) => {
            responder.refuse(key_changes::refusal(&improper));
            return None;
        }
    };
    match work {
        Work::Submit(request) => {
            let request = request.by(asker.caller());
            if changes.is_some() && wants_receipt {
                let message = "a commit that changes keys has no receipt in its answer: ask for it afterwards";
                responder.refuse(Refusal::without_effect(RefusalKind::Invalid, message));
                return None;
            }
            if wants_receipt {
                shared.receipts.begin(&shared.ledger, request, responder);
                return None;
            }
            if let Some(changes) = changes {
                return Some(KeyRequest { request, changes, deadline, responder });
            }
            let sight = asker.sight();
            shared.ledger.submit(request, move |result| {
                responder.reply(result.map(|reply| sight.dim(reply)));
            });
        }
        Work::Read(read) => {
            let (ledger, sight) = (shared.ledger.clone(), asker.sight());
            let reads = if read.is_of_tree() { &shared.proofs } else { &*shared.reads };
            let ask = move || sight.read(&ledger, read);
            reads.start(deadline, responder, ask, Responder::found);
        }
        Work::Keyring(question) => {
            let (ledger, by) = (shared.ledger.clone(), asker.caller().name().to_owned());
            let ask = move || ledger.ask_keyring(&question, &by);
            shared.keyring.start(deadline, responder, ask, Responder::keyring);
        }
        Work::Copy(question) => {
            let (ledger, held) = (shared.ledger.clone(), shared.held.clone());
            if question.begins() {
                // Whoever asks no more leaves it behind.
                let held = held.clone();
                tokio::spawn(async move {
                    let mut ticks = interval_at(Instant::now() + HELD_FOR, HELD_FOR);
                    while !held.lets_go(ticks.tick().await.into_std()) {}
                });
            }
            let copy = move || ledger.copy(question, &held);
            shared.copies.start(deadline, responder, copy, Responder::copied);
        }
        Work::Group(question) => {
            let ledger = shared.ledger.clone();
            let ask = move || ledger.ask_group(&question).map(|body| Found::Stored(body.to_vec()));
            shared.group.start(deadline, responder, ask, Responder::found);
        }
        Work::Await(asked) => {
            let stopping = subscriptions.stopping();
            positions::answer(shared, asker.sight(), asked, deadline, stopping, responder);
        }
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
        Work::Follow(follow) => {
            let name = asker.key().map(|_| asker.caller().name().to_owned());
            let consignee = subscriptions.consignee();
            consignee.begin(&shared.shipping, &shared.ledger, id, *follow, name, responder);
        }
        Work::Acknowledge(acknowledge) => {
            subscriptions.consignee().acknowledge(acknowledge);
            responder.done();
        }
        Work::Refuse(refusal) => responder.refuse(refusal),
    }
    None
}

fn stopping_refusal() -> Refusal {
    Refusal::without_effect(
        RefusalKind::Stopped,
        "the server is stopping: requests without a reply did not take effect, send them again \
         when it is back",
    )
}

fn dismissed_refusal(dismissal: Dismissal) -> Refusal {
    match dismissal {
        Dismissal::Revoked => Refusal::without_effect(
            RefusalKind::Unauthenticated,
            "the key of this connection was revoked: requests without a reply did not take effect",
        ),
        Dismissal::Changed => Refusal::without_effect(
            RefusalKind::Stopped,
            "the key of this connection has other roles or limits now: connect again, requests \
             without a reply did not take effect",
        ),
    }
}

fn idle_refusal() -> Refusal {
    Refusal::without_effect(
        RefusalKind::Stopped,
        "this connection was idle for too long: connect again when there is something to ask",
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
