//! Directories that can't be used as they are: in use, not Florin's, from the future, damaged. What
//! would go wrong without it: two engines write over each other, somebody's photographs become a
//! ledger, or a bank goes on without what was lost and nobody is told.
//!
//! Of a directory that is refused, nothing may change: what is there may be all there is.

use crate::directory::{changes, contents, empty, segments};
use crate::process::{Ended, Server, argument, run_florin, verified};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Done, with findings.
const FINDINGS: Option<i32> = Some(1);
/// The data directory can't be opened.
const UNAVAILABLE: Option<i32> = Some(3);

const ASK: &str = r#"{"trial_balance":{"ledger":840}}"#;
/// The id of the transfer that damage is done to: seen nowhere else in a log.
const VICTIM: u128 = 0x0123_4567_89ab_cdef_1122_3344_5566_7788;

/// Every command that opens a directory, with its exit code when it can't.
const OPENERS: [&str; 4] = ["serve", "exec", "verify", "rebuild"];

async fn open(command: &str, directory: &Path) -> Ended {
    let data = argument(directory);
    let mut arguments = vec![command, "--data", data];
    if command == "serve" {
        arguments.extend(["--insecure-loopback", "--listen", "127.0.0.1:0"]);
    }
    run_florin(&arguments, ASK).await
}

/// A command refuses with this code and an error that says these words.
async fn check_refused(command: &str, directory: &Path, words: &str, code: Option<i32>) {
    let ended = open(command, directory).await;
    assert_eq!(ended.code, code, "{command}: {ended:?}");
    let said = ended.said();
    assert!(said.contains(words), "{command} does not say {words:?}: {said}");
    assert!(!said.contains("panicked"), "{command}: {said}");
}

/// Each of the commands refuses, and leaves everything as it was.
async fn check_untouched(directory: &Path, words: &str, code: impl Fn(&str) -> Option<i32>) {
    let before = contents(directory);
    for command in OPENERS {
        check_refused(command, directory, words, code(command)).await;
        let changed = changes(&before, &contents(directory));
        assert!(changed.is_empty(), "{command} changed {changed:?}");
    }
}

/// A directory in which work was done and that was left without a word (SIGKILL): all of its work is to
/// be replayed, and all but the last line of it is witnessed by later frames.
async fn worked_in() -> TempDir {
    let directory = empty();
    let server = Server::start(directory.path(), &[]).await;
    let transfer = |id: u128| {
        format!(
            r#"{{"create_transfers":[{{"id":"{id}","debit_account_id":1,"credit_account_id":2,"amount":5,"ledger":840,"code":1}}]}}"#
        )
    };
    let lines = [
        String::from(
            r#"{"create_accounts":[{"id":1,"ledger":840,"code":1},{"id":2,"ledger":840,"code":1}]}"#,
        ),
        transfer(VICTIM),
        transfer(7),
        transfer(8),
    ];
    let ended = run_florin(&["exec", "--connect", &server.address], &lines.join("\n")).await;
    assert_eq!(ended.output.matches("created").count(), 5, "{ended:?}");
    server.kill().await;
    // There was no checkpoint yet, and that is no damage.
    assert_eq!(verified(directory.path()).await["checkpoint"], serde_json::Value::Null);
    directory
}

/// Flips a bit of the victim's amount, which stands behind its id in its record.
fn flip(directory: &Path) {
    let (path, mut bytes, at) = find(directory);
    bytes[at + size_of::<u128>()] ^= 1;
    fs::write(path, bytes).expect("written");
}

/// The segment that holds the victim, and where its id is.
fn find(directory: &Path) -> (PathBuf, Vec<u8>, usize) {
    let id = VICTIM.to_le_bytes();
    segments(directory)
        .into_iter()
        .find_map(|path| {
            let bytes = fs::read(&path).expect("readable");
            let at = bytes.windows(id.len()).position(|window| window == id)?;
            Some((path, bytes, at))
        })
        .expect("the victim is in the log")
}

#[tokio::test]
async fn a_directory_in_use_is_refused_and_its_server_goes_on() {
    let directory = empty();
    let server = Server::start(directory.path(), &[]).await;
    for command in OPENERS {
        check_refused(command, directory.path(), "open already", UNAVAILABLE).await;
    }
    let asked = run_florin(&["exec", "--connect", &server.address], ASK).await;
    assert_eq!(asked.code, Some(0), "{asked:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_directory_of_somebody_elses_files_is_left_alone() {
    let directory = empty();
    fs::write(directory.path().join("photograph.jpg"), "a beach").expect("written");
    check_untouched(directory.path(), argument(directory.path()), |_| UNAVAILABLE).await;
    // Nor is such a file ever read as history.
    let directory = worked_in().await;
    fs::write(directory.path().join("log/errors.txt"), "none").expect("written");
    check_untouched(directory.path(), "log/errors.txt", |_| UNAVAILABLE).await;
}

/// What a later version means by its bytes, this one can't know.
#[tokio::test]
async fn a_newer_format_is_refused_by_name() {
    let directory = worked_in().await;
    for path in segments(directory.path()) {
        let mut bytes = fs::read(&path).expect("readable");
        bytes[8..12].copy_from_slice(&2_u32.to_le_bytes());
        let checksum = blake3::hash(&bytes[..112]);
        bytes[112..144].copy_from_slice(checksum.as_bytes());
        fs::write(path, bytes).expect("written");
    }
    check_untouched(directory.path(), "version 2", |_| UNAVAILABLE).await;
}

/// Fault 25: replay cuts a damaged tail off without a word.
#[tokio::test]
async fn a_flipped_bit_in_what_was_durable_is_named_and_nothing_is_cut_off() {
    let directory = worked_in().await;
    flip(directory.path());
    check_untouched(directory.path(), "the block body is damaged", |command| match command {
        "verify" | "rebuild" => FINDINGS,
        _ => UNAVAILABLE,
    })
    .await;
    // Put right, it is all there.
    flip(directory.path());
    verified(directory.path()).await;
    let asked = open("exec", directory.path()).await;
    assert!(asked.output.contains(r#""debits_posted":"15""#), "{asked:?}");
}

/// An opening reads what is behind the checkpoint, no more: older damage is met by whoever reads
/// there, and must never be passed on as an answer.
#[tokio::test]
async fn damage_before_the_checkpoint_is_never_an_answer() {
    let directory = worked_in().await;
    let question = format!(r#"{{"lookup_transfers":["{VICTIM}"]}}"#);
    let data = argument(directory.path());
    let whole = run_florin(&["exec", "--data", data], &question).await;
    assert!(whole.output.contains(r#""amount":"5""#), "{whole:?}");
    flip(directory.path());
    let damaged = run_florin(&["exec", "--data", data], &question).await;
    assert_eq!(damaged.code, Some(4), "{damaged:?}");
    assert!(damaged.output.starts_with(r#"{"error":"#), "{damaged:?}");
    assert!(damaged.output.contains("damaged"), "{damaged:?}");
    let found = open("verify", directory.path()).await;
    assert_eq!(found.code, FINDINGS, "{found:?}");
    assert!(found.said().contains("damaged"), "{found:?}");
}
