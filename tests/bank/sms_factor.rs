//! Codes by message, for who has chosen them. What would go wrong without: who stole a password gets the code sent to
//! themselves, a code for one payment pays another, or the page tells who is a customer.

use crate::app::{App, text};
use crate::branch::{Branch, PASSWORD, Person};
use crate::browser::{Browser, Page};
use crate::phones::gives_number;
use crate::recovery_codes::{code, step_up};
use crate::telephones::{House, code_in};
use axum::http::{StatusCode, header};
use florin_adapter::clock::{HOUR, MINUTE};
use florin_adapter::{tables, web};
use florin_ledger::document::DocumentScan;
use serde_json::json;

const PATH: &str = "/security/sms";
const NUMBER: &str = "%2B491701234567";
const PLAIN: &str = "+491701234567";

impl House {
    /// A customer with a number, who has chosen codes by message.
    async fn chooser(&self, email: &'static str, number: &str) -> Person {
        let House { branch, mailbox, telephones } = self;
        let person = branch.customer(email).await;
        gives_number(branch, (mailbox, telephones), &person, number).await;
        let mut desk = Browser::logged_in(branch, &person).await;
        assert_eq!(self.chooses(&mut desk, &person, "on").await.status, 303);
        mailbox.fills(branch).await;
        assert!(mailbox.opens().iter().any(|mail| mail.subject.contains("come by message too")));
        person
    }

    async fn chooses(&self, desk: &mut Browser, person: &Person, wanted: &str) -> Page {
        let csrf = desk.token(PATH).await;
        let form = step_up(&csrf, PASSWORD, &code(&self.branch, person));
        desk.posts(PATH, &format!("{form}&wanted={wanted}")).await
    }
}

/// A browser whose password was taken, or not.
async fn waits_for_a_code(branch: &Branch, email: &str, password: &str) -> Browser {
    let mut browser = Browser::of(branch);
    let csrf = browser.token("/login").await;
    let password = password.replace(' ', "+");
    let form = format!("csrf={csrf}&email={}&password={password}", email.replace('@', "%40"));
    assert_eq!(browser.is_led_to("/login", &form).await, "/login/verify");
    browser
}

async fn asks_for_a_code(browser: &mut Browser) -> String {
    let csrf = browser.token("/login/verify").await;
    browser.is_led_to("/login/verify/sms", &format!("csrf={csrf}")).await
}

async fn enters(browser: &mut Browser, code: &str) -> String {
    let csrf = browser.token("/login/verify").await;
    browser.is_led_to("/login/verify", &format!("csrf={csrf}&code={code}")).await
}

/// FR1d.
#[tokio::test]
async fn who_has_chosen_it_logs_in_with_a_code_by_message_once() {
    let house = House::open().await;
    let ada = house.chooser("ada@example.org", NUMBER).await;
    let House { branch, .. } = &house;
    branch.pass(HOUR);
    let mut desk = waits_for_a_code(branch, ada.email, PASSWORD).await;
    assert!(house.reads().await.is_empty(), "nobody has asked for it");
    assert_eq!(asks_for_a_code(&mut desk).await, "/login/verify?sent=1");
    let page = desk.gets("/login/verify?sent=1").await.text;
    assert!(page.contains("one is on its way"), "{page}");
    asks_for_a_code(&mut desk).await;
    let sent = house.reads().await;
    let [(to, words)] = &sent[..] else { panic!("one: {sent:?}") };
    assert!(to == PLAIN && words.contains("to log in at Bank"), "{sent:?}");
    let mut thief = desk.clone();
    assert_eq!(enters(&mut desk, &code_in(words)).await, "/accounts");
    assert!(desk.gets("/sessions").await.text.contains("Password and code by message"));
    assert_eq!(enters(&mut thief, &code_in(words)).await, "/login?problem=1", "row 37");
    // The app goes on as it did, and of a code that was sent one wrong try is enough.
    let mut desk = waits_for_a_code(branch, ada.email, PASSWORD).await;
    asks_for_a_code(&mut desk).await;
    assert_eq!(enters(&mut desk, &code(branch, &ada)).await, "/accounts");
    let mut desk = waits_for_a_code(branch, ada.email, PASSWORD).await;
    asks_for_a_code(&mut desk).await;
    let sent = house.reads().await;
    let right = code_in(&sent.last().unwrap().1);
    let mut again = desk.clone();
    let wrong = if right == "000000" { "111111" } else { "000000" };
    assert_eq!(enters(&mut desk, wrong).await, "/login?problem=1");
    assert_eq!(enters(&mut again, &right).await, "/login?problem=1");
    // Nor is one good for another attempt, or after five minutes.
    branch.pass(HOUR);
    let mut one = waits_for_a_code(branch, ada.email, PASSWORD).await;
    let mut other = waits_for_a_code(branch, ada.email, PASSWORD).await;
    asks_for_a_code(&mut one).await;
    let right = code_in(&house.reads().await[0].1);
    asks_for_a_code(&mut other).await;
    let others = code_in(&house.reads().await[0].1);
    if right != others {
        assert_eq!(enters(&mut other, &right).await, "/login?problem=1");
    }
    branch.pass(5 * MINUTE);
    assert_eq!(enters(&mut one, &right).await, "/login?problem=1", "five minutes are over");
}

