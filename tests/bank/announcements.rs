//! News of money. What would go wrong without: a customer who asked hears of nothing, or of another's; who has not asked
//! gets letters; or everything twice, from two adapters or after a crash.

use crate::app::App;
use crate::branch::{Branch, Person};
use crate::mailbox::Mailbox;
use crate::phones::gives_number;
use crate::preferences::{puts, ways};
use crate::telephones::Telephones;
use florin_adapter::Bank;
use florin_adapter::accounts::{self, CashDirection, CashOrder, SendingLimits, move_cash};
use florin_adapter::alerts::Announcer;
use florin_adapter::clock::{HOUR, MINUTE};
use florin_adapter::money::{Currency, Money};
use florin_adapter::staff::Role;
use florin_adapter::tables;
use florin_ledger::document::DocumentScan;
use serde_json::{Value, json};
use std::sync::Arc;

/// Asks to be told.
async fn wishes(branch: &Branch, person: &Person, money_in: Value, out: Value, failed: Value) {
    let app = App::logged_in(branch, person).await;
    let body = json!({"money_in": money_in, "money_out": out, "money_out_failed": failed});
    puts(&app, &body).await.good();
}

async fn waiting(branch: &Branch) -> usize {
    let scan = DocumentScan { table: tables::OUTBOX, limit: 100, ..DocumentScan::default() };
    branch.client.scan_documents(&scan).await.unwrap().items.len()
}

/// Tells and reads what has happened until now, the opening of accounts among it.
async fn reads(branch: &Branch, mailbox: &Arc<Mailbox>) {
    branch.announces().await;
    while 0 < mailbox.fills(branch).await {}
    mailbox.opens();
}

/// FR5a, FR5b.
#[tokio::test]
async fn who_asked_is_told_in_the_ways_that_they_asked_for_and_nobody_else() {
    let (branch, mailbox, telephones) = (Branch::open().await, Mailbox::new(), Telephones::new());
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    let cleo = branch.customer("cleo@example.org").await;
    let adas = branch.account(&ada, 10_000).await;
    let (bens, cleos) = (branch.account(&ben, 5000).await, branch.account(&cleo, 0).await);
    gives_number(&branch, (&mailbox, &telephones), &ada, "%2B491701234567").await;
    let none = ways(false, false, false);
    wishes(&branch, &ada, none.clone(), ways(true, true, false), ways(false, true, false)).await;
    wishes(&branch, &ben, ways(true, false, false), none.clone(), none.clone()).await;
    reads(&branch, &mailbox).await;

    branch.sends(&ada, adas, bens, 1_234).await.unwrap();
    branch.sends(&ben, bens, cleos, 500).await.unwrap();
    branch.works().await;
    assert_eq!(waiting(&branch).await, 0, "the commits of transfers have nothing of it");
    branch.announces().await;
    assert_eq!(waiting(&branch).await, 3);
    assert_eq!(telephones.ring(&branch, &mailbox).await, 3);
    let message = telephones.only("+491701234567");
    assert!(message.starts_with("Bank: €12.34 went from your account ending "), "{message}");
    let mut mails = mailbox.opens();
    mails.sort_by_key(|mail| String::from(mail.to.written()));
    let [to_ada, to_ben] = &mails[..] else { panic!("two mails: {mails:?}") };
    assert_eq!((to_ada.to.written(), to_ben.to.written()), (ada.email, ben.email));
    assert!(to_ada.subject.contains("has gone"), "{}", to_ada.subject);
    assert!(to_ben.text.contains("€12.34 came to your account ending "), "{}", to_ben.text);
    assert!(to_ben.text.contains("It is called TXN-2026-"), "{}", to_ben.text);

    // What fails is another event; the other side hears nothing of it.
    branch.sends(&ada, adas, bens, 700).await.unwrap();
    branch.closes_in_the_ledger(bens).await;
    branch.works().await;
    branch.announces().await;
    assert_eq!(telephones.ring(&branch, &mailbox).await, 1);
    let message = telephones.only("+491701234567");
    assert!(message.contains("€7.00 could not be sent"), "{message}");
}

/// FR5a: cash at the counter is told too.
#[tokio::test]
async fn a_withdrawal_is_told() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    let account = branch.account(&ada, 10_000).await;
    let none = ways(false, false, false);
    wishes(&branch, &ada, none.clone(), ways(true, false, false), none).await;
    reads(&branch, &mailbox).await;
    let teller = branch.hires("sue@example.org", &[Role::Operations]).await;
    let clerk = branch.clerk(&teller).await;
    let order = CashOrder {
        account,
        direction: CashDirection::Withdrawal,
        money: Money::positive(Currency::Eur, 3000).unwrap(),
        description: String::from("at the counter"),
        request: florin_adapter::payments::RequestKey::generate(),
    };
    move_cash(&branch.bank, &clerk, &order).await.unwrap();
    branch.announces().await;
    mailbox.fills(&branch).await;
    assert!(mailbox.only(ada.email).text.contains("€30.00 went from your account"));
}

