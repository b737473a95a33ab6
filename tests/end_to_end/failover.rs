//! A primary that is killed under load, and its standby, promoted each time. What would go wrong without it: in
//! synchronous mode a payment that was confirmed and is gone with its machine, or one that moves twice because
//! its owner asked again. Faults 41, 51 and 52.

use crate::chance::Chance;
use crate::directory::empty;
use crate::process::{Server, argument, run_florin, verified, within};
use florin_client::{Client, ClientError, ClientOptions, RefusalKind};
use florin_ledger::{
    Account, AccountId, Amount, Code, CreateTransferStatus, LedgerId, Timestamp, Transfer,
    TransferId,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

/// As many failovers as a test may take; many more by hand: `FLORIN_FAILOVERS=100`.
const FAILOVERS: u64 = 5;
const CLIENTS: u64 = 4;
const ACCOUNTS: u128 = 8;
/// Answers in a round before the kill, at most.
const ANSWERS_MAX: u64 = 400;

/// What a client knows of its transfers.
#[derive(Default)]
struct Record {
    /// Confirmed, and when.
    confirmed: BTreeMap<u128, Timestamp>,
    /// Sent, and nobody knows.
    unknown: Vec<u128>,
}

pub(crate) fn transfer(id: u128) -> Transfer {
    Transfer {
        id: TransferId(id),
        debit_account_id: AccountId(1 + id % ACCOUNTS),
        credit_account_id: AccountId(1 + (id + 1) % ACCOUNTS),
        amount: Amount(1 + id % 97),
        ledger: LedgerId(978),
        code: Code(1),
        ..Transfer::default()
    }
}

/// Tries everything once: what it does not know, it writes down.
fn options() -> ClientOptions {
    ClientOptions { attempts_max: 1, deadline: Duration::from_secs(20), ..ClientOptions::default() }
}

pub(crate) async fn connect(address: &str) -> Client {
    let connected = Client::connect(address, ClientOptions::default());
    within("a connection", connected).await.expect("it listens")
}

pub(crate) async fn open_accounts(client: &Client) {
    let account = |id| Account {
        id: AccountId(id),
        ledger: LedgerId(978),
        code: Code(1),
        ..Account::default()
    };
    let accounts: Vec<_> = (1..=ACCOUNTS).map(account).collect();
    within("accounts", client.create_accounts(&accounts)).await.expect("a primary answers");
}

/// Posts until the server is gone.
async fn keep_posting(
    address: String,
    ids: Arc<AtomicU64>,
    answered: UnboundedSender<()>,
) -> Record {
    let mut record = Record::default();
    let Ok(client) = Client::connect(&address, options()).await else { return record };
    loop {
        let id = u128::from(ids.fetch_add(1, Ordering::Relaxed));
        match client.create_transfers(&[transfer(id)]).await {
            Ok(results) => {
                assert_eq!(results[0].status, CreateTransferStatus::Created, "transfer {id}");
                record.confirmed.insert(id, results[0].timestamp);
                let _ = answered.send(());
            }
            Err(ClientError::Unknown { .. }) => record.unknown.push(id),
            Err(
                ClientError::NotSent { .. }
                | ClientError::Refused { kind: RefusalKind::Stopped, .. },
            ) => return record,
            Err(error) => panic!("transfer {id}: {error}"),
        }
    }
}

/// A load over several connections.
struct Load {
    clients: JoinSet<Record>,
    answered: UnboundedReceiver<()>,
}

impl Load {
    /// Loads a primary, and goes on when it has answered so often.
    async fn begin(primary: &Server, ids: &Arc<AtomicU64>, answers: u64) -> Load {
        let (sender, mut answered) = unbounded_channel();
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            clients.spawn(keep_posting(primary.address.clone(), ids.clone(), sender.clone()));
        }
        for _ in 0..answers {
            within("an answer", answered.recv()).await.expect("the load goes on");
        }
        Load { clients, answered }
    }

    /// What was promised, once the primary is gone.
    async fn end(self) -> Record {
        drop(self.answered);
        let mut record = Record::default();
        for one in within("every client hears that it is gone", self.clients.join_all()).await {
            record.confirmed.extend(one.confirmed);
            record.unknown.extend(one.unknown);
        }
        record
    }
}