/// The same for the bank's own apps.
#[tokio::test]
async fn an_app_logs_in_and_pays_with_codes_by_message() {
    let house = House::open().await;
    let ada = house.chooser("ada@example.org", NUMBER).await;
    let House { branch, .. } = &house;
    branch.pass(25 * HOUR);
    let mut app = App::of(branch);
    let attempt = app.begins(ada.email, PASSWORD).await;
    let sent = app.posts_open("/v1/auth/login/sms", &json!({"attempt": attempt})).await;
    assert_eq!(sent.status, StatusCode::NO_CONTENT);
    let odd = app.posts_open("/v1/auth/login/sms", &json!({"attempt": "made up"})).await;
    assert_eq!(odd.status, StatusCode::NO_CONTENT);
    let right = code_in(&house.reads().await[0].1);
    let answer = app.verifies(&attempt, &right).await.good();
    (app.access_token, app.refresh_token) =
        (text(&answer, "access_token"), text(&answer, "refresh_token"));
    let ben = branch.customer("ben@example.org").await;
    let (source, destination) = (branch.account(&ada, 10_000).await, branch.account(&ben, 0).await);
    let his = App::logged_in(branch, &ben).await;
    let path = format!("/v1/accounts/{destination}");
    let number = text(&his.gets(&path).await.good(), "account_number").replace(' ', "");
    let strict = branch.with_options(|options| options.step_up_above_cents = 0).await;
    app.router = web::router(strict);
    let payee = json!({"name": "Ben Quill", "account_number": number});
    let payee = text(&app.posts("/v1/beneficiaries", &payee).await.good(), "beneficiary_id");
    let order = |cents: u64, challenge: Option<&str>| {
        let mut order = json!({
            "source_account_id": source.to_string(), "beneficiary_id": payee,
            "amount_cents": cents, "currency": "EUR",
        });
        if let Some(challenge) = challenge {
            order["challenge_id"] = json!(challenge);
        }
        order
    };
    let sends = async |order: serde_json::Value, key: &str| {
        let request = crate::app::json_request("/v1/transactions/transfer");
        app.asks(request.header("Idempotency-Key", key), order.to_string()).await
    };
    let mut challenges = Vec::new();
    for (cents, key) in [(1234, "one"), (9999, "two")] {
        let answer = sends(order(cents, None), key).await;
        assert_eq!(answer.code(), (403, "step_up_required"));
        challenges.push(text(&answer.json, "challenge_id"));
    }
    let path = |challenge: &str, what: &str| format!("/v1/challenges/{challenge}/{what}");
    let sent = app.posts(&path(&challenges[0], "sms"), &json!({})).await;
    assert_eq!(sent.status, StatusCode::NO_CONTENT);
    let words = house.reads().await.pop().unwrap().1;
    let end = &number[number.len() - 4..];
    // FR4a, PSD2 article 5: what is shown with the code is what it is good for.
    assert!(words.contains("to send €12.34 to Ben Quill, account ending"), "{words}");
    assert!(words.contains(end), "{words} {number}");
    let body = json!({"code": code_in(&words)});
    let answer = app.posts(&path(&challenges[1], "verify"), &body).await;
    assert_eq!(answer.code(), (422, "second_factor_mismatch"), "another payment");
    let answer = app.posts(&path(&challenges[0], "verify"), &body).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(sends(order(9999, Some(&challenges[0])), "three").await.code().0, 403);
    assert_eq!(sends(order(1234, Some(&challenges[0])), "four").await.status, 202);
    let again = app.posts(&path(&challenges[0], "sms"), &json!({})).await;
    assert_eq!(again.code(), (404, "not_found"), "it is spent");
}

