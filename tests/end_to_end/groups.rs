//! A group of nodes whose primary dies, sleeps or hands over. What would go wrong without it: two primaries that both
//! confirm, a payment that was confirmed and is gone, an old primary that has to be copied anew or keeps what nobody
//! else has. Faults 42, 51 and 52.

use crate::directory::empty;
use crate::failover::{await_in_step, connect, open_accounts, status, transfer};
use crate::process::{Ended, Server, argument, run_florin, verified, within};
use florin_client::{Client, ClientError, ClientOptions};
use florin_ledger::{CreateTransferStatus, TransferId};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Nodes of one group, each with what serves its directory, if it runs.
struct Group {
    directories: Vec<TempDir>,
    addresses: Vec<String>,
    servers: Vec<Option<Server>>,
}

const NAMES: [&str; 3] = ["north", "south", "west"];

impl Group {
    /// Three nodes, of which the first decides; `set` says what is asked of the others.
    async fn of_three(set: &[&str]) -> Group {
        let directories = vec![empty(), empty(), empty()];
        let primary = Server::start(directories[0].path(), &[]).await;
        open_accounts(&connect(&primary.address).await).await;
        let mut servers = vec![Some(primary)];
        for directory in &directories[1..] {
            let at = servers[0].as_ref().expect("it was started").address.clone();
            servers.push(Some(Server::start(directory.path(), &["--follow", &at]).await));
        }
        let addresses: Vec<String> =
            servers.iter().flatten().map(|server| server.address.clone()).collect();
        let group = Group { directories, addresses, servers };
        let nodes: Vec<String> = NAMES
            .iter()
            .zip(&group.addresses)
            .map(|(name, address)| format!("{name}={address}"))
            .collect();
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

    fn server(&self, node: usize) -> &Server {
        self.servers[node].as_ref().expect("it runs")
    }

    async fn kill(&mut self, node: usize) {
        self.servers[node].take().expect("it runs").kill().await;
    }

    /// Starts a node again as it was started first.
    async fn start(&mut self, node: usize) {
        let path = self.directories[node].path();
        let more: &[&str] = if node == 0 { &[] } else { &["--follow", &self.addresses[0]] };
        self.servers[node] = Some(Server::start_at_with(&self.addresses[node], path, more).await);
    }

    async fn promote(&self, node: usize, more: &[&str]) -> Ended {
        let mut arguments = vec!["promote", "--connect", &self.addresses[node]];
        arguments.extend(more);
        run_florin(&arguments, "").await
    }

    async fn client(&self, node: usize) -> Client {
        connect(&self.addresses[node]).await
    }

    /// Waits until a node has a role.
    async fn await_role(&self, node: usize, role: &str) {
        let has_role =
            async { while status(&self.addresses[node]).await["replication"]["role"] != role {} };
        within(role, has_role).await;
    }

    /// Ends all that run, and compares what they leave.
    async fn end(mut self, transfers: usize) {
        for server in self.servers.iter_mut().filter_map(Option::take) {
            server.stop().await;
        }
        let mut digests = Vec::new();
        for directory in &self.directories {
            let report = verified(directory.path()).await;
            assert_eq!(report["transfers"], transfers.to_string());
            digests.push(report["digest"].clone());
        }
        assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
    }
}

/// Asks once, for a while.
fn once() -> ClientOptions {
    ClientOptions { attempts_max: 1, deadline: Duration::from_secs(20), ..ClientOptions::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_others_follow_a_new_primary_and_so_does_the_old_one_when_it_is_back() {
    let mut group = Group::of_three(&["--sync", "1"]).await;
    group.client(0).await.create_transfers(&[transfer(1), transfer(2)]).await.unwrap();
    // What it decides now nobody else has, and nobody is told.
    group.kill(1).await;
    group.kill(2).await;
    let client = Client::connect(&group.addresses[0], once()).await.unwrap();
    let asked = tokio::spawn(async move { client.create_transfers(&[transfer(3)]).await });
    let stuck =
        async { while group.client(0).await.replication().await.unwrap().waiting_ms < 100 {} };
    within("a primary that waits for its standbys", stuck).await;
    group.kill(0).await;
    assert!(matches!(asked.await.unwrap(), Err(ClientError::Unknown { .. })));
    group.start(1).await;
    group.start(2).await;
    let promoted = group.promote(1, &[]).await;
    assert_eq!(promoted.code, Some(0), "{promoted:?}");
    let results = group.client(1).await.create_transfers(&[transfer(2), transfer(4)]).await;
    let statuses: Vec<_> = results.unwrap().iter().map(|result| result.status).collect();
    assert_eq!(statuses, [CreateTransferStatus::Exists, CreateTransferStatus::Created]);
    await_in_step(group.server(2)).await;
    group.start(0).await;
    await_in_step(group.server(0)).await;
    let found = group.client(0).await.lookup_transfers(&[3, 4].map(TransferId)).await.unwrap();
    assert!(found[0].is_none() && found[1].is_some(), "{found:?}");
    let set_aside = group.directories[0].path().join("diverged");
    assert_eq!(std::fs::read_dir(set_aside).unwrap().count(), 1);
    let shown =
        run_florin(&["group", "show", "--json", "--connect", &group.addresses[2]], "").await;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let shown = shown.json();
    let roles: Vec<_> = (0..3).map(|node| shown["nodes"][node]["role"].clone()).collect();
    assert_eq!(roles, ["standby", "primary", "standby"]);
    assert_eq!(shown["forced"], false);
    // The one that came back counts again.
    group.kill(2).await;
    group.client(1).await.create_transfers(&[transfer(5)]).await.unwrap();
    group.start(2).await;
    await_in_step(group.server(2)).await;
    // The new primary decides again when it was away, though its flags say that it follows the old one; and all
    // follow it, and none another standby.
    group.kill(1).await;
    group.start(1).await;
    group.client(1).await.create_transfers(&[transfer(6)]).await.unwrap();
    let follows = async {
        loop {
            let standing = status(&group.addresses[2]).await["replication"]["standby"].clone();
            if standing["primary"] == group.addresses[1].as_str() {
                return;
            }
        }
    };
    within("a standby of the primary itself", follows).await;
    for node in [0, 2] {
        await_in_step(group.server(node)).await;
    }
    group.end(5).await;
}

/// At the address of a node whose disk was lost there is another directory, and beside the group a copy that nobody
/// waits for: neither has acknowledged anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_nodes_of_the_group_promise_and_are_promoted() {
    let mut group = Group::of_three(&["--sync", "1"]).await;
    group.client(0).await.create_transfers(&[transfer(1)]).await.unwrap();
    let beside = empty();
    let stranger = Server::start(beside.path(), &["--follow", &group.addresses[0]]).await;
    await_in_step(&stranger).await;
    group.kill(2).await;
    group.directories[2] = empty();
    group.start(2).await;
    await_in_step(group.server(2)).await;
    group.kill(0).await;
    let refused = group.promote(1, &[]).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.errors.contains("1 of the group's nodes can promise"), "{refused:?}");
    let refused = run_florin(&["promote", "--connect", &stranger.address], "").await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.errors.contains("not of the group"), "{refused:?}");
    stranger.stop().await;
}

