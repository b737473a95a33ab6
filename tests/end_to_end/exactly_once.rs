//! A consumer that is killed again and again (`client/examples/exactly_once.rs`). What would go wrong
//! without it: a payment that is made twice, because the consumer died before it had said how far it
//! had come, or not at all, because it died after.

use crate::chance::Chance;
use crate::directory::empty;
use crate::load::connect;
use crate::process::{Running, Server, verified};
use florin_client::Client;
use florin_ledger::commit::{Event, Topic};
use florin_ledger::query::AccountFilter;
use florin_ledger::{Account, AccountId, Amount, Code, Commit, CommitId, CommitOutcome, LedgerId};
use std::path::{Path, PathBuf};

const PAYMENTS: u64 = 10_000;
const KILLS: u64 = 20;
/// Payments that one life of the consumer makes before it is killed, at most.
const LIFE_MAX: u64 = 2 * PAYMENTS / KILLS / 3;

const _: () = assert!(KILLS * LIFE_MAX < PAYMENTS, "there is something left for the last one");

/// The example, built with these tests: `cargo nextest run --workspace` does both.
fn consumer() -> PathBuf {
    let binary = Path::new(env!("CARGO_BIN_EXE_florin"));
    let example = binary.with_file_name("examples").join("exactly_once");
    assert!(example.exists(), "build it: cargo build -p florin-client --example exactly_once");
    example
}

/// Two customers, and what one owes the other, as events of commits of a thousand.
async fn owe(client: &Client) {
    let account = |id| Account {
        id: AccountId(id),
        ledger: LedgerId(978),
        code: Code(1),
        ..Account::default()
    };
    let results = client.create_accounts(&[account(1), account(2)]).await.expect("it answers");
    assert!(results.iter().all(|result| result.status.name() == "created"));
    for batch in 0..PAYMENTS / 1_000 {
        let event = |number: u64| Event {
            topic: Topic(1),
            key: Vec::new(),
            value: format!("1 2 {}", batch * 1_000 + number + 1).into_bytes(),
        };
        let events = (0..1_000).map(event).collect();
        let id = CommitId(u128::MAX - 1 - u128::from(batch));
        let outcome = client.commit(&Commit { id, events, ..Commit::default() }).await;
        assert!(matches!(outcome, Ok(CommitOutcome::Done(_))), "{outcome:?}");
    }
}

/// Fault 72, and what "exactly once" means: every payment, once, in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_is_killed_makes_every_payment_exactly_once() {
    let mut chance = Chance::seeded(1);
    let directory = empty();
    let server = Server::start(directory.path(), &[]).await;
    let client = connect(&server.address).await;
    owe(&client).await;
    for _ in 0..KILLS {
        let mut worker = Running::start_program(&consumer(), &[&server.address]);
        for _ in 0..chance.below(LIFE_MAX) {
            worker.hear().await.expect("there are payments left");
        }
        worker.kill();
        assert_eq!(worker.ended().await, None, "it was killed");
    }
    let mut worker = Running::start_program(&consumer(), &[&server.address]);
    while worker.hear().await.is_some() {}
    assert_eq!(worker.ended().await, Some(0));
    check_paid(&client).await;
    server.stop().await;
    verified(directory.path()).await;
}

async fn check_paid(client: &Client) {
    let account = client.lookup_accounts(&[AccountId(2)]).await.expect("it answers")[0];
    let sum = (1..=u128::from(PAYMENTS)).sum();
    assert_eq!(account.expect("it is open").credits_posted, Amount(sum));
    let mut filter = AccountFilter { limit: 8_190, ..AccountFilter::new(AccountId(2)) };
    let mut amounts = Vec::new();
    loop {
        let page = client.account_transfers(&filter).await.expect("it answers");
        amounts.extend(page.items.iter().map(|transfer| transfer.amount.0));
        filter.cursor = page.next_cursor;
        if filter.cursor.is_none() {
            break;
        }
    }
    assert_eq!(amounts, (1..=u128::from(PAYMENTS)).collect::<Vec<_>>(), "once each, in order");
}
