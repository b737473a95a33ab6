//! A server that is killed at any moment, again and again, over the same directory. What would go
//! wrong without it: a request of which a crash leaves one half, money that was promised and is
//! gone, or money that moves twice because its owner, not knowing, asked again.
//!
//! This proves atomicity, not durability: what a killed process has written, the system keeps. That
//! no answer leaves before a sync covers it, only the simulated disk in `core` can show, which
//! loses what was not synced.

use crate::chance::Chance;
use crate::directory::empty;
use crate::load::{
    ACCOUNTS, Books, End, Event, LEDGER, Line, Order, Orders, ask, connect, keep_busy,
    open_accounts,
};
use crate::process::{Running, Server, verified, within};
use crate::script::{results_of, transfers_line};
use florin_client::Client;
use florin_ledger::query::AccountFilter;
use florin_ledger::{Account, AccountId, Transfer, TransferId};
use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::timeout;

const ROUNDS: u64 = 24;
const CLIENTS: u64 = 3;
/// Requests asked or answered in a round before the kill, at most.
const EVENTS_MAX: u64 = 120;
/// Lines sent to `florin exec` ahead of its answers.
const LINES_AHEAD: usize = 8;
const LOOKUP_MAX: usize = 8_190;

/// Faults 1, 4, 6 and 19: half a transaction, half a batch, a promise that is not kept, an id that
/// is forgotten.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_has_every_request_whole_or_not_at_all() {
    let mut chance = Chance::seeded(1);
    let directory = empty();
    let server = Server::start(directory.path(), &[]).await;
    open_accounts(&connect(&server.address).await).await;
    server.stop().await;
    let mut settled = Settled::default();
    for round in 0..ROUNDS {
        kill_while_opening(directory.path(), &mut chance).await;
        let server = Server::start(directory.path(), &[]).await;
        let orders = kill_under_load(server, round, &mut chance).await;
        verified(directory.path()).await;
        let server = Server::start(directory.path(), &[]).await;
        let client = connect(&server.address).await;
        // What was settled before the last round is in the balances, which are compared each time.
        let last = mem::take(&mut settled.last);
        settled.check(&client, &last).await;
        for order in orders {
            settled.settle(&client, order).await;
        }
        settled.check_balances(&client).await;
        server.kill().await;
    }
    assert!(0 < settled.there_count && 0 < settled.absent_count, "the kills hit between requests");
    settle_again(&settled, directory.path()).await;
}

/// Everything that was ever asked is asked once more, and nothing happens.
async fn settle_again(settled: &Settled, directory: &Path) {
    let server = Server::start(directory, &[]).await;
    let client = connect(&server.address).await;
    let all: Vec<TransferId> = settled.transfers.keys().copied().collect();
    settled.check(&client, &all).await;
    for order in &settled.orders {
        let End::Answered(results) = ask(&client, order.clone()).await.end else {
            panic!("a server that nobody kills answers");
        };
        assert!(!order.is_first(&results), "the request takes effect a second time");
        for (line, result) in order.lines.iter().zip(results).filter(|(line, _)| line.exists()) {
            assert_eq!(result.timestamp, settled.transfers[&line.transfer.id].timestamp);
        }
    }
    settled.check_balances(&client).await;
    settled.check_history(&client).await;
    server.stop().await;
    let report = verified(directory).await;
    assert_eq!(report["transfers"], settled.books.transfers_count.to_string());
}

/// An opening that dies must leave what it found.
async fn kill_while_opening(directory: &Path, chance: &mut Chance) {
    let mut opening = Server::launch(directory, &[]);
    let moment = Duration::from_micros(chance.below(60_000));
    let ended = timeout(moment, opening.ended()).await;
    assert!(ended.is_err(), "a server ended by itself: {ended:?}");
    opening.kill();
    opening.ended().await;
}

