//! New passwords. What would go wrong without: who finds a browser open, or reads another's mail, takes an account
//! over; or who has done so stays in when its owner has changed the password.

use crate::branch::{Branch, PASSWORD, Person};
use crate::browser::{Browser, Page};
use crate::mailbox::{Mailbox, link, token};
use axum::http::{StatusCode, header};
use florin_adapter::audit::Caller;
use florin_adapter::clock::{MINUTE, SECOND};
use florin_adapter::customers::Recoveries;
use florin_adapter::email::Email;
use florin_adapter::{Bank, tables};
use florin_ledger::document::DocumentScan;

pub(crate) const OTHER: &str = "another horse, another battery";

fn encoded(text: &str) -> String {
    text.replace(' ', "+")
}

/// A code that was not used yet.
fn code(branch: &Branch, person: &Person) -> String {
    branch.pass(30 * SECOND);
    person.totp.code(branch.now())
}

async fn lets_in(branch: &Branch, person: &Person, password: &str) -> bool {
    let code = code(branch, person);
    branch.lets_in(person.email, password, &code).await
}

fn change(csrf: &str, old: &str, new: &str, code: &str) -> String {
    format!("csrf={csrf}&old={}&new={}&code={code}", encoded(old), encoded(new))
}

/// Changes a customer's password in a browser.
pub(crate) async fn changes(branch: &Branch, person: &Person, browser: &mut Browser) {
    let csrf = browser.token("/security/password").await;
    let right = code(branch, person);
    browser.is_led_to("/security/password", &change(&csrf, PASSWORD, OTHER, &right)).await;
}

#[tokio::test]
async fn a_new_password_takes_the_old_one_and_a_code_and_ends_other_logins() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    let mut desk = Browser::logged_in(&branch, &ada).await;
    let mut phone = Browser::logged_in(&branch, &ada).await;
    let half = branch.begins(ada.email, PASSWORD).await;
    let csrf = desk.token("/security/password").await;
    let path = "/security/password";
    let right = code(&branch, &ada);
    for (old, new, code) in
        [("wrong", OTHER, &*right), (PASSWORD, OTHER, "000000"), (PASSWORD, "short", &right)]
    {
        let page = desk.posts(path, &change(&csrf, old, new, code)).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(page.text.contains(r#"id="problem""#) && !page.text.contains(PASSWORD));
    }
    assert_eq!(phone.gets("/accounts").await.status, StatusCode::OK, "nothing was changed");
    let right = code(&branch, &ada);
    let to = desk.is_led_to(path, &change(&csrf, PASSWORD, OTHER, &right)).await;
    assert_eq!(to, "/security?notice=password");
    assert!(desk.gets(&to).await.text.contains(r#"id="notice""#), "this login goes on");
    // Row 31.
    assert_eq!(phone.gets("/accounts").await.status, StatusCode::SEE_OTHER);
    let right = code(&branch, &ada);
    assert!(branch.finishes(&half, &right).await.is_err(), "begun with the old one");
    assert!(!lets_in(&branch, &ada, PASSWORD).await);
    assert!(lets_in(&branch, &ada, OTHER).await);
    mailbox.fills(&branch).await;
    assert!(mailbox.only(ada.email).subject.contains("was changed"));
}

/// Rows 35 and 37: codes of a change are counted and used like those of a login.
#[tokio::test]
async fn a_browser_that_was_left_open_gives_five_tries_and_no_code_twice() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let mut desk = Browser::logged_in(&branch, &ada).await;
    let csrf = desk.token("/security/password").await;
    let used = ada.totp.code(branch.now());
    let path = "/security/password";
    let page = desk.posts(path, &change(&csrf, PASSWORD, OTHER, &used)).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "the code of the login");
    for _ in 0..4 {
        let right = code(&branch, &ada);
        let page = desk.posts(path, &change(&csrf, "wrong", OTHER, &right)).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let right = code(&branch, &ada);
    let page = desk.posts(path, &change(&csrf, PASSWORD, OTHER, &right)).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "the sixth is not looked at");
    assert!(lets_in(&branch, &ada, PASSWORD).await);
}

pub(crate) async fn forgets(branch: &Branch, email: &str) -> Page {
    let mut browser = Browser::of(branch);
    let csrf = browser.token("/recover").await;
    browser.posts("/recover", &format!("csrf={csrf}&email={email}")).await
}

/// Sends the form of a link.
pub(crate) async fn chooses(browser: &mut Browser, link: &str, password: &str, code: &str) -> Page {
    let csrf = browser.token(link).await;
    let (token, password) = (token(link), encoded(password));
    let form = format!("csrf={csrf}&token={token}&password={password}&code={code}");
    browser.posts("/recover/confirm", &form).await
}

#[tokio::test]
async fn who_forgot_a_password_gets_another_with_a_link_and_a_code() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    let mut thief = Browser::logged_in(&branch, &ada).await;
    for _ in 0..5 {
        assert!(!branch.lets_in(ada.email, "guessed", "000000").await);
    }
    assert!(!lets_in(&branch, &ada, PASSWORD).await, "the name is locked");
    mailbox.fills(&branch).await;
    assert!(mailbox.only(ada.email).subject.contains("locked"));
    let mut links = Vec::new();
    for _ in 0..2 {
        assert_eq!(forgets(&branch, "ada%40example.org").await.status, StatusCode::SEE_OTHER);
        mailbox.fills(&branch).await;
        links.push(link(&mailbox.only(ada.email)));
    }
    let mut browser = Browser::of(&branch);
    let page = chooses(&mut browser, &links[0], OTHER, "000000").await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    let right = code(&branch, &ada);
    let page = chooses(&mut browser, &links[0], "short", &right).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    let page = chooses(&mut browser, &links[0], OTHER, &right).await;
    assert_eq!(page.headers[header::LOCATION], "/login?notice=password");
    // Row 31.
    assert_eq!(thief.gets("/accounts").await.status, StatusCode::SEE_OTHER);
    assert!(!lets_in(&branch, &ada, PASSWORD).await);
    assert!(lets_in(&branch, &ada, OTHER).await, "and the lock is off");
    for link in &links {
        let right = code(&branch, &ada);
        let page = chooses(&mut browser, link, PASSWORD, &right).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "one new password for all links");
    }
    mailbox.fills(&branch).await;
    assert!(mailbox.only(ada.email).subject.contains("was changed"));
}

