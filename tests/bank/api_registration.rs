//! Becoming a customer from an app. What would go wrong without: somebody is a customer by an address that they do not
//! read, or without a second factor; or the answers tell who is one.

use crate::app::{Answer, App, text};
use crate::branch::{Branch, PASSWORD};
use crate::mailbox::{Mailbox, link, token};
use florin_adapter::clock::{HOUR, SECOND};
use florin_adapter::customers::TotpSecret;
use serde_json::{Value, json};
use std::sync::Arc;

const BEGIN: &str = "/v1/registrations";
const CONFIRM: &str = "/v1/registrations/confirm";
const ENROL: &str = "/v1/registrations/enrol";

fn newcomer(email: &str) -> Value {
    json!({"first_name": "Emmy", "last_name": "Else", "email": email, "password": PASSWORD})
}

/// What the letter's link carries.
async fn registers(app: &App<'_>, mailbox: &Arc<Mailbox>, email: &str) -> String {
    let answer = app.posts_open(BEGIN, &newcomer(email)).await;
    assert_eq!((answer.status.as_u16(), &answer.json), (202, &Value::Null));
    mailbox.fills(app.branch).await;
    String::from(token(&link(&mailbox.only(email))))
}

async fn confirms(app: &App<'_>, token: &str) -> Answer {
    app.posts_open(CONFIRM, &json!({"token": token})).await
}

async fn enrols(app: &App<'_>, enrolment: &str, code: &str) -> Answer {
    app.posts_open(ENROL, &json!({"enrolment": enrolment, "code": code})).await
}

/// The secret that an answer tells.
pub(crate) fn secret(answer: &Value) -> TotpSecret {
    let secret = text(&answer["authenticator"], "secret");
    let uri = text(&answer["authenticator"], "uri");
    assert!(uri.starts_with("otpauth://totp/Bank:") && uri.contains(&secret), "{uri}");
    TotpSecret::try_from(secret).unwrap()
}

/// The codes that an answer tells.
pub(crate) fn codes(answer: &Value) -> Vec<String> {
    let codes = answer["recovery_codes"].as_array().unwrap();
    codes.iter().map(|code| String::from(code.as_str().unwrap())).collect()
}

#[tokio::test]
async fn an_address_a_mailbox_and_an_authenticator_make_a_customer() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let mut app = App::of(&branch);
    let email = "emmy@example.org";
    let token = registers(&app, &mailbox, email).await;
    assert!(!branch.lets_in(email, PASSWORD, "000000").await);
    let confirmed = confirms(&app, &token).await.good();
    let (enrolment, totp) = (text(&confirmed, "enrolment"), secret(&confirmed));
    assert!(text(&confirmed["authenticator"], "uri").contains("emmy%40example%2Eorg"));
    assert_eq!(enrols(&app, &enrolment, "000000").await.code(), (422, "second_factor_mismatch"));
    let first = totp.code(branch.now());
    let enrolled = enrols(&app, &enrolment, &first).await;
    assert_eq!(enrolled.status, 201);
    assert_eq!(enrolled.header("cache-control"), "no-store");
    let codes = codes(&enrolled.json);
    assert_eq!(codes.len(), 10);

    let attempt = app.begins(email, PASSWORD).await;
    assert_eq!(app.verifies(&attempt, &first).await.code(), (401, "login_failed"), "row 37");
    branch.pass(30 * SECOND);
    let attempt = app.begins(email, PASSWORD).await;
    let tokens = app.verifies(&attempt, &totp.code(branch.now())).await.good();
    app.takes(&tokens);
    let me = app.gets("/v1/users/me").await.good();
    let named = (&me["first_name"], &me["last_name"], &me["email"]);
    assert_eq!(named, (&json!("Emmy"), &json!("Else"), &json!(email)));
    assert_eq!(app.gets("/v1/accounts").await.good()["data"], json!([]));
    assert!(branch.lets_in(email, PASSWORD, &codes[0]).await);
}