/// Loads a server over several connections and through `florin exec`, and kills it after so many
/// requests or so many answers.
async fn kill_under_load(server: Server, round: u64, chance: &mut Chance) -> Vec<Order> {
    let (event, events) = unbounded_channel();
    let mut connections = JoinSet::new();
    for client in 0..CLIENTS {
        let orders = Orders::of_client(1 + round * (CLIENTS + 1) + client, chance.branch());
        connections.spawn(keep_busy(connect(&server.address).await, orders, event.clone()));
    }
    let orders = Orders::of_client(1 + round * (CLIENTS + 1) + CLIENTS, chance.branch());
    let exec = Running::start(&["exec", "--connect", &server.address]);
    let (server_gone, gone) = tokio::sync::oneshot::channel();
    connections.spawn(exec_busy(exec, orders, event, gone));

    let kind = *chance.one_of(&[Event::Asked, Event::Answered]);
    within("enough has happened", count(events, kind, chance.below(EVENTS_MAX))).await;
    server.kill().await;
    // An exec that came too late to connect is not there any more.
    let _ = server_gone.send(());
    within("every request ends", connections.join_all()).await.into_iter().flatten().collect()
}

async fn count(mut events: UnboundedReceiver<Event>, kind: Event, mut left: u64) {
    while 0 < left {
        let event = events.recv().await.expect("the load goes on until the server is gone");
        left -= u64::from(event == kind);
    }
}

/// Keeps `florin exec` busy, some lines ahead of its answers, until the server is gone. It would
/// try again for a while, so it is killed then; what it has printed by then counts.
async fn exec_busy(
    mut exec: Running,
    mut source: Orders,
    events: UnboundedSender<Event>,
    mut gone: tokio::sync::oneshot::Receiver<()>,
) -> Vec<Order> {
    let mut orders: Vec<Order> = Vec::new();
    let mut answered = 0;
    let mut is_gone = false;
    loop {
        while !is_gone && orders.len() < answered + LINES_AHEAD {
            let order = source.next();
            exec.say(&transfers_line(&order.transfers()));
            orders.push(order);
            let _ = events.send(Event::Asked);
        }
        let line = tokio::select! {
            line = exec.hear() => line,
            _ = &mut gone, if !is_gone => {
                is_gone = true;
                exec.kill();
                continue;
            }
        };
        let Some(results) = line.as_deref().and_then(results_of) else {
            exec.ended().await;
            return orders;
        };
        orders[answered].end = End::Answered(results);
        answered += 1;
        let _ = events.send(Event::Answered);
    }
}

/// What is known to have taken effect: everything that was ever asked, since what was not answered
/// is asked again.
#[derive(Default)]
struct Settled {
    orders: Vec<Order>,
    /// As they must be read, with the timestamps of their first answers.
    transfers: BTreeMap<TransferId, Transfer>,
    /// Those settled since the last check.
    last: Vec<TransferId>,
    books: Books,
    /// Requests without an answer that had taken effect.
    there_count: u64,
    /// Requests without an answer that had not.
    absent_count: u64,
}

impl Settled {
    /// These are there, as they were answered.
    async fn check(&self, client: &Client, ids: &[TransferId]) {
        for ids in ids.chunks(LOOKUP_MAX) {
            for (id, found) in ids.iter().zip(look_up(client, ids).await) {
                assert_eq!(found, Some(self.transfers[id]), "an acknowledged transfer");
            }
        }
    }

