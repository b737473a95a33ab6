//! A server on a loopback port, an engine that answers when told to, and a peer that says exactly
//! what the test says.

use crate::hand_log::{HandLog, HandStream};
use crate::hand_shipment::HandShipping;
use bytes::{Bytes, BytesMut};
use florin_core::request::{Reply, Request, Status};
use florin_core::shipping::FollowFrom;
use florin_core::{Error, ErrorKind};
use florin_ledger::query::Page;
use florin_ledger::{
    Account, AccountId, CreateTransferStatus, Document, EventResult, Lsn, Position, StreamFilter,
    StreamStart, Timestamp, Transfer, TransferId, TransferResult,
};
use florin_server::copies::{CopyAnswer, CopyQuestion, Held};
use florin_server::keyring::{KeyringAnswer, KeyringQuestion};
use florin_server::ledger::{Found, LogShipment, Read};
use florin_server::{Doors, Ledger, Server, ServerMetrics, ServerOptions};
use florin_wire::frame::{self, REPLY_HEADER_BYTES};
use florin_wire::limits::FRAME_BYTES_MAX;
use florin_wire::{
    ClientHello, Operation, Outcome, Refusal, ReplyHeader, RequestHeader, ServerHello, Versions,
    array, cold,
};
use futures_util::StreamExt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc as std_mpsc};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::codec::FramedRead;
use tokio_util::codec::length_delimited::LengthDelimitedCodec;

pub(crate) const INCARNATION: u128 = 0xF10;
pub(crate) const EPOCH: u64 = 3;

/// Answers a request; dropping it is an engine that died.
pub(crate) type Callback = Box<dyn FnOnce(Result<Reply, Error>) + Send>;

/// An engine whose requests the test receives and answers. Reads wait for [`Engine::let_read`].
#[derive(Clone)]
pub(crate) struct HandLedger {
    requests: mpsc::UnboundedSender<(Request, Callback)>,
    reads: Arc<Mutex<std_mpsc::Receiver<()>>>,
    log: Arc<HandLog>,
    shipping: Arc<HandShipping>,
    rest: mpsc::UnboundedSender<Rest>,
}

/// Called when nothing more will be durable.
type Rest = Box<dyn FnOnce() + Send>;

/// The test's end of a [`HandLedger`].
pub(crate) struct Engine {
    pub(crate) requests: mpsc::UnboundedReceiver<(Request, Callback)>,
    reads: std_mpsc::Sender<()>,
    pub(crate) log: Arc<HandLog>,
    pub(crate) shipping: Arc<HandShipping>,
    rest: mpsc::UnboundedReceiver<Rest>,
    /// Who was asked to rest, and was not let yet.
    resting: Vec<Rest>,
}

impl Ledger for HandLedger {
    type Stream = HandStream;

    fn subscribe(&self, start: StreamStart, filter: StreamFilter) -> Result<HandStream, Error> {
        self.log.subscribe(start, filter)
    }

    fn on_durable(&self, risen: impl Fn() + Send + Sync + 'static) {
        self.log.on_durable(risen);
    }

    fn durable_end(&self) -> Lsn {
        self.log.durable_end()
    }

    fn position(&self) -> Position {
        self.log.position()
    }

    fn on_client_keys(&self, _: impl Fn() + Send + Sync + 'static) {
        // Its documents never change.
    }

    fn submit(&self, request: Request, reply: impl FnOnce(Result<Reply, Error>) + Send + 'static) {
        if matches!(request, Request::Status) {
            return reply(Ok(Reply::Status(status())));
        }
        // When the test's end is gone the engine has died, and the reply is dropped.
        let _ = self.requests.send((request, Box::new(reply)));
    }

    fn ask_keyring(&self, _: &KeyringQuestion, _: &str) -> Result<KeyringAnswer, Error> {
        Err(Error::new(ErrorKind::Invalid, "no keyring here"))
    }

    fn copy(&self, _: CopyQuestion, _: &Held) -> Result<CopyAnswer, Error> {
        Err(Error::new(ErrorKind::Invalid, "nothing to copy here"))
    }

    fn ship(&self, from: &FollowFrom, _: &str) -> Result<Box<dyn LogShipment>, Error> {
        Ok(self.shipping.ship(from.position.lsn))
    }

    fn rest(&self, done: impl FnOnce() + Send + 'static) {
        // When the test's end is gone, nothing more will be durable.
        let _ = self.rest.send(Box::new(done));
    }