/// Prevents: who has the messages alone, and as many tries at the code of the app as they like.
#[tokio::test]
async fn a_code_by_message_gives_no_more_tries_at_the_app() {
    let house = House::open().await;
    let ada = house.chooser("ada@example.org", NUMBER).await;
    let House { branch, .. } = &house;
    branch.pass(25 * HOUR);
    let ben = branch.customer("ben@example.org").await;
    let (source, destination) = (branch.account(&ada, 10_000).await, branch.account(&ben, 0).await);
    let mut app = App::logged_in(branch, &ada).await;
    let strict = branch.with_options(|options| options.step_up_above_cents = 0).await;
    app.router = web::router(strict);
    let guess = async |code: &str| {
        let body = json!({"password": PASSWORD, "code": code});
        let answer = app.posts("/v1/users/me/recovery-codes", &body).await;
        (answer.code().0, String::from(answer.code().1))
    };
    let mismatch = (422, String::from("not_proved"));
    for _ in 0..4 {
        assert_eq!(guess("000000").await, mismatch);
    }
    let order = json!({
        "source_account_id": source.to_string(), "destination_account_id": destination.to_string(),
        "amount_cents": 100, "currency": "EUR",
    });
    let request = crate::app::json_request("/v1/transactions/transfer");
    let asked = app.asks(request.header("Idempotency-Key", "one"), order.to_string()).await;
    let challenge = text(&asked.json, "challenge_id");
    let path = |what: &str| format!("/v1/challenges/{challenge}/{what}");
    app.posts(&path("sms"), &json!({})).await;
    let body = json!({"code": code_in(&house.reads().await.pop().unwrap().1)});
    assert_eq!(app.posts(&path("verify"), &body).await.status, StatusCode::NO_CONTENT);
    // The fifth is the last that is looked at; the message was counted apart.
    assert_eq!(guess("000000").await, mismatch);
    branch.pass(MINUTE);
    assert_eq!(guess(&ada.totp.code(branch.now())).await, mismatch);
}