    /// Judges a request by how it ended and by what is there; asks it again if it was not answered.
    async fn settle(&mut self, client: &Client, order: Order) {
        let created: Vec<&Line> = order.lines.iter().filter(|line| line.creates()).collect();
        let ids: Vec<TransferId> = created.iter().map(|line| line.transfer.id).collect();
        let found: Vec<Transfer> = look_up(client, &ids).await.into_iter().flatten().collect();
        assert!(
            found.is_empty() || found.len() == created.len(),
            "{} of {} transfers of a request are there",
            found.len(),
            created.len()
        );
        let is_there = !found.is_empty();
        let results = match &order.end {
            End::Answered(results) => {
                assert!(is_there, "an acknowledged request is gone");
                assert!(order.is_first(results));
                results.clone()
            }
            End::Nothing | End::Unknown => {
                assert!(!(is_there && matches!(order.end, End::Nothing)), "it was said not to be");
                let End::Answered(results) = ask(client, order.clone()).await.end else {
                    panic!("a server that nobody kills answers");
                };
                assert_eq!(order.is_first(&results), !is_there, "whole or absent");
                self.there_count += u64::from(is_there);
                self.absent_count += u64::from(!is_there);
                results
            }
        };
        for (line, result) in order.lines.iter().zip(&results).filter(|(line, _)| line.creates()) {
            let found = found.iter().find(|found| found.id == line.transfer.id);
            let timestamp = found.map_or(result.timestamp, |found| found.timestamp);
            if line.exists() || matches!(order.end, End::Answered(_)) {
                assert_eq!(timestamp, result.timestamp, "the first timestamp stays");
            }
            let transfer = as_read(line, &order, timestamp);
            self.last.push(transfer.id);
            assert!(self.transfers.insert(transfer.id, transfer).is_none(), "ids are fresh");
        }
        self.books.post(&order);
        self.orders.push(order);
    }

    /// Every account has the balances that everything settled comes to, and the sums balance.
    async fn check_balances(&self, client: &Client) {
        let ids: Vec<AccountId> = ACCOUNTS.map(AccountId).collect();
        let accounts = client.lookup_accounts(&ids).await.expect("look-ups are answered");
        for (id, account) in ids.into_iter().zip(accounts) {
            let Account { debits_pending, debits_posted, credits_pending, credits_posted, .. } =
                account.expect("the accounts are open");
            let expect = self.books.of(id);
            assert_eq!(
                [debits_pending, debits_posted, credits_pending, credits_posted],
                [
                    expect.debits_pending,
                    expect.debits_posted,
                    expect.credits_pending,
                    expect.credits_posted
                ],
                "account {id}"
            );
        }
        let sums = client.trial_balance(LEDGER).await.expect("a trial balance is answered");
        assert_eq!(sums.debits_posted, sums.credits_posted);
        assert_eq!(sums.debits_pending, sums.credits_pending);
    }

    /// Each account's history has each of its transfers once.
    async fn check_history(&self, client: &Client) {
        for id in ACCOUNTS.map(AccountId) {
            let mut seen = BTreeSet::new();
            let mut filter = AccountFilter { limit: 8_190, ..AccountFilter::new(id) };
            loop {
                let page = client.account_transfers(&filter).await.expect("history is answered");
                for transfer in page.items {
                    assert!(seen.insert(transfer.id), "transfer {} comes twice", transfer.id);
                }
                filter.cursor = page.next_cursor;
                if filter.cursor.is_none() {
                    break;
                }
            }
            let has_side = |transfer: &&Transfer| {
                transfer.debit_account_id == id || transfer.credit_account_id == id
            };
            let own = self.transfers.values().filter(has_side).map(|transfer| transfer.id);
            assert_eq!(seen, own.collect(), "the history of account {id}");
        }
    }
}

async fn look_up(client: &Client, ids: &[TransferId]) -> Vec<Option<Transfer>> {
    client.lookup_transfers(ids).await.expect("look-ups are answered")
}

/// A transfer as it is read: what a post leaves out is its hold's.
fn as_read(line: &Line, order: &Order, timestamp: florin_ledger::Timestamp) -> Transfer {
    let transfer = line.transfer;
    let hold = order.lines.iter().find(|other| {
        transfer.pending_id != TransferId::ZERO && other.transfer.id == transfer.pending_id
    });
    let Some(hold) = hold.map(|hold| hold.transfer) else {
        return Transfer { timestamp, ..transfer };
    };
    Transfer {
        debit_account_id: hold.debit_account_id,
        credit_account_id: hold.credit_account_id,
        ledger: hold.ledger,
        code: hold.code,
        timestamp,
        ..transfer
    }
}
