//! What an account may send in a day and in a month.

use crate::branch::{Branch, Person};
use florin_adapter::Bank;
use florin_adapter::audit::Caller;
use florin_adapter::clock::{HOUR, MINUTE, SECOND, time_zone};
use florin_adapter::id::{Account, Id};
use florin_adapter::money::{Currency, Money};
use florin_adapter::payments::{
    self, Destination, Initiated, NewTransfer, Orderer, RequestKey, TransferRefused,
};
use std::sync::Arc;

async fn with_limits(daily: u64, monthly: u64) -> (Branch, Person, Id<Account>, Id<Account>) {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let one = branch.account(&ada, 1_000_000).await;
    let other = branch.account(&ada, 0).await;
    branch.limits(one, daily, monthly).await;
    (branch, ada, one, other)
}

fn is_daily(sent: &Result<Initiated, TransferRefused>) -> bool {
    matches!(sent, Err(TransferRefused::DailyLimit))
}

/// The branch's time starts at 14:13:20, UTC.
const TO_MIDNIGHT: u64 = 9 * HOUR + 46 * MINUTE + 40 * SECOND;

/// L10: prevents an account that sends more than its limit, to the cent, and one that can't send what it may.
#[tokio::test]
async fn a_limit_is_kept_to_the_cent_and_comes_back_when_a_transfer_fails() {
    let (branch, ada, one, other) = with_limits(1_000, 100_000).await;
    branch.sends(&ada, one, other, 400).await.unwrap();
    assert!(is_daily(&branch.sends(&ada, one, other, 601).await));
    branch.sends(&ada, one, other, 600).await.unwrap();
    assert!(is_daily(&branch.sends(&ada, one, other, 1).await));
    branch.works().await;
    assert!(is_daily(&branch.sends(&ada, one, other, 1).await), "what has moved is sent");
    // What nobody goes on with is given back with the money.
    let (branch, ada, one, other) = with_limits(1_000, 100_000).await;
    branch.sends(&ada, one, other, 1_000).await.unwrap();
    branch.pass(301 * SECOND);
    branch.works().await;
    branch.sends(&ada, one, other, 1_000).await.unwrap();
}

/// Prevents: a day that ends in the middle of the night of another city, or never.
#[tokio::test]
async fn at_midnight_the_day_is_new_and_what_is_held_keeps_counting() {
    let (branch, ada, one, other) = with_limits(1_000, 100_000).await;
    branch.pass(TO_MIDNIGHT - MINUTE);
    branch.sends(&ada, one, other, 700).await.unwrap();
    branch.works().await;
    branch.sends(&ada, one, other, 300).await.unwrap();
    branch.pass(MINUTE - 1);
    assert!(is_daily(&branch.sends(&ada, one, other, 1).await), "a nanosecond before");
    branch.pass(1);
    assert!(is_daily(&branch.sends(&ada, one, other, 701).await), "300 are held still");
    branch.sends(&ada, one, other, 700).await.unwrap();
    assert!(is_daily(&branch.sends(&ada, one, other, 1).await));
    // The hold of yesterday expires after midnight, and is free today.
    branch.pass(301 * SECOND);
    branch.sends(&ada, one, other, 1_000).await.unwrap();
}

/// Prevents: a month of thirty days each a thousand.
#[tokio::test]
async fn a_month_has_a_limit_of_its_own() {
    let (branch, ada, one, other) = with_limits(1_000, 2_500).await;
    for _ in 0..2 {
        branch.sends(&ada, one, other, 1_000).await.unwrap();
        branch.works().await;
        branch.pass(24 * HOUR);
    }
    let sent = branch.sends(&ada, one, other, 501).await;
    assert!(matches!(sent, Err(TransferRefused::MonthlyLimit)), "{sent:?}");
    branch.sends(&ada, one, other, 500).await.unwrap();
    branch.works().await;
    // The branch opens on September 21.
    branch.pass(7 * 24 * HOUR);
    assert!(branch.sends(&ada, one, other, 1).await.is_err(), "September 30");
    branch.pass(24 * HOUR);
    branch.sends(&ada, one, other, 1_000).await.unwrap();
}

