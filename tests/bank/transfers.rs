//! Transfers. What would go wrong without: money that is spent twice, moved twice, or held for ever.

use crate::branch::{Branch, Person};
use florin_adapter::accounts;
use florin_adapter::clock::SECOND;
use florin_adapter::id::{Account, Id};
use florin_adapter::money::{Currency, Money};
use florin_adapter::payments::{
    self, Destination, NewTransfer, RequestKey, TransactionStatus, TransferRefused,
};
use std::sync::Arc;

async fn with_two(cents: u64) -> (Branch, Person, Id<Account>, Id<Account>) {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let (one, other) = (branch.account(&ada, cents).await, branch.account(&ada, 0).await);
    (branch, ada, one, other)
}

#[tokio::test]
async fn money_is_held_at_once_and_moves_when_it_was_judged() {
    let (branch, ada, one, other) = with_two(10_000).await;
    let begun = branch.sends(&ada, one, other, 2_500).await.unwrap();
    assert_eq!((branch.balance(one).await, branch.balance(other).await), ((10_000, 7_500), (0, 0)));
    let view = branch.view(&ada, begun.transaction).await;
    assert_eq!(view.status, TransactionStatus::Pending);
    branch.works().await;
    assert_eq!(branch.balance(one).await, (7_500, 7_500));
    assert_eq!(branch.balance(other).await, (2_500, 2_500));
    let view = branch.view(&ada, begun.transaction).await;
    assert_eq!(view.status, TransactionStatus::Completed);
    assert_eq!(view.sealed.unwrap().description.unwrap(), "for the garden");
    assert!(begun.reference.starts_with("TXN-2026-") && begun.reference.len() == 18);
}

#[tokio::test]
async fn what_can_not_be_sent_is_refused_and_nothing_is_held() {
    let (branch, ada, one, other) = with_two(1_000).await;
    let ben = branch.customer("ben@example.org").await;
    let his = branch.account(&ben, 1_000).await;
    let nowhere = Id::from_number(77);
    let euros = |cents| Money::positive(Currency::Eur, cents).unwrap();
    let yen = Money::positive(Currency::Jpy, 10).unwrap();
    for (source, destination, money, description, expected) in [
        (one, other, euros(1_001), "", "there is not enough on this account"),
        (his, one, euros(1), "", "there is no such account"),
        (nowhere, one, euros(1), "", "there is no such account"),
        (one, nowhere, euros(1), "", "there is no such account"),
        (one, one, euros(1), "", "choose two different accounts"),
        (one, other, yen, "", "both accounts must have the currency of the amount"),
        (
            one,
            other,
            euros(1),
            &*"x".repeat(141),
            "a description has at most 140 characters, all of them visible",
        ),
    ] {
        let description = String::from(description);
        let request = RequestKey::generate();
        let refused = branch
            .asks(
                &ada,
                NewTransfer {
                    source,
                    destination: Destination::Account(destination),
                    money,
                    description,
                    request,
                    challenge: None,
                },
            )
            .await;
        assert_eq!(refused.unwrap_err().to_string(), expected);
    }
    assert_eq!(branch.balance(one).await, (1_000, 1_000));
    assert_eq!(branch.balance(his).await, (1_000, 1_000));
}

/// Prevents: an account that is overdrawn by whoever sends from two windows at once.
#[tokio::test]
async fn a_hundred_at_once_never_spend_more_than_there_is() {
    let (branch, ada, one, other) = with_two(1_000).await;
    let branch = Arc::new(branch);
    let mut sending = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (branch, ada) = (Arc::clone(&branch), ada.clone());
        sending.spawn(async move { branch.sends(&ada, one, other, 100).await });
    }
    let mut begun = Vec::new();
    while let Some(sent) = sending.join_next().await {
        match sent.unwrap() {
            Ok(initiated) => begun.push(initiated),
            Err(TransferRefused::InsufficientFunds) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((begun.len(), branch.balance(one).await), (10, (1_000, 0)));
    branch.works().await;
    assert_eq!((branch.balance(one).await.0, branch.balance(other).await.0), (0, 1_000));
    let references: std::collections::BTreeSet<_> =
        begun.iter().map(|initiated| &initiated.reference).collect();
    assert_eq!(references.len(), begun.len(), "a reference names one transaction");
}

/// Prevents: a worker that died after it moved the money, and its successor moves it again.
#[tokio::test]
async fn a_transfer_ends_once_however_many_workers_end_it() {
    let (branch, ada, one, other) = with_two(1_000).await;
    let begun = branch.sends(&ada, one, other, 400).await.unwrap();
    let mut ending = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let bank = Arc::clone(&branch.bank);
        ending.spawn(async move {
            payments::end(&bank, begun.transaction).await.unwrap();
        });
    }
    ending.join_all().await;
    branch.works().await;
    assert_eq!((branch.balance(one).await, branch.balance(other).await), ((600, 600), (400, 400)));
}

/// Prevents: money that stays held because every worker was dead for a while.
#[tokio::test]
async fn a_hold_that_has_expired_fails_the_transfer_and_the_money_is_free() {
    let (branch, ada, one, other) = with_two(1_000).await;
    let begun = branch.sends(&ada, one, other, 400).await.unwrap();
    branch.pass(301 * SECOND);
    branch.works().await;
    let view = branch.view(&ada, begun.transaction).await;
    assert_eq!((view.status, view.reason.as_deref()), (TransactionStatus::Failed, Some("expired")));
    assert_eq!((branch.balance(one).await, branch.balance(other).await), ((1_000, 1_000), (0, 0)));
}

