//! Moving money through the API. What would go wrong without: a program that sends again what it got no answer to,
//! and pays twice.

use crate::app::{Answer, App, json_request, text};
use crate::branch::{Branch, Person};
use crate::browser::Browser;
use florin_adapter::clock::{MINUTE, SECOND};
use florin_adapter::id::{Account, Id};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PATH: &str = "/v1/transactions/transfer";

async fn with_two(branch: &Branch, cents: u64) -> (Person, Id<Account>, Id<Account>) {
    let ada = branch.customer("ada@example.org").await;
    let (one, other) = (branch.account(&ada, cents).await, branch.account(&ada, 0).await);
    (ada, one, other)
}

fn order(source: Id<Account>, destination: Id<Account>, cents: u64) -> Value {
    json!({
        "source_account_id": source.to_string(),
        "destination_account_id": destination.to_string(),
        "amount_cents": cents,
        "currency": "EUR",
        "description": "for the garden",
    })
}

async fn sends(app: &App<'_>, key: &str, body: &Value) -> Answer {
    app.asks(json_request(PATH).header("Idempotency-Key", key), body.to_string()).await
}

#[tokio::test]
async fn a_transfer_is_accepted_when_the_money_is_held_and_says_where_it_goes_on() {
    let branch = Branch::open().await;
    let (ada, one, other) = with_two(&branch, 10_000).await;
    let app = App::logged_in(&branch, &ada).await;
    let answer = sends(&app, "\"first\"", &order(one, other, 2_500)).await;
    assert_eq!(answer.status, 202, "{}", answer.json);
    assert_eq!(branch.balance(one).await, (10_000, 7_500));
    let location = String::from(answer.header("location"));
    assert_eq!(answer.header("idempotent-replayed"), "");
    let begun = answer.good();
    assert_eq!(location, format!("/v1/transactions/{}", begun["transaction_id"].as_str().unwrap()));
    for (member, value) in [
        ("status", json!("PENDING")),
        ("amount_cents", json!(2_500)),
        ("currency", json!("EUR")),
        ("source_account_id", json!(one.to_string())),
        ("description", json!("for the garden")),
    ] {
        assert_eq!(begun[member], value);
    }
    branch.works().await;
    let done = app.gets(&location).await.good();
    assert_eq!(
        (&done["status"], &done["transaction_ref"]),
        (&json!("COMPLETED"), &begun["transaction_ref"])
    );
}

