//! A client in another language, written from docs/PROTOCOL.md alone, against the real server.
//! What would go wrong without it: the page leaves something out, and nobody notices who can read
//! the source.

use crate::directory::empty;
use crate::process::{Server, argument, run, run_florin};
use std::path::Path;
use tokio::process::Command;

#[tokio::test]
async fn a_client_written_from_the_protocols_page_alone_works() {
    let directory = empty();
    let server = Server::start(directory.path(), &[]).await;
    let said = python("test_florin_client", &[("FLORIN_ADDRESS", &server.address)]).await;
    // Python is as content with a file that holds no test.
    assert!(said.contains("test_a_transfer_moves_money_once"), "{said}");
    server.stop().await;
}

#[tokio::test]
async fn a_client_written_from_the_protocols_page_alone_proves_its_key() {
    let directory = empty();
    let office = empty();
    let key = office.path().join("key.pem");
    let made = run_florin(&["keys", "generate", argument(&key)], "").await;
    let public = made.output.trim();
    let data = argument(directory.path());
    let rights = ["--name", "python", "--role", "read", "--ledger", "840", public];
    let added = run_florin(&[&["keys", "add", "--data", data][..], &rights].concat(), "").await;
    assert_eq!(added.code, Some(0), "{added:?}");
    let server = Server::start(directory.path(), &["--ask-for-keys"]).await;
    let environment = [("FLORIN_ADDRESS", &*server.address), ("FLORIN_KEY", argument(&key))];
    let said = python("test_proof", &environment).await;
    assert!(said.contains("test_a_known_key_comes_in"), "{said}");
    server.stop().await;
}

/// Runs the tests of a Python module, which must pass, and returns what they said.
async fn python(module: &str, environment: &[(&str, &str)]) -> String {
    let mut python = Command::new("python3");
    python
        .args(["-m", "unittest", "--verbose", module])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/python"))
        .envs(environment.iter().copied())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdout(std::process::Stdio::piped());
    let ended = run(python, "").await;
    assert_eq!(ended.code, Some(0), "{}", ended.said());
    ended.errors
}