/// A primary that slept while another was promoted wakes up with answers on its tongue.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_wakes_up_confirms_nothing_and_follows() {
    let group = Group::of_three(&["--sync", "1"]).await;
    let client = Client::connect(&group.addresses[0], once()).await.unwrap();
    group.server(0).pause();
    let asked = tokio::spawn(async move { client.create_transfers(&[transfer(1)]).await });
    let promoted = group.promote(1, &[]).await;
    assert_eq!(promoted.code, Some(0), "{promoted:?}");
    group.client(1).await.create_transfers(&[transfer(2)]).await.unwrap();
    group.server(0).resume();
    let answer = within("an answer", asked).await.unwrap();
    assert!(answer.is_err(), "it was confirmed: {answer:?}");
    group.await_role(0, "standby").await;
    await_in_step(group.server(0)).await;
    let found = group.client(0).await.lookup_transfers(&[1, 2].map(TransferId)).await.unwrap();
    assert!(found[0].is_none() && found[1].is_some(), "{found:?}");
    await_in_step(group.server(2)).await;
    group.end(1).await;
}

/// The candidate slept while another acknowledged: it lacks what was confirmed, and fetches it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_fetches_what_only_another_has() {
    let mut group = Group::of_three(&["--sync", "1"]).await;
    group.server(1).pause();
    let ids: Vec<_> = (1..=50).collect();
    let client = group.client(0).await;
    for id in &ids {
        client.create_transfers(&[transfer(*id)]).await.unwrap();
    }
    group.kill(0).await;
    group.server(1).resume();
    let promoted = group.promote(1, &[]).await;
    assert_eq!(promoted.code, Some(0), "{promoted:?}");
    let ids: Vec<_> = ids.into_iter().map(TransferId).collect();
    let found = group.client(1).await.lookup_transfers(&ids).await.unwrap();
    assert!(found.iter().all(Option::is_some));
    group.start(0).await;
    for node in [0, 2] {
        await_in_step(group.server(node)).await;
    }
    group.end(50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_few_promises_are_refused_and_force_is_on_record() {
    let mut group = Group::of_three(&["--sync", "1"]).await;
    group.kill(0).await;
    group.kill(2).await;
    let refused = group.promote(1, &[]).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.errors.contains("1 of the group's nodes can promise, and 2 must"),
        "{refused:?}"
    );
    assert!(refused.errors.contains("west"), "{refused:?}");
    let forced = group.promote(1, &["--force"]).await;
    assert_eq!(forced.code, Some(0), "{forced:?}");
    // Nothing is told before another has it.
    group.start(2).await;
    group.client(1).await.create_transfers(&[transfer(1)]).await.unwrap();
    let shown =
        run_florin(&["group", "show", "--json", "--connect", &group.addresses[1]], "").await;
    assert_eq!(shown.json()["forced"], true, "{shown:?}");
    group.start(0).await;
    for node in [0, 2] {
        await_in_step(group.server(node)).await;
    }
    group.end(1).await;
}

