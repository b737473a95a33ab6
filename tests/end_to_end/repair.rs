//! A damaged directory, repaired as an operator does it: from a backup, and from the standby that is served
//! elsewhere. What would go wrong without: a bank that is restored, with what was lost since the backup,
//! although every byte of it was somewhere.

use crate::directory::{changes, contents, empty, segments};
use crate::failover::await_in_step;
use crate::load::connect;
use crate::process::{Ended, Server, argument, run_florin, verified};
use florin_client::Client;
use florin_ledger::{Account, AccountId, Amount, Code, LedgerId, Transfer, TransferId};
use std::fs;
use std::path::Path;

async fn open_accounts(client: &Client) {
    let account = |id| Account {
        id: AccountId(id),
        ledger: LedgerId(978),
        code: Code(1),
        ..Account::default()
    };
    client.create_accounts(&[account(1), account(2)]).await.expect("it serves");
}

async fn post(client: &Client, ids: std::ops::Range<u128>) {
    let transfer = |id| Transfer {
        id: TransferId(id),
        debit_account_id: AccountId(1),
        credit_account_id: AccountId(2),
        amount: Amount(1),
        ledger: LedgerId(978),
        code: Code(1),
        ..Transfer::default()
    };
    let transfers: Vec<Transfer> = ids.map(transfer).collect();
    client.create_transfers(&transfers).await.expect("it serves");
}

/// Turns a bit in the middle of what was recorded.
fn damage(directory: &Path) {
    let first = &segments(directory)[0];
    let mut bytes = fs::read(first).expect("readable");
    bytes[4_096 + 20_000] ^= 4;
    fs::write(first, bytes).expect("writable");
}

async fn repair(directory: &Path, from: &[&str]) -> Ended {
    let mut arguments = vec!["repair", "--data", argument(directory)];
    arguments.extend(from);
    run_florin(&arguments, "").await
}

#[tokio::test]
async fn a_damaged_bank_is_repaired_from_its_backup() {
    let place = empty();
    let path = |name: &str| place.path().join(name);
    let (data, backups, signing) = (path("data"), path("backups"), path("signing.pem"));
    let made = run_florin(&["keys", "generate", argument(&signing)], "").await;
    let signer = made.output.split_whitespace().find(|word| word.len() == 64);
    let signer = String::from(signer.expect("the public key"));
    let server = Server::start(&data, &[]).await;
    let client = connect(&server.address).await;
    open_accounts(&client).await;
    post(&client, 1..1_001).await;
    let create = ["backup", "create", "--connect", &server.address, "--in-the-clear"];
    let to = ["--to", argument(&backups), "--signing-key", argument(&signing)];
    let backed_up = run_florin(&[&create[..], &to[..]].concat(), "").await;
    assert_eq!(backed_up.code, Some(0), "{backed_up:?}");
    // What is recorded afterwards stays.
    post(&client, 1_001..1_101).await;
    server.stop().await;
    let whole = contents(&data);

    damage(&data);
    let broken = run_florin(&["verify", "--data", argument(&data)], "").await;
    assert_eq!(broken.code, Some(1), "{broken:?}");
    let source = ["--from-backup", argument(&backups), "--signed-by", &signer];
    let stranger = ["--from-backup", argument(&backups), "--signed-by", &"ab".repeat(32)];
    let before = contents(&data);
    let refused = repair(&data, &stranger).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(changes(&before, &contents(&data)).is_empty());

    let repaired = repair(&data, &source).await;
    assert_eq!(repaired.code, Some(0), "{repaired:?}");
    assert!(repaired.output.contains("segment 0: "), "{repaired:?}");
    assert!(repaired.output.contains("damaged/00000000000000000000"), "{repaired:?}");
    let kept = data.join("damaged/00000000000000000000");
    assert_eq!(changes(&whole, &contents(&data)), [kept]);
    assert_eq!(verified(&data).await["transfers"], "1100");

    let again = repair(&data, &source).await;
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(again.output.contains("nothing of the log is damaged"), "{again:?}");
    let wrong = repair(&data, &[]).await;
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    let server = Server::start(&data, &[]).await;
    post(&connect(&server.address).await, 1_101..1_102).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_primary_is_repaired_from_its_standby() {
    let (first, second) = (empty(), empty());
    let primary = Server::start(first.path(), &[]).await;
    let client = connect(&primary.address).await;
    open_accounts(&client).await;
    let standby = Server::start(second.path(), &["--follow", &primary.address]).await;
    await_in_step(&standby).await;
    post(&client, 1..1_001).await;
    drop(client);
    primary.stop().await;
    let whole = contents(first.path());
    damage(first.path());
    let repaired = repair(first.path(), &["--from", &standby.address, "--json"]).await;
    assert_eq!(repaired.code, Some(0), "{repaired:?}");
    let said = repaired.json();
    assert_eq!(said["segments"][0]["kept"], "damaged/00000000000000000000", "{said}");
    let kept = first.path().join("damaged/00000000000000000000");
    assert_eq!(changes(&whole, &contents(first.path())), [kept]);
    assert_eq!(verified(first.path()).await["transfers"], "1000");

    // Another bank is no source.
    let other = empty();
    let stranger = Server::start(other.path(), &[]).await;
    open_accounts(&connect(&stranger.address).await).await;
    damage(first.path());
    let refused = repair(first.path(), &["--from", &stranger.address]).await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.errors.contains("the source is the bank"), "{refused:?}");
    stranger.stop().await;
    standby.stop().await;
}
