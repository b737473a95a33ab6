//! A standby that is made from its primary's checkpoint, as an operator makes it: an empty directory, under load, killed
//! and cut off on the way. What would go wrong without: a standby that takes a day to apply a year of log, one that
//! opens with half of what it was to be given, or one whose balances are nobody's.

use crate::chance::Chance;
use crate::directory::{contents, empty};
use crate::failover::{connect, open_accounts, status, transfer};
use crate::process::{Running, Server, argument, run_florin, verified, within};
use florin_client::Client;
use florin_ledger::CreateTransferStatus;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const BATCH: u128 = 8_000;
/// What the standby is told to take a second at most where it is to be met on its way.
const SLOWLY: [&str; 2] = ["--seed-mib", "16"];
/// Kills, or cuts, of one seeding.
const CUTS: usize = 6;
/// Bytes that are cut off after, at most: about what there is.
const BYTES: u64 = 30 << 20;

async fn post(client: &Client, from: u128, count: u128) {
    let transfers: Vec<_> = (from..from + count).map(transfer).collect();
    let results = client.create_transfers(&transfers).await.expect("a primary answers");
    assert!(results.iter().all(|result| result.status == CreateTransferStatus::Created));
}

/// A primary with some 30 MiB of log in several segments, and a checkpoint of it.
async fn primary_at(directory: &Path) -> Server {
    let mut server = Server::start(directory, &[]).await;
    open_accounts(&connect(&server.address).await).await;
    for epoch in 0..6 {
        let client = connect(&server.address).await;
        for round in 0..5 {
            within("transfers", post(&client, 1 + (5 * epoch + round) * BATCH, BATCH)).await;
        }
        drop(client);
        server.stop().await;
        server = Server::start(directory, &[]).await;
    }
    server
}

/// Posts until it is told to stop; says how many it posted.
fn load(address: String, stop: Arc<AtomicBool>) -> JoinHandle<u128> {
    tokio::spawn(async move {
        let client = connect(&address).await;
        let mut posted = 0;
        while !stop.load(Ordering::Relaxed) {
            post(&client, 10_000_000 + posted, 100).await;
            posted += 100;
        }
        posted
    })
}

fn follow(directory: &Path, primary: &str, more: &[&str]) -> Running {
    Server::launch(directory, &[&["--follow", primary], more].concat())
}

/// Where a process serves as a standby.
async fn standby_at(process: &mut Running) -> String {
    let line = process.hear().await.expect("it serves");
    let ready: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(ready["role"], "standby");
    ready["address"].as_str().expect("it names its address").to_owned()
}

/// Waits until a standby has what its primary has, and was found to be the same.
async fn is_the_same(address: &str) {
    let is_the_same = async {
        loop {
            let standing = status(address).await["replication"]["standby"].clone();
            if standing["lag_bytes"] == "0" && standing["compared"] != "0" {
                return;
            }
        }
    };
    within("a standby that was compared", is_the_same).await;
}

async fn has_all(address: &str) {
    let has_all =
        async { while status(address).await["replication"]["standby"]["lag_bytes"] != "0" {} };
    within("a standby that has all", has_all).await;
}

async fn stop(mut process: Running) {
    process.terminate();
    assert_eq!(process.ended().await, Some(0));
}

/// That two directories, closed, say the same.
async fn same(primary: &Path, standby: &Path) {
    let (primary, standby) = (verified(primary).await, verified(standby).await);
    for what in ["digest", "transfers", "accounts"] {
        assert!(!primary[what].is_null(), "{primary}");
        assert_eq!(standby[what], primary[what], "{what}");
    }
}

/// A copier of bytes between a standby and its primary that cuts, or turns a bit.
struct Wire {
    address: String,
    /// Bytes that pass before the next connection is cut.
    passing: Arc<Mutex<Option<usize>>>,
    cuts: watch::Sender<usize>,
}

impl Wire {
    /// `alters`: a bit is turned where it would be cut.
    async fn to(primary: &str, alters: bool) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens").to_string();
        let (passing, cuts) = (Arc::new(Mutex::new(None)), watch::Sender::new(0));
        let wire = Wire { address, passing, cuts };
        let (passing, cuts, primary) =
            (wire.passing.clone(), wire.cuts.clone(), primary.to_owned());
        tokio::spawn(async move {
            while let Ok((caller, _)) = listener.accept().await {
                let Ok(node) = TcpStream::connect(&primary).await else { continue };
                tokio::spawn(carry(caller, node, alters, passing.clone(), cuts.clone()));
            }
        });
        wire
    }

    fn cut_after(&self, bytes: u64) {
        let bytes = usize::try_from(bytes).expect("few");
        *self.passing.lock().expect("nobody panics with it") = Some(bytes);
    }

    /// Waits for so many cuts.
    async fn is_cut(&self, times: usize) {
        let mut cuts = self.cuts.subscribe();
        cuts.wait_for(|cuts| times <= *cuts).await.expect("the wire is there");
    }
}

