//! A group that needs nobody when its primary dies. What would go wrong without it: a bank that stands still until
//! somebody wakes up; a standby that takes over from a primary that lives, or one that lacks what was confirmed.

use crate::directory::empty;
use crate::etcd::Etcd;
use crate::failover::{await_in_step, connect, open_accounts, status, transfer};
use crate::process::{Server, run_florin, verified, within};
use florin_client::{Client, ClientOptions};
use florin_ledger::TransferId;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const NAMES: [&str; 3] = ["north", "south", "west"];

/// Three nodes under a lease.
struct Group {
    etcd: Etcd,
    directories: Vec<TempDir>,
    addresses: Vec<String>,
    servers: Vec<Option<Server>>,
}

impl Group {
    async fn start(set: &[&str]) -> Group {
        let etcd = Etcd::start().await;
        let mut group =
            Group { etcd, directories: Vec::new(), addresses: Vec::new(), servers: Vec::new() };
        for node in 0..3 {
            group.directories.push(empty());
            let path = group.directories[node].path();
            let flags = group.flags();
            let more: Vec<&str> = flags.iter().map(String::as_str).collect();
            let server = Server::start(path, &more).await;
            if node == 0 {
                open_accounts(&connect(&server.address).await).await;
            }
            group.addresses.push(server.address.clone());
            group.servers.push(Some(server));
        }
        let nodes: Vec<String> =
            NAMES.iter().zip(&group.addresses).map(|(name, at)| format!("{name}={at}")).collect();
        let mut arguments = vec!["group", "set", "--connect", &group.addresses[0]];
        nodes.iter().for_each(|node| arguments.extend(["--node", node]));
        arguments.extend(set);
        let ended = run_florin(&arguments, "").await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        for node in [1, 2] {
            await_in_step(group.server(node)).await;
        }
        group
    }

    fn flags(&self) -> Vec<String> {
        let lease = ["--lease-group", "bank", "--lease-seconds", "2", "--lease-etcd"];
        let mut flags: Vec<String> = lease.iter().map(|flag| String::from(*flag)).collect();
        flags.push(self.etcd.endpoint.clone());
        if let Some(first) = self.addresses.first() {
            flags.extend([String::from("--follow"), first.clone()]);
        }
        flags
    }

    fn server(&self, node: usize) -> &Server {
        self.servers[node].as_ref().expect("it runs")
    }

    async fn kill(&mut self, node: usize) {
        self.servers[node].take().expect("it runs").kill().await;
    }

    async fn start_again(&mut self, node: usize) {
        let flags = self.flags();
        let more: Vec<&str> = flags.iter().map(String::as_str).collect();
        let (address, path) = (&self.addresses[node], self.directories[node].path());
        self.servers[node] = Some(Server::start_at_with(address, path, &more).await);
    }

    /// A client of all of them, once one decides.
    async fn client(&self) -> Client {
        self.primary().await;
        let options =
            ClientOptions { deadline: Duration::from_secs(50), ..ClientOptions::default() };
        Client::connect(&self.addresses.join(","), options).await.expect("one of them decides")
    }

    async fn role(&self, node: usize) -> serde_json::Value {
        status(&self.addresses[node]).await["replication"]["role"].clone()
    }

    /// The one that decides, of those that run, once there is one.
    async fn primary(&self) -> usize {
        let found = async {
            loop {
                for node in (0..3).filter(|node| self.servers[*node].is_some()) {
                    if self.role(node).await == "primary" {
                        return node;
                    }
                }
            }
        };
        within("a primary", found).await
    }

    async fn end(mut self, transfers: usize) {
        for server in self.servers.iter_mut().filter_map(Option::take) {
            server.stop().await;
        }
        for directory in &self.directories {
            assert_eq!(verified(directory.path()).await["transfers"], transfers.to_string());
        }
    }
}