    fn read(&self, read: &Read) -> Result<Found, Error> {
        let turn = self.reads.lock().unwrap().recv();
        turn.map_err(|_| Error::new(ErrorKind::Stopped, "closed"))?;
        Ok(match read {
            Read::LookupTransfers(ids) => {
                Found::Transfers(ids.iter().map(|id| Some(transfer(id.0))).collect())
            }
            Read::Documents(keys) => {
                let found = keys.iter().map(|key| Some(document(&key.key))).collect();
                Found::Documents(florin_wire::documents::Found::of_keys(found, keys.len()))
            }
            Read::Reached(position) => self.log.reached(*position)?,
            _ => Found::TransferPage(Page { items: vec![transfer(1)], next_cursor: None }),
        })
    }
}

impl Engine {
    pub(crate) fn new() -> (HandLedger, Engine) {
        let (requests, received) = mpsc::unbounded_channel();
        let (reads, turns) = std_mpsc::channel();
        let log = Arc::new(HandLog::default());
        let reads_turns = Arc::new(Mutex::new(turns));
        let shipping = Arc::<HandShipping>::default();
        let (rest, rests) = mpsc::unbounded_channel();
        let ledger = HandLedger {
            requests,
            reads: reads_turns,
            log: Arc::clone(&log),
            shipping: Arc::clone(&shipping),
            rest,
        };
        let engine =
            Engine { requests: received, reads, log, shipping, rest: rests, resting: Vec::new() };
        (ledger, engine)
    }

    /// The next request that reaches the engine.
    pub(crate) async fn next(&mut self) -> (Request, Callback) {
        self.requests.recv().await.unwrap()
    }

    /// The next batch of transfers that reaches the engine.
    pub(crate) async fn next_transfers(&mut self) -> (Vec<Transfer>, Callback) {
        match self.next().await {
            (Request::CreateTransfers(batch), reply) => (batch.events().collect(), reply),
            (other, _) => unreachable!("{other:?}"),
        }
    }

    /// Waits until it is asked to decide nothing more.
    pub(crate) async fn rests(&mut self) {
        self.resting.push(self.rest.recv().await.unwrap());
    }

    /// Says that nothing more will be durable.
    pub(crate) fn let_rest(&mut self) {
        self.resting.drain(..).for_each(|done| done());
    }

    /// Lets one read of history go on.
    pub(crate) fn let_read(&self) {
        self.reads.send(()).unwrap();
    }
}

pub(crate) fn status() -> Status {
    Status {
        incarnation: INCARNATION,
        epoch: EPOCH,
        applied: Lsn(2),
        durable: Lsn(1),
        timestamp: Timestamp(4),
        accounts_count: 5,
        transfers_count: 6,
        holds_count: 7,
        documents_count: 9,
        serving_since: Timestamp(10),
        checkpoint: Lsn(8),
        disk_full: false,
    }
}

pub(crate) fn transfer(id: u128) -> Transfer {
    Transfer { id: TransferId(id), ..Transfer::default() }
}

/// A document whose value is its key.
fn document(key: &[u8]) -> Document {
    Document {
        key: key.to_vec(),
        version: Position { epoch: 1, lsn: Lsn(4096) },
        timestamp: Timestamp(1),
        expires: Timestamp::NONE,
        value: Some(key.to_vec()),
    }
}

pub(crate) fn account(id: u128) -> Account {
    Account { id: AccountId(id), ..Account::default() }
}

pub(crate) fn created(timestamp: u64) -> TransferResult {
    EventResult { status: CreateTransferStatus::Created, timestamp: Timestamp(timestamp) }
}

/// A server that lets in everyone on this machine.
pub(crate) fn open() -> ServerOptions {
    ServerOptions::behind(Doors::insecure_loopback())
}

/// Keeps paused time where it is until dropped. A runtime without work moves it on, and while bytes
/// are on their way through the kernel it seems to have none.
pub(crate) struct Still {
    _held: std_mpsc::Sender<()>,
}

impl Still {
    pub(crate) fn hold() -> Still {
        let (held, let_go) = std_mpsc::channel::<()>();
        // Time does not move by itself while a thread is at work that may block.
        tokio::task::spawn_blocking(move || {
            let _ = let_go.recv();
        });
        Still { _held: held }
    }
}

/// A server that runs in this test's runtime.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Arc<ServerMetrics>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn start(options: ServerOptions) -> (Running, Engine) {
        let (ledger, engine) = Engine::new();
        (Running::over(ledger, options).await, engine)
    }

    /// A server over any engine.
    pub(crate) async fn over(ledger: impl Ledger, options: ServerOptions) -> Running {
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), options, ledger).await.unwrap();
        let (address, metrics) = (server.address(), server.metrics());
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(server.serve(async move {
            let _ = stopped.await;
        }));
        Running { address, metrics, stop, serving }
    }

    pub(crate) async fn default() -> (Running, Engine) {
        Running::start(open()).await
    }

    /// Tells the server to stop; the handle completes when it has.
    pub(crate) fn stop(self) -> JoinHandle<()> {
        self.stop.send(()).unwrap();
        self.serving
    }

    /// That the server takes work from a new connection as if nothing had happened.
    pub(crate) async fn is_unharmed(&self, engine: &mut Engine) {
        let mut peer = Peer::welcomed(self.address).await;
        peer.create_transfers(1, &[transfer(77)]).await;
        let (_, reply) = engine.next_transfers().await;
        reply(Ok(Reply::Transfers(vec![created(1)])));
        assert_eq!(peer.results(1).await, [created(1)]);
    }
}