/// Stops the standby under load, then kills the primary: whatever was asked in between the primary has, and
/// must have confirmed to nobody. Says what was promised.
async fn kill_without_its_standby(
    primary: Server,
    standby: &Server,
    ids: &Arc<AtomicU64>,
    answers: u64,
) -> Record {
    let load = Load::begin(&primary, ids, answers).await;
    standby.pause();
    let client = connect(&primary.address).await;
    let stuck = async {
        // Nothing was acknowledged for so long, and something waits.
        while client.replication().await.expect("a primary answers").waiting_ms < 500 {}
    };
    within("a primary that waits for its standby", stuck).await;
    primary.kill().await;
    standby.resume();
    let record = load.end().await;
    let clients = usize::try_from(CLIENTS).expect("they are few");
    assert_eq!(record.unknown.len(), clients, "each client had asked, and was told nothing");
    record
}

/// Promotes a standby of a primary that is gone, by force only where nobody can know what it lacks: it may lack
/// what was confirmed to nobody.
pub(crate) async fn promote(standby: &Server) {
    let promoted = run_florin(&["promote", "--connect", &standby.address], "").await;
    if promoted.code == Some(0) {
        assert!(promoted.output.contains("it had all that its primary had"), "{promoted:?}");
        return;
    }
    assert_eq!(promoted.code, Some(1), "{promoted:?}");
    let is_doubt = ["lacks", "heard nothing"].iter().any(|why| promoted.errors.contains(why));
    assert!(is_doubt, "{promoted:?}");
    let forced = run_florin(&["promote", "--force", "--connect", &standby.address], "").await;
    assert_eq!(forced.code, Some(0), "{forced:?}");
}

pub(crate) async fn status(address: &str) -> Value {
    let told = run_florin(&["status", "--json", "--connect", address], "").await;
    // One that stops and starts, or that sleeps, says nothing.
    if told.output.is_empty() { Value::Null } else { told.json() }
}

/// Waits until a standby has what its primary has.
pub(crate) async fn await_in_step(standby: &Server) {
    let in_step = async {
        loop {
            let standing = &status(&standby.address).await["replication"]["standby"];
            if standing["connected"] == true && standing["lag_bytes"] == "0" {
                return;
            }
        }
    };
    within("a standby that is in step", in_step).await;
}

