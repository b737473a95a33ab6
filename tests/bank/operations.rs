//! What is done with accounts: opened, closed, suspended, paid into and out of. What would go wrong without: money
//! over the counter that is counted twice or by whom it should not be, and an account that is suspended while it
//! is emptied.

use crate::branch::{Branch, Person};
use crate::browser::Browser;
use axum::http::StatusCode;
use florin_adapter::accounts::{
    self, AccountOpen, AccountStatus, Accounts, CashDirection, CashOrder, CashRefused,
    CloseRefused, LimitRefused, SendingLimits, SuspendRefused,
};
use florin_adapter::audit::Action;
use florin_adapter::email::Email;
use florin_adapter::id::{Account, Id};
use florin_adapter::money::{Currency, Money};
use florin_adapter::payments::{RequestKey, TransactionStatus, TransferRefused};
use florin_adapter::staff::{self, Clerk, Role};
use std::collections::BTreeSet;
use std::sync::Arc;

struct Counter {
    branch: Arc<Branch>,
    ada: Person,
    account: Id<Account>,
    clerk: Clerk,
}

async fn counter(cents: u64) -> Counter {
    let branch = Arc::new(Branch::open().await);
    let ada = branch.customer("ada@example.org").await;
    let account = branch.account(&ada, cents).await;
    let otto = branch.hires("otto@example.org", &[Role::Operations]).await;
    let clerk = branch.clerk(&otto).await;
    Counter { branch, ada, account, clerk }
}

fn order(account: Id<Account>, direction: CashDirection, cents: u64) -> CashOrder {
    CashOrder {
        account,
        direction,
        money: Money::positive(Currency::Eur, cents).unwrap(),
        description: String::from("at the counter"),
        request: RequestKey::generate(),
    }
}

#[tokio::test]
async fn cash_comes_in_and_goes_out_and_both_are_on_record() {
    let Counter { branch, ada, account, clerk } = counter(0).await;
    let bank = &*branch.bank;
    let came = order(account, CashDirection::Deposit, 5_000);
    let came = accounts::move_cash(bank, &clerk, &came).await.unwrap();
    let went = order(account, CashDirection::Withdrawal, 1_200);
    let went = accounts::move_cash(bank, &clerk, &went).await.unwrap();
    assert_eq!(branch.balance(account).await, (3_800, 3_800));
    for transaction in [came, went] {
        let view = branch.view(&ada, transaction).await;
        assert_eq!(view.status, TransactionStatus::Completed);
        assert_eq!(view.sealed.unwrap().description.unwrap(), "at the counter");
        let rows = branch.audit_rows().await;
        let row = rows.iter().find(|row| row.entity_id == transaction.to_string()).unwrap();
        assert_eq!((row.user_id, row.action_type), (Some(clerk.id()), Action::Transaction));
    }
    let found = accounts::owned(&bank.store, ada.id, account).await.unwrap().unwrap();
    let history = accounts::history(&bank.store, &found, 10, None).await.unwrap();
    let seen: Vec<_> = history
        .entries
        .iter()
        .map(|entry| (entry.money.cents, entry.is_credit, &*entry.description))
        .collect();
    assert_eq!(seen, [(1_200, false, "at the counter"), (5_000, true, "at the counter")]);
}

/// Row 60 of the threat table, for the counter; and what no cashier can do.
#[tokio::test]
async fn cash_moves_only_for_who_may_and_only_what_is_there() {
    let Counter { branch, ada, account, clerk } = counter(1_000).await;
    let bank = &*branch.bank;
    let others = branch.hires("sue@example.org", &[Role::Support, Role::Fraud, Role::Admin]).await;
    let other = branch.clerk(&others).await;
    let closed = branch.account(&ada, 0).await;
    let owner = crate::branch::orderer(&ada);
    accounts::close(&bank.store, &*bank.clock, &owner, closed).await.unwrap();
    let nowhere = Id::from_number(77);
    let yen = Money::positive(Currency::Jpy, 10).unwrap();
    let deposit = |account| order(account, CashDirection::Deposit, 10);
    let long = "x".repeat(141);
    for (by, order, expected) in [
        (&other, deposit(account), "this takes another role than yours"),
        (&clerk, deposit(nowhere), "there is no such account"),
        (&clerk, deposit(closed), "this account is closed"),
        (&clerk, CashOrder { money: yen, ..deposit(account) }, "the account has another currency"),
        (
            &clerk,
            order(account, CashDirection::Withdrawal, 1_001),
            "there is not enough on this account",
        ),
        (
            &clerk,
            CashOrder { description: long, ..deposit(account) },
            "a description has at most 140 characters, all of them visible",
        ),
    ] {
        let refused = accounts::move_cash(bank, by, &order).await;
        assert_eq!(refused.unwrap_err().to_string(), expected);
    }
    assert_eq!(branch.balance(account).await, (1_000, 1_000));
}

