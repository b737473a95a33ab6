//! Devices that show notices. What would go wrong without: somebody's payments are shown on a telephone that is
//! another's by now, or a bank that sends to nobody for ever.

use crate::app::App;
use crate::branch::{Branch, Person};
use crate::mailbox::Mailbox;
use crate::preferences::{puts, ways};
use crate::telephones::Telephones;
use axum::http::Request;
use florin_adapter::alerts::{DEVICES_MAX, Devices, PushToken, RegisterRefused};
use florin_adapter::customers::erase;
use florin_adapter::notify::Platform;
use florin_adapter::tables;
use florin_ledger::document::DocumentScan;
use futures_util::future::join_all;
use serde_json::json;

const API: &str = "/v1/users/me/devices";

async fn registers(app: &App<'_>, token: &str) -> crate::app::Answer {
    app.posts(API, &json!({"platform": "ios", "token": token})).await
}

async fn count(app: &App<'_>) -> usize {
    app.gets(API).await.good()["data"].as_array().unwrap().len()
}

async fn tokens_count(branch: &Branch) -> usize {
    let scan = DocumentScan { table: tables::DEVICE_TOKENS, limit: 100, ..Default::default() };
    branch.client.scan_documents(&scan).await.unwrap().items.len()
}

#[tokio::test]
async fn a_device_is_registered_once_and_at_most_five_are() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let app = App::logged_in(&branch, &ada).await;
    let first = registers(&app, "token-1").await;
    assert_eq!(first.status, 201);
    let again = registers(&app, "token-1").await;
    assert_eq!((again.status.as_u16(), &again.json), (200, &first.json));
    assert!(!first.json.to_string().contains("token-1"), "it is not told again");
    for number in 2..=DEVICES_MAX {
        assert_eq!(registers(&app, &format!("token-{number}")).await.status, 201);
    }
    assert_eq!(registers(&app, "token-6").await.code(), (422, "too_many_devices"));
    let path = format!("{API}/{}", first.json["device_id"].as_str().unwrap());
    let ben = branch.customer("ben@example.org").await;
    let others = App::logged_in(&branch, &ben).await;
    let answer = others.asks(Request::delete(&path), String::new()).await;
    assert_eq!(answer.code(), (404, "not_found"), "row 40");
    assert_eq!(app.asks(Request::delete(&path), String::new()).await.status, 204);
    assert_eq!(app.asks(Request::delete(&path), String::new()).await.code(), (404, "not_found"));
    assert_eq!(registers(&app, "token-6").await.status, 201);
    assert_eq!((count(&app).await, tokens_count(&branch).await), (5, 5));
    for odd in ["", "a b", "a\nb", "ü", &*"x".repeat(2_049)] {
        let answer = registers(&app, odd).await;
        assert_eq!(answer.code(), (400, "invalid_request"), "{odd:?}");
        assert_eq!(answer.json["errors"][0]["pointer"], "/token");
    }
    let answer = app.posts(API, &json!({"platform": "pager", "token": "t"})).await;
    assert_eq!(answer.code(), (400, "invalid_request"));
    for (name, bytes) in branch.files() {
        let is_there = bytes.windows(7).any(|window| window == b"token-1");
        assert!(!is_there, "{name} says a token");
    }
}

/// Prevents: somebody who has had another's app in their hands for a moment, and reads along from then on.
#[tokio::test]
async fn who_gets_a_device_is_told_by_mail_once() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    let app = App::logged_in(&branch, &ada).await;
    for status in [201, 200] {
        assert_eq!(registers(&app, "token-1").await.status, status);
    }
    mailbox.fills(&branch).await;
    let letter = mailbox.only(ada.email);
    assert_eq!(letter.subject, "A device shows what Bank tells you");
    assert!(
        letter.text.contains("/recover") && !letter.text.contains("token-1"),
        "{}",
        letter.text
    );
}

