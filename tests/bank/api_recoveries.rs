//! Coming back from an app. What would go wrong without: who reads another's mail, or has found their phone, chooses
//! their password; or the answers tell who is a customer.

use crate::api_registration::{codes, secret};
use crate::app::{Answer, App, text};
use crate::branch::{Branch, PASSWORD, Person};
use crate::mailbox::{Mailbox, link, token};
use florin_adapter::clock::{HOUR, MINUTE, SECOND};
use florin_adapter::customers::{approve_factor_recovery, request_factor_recovery};
use florin_adapter::staff::Role;
use serde_json::{Value, json};
use std::sync::Arc;

const NEW_PASSWORD: &str = "another horse, no battery";

/// What the letter's link carries.
async fn forgets(app: &App<'_>, mailbox: &Arc<Mailbox>, email: &str) -> String {
    let answer = app.posts_open("/v1/recoveries", &json!({"email": email})).await;
    assert_eq!((answer.status.as_u16(), &answer.json), (202, &Value::Null));
    mailbox.fills(app.branch).await;
    String::from(token(&link(&mailbox.only(email))))
}

async fn finishes(app: &App<'_>, token: &str, code: &str) -> Answer {
    let body = json!({"token": token, "code": code, "new_password": NEW_PASSWORD});
    app.posts_open("/v1/recoveries/finish", &body).await
}

fn next_code(branch: &Branch, person: &Person) -> String {
    branch.pass(30 * SECOND);
    person.totp.code(branch.now())
}

#[tokio::test]
async fn a_link_and_a_code_are_another_password_once_and_end_every_login() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    let mut app = App::logged_in(&branch, &ada).await;
    let link = forgets(&app, &mailbox, ada.email).await;
    for (token, code) in [("x", next_code(&branch, &ada)), (&*link, String::from("000000"))] {
        assert_eq!(finishes(&app, token, &code).await.code(), (422, "not_proved"), "{token:.9}");
    }
    let short = json!({"token": &link, "code": "000000", "new_password": "short"});
    let short = app.posts_open("/v1/recoveries/finish", &short).await;
    assert_eq!(short.json["errors"][0]["pointer"], "/new_password");
    app.gets("/v1/users/me").await.good();
    let code = next_code(&branch, &ada);
    let done = finishes(&app, &link, &code).await;
    assert_eq!((done.status.as_u16(), &done.json), (204, &Value::Null));
    assert_eq!(app.gets("/v1/users/me").await.code(), (401, "invalid_token"));
    assert_eq!(app.refreshes(&app.refresh_token).await.code(), (400, "invalid_grant"));
    let again = finishes(&app, &link, &next_code(&branch, &ada)).await;
    assert_eq!(again.code(), (422, "not_proved"), "a link is good once");
    mailbox.fills(&branch).await;
    assert!(mailbox.only(ada.email).subject.contains("password"));
    assert!(!branch.lets_in(ada.email, PASSWORD, &next_code(&branch, &ada)).await);
    let attempt = app.begins(ada.email, NEW_PASSWORD).await;
    let tokens = app.verifies(&attempt, &next_code(&branch, &ada)).await.good();
    app.takes(&tokens);
    app.gets("/v1/users/me").await.good();
}

/// Row 36, and a link that lies about for a quarter of an hour.
#[tokio::test]
async fn whosever_the_address_is_the_answer_is_the_same_and_its_link_is_good_for_a_while() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    let app = App::of(&branch);
    let nobodys = app.posts_open("/v1/recoveries", &json!({"email": "no@example.org"})).await;
    assert_eq!((nobodys.status.as_u16(), &nobodys.json), (202, &Value::Null));
    mailbox.fills(&branch).await;
    assert!(mailbox.opens().is_empty());
    let improper = app.posts_open("/v1/recoveries", &json!({"email": "none"})).await;
    assert_eq!(improper.json["errors"], json!([{"pointer": "/email", "code": "invalid_value"}]));
    let link = forgets(&app, &mailbox, ada.email).await;
    branch.pass(15 * MINUTE);
    let code = ada.totp.code(branch.now());
    assert_eq!(finishes(&app, &link, &code).await.code(), (422, "not_proved"));
    assert!(branch.lets_in(ada.email, PASSWORD, &next_code(&branch, &ada)).await);
}