/// One end of a connection to the server.
pub(crate) struct Peer<S = TcpStream> {
    frames: FramedRead<S, LengthDelimitedCodec>,
}

/// A reply as it came.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) header: ReplyHeader,
    pub(crate) body: Bytes,
}

impl Received {
    /// Checks that it answers this request, as of whatever position.
    pub(crate) fn check_answers(&self, id: u64, operation: Operation) {
        assert_eq!(self.header, ReplyHeader::answered(id, operation).at(self.header.position));
    }

    pub(crate) fn refusal(&self) -> Refusal {
        assert_ne!(self.header.outcome, Outcome::Answered);
        cold::decode(&self.body).unwrap()
    }
}

impl Peer {
    /// A connection on which nothing was said yet.
    pub(crate) async fn connected(address: SocketAddr) -> Peer {
        Peer::over(TcpStream::connect(address).await.unwrap())
    }

    /// A connection on which requests may follow.
    pub(crate) async fn welcomed(address: SocketAddr) -> Peer {
        let mut peer = Peer::connected(address).await;
        peer.say_hello(Versions::SPOKEN).await;
        assert!(matches!(peer.hello().await, ServerHello::Welcome(_)));
        peer
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    /// What speaks frames over a stream.
    pub(crate) fn over(stream: S) -> Peer<S> {
        let codec = LengthDelimitedCodec::builder()
            .little_endian()
            .max_frame_length(FRAME_BYTES_MAX)
            .new_codec();
        Peer { frames: FramedRead::new(stream, codec) }
    }

    pub(crate) async fn say_hello(&mut self, versions: Versions) {
        let hello = ClientHello { versions, features: 0, name: String::from("test") };
        let mut out = BytesMut::new();
        frame::write(&mut out, &[], |out| hello.write(out));
        self.say(&out).await;
    }

    pub(crate) async fn hello(&mut self) -> ServerHello {
        ServerHello::decode(&self.payload().await.unwrap()).unwrap()
    }

    /// Sends bytes as they are.
    pub(crate) async fn say(&mut self, bytes: &[u8]) {
        self.frames.get_mut().write_all(bytes).await.unwrap();
    }

    /// The socket, past all framing.
    pub(crate) fn stream(&mut self) -> &mut S {
        self.frames.get_mut()
    }

    /// Says that nothing more comes, and goes on listening.
    pub(crate) async fn finish(&mut self) {
        self.frames.get_mut().shutdown().await.unwrap();
    }

    pub(crate) async fn ask(&mut self, id: u64, operation: u16, deadline_ms: u32, body: &[u8]) {
        let header = RequestHeader { id, operation, deadline_ms };
        let mut out = BytesMut::new();
        frame::write(&mut out, &header.to_bytes(), |out| out.extend_from_slice(body));
        self.say(&out).await;
    }

    pub(crate) async fn create_transfers(&mut self, id: u64, transfers: &[Transfer]) {
        let body = array::to_bytes(transfers);
        self.ask(id, Operation::CreateTransfers.number(), 0, &body).await;
    }

    /// The next reply.
    pub(crate) async fn reply(&mut self) -> Received {
        let payload = self.payload().await.unwrap();
        let header = ReplyHeader::decode(&payload).unwrap();
        Received { header, body: payload.slice(REPLY_HEADER_BYTES..) }
    }

    /// The results of the next reply, which must be that to `id`.
    pub(crate) async fn results(&mut self, id: u64) -> Vec<TransferResult> {
        let reply = self.reply().await;
        reply.check_answers(id, Operation::CreateTransfers);
        array::decode(&reply.body).unwrap()
    }

    /// The next frame; `None` when the server has closed in order.
    pub(crate) async fn payload(&mut self) -> Option<Bytes> {
        self.frames.next().await.map(|frame| frame.unwrap().freeze())
    }

    /// What comes next, an end or an error too.
    pub(crate) async fn next_frame(&mut self) -> Option<std::io::Result<BytesMut>> {
        self.frames.next().await
    }

    /// That the server has closed, in order or not.
    pub(crate) async fn is_closed(&mut self) {
        while let Some(frame) = self.frames.next().await {
            if frame.is_err() {
                return;
            }
        }
    }
}
