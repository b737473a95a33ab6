//! Answers without an end. What would go wrong without: a live page that is cut off as if nobody were there, one that
//! keeps the bank from closing, or a peer who lets it send and never reads.

use crate::site::{Site, rest};
use florin_adapter::edge::Limits;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::client::TlsStream;

async fn asks(site: &Site, path: &str) -> TlsStream<TcpStream> {
    let mut stream = site.tls("http/1.1").await;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    stream.read_u8().await.unwrap();
    stream
}

/// What is left of an answer that was ended in order.
fn is_whole(answer: &str) -> bool {
    answer.starts_with("TTP/1.1 200 ") && answer.ends_with("tick\n\r\n0\r\n\r\n")
}

#[tokio::test(start_paused = true)]
async fn an_endless_answer_is_not_idle_and_ends_with_its_connection() {
    let site = Site::open(Limits::default()).await;
    let mut stream = asks(&site, "/endless").await;
    let began = Instant::now();
    let answer = rest(&mut stream).await;
    let took = began.elapsed();
    assert!(is_whole(&answer), "{answer}");
    let limit = Limits::default().connection;
    assert!(
        limit <= took + Duration::from_secs(1) && took < limit + Duration::from_secs(2),
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_endless_answer_ends_when_the_bank_closes() {
    let site = Site::open(Limits::default()).await;
    let mut stream = asks(&site, "/endless").await;
    site.stops();
    let answer = timeout(Duration::from_secs(1), rest(&mut stream)).await.unwrap();
    assert!(is_whole(&answer), "{answer}");
}

/// Row 46 of the threat table: somebody who asks and does not read.
#[tokio::test(start_paused = true)]
async fn who_takes_nothing_of_an_answer_is_cut_off() {
    let site = Site::open(Limits::default()).await;
    let mut stream = asks(&site, "/flood").await;
    let began = Instant::now();
    // Nobody reads until the bank has given up: what the system has kept is all there is.
    let mut taken = vec![0; 1 << 20];
    assert!(timeout(Limits::default().stall * 2, std::future::pending::<()>()).await.is_err());
    let mut bytes_count = 0;
    while let Ok(count @ 1..) = stream.read(&mut taken).await {
        bytes_count += count;
        assert!(bytes_count < 100 << 20, "it goes on");
    }
    assert!(began.elapsed() < Limits::default().connection, "{:?}", began.elapsed());
}