/// Row 43 of the threat table: missing, the same again, another body, another customer, after a refusal, in another
/// adapter.
#[tokio::test]
async fn a_key_names_one_order_of_one_customer_for_good() {
    let branch = Branch::open().await;
    let (ada, one, other) = with_two(&branch, 1_000).await;
    let app = App::logged_in(&branch, &ada).await;
    let body = order(one, other, 600);
    let missing = app.posts(PATH, &body).await;
    assert_eq!(missing.code(), (400, "idempotency_key_missing"));
    for key in ["", "\"", "a b", &*"x".repeat(256)] {
        assert_eq!(sends(&app, key, &body).await.code(), (400, "invalid_request"), "{key}");
    }
    let twice = json_request(PATH).header("Idempotency-Key", "a").header("Idempotency-Key", "a");
    assert_eq!(app.asks(twice, body.to_string()).await.code(), (400, "invalid_request"));

    let first = sends(&app, "rent", &body).await;
    assert_eq!((first.status.as_u16(), first.header("idempotent-replayed")), (202, ""));
    branch.works().await;
    let again = sends(&app, "\"rent\"", &body).await;
    assert_eq!((again.status.as_u16(), again.header("idempotent-replayed")), (202, "true"));
    assert_eq!((again.header("location"), &again.json), (first.header("location"), &first.json));
    let spaced = body.to_string().replace(':', " : ");
    let spaced = app.asks(json_request(PATH).header("Idempotency-Key", "rent"), spaced).await;
    assert_eq!(spaced.json, first.json, "it is what is meant that counts");

    for (member, value) in [
        ("amount_cents", json!(601)),
        ("description", json!("for the house")),
        ("destination_account_id", json!(branch.account(&ada, 0).await.to_string())),
    ] {
        let mut another = body.clone();
        another[member] = value;
        let refused = sends(&app, "rent", &another).await;
        assert_eq!(refused.code(), (422, "idempotency_key_reused"), "{member}");
        assert_eq!(refused.json["resource_id"], first.json["transaction_id"]);
        assert_eq!(refused.header("idempotent-replayed"), "");
    }
    assert_eq!(branch.balance(one).await, (400, 400));

    // A refusal is an answer too: whatever comes in later, it stays.
    let large = order(one, other, 500);
    let refused = sends(&app, "large", &large).await;
    assert_eq!(
        (refused.code(), refused.header("idempotent-replayed")),
        ((422, "insufficient_funds"), "")
    );
    branch.deposits(one, 1_000).await;
    let again = sends(&app, "large", &large).await;
    assert_eq!(
        (again.code(), again.header("idempotent-replayed")),
        ((422, "insufficient_funds"), "true")
    );
    let changed = sends(&app, "large", &order(one, other, 501)).await;
    assert_eq!(changed.code(), (422, "idempotency_key_reused"));
    assert_eq!(changed.json.get("resource_id"), None, "there is nothing that it made");
    assert_eq!(branch.balance(one).await, (1_400, 1_400));
    assert_eq!(sends(&app, "large, again", &large).await.status, 400);
    assert_eq!(sends(&app, "large2", &large).await.status, 202);

    let ben = branch.customer("ben@example.org").await;
    let (his, too) = (branch.account(&ben, 1_000).await, branch.account(&ben, 0).await);
    let his_app = App::logged_in(&branch, &ben).await;
    let own = sends(&his_app, "rent", &order(his, too, 1)).await;
    assert_eq!((own.status.as_u16(), own.header("idempotent-replayed")), (202, ""));

    // Another adapter, and another login of hers.
    let another = branch.reopened().await;
    let app = App::logged_in(&another, &ada).await;
    let again = sends(&app, "rent", &body).await;
    assert_eq!((&again.json, again.header("idempotent-replayed")), (&first.json, "true"));
    let again = sends(&app, "large", &large).await;
    assert_eq!(
        (again.code(), again.header("idempotent-replayed")),
        ((422, "insufficient_funds"), "true")
    );
}

/// Row 43, at the same time: one transfer, and one answer.
#[tokio::test]
async fn the_same_order_sixteen_times_at_once_is_one_transfer() {
    let branch = Branch::open().await;
    let (ada, one, other) = with_two(&branch, 1_000).await;
    let app = App::logged_in(&branch, &ada).await;
    let body = order(one, other, 600);
    let sending = (0..16).map(|_| sends(&app, "once", &body));
    let answers = futures_util::future::join_all(sending).await;
    let bodies: BTreeSet<_> = answers.iter().map(|answer| answer.json.to_string()).collect();
    assert!(answers.iter().all(|answer| answer.status == 202), "{bodies:?}");
    assert_eq!((bodies.len(), branch.balance(one).await), (1, (1_000, 400)));
}

