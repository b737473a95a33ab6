//! A consumer that reads the log of a server that is killed again and again, and one that reads it in
//! the server's own directory afterwards: both are told the same, once. A consumer that is told twice
//! pays twice (fault 72).

use crate::directory::empty;
use crate::process::{Server, argument, run_florin, within};
use florin_client::{Client, ClientOptions, StreamBatch, Subscription};
use florin_core::{Database, Options};
use florin_ledger::stream::{ItemContent, ItemKind, ItemKinds};
use florin_ledger::{
    Account, AccountId, Amount, Code, LedgerId, StreamFilter, StreamStart, Transfer, TransferId,
};
use std::time::Duration;

const KILLS: u64 = 5;
const BATCHES: u64 = 20;
const TRANSFERS_PER_BATCH: u64 = 50;

fn transfer(id: u64) -> Transfer {
    Transfer {
        id: TransferId(u128::from(id)),
        debit_account_id: AccountId(1),
        credit_account_id: AccountId(2),
        amount: Amount(u128::from(id)),
        ledger: LedgerId(978),
        code: Code(1),
        ..Transfer::default()
    }
}

async fn connect(address: &str) -> Client {
    let options = ClientOptions { deadline: Duration::from_secs(60), ..ClientOptions::default() };
    Client::connect(address, options).await.expect("the server listens")
}

fn transfers() -> StreamFilter {
    StreamFilter { kinds: ItemKinds::NONE.with(ItemKind::Transfer), ..StreamFilter::all() }
}

/// The ids of transfers until this one came, and what came along.
async fn ids_until(stream: &mut Subscription, last: u64) -> Vec<u128> {
    let mut ids: Vec<u128> = Vec::new();
    while ids.last().is_none_or(|id| *id < u128::from(last)) {
        let batch = within("a batch", stream.next()).await.expect("the stream goes on");
        ids.extend(ids_of(&batch));
    }
    ids
}

fn ids_of(batch: &StreamBatch) -> impl Iterator<Item = u128> {
    batch.items().map(|item| match item.content {
        ItemContent::Transfer(transfer) => transfer.id.0,
        other => unreachable!("{other:?}"),
    })
}

/// Everything in the log, as text.
async fn everything(client: &Client) -> Vec<String> {
    let mut stream =
        client.subscribe(StreamStart::Begin, StreamFilter::all()).await.expect("begun");
    let mut items = Vec::new();
    loop {
        let batch = within("a batch", stream.next()).await.expect("the stream goes on");
        items.extend(batch.items().map(|item| format!("{item:?}")));
        if batch.end().is_live {
            return items;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_a_server_that_is_killed_is_told_everything_once() {
    let directory = empty();
    let mut server = Server::start(directory.path(), &[]).await;
    let address = server.address.clone();
    let client = connect(&address).await;
    let account = |id| Account {
        id: AccountId(id),
        ledger: LedgerId(978),
        code: Code(1),
        ..Account::default()
    };
    client.create_accounts(&[account(1), account(2)]).await.expect("two accounts");
    let mut stream = client.subscribe(StreamStart::End, transfers()).await.expect("begun");
    let mut told = Vec::new();
    let mut last = 0;
    for _ in 0..KILLS {
        for _ in 0..BATCHES {
            let batch: Vec<Transfer> =
                (last + 1..=last + TRANSFERS_PER_BATCH).map(transfer).collect();
            last += TRANSFERS_PER_BATCH;
            client.create_transfers(&batch).await.expect("posted");
        }
        // Some are read before the server dies, the others after it is back.
        told.extend(ids_until(&mut stream, last - TRANSFERS_PER_BATCH).await);
        server.kill().await;
        server = Server::start_at(&address, directory.path()).await;
    }
    client.create_transfers(&[transfer(last + 1)]).await.expect("posted");
    told.extend(ids_until(&mut stream, last + 1).await);
    assert_eq!(told, (1..=u128::from(last) + 1).collect::<Vec<_>>());
    let cursor = stream.cursor();

    let served = everything(&client).await;
    let question = "{\"stream\": {\"kinds\": [\"account\"], \"limit\": 1}}\n";
    let page = run_florin(&["exec", "--connect", &address], question).await.json();
    assert_eq!(page["items"][0]["id"], "1");
    assert_eq!(
        (&page["is_live"], page["items"].as_array().map(Vec::len)),
        (&false.into(), Some(1))
    );
    drop(stream);
    server.stop().await;

    let database = Database::open(directory.path(), Options::default()).expect("it opens");
    let embedded = Client::embedded(database.clone());
    let mut found = everything(&embedded).await;
    let opened = found.pop().expect("this opening is an epoch");
    assert!(opened.contains("Epoch"), "{opened}");
    assert_eq!(found, served);
    let after = embedded.subscribe(StreamStart::After(cursor), transfers()).await;
    let rest = within("a batch", after.expect("the cursor is of this log").next()).await;
    assert_eq!(rest.expect("the stream goes on").view().items_count(), 0);
    database.close().expect("it closes");

    let tail = ["tail", "--data", argument(directory.path()), "--kind", "transfer", "--limit", "2"];
    let tail = run_florin(&tail, "").await;
    assert_eq!(tail.code, Some(0), "{tail:?}");
    let lines: Vec<serde_json::Value> =
        tail.output.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[1]["kind"], &lines[1]["id"]), (&"transfer".into(), &"2".into()));
    assert_eq!((&lines[1]["amount"], &lines[1]["commit_ends"]), (&"2".into(), &true.into()));
    let from = lines[1]["cursor"].as_str().expect("a cursor is text");
    let rest = ["tail", "--data", argument(directory.path()), "--from", from, "--limit", "1"];
    let rest = run_florin(&rest, "").await;
    let line: serde_json::Value = serde_json::from_str(rest.output.trim()).expect("JSON");
    assert_eq!(line["id"], "3");
}

/// Prevents: a reader that follows the log can't be stopped but by killing it.
#[tokio::test]
async fn a_tail_that_follows_ends_when_it_is_asked_to() {
    use crate::process::Running;
    let directory = empty();
    let server = Server::start(directory.path(), &[]).await;
    let mut tail = Running::start(&["tail", "--follow", "--connect", &server.address]);
    let line = tail.hear().await.expect("the epoch is there");
    assert!(line.starts_with("{\"kind\":\"epoch\",\"cursor\":\"1:"), "{line}");
    tail.interrupt();
    assert_eq!(tail.ended().await, Some(0));
    server.stop().await;
}
