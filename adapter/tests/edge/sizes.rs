//! Requests that are too much of something.

use crate::site::Site;
use florin_adapter::edge::Limits;
use std::fmt::Write;

/// Row 47 of the threat table: the head.
#[tokio::test(start_paused = true)]
async fn what_is_too_large_is_refused_by_its_own_number() {
    let site = Site::open(Limits::default()).await;
    let get = |target: &str, headers: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n")
    };
    let headers = |count: usize| {
        (0..count).fold(String::new(), |mut text, number| {
            write!(text, "X-{number}: y\r\n").unwrap();
            text
        })
    };
    let path = |bytes: usize| format!("/?{}", "x".repeat(bytes));
    let cookies = |count: usize| format!("Cookie: {}\r\n", vec!["a=b"; count].join("; "));
    for (name, sent, status) in [
        ("a head as large as it may be", get("/", &format!("X: {}\r\n", "y".repeat(16_000))), 200),
        ("a long header", get("/", &format!("X: {}\r\n", "y".repeat(17_000))), 431),
        ("some headers", get("/", &headers(60)), 200),
        ("many headers", get("/", &headers(70)), 431),
        ("a long target", get(&path(8_000), ""), 200),
        ("a longer target", get(&path(8_192), ""), 414),
        ("a target that never ends", get(&path(100_000), ""), 414),
        ("some parameters", get(&format!("/?{}", vec!["a=b"; 32].join("&")), ""), 200),
        ("many parameters", get(&format!("/?{}", vec!["a=b"; 33].join("&")), ""), 400),
        ("some cookies", get("/", &cookies(100)), 200),
        ("many cookies", get("/", &cookies(101)), 400),
        ("cookies in pieces", get("/", &cookies(30).repeat(4)), 400),
    ] {
        let answer = site.says(sent.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {answer}");
    }
    assert_eq!(*site.executed.borrow(), 5);
}

/// Prevents: a page of HTML where a program expects a problem, and a problem where a browser expects a page.
#[tokio::test(start_paused = true)]
async fn programs_are_refused_by_problems_and_browsers_by_pages() {
    let site = Site::open(Limits::default()).await;
    let many = vec!["a=b"; 33].join("&");
    let get = |target: &str, headers: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n")
    };
    for (sent, status, code) in [
        (get("/v1/accounts", "Content-Encoding: gzip\r\n"), 415, "unsupported_media_type"),
        (get(&format!("/v1/accounts?{many}"), ""), 400, "invalid_request"),
        (get(&format!("/v1?{many}"), ""), 400, "invalid_request"),
    ] {
        let answer = site.says(sent.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("\r\ncontent-type: application/problem+json\r\n"), "{answer}");
        assert!(answer.contains("\r\nx-content-type-options: nosniff\r\n"), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!((&body["code"], &body["status"]), (&code.into(), &status.into()));
        assert_eq!(body["type"], format!("/v1/docs#{code}"));
        assert_eq!(body["correlation_id"].as_str().unwrap().len(), 32);
    }
    for target in ["/v10/accounts", "/"] {
        let answer = site.says(get(&format!("{target}?{many}"), "").as_bytes()).await;
        assert!(answer.contains("\r\ncontent-type: text/html; charset=utf-8\r\n"), "{answer}");
    }
    assert_eq!(*site.executed.borrow(), 0);
}

/// Row 47: what is small and would be large.
#[tokio::test(start_paused = true)]
async fn nothing_is_unpacked() {
    let site = Site::open(Limits::default()).await;
    for (encoding, status) in [("gzip", 415), ("br", 415), ("identity", 200)] {
        let sent = format!(
            "POST /form HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Encoding: {encoding}\r\nContent-Length: 1\r\n\r\nx"
        );
        let answer = site.says(sent.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{encoding}: {answer}");
    }
}