/// Prevents: a limit that was lowered and has no effect, or takes away what it should not.
#[tokio::test]
async fn a_changed_limit_counts_from_the_next_transfer() {
    let (branch, ada, one, other) = with_limits(1_000, 100_000).await;
    branch.sends(&ada, one, other, 600).await.unwrap();
    branch.works().await;
    branch.limits(one, 500, 100_000).await;
    assert!(is_daily(&branch.sends(&ada, one, other, 1).await), "600 of 500 are sent");
    branch.limits(one, 800, 100_000).await;
    assert!(is_daily(&branch.sends(&ada, one, other, 201).await));
    branch.sends(&ada, one, other, 200).await.unwrap();
    branch.works().await;
    branch.limits(one, 0, 100_000).await;
    branch.pass(24 * HOUR);
    assert!(is_daily(&branch.sends(&ada, one, other, 1).await));
    branch.limits(one, 100, 100_000).await;
    branch.sends(&ada, one, other, 100).await.unwrap();
    assert!(is_daily(&branch.sends(&ada, one, other, 1).await));
}

/// Prevents: a clock that goes back, or another adapter's that is behind, and yesterday's limit comes once more.
#[tokio::test]
async fn periods_never_move_back() {
    let (branch, ada, one, other) = with_limits(1_000, 1_500).await;
    let ahead = branch.with_options(|options| options.time_zone = time_zone("Etc/GMT-12").unwrap());
    let behind =
        branch.with_options(|options| options.time_zone = time_zone("Etc/GMT+12").unwrap());
    let (ahead, behind) = (ahead.await, behind.await);
    // It is tomorrow already for one of them.
    order(&ahead, &branch.orderer(&ada), one, other, 1_000).await.unwrap();
    branch.works().await;
    assert!(is_daily(&order(&behind, &branch.orderer(&ada), one, other, 1).await));
    assert!(is_daily(&order(&branch.bank, &branch.orderer(&ada), one, other, 1).await));
    branch.works().await;
    branch.pass(TO_MIDNIGHT);
    assert!(is_daily(&order(&branch.bank, &branch.orderer(&ada), one, other, 1).await));
    branch.pass(24 * HOUR);
    let sent = order(&behind, &branch.orderer(&ada), one, other, 501).await;
    assert!(matches!(sent, Err(TransferRefused::DailyLimit | TransferRefused::MonthlyLimit)));
    order(&branch.bank, &branch.orderer(&ada), one, other, 500).await.unwrap();
}

/// Prevents: a balance or a limit that is overdrawn by whoever asks two adapters at the same time.
#[tokio::test]
async fn of_128_transfers_at_once_over_two_adapters_no_more_pass_than_may() {
    for (on_it, limit, passed) in [(1_000_u64, 100_000, 10_usize), (100_000, 1_000, 10)] {
        let branch = Branch::open().await;
        let ada = branch.customer("ada@example.org").await;
        let one = branch.account(&ada, on_it).await;
        let other = branch.account(&ada, 0).await;
        branch.limits(one, limit, 10 * limit).await;
        let adapters = [Arc::clone(&branch.bank), branch.with_options(|_| {}).await];
        let mut sending = tokio::task::JoinSet::new();
        for bank in adapters.iter().cycle().take(128) {
            let (bank, by) = (Arc::clone(bank), branch.orderer(&ada));
            sending.spawn(async move { again(&bank, &by, one, other).await });
        }
        let sent = sending.join_all().await.into_iter().filter(|is_sent| *is_sent).count();
        assert_eq!(sent, passed);
        branch.works().await;
        let left = u128::from(on_it) - 1_000;
        assert_eq!(branch.balance(one).await, (left, left));
        assert_eq!(branch.balance(other).await, (1_000, 1_000));
    }
}

/// Sends one of many: again if too many others did at the same time.
async fn again(bank: &Bank, by: &Orderer, one: Id<Account>, other: Id<Account>) -> bool {
    loop {
        match order(bank, by, one, other, 100).await {
            Ok(_) => return true,
            Err(TransferRefused::InsufficientFunds | TransferRefused::DailyLimit) => return false,
            Err(TransferRefused::Bank(florin_adapter::BankError::Contended)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

async fn order(
    bank: &Bank,
    by: &Orderer,
    source: Id<Account>,
    destination: Id<Account>,
    cents: u64,
) -> Result<Initiated, TransferRefused> {
    let by = Orderer { caller: Caller::bank(), ..by.clone() };
    let new = NewTransfer {
        source,
        destination: Destination::Account(destination),
        money: Money::positive(Currency::Eur, cents).unwrap(),
        description: String::new(),
        request: RequestKey::generate(),
        challenge: None,
    };
    payments::initiate(bank, &by, &new).await
}