/// Row 60: roles that end between the page and the order.
#[tokio::test]
async fn a_clerk_who_has_lost_the_role_moves_nothing() {
    let Counter { branch, account, clerk, .. } = counter(1_000).await;
    let bank = &*branch.bank;
    let email = Email::parse("otto@example.org").unwrap();
    let roles = [Role::Operations, Role::Admin].into_iter().collect();
    let caller = florin_adapter::audit::Caller::bank();
    staff::change_roles(bank, &caller, &email, &roles).await.unwrap();
    let order = order(account, CashDirection::Withdrawal, 10);
    let refused = accounts::move_cash(bank, &clerk, &order).await;
    assert!(matches!(refused, Err(CashRefused::Forbidden(_))));
    let refused = accounts::suspend(bank, &clerk, account, "why not").await;
    assert!(matches!(refused, Err(SuspendRefused::Forbidden(_))));
    assert_eq!(branch.balance(account).await, (1_000, 1_000));
}

/// Row 43, for the counter.
#[tokio::test]
async fn a_deposit_that_is_sent_again_is_one() {
    let Counter { branch, account, clerk, .. } = counter(0).await;
    let once = order(account, CashDirection::Deposit, 700);
    let mut sending = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (branch, clerk, once) = (Arc::clone(&branch), clerk.clone(), once.clone());
        sending
            .spawn(async move { accounts::move_cash(&branch.bank, &clerk, &once).await.unwrap() });
    }
    let done: BTreeSet<_> = sending.join_all().await.into_iter().collect();
    assert_eq!((done.len(), branch.balance(account).await), (1, (700, 700)));
    let bank = &*branch.bank;
    let more = CashOrder { money: Money::positive(Currency::Eur, 701).unwrap(), ..once.clone() };
    let refused = accounts::move_cash(bank, &clerk, &more).await;
    assert!(matches!(refused, Err(CashRefused::AnotherBefore)));
    let back = CashOrder { direction: CashDirection::Withdrawal, ..once.clone() };
    let refused = accounts::move_cash(bank, &clerk, &back).await;
    assert!(matches!(refused, Err(CashRefused::AnotherBefore)));
    let other = branch.hires("olga@example.org", &[Role::Operations]).await;
    let other = branch.clerk(&other).await;
    accounts::move_cash(bank, &other, &once).await.unwrap();
    assert_eq!(branch.balance(account).await, (1_400, 1_400), "another clerk's is another");
}

#[tokio::test]
async fn nothing_leaves_a_suspended_account_and_what_comes_is_taken() {
    let Counter { branch, ada, account, clerk } = counter(1_000).await;
    let bank = &*branch.bank;
    let other = branch.account(&ada, 1_000).await;
    let support = branch.hires("sue@example.org", &[Role::Support, Role::Admin]).await;
    let support = branch.clerk(&support).await;
    let refused = accounts::suspend(bank, &support, account, "odd").await;
    assert!(matches!(refused, Err(SuspendRefused::Forbidden(_))));
    for reason in ["", "  ", &*"x".repeat(141)] {
        let refused = accounts::suspend(bank, &clerk, account, reason).await;
        assert!(matches!(refused, Err(SuspendRefused::Reason)));
    }
    accounts::suspend(bank, &clerk, account, "odd").await.unwrap();
    accounts::suspend(bank, &clerk, account, "odd").await.unwrap();
    let sent = branch.sends(&ada, account, other, 1).await;
    assert!(matches!(sent, Err(TransferRefused::Closed)));
    let paid = order(account, CashDirection::Withdrawal, 1);
    let paid = accounts::move_cash(bank, &clerk, &paid).await;
    assert!(matches!(paid, Err(CashRefused::Suspended)));
    let came = order(account, CashDirection::Deposit, 200);
    accounts::move_cash(bank, &clerk, &came).await.unwrap();
    branch.sends(&ada, other, account, 300).await.unwrap();
    branch.works().await;
    assert_eq!(branch.balance(account).await, (1_500, 1_500));
    accounts::resume(bank, &clerk, account, "it was nothing").await.unwrap();
    branch.sends(&ada, account, other, 1_500).await.unwrap();
    branch.works().await;

    accounts::suspend(bank, &clerk, account, "odd again").await.unwrap();
    let owner = crate::branch::orderer(&ada);
    let closed = accounts::close(&bank.store, &*bank.clock, &owner, account).await;
    assert!(matches!(closed, Err(CloseRefused::Suspended)), "nor does its owner close it");
    accounts::resume(bank, &clerk, account, "no").await.unwrap();
    accounts::close(&bank.store, &*bank.clock, &owner, account).await.unwrap();
    let refused = accounts::suspend(bank, &clerk, account, "too late").await;
    assert!(matches!(refused, Err(SuspendRefused::Closed)));
}

