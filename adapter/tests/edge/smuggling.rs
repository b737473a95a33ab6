//! Requests inside requests. What would go wrong without: what a proxy takes for a body, the bank takes for
//! another customer's request.

use crate::site::{GOOD, Site};
use florin_adapter::edge::Limits;

fn post(headers: &str, body: &str) -> String {
    format!("POST /form HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n{body}")
}

/// Row 45 of the threat table.
#[tokio::test(start_paused = true)]
async fn what_can_be_read_in_two_ways_is_refused_and_what_follows_is_never_executed() {
    let site = Site::open(Limits::default()).await;
    let chunked = "Transfer-Encoding: chunked\r\n";
    for (name, sent) in [
        ("length and chunks", post(&format!("Content-Length: 5\r\n{chunked}"), "0\r\n\r\n")),
        ("chunks and length", post(&format!("{chunked}Content-Length: 5\r\n"), "0\r\n\r\n")),
        ("two lengths", post("Content-Length: 1\r\nContent-Length: 2\r\n", "xy")),
        ("the same length twice", post("Content-Length: 1\r\nContent-Length: 1\r\n", "x")),
        ("a list of lengths", post("Content-Length: 1, 1\r\n", "x")),
        ("a length with a sign", post("Content-Length: +1\r\n", "x")),
        ("a folded header", post("X: a\r\n b\r\n", "")),
        ("a bare line feed", String::from("GET / HTTP/1.1\nHost: localhost\n\n")),
        ("a bare line feed in a head", post("X: a\nY: b\r\n", "")),
        ("a bare carriage return", post("X: a\rY: b\r\n", "")),
        ("chunks", post(chunked, "1\r\nx\r\n0\r\n\r\n")),
        ("an extension of a chunk", post(chunked, "1;a=b\r\nx\r\n0\r\n\r\n")),
        ("another encoding", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n")),
        ("an encoding in disguise", post("Transfer-Encoding:\x0bchunked\r\n", "0\r\n\r\n")),
        ("a space before a colon", post("Content-Length : 1\r\n", "x")),
        ("an upgrade", post("Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n", "")),
        ("two hosts", post("Host: evil.example\r\n", "")),
        ("no host", String::from("GET / HTTP/1.1\r\n\r\n")),
        ("a preface", String::from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")),
        ("an empty line first", format!("\r\n{GOOD}")),
        ("what stands for a refusal", String::from("~200 / HTTP/1.1\r\nHost: localhost\r\n\r\n")),
    ] {
        let answer = site.says(format!("{sent}{GOOD}").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{name}: {answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{name}: {answer}");
        assert!(answer.contains("\r\nx-frame-options: DENY\r\n"), "{name}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{name}: {answer}");
        assert_eq!(*site.executed.borrow(), 0, "{name}");
    }
}

/// Prevents: a bank that is safe because it answers nobody.
#[tokio::test(start_paused = true)]
async fn what_has_one_reading_is_answered_in_order() {
    let site = Site::open(Limits::default()).await;
    let form = post("Content-Length: 3\r\n", "abc");
    let last = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answers = site.says(format!("{GOOD}{form}{last}").as_bytes()).await;
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 3, "{answers}");
    assert_eq!(*site.executed.borrow(), 3);
}

/// Row 24: who somebody is, is said by their socket alone.
#[tokio::test(start_paused = true)]
async fn headers_that_name_another_address_are_not_believed() {
    let site = Site::open(Limits::default()).await;
    let forged = "GET /address HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.0.2.9\r\n\
                  Forwarded: for=192.0.2.9\r\nX-Real-IP: 192.0.2.9\r\nX-Client-Cert: x\r\n\
                  Connection: close\r\n\r\n";
    let answer = site.says(forged.as_bytes()).await;
    assert!(answer.ends_with("127.0.0.1"), "{answer}");
}
