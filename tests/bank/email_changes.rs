//! Another e-mail address. What would go wrong without: an open browser gives the account to who reads another mailbox,
//! its owner never hears of it, or the form tells who is a customer.

use crate::app::App;
use crate::branch::{Branch, PASSWORD, Person};
use crate::browser::{Browser, Page};
use crate::mailbox::{Mailbox, link, token};
use crate::recovery_codes::{code, step_up};
use axum::http::{StatusCode, header};
use florin_adapter::clock::{HOUR, MINUTE, SECOND};
use florin_adapter::customers::Link;
use florin_adapter::notify::Mail;
use florin_adapter::tables;
use florin_ledger::document::DocumentScan;
use std::sync::Arc;

const PATH: &str = "/security/email";
const CONFIRM: &str = "/security/email/confirm";

/// Asks for an address at a browser.
async fn asks(branch: &Branch, browser: &mut Browser, person: &Person, email: &str) -> Page {
    let csrf = browser.token(PATH).await;
    let right = code(branch, person);
    let form = format!("{}&email={email}", step_up(&csrf, PASSWORD, &right));
    browser.posts(PATH, &form).await
}

async fn confirms(branch: &Branch, link: &str) -> Page {
    let mut browser = Browser::of(branch);
    let csrf = browser.token(link).await;
    browser.posts(CONFIRM, &format!("csrf={csrf}&token={}", token(link))).await
}

/// Moves somebody to another address; whether it was nobody's.
pub(crate) async fn moves(
    branch: &Branch,
    mailbox: &Arc<Mailbox>,
    person: &Person,
    email: &'static str,
) -> Option<Person> {
    let mut desk = Browser::logged_in(branch, person).await;
    asks(branch, &mut desk, person, &email.replace('@', "%40")).await;
    let letters = mail(branch, mailbox).await;
    let link = link(letters.iter().find(|mail| mail.text.contains("token="))?);
    let is_moved = confirms(branch, &link).await.status == StatusCode::SEE_OTHER;
    is_moved.then(|| Person { email, ..person.clone() })
}

/// The link that has come to an address that somebody wants, whatever browser they asked from.
pub(crate) async fn asked(branch: &Branch, person: &Person, email: &str) -> Link {
    let mailbox = Mailbox::new();
    let mut desk = Browser::logged_in(branch, person).await;
    asks(branch, &mut desk, person, &email.replace('@', "%40")).await;
    let letters = mail(branch, &mailbox).await;
    let link = link(letters.iter().find(|mail| mail.text.contains("token=")).unwrap());
    token(&link).parse().unwrap()
}

/// What has come since, by to whom.
async fn mail(branch: &Branch, mailbox: &Arc<Mailbox>) -> Vec<Mail> {
    mailbox.fills(branch).await;
    let mut mails = mailbox.opens();
    mails.sort_by_key(|mail| String::from(mail.to.written()));
    mails
}

#[tokio::test]
async fn an_address_is_changed_from_its_mailbox_and_the_old_one_hears_of_it_twice() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    let mut desk = Browser::logged_in(&branch, &ada).await;
    let mut phone = Browser::logged_in(&branch, &ada).await;
    assert_eq!(asks(&branch, &mut desk, &ada, "ADA%40example.org").await.status, 422, "the same");
    let page = asks(&branch, &mut desk, &ada, "Quill%40example.org").await;
    assert_eq!(page.headers[header::LOCATION], "/security/email/sent", "{}", page.text);
    let [new, old] = &mail(&branch, &mailbox).await[..] else { panic!("two letters") };
    assert_eq!((new.to.written(), old.to.written()), ("Quill@example.org", "ada@example.org"));
    let link = link(new);
    assert!(old.text.contains("/recover") && !old.text.contains("token="), "{}", old.text);
    assert!(!old.text.contains("uill@"), "where it goes is nobody's who only reads this mailbox");
    // Looking at it does nothing.
    assert_eq!(Browser::of(&branch).gets(&link).await.status, StatusCode::OK);
    assert!(branch.lets_in(ada.email, PASSWORD, &code(&branch, &ada)).await);
    for _ in 0..5 {
        assert!(!branch.lets_in("quill@example.org", "guessed", "000000").await);
    }
    assert_eq!(confirms(&branch, &link).await.headers[header::LOCATION], "/login?notice=email");
    for browser in [&mut desk, &mut phone] {
        assert_eq!(browser.gets("/accounts").await.status, StatusCode::SEE_OTHER, "row 31");
    }
    assert!(!branch.lets_in(ada.email, PASSWORD, &code(&branch, &ada)).await);
    let moved = Person { email: "quill@example.org", ..ada };
    assert!(
        branch.lets_in(moved.email, PASSWORD, &code(&branch, &moved)).await,
        "it is not locked"
    );
    let letters = mail(&branch, &mailbox).await;
    let to_the_old = letters.iter().filter(|mail| mail.to.written() == "ada@example.org");
    let subjects: Vec<_> = to_the_old.map(|mail| &*mail.subject).collect();
    let told = ["Your login at Bank is locked for a while", "Your address at Bank was changed"];
    assert!(
        subjects.contains(&told[1]) && subjects.iter().all(|it| told.contains(it)),
        "{subjects:?}"
    );
    let done = letters.iter().find(|mail| mail.subject == told[1]).unwrap();
    assert!(!done.text.contains("uill@") && !done.text.contains("token="), "{}", done.text);
    assert!(letters.iter().all(|mail| mail.subject != "Your address at Bank is to be changed"));
    assert_eq!(confirms(&branch, &link).await.status, StatusCode::GONE, "one use");
    let app = App::logged_in(&branch, &moved).await;
    assert_eq!(app.gets("/v1/users/me").await.good()["email"], "Quill@example.org");
    let mut desk = Browser::logged_in(&branch, &moved).await;
    assert!(desk.gets("/security/profile").await.text.contains("Quill@example.org"));
    branch.customer("ada@example.org").await;
}

