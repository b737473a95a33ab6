//! Peers that take their time. What would go wrong without: a few thousand of them, and nobody else gets in.

use crate::site::{GOOD, Site, rest};
use florin_adapter::edge::Limits;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, interval};
use tokio_rustls::client::TlsStream;

/// Asserts that something took so many seconds, as far as a peer can tell.
fn took(began: Instant, seconds: u64, what: &str) {
    let took = began.elapsed();
    let expected = Duration::from_secs(seconds);
    assert!(expected <= took && took < expected + Duration::from_millis(1_500), "{what}: {took:?}");
}

/// Row 46 of the threat table: a handshake.
#[tokio::test(start_paused = true)]
async fn who_does_not_shake_hands_is_let_go() {
    let site = Site::open(Limits::default()).await;
    for begun in [&[][..], &[22, 3, 1, 2, 0, 1, 0, 1][..]] {
        let mut stream = site.tcp().await;
        stream.write_all(begun).await.unwrap();
        let began = Instant::now();
        let _ = stream.read_to_end(&mut Vec::new()).await;
        took(began, 5, "a handshake");
    }
}

/// Sends something in pieces, one each second, and returns what is answered until the connection is closed.
async fn dribble(stream: TlsStream<TcpStream>, text: &str, bytes_per_second: usize) -> String {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let text = String::from(text);
    let writing = tokio::spawn(async move {
        let mut seconds = interval(Duration::from_secs(1));
        for piece in text.as_bytes().chunks(bytes_per_second) {
            seconds.tick().await;
            if writer.write_all(piece).await.is_err() || writer.flush().await.is_err() {
                break;
            }
        }
        writer
    });
    let mut answer = Vec::new();
    let _ = reader.read_to_end(&mut answer).await;
    writing.abort();
    String::from_utf8(answer).unwrap()
}

/// Row 46: a head.
#[tokio::test(start_paused = true)]
async fn a_head_has_five_seconds_from_its_first_byte() {
    let site = Site::open(Limits::default()).await;
    for protocol in ["http/1.1", "h2"] {
        let mut silent = site.tls(protocol).await;
        let began = Instant::now();
        rest(&mut silent).await;
        took(began, 5, protocol);
    }
    let stream = site.tls("http/1.1").await;
    let began = Instant::now();
    assert_eq!(dribble(stream, GOOD, 1).await, "");
    took(began, 5, "a byte each second");
    let mut second = site.tls("http/1.1").await;
    second.write_all(GOOD.as_bytes()).await.unwrap();
    second.read_u8().await.unwrap();
    second.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();
    let began = Instant::now();
    rest(&mut second).await;
    took(began, 5, "the head of a second request");
    assert_eq!(*site.executed.borrow(), 1);
}

/// Row 46: a connection without requests.
#[tokio::test(start_paused = true)]
async fn who_asks_nothing_more_is_let_go_after_half_a_minute() {
    let site = Site::open(Limits::default()).await;
    let mut stream = site.tls("http/1.1").await;
    stream.write_all(GOOD.as_bytes()).await.unwrap();
    stream.read_u8().await.unwrap();
    let began = Instant::now();
    let answer = rest(&mut stream).await;
    took(began, 30, "an idle connection");
    assert_eq!(answer.matches("TTP/1.1 200 ").count(), 1);
}

/// Row 46: a body.
#[tokio::test(start_paused = true)]
async fn a_body_has_its_pace_and_ten_seconds() {
    let site = Site::open(Limits::default()).await;
    for (bytes_per_second, body_bytes, seconds, status) in [
        (1, 10_000, 3, 408),
        (500, 10_000, 6, 408),
        (1_500, 100_000, 10, 408),
        (1_500, 9_000, 6, 200),
    ] {
        let mut stream = site.tls("http/1.1").await;
        let head = format!(
            "POST /form HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Length: {body_bytes}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let began = Instant::now();
        let answer = dribble(stream, &"x".repeat(body_bytes), bytes_per_second).await;
        let what = format!("{bytes_per_second} bytes a second: {answer}");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{what}");
        if status == 408 {
            took(began, seconds, &what);
        }
    }
    assert_eq!(*site.executed.borrow(), 1, "what was not whole was not executed");
}