/// What was confirmed is there, as it was confirmed; what nobody knows is there once it is asked again; all
/// of it once.
async fn check(client: &Client, promised: &mut BTreeMap<u128, Timestamp>, record: Record) {
    promised.extend(record.confirmed);
    for id in record.unknown {
        let results = client.create_transfers(&[transfer(id)]).await.expect("a primary answers");
        let is_there = [CreateTransferStatus::Created, CreateTransferStatus::Exists]
            .contains(&results[0].status);
        assert!(is_there, "transfer {id}: {:?}", results[0].status);
        promised.insert(id, results[0].timestamp);
    }
    let ids: Vec<_> = promised.keys().copied().map(TransferId).collect();
    let mut balances = BTreeMap::<AccountId, (u128, u128)>::new();
    for ids in ids.chunks(8_000) {
        let found = client.lookup_transfers(ids).await.expect("a primary answers");
        for (id, found) in ids.iter().zip(found) {
            let found = found.unwrap_or_else(|| panic!("{id} was confirmed and is gone"));
            assert_eq!(found.timestamp, promised[&id.0], "{id} is not the one that was confirmed");
            balances.entry(found.debit_account_id).or_default().0 += found.amount.0;
            balances.entry(found.credit_account_id).or_default().1 += found.amount.0;
        }
    }
    let accounts: Vec<_> = (1..=ACCOUNTS).map(AccountId).collect();
    let found = client.lookup_accounts(&accounts).await.expect("a primary answers");
    for account in found.into_iter().flatten() {
        let (debits, credits) = balances.get(&account.id).copied().unwrap_or_default();
        assert_eq!(
            (account.debits_posted.0, account.credits_posted.0),
            (debits, credits),
            "{}",
            account.id
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_confirmed_is_lost_or_doubled_when_the_primary_is_killed_and_its_standby_promoted()
{
    let mut chance = Chance::seeded(41);
    let failovers = std::env::var("FLORIN_FAILOVERS").ok().and_then(|it| it.parse().ok());
    let sync = ["--sync-standbys", "1"];
    let mut directories = vec![empty(), empty()];
    let mut primary = Server::start(directories[0].path(), &sync).await;
    let mut standby = start_standby(directories[1].path(), &primary).await;
    open_accounts(&connect(&primary.address).await).await;
    let ids = Arc::new(AtomicU64::new(1));
    let mut promised = BTreeMap::new();
    for round in 0..failovers.unwrap_or(FAILOVERS) {
        let answers = 1 + chance.below(ANSWERS_MAX);
        let (address, directory) = (primary.address.clone(), directories.last().unwrap().path());
        let record = kill_without_its_standby(primary, &standby, &ids, answers).await;
        if round % 3 == 1 {
            // It dies, too, and what it heard of its primary with it.
            standby.kill().await;
            standby = Server::start(directory, &follow(&address)).await;
            let refused = run_florin(&["promote", "--connect", &standby.address], "").await;
            assert_eq!(refused.code, Some(1), "{refused:?}");
            assert!(refused.errors.contains("heard nothing"), "{refused:?}");
        }
        promote(&standby).await;
        primary = standby;
        // The next standby begins with nothing; until it follows, nothing is answered.
        directories.push(empty());
        standby = start_standby(directories.last().unwrap().path(), &primary).await;
        check(&connect(&primary.address).await, &mut promised, record).await;
    }
    await_in_step(&standby).await;
    standby.stop().await;
    primary.stop().await;
    let [.., promoted, copy] = &directories[..] else { panic!("there were several") };
    let report = verified(promoted.path()).await;
    assert_eq!(report["transfers"], promised.len().to_string());
    assert_eq!(verified(copy.path()).await["transfers"], promised.len().to_string());
}

/// What is lost where nobody waits for a standby: nothing but the newest, and nothing of it comes twice. Says how much
/// it was, which no test can promise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_lost_of_an_asynchronous_primary_is_the_newest() {
    let mut chance = Chance::seeded(42);
    let failovers = std::env::var("FLORIN_FAILOVERS").ok().and_then(|it| it.parse().ok());
    let (mut confirmed_count, mut lost_count, mut most) = (0, 0, 0);
    for _ in 0..failovers.unwrap_or(FAILOVERS) {
        let (first, second) = (empty(), empty());
        let primary = Server::start(first.path(), &[]).await;
        open_accounts(&connect(&primary.address).await).await;
        let standby = Server::start(second.path(), &["--follow", &primary.address]).await;
        await_in_step(&standby).await;
        let answers = 1 + chance.below(ANSWERS_MAX);
        let load = Load::begin(&primary, &Arc::new(AtomicU64::new(1)), answers).await;
        primary.kill().await;
        let record = load.end().await;
        promote(&standby).await;
        let confirmed: Vec<_> = record.confirmed.iter().collect();
        let ids: Vec<_> = confirmed.iter().map(|(id, _)| TransferId(**id)).collect();
        let found = connect(&standby.address).await.lookup_transfers(&ids).await.unwrap();
        let told = confirmed.iter().zip(&found).map(|((_, at), found)| (**at, found.is_some()));
        let first_lost = told.clone().filter(|(_, is_there)| !is_there).map(|(at, _)| at).min();
        let first_lost = first_lost.unwrap_or(Timestamp(u64::MAX));
        assert!(told.clone().all(|(at, is_there)| is_there == (at < first_lost)), "a gap");
        let lost = told.filter(|(_, is_there)| !is_there).count();
        (confirmed_count, lost_count) = (confirmed_count + confirmed.len(), lost_count + lost);
        most = most.max(lost);
        standby.stop().await;
        verified(second.path()).await;
    }
    assert!(0 < confirmed_count);
    println!(
        "of {confirmed_count} confirmed {lost_count} were lost, {most} at most by one failover"
    );
}

async fn start_standby(directory: &std::path::Path, primary: &Server) -> Server {
    Server::start(directory, &follow(&primary.address)).await
}

fn follow(address: &str) -> [&str; 6] {
    ["--sync-standbys", "1", "--follow", address, "--follow-name", "two"]
}

/// Prevents: answers that are lost with a primary that was stopped in order, and a last frame that only it has,
/// which makes it a fork.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_stopped_in_order_leaves_all_to_its_standby_and_follows_it() {
    let (first, second) = (empty(), empty());
    let primary = Server::start(first.path(), &[]).await;
    open_accounts(&connect(&primary.address).await).await;
    let standby = Server::start(second.path(), &["--follow", &primary.address]).await;
    await_in_step(&standby).await;
    let load = Load::begin(&primary, &Arc::new(AtomicU64::new(1)), 200).await;
    primary.stop().await;
    let record = load.end().await;
    let promoted = run_florin(&["promote", "--connect", &standby.address], "").await;
    assert_eq!(promoted.code, Some(0), "{promoted:?}");
    let mut promised = BTreeMap::new();
    check(&connect(&standby.address).await, &mut promised, record).await;
    let old = Server::start(first.path(), &["--follow", &standby.address]).await;
    await_in_step(&old).await;
    old.stop().await;
    standby.stop().await;
    let transfers = promised.len().to_string();
    assert_eq!(verified(first.path()).await["transfers"], transfers);
    assert_eq!(verified(second.path()).await["transfers"], transfers);
}

/// Prevents: a directory that is promoted although nobody knows what it lacks; answers that wait for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_known_or_can_not_come_about_is_refused() {
    let (first, second) = (empty(), empty());
    let data = argument(first.path());
    let served = ["serve", "--insecure-loopback", "--sync-standbys", "17", "--data", data];
    let served = run_florin(&served, "").await;
    assert_eq!(served.code, Some(2), "{served:?}");
    let primary = Server::start(first.path(), &[]).await;
    open_accounts(&connect(&primary.address).await).await;
    let standby = Server::start(second.path(), &["--follow", &primary.address]).await;
    await_in_step(&standby).await;
    standby.stop().await;
    let copy = argument(second.path());
    let refused = run_florin(&["promote", "--data", copy], "").await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.errors.contains("--force"), "{refused:?}");
    let forced = run_florin(&["promote", "--force", "--data", copy], "").await;
    assert_eq!(forced.code, Some(0), "{forced:?}");
    primary.stop().await;
}

