//! A client in another language, written from docs/PROTOCOL.md alone, against the real server.
//! What would go wrong without it: the page leaves something out, and nobody notices who can read
//! the source.

use crate::directory::empty;
use crate::process::{Server, run};
use std::path::Path;
use tokio::process::Command;

#[tokio::test]
async fn a_client_written_from_the_protocols_page_alone_works() {
    let directory = empty();
    let server = Server::start(directory.path(), &[]).await;
    let mut python = Command::new("python3");
    python
        .args(["-m", "unittest", "--verbose", "test_florin_client"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/python"))
        .env("FLORIN_ADDRESS", &server.address)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdout(std::process::Stdio::piped());
    let ended = run(python, "").await;
    assert_eq!(ended.code, Some(0), "{}", ended.said());
    // Python is as content with a file that holds no test.
    assert!(ended.errors.contains("test_a_transfer_moves_money_once"), "{}", ended.errors);
    server.stop().await;
}
