//! The figures of a bank, as whoever watches it meets them. What would go wrong without: a figure that nobody can look
//! up at night, or an address that shows more than figures.

use crate::process::{Running, argument};
use std::io::{Read, Write};
use std::net::TcpStream;

const OPERATIONS: &str = include_str!("../../../docs/OPERATIONS.md");

/// The answer to a request.
fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: florin\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it takes a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

#[test]
fn a_bank_shows_figures_that_the_operators_page_explains() {
    let directory = tempfile::tempdir().expect("a directory");
    let home = directory.path().join("home");
    let home = argument(&home);
    let mut demo = Running::start(&["demo", "--json", "--port", "0", "--data", home]);
    let told = demo.hear();
    assert!(!told.contains("observe"), "nobody asked for it");
    assert_eq!(demo.terminate(), Some(0));
    let path = |file: &str| format!("{home}/{file}");
    let (data, key, root) = (path("ledger"), path("ledger_key"), path("root_key"));
    let (certificate, certificate_key) = (path("tls.pem"), path("tls_key.pem"));
    let mut bank = Running::start(&[
        "bank",
        "--json",
        "--listen",
        "127.0.0.1:0",
        "--observe",
        "0",
        "--data",
        &data,
        "--key-file",
        &key,
        "--root-key-file",
        &root,
        "--tls-cert",
        &certificate,
        "--tls-key",
        &certificate_key,
    ]);
    let told = bank.hear();
    let (_, address) = told.split_once("\"observe\":\"").expect("it says where");
    let address = address.split_once('"').expect("it ends").0;
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    let page = get(address, "/metrics");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    let families: Vec<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| line.split_once(' ').expect("a name and a kind").0)
        .collect();
    for family in &families {
        assert!(OPERATIONS.contains(&format!("`{family}`")), "nobody explains {family}");
    }
    let named = OPERATIONS.split('`').filter(|word| word.starts_with("florin_bank_"));
    let named: Vec<_> = named.collect();
    assert!(10 < families.len() && families.len() <= named.len());
    for name in named {
        assert!(families.contains(&name), "{name} is no figure");
    }
    assert!(
        page.contains("florin_bank_request_seconds_bucket{surface=\"api\",le=\"0.001000000\"} 0\n")
    );
    assert!(page.contains("\nflorin_bank_ledger_calls_total{outcome=\"answered\"} "), "{page}");
    assert!(get(address, "/live").starts_with("HTTP/1.1 200"));
    for elsewhere in ["/", "/login", "/v1/accounts", "/status"] {
        assert!(get(address, elsewhere).starts_with("HTTP/1.1 404"), "{elsewhere}");
    }
    assert_eq!(bank.terminate(), Some(0));
}