/// What operators and clients see of a standby that follows, loses its primary, and is promoted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_serves_reads_says_what_it_is_and_becomes_the_primary() {
    let (first, second) = (empty(), empty());
    let primary = Server::start(first.path(), &[]).await;
    let client = connect(&primary.address).await;
    open_accounts(&client).await;
    client.create_transfers(&[transfer(1), transfer(2)]).await.unwrap();
    let standby = Server::start(second.path(), &["--follow", &primary.address]).await;
    await_in_step(&standby).await;
    let reader = connect(&standby.address).await;
    let there = client.position().await.unwrap();
    let found = reader.after(there).lookup_transfers(&[TransferId(2)]).await.unwrap();
    assert!(found[0].is_some());
    let read = reader.reached();
    assert!(there <= read && read.epoch == there.epoch, "an answer says how new it is: {read}");
    client.after(read).lookup_transfers(&[TransferId(2)]).await.expect("it is of one history");
    let refused = reader.create_transfers(&[transfer(3)]).await.unwrap_err();
    let ClientError::Refused { kind, message } = refused else { panic!("{refused}") };
    assert_eq!(kind, RefusalKind::Standby);
    assert!(message.contains(&primary.address), "{message}");
    let followed = status(&primary.address).await;
    assert_eq!(followed["replication"]["standbys"][0]["name"], "standby");
    assert_eq!(followed["replication"]["role"], "primary");
    let served =
        run_florin(&["serve", "--insecure-loopback", "--data", argument(second.path())], "").await;
    assert_eq!(served.code, Some(3), "it is open: {served:?}");
    // The primary is gone: the standby says so, and goes on reading.
    primary.kill().await;
    let alone = async {
        while status(&standby.address).await["replication"]["standby"]["connected"] == true {}
    };
    within("a standby notices", alone).await;
    let told = run_florin(&["status", "--connect", &standby.address], "").await;
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.output.contains("DOES NOT FOLLOW"), "{told:?}");
    let promoted = run_florin(&["promote", "--connect", &standby.address], "").await;
    assert_eq!(promoted.code, Some(0), "{promoted:?}");
    let again = run_florin(&["promote", "--connect", &standby.address], "").await;
    assert_eq!(again.code, Some(1), "{again:?}");
    let results = connect(&standby.address)
        .await
        .create_transfers(&[transfer(2), transfer(3)])
        .await
        .unwrap();
    let statuses: Vec<_> = results.iter().map(|result| result.status).collect();
    assert_eq!(statuses, [CreateTransferStatus::Exists, CreateTransferStatus::Created]);
    standby.stop().await;
    // It does not follow any more, whatever an old unit file says.
    let again = Server::start(second.path(), &["--follow", "127.0.0.1:1"]).await;
    assert_eq!(status(&again.address).await["replication"]["role"], "primary");
    again.stop().await;
    assert_eq!(verified(second.path()).await["transfers"], "3");
}
