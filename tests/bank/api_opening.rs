//! Opening and closing accounts from an app. What would go wrong without: a program that sends again what it got no
//! answer to and has two accounts, or an account that is closed with money on it.

use crate::app::App;
use crate::branch::Branch;
use axum::http::Request;
use florin_adapter::accounts::{resume, suspend};
use florin_adapter::id::{Account, Id};
use florin_adapter::staff::Role;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PATH: &str = "/v1/accounts";

fn savings() -> Value {
    json!({"account_type": "SAVINGS", "currency": "EUR"})
}

async fn count(app: &App<'_>) -> usize {
    app.gets(PATH).await.good()["data"].as_array().unwrap().len()
}

/// Row 43 of the threat table.
#[tokio::test]
async fn a_key_opens_one_account_and_gets_the_same_answer_for_good() {
    let branch = Branch::open().await;
    let (ada, ben) =
        (branch.customer("ada@example.org").await, branch.customer("ben@example.org").await);
    let app = App::logged_in(&branch, &ada).await;
    let missing = app.posts(PATH, &savings()).await;
    assert_eq!(missing.code(), (400, "idempotency_key_missing"));
    let first = app.orders(PATH, "first", &savings()).await;
    assert_eq!((first.status.as_u16(), first.header("idempotent-replayed")), (201, ""));
    let id = String::from(first.json["account_id"].as_str().unwrap());
    assert_eq!(first.header("location"), format!("/v1/accounts/{id}"));
    for (member, value) in [
        ("account_type", json!("SAVINGS")),
        ("currency", json!("EUR")),
        ("status", json!("ACTIVE")),
        ("posted_balance_cents", json!(0)),
        ("available_balance_cents", json!(0)),
    ] {
        assert_eq!(first.json[member], value);
    }
    assert_eq!(app.gets(&format!("{PATH}/{id}")).await.good(), first.json);

    // Whatever becomes of it meanwhile.
    branch.deposits(id.parse().unwrap(), 700).await;
    let again = app.orders(PATH, "\"first\"", &savings()).await;
    assert_eq!((again.status.as_u16(), again.header("idempotent-replayed")), (201, "true"));
    assert_eq!((again.header("location"), &again.json), (first.header("location"), &first.json));
    let another = json!({"account_type": "CHECKING", "currency": "EUR"});
    let reused = app.orders(PATH, "first", &another).await;
    assert_eq!(reused.code(), (422, "idempotency_key_reused"));
    assert_eq!(reused.json["resource_id"], json!(id));
    assert_eq!(reused.header("idempotent-replayed"), "");
    let his = App::logged_in(&branch, &ben).await.orders(PATH, "first", &savings()).await;
    assert_eq!((his.status.as_u16(), his.header("idempotent-replayed")), (201, ""));
    assert_ne!(his.json["account_id"], first.json["account_id"]);
    assert_eq!(count(&app).await, 1);
    let reopened = branch.reopened().await;
    let app = App::logged_in(&reopened, &ada).await;
    let again = app.orders(PATH, "first", &savings()).await;
    assert_eq!((&again.json, again.header("idempotent-replayed")), (&first.json, "true"));
}

/// Row 43, at the same time.
#[tokio::test]
async fn the_same_order_sixteen_times_at_once_is_one_account() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let app = App::logged_in(&branch, &ada).await;
    let body = savings();
    let opening = (0..16).map(|_| app.orders(PATH, "once", &body));
    let answers = futures_util::future::join_all(opening).await;
    let bodies: BTreeSet<_> = answers.into_iter().map(|it| it.good().to_string()).collect();
    assert_eq!((bodies.len(), count(&app).await), (1, 1));
}

#[tokio::test]
async fn a_body_names_an_account_that_the_bank_has() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let app = App::logged_in(&branch, &ada).await;
    for (member, value) in [
        ("account_type", json!("LOAN")),
        ("account_type", json!("savings")),
        ("account_type", json!(1)),
        ("currency", json!("XXX")),
        ("owner", json!("me")),
    ] {
        let mut body = savings();
        body[member] = value;
        let answer = app.orders(PATH, "odd", &body).await;
        assert_eq!(answer.code(), (400, "invalid_request"), "{body}");
        assert_eq!(answer.json["errors"][0]["pointer"], format!("/{member}"));
    }
    assert_eq!(app.orders(PATH, "odd", &savings()).await.status, 201, "nothing of it was kept");
}

#[tokio::test]
async fn a_customer_has_twenty_accounts_and_a_refusal_stays_one() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let app = App::logged_in(&branch, &ada).await;
    let mut last = String::new();
    for place in 0..20 {
        let opened = app.orders(PATH, &format!("number-{place}"), &savings()).await.good();
        last = String::from(opened["account_id"].as_str().unwrap());
    }
    let refused = app.orders(PATH, "more", &savings()).await;
    assert_eq!(refused.code(), (422, "too_many_accounts"));
    assert_eq!(refused.header("idempotent-replayed"), "");
    let another = json!({"account_type": "CHECKING", "currency": "EUR"});
    let reused = app.orders(PATH, "more", &another).await;
    assert_eq!(reused.code(), (422, "idempotency_key_reused"));
    assert_eq!(reused.json.get("resource_id"), None, "there is nothing that it made");
    app.asks(Request::post(format!("{PATH}/{last}/closing")), String::new()).await.good();
    let again = app.orders(PATH, "more", &savings()).await;
    assert_eq!(again.code(), (422, "too_many_accounts"), "what was answered is answered again");
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(app.orders(PATH, "some-more", &savings()).await.status, 201);
}

#[tokio::test]
async fn an_account_is_closed_when_it_is_empty_by_its_owner_and_stays_so() {
    let branch = Branch::open().await;
    let (ada, ben) =
        (branch.customer("ada@example.org").await, branch.customer("ben@example.org").await);
    let (account, other) = (branch.account(&ada, 600).await, branch.account(&ada, 0).await);
    let app = App::logged_in(&branch, &ada).await;
    let his = App::logged_in(&branch, &ben).await;
    let closes = async |app: &App<'_>, account: Id<Account>| {
        let request = Request::post(format!("{PATH}/{account}/closing"));
        app.asks(request, String::new()).await
    };
    assert_eq!(closes(&app, account).await.code(), (409, "account_not_empty"));
    branch.sends(&ada, account, other, 600).await.unwrap();
    assert_eq!(closes(&app, account).await.code(), (409, "account_not_empty"), "it is held");
    branch.works().await;
    assert_eq!(closes(&his, account).await.code(), (404, "not_found"));
    let fraud = branch.hires("fred@example.org", &[Role::Fraud]).await;
    let clerk = branch.clerk(&fraud).await;
    suspend(&branch.bank, &clerk, account, "looked odd").await.unwrap();
    assert_eq!(closes(&app, account).await.code(), (409, "account_not_usable"));
    resume(&branch.bank, &clerk, account, "looked fine").await.unwrap();
    let closed = closes(&app, account).await.good();
    assert_eq!(
        (&closed["status"], &closed["account_id"]),
        (&json!("CLOSED"), &json!(account.to_string()))
    );
    assert_eq!(closes(&app, account).await.good(), closed, "it may be sent again");
    assert_eq!(closes(&his, account).await.code(), (404, "not_found"));
    assert_eq!(closes(&app, Id::from_number(7)).await.code(), (404, "not_found"));
    let nothing = Request::post(format!("{PATH}/nothing/closing"));
    assert_eq!(app.asks(nothing, String::new()).await.code(), (404, "not_found"));
}
