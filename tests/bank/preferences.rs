//! What customers are told of. What would go wrong without: who has taken an account over turns the warnings off, or a
//! customer ticks a box and never hears anything.

use crate::app::App;
use crate::branch::Branch;
use crate::browser::Browser;
use crate::mailbox::Mailbox;
use crate::phones::gives_number;
use crate::telephones::Telephones;
use axum::http::{Method, Request, StatusCode, header};
use florin_adapter::web;
use serde_json::{Value, json};

const API: &str = "/v1/users/me/notifications";
const PATH: &str = "/security/notifications";

pub(crate) fn ways(email: bool, sms: bool, push: bool) -> Value {
    json!({"email": email, "sms": sms, "push": push})
}

pub(crate) async fn puts(app: &App<'_>, body: &Value) -> crate::app::Answer {
    let request = Request::builder().method(Method::PUT).uri(API);
    let request = request.header(header::CONTENT_TYPE, "application/json");
    app.asks(request, body.to_string()).await
}

fn wishes(money_in: Value, money_out: Value, money_out_failed: Value) -> Value {
    json!({"money_in": money_in, "money_out": money_out, "money_out_failed": money_out_failed})
}

#[tokio::test]
async fn nothing_is_told_until_somebody_asks_and_they_hear_of_every_change() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    let app = App::logged_in(&branch, &ada).await;
    let none = ways(false, false, false);
    let mut answer = wishes(none.clone(), none.clone(), none.clone());
    answer["available"] = ways(true, false, true);
    assert_eq!(app.gets(API).await.good(), answer);
    let wanted = wishes(ways(true, false, false), none.clone(), ways(true, false, true));
    let said = puts(&app, &wanted).await.good();
    assert_eq!((&said["money_in"], &said["money_out"]), (&wanted["money_in"], &none));
    assert_eq!(mailbox.fills(&branch).await, 1);
    assert!(mailbox.only(ada.email).subject.contains("tells you of was changed"));
    puts(&app, &wanted).await.good();
    assert_eq!(mailbox.fills(&branch).await, 0, "nothing was changed");
    puts(&app, &wishes(none.clone(), none.clone(), none.clone())).await.good();
    assert_eq!(mailbox.fills(&branch).await, 1);
    assert_eq!(app.gets(API).await.good(), answer);
    let changes = branch.audit_rows().await;
    let of_ada = |row: &&florin_adapter::audit::AuditOpen| {
        row.user_id == Some(ada.id) && format!("{:?}", row.action_type) == "Update"
    };
    assert_eq!(changes.iter().filter(of_ada).count(), 2);
}

/// Prevents: warnings about security that can be turned off, by whatever name.
#[tokio::test]
async fn what_is_about_security_is_no_matter_of_preference() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    let app = App::logged_in(&branch, &ada).await;
    let none = ways(false, false, false);
    let mut body = wishes(none.clone(), none.clone(), none);
    puts(&app, &body).await.good();
    body["security"] = ways(false, false, false);
    let answer = puts(&app, &body).await;
    assert_eq!(answer.code(), (400, "invalid_request"));
    assert_eq!(answer.json["errors"][0]["pointer"], "/security");
    let mut desk = Browser::logged_in(&branch, &ada).await;
    let csrf = desk.token(PATH).await;
    let page = desk.posts(PATH, &format!("csrf={csrf}&security_email=on")).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    crate::recovery_codes::makes(&branch, &mut desk, &ada).await;
    mailbox.fills(&branch).await;
    mailbox.only(ada.email);
}

#[tokio::test]
async fn messages_are_promised_to_who_has_a_number_and_by_who_sends_them() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let telephones = Telephones::new();
    let ada = branch.customer("ada@example.org").await;
    let app = App::logged_in(&branch, &ada).await;
    let none = ways(false, false, false);
    let with_sms = wishes(ways(false, true, false), none.clone(), none.clone());
    assert_eq!(puts(&app, &with_sms).await.code(), (422, "channel_unavailable"));
    let mut desk = Browser::logged_in(&branch, &ada).await;
    let csrf = desk.token(PATH).await;
    let page = desk.posts(PATH, &format!("csrf={csrf}&money_in_sms=on")).await;
    assert!(page.status == 422 && page.text.contains("Nothing was changed"), "{}", page.text);
    gives_number(&branch, (&mailbox, &telephones), &ada, "%2B491701234567").await;
    let mut app = App::logged_in(&branch, &ada).await;
    assert_eq!(app.gets(API).await.good()["available"], ways(true, true, true));
    puts(&app, &with_sms).await.good();
    let mute = branch
        .with_options(|options| (options.sends_sms, options.sends_push) = (false, false))
        .await;
    app.router = web::router(mute);
    assert_eq!(app.gets(API).await.good()["available"], ways(true, false, false));
    let with_push = wishes(ways(false, true, true), none.clone(), none);
    assert_eq!(puts(&app, &with_push).await.code(), (422, "channel_unavailable"));
    puts(&app, &with_sms).await.good();
}

/// The page says what the API says, with a form that needs no script.
#[tokio::test]
async fn the_page_and_the_api_are_one() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let app = App::logged_in(&branch, &ada).await;
    let mut desk = Browser::logged_in(&branch, &ada).await;
    let csrf = desk.token(PATH).await;
    let form = format!("csrf={csrf}&money_out_email=on&money_out_failed_push=on");
    assert_eq!(desk.is_led_to(PATH, &form).await, "/security?notice=notifications");
    let said = app.gets(API).await.good();
    assert_eq!(said["money_out"], ways(true, false, false));
    assert_eq!(said["money_out_failed"], ways(false, false, true));
    assert_eq!(said["money_in"], ways(false, false, false));
    let page = desk.gets(PATH).await.text;
    for (name, is_ticked) in
        [("money_out_email", true), ("money_out_failed_push", true), ("money_in_email", false)]
    {
        let (_, rest) = page.split_once(&format!("name=\"{name}\"")).unwrap();
        assert_eq!(rest.split_once('>').unwrap().0.contains("checked"), is_ticked, "{name}");
    }
    let page = desk.posts(PATH, &format!("csrf={csrf}&money_in_email=yes")).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
}