/// Prevents: an account that is emptied while it is being suspended: after the suspension no hold is placed.
#[tokio::test]
async fn of_a_suspension_and_transfers_at_once_each_transfer_is_before_it_or_refused() {
    let Counter { branch, ada, account, clerk } = counter(10_000).await;
    let other = branch.account(&ada, 0).await;
    let mut sending = tokio::task::JoinSet::new();
    for number in 0..60 {
        let (branch, ada, clerk) = (Arc::clone(&branch), ada.clone(), clerk.clone());
        sending.spawn(async move {
            if number == 20 {
                accounts::suspend(&branch.bank, &clerk, account, "odd").await.unwrap();
                let (_, available) = branch.balance(account).await;
                return Some(available);
            }
            match branch.sends(&ada, account, other, 100).await {
                Ok(_) | Err(TransferRefused::Closed) => None,
                Err(error) => panic!("{error}"),
            }
        });
    }
    let left = sending.join_all().await.into_iter().flatten().next().unwrap();
    assert_eq!(branch.balance(account).await.1, left, "what was available then is available still");
    let found = accounts::owned(&branch.bank.store, ada.id, account).await.unwrap().unwrap();
    assert_eq!(found.row.open.status, AccountStatus::Suspended);
}

fn opening(token: &str, account_type: &str, currency: &str, request: RequestKey) -> String {
    format!("csrf={token}&account_type={account_type}&currency={currency}&request={request}")
}

/// Rows 33 and 43, for accounts.
#[tokio::test]
async fn customers_open_accounts_for_themselves_once_for_each_form() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let mut browser = Browser::logged_in(&branch, &ada).await;
    let token = browser.token("/accounts/open").await;
    let request = RequestKey::generate();
    let form = opening(&token, "SAVINGS", "GBP", request);
    let path = browser.is_led_to("/accounts/open", &form).await;
    assert_eq!(browser.is_led_to("/accounts/open", &form).await, path, "the same form again");
    let page = browser.gets(&path).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("Savings account") && page.text.contains("£0.00"), "{}", page.text);
    let another = opening(&token, "SAVINGS", "EUR", request);
    let page = browser.posts("/accounts/open", &another).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    for (account_type, currency) in [("savings", "EUR"), ("GOLD", "EUR"), ("SAVINGS", "XAU")] {
        let form = opening(&token, account_type, currency, RequestKey::generate());
        let page = browser.posts("/accounts/open", &form).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{account_type} {currency}");
    }
    for _ in 1..20 {
        let form = opening(&token, "CHECKING", "EUR", RequestKey::generate());
        browser.is_led_to("/accounts/open", &form).await;
    }
    let form = opening(&token, "CHECKING", "EUR", RequestKey::generate());
    let page = browser.posts("/accounts/open", &form).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "twenty are enough");
    let found = accounts::accounts_of(&branch.bank.store, ada.id).await.unwrap();
    assert_eq!(found.len(), 20);
}

/// Rows 26 and 40, for closing.
#[tokio::test]
async fn customers_close_their_own_accounts_by_the_banks_own_form() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    let (one, other) = (branch.account(&ada, 1).await, branch.account(&ada, 0).await);
    let his = branch.account(&ben, 0).await;
    let mut browser = Browser::logged_in(&branch, &ada).await;
    let close = |account: Id<Account>| format!("/accounts/{account}/close");
    let token = browser.token(&close(other)).await;
    let form = format!("csrf={token}");
    assert_eq!(browser.posts(&close(other), "").await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.posts(&close(his), &form).await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.gets(&close(his)).await.status, StatusCode::NOT_FOUND);
    let page = browser.posts(&close(one), &form).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "there is a cent on it");
    assert_eq!(browser.is_led_to(&close(other), &form).await, "/accounts");
    assert!(browser.gets("/accounts").await.text.contains("Closed"));
    assert_eq!(browser.posts(&close(other), &form).await.status, StatusCode::NOT_FOUND);
    for (account, status) in [(one, AccountStatus::Active), (other, AccountStatus::Closed)] {
        let found = accounts::owned(&branch.bank.store, ada.id, account).await.unwrap().unwrap();
        assert_eq!(found.row.open.status, status);
    }
}

/// Row 60 and L10: prevents limits that whoever has a login of the staff changes, and amounts that no program reads.
#[tokio::test]
async fn limits_are_changed_by_who_may_and_are_on_record() {
    let Counter { branch, account, clerk, .. } = counter(0).await;
    let limits = |daily_cents| SendingLimits { daily_cents, monthly_cents: 9_000 };
    accounts::limit(&branch.bank, &clerk, account, limits(1_234)).await.unwrap();
    let found = branch.bank.store.get::<Accounts>(&account.bytes()).await.unwrap().unwrap();
    let AccountOpen { daily_limit_cents, monthly_limit_cents, .. } = found.row.open;
    assert_eq!((daily_limit_cents, monthly_limit_cents), (1_234, 9_000));
    let rows = branch.audit_rows().await;
    let of_account = rows.iter().filter(|row| row.entity_id == account.to_string());
    assert_eq!(of_account.filter(|row| row.user_id == Some(clerk.id())).count(), 1);
    let refused = accounts::limit(&branch.bank, &clerk, account, limits(1 << 53)).await;
    assert!(matches!(refused, Err(LimitRefused::TooLarge)));
    let support = branch.hires("support@bank.example", &[Role::Support]).await;
    let support = branch.clerk(&support).await;
    let refused = accounts::limit(&branch.bank, &support, account, limits(1)).await;
    assert!(matches!(refused, Err(LimitRefused::Forbidden(_))));
}