/// Rows 40 and 52, and rule upon rule: nothing is held, and the ledger is what it was.
#[tokio::test]
async fn what_can_not_be_sent_is_refused_with_its_code() {
    let branch = Branch::open().await;
    let (ada, one, other) = with_two(&branch, 1_000).await;
    let ben = branch.customer("ben@example.org").await;
    let his = branch.account(&ben, 1_000).await;
    let app = App::logged_in(&branch, &ada).await;
    let nobodys = "acc_00000000000000000000000000";
    let good = order(one, other, 100);
    for (place, (member, value, status, code)) in [
        ("source_account_id", json!(his.to_string()), 404, "not_found"),
        ("source_account_id", json!(nobodys), 404, "not_found"),
        ("destination_account_id", json!(nobodys), 404, "not_found"),
        ("beneficiary_id", json!("ben_00000000000000000000000000"), 400, "invalid_request"),
        ("destination_account_id", json!(one.to_string()), 422, "accounts_must_differ"),
        ("currency", json!("USD"), 422, "currency_mismatch"),
        ("amount_cents", json!(1_001), 422, "insufficient_funds"),
        ("source_account_id", json!("acc_x"), 400, "invalid_request"),
        ("source_account_id", json!(ada.id.to_string()), 400, "invalid_request"),
        ("currency", json!("XXX"), 400, "invalid_request"),
        ("currency", json!("eur"), 400, "invalid_request"),
        ("amount_cents", json!(0), 400, "invalid_request"),
        ("amount_cents", json!(-1), 400, "invalid_request"),
        ("amount_cents", json!(1.5), 400, "invalid_request"),
        ("amount_cents", json!("100"), 400, "invalid_request"),
        ("amount_cents", json!(9_007_199_254_740_992_u64), 400, "invalid_request"),
        ("description", json!("x".repeat(141)), 400, "invalid_request"),
        ("description", json!("a\r\nb"), 400, "invalid_request"),
        ("fee_cents", json!(0), 400, "invalid_request"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut body = good.clone();
        body[member] = value;
        let answer = sends(&app, &format!("key-{place}"), &body).await;
        assert_eq!(answer.code(), (status, code), "{member} {}", body[member]);
        if status == 400 {
            assert_eq!(answer.json["errors"][0]["pointer"], format!("/{member}"));
        }
    }
    assert_eq!(branch.balance(one).await, (1_000, 1_000));
    assert_eq!(branch.balance(his).await, (1_000, 1_000));
}

/// Prevents: a payment to somebody else that only a login allows, or a proof for one payment that lets another
/// through.
#[tokio::test]
async fn a_payment_to_somebody_else_needs_a_proof_for_just_this_one() {
    let branch = Branch::open().await;
    let (ada, one, _) = with_two(&branch, 10_000).await;
    let ben = branch.customer("ben@example.org").await;
    let his = branch.account(&ben, 0).await;
    let (mut app, his_app) =
        (App::logged_in(&branch, &ada).await, App::logged_in(&branch, &ben).await);
    let strict = branch.with_options(|options| options.step_up_above_cents = 3_000).await;
    app.router = florin_adapter::web::router(strict);
    let number = text(&his_app.gets(&format!("/v1/accounts/{his}")).await.good(), "account_number");
    let payee = app
        .posts("/v1/beneficiaries", &json!({"name": "Ada Quill", "account_number": number}))
        .await;
    assert_eq!(payee.status, 201, "{}", payee.json);
    let payee = payee.good();
    assert_eq!(
        (&payee["verification"], &payee["beneficiary_type"]),
        (&json!("match"), &json!("INTERNAL"))
    );
    let pays = |cents| {
        let mut order = order(one, his, cents);
        order.as_object_mut().unwrap().remove("destination_account_id");
        order["beneficiary_id"] = payee["beneficiary_id"].clone();
        order
    };
    assert_eq!(sends(&app, "small", &pays(3_000)).await.status, 202);
    let asked = sends(&app, "large", &pays(3_001)).await;
    assert_eq!(asked.code(), (403, "step_up_required"));
    let challenge = text(&asked.json, "challenge_id");
    let proved = |mut order: Value| {
        order["challenge_id"] = json!(challenge);
        order
    };
    assert_eq!(sends(&app, "large", &proved(pays(3_001))).await.code(), (403, "step_up_required"));
    let verify = format!("/v1/challenges/{challenge}/verify");
    assert_eq!(
        app.posts(&verify, &json!({"code": "000000"})).await.code(),
        (422, "second_factor_mismatch")
    );
    branch.pass(30 * SECOND);
    let code = json!({"code": ada.totp.code(branch.now())});
    assert_eq!(app.posts(&verify, &code).await.status, 204);
    assert_eq!(sends(&app, "other", &proved(pays(3_002))).await.code(), (403, "step_up_required"));
    let done = sends(&app, "large", &proved(pays(3_001))).await;
    assert_eq!(
        (done.status.as_u16(), done.header("idempotent-replayed")),
        (202, ""),
        "{}",
        done.json
    );
    let again = sends(&app, "large", &proved(pays(3_001))).await;
    assert_eq!((&again.json, again.header("idempotent-replayed")), (&done.json, "true"));
    assert_eq!(sends(&app, "again", &proved(pays(3_001))).await.code(), (403, "step_up_required"));
    branch.works().await;
    assert_eq!(branch.balance(his).await, (6_001, 6_001));
    // More than an account may send in a day, kept as any refusal.
    branch.deposits(one, 1_000_000).await;
    let much = order(one, branch.account(&ada, 0).await, 600_000);
    let much = sends(&app, "much", &much).await;
    assert_eq!(much.code(), (422, "daily_limit_exceeded"));
}

/// Row 34 of the threat table: prevents an app that finds out what people are called, name by name.
#[tokio::test]
async fn whoever_asks_for_names_again_and_again_is_put_off_in_apps_and_pages_alike() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let app = App::logged_in(&branch, &ada).await;
    let body = json!({"name": "Ada Quill", "account_number": "DE89370400440532013000"});
    let mut noted = 0;
    let last = loop {
        let answer = app.posts("/v1/beneficiaries", &body).await;
        if ![201, 409].contains(&answer.status.as_u16()) {
            break answer;
        }
        noted += 1;
    };
    assert_eq!(last.code(), (429, "rate_limited"));
    assert!(!last.header("retry-after").is_empty());
    assert_eq!(noted, 59, "one of sixty was the password");
    let body = json!({"email": "ada@example.org", "password": "x"});
    assert_eq!(app.posts_open("/v1/auth/login", &body).await.code(), (429, "rate_limited"));
    let mut browser = Browser::of(&branch);
    let csrf = browser.token("/login").await;
    let page = browser.posts("/login", &format!("csrf={csrf}&email=a&password=b")).await;
    assert_eq!(page.status, 429);
    branch.pass(MINUTE);
    app.gets("/v1/beneficiaries").await.good();
}

