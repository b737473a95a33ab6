//! A clock that is set by hand. What would go wrong without: tests of what happens in a month take a month; or, with it, a
//! bank whose time somebody sets, though it was never made for that.

use crate::app::{App, text};
use crate::branch::{Branch, Person};
use axum::http::{Method, Request};
use florin_adapter::clock::{HOUR, MINUTE, SECOND};
use florin_adapter::packed::{Bytes, pack};
use florin_adapter::payments::{TransactionStatus, TransferRefused};
use florin_adapter::staff::Role;
use florin_adapter::test_clock::{self, SetRefused, TestClock};
use florin_adapter::{BankError, tables};
use florin_ledger::document::DocumentScan;
use florin_ledger::{DocumentWrite, Timestamp};
use serde_json::json;
use std::collections::BTreeMap;

const API: &str = "/v1/staff/test-clock";
const DAY: u64 = 24 * HOUR;

/// A bank whose clock is set by hand.
async fn open() -> Branch {
    let branch = Branch::open().await;
    let mut bank = branch.another(&branch.root()).await.unwrap();
    TestClock::make(&mut bank, branch.clock.clone()).await.unwrap();
    branch.at(bank)
}

/// To the second, as the API reads it.
fn written(time: Timestamp) -> String {
    let time = jiff::Timestamp::from_nanosecond(i128::from(time.0)).unwrap();
    format!("{time:.0}")
}

async fn sets(app: &App<'_>, time: &str) -> crate::app::Answer {
    let request = Request::builder().method(Method::PUT).uri(API);
    let request = request.header("content-type", "application/json");
    app.asks(request, json!({ "now": time }).to_string()).await
}

/// An app of somebody who may set the clock.
async fn setter<'a>(branch: &'a Branch, amy: &Person) -> App<'a> {
    App::logged_in(branch, amy).await
}

async fn moves(branch: &Branch, amy: &Person, nanoseconds: u64) {
    let app = setter(branch, amy).await;
    let to = written(Timestamp(branch.now().0 + nanoseconds));
    let now = sets(&app, &to).await.good();
    assert_eq!(text(&now, "now")[..19], to[..19]);
}

/// O15: what happens in five minutes, on another day, in another month.
#[tokio::test]
async fn holds_expire_logins_end_and_limits_begin_anew_when_the_clock_is_set_forward() {
    let branch = open().await;
    let amy = branch.hires("amy@example.org", &[Role::Admin]).await;
    let ada = branch.customer("ada@example.org").await;
    let (one, other) = (branch.account(&ada, 10_000).await, branch.account(&ada, 0).await);
    branch.limits(one, 1_000, 1_500).await;
    let login = branch.login(&ada).await;
    let begun = branch.sends(&ada, one, other, 1_000).await.unwrap();
    assert_eq!(branch.balance(one).await, (10_000, 9_000));
    moves(&branch, &amy, 6 * MINUTE).await;
    assert!(!branch.is_in(&login).await, "nobody used it for so long");
    assert_eq!(branch.balance(one).await, (10_000, 10_000), "the hold has expired");
    branch.works_off_expiries().await;
    let view = branch.view(&ada, begun.transaction).await;
    assert_eq!((view.status, view.reason.as_deref()), (TransactionStatus::Failed, Some("expired")));

    branch.sends(&ada, one, other, 1_000).await.unwrap();
    branch.works().await;
    let more = branch.sends(&ada, one, other, 1).await;
    assert!(matches!(more, Err(TransferRefused::DailyLimit)));
    moves(&branch, &amy, DAY).await;
    branch.sends(&ada, one, other, 500).await.unwrap();
    branch.works().await;
    let more = branch.sends(&ada, one, other, 1).await;
    assert!(matches!(more, Err(TransferRefused::MonthlyLimit)));
    moves(&branch, &amy, 31 * DAY).await;
    branch.sends(&ada, one, other, 1_000).await.unwrap();
    branch.works().await;
    assert_eq!(branch.balance(other).await, (2_500, 2_500));
    let clock = branch.bank.time.check(&branch.client).await.unwrap();
    assert_eq!(clock, Ok(()), "ledger and adapter have one clock");
}

