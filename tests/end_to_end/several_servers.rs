//! Clients that know both servers of a ledger, and the primary killed under them. What would go wrong without:
//! a bank that is down until somebody has told all its adapters where the standby is, a payment that moves
//! twice because it was asked of both, a reader that leaves out what happened meanwhile.

use crate::directory::empty;
use crate::failover::{await_in_step, open_accounts, promote, transfer};
use crate::process::{Server, run_florin, verified, within};
use florin_client::{Client, ClientOptions, Subscription};
use florin_ledger::stream::{ItemContent, ItemKind, ItemKinds};
use florin_ledger::{CreateTransferStatus, StreamFilter, StreamStart, TransferId};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

const CLIENTS: u64 = 4;
/// Answers before the kill, and after the promotion.
const ANSWERS: u64 = 200;

async fn connect(addresses: &str) -> Client {
    let options = ClientOptions { deadline: Duration::from_secs(60), ..ClientOptions::default() };
    within("a connection", Client::connect(addresses, options)).await.expect("one of them decides")
}

/// Posts until told to stop; says what was posted. Whatever becomes of the servers, it hears of no error.
async fn keep_posting(
    client: Client,
    ids: Arc<AtomicU64>,
    shall_stop: Arc<AtomicBool>,
    answered: UnboundedSender<()>,
) -> Vec<u128> {
    let mut posted = Vec::new();
    while !shall_stop.load(Ordering::Relaxed) {
        let id = u128::from(ids.fetch_add(1, Ordering::Relaxed));
        let results = client.create_transfers(&[transfer(id)]).await;
        let status = results.unwrap_or_else(|error| panic!("transfer {id}: {error}"))[0].status;
        // What was asked of both is there already.
        let is_there = [CreateTransferStatus::Created, CreateTransferStatus::Exists];
        assert!(is_there.contains(&status), "transfer {id}: {status:?}");
        posted.push(id);
        let _ = answered.send(());
    }
    posted
}

async fn hear_of(answered: &mut UnboundedReceiver<()>, answers: u64) {
    for _ in 0..answers {
        within("an answer", answered.recv()).await.expect("the load goes on");
    }
}

/// The ids of so many transfers, as the log tells them.
async fn read(mut stream: Subscription, count: usize) -> Vec<u128> {
    let mut ids = Vec::new();
    while ids.len() < count {
        let batch = within("a batch", stream.next()).await.expect("the stream goes on");
        ids.extend(batch.items().map(|item| match item.content {
            ItemContent::Transfer(transfer) => transfer.id.0,
            other => unreachable!("{other:?}"),
        }));
    }
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_both_servers_go_on_when_the_primary_is_killed_and_its_standby_promoted() {
    let (first, second) = (empty(), empty());
    let primary = Server::start(first.path(), &["--sync-standbys", "1"]).await;
    let standby = Server::start(second.path(), &["--follow", &primary.address]).await;
    // The standby is named first, and is not the one to ask.
    let addresses = format!("{},{}", standby.address, primary.address);
    let client = connect(&addresses).await;
    open_accounts(&client).await;
    await_in_step(&standby).await;
    let kinds = ItemKinds::NONE.with(ItemKind::Transfer);
    let filter = StreamFilter { kinds, ..StreamFilter::all() };
    let stream = client.subscribe(StreamStart::Begin, filter).await.expect("a primary streams");

    let (ids, shall_stop) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicBool::new(false)));
    let (sender, mut answered) = unbounded_channel();
    let mut load = JoinSet::new();
    for _ in 0..CLIENTS {
        let client = connect(&addresses).await;
        load.spawn(keep_posting(client, ids.clone(), shall_stop.clone(), sender.clone()));
    }
    hear_of(&mut answered, ANSWERS).await;
    primary.kill().await;
    promote(&standby).await;
    hear_of(&mut answered, ANSWERS + CLIENTS).await;
    shall_stop.store(true, Ordering::Relaxed);
    let mut posted = within("the end of the load", load.join_all()).await.concat();
    posted.sort_unstable();

    let asked: Vec<_> = posted.iter().copied().map(TransferId).collect();
    let mut found = Vec::new();
    for asked in asked.chunks(8_000) {
        found.extend(client.lookup_transfers(asked).await.expect("the new primary answers"));
    }
    assert!(found.iter().all(Option::is_some), "what was confirmed is gone");
    let mut told = read(stream, posted.len()).await;
    told.sort_unstable();
    assert_eq!(told, posted, "the reader was told of each once");
    let status = run_florin(&["status", "--json", "--connect", &addresses], "").await.json();
    assert_eq!(status["replication"]["role"], "primary");
    drop(client);
    standby.stop().await;
    assert_eq!(verified(second.path()).await["transfers"], posted.len().to_string());
}

/// Prevents: an operator who means one server and promotes whichever answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_is_promoted_by_its_own_address() {
    let promoted = run_florin(&["promote", "--connect", "127.0.0.1:1,127.0.0.1:2"], "").await;
    assert_eq!(promoted.code, Some(2), "{promoted:?}");
    assert!(promoted.errors.contains("name the one standby"), "{promoted:?}");
}
