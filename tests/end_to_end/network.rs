//! A group whose network fails between any two of its nodes: cut both ways or one way, frozen, slow, connections
//! dropped. What would go wrong without promises and terms: two primaries that both confirm, and a payment that was
//! confirmed and is gone when the network is back. Faults 42, 51 and 52.
//!
//! Every node is reached through a proxy of its own, which tells callers by the name that they give in their hello.

use crate::chance::Chance;
use crate::directory::empty;
use crate::failover::{await_in_step, connect, open_accounts, status, transfer};
use crate::process::{Server, run_florin, verified, within};
use florin_client::{Client, ClientError, ClientOptions};
use florin_ledger::{CreateTransferStatus, TransferId};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

const NAMES: [&str; 3] = ["north", "south", "west"];
/// Rounds of faults; many more by hand: `FLORIN_NETWORK_ROUNDS=50`.
const ROUNDS: u64 = 4;
/// Payments that are confirmed in a round at least, before it goes on.
const PAYMENTS: usize = 20;

/// What becomes of the bytes between a caller and a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Weather {
    #[default]
    Fair,
    /// Nothing passes, in either direction, and nobody is told.
    Frozen,
    /// What the caller sends does not arrive.
    Deaf,
    /// What the node answers does not arrive.
    Mute,
    /// Connections end, and none begins.
    Cut,
    /// Each piece waits.
    Slow,
    /// Connections that began before stand still, and what is on its way in them arrives after what later ones bring.
    Overtaken,
}

const BAD: [Weather; 6] = [
    Weather::Frozen,
    Weather::Deaf,
    Weather::Mute,
    Weather::Cut,
    Weather::Slow,
    Weather::Overtaken,
];

/// The weather between every caller and one node.
type Forecast = watch::Receiver<BTreeMap<&'static str, Weather>>;

/// A proxy in front of a node.
struct Proxy {
    address: String,
    weather: watch::Sender<BTreeMap<&'static str, Weather>>,
    /// Where the node is, once it listens.
    node: Arc<Mutex<String>>,
}

impl Proxy {
    async fn start() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens").to_string();
        let (weather, forecast) = watch::channel(BTreeMap::new());
        let node = Arc::new(Mutex::new(String::new()));
        tokio::spawn(accept(listener, node.clone(), forecast));
        Proxy { address, weather, node }
    }

    fn set(&self, caller: &'static str, weather: Weather) {
        self.weather.send_modify(|all| _ = all.insert(caller, weather));
    }
}

