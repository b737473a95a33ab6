//! Receipts that come with the answers to commits. What would go wrong without it: a customer who must ask again for
//! what shows that his payment is in the books, or whose receipt says that two machines have it when one has.

use crate::directory::empty;
use crate::failover::await_in_step;
use crate::process::run;
use crate::process::{Server, argument, run_florin};
use crate::proofs::{keep_books, python_verifies};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A transfer in a commit, as a line for `florin exec`.
fn line(id: u32, credit: u32) -> String {
    format!(
        r#"{{"commit": {{"id": {id}, "transfers": [{{"id": {}, "debit_account_id": 1, "credit_account_id": {credit}, "amount": 5, "ledger": 978, "code": 7}}]}}}}"#,
        70_000 + id
    )
}

async fn verify(receipt: &Path, public: &Path, more: &[&str]) -> Value {
    let fixed = ["verify-receipt", argument(receipt), "--public-key", argument(public)];
    let ended = run_florin(&[&fixed, more].concat(), "").await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_is_answered_with_a_receipt_that_needs_no_server() {
    let office = empty();
    let path = |name: &str| office.path().join(name);
    let key = run_florin(&["proof", "key", "--data", argument(&path("one"))], "").await;
    let public = path("public");
    fs::write(&public, key.output).expect("a file");
    fs::create_dir(path("receipts")).expect("a directory");
    let receipts = path("receipts");
    let primary = Server::start(&path("one"), &[]).await;
    keep_books(&primary).await;
    let exec = ["exec", "--connect", &primary.address, "--receipts", argument(&receipts)];
    // One that is done, one that a rule refuses, and one that is not a commit.
    let lines =
        format!("{}\n{}\n{{\"trial_balance\": {{\"ledger\": 978}}}}\n", line(11, 2), line(12, 1));
    let ended = run_florin(&exec, &lines).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.output.lines().count(), 3, "{ended:?}");
    let said = verify(&receipts.join("11"), &public, &["--kind", "receipt"]).await;
    assert_eq!(said["record"]["what"], "commit", "{said}");
    assert_eq!(said["record"]["content"]["id"], "11", "{said}");
    assert_eq!(said["durable"], serde_json::json!({ "standbys": 0, "standbys_demanded": 0 }));
    let refused = verify(&receipts.join("12"), &public, &[]).await;
    assert_eq!(refused["record"]["what"], "refusal", "{refused}");
    // Again, into the same directory: the first receipt stays. Another bank's is never written over.
    let before = fs::read(receipts.join("11")).expect("a file");
    let ended = run_florin(&exec, &line(11, 2)).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(fs::read(receipts.join("11")).expect("a file"), before);
    fs::write(receipts.join("16"), &before).expect("a file");
    let ended = run_florin(&exec, &line(16, 2)).await;
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.output.contains("is decided"), "{ended:?}");
    assert_eq!(fs::read(receipts.join("16")).expect("a file"), before);
    // The promise is kept.
    let (proof, receipt) = (path("proof"), receipts.join("11"));
    let redeem = ["proof", "redeem", "--connect", &primary.address, "--out", argument(&proof)];
    let redeemed = run_florin(&[&redeem, &[argument(&receipt)][..]].concat(), "").await;
    assert_eq!(redeemed.code, Some(0), "{redeemed:?}");
    verify(&receipt, &public, &["--redeemed-by", argument(&proof)]).await;
    let judged = run(python_verifies(&public, &receipt), "").await;
    assert_eq!(judged.code, Some(0), "{judged:?}");
    primary.stop().await;
    // On two machines, because nothing is told before.
    let primary = Server::start(&path("one"), &["--sync-standbys", "1"]).await;
    let standby = Server::start(&path("two"), &["--follow", &primary.address]).await;
    await_in_step(&standby).await;
    let exec = ["exec", "--connect", &primary.address, "--receipts", argument(&receipts)];
    let ended = run_florin(&exec, &line(13, 2)).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let said = verify(&receipts.join("13"), &public, &[]).await;
    assert_eq!(said["durable"], serde_json::json!({ "standbys": 1, "standbys_demanded": 1 }));
    standby.stop().await;
    primary.kill().await;
    // A directory, in one process; and one without a key, which decides nothing.
    let data = path("one");
    let exec = ["exec", "--data", argument(&data), "--receipts", argument(&receipts)];
    let ended = run_florin(&exec, &line(14, 2)).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    verify(&receipts.join("14"), &public, &[]).await;
    fs::rename(path("one.signing-key"), path("away")).expect("it is there");
    let server = Server::start(&path("one"), &[]).await;
    let exec = ["exec", "--connect", &server.address, "--receipts", argument(&receipts)];
    let ended = run_florin(&exec, &line(15, 2)).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.output.contains("florin proof key"), "{ended:?}");
    let ended = run_florin(&["exec", "--connect", &server.address], &line(15, 1)).await;
    assert!(ended.output.contains("refused"), "the id was taken: {ended:?}");
    server.stop().await;
}
