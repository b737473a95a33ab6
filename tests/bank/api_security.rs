//! Changing what a customer is known and proved by, from an app. What would go wrong without: who has found a phone
//! that is unlocked has the account for good, or who has stolen a token keeps it after its owner has proved themselves.

use crate::api_registration::{codes, secret};
use crate::app::{Answer, App, Key, text};
use crate::branch::{Branch, PASSWORD, Person};
use crate::browser::Browser;
use crate::mailbox::{Mailbox, link, token};
use axum::http::Request;
use florin_adapter::clock::{MINUTE, SECOND};
use serde_json::{Value, json};

const NEW_PASSWORD: &str = "another horse, no battery";
const NOT_PROVED: (u16, &str) = (422, "not_proved");
const OVER: (u16, &str) = (410, "link_is_over");

/// What takes password and code, with the rest of its body.
fn step_ups() -> [(&'static str, Value); 5] {
    [
        ("/v1/users/me/password", json!({"new_password": NEW_PASSWORD})),
        ("/v1/users/me/recovery-codes", json!({})),
        ("/v1/email-changes", json!({"email": "quill@example.org"})),
        ("/v1/factor-changes", json!({})),
        ("/v1/name-changes", json!({"first_name": "Ada", "last_name": "Byron", "reason": "x"})),
    ]
}

fn body(rest: &Value, password: &str, code: &str) -> Value {
    let mut body = rest.clone();
    body["password"] = json!(password);
    body["code"] = json!(code);
    body
}

fn next_code(branch: &Branch, person: &Person) -> String {
    branch.pass(30 * SECOND);
    person.totp.code(branch.now())
}

/// The tokens of an answer, wherever they are in it.
fn tokens(answer: &Value) -> &Value {
    answer.get("tokens").unwrap_or(answer)
}

/// Rows 30, 31 and 38.
#[tokio::test]
async fn a_change_takes_password_and_code_and_leaves_the_tokens_of_before_worthless() {
    for (path, rest) in step_ups() {
        let branch = Branch::open().await;
        let ada = branch.customer("ada@example.org").await;
        let mut app = App::logged_in(&branch, &ada).await;
        let used = ada.totp.code(branch.now());
        for (password, code) in [
            ("guessed", next_code(&branch, &ada)),
            (PASSWORD, String::from("000000")),
            (PASSWORD, used),
        ] {
            let answer = app.posts(path, &body(&rest, password, &code)).await;
            assert_eq!(answer.code(), NOT_PROVED, "{path} {password} {code}");
        }
        app.gets("/v1/users/me").await.good();
        let code = next_code(&branch, &ada);
        let answer = app.posts(path, &body(&rest, PASSWORD, &code)).await.good();
        assert_eq!(app.gets("/v1/users/me").await.code(), (401, "invalid_token"), "{path}");
        assert_eq!(app.refreshes(&app.refresh_token).await.code(), (400, "invalid_grant"));
        let mut thief = App::with(&branch, Key::p256());
        thief.takes(tokens(&answer));
        assert_eq!(thief.gets("/v1/users/me").await.code(), (401, "invalid_dpop_proof"));
        assert_eq!(thief.refreshes(&thief.refresh_token).await.code(), (400, "invalid_grant"));
        app.takes(tokens(&answer));
        app.gets("/v1/users/me").await.good();
        app.refreshes(&app.refresh_token).await.good();
        let again = app.posts(path, &body(&rest, PASSWORD, &code)).await;
        // Whoever waits for a name asks for no other, and no code is looked at.
        let waits = (409, "already_proposed");
        let refused = if path == "/v1/name-changes" { waits } else { NOT_PROVED };
        assert_eq!(again.code(), refused, "{path}: row 37, a code is good once");
    }
}

/// Row 35: whichever door a code comes to, five wrong ones close it.
#[tokio::test]
async fn wrong_passwords_and_codes_are_counted_together() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let app = App::logged_in(&branch, &ada).await;
    let wrong = step_ups().into_iter().chain(step_ups()).take(5);
    for (path, rest) in wrong {
        let code = next_code(&branch, &ada);
        assert_eq!(app.posts(path, &body(&rest, "guessed", &code)).await.code(), NOT_PROVED);
    }
    for (path, rest) in step_ups() {
        let code = next_code(&branch, &ada);
        let answer = app.posts(path, &body(&rest, PASSWORD, &code)).await;
        assert_eq!(answer.code(), NOT_PROVED, "{path}");
    }
}