/// Prevents: two adapters, and every letter twice; or an adapter that died before it kept its place.
#[tokio::test]
async fn an_event_is_told_once_whoever_reads_it_and_however_often() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    let (one, other) = (branch.account(&ada, 10_000).await, branch.account(&ada, 0).await);
    let email = ways(true, false, false);
    wishes(&branch, &ada, email.clone(), email.clone(), email).await;
    reads(&branch, &mailbox).await;
    for _ in 0..4 {
        branch.sends(&ada, one, other, 100).await.unwrap();
    }
    branch.works().await;
    // Each begins where nobody has kept a place.
    let mut announcers = Vec::new();
    for _ in 0..3 {
        announcers.push(Announcer::start(Arc::clone(&branch.bank)).await.unwrap());
    }
    let mut fenced = 0;
    for announcer in &mut announcers {
        // Who has lost its place tells what it has read before it hears of that.
        fenced += loop {
            match announcer.step().await {
                Ok(false) => {}
                Ok(true) => break 0,
                Err(_) => break 1,
            }
        };
    }
    assert_eq!(fenced, 2);
    assert_eq!((waiting(&branch).await, mailbox.fills(&branch).await), (8, 8));
    mailbox.opens();
    let branch = branch.reopened().await;
    branch.announces().await;
    branch.pass(HOUR);
    assert_eq!((waiting(&branch).await, mailbox.fills(&branch).await), (0, 0));
}

/// Prevents: a letter for each payment of last year, to who asks for the first time; or news that are none.
#[tokio::test]
async fn what_was_before_somebody_asked_and_what_is_old_is_not_told() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    let (one, other) = (branch.account(&ada, 10_000).await, branch.account(&ada, 0).await);
    branch.sends(&ada, one, other, 100).await.unwrap();
    branch.works().await;
    branch.pass(MINUTE);
    let (none, email) = (ways(false, false, false), ways(true, false, false));
    wishes(&branch, &ada, none.clone(), email.clone(), none.clone()).await;
    reads(&branch, &mailbox).await;
    branch.sends(&ada, one, other, 200).await.unwrap();
    branch.works().await;
    // Asked for more a moment later: what is under way is told all the same.
    branch.pass(MINUTE);
    wishes(&branch, &ada, none.clone(), email, ways(true, false, false)).await;
    branch.announces().await;
    mailbox.fills(&branch).await;
    let told: Vec<_> = mailbox.opens().into_iter().map(|mail| mail.text).collect();
    assert_eq!(told.iter().filter(|text| text.contains("€2.00")).count(), 1, "{told:?}");
    assert!(!told.iter().any(|text| text.contains("€1.00")), "{told:?}");
    branch.sends(&ada, one, other, 300).await.unwrap();
    branch.works().await;
    branch.pass(72 * HOUR + MINUTE);
    branch.announces().await;
    assert_eq!(waiting(&branch).await, 0, "three days are no news");
}

/// Prevents: who sends a cent a hundred times makes somebody's telephone ring a hundred times, at the bank's cost.
#[tokio::test]
async fn news_by_message_are_few_and_by_mail_are_all() {
    let (branch, mailbox, telephones) = (Branch::open().await, Mailbox::new(), Telephones::new());
    let ada = branch.customer("ada@example.org").await;
    let (one, other) = (branch.account(&ada, 10_000).await, branch.account(&ada, 0).await);
    gives_number(&branch, (&mailbox, &telephones), &ada, "%2B491701234567").await;
    let none = ways(false, false, false);
    wishes(&branch, &ada, ways(true, true, false), none.clone(), none).await;
    reads(&branch, &mailbox).await;
    branch.pass(HOUR - branch.now().0 % HOUR);
    for _ in 0..25 {
        branch.sends(&ada, one, other, 1).await.unwrap();
    }
    branch.works().await;
    branch.announces().await;
    while telephones.ring(&branch, &mailbox).await != 0 {}
    assert_eq!((telephones.reads().len(), mailbox.opens().len()), (20, 25));
}

/// FR5a. Prevents: who has got into a login opens and closes accounts there, and their owner never hears of it; or news
/// that come twice, and once more from another adapter.
#[tokio::test]
async fn what_happens_to_an_account_itself_is_told_once_to_whoever_has_it() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    let account = branch.account(&ada, 0).await;
    branch.account(&ben, 0).await;
    let clerk = branch.hires("otto@example.org", &[Role::Operations]).await;
    let clerk = branch.clerk(&clerk).await;
    let limits = SendingLimits { daily_cents: 1, monthly_cents: 2 };
    for _ in 0..2 {
        accounts::suspend(&branch.bank, &clerk, account, "asked by telephone").await.unwrap();
        accounts::resume(&branch.bank, &clerk, account, "asked by telephone").await.unwrap();
    }
    accounts::limit(&branch.bank, &clerk, account, limits).await.unwrap();
    let Bank { store, clock, .. } = &*branch.bank;
    accounts::close(store, &**clock, &branch.orderer(&ada), account).await.unwrap();
    assert_eq!(waiting(&branch).await, 0, "the commits have nothing of it");
    branch.announces().await;
    let other = branch.at(branch.another(&branch.root()).await.unwrap());
    other.announces().await;
    while 0 < mailbox.fills(&branch).await {}
    let (mut hers, his): (Vec<_>, Vec<_>) =
        mailbox.opens().into_iter().partition(|mail| mail.to.written() == ada.email);
    assert_eq!((his.len(), his[0].to.written()), (1, ben.email), "he has opened one too");
    for (words, count) in [
        ("was opened", 1),
        ("was suspended", 2),
        ("is suspended no more", 2),
        ("has other limits", 1),
        ("was closed", 1),
    ] {
        let before = hers.len();
        hers.retain(|mail| !mail.text.contains(words));
        assert_eq!(before - hers.len(), count, "{words}: {hers:?}");
    }
    assert!(hers.is_empty(), "{hers:?}");
    branch.pass(HOUR);
    let branch = branch.reopened().await;
    branch.announces().await;
    assert_eq!(mailbox.fills(&branch).await, 0);
}