async fn carry(
    caller: TcpStream,
    node: TcpStream,
    alters: bool,
    passing: Arc<Mutex<Option<usize>>>,
    cuts: watch::Sender<usize>,
) {
    let (mut from_caller, mut to_caller) = caller.into_split();
    let (mut from_node, mut to_node) = node.into_split();
    let answers = async {
        let mut piece = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from_node.read(&mut piece).await {
            let is_met = {
                let mut passing = passing.lock().expect("nobody panics with it");
                let is_met = passing.is_some_and(|left| left < count);
                *passing = passing.filter(|_| !is_met).map(|left| left - count);
                is_met
            };
            if is_met {
                cuts.send_modify(|cuts| *cuts += 1);
                piece[count / 2] ^= 8;
                if !alters {
                    return;
                }
            }
            if to_caller.write_all(&piece[..count]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! { () = answers => {}, _ = copy(&mut from_caller, &mut to_node) => {} }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_is_seeded_under_load_and_is_the_same() {
    let (first, second) = (empty(), empty());
    let primary = primary_at(first.path()).await;
    let enough = Arc::new(AtomicBool::new(false));
    let posting = load(primary.address.clone(), enough.clone());
    let mut standby = follow(second.path(), &primary.address, &SLOWLY);
    let address = standby_at(&mut standby).await;
    enough.store(true, Ordering::Relaxed);
    assert!(0 < within("the load", posting).await.expect("it posts"), "it went on meanwhile");
    is_the_same(&address).await;
    primary.stop().await;
    stop(standby).await;
    same(first.path(), second.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_is_killed_anywhere_while_it_is_seeded_goes_on() {
    let mut chance = Chance::seeded(35);
    let (first, second) = (empty(), empty());
    let primary = primary_at(first.path()).await;
    let (mut met, mut refused) = (0, 0);
    for _ in 0..CUTS {
        let wire = Wire::to(&primary.address, false).await;
        wire.cut_after(chance.below(BYTES));
        let mut standby = follow(second.path(), &wire.address, &SLOWLY);
        tokio::select! {
            () = within("a cut", wire.is_cut(1)) => met += 1,
            _ = standby.hear() => {}
        }
        standby.kill();
        standby.ended().await;
        if contents(second.path()).keys().any(|name| name.ends_with("log/seeding")) {
            is_refused(second.path()).await;
            refused += 1;
        }
    }
    assert!(0 < met && 0 < refused, "{met} cuts, {refused} looked at");
    let mut standby = follow(second.path(), &primary.address, &[]);
    let address = standby_at(&mut standby).await;
    is_the_same(&address).await;
    primary.stop().await;
    stop(standby).await;
    same(first.path(), second.path()).await;
}

/// Whoever comes to a copy that is not whole is told so.
async fn is_refused(directory: &Path) {
    let commands: [&[&str]; 4] = [&["verify"], &["status"], &["rebuild"], &["promote", "--force"]];
    for command in commands {
        let place = ["--data", argument(directory)];
        let looked = run_florin(&[command, &place[..]].concat(), "").await;
        assert_ne!(looked.code, Some(0), "{command:?}: {looked:?}");
        let is_told = looked.said().contains("has not been given everything yet");
        assert!(is_told, "{command:?}: {looked:?}");
    }
}

/// Seeds a standby over a wire that does something again and again.
async fn over_a_bad_wire(alters: bool, seed: u64) {
    let mut chance = Chance::seeded(seed);
    let (first, second) = (empty(), empty());
    let primary = primary_at(first.path()).await;
    let wire = Wire::to(&primary.address, alters).await;
    let mut standby = follow(second.path(), &wire.address, &SLOWLY);
    let cutting = async {
        for cut in 1..=CUTS {
            wire.cut_after(chance.below(BYTES / 8));
            wire.is_cut(cut).await;
        }
        std::future::pending::<()>().await;
    };
    let address = tokio::select! {
        address = standby_at(&mut standby) => address,
        () = cutting => panic!("it never ends"),
    };
    assert!(2 < *wire.cuts.borrow(), "it was met on its way");
    *wire.passing.lock().expect("nobody panics with it") = None;
    if alters {
        // A checkpoint that was altered is thrown away, and nothing is to be compared then.
        has_all(&address).await;
    } else {
        is_the_same(&address).await;
    }
    primary.stop().await;
    stop(standby).await;
    same(first.path(), second.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seeding_goes_on_over_a_wire_that_is_cut_again_and_again() {
    over_a_bad_wire(false, 36).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_wire_alters_is_noticed_and_asked_for_again() {
    over_a_bad_wire(true, 37).await;
}

/// Prevents: a standby that ends for good while its primary is started again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_gone_for_a_while_is_waited_for() {
    let (first, second) = (empty(), empty());
    let primary = primary_at(first.path()).await;
    let address = primary.address.clone();
    let wire = Wire::to(&address, false).await;
    wire.cut_after(BYTES / 4);
    let mut standby = follow(second.path(), &wire.address, &SLOWLY);
    within("a cut", wire.is_cut(1)).await;
    primary.kill().await;
    let primary = Server::start_at(&address, first.path()).await;
    let standby_address = standby_at(&mut standby).await;
    is_the_same(&standby_address).await;
    primary.stop().await;
    stop(standby).await;
    same(first.path(), second.path()).await;
}