/// Row 38: codes by message are chosen by who is there, recover nothing, change nothing, and go with the number.
#[tokio::test]
async fn row_38_the_weaker_factor_proves_no_change() {
    let house = House::open().await;
    let House { branch, mailbox, telephones } = &house;
    let ada = branch.customer("ada@example.org").await;
    let mut desk = Browser::logged_in(branch, &ada).await;
    assert_eq!(house.chooses(&mut desk, &ada, "on").await.status, 422, "there is no number");
    gives_number(branch, (mailbox, telephones), &ada, NUMBER).await;
    let mut desk = Browser::logged_in(branch, &ada).await;
    let csrf = desk.token(PATH).await;
    for (password, code) in [("wrong", &*code(branch, &ada)), (PASSWORD, "000000")] {
        let form = format!("{}&wanted=on", step_up(&csrf, password, code));
        assert_eq!(desk.posts(PATH, &form).await.status, 422);
    }
    assert_eq!(house.chooses(&mut desk, &ada, "on").await.status, 303);
    // A code that was sent for a login proves no change of anything.
    branch.pass(HOUR);
    let mut other = waits_for_a_code(branch, ada.email, PASSWORD).await;
    asks_for_a_code(&mut other).await;
    let sent = code_in(&house.reads().await.pop().unwrap().1);
    let mut desk = Browser::logged_in(branch, &ada).await;
    for path in ["/security/codes", "/security/factor", "/security/phone/remove"] {
        let csrf = desk.token(path).await;
        let page = desk.posts(path, &step_up(&csrf, PASSWORD, &sent)).await;
        assert_eq!(page.status, 422, "{path}");
    }
    // The number goes, and what came to it proves nothing any more.
    branch.pass(30 * MINUTE);
    let mut desk = Browser::logged_in(branch, &ada).await;
    let csrf = desk.token("/security/phone/remove").await;
    let form = step_up(&csrf, PASSWORD, &code(branch, &ada));
    desk.is_led_to("/security/phone/remove", &form).await;
    gives_number(branch, (mailbox, telephones), &ada, "%2B491717654321").await;
    let mut login = waits_for_a_code(branch, ada.email, PASSWORD).await;
    asks_for_a_code(&mut login).await;
    assert!(house.reads().await.is_empty(), "it is to be chosen anew");
    branch.pass(HOUR);
    let mut desk = Browser::logged_in(branch, &ada).await;
    assert_eq!(house.chooses(&mut desk, &ada, "on").await.status, 303);
    assert_eq!(house.chooses(&mut desk, &ada, "off").await.status, 303);
    let mut login = waits_for_a_code(branch, ada.email, PASSWORD).await;
    asks_for_a_code(&mut login).await;
    assert!(house.reads().await.is_empty(), "it was ended");
}

/// Row 36: whoever asks gets the same page, and as much is written, whether the password was right or the name is
/// anybody's; and nothing is sent but to who has chosen it, after the right password.
#[tokio::test]
async fn row_36_asking_for_a_code_tells_nothing() {
    let house = House::open().await;
    let ada = house.chooser("ada@example.org", NUMBER).await;
    let House { branch, .. } = &house;
    branch.customer("ben@example.org").await;
    // The hour begins anew, so that all of it is one.
    branch.pass(HOUR - branch.now().0 % HOUR);
    house.reads().await;
    let count = async || {
        let mut counts = Vec::new();
        for table in tables::ALL.iter().filter(|table| !table.options.volatile) {
            let scan = DocumentScan { table: table.id, limit: 1_000, ..DocumentScan::default() };
            counts.push(branch.client.scan_documents(&scan).await.unwrap().items.len());
        }
        counts
    };
    let (mut seen, mut sent) = (Vec::new(), Vec::new());
    for (email, password) in [
        (ada.email, PASSWORD),
        (ada.email, "wrong"),
        ("ben@example.org", PASSWORD),
        ("zoe@example.org", "wrong"),
    ] {
        branch.pass(2 * MINUTE);
        let mut desk = waits_for_a_code(branch, email, password).await;
        let csrf = desk.token("/login/verify").await;
        let before = count().await;
        let page = desk.posts("/login/verify/sms", &format!("csrf={csrf}")).await;
        let written: Vec<_> =
            before.iter().zip(count().await).map(|(before, after)| after - before).collect();
        let mut names: Vec<_> = page.headers.keys().map(ToString::to_string).collect();
        names.sort();
        let location = page.headers[header::LOCATION].clone();
        seen.push((page.status, page.text, names, location, written));
        sent.push(house.reads().await.len());
    }
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
    assert_eq!(sent, [1, 0, 0, 0], "after the right password of who has chosen it, and no other");
    // Five in an hour; a wrong password has spent none of them.
    for _ in 0..6 {
        let mut desk = waits_for_a_code(branch, ada.email, PASSWORD).await;
        assert_eq!(asks_for_a_code(&mut desk).await, "/login/verify?sent=1");
        sent.push(house.reads().await.len());
        assert_eq!(enters(&mut desk, &code(branch, &ada)).await, "/accounts");
    }
    assert_eq!(sent[4..], [1, 1, 1, 1, 0, 0]);
}