/// Answers went without standbys for a while: none of them knows what was told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_answers_may_go_without_standbys_all_must_promise() {
    let mut group =
        Group::of_three(&["--sync", "1", "--missing", "degrade", "--patience", "1"]).await;
    group.server(1).pause();
    group.server(2).pause();
    group.client(0).await.create_transfers(&[transfer(1)]).await.unwrap();
    group.kill(0).await;
    group.server(1).resume();
    group.server(2).resume();
    let refused = group.promote(1, &[]).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.errors.contains("2 of the group's nodes can promise, and 3 must"),
        "{refused:?}"
    );
    // With the old primary there, nothing is lost.
    group.start(0).await;
    let promoted = group.promote(1, &[]).await;
    assert_eq!(promoted.code, Some(0), "{promoted:?}");
    let found = group.client(1).await.lookup_transfers(&[TransferId(1)]).await.unwrap();
    assert!(found[0].is_some());
    for node in [0, 2] {
        await_in_step(group.server(node)).await;
    }
    group.end(1).await;
}

/// Somebody pays while the primary changes: nothing is lost, and it takes less than a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_decides_at_an_operators_wish_and_nothing_is_lost() {
    let group = Group::of_three(&["--sync", "1"]).await;
    let (mut at, mut id, mut longest) = (0, 0_u128, Duration::ZERO);
    for to in [1, 2, 0] {
        let name = NAMES[to];
        let arguments = ["switchover", "--connect", &group.addresses[at], "--to", name];
        let switching = run_florin(&arguments, "");
        let paying = async {
            // Until the new one has confirmed something.
            let mut waited = Instant::now();
            loop {
                let pays = [at, to].map(|node| group.addresses[node].clone());
                for (address, is_new) in pays.iter().zip([false, true]) {
                    let Ok(client) = Client::connect(address, once()).await else { continue };
                    id += 1;
                    if client.create_transfers(&[transfer(id)]).await.is_err() {
                        id -= 1;
                        continue;
                    }
                    longest = longest.max(waited.elapsed());
                    waited = Instant::now();
                    if is_new {
                        return;
                    }
                }
            }
        };
        let (switched, ()) = tokio::join!(switching, within("a payment", paying));
        assert_eq!(switched.code, Some(0), "{switched:?}");
        println!("{}", switched.output);
        at = to;
        for node in (0..3).filter(|node| *node != to) {
            await_in_step(group.server(node)).await;
        }
    }
    println!("nobody was confirmed anything for {longest:?}");
    let unknown =
        run_florin(&["switchover", "--connect", &group.addresses[0], "--to", "east"], "").await;
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert!(unknown.errors.contains("no node east"), "{unknown:?}");
    let ids: Vec<_> = (1..=id).map(TransferId).collect();
    let found = group.client(0).await.lookup_transfers(&ids).await.unwrap();
    assert!(found.iter().all(Option::is_some));
    group.end(found.len()).await;
}

/// A log of another database, and a group without the node that decides.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_be_no_group_is_refused() {
    let (first, second) = (empty(), empty());
    let one = Server::start(first.path(), &[]).await;
    let other = Server::start(second.path(), &[]).await;
    let set = async |nodes: &[String], sync: &str| {
        let mut arguments = vec!["group", "set", "--connect", &one.address, "--sync", sync];
        nodes.iter().for_each(|node| arguments.extend(["--node", node]));
        run_florin(&arguments, "").await
    };
    let (own, foreign) = (format!("one={}", one.address), format!("two={}", other.address));
    let refused = set(&[own.clone(), foreign], "0").await;
    assert!(refused.code == Some(1) && refused.errors.contains("another database"), "{refused:?}");
    let refused = set(std::slice::from_ref(&own), "1").await;
    assert!(refused.code == Some(2) && refused.errors.contains("there are 0"), "{refused:?}");
    let refused = set(&[String::from("nowhere")], "0").await;
    assert!(refused.code == Some(2) && refused.errors.contains("NAME=HOST:PORT"), "{refused:?}");
    let none = run_florin(&["group", "show", "--connect", &one.address], "").await;
    assert!(none.code == Some(1) && none.errors.contains("of no group"), "{none:?}");
    one.stop().await;
    other.stop().await;
    let data = argument(first.path());
    let twice = run_florin(&["promote", "--force", "--data", data], "").await;
    assert_eq!(twice.code, Some(3), "it never followed: {twice:?}");
}
