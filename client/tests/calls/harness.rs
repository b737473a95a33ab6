//! A server that the test holds in its hand.

use bytes::{Bytes, BytesMut};
use florin_client::{Client, ClientOptions};
use florin_ledger::{
    AccountId, Amount, CreateTransferStatus, EventResult, Timestamp, Transfer, TransferId,
    TransferResult,
};
use florin_wire::frame::{self, HEADER_BYTES};
use florin_wire::limits::FRAME_BYTES_MAX;
use florin_wire::{
    ClientHello, Operation, Refusal, ReplyHeader, RequestHeader, ServerHello, Versions, Welcome,
    array, cold,
};
use futures_util::{FutureExt, StreamExt};
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::codec::FramedRead;
use tokio_util::codec::length_delimited::LengthDelimitedCodec;

pub(crate) const WELCOME: Welcome = Welcome {
    versions: Versions::SPOKEN,
    version: 1,
    features: 0,
    frame_bytes_max: 1 << 20,
    events_max: 8_190,
    requests_in_flight_max: 256,
    incarnation: 0xF10,
    epoch: 1,
};

/// A server that accepts one connection after the other.
pub(crate) struct HandServer {
    listener: TcpListener,
}

/// The server's end of one connection.
pub(crate) struct Served {
    frames: FramedRead<TcpStream, LengthDelimitedCodec>,
}

impl HandServer {
    pub(crate) async fn start() -> HandServer {
        HandServer { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub(crate) fn address(&self) -> String {
        self.listener.local_addr().unwrap().to_string()
    }

    /// A client that is connected, and the server's end of its connection.
    pub(crate) async fn client(&self, options: ClientOptions) -> (Client, Served) {
        self.client_of(WELCOME, options).await
    }

    pub(crate) async fn client_of(
        &self,
        welcome: Welcome,
        options: ClientOptions,
    ) -> (Client, Served) {
        let address = self.address();
        let (client, served) =
            tokio::join!(Client::connect(&address, options), self.welcome(welcome));
        (client.unwrap(), served)
    }

    /// The next connection, before any word.
    pub(crate) async fn accept(&self) -> Served {
        let (stream, _) = self.listener.accept().await.unwrap();
        let codec = LengthDelimitedCodec::builder()
            .little_endian()
            .max_frame_length(FRAME_BYTES_MAX)
            .new_codec();
        Served { frames: FramedRead::new(stream, codec) }
    }

    /// The next connection, after the hellos.
    pub(crate) async fn welcome(&self, welcome: Welcome) -> Served {
        let mut served = self.accept().await;
        served.hear_hello().await;
        served.say_hello(&ServerHello::Welcome(welcome)).await;
        served
    }
}

impl Served {
    pub(crate) async fn hear_hello(&mut self) -> ClientHello {
        let payload = self.frames.next().await.unwrap().unwrap();
        ClientHello::decode(&payload).unwrap()
    }

    pub(crate) async fn say_hello(&mut self, hello: &ServerHello) {
        let mut out = BytesMut::new();
        frame::write(&mut out, &[], |out| hello.write(out));
        self.say(&out).await;
    }

    pub(crate) async fn say(&mut self, bytes: &[u8]) {
        self.frames.get_mut().write_all(bytes).await.unwrap();
    }

    /// Where the client is.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.frames.get_ref().peer_addr().unwrap()
    }

    /// The next frame's payload.
    pub(crate) async fn payload(&mut self) -> Bytes {
        self.frames.next().await.unwrap().unwrap().freeze()
    }

    /// The next request.
    pub(crate) async fn request(&mut self) -> (RequestHeader, Bytes) {
        let payload = self.frames.next().await.unwrap().unwrap().freeze();
        (RequestHeader::decode(&payload).unwrap(), payload.slice(HEADER_BYTES..))
    }

    /// Whether the client closes without having asked for anything.
    pub(crate) async fn is_closed_without_a_request(&mut self) -> bool {
        self.frames.next().await.is_none_or(|frame| frame.is_err())
    }

    /// Whether the client, given every chance, sends nothing more.
    pub(crate) async fn has_nothing_to_read(&mut self) -> bool {
        for _ in 0..100 {
            if self.frames.next().now_or_never().is_some() {
                return false;
            }
            tokio::task::yield_now().await;
        }
        true
    }

    /// The next request, which must be one of transfers.
    pub(crate) async fn transfers(&mut self) -> (RequestHeader, Vec<Transfer>) {
        let (header, body) = self.request().await;
        assert_eq!(header.operation, Operation::CreateTransfers.number());
        (header, array::decode(&body).unwrap())
    }

    pub(crate) async fn reply(&mut self, header: ReplyHeader, body: &[u8]) {
        let mut out = BytesMut::new();
        frame::write(&mut out, &header.to_bytes(), |out| out.extend_from_slice(body));
        self.say(&out).await;
    }

    pub(crate) async fn answer(&mut self, request: RequestHeader, results: &[TransferResult]) {
        let header = ReplyHeader::answered(request.id, Operation::CreateTransfers);
        self.reply(header, &array::to_bytes(results)).await;
    }

    pub(crate) async fn refuse(&mut self, request: RequestHeader, refusal: &Refusal) {
        let header = ReplyHeader::refused(request.id, request.operation);
        self.reply(header, &cold::to_bytes(refusal)).await;
    }
}

pub(crate) fn transfer(id: u128) -> Transfer {
    Transfer {
        id: TransferId(id),
        debit_account_id: AccountId(1),
        credit_account_id: AccountId(2),
        amount: Amount(id),
        ..Transfer::default()
    }
}

pub(crate) fn created(timestamp: u64) -> TransferResult {
    EventResult { status: CreateTransferStatus::Created, timestamp: Timestamp(timestamp) }
}

pub(crate) fn exists(timestamp: u64) -> TransferResult {
    EventResult { status: CreateTransferStatus::Exists, timestamp: Timestamp(timestamp) }
}

/// Options of a client that tries everything once.
pub(crate) fn once() -> ClientOptions {
    ClientOptions { attempts_max: 1, ..ClientOptions::default() }
}