#[tokio::test]
async fn what_is_judged_a_risk_is_given_back() {
    let (branch, ada, one, other) = with_two(600_000_000).await;
    branch.limits(one, 600_000_000, 600_000_000).await;
    let begun = branch.sends(&ada, one, other, 500_000_001).await.unwrap();
    branch.works().await;
    let view = branch.view(&ada, begun.transaction).await;
    assert_eq!(view.status, TransactionStatus::Failed);
    assert_eq!(view.reason.as_deref(), Some("amount_unusual"));
    assert_eq!(branch.balance(one).await, (600_000_000, 600_000_000));
}

/// Prevents: a payee whose statement has holes because the payer was erased, or who reads the payer's own
/// papers.
#[tokio::test]
async fn who_is_paid_keeps_a_copy_of_their_own() {
    let (branch, ada, one, _) = with_two(1_000).await;
    let ben = branch.customer("ben@example.org").await;
    let his = branch.account(&ben, 0).await;
    branch.sends(&ada, one, his, 300).await.unwrap();
    branch.works().await;
    branch
        .bank
        .store
        .vault()
        .erase(florin_adapter::vault::Subject::Customer(ada.id))
        .await
        .unwrap();
    let account = accounts::owned(&branch.bank.store, ben.id, his).await.unwrap().unwrap();
    let history = accounts::history(&branch.bank.store, &account, 10, None).await.unwrap();
    let entry = &history.entries[0];
    assert_eq!(entry.description, "Ada Quill · for the garden");
    assert_eq!(
        (entry.money.cents, entry.is_credit, entry.balance.unwrap().cents),
        (300, true, 300)
    );
}

/// Rows 33 and 43: a double click, a page sent again after an error, and a second window with the same form.
#[tokio::test]
async fn the_same_request_is_the_same_transfer_and_with_another_meaning_none() {
    let (branch, ada, one, other) = with_two(1_000).await;
    let branch = Arc::new(branch);
    let euros = |cents| Money::positive(Currency::Eur, cents).unwrap();
    let order = NewTransfer {
        source: one,
        destination: Destination::Account(other),
        // More than half of what there is: a second one would be refused for lack of money.
        money: euros(600),
        description: String::from("once"),
        request: RequestKey::generate(),
        challenge: None,
    };
    let mut sending = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (branch, ada, order) = (Arc::clone(&branch), ada.clone(), order.clone());
        sending.spawn(async move { branch.asks(&ada, order).await.unwrap().transaction });
    }
    let begun: std::collections::BTreeSet<_> = sending.join_all().await.into_iter().collect();
    assert_eq!((begun.len(), branch.balance(one).await), (1, (1_000, 400)));
    branch.works().await;
    let again = branch.asks(&ada, order.clone()).await.unwrap();
    assert!(begun.contains(&again.transaction), "also when it has ended");
    let another = branch.asks(&ada, NewTransfer { money: euros(601), ..order.clone() }).await;
    assert!(matches!(another, Err(TransferRefused::AnotherBefore)));
    let ben = branch.customer("ben@example.org").await;
    let (his, too) = (branch.account(&ben, 1_000).await, branch.account(&ben, 0).await);
    let order = NewTransfer { source: his, destination: Destination::Account(too), ..order };
    branch.asks(&ben, order).await.unwrap();
    assert_eq!((branch.balance(one).await, branch.balance(his).await), ((400, 400), (1_000, 400)));
}

/// Prevents: money that is held for an account that was closed meanwhile, and comes back to nobody.
#[tokio::test]
async fn what_can_not_be_posted_is_given_back_and_failed() {
    let (branch, ada, one, other) = with_two(1_000).await;
    let begun = branch.sends(&ada, one, other, 400).await.unwrap();
    branch.closes_in_the_ledger(other).await;
    branch.works().await;
    let view = branch.view(&ada, begun.transaction).await;
    assert_eq!(view.status, TransactionStatus::Failed);
    assert_eq!(view.reason.as_deref(), Some("credit_account_already_closed"));
    assert_eq!(branch.balance(one).await, (1_000, 1_000));
}

/// Prevents: a transfer of somebody who logged out, or was shut out, between the page and the order.
#[tokio::test]
async fn whoever_may_not_order_any_more_orders_nothing() {
    let (branch, ada, one, other) = with_two(1_000).await;
    let login = branch.login(&ada).await;
    let found = branch.finds(&login).await.unwrap();
    let order = |request| NewTransfer {
        source: one,
        destination: Destination::Account(other),
        money: Money::positive(Currency::Eur, 100).unwrap(),
        description: String::new(),
        request,
        challenge: None,
    };
    let by = || Vec::from(found.unchanged.clone());
    let ordered = branch.orders(&ada, by(), order(RequestKey::generate())).await;
    assert!(ordered.is_ok(), "while logged in");
    branch.ends(&login).await;
    let refused = branch.orders(&ada, by(), order(RequestKey::generate())).await;
    assert!(matches!(refused, Err(TransferRefused::NoSuchAccount)));
    assert_eq!(branch.balance(one).await, (1_000, 900));
}
