//! A server that is asked to stop while it works. What would go wrong without it: every planned
//! restart leaves callers who don't know whether their money moved, or a log that the next opening
//! must read from far back.

use crate::chance::Chance;
use crate::directory::empty;
use crate::load::{End, Orders, connect, keep_busy, open_accounts};
use crate::process::{Server, verified, within};
use florin_ledger::TransferId;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinSet;

const ROUNDS: u64 = 4;
const CLIENTS: u64 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_asked_to_stop_leaves_nobody_in_doubt() {
    let mut chance = Chance::seeded(2);
    let directory = empty();
    let server = Server::start(directory.path(), &[]).await;
    open_accounts(&connect(&server.address).await).await;
    server.stop().await;
    for round in 0..ROUNDS {
        let server = Server::start(directory.path(), &[]).await;
        let (event, mut events) = unbounded_channel();
        let mut connections = JoinSet::new();
        for client in 0..CLIENTS {
            let orders = Orders::of_client(1 + round * CLIENTS + client, chance.branch());
            connections.spawn(keep_busy(connect(&server.address).await, orders, event.clone()));
        }
        for _ in 0..chance.below(100) {
            within("requests are in flight", events.recv()).await;
        }
        server.terminate();
        let orders: Vec<_> = within("every request ends", connections.join_all())
            .await
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(server.ended().await, Some(0));

        // The closing checkpoint reflects everything: the next opening has nothing to replay.
        let report = verified(directory.path()).await;
        assert_eq!(report["checkpoint"], report["end"]);
        let server = Server::start(directory.path(), &[]).await;
        let client = connect(&server.address).await;
        for order in orders {
            let ids: Vec<TransferId> = order.transfers().iter().map(|one| one.id).collect();
            let found = client.lookup_transfers(&ids).await.expect("look-ups are answered");
            let expect: Vec<bool> = match order.end {
                End::Answered(_) => order.lines.iter().map(|line| line.creates()).collect(),
                End::Nothing => vec![false; ids.len()],
                End::Unknown => panic!("a request was neither answered nor refused"),
            };
            let is_there: Vec<bool> = found.iter().map(Option::is_some).collect();
            assert_eq!(is_there, expect, "after {:?}", order.end);
        }
        server.stop().await;
    }
}