/// Rows 36 and 38: no step is taken twice, in the place of another, or too late; which it was is not told.
#[tokio::test]
async fn each_step_is_taken_once_in_its_place_and_in_time() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let app = App::of(&branch);
    let over = (410, "link_is_over");
    for nonsense in ["", "x", &"A".repeat(64), &"A".repeat(10_000)] {
        assert_eq!(confirms(&app, nonsense).await.code(), over, "{nonsense:.20}");
        assert_eq!(enrols(&app, nonsense, "123456").await.code(), over, "{nonsense:.20}");
    }
    let token = registers(&app, &mailbox, "emmy@example.org").await;
    assert_eq!(enrols(&app, &token, "123456").await.code(), over, "before the mailbox");
    let confirmed = confirms(&app, &token).await.good();
    assert_eq!(confirms(&app, &token).await.code(), over, "a link is good once");
    let enrolment = text(&confirmed, "enrolment");
    assert_eq!(confirms(&app, &enrolment).await.code(), over, "this is no link");
    branch.pass(HOUR);
    let code = secret(&confirmed).code(branch.now());
    assert_eq!(enrols(&app, &enrolment, &code).await.code(), over, "an hour is over");

    let late = registers(&app, &mailbox, "emmy@example.org").await;
    branch.pass(24 * HOUR);
    assert_eq!(confirms(&app, &late).await.code(), over, "a day is over");
    assert!(branch.registers("emmy@example.org").await.is_some(), "the address is free");
}

#[tokio::test]
async fn of_two_who_want_an_address_the_first_to_enrol_has_it() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let app = App::of(&branch);
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let token = registers(&app, &mailbox, "emmy@example.org").await;
        waiting.push(confirms(&app, &token).await.good());
    }
    let code = |answer: &Value| secret(answer).code(branch.now());
    let [first, second] = &waiting[..] else { panic!("two") };
    enrols(&app, &text(first, "enrolment"), &code(first)).await.good();
    let refused = enrols(&app, &text(second, "enrolment"), &code(second)).await;
    assert_eq!(refused.code(), (409, "address_taken"));
}

/// Row 36: who is a customer is told to nobody but in their own mail.
#[tokio::test]
async fn whosever_an_address_is_the_answer_is_the_same() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    let app = App::of(&branch);
    let nobodys = app.posts_open(BEGIN, &newcomer("emmy@example.org")).await;
    mailbox.fills(&branch).await;
    assert!(mailbox.only("emmy@example.org").text.contains("?token="));
    let hers = app.posts_open(BEGIN, &newcomer("ADA@example.org")).await;
    mailbox.fills(&branch).await;
    let letter = mailbox.only(ada.email);
    assert!(!letter.text.contains("?token="), "{}", letter.text);
    assert_eq!((hers.status, &hers.json), (nobodys.status, &nobodys.json));
    let names = |answer: &Answer| {
        let mut names: Vec<_> = answer.headers.keys().map(|name| name.to_string()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&hers), names(&nobodys));
}

#[tokio::test]
async fn what_can_not_be_somebodys_is_refused_with_its_place_and_sends_nothing() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let app = App::of(&branch);
    for (member, value) in [
        ("first_name", " \u{2003} "),
        ("first_name", "E\u{202e}y"),
        ("last_name", &*"x".repeat(65)),
        ("email", "no address"),
        ("password", "too short"),
        ("password", &*"x".repeat(513)),
    ] {
        let mut body = newcomer("emmy@example.org");
        body[member] = json!(value);
        let answer = app.posts_open(BEGIN, &body).await;
        assert_eq!(answer.code(), (400, "invalid_request"), "{member}");
        let flaw = json!([{"pointer": format!("/{member}"), "code": "invalid_value"}]);
        assert_eq!(answer.json["errors"], flaw);
        assert!(!answer.json.to_string().contains(value), "nothing is repeated: {}", answer.json);
    }
    assert_eq!(mailbox.fills(&branch).await, 0);
}

/// Row 34: one machine that tries many links and codes, or has many letters sent.
#[tokio::test]
async fn an_address_of_the_network_has_so_many_tries_in_a_minute() {
    let branch = Branch::open().await;
    let app = App::of(&branch);
    for _ in 0..60 {
        assert_eq!(confirms(&app, "x").await.code(), (410, "link_is_over"));
    }
    for (path, body) in [
        (BEGIN, newcomer("emmy@example.org")),
        (CONFIRM, json!({"token": "x"})),
        (ENROL, json!({"enrolment": "x", "code": "123456"})),
        ("/v1/recoveries", json!({"email": "emmy@example.org"})),
        (
            "/v1/recoveries/finish",
            json!({"token": "x", "code": "123456", "new_password": PASSWORD}),
        ),
        ("/v1/factor-recoveries/confirm", json!({"token": "x", "password": PASSWORD})),
        ("/v1/factor-recoveries/enrol", json!({"enrolment": "x", "code": "123456"})),
        ("/v1/email-changes/confirm", json!({"token": "x"})),
    ] {
        let answer = app.posts_open(path, &body).await;
        assert_eq!(answer.code(), (429, "rate_limited"), "{path}");
        assert_ne!(answer.header("retry-after"), "", "{path}");
    }
}