/// Row 38: an open browser, a wrong code, an old link, a link of before: none gives the account away.
#[tokio::test]
async fn row_38_no_address_without_password_app_and_mailbox() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    let mut desk = Browser::logged_in(&branch, &ada).await;
    let codes = crate::recovery_codes::makes(&branch, &mut desk, &ada).await;
    let csrf = desk.token(PATH).await;
    let right = code(&branch, &ada);
    for (password, code) in [("wrong", &*right), (PASSWORD, "000000"), (PASSWORD, &*codes[0])] {
        let form = format!("{}&email=eve%40example.org", step_up(&csrf, password, code));
        let page = desk.posts(PATH, &form).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    mail(&branch, &mailbox).await;
    let mut links = Vec::new();
    for email in ["one%40example.org", "two%40example.org"] {
        asks(&branch, &mut desk, &ada, email).await;
        let letters = mail(&branch, &mailbox).await;
        links.push(link(letters.iter().find(|mail| mail.text.contains("token=")).unwrap()));
    }
    assert_eq!(
        confirms(&branch, &links[0]).await.status,
        StatusCode::GONE,
        "another was asked for"
    );
    // Another password puts an end to it: that is what the warning says.
    let mut desk = Browser::logged_in(&branch, &ada).await;
    let csrf = desk.token("/security/password").await;
    let (old, right) = (PASSWORD.replace(' ', "+"), code(&branch, &ada));
    let form = format!("csrf={csrf}&old={old}&new=another+horse+and+cart&code={right}");
    assert_eq!(desk.is_led_to("/security/password", &form).await, "/security?notice=password");
    assert_eq!(confirms(&branch, &links[1]).await.status, StatusCode::GONE);

    let ben = branch.customer("ben@example.org").await;
    let mut desk = Browser::logged_in(&branch, &ben).await;
    asks(&branch, &mut desk, &ben, "late%40example.org").await;
    let letters = mail(&branch, &mailbox).await;
    let late = link(letters.iter().find(|mail| mail.text.contains("token=")).unwrap());
    branch.pass(24 * HOUR);
    assert_eq!(confirms(&branch, &late).await.status, StatusCode::GONE, "a day is over");
    branch.pass(MINUTE);
    assert!(branch.lets_in(ben.email, PASSWORD, &code(&branch, &ben)).await);
}

/// Row 36: somebody's address and nobody's get the same answers, and as many documents are written.
#[tokio::test]
async fn row_36_the_form_tells_nobody_who_is_a_customer_and_tells_the_customer() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    branch.customer("ben@example.org").await;
    let count = async || {
        let mut counts = Vec::new();
        for table in tables::ALL.iter().filter(|table| !table.options.volatile) {
            let scan = DocumentScan { table: table.id, limit: 100, ..DocumentScan::default() };
            counts.push(branch.client.scan_documents(&scan).await.unwrap().items.len());
        }
        counts
    };
    let mut desk = Browser::logged_in(&branch, &ada).await;
    asks(&branch, &mut desk, &ada, "cleo%40example.org").await;
    mail(&branch, &mailbox).await;
    let mut seen = Vec::new();
    for email in ["Ben%40example.org", "zoe%40example.org"] {
        branch.pass(2 * MINUTE);
        let mut desk = Browser::logged_in(&branch, &ada).await;
        let before = count().await;
        let page = asks(&branch, &mut desk, &ada, email).await;
        let written: Vec<_> =
            before.iter().zip(count().await).map(|(before, after)| after - before).collect();
        let mut names: Vec<_> = page.headers.keys().map(ToString::to_string).collect();
        names.sort();
        seen.push((page.status, page.text, names, page.headers[header::LOCATION].clone(), written));
    }
    assert_eq!(seen[0], seen[1]);
    let letters = mail(&branch, &mailbox).await;
    let to = |address: &str| letters.iter().filter(|mail| mail.to.written() == address).count();
    assert_eq!((to("ben@example.org"), to("zoe@example.org"), to("ada@example.org")), (1, 1, 2));
    let bens = letters.iter().find(|mail| mail.to.written() == "ben@example.org").unwrap();
    assert!(!bens.text.contains("token=") && bens.text.contains("nothing was changed"));
}

/// Prevents: two customers of one address, of whom one gets the other's mail.
#[tokio::test]
async fn of_two_who_want_an_address_the_first_to_confirm_has_it() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let mut links = Vec::new();
    for email in ["ada@example.org", "ben@example.org"] {
        let person = branch.customer(email).await;
        let mut desk = Browser::logged_in(&branch, &person).await;
        asks(&branch, &mut desk, &person, "both%40example.org").await;
        let letters = mail(&branch, &mailbox).await;
        links.push(link(letters.iter().find(|mail| mail.text.contains("token=")).unwrap()));
        branch.pass(30 * SECOND);
    }
    assert_eq!(confirms(&branch, &links[1]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(confirms(&branch, &links[0]).await.status, StatusCode::CONFLICT);
    assert!(branch.registers("both@example.org").await.is_none());
    assert!(branch.registers("ada@example.org").await.is_none(), "hers still");
    assert!(branch.registers("ben@example.org").await.is_some(), "free");
}