#[tokio::test]
async fn a_link_is_over_after_a_quarter_of_an_hour_and_is_nobody_elses() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    forgets(&branch, "ada%40example.org").await;
    mailbox.fills(&branch).await;
    let link = link(&mailbox.only(ada.email));
    let mut browser = Browser::of(&branch);
    let bens = code(&branch, &ben);
    let page = chooses(&mut browser, &link, OTHER, &bens).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "another's code");
    branch.pass(15 * MINUTE - 30 * SECOND);
    let right = ada.totp.code(branch.now());
    let page = chooses(&mut browser, &link, OTHER, &right).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "too late");
    assert!(lets_in(&branch, &ada, PASSWORD).await);
    let page = browser.gets("/recover/confirm?token=x").await;
    assert_eq!(page.status, StatusCode::GONE);
}

/// Row 36: known or not, the answers are the same, of the same length, and as many documents are written.
#[tokio::test]
async fn forgetting_a_password_tells_nobody_who_is_a_customer() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    branch.customer("ada@example.org").await;
    let count = async || {
        let mut counts = Vec::new();
        for table in tables::ALL.iter().filter(|table| !table.options.volatile) {
            let scan = DocumentScan { table: table.id, limit: 100, ..DocumentScan::default() };
            counts.push(branch.client.scan_documents(&scan).await.unwrap().items.len());
        }
        counts
    };
    let mut seen = Vec::new();
    for email in ["ada%40example.org", "zoe%40example.org"] {
        let before = count().await;
        let page = forgets(&branch, email).await;
        let written: Vec<_> =
            before.iter().zip(count().await).map(|(before, after)| after - before).collect();
        let mut names: Vec<_> = page.headers.keys().map(ToString::to_string).collect();
        names.sort();
        seen.push((page.status, page.text, names, page.headers[header::LOCATION].clone(), written));
    }
    assert_eq!(seen[0], seen[1]);
    mailbox.fills(&branch).await;
    mailbox.only("ada@example.org");
    // What is wrong with a link or with a code is not told apart.
    forgets(&branch, "ada%40example.org").await;
    mailbox.fills(&branch).await;
    let right = link(&mailbox.only("ada@example.org"));
    let wrong = right.replace(token(&right), &"A".repeat(token(&right).len()));
    let mut browser = Browser::of(&branch);
    let mut texts = Vec::new();
    for link in [&right, &wrong] {
        let page = chooses(&mut browser, link, OTHER, "000000").await;
        texts.push((page.status, page.text.replace(token(link), "")));
    }
    assert_eq!(texts[0], texts[1]);
}

/// Prevents: a link whose host is what a request said it is.
#[tokio::test]
async fn a_link_leads_to_the_bank_whatever_host_was_asked() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    branch.customer("ada@example.org").await;
    let mut browser = Browser::of(&branch);
    let csrf = browser.token("/recover").await;
    let request = axum::http::Request::post("/recover")
        .header(header::HOST, "evil.example")
        .header("x-forwarded-host", "evil.example");
    let form = format!("csrf={csrf}&email=ada%40example.org");
    assert_eq!(browser.sends(request, form).await.status, StatusCode::SEE_OTHER);
    mailbox.fills(&branch).await;
    let mail = mailbox.only("ada@example.org");
    assert!(mail.text.contains("https://bank.example/recover/confirm?token="));
    assert!(!mail.text.contains("evil.example"));
}

/// Prevents: whoever types a customer's address again and again, and fills what one commit must end.
#[tokio::test]
async fn a_customer_has_no_more_links_than_letters() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    let Bank { store, clock, .. } = &*branch.bank;
    let email = Email::parse(ada.email).unwrap();
    for _ in 0..20 {
        Recoveries::begin(store, &**clock, &Caller::bank(), &email).await.unwrap();
    }
    mailbox.fills(&branch).await;
    let letters = mailbox.opens().len();
    let scan = DocumentScan {
        table: tables::RECOVERIES,
        prefix: ada.id.bytes().to_vec(),
        limit: 100,
        ..DocumentScan::default()
    };
    let links = branch.client.scan_documents(&scan).await.unwrap().items.len();
    assert_eq!((links, letters), (5, 5));
}