/// The primary dies at a stroke, twice; a client that knows all nodes waits, and is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_takes_over_when_the_primary_dies() {
    let mut group = Group::start(&["--sync", "1"]).await;
    let client = group.client().await;
    let mut id = 1;
    for round in 0..2 {
        client.create_transfers(&[transfer(id)]).await.unwrap();
        let primary = group.primary().await;
        group.kill(primary).await;
        let died = Instant::now();
        client.create_transfers(&[transfer(id + 1)]).await.unwrap();
        println!("round {round}: confirmed again {:?} after its death", died.elapsed());
        id += 2;
        group.start_again(primary).await;
        await_in_step(group.server(primary)).await;
    }
    let ids: Vec<_> = (1..id).map(TransferId).collect();
    let found = client.lookup_transfers(&ids).await.unwrap();
    assert!(found.iter().all(Option::is_some));
    let primary = group.primary().await;
    for node in (0..3).filter(|node| *node != primary) {
        await_in_step(group.server(node)).await;
    }
    drop(client);
    group.end(found.len()).await;
}

/// A primary that sleeps past its lease: another takes over; when it wakes up it tells nothing, and follows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_slept_past_its_lease_tells_nothing() {
    let group = Group::start(&["--sync", "1"]).await;
    group.client().await.create_transfers(&[transfer(1)]).await.unwrap();
    let once = ClientOptions {
        attempts_max: 1,
        deadline: Duration::from_secs(40),
        ..ClientOptions::default()
    };
    let sleeper = Client::connect(&group.addresses[0], once).await.unwrap();
    group.server(0).pause();
    let asked = tokio::spawn(async move { sleeper.create_transfers(&[transfer(2)]).await });
    let addresses = group.addresses[1..].join(",");
    let patient = ClientOptions { deadline: Duration::from_secs(50), ..ClientOptions::default() };
    let taken_over =
        async { while group.role(1).await != "primary" && group.role(2).await != "primary" {} };
    within("another takes over", taken_over).await;
    let others = Client::connect(&addresses, patient).await.unwrap();
    others.create_transfers(&[transfer(3)]).await.unwrap();
    drop(others);
    group.server(0).resume();
    let answer = within("an answer", asked).await.unwrap();
    assert!(answer.is_err(), "it was confirmed: {answer:?}");
    await_in_step(group.server(0)).await;
    let primary = group.primary().await;
    for node in (0..3).filter(|node| *node != primary) {
        await_in_step(group.server(node)).await;
    }
    group.end(2).await;
}

/// Answers went without standbys, which is on record: nobody takes over before the one that told them is back, or
/// somebody accepts the loss.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_takes_over_from_one_that_told_something_alone() {
    let mut group = Group::start(&["--sync", "1", "--missing", "degrade", "--patience", "1"]).await;
    group.kill(1).await;
    group.kill(2).await;
    group.client().await.create_transfers(&[transfer(1)]).await.unwrap();
    assert_eq!(status(&group.addresses[0]).await["replication"]["degraded"], true);
    group.kill(0).await;
    group.start_again(1).await;
    group.start_again(2).await;
    let free = florin_lease::Coordination::connect(
        std::slice::from_ref(&group.etcd.endpoint),
        "bank",
        &florin_lease::CoordinationOptions::default(),
    )
    .unwrap();
    assert!(free.wait_until_free(Duration::from_secs(50)).await.unwrap());
    assert!(free.alone().await.unwrap().is_some(), "it is on record");
    // As long as standbys that may take over need otherwise.
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(4) {
        assert_eq!(group.role(1).await, "standby");
        assert_eq!(group.role(2).await, "standby");
    }
    group.start_again(0).await;
    let found = group.client().await.lookup_transfers(&[TransferId(1)]).await.unwrap();
    assert!(found[0].is_some());
    // When they have it, it is not on record any more.
    let cleared = async { while free.alone().await.unwrap().is_some() {} };
    within("standbys that have all", cleared).await;
    for node in [1, 2] {
        await_in_step(group.server(node)).await;
    }
    group.end(1).await;
}

/// The old primary lets go of the lease at once, so that the new one need not wait for its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_changes_the_primary_and_the_lease_goes_along() {
    let group = Group::start(&["--sync", "1"]).await;
    let client = group.client().await;
    client.create_transfers(&[transfer(1)]).await.unwrap();
    let arguments = ["switchover", "--connect", &group.addresses[0], "--to", "west"];
    let switched = run_florin(&arguments, "").await;
    assert_eq!(switched.code, Some(0), "{switched:?}");
    client.create_transfers(&[transfer(2)]).await.unwrap();
    assert_eq!(group.primary().await, 2);
    for node in [0, 1] {
        await_in_step(group.server(node)).await;
    }
    drop(client);
    group.end(2).await;
}