async fn accept(listener: TcpListener, node: Arc<Mutex<String>>, forecast: Forecast) {
    let mut connections = JoinSet::new();
    while let Ok((caller, _)) = listener.accept().await {
        let node = node.lock().expect("nobody panics with it").clone();
        connections.spawn(carry(caller, node, forecast.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// Carries one connection until an end of it, or the weather, ends it.
async fn carry(mut caller: TcpStream, node: String, forecast: Forecast) -> io::Result<()> {
    let mut node = TcpStream::connect(node).await?;
    let mut hello = [0; 256];
    let count = caller.read(&mut hello).await?;
    let said = |name: &&&str| hello[..count].windows(name.len()).any(|it| it == name.as_bytes());
    let who = NAMES.iter().find(said).copied().unwrap_or("client");
    node.write_all(&hello[..count]).await?;
    let (from_caller, to_caller) = caller.into_split();
    let (from_node, to_node) = node.into_split();
    let is_late = forecast.borrow().get(who) == Some(&Weather::Overtaken);
    let stopping = |one: Weather| {
        let others = [Weather::Frozen, one];
        move |weather| others.contains(&weather) || (weather == Weather::Overtaken && !is_late)
    };
    let asks = pass(from_caller, to_node, who, forecast.clone(), stopping(Weather::Deaf));
    let answers = pass(from_node, to_caller, who, forecast, stopping(Weather::Mute));
    // Whichever ends, both do: a connection that is half open is the weather's business alone.
    tokio::select! { ended = asks => ended, ended = answers => ended }
}

/// Passes bytes on in one direction, but in weather that stops it.
async fn pass(
    mut from: impl tokio::io::AsyncRead + Unpin,
    mut to: impl tokio::io::AsyncWrite + Unpin,
    who: &'static str,
    mut forecast: Forecast,
    is_stopping: impl Fn(Weather) -> bool,
) -> io::Result<()> {
    let mut piece = vec![0; 16 << 10];
    loop {
        let weather = forecast.borrow_and_update().get(who).copied().unwrap_or_default();
        if weather == Weather::Cut {
            return Ok(());
        }
        if is_stopping(weather) {
            if forecast.changed().await.is_err() {
                return Ok(());
            }
            continue;
        }
        let count = tokio::select! {
            changed = forecast.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return Ok(()),
            },
            count = from.read(&mut piece) => count?,
        };
        if count == 0 {
            return Ok(());
        }
        if weather == Weather::Slow {
            // Nothing is awaited that could come sooner.
            let _ =
                tokio::time::timeout(Duration::from_millis(30), std::future::pending::<()>()).await;
        }
        to.write_all(&piece[..count]).await?;
    }
}

/// A group behind proxies.
struct Net {
    directories: Vec<TempDir>,
    servers: Vec<Server>,
    proxies: Vec<Proxy>,
}

impl Net {
    async fn of_three() -> Net {
        let (mut directories, mut servers, mut proxies) = (Vec::new(), Vec::new(), Vec::new());
        for name in NAMES {
            let (directory, proxy) = (empty(), Proxy::start().await);
            let first = proxies.first().map(|first: &Proxy| first.address.clone());
            let mut more = vec!["--follow-name", name];
            more.extend(first.iter().flat_map(|first| ["--follow", first.as_str()]));
            let server = Server::start(directory.path(), &more).await;
            proxy.node.lock().expect("nobody panics with it").clone_from(&server.address);
            if servers.is_empty() {
                open_accounts(&connect(&server.address).await).await;
            }
            directories.push(directory);
            servers.push(server);
            proxies.push(proxy);
        }
        let nodes: Vec<String> =
            NAMES.iter().zip(&proxies).map(|(name, it)| format!("{name}={}", it.address)).collect();
        let mut arguments = vec!["group", "set", "--sync", "1", "--connect", &servers[0].address];
        nodes.iter().for_each(|node| arguments.extend(["--node", node]));
        let set = run_florin(&arguments, "").await;
        assert_eq!(set.code, Some(0), "{set:?}");
        Net { directories, servers, proxies }
    }

    /// All addresses, as a client names them.
    fn addresses(&self) -> String {
        let all: Vec<&str> = self.proxies.iter().map(|proxy| proxy.address.as_str()).collect();
        all.join(",")
    }

    fn clear_up(&self) {
        self.proxies.iter().for_each(|proxy| proxy.weather.send_modify(BTreeMap::clear));
    }

    /// Waits until one decides and the others follow; under a load they seldom have all at the moment of a look.
    async fn converge(&self) -> usize {
        let converged = async {
            loop {
                let mut primaries = Vec::new();
                let mut following = 0;
                for (node, server) in self.servers.iter().enumerate() {
                    let standing = &status(&server.address).await["replication"];
                    if standing["role"] == "primary" {
                        primaries.push(node);
                    }
                    let standby = &standing["standby"];
                    following += usize::from(standby["connected"] == true);
                }
                if let ([primary], 2) = (&primaries[..], following) {
                    return *primary;
                }
            }
        };
        within("a group with one primary", converged).await
    }
}

/// What clients were told.
#[derive(Default)]
struct Told {
    confirmed: BTreeSet<u128>,
    unknown: BTreeSet<u128>,
}

/// Pays until told to stop.
async fn pay(
    addresses: String,
    ids: Arc<AtomicU64>,
    told: Arc<Mutex<Told>>,
    count: watch::Sender<usize>,
) {
    let options = ClientOptions {
        attempts_max: 1,
        deadline: Duration::from_secs(2),
        connect_timeout: Duration::from_millis(500),
        ..ClientOptions::default()
    };
    loop {
        let Ok(client) = Client::connect(&addresses, options.clone()).await else { continue };
        loop {
            let id = u128::from(ids.fetch_add(1, Ordering::Relaxed));
            let answer = client.create_transfers(&[transfer(id)]).await;
            let mut told = told.lock().expect("nobody panics with it");
            match answer {
                Ok(results) => {
                    assert_eq!(results[0].status, CreateTransferStatus::Created, "transfer {id}");
                    told.confirmed.insert(id);
                    count.send_modify(|count| *count += 1);
                }
                Err(ClientError::Unknown { .. }) => _ = told.unknown.insert(id),
                Err(_) => break,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_network_does_one_decides_and_what_was_confirmed_stays() {
    let mut chance = Chance::seeded(43);
    let rounds = std::env::var("FLORIN_NETWORK_ROUNDS").ok().and_then(|it| it.parse().ok());
    let net = Net::of_three().await;
    let mut primary = net.converge().await;
    let (ids, told) = (Arc::new(AtomicU64::new(1)), Arc::new(Mutex::new(Told::default())));
    let (counter, mut count) = watch::channel(0);
    let mut payers = JoinSet::new();
    for _ in 0..3 {
        payers.spawn(pay(net.addresses(), ids.clone(), told.clone(), counter.clone()));
    }
    let mut promoted_count = 0;
    for round in 0..rounds.unwrap_or(ROUNDS) {
        // Nobody is told anything for a while, perhaps; so they are awaited in fair weather.
        let goal = *count.borrow() + PAYMENTS;
        within("payments", count.wait_for(|count| goal <= *count)).await.expect("they pay");
        for (proxy, name) in net.proxies.iter().zip(NAMES) {
            for caller in NAMES.into_iter().chain(["client"]).filter(|caller| *caller != name) {
                if chance.once_in(2) {
                    proxy.set(caller, *chance.one_of(&BAD));
                }
            }
        }
        // Two may be promoted at the same time.
        let candidates: Vec<usize> = (0..3).filter(|node| *node != primary).collect();
        let ask = |node: usize| {
            let address = net.servers[node].address.clone();
            async move { run_florin(&["promote", "--connect", &address], "").await }
        };
        let asked = if chance.once_in(2) {
            let (one, other) = tokio::join!(ask(candidates[0]), ask(candidates[1]));
            vec![one, other]
        } else {
            vec![ask(*chance.one_of(&candidates)).await]
        };
        promoted_count += asked.iter().filter(|ended| ended.code == Some(0)).count();
        net.clear_up();
        // Where nobody was promoted and the old primary has promised, a person begins again, with whoever may be.
        let again = async {
            for candidate in (0..3).cycle() {
                let mut roles = Vec::new();
                for server in &net.servers {
                    roles.push(status(&server.address).await["replication"]["role"].clone());
                }
                if roles.iter().any(|role| role == "primary") {
                    return;
                }
                promoted_count += usize::from(ask(candidate).await.code == Some(0));
            }
        };
        within("a primary", again).await;
        primary = net.converge().await;
        println!("round {round}: {} decides, {} were confirmed", NAMES[primary], *count.borrow());
    }
    payers.shutdown().await;
    assert!(0 < promoted_count, "nothing was tried");
    primary = net.converge().await;
    let client = connect(&net.servers[primary].address).await;
    let told = std::mem::take(&mut *told.lock().expect("nobody panics with it"));
    let ids: Vec<TransferId> = told.confirmed.iter().copied().map(TransferId).collect();
    for ids in ids.chunks(8_000) {
        let found = client.lookup_transfers(ids).await.expect("a primary answers");
        let lost: Vec<_> = ids.iter().zip(&found).filter(|(_, found)| found.is_none()).collect();
        assert!(lost.is_empty(), "confirmed and gone: {lost:?}");
    }
    drop(client);
    for node in (0..3).filter(|node| *node != primary) {
        await_in_step(&net.servers[node]).await;
    }
    // One that stops in order leaves all to the others.
    let mut servers = net.servers;
    servers.remove(primary).stop().await;
    for server in servers {
        server.stop().await;
    }
    let mut reports = Vec::new();
    for directory in &net.directories {
        let report = verified(directory.path()).await;
        reports.push((report["transfers"].clone(), report["digest"].clone()));
    }
    // One that follows another standby may lack what was decided last, and told to nobody.
    let alike = reports.iter().filter(|report| **report == reports[primary]).count();
    assert!(2 <= alike, "{reports:?}");
    let sent = told.confirmed.len() + told.unknown.len() + 3;
    for (transfers, _) in &reports {
        let transfers: usize = transfers.as_str().and_then(|it| it.parse().ok()).expect("a number");
        assert!((told.confirmed.len()..=sent).contains(&transfers), "{reports:?}");
    }
}