#[tokio::test]
async fn a_new_password_ends_every_other_login_and_its_owner_is_told() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    let other = App::logged_in(&branch, &ada).await;
    let mut browser = Browser::logged_in(&branch, &ada).await;
    let mut app = App::logged_in(&branch, &ada).await;
    let path = "/v1/users/me/password";
    let short = json!({"password": PASSWORD, "code": "000000", "new_password": "short"});
    let short = app.posts(path, &short).await;
    assert_eq!(
        short.json["errors"],
        json!([{"pointer": "/new_password", "code": "invalid_value"}])
    );
    let rest = json!({"new_password": NEW_PASSWORD});
    let code = next_code(&branch, &ada);
    let answer = app.posts(path, &body(&rest, PASSWORD, &code)).await.good();
    app.takes(&answer);
    app.gets("/v1/users/me").await.good();
    assert_eq!(other.gets("/v1/users/me").await.code(), (401, "invalid_token"));
    assert_eq!(browser.gets("/accounts").await.status, 303);
    mailbox.fills(&branch).await;
    assert!(mailbox.only(ada.email).subject.contains("password"));
    assert!(!branch.lets_in(ada.email, PASSWORD, &next_code(&branch, &ada)).await);
    assert!(branch.lets_in(ada.email, NEW_PASSWORD, &next_code(&branch, &ada)).await);
}

#[tokio::test]
async fn recovery_codes_are_told_once_and_one_is_no_proof_for_others() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let mut app = App::logged_in(&branch, &ada).await;
    let path = "/v1/users/me/recovery-codes";
    assert_eq!(app.gets(path).await.good(), json!({"left": 0}));
    let code = next_code(&branch, &ada);
    let made = app.posts(path, &body(&json!({}), PASSWORD, &code)).await;
    assert_eq!(made.header("cache-control"), "no-store");
    let (old, made) = (codes(&made.json), made.good());
    app.takes(&made["tokens"]);
    assert_eq!((old.len(), app.gets(path).await.good()), (10, json!({"left": 10})));
    let refused = app.posts(path, &body(&json!({}), PASSWORD, &old[0])).await;
    assert_eq!(refused.code(), NOT_PROVED, "a code on paper makes no others");
    let email = json!({"email": "quill@example.org"});
    let refused = app.posts("/v1/email-changes", &body(&email, PASSWORD, &old[0])).await;
    assert_eq!(refused.code(), NOT_PROVED, "nor another address");
    let code = next_code(&branch, &ada);
    let made = app.posts(path, &body(&json!({}), PASSWORD, &code)).await.good();
    app.takes(&made["tokens"]);
    assert!(!branch.lets_in(ada.email, PASSWORD, &old[1]).await, "none of before is good");
    let new = codes(&made);
    let changed = json!({"new_password": NEW_PASSWORD});
    let changed = app.posts("/v1/users/me/password", &body(&changed, PASSWORD, &new[0])).await;
    app.takes(&changed.good());
    assert_eq!(app.gets(path).await.good(), json!({"left": 9}));
}

#[tokio::test]
async fn an_address_is_changed_from_its_mailbox_whosever_it_is_the_answer_is_the_same() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    let mut app = App::logged_in(&branch, &ada).await;
    let asks = async |app: &App<'_>, email: &str| {
        let rest = json!({"email": email});
        app.posts("/v1/email-changes", &body(&rest, PASSWORD, &next_code(&branch, &ada))).await
    };
    for email in ["none", "ADA@example.org"] {
        let answer = asks(&app, email).await;
        assert_eq!(answer.code(), (400, "invalid_request"), "{email}");
        assert_eq!(answer.json["errors"][0]["pointer"], "/email");
    }
    let his = asks(&app, ben.email).await;
    assert_eq!(his.status, 202);
    app.takes(&his.good());
    mailbox.fills(&branch).await;
    assert!(mailbox.opens().iter().all(|mail| !mail.text.contains("?token=")));
    let asked = asks(&app, "quill@example.org").await;
    assert_eq!(asked.status, 202);
    app.takes(&asked.good());
    mailbox.fills(&branch).await;
    let mails = mailbox.opens();
    let hers = mails.iter().find(|mail| mail.to.written() == "quill@example.org").unwrap();
    assert!(mails.iter().any(|mail| mail.to.written() == ada.email), "the old one is warned");
    let link = link(hers);
    let confirms = async |token: &str| {
        App::of(&branch).posts_open("/v1/email-changes/confirm", &json!({"token": token})).await
    };
    assert_eq!(confirms("x").await.code(), OVER);
    assert_eq!(app.gets("/v1/users/me").await.good()["email"], ada.email);
    assert_eq!(confirms(token(&link)).await.status, 204);
    assert_eq!(confirms(token(&link)).await.code(), OVER);
    assert_eq!(app.gets("/v1/users/me").await.code(), (401, "invalid_token"));
    assert!(!branch.lets_in(ada.email, PASSWORD, &next_code(&branch, &ada)).await);
    assert!(branch.lets_in("quill@example.org", PASSWORD, &next_code(&branch, &ada)).await);
}