/// Prevents: a beneficiary that is noted twice, or that another customer sees.
#[tokio::test]
async fn beneficiaries_are_noted_once_and_are_their_customers_own() {
    let branch = Branch::open().await;
    let (ada, _, _) = with_two(&branch, 0).await;
    let ben = branch.customer("ben@example.org").await;
    let app = App::logged_in(&branch, &ada).await;
    let body = json!({"name": "Landlord", "account_number": "GB82 WEST 1234 5698 7654 32", "bank_code": "WEST"});
    let added = app.posts("/v1/beneficiaries", &body).await;
    let location = String::from(added.header("location"));
    let added = added.good();
    assert_eq!(
        (&added["beneficiary_type"], &added["verification"]),
        (&json!("INTERNATIONAL"), &json!("none"))
    );
    let again = app.posts("/v1/beneficiaries", &body).await;
    assert_eq!(again.code(), (409, "beneficiary_exists"));
    assert_eq!(again.json["resource_id"], added["beneficiary_id"]);
    assert_eq!(app.gets("/v1/beneficiaries").await.good()["data"], json!([added]));
    let his = App::logged_in(&branch, &ben).await;
    assert_eq!(his.gets("/v1/beneficiaries").await.good()["data"], json!([]));
    for (member, value) in [
        ("account_number", json!("GB82 WEST 1234 5698 7654 33")),
        ("name", json!("")),
        ("name", json!("x".repeat(141))),
        ("name", json!("a\u{7}b")),
        ("bank_code", json!("x".repeat(36))),
        ("is_verified", json!(true)),
    ] {
        let mut wrong = body.clone();
        wrong[member] = value;
        let answer = app.posts("/v1/beneficiaries", &wrong).await;
        assert_eq!(answer.code(), (400, "invalid_request"), "{member}");
        assert_eq!(answer.json["errors"][0]["pointer"], format!("/{member}"));
    }
    let remove = || axum::http::Request::delete(&location);
    assert_eq!(app.asks(remove(), String::new()).await.status, 204);
    assert_eq!(app.asks(remove(), String::new()).await.code(), (404, "not_found"));
}

/// Prevents: a transfer that is shown as pending while its money is free again, because no worker is there.
#[tokio::test]
async fn a_transfer_whose_hold_has_expired_has_failed_whoever_writes_it_down() {
    let branch = Branch::open().await;
    let (ada, one, other) = with_two(&branch, 1_000).await;
    let app = App::logged_in(&branch, &ada).await;
    let begun = sends(&app, "x", &order(one, other, 400)).await;
    let location = String::from(begun.header("location"));
    branch.pass(4 * MINUTE);
    assert_eq!(app.gets(&location).await.good()["status"], "PENDING");
    branch.pass(MINUTE + SECOND);
    let failed = app.gets(&location).await.good();
    assert_eq!(
        (&failed["status"], &failed["failure_reason"]),
        (&json!("FAILED"), &json!("expired"))
    );
}