/// Rows 35 and 38: codes are counted by whose they are, whichever door they come to.
#[tokio::test]
async fn five_wrong_codes_close_this_door_too() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    let app = App::of(&branch);
    let link = forgets(&app, &mailbox, ada.email).await;
    for _ in 0..5 {
        assert_eq!(finishes(&app, &link, "000000").await.code(), (422, "not_proved"));
    }
    let right = next_code(&branch, &ada);
    assert_eq!(finishes(&app, &link, &right).await.code(), (422, "not_proved"));
}

#[tokio::test]
async fn another_app_takes_the_staffs_link_and_the_password_and_one_code() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    let [sue, amy] = [("sue@example.org", Role::Support), ("amy@example.org", Role::Admin)];
    let (sue, amy) = (branch.hires(sue.0, &[sue.1]).await, branch.hires(amy.0, &[amy.1]).await);
    let mut app = App::logged_in(&branch, &ada).await;
    let (maker, checker) = (branch.clerk(&sue).await, branch.clerk(&amy).await);
    request_factor_recovery(&branch.bank, &maker, ada.id, "lost at sea").await.unwrap();
    approve_factor_recovery(&branch.bank, &checker, ada.id).await.unwrap();
    mailbox.fills(&branch).await;
    let link = link(&mailbox.only(ada.email));
    let shows = async |token: &str, password: &str| {
        let body = json!({"token": token, "password": password});
        app.posts_open("/v1/factor-recoveries/confirm", &body).await
    };
    let enrols = async |enrolment: &str, code: &str| {
        let body = json!({"enrolment": enrolment, "code": code});
        app.posts_open("/v1/factor-recoveries/enrol", &body).await
    };
    assert_eq!(shows("x", PASSWORD).await.code(), (422, "not_proved"));
    assert_eq!(shows(token(&link), "guessed").await.code(), (422, "not_proved"));
    assert_eq!(enrols(token(&link), "000000").await.code(), (410, "link_is_over"), "too early");
    let late = shows(token(&link), PASSWORD).await.good();
    branch.pass(15 * MINUTE);
    let code = secret(&late).code(branch.now());
    let over = enrols(&text(&late, "enrolment"), &code).await;
    assert_eq!(over.code(), (410, "link_is_over"), "a quarter of an hour is over");

    let confirmed = shows(token(&link), PASSWORD).await.good();
    let (enrolment, totp) = (text(&confirmed, "enrolment"), secret(&confirmed));
    assert_eq!(enrols(&enrolment, "000000").await.code(), (422, "second_factor_mismatch"));
    let enrolled = enrols(&enrolment, &totp.code(branch.now())).await;
    assert_eq!((enrolled.status.as_u16(), codes(&enrolled.json).len()), (200, 10));
    let again = enrols(&enrolment, &totp.code(branch.now())).await;
    assert_eq!(again.code(), (410, "link_is_over"));
    assert_eq!(shows(token(&link), PASSWORD).await.code(), (422, "not_proved"), "it was used");
    assert_eq!(app.gets("/v1/users/me").await.code(), (401, "invalid_token"));
    let old = next_code(&branch, &ada);
    assert!(!branch.lets_in(ada.email, PASSWORD, &old).await, "the old app is good for nothing");
    branch.pass(HOUR);
    let attempt = app.begins(ada.email, PASSWORD).await;
    let tokens = app.verifies(&attempt, &totp.code(branch.now())).await.good();
    app.takes(&tokens);
    app.gets("/v1/users/me").await.good();
}
