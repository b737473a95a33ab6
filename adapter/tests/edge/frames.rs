//! HTTP/2 as no decent client speaks it, frame by frame.

use crate::site::Site;
use florin_adapter::edge::Limits;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

const ENHANCE_YOUR_CALM: [u8; 4] = 11_u32.to_be_bytes();
const CANCEL: [u8; 4] = 8_u32.to_be_bytes();

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The headers of a request, each spelled out.
fn fields(method: &str, path: &str) -> Vec<u8> {
    let (scheme, authority) = ((":scheme", "https"), (":authority", "localhost"));
    spelled(&[(":method", method), scheme, authority, (":path", path)])
}

fn spelled(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            // Seven bits of a length, and what is more in a byte of its own.
            let first = text.len().min(127);
            block.push(u8::try_from(first).unwrap());
            if first == 127 {
                let more = u8::try_from(text.len() - 127).unwrap();
                assert!(more < 128);
                block.push(more);
            }
            block.extend(text.as_bytes());
        }
    }
    block
}

fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &fields("GET", path))
}

struct Peer(TlsStream<TcpStream>);

impl Peer {
    async fn of(site: &Site) -> Peer {
        let mut peer = Peer(site.tls("h2").await);
        peer.sends(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        peer.sends(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
        peer
    }

    async fn sends(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }

    /// The next frame; `None` at the end.
    async fn next(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap()];
        self.0.read_exact(&mut payload).await.ok()?;
        let is_question = kind == PING && flags & ACK == 0;
        if is_question {
            self.sends(&frame(PING, ACK, 0, &payload)).await.ok()?;
        }
        Some((kind, u32::from_be_bytes(stream), payload))
    }

    /// The first byte of the answer to a stream, which is its status.
    async fn status(&mut self, wanted: u32) -> u8 {
        loop {
            let (kind, stream, payload) = self.next().await.expect("the connection goes on");
            if (kind, stream) == (HEADERS, wanted) {
                break payload[0];
            }
        }
    }

    /// Why the connection ended, if that was said.
    async fn goodbye(&mut self) -> Option<[u8; 4]> {
        let mut reason = None;
        while let Some((kind, _, payload)) = self.next().await {
            if kind == GOAWAY {
                reason = payload[4..8].try_into().ok();
            }
        }
        reason
    }
}

/// Row 48 of the threat table: requests that are taken back at once.
#[tokio::test(start_paused = true)]
async fn who_takes_back_many_requests_at_once_is_told_to_calm_down() {
    let site = Site::open(Limits::default()).await;
    let mut peer = Peer::of(&site).await;
    let flood: Vec<u8> = (0..200)
        .flat_map(|number| {
            let stream = 2 * number + 1;
            [get(stream, "/hang"), frame(RST_STREAM, 0, stream, &CANCEL)].concat()
        })
        .collect();
    let _ = peer.sends(&flood).await;
    assert_eq!(peer.goodbye().await, Some(ENHANCE_YOUR_CALM));
}

/// Row 48: the same, each once the bank has begun to work.
#[tokio::test(start_paused = true)]
async fn who_takes_back_what_is_under_way_again_and_again_is_cut_off() {
    let mut site = Site::open(Limits::default()).await;
    let mut peer = Peer::of(&site).await;
    let mut count = 0;
    for number in 0..1_000_u32 {
        let stream = 2 * number + 1;
        if peer.sends(&get(stream, "/hang")).await.is_err() {
            break;
        }
        let begun = site.executed.wait_for(|executed| u64::from(number) < *executed);
        if tokio::time::timeout(Duration::from_secs(1), begun).await.is_err() {
            break;
        }
        count = number;
        let _ = peer.sends(&frame(RST_STREAM, 0, stream, &CANCEL)).await;
    }
    assert!((100..110).contains(&count), "{count}");
    let began = Instant::now();
    peer.goodbye().await;
    assert!(began.elapsed() < Duration::from_secs(1));
}

/// Row 48: headers that never end.
#[tokio::test(start_paused = true)]
async fn headers_in_endless_pieces_are_not_collected() {
    let site = Site::open(Limits::default()).await;
    for piece in [&[][..], b"\x00\x01x\x01y"] {
        let mut peer = Peer::of(&site).await;
        peer.sends(&frame(HEADERS, END_STREAM, 1, &fields("GET", "/"))).await.unwrap();
        let flood: Vec<u8> = (0..1_000).flat_map(|_| frame(CONTINUATION, 0, 1, piece)).collect();
        let _ = peer.sends(&flood).await;
        assert_eq!(peer.goodbye().await, Some(ENHANCE_YOUR_CALM));
        assert_eq!(*site.executed.borrow(), 0);
    }
}

/// Row 48: more streams than there may be.
#[tokio::test(start_paused = true)]
async fn who_opens_streams_without_end_is_told_to_calm_down() {
    let site = Site::open(Limits::default()).await;
    let mut peer = Peer::of(&site).await;
    let flood: Vec<u8> = (0..2_000).flat_map(|number| get(2 * number + 1, "/hang")).collect();
    let _ = peer.sends(&flood).await;
    assert_eq!(peer.goodbye().await, Some(ENHANCE_YOUR_CALM));
    assert!(*site.executed.borrow() <= 64);
}

/// Row 46, over HTTP/2: a connection without requests, and a body that does not come.
#[tokio::test(start_paused = true)]
async fn streams_are_watched_like_connections() {
    let site = Site::open(Limits::default()).await;
    let mut peer = Peer::of(&site).await;
    peer.sends(&get(1, "/")).await.unwrap();
    let began = Instant::now();
    peer.goodbye().await;
    assert!((30..33).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());

    let mut peer = Peer::of(&site).await;
    peer.sends(&frame(HEADERS, END_HEADERS, 1, &fields("POST", "/form"))).await.unwrap();
    peer.sends(&frame(DATA, 0, 1, b"x")).await.unwrap();
    let began = Instant::now();
    let status = loop {
        let (kind, stream, payload) = peer.next().await.unwrap();
        if (kind, stream) == (HEADERS, 1) {
            break payload;
        }
    };
    assert_eq!(began.elapsed().as_secs(), 3);
    // `:status`, and 408 in the code of the standard for strings: 011010 00000 011110.
    assert_eq!(status[..5], [0x48, 0x83, 0b0110_1000, 0b0000_1111, 0b0111_1111]);
    assert_eq!(*site.executed.borrow(), 1, "what was not whole was not executed");
}

/// The statuses that have a number of their own in the standard's table of headers.
const OK: u8 = 0x88;
const BAD_REQUEST: u8 = 0x8c;

/// Row 48: what stands for a refusal over HTTP/1.1 is a request like any other over HTTP/2, and an odd one.
#[tokio::test(start_paused = true)]
async fn a_request_that_begins_oddly_is_refused_and_the_next_is_answered() {
    let site = Site::open(Limits::default()).await;
    let long = "X".repeat(200);
    for (method, scheme) in [
        ("~101", "https"),
        ("~200", "https"),
        ("~404", "https"),
        ("~999", "https"),
        ("~", "https"),
        ("get", "https"),
        (&*long, "https"),
        ("GET", "http"),
        ("GET", "gopher"),
    ] {
        let mut peer = Peer::of(&site).await;
        let odd =
            [(":method", method), (":scheme", scheme), (":authority", "localhost"), (":path", "/")];
        peer.sends(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &spelled(&odd))).await.unwrap();
        assert_eq!(peer.status(1).await, BAD_REQUEST, "{method} {scheme}");
        assert_eq!(*site.executed.borrow(), 0, "{method} {scheme}");
    }
    let mut peer = Peer::of(&site).await;
    let tunnel = [(":method", "CONNECT"), (":authority", "localhost:443")];
    peer.sends(&frame(HEADERS, END_HEADERS, 1, &spelled(&tunnel))).await.unwrap();
    assert_ne!(peer.status(1).await, OK, "nobody is led on");
    let mut peer = Peer::of(&site).await;
    peer.sends(&get(1, "/")).await.unwrap();
    assert_eq!(peer.status(1).await, OK);
}

/// Row 47, over HTTP/2.
#[tokio::test(start_paused = true)]
async fn headers_that_are_too_large_are_refused() {
    let site = Site::open(Limits::default()).await;
    let mut peer = Peer::of(&site).await;
    let mut block = fields("GET", "/");
    // A name of one byte, a value of 20,000: its length as 127 and what is left, seven bits a byte.
    block.extend([0, 1, b'x', 127, 0xa1, 0x9b, 0x01]);
    block.extend([b'y'; 20_000]);
    let (first, second) = block.split_at(16_000);
    peer.sends(&frame(HEADERS, END_STREAM, 1, first)).await.unwrap();
    let _ = peer.sends(&frame(CONTINUATION, END_HEADERS, 1, second)).await;
    peer.goodbye().await;
    assert_eq!(*site.executed.borrow(), 0);
}