#[tokio::test]
async fn of_two_who_want_an_address_the_first_to_confirm_has_it() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    let app = App::logged_in(&branch, &ada).await;
    let rest = json!({"email": "quill@example.org"});
    let code = next_code(&branch, &ada);
    app.posts("/v1/email-changes", &body(&rest, PASSWORD, &code)).await.good();
    mailbox.fills(&branch).await;
    let mails = mailbox.opens();
    let link = link(mails.iter().find(|mail| mail.text.contains("?token=")).unwrap());
    branch.customer("quill@example.org").await;
    let body = json!({"token": token(&link)});
    let answer = app.posts_open("/v1/email-changes/confirm", &body).await;
    assert_eq!(answer.code(), (409, "address_taken"));
    app.gets("/v1/users/me").await.code();
}

#[tokio::test]
async fn another_authenticator_takes_its_first_code_in_the_login_that_asked_and_in_time() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let mut app = App::logged_in(&branch, &ada).await;
    let other = App::logged_in(&branch, &ada).await;
    let finishes = async |app: &App<'_>, code: &str| -> Answer {
        app.posts("/v1/factor-changes/finish", &json!({"code": code})).await
    };
    assert_eq!(finishes(&app, "000000").await.code(), OVER, "none waits");
    let asks = async |app: &App<'_>| {
        let code = next_code(&branch, &ada);
        app.posts("/v1/factor-changes", &body(&json!({}), PASSWORD, &code)).await.good()
    };
    let asked = asks(&app).await;
    app.takes(&asked["tokens"]);
    let totp = secret(&asked);
    assert_eq!(finishes(&app, "000000").await.code(), (422, "second_factor_mismatch"));
    let elsewhere = finishes(&other, &totp.code(branch.now())).await;
    assert_eq!(elsewhere.code(), OVER, "it is of another login");
    for _ in 0..4 {
        branch.pass(4 * MINUTE);
        let renewed = app.refreshes(&app.refresh_token).await.good();
        app.takes(&renewed);
    }
    assert_eq!(finishes(&app, &totp.code(branch.now())).await.code(), OVER, "too late");
    let asked = asks(&app).await;
    app.takes(&asked["tokens"]);
    let totp = secret(&asked);
    let lately = App::logged_in(&branch, &ada).await;
    let done = finishes(&app, &totp.code(branch.now())).await.good();
    assert_eq!(app.gets("/v1/users/me").await.code(), (401, "invalid_token"));
    app.takes(&done);
    app.gets("/v1/users/me").await.good();
    assert_eq!(lately.gets("/v1/users/me").await.code(), (401, "invalid_token"));
    assert!(!branch.lets_in(ada.email, PASSWORD, &next_code(&branch, &ada)).await);
    assert!(branch.lets_in(ada.email, PASSWORD, &totp.code(branch.now())).await);
}

/// A11, row 55: what is ended is over at once, and nobody ends another's.
#[tokio::test]
async fn logins_are_listed_and_ended_by_their_customer() {
    let path = "/v1/users/me/sessions";
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    let mut browser = Browser::logged_in(&branch, &ada).await;
    let other = App::logged_in(&branch, &ada).await;
    let app = App::logged_in(&branch, &ada).await;
    let his = App::logged_in(&branch, &ben).await;
    let listed = app.gets(path).await.good();
    let data = listed["data"].as_array().unwrap();
    let told: Vec<_> = data.iter().map(|it| (&it["is_this"], &it["is_app"])).collect();
    let (yes, no) = (&json!(true), &json!(false));
    assert_eq!(told, [(yes, yes), (no, yes), (no, no)], "newest first");
    assert!(data.iter().all(|login| login["auth_method"] == "password+totp"));
    let id = |place: usize| text(&data[place], "session_id");
    let one = |id: &str| format!("{path}/{id}");
    assert_eq!(his.deletes(&one(&id(2))).await.code(), (404, "not_found"));
    assert_eq!(browser.gets("/accounts").await.status, 200);
    assert_eq!(app.deletes(&one(&id(2))).await.status, 204);
    assert_eq!(browser.gets("/accounts").await.status, 303);
    for gone in [&*id(2), "nothing", "lgn_00000000000000000000000000", "%ff"] {
        assert_eq!(app.deletes(&one(gone)).await.code(), (404, "not_found"), "{gone}");
    }
    other.gets("/v1/users/me").await.good();
    let end_others =
        async || app.asks(Request::post(format!("{path}/end-others")), String::new()).await;
    assert_eq!(end_others().await.status, 204);
    assert_eq!(other.gets("/v1/users/me").await.code(), (401, "invalid_token"));
    assert_eq!(end_others().await.status, 204, "it may be sent again");
    his.gets("/v1/users/me").await.good();
    assert_eq!(app.deletes(&one(&id(0))).await.status, 204, "its own");
    assert_eq!(app.gets(path).await.code(), (401, "invalid_token"));
}