/// Prevents: more than five, of who asks for them at the same time.
#[tokio::test]
async fn of_many_that_are_registered_at_once_five_are() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let (store, clock, orderer) = (&branch.bank.store, &*branch.bank.clock, &branch.orderer(&ada));
    let registering = (0..9).map(|number| async move {
        let token = PushToken::parse(&format!("token-{number}")).unwrap();
        Devices::register(store, clock, orderer, Platform::Web, &token).await
    });
    let results = join_all(registering).await;
    assert!(results.iter().all(|result| match result {
        Ok(_) => true,
        Err(RegisterRefused::TooMany | RegisterRefused::Bank(_)) => true,
    }));
    let devices = Devices::of(store, ada.id).await.unwrap();
    let registered = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(devices.len(), registered);
    assert!((1..=DEVICES_MAX).contains(&registered), "{registered}");
}

/// Who has a device, with accounts and wishes to be told on it.
async fn onlooker<'a>(branch: &'a Branch, email: &'static str, token: &str) -> (Person, App<'a>) {
    let person = branch.customer(email).await;
    let app = App::logged_in(branch, &person).await;
    registers(&app, token).await.good();
    let (none, push) = (ways(false, false, false), ways(false, false, true));
    let body = json!({"money_in": push, "money_out": none, "money_out_failed": none});
    puts(&app, &body).await.good();
    (person, app)
}

/// Prevents: a telephone that was sold, or lent, and shows its old owner's money.
#[tokio::test]
async fn a_device_is_one_customers_and_who_logs_in_last_has_it() {
    let (branch, mailbox, telephones) = (Branch::open().await, Mailbox::new(), Telephones::new());
    let (ada, adas) = onlooker(&branch, "ada@example.org", "shared").await;
    registers(&adas, "hers").await.good();
    let (ben, bens) = onlooker(&branch, "ben@example.org", "shared").await;
    assert_eq!((count(&adas).await, count(&bens).await, tokens_count(&branch).await), (1, 1, 2));
    let (one, other) = (branch.account(&ada, 10_000).await, branch.account(&ada, 0).await);
    let bens_account = branch.account(&ben, 0).await;
    branch.sends(&ada, one, other, 100).await.unwrap();
    branch.sends(&ada, one, bens_account, 200).await.unwrap();
    branch.works().await;
    branch.announces().await;
    telephones.ring(&branch, &mailbox).await;
    let seen = telephones.sees();
    let [(hers, of_ada), (shared, of_ben)] = &seen[..] else { panic!("two: {seen:?}") };
    assert!(hers == "hers" && of_ada.contains("€1.00"), "{seen:?}");
    assert!(shared == "shared" && of_ben.contains("€2.00"), "{seen:?}");
}

/// Prevents: notices that are sent to nobody for ever, and tried again for three days each.
#[tokio::test]
async fn a_device_that_is_gone_is_forgotten() {
    let (branch, mailbox, telephones) = (Branch::open().await, Mailbox::new(), Telephones::new());
    let (ada, app) = onlooker(&branch, "ada@example.org", "lost").await;
    registers(&app, "kept").await.good();
    telephones.loses("lost");
    let (one, other) = (branch.account(&ada, 10_000).await, branch.account(&ada, 0).await);
    branch.sends(&ada, one, other, 100).await.unwrap();
    branch.works().await;
    branch.announces().await;
    telephones.ring(&branch, &mailbox).await;
    assert_eq!(telephones.sees().len(), 1);
    assert_eq!((count(&app).await, tokens_count(&branch).await), (1, 1));
    assert_eq!(telephones.ring(&branch, &mailbox).await, 0, "nothing is left");
}

/// N05: prevents what leads to somebody who is no customer any more.
#[tokio::test]
async fn devices_and_wishes_go_with_their_customer() {
    let branch = Branch::open().await;
    let (ada, app) = onlooker(&branch, "ada@example.org", "hers").await;
    registers(&app, "another").await.good();
    let count_of = async |table| {
        let scan = DocumentScan { table, limit: 100, ..Default::default() };
        branch.client.scan_documents(&scan).await.unwrap().items.len()
    };
    let tables = [tables::DEVICES, tables::DEVICE_TOKENS, tables::NOTIFICATION_PREFERENCES];
    for table in tables {
        assert_ne!(count_of(table).await, 0);
    }
    let caller = florin_adapter::audit::Caller::bank();
    erase(&branch.bank.store, &*branch.bank.clock, &caller, ada.id).await.unwrap();
    for table in tables {
        assert_eq!(count_of(table).await, 0, "{table}");
    }
}