/// Prevents: a bank that is opened again and whose time has gone back.
#[tokio::test]
async fn a_bank_that_is_opened_again_goes_on_from_where_its_clock_was_set_to() {
    let branch = open().await;
    let amy = branch.hires("amy@example.org", &[Role::Admin]).await;
    moves(&branch, &amy, 40 * DAY).await;
    let before = branch.now();
    branch.clock.forgets();
    assert!(branch.now() < before);
    let branch = branch.reopened().await;
    let mut bank = branch.another(&branch.root()).await.unwrap();
    assert!(TestClock::resume(&mut bank, branch.clock.clone()).await.unwrap());
    assert_eq!(branch.now(), before);
    let branch = branch.at(bank);
    branch.pass(SECOND);
    moves(&branch, &amy, DAY).await;
    assert_eq!(branch.bank.time.check(&branch.client).await.unwrap(), Ok(()));
}

/// Prevents: time that goes back, or beyond where the ledger's ends; and a clock that anybody sets.
#[tokio::test]
async fn the_clock_goes_forward_alone_and_admins_alone_set_it() {
    let branch = open().await;
    let amy = branch.hires("amy@example.org", &[Role::Admin]).await;
    let sue = branch.hires("sue@example.org", &[Role::Support]).await;
    let ada = branch.customer("ada@example.org").await;
    let later = written(Timestamp(branch.now().0 + DAY));
    let support = App::logged_in(&branch, &sue).await;
    assert_eq!(sets(&support, &later).await.code(), (403, "role_missing"));
    support.gets(API).await.good();
    let customer = App::logged_in(&branch, &ada).await;
    assert_eq!(sets(&customer, &later).await.code(), (403, "not_staff"));
    assert_eq!(App::of(&branch).gets(API).await.code(), (401, "invalid_token"));
    let admin = setter(&branch, &amy).await;
    let now = branch.now();
    for odd in ["", "tomorrow", "2101-01-01T00:00:00Z", "1969-01-01T00:00:00Z", &*written(now)] {
        let answer = sets(&admin, odd).await;
        assert_eq!(answer.code(), (400, "invalid_request"), "{odd}");
        assert_eq!(answer.json["errors"][0]["pointer"], "/now");
    }
    assert_eq!(branch.now(), now);
    let rows = branch.audit_rows().await;
    assert!(rows.iter().all(|row| row.entity_type != "CLOCK"));
    sets(&admin, &later).await.good();
    let rows = branch.audit_rows().await;
    assert_eq!(rows.iter().filter(|row| row.entity_type == "CLOCK").count(), 1);
}

/// Prevents: a bank of customers whose time somebody of the staff, or whoever writes documents, sets.
#[tokio::test]
async fn in_a_bank_that_was_not_made_for_it_there_is_no_such_clock() {
    let branch = Branch::open().await;
    let amy = branch.hires("amy@example.org", &[Role::Admin]).await;
    let admin = App::logged_in(&branch, &amy).await;
    assert_eq!(admin.gets(API).await.code(), (404, "not_found"));
    let later = Timestamp(branch.now().0 + DAY);
    assert_eq!(sets(&admin, &written(later)).await.code(), (404, "not_found"));
    let clerk = branch.clerk(&amy).await;
    let set = test_clock::set(&branch.bank, &clerk, later).await;
    assert!(matches!(set, Err(SetRefused::NoTestClock)));
    assert!(!test_clock::has_no_bank(&branch.client).await.unwrap());
    let mut bank = branch.another(&branch.root()).await.unwrap();
    assert!(!TestClock::resume(&mut bank, branch.clock.clone()).await.unwrap());
    assert!(bank.test_clock.is_none());

    // Another's mark, and one without the bank's seal.
    let made = open().await;
    let scan = DocumentScan { table: tables::TEST_CLOCKS, limit: 1, ..DocumentScan::default() };
    let mark = made.client.scan_documents(&scan).await.unwrap().items.pop().unwrap();
    let open = BTreeMap::from([("ahead_ns", DAY)]);
    let unsealed = [&[2][..], &pack(&(open, None::<Bytes>, None::<Bytes>))].concat();
    for value in [mark.value, Some(unsealed)] {
        let (table, key) = (tables::TEST_CLOCKS, mark.key.clone());
        let write = DocumentWrite { table, key, value, ..DocumentWrite::default() };
        branch.client.write_documents(&[write]).await.unwrap();
        let resumed = TestClock::resume(&mut bank, branch.clock.clone()).await;
        assert!(matches!(resumed, Err(BankError::Damaged(_))), "{resumed:?}");
    }
    assert!(bank.clock.now() < later);
}
