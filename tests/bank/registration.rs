//! Becoming a customer. What would go wrong without: a customer without a second factor, one who owns another's
//! mailbox, or a form that tells who is a customer.

use crate::branch::{Branch, PASSWORD};
use crate::browser::{Browser, Page};
use crate::mailbox::{Mailbox, link, token};
use axum::http::{StatusCode, header};
use florin_adapter::audit::Caller;
use florin_adapter::clock::{HOUR, SECOND};
use florin_adapter::customers::{
    Customers, EnrolError, Link, Newcomer, Password, PersonName, Registrations, TotpSecret,
};
use florin_adapter::email::Email;
use florin_adapter::store::Found;
use florin_adapter::{Bank, tables};
use florin_ledger::DocumentWrite;
use florin_ledger::document::{DocumentScan, WriteResult};

/// Somebody asks to become a customer.
pub(crate) async fn asks(branch: &Branch, email: &str) {
    let newcomer = Newcomer {
        first_name: PersonName::parse("Zoë").unwrap(),
        last_name: PersonName::parse("Quill").unwrap(),
        email: Email::parse(email).unwrap(),
        password: Password::new(String::from(PASSWORD)).unwrap(),
    };
    let Bank { store, clock, passwords, .. } = &*branch.bank;
    Registrations::begin(store, &**clock, passwords, &Caller::bank(), newcomer).await.unwrap();
}

/// The link of the letter that has come to an address.
async fn link_of(branch: &Branch, mailbox: &std::sync::Arc<Mailbox>, email: &str) -> Link {
    mailbox.fills(branch).await;
    let link = link(&mailbox.only(email));
    token(&link).parse().unwrap()
}

async fn confirms(branch: &Branch, link: &Link) -> Result<Link, EnrolError> {
    Registrations::confirm(&branch.bank.store, &*branch.bank.clock, link).await
}

async fn app(branch: &Branch, link: &Link) -> TotpSecret {
    let Bank { store, clock, .. } = &*branch.bank;
    Registrations::enrolment(store, &**clock, link).await.unwrap().totp
}

async fn enrols(branch: &Branch, link: &Link, code: &str) -> Result<(), EnrolError> {
    let Bank { store, clock, .. } = &*branch.bank;
    Registrations::enrol(store, &**clock, &Caller::bank(), link, code).await.map(drop)
}

fn form(csrf: &str, email: &str) -> String {
    let password = PASSWORD.replace(' ', "+");
    format!("csrf={csrf}&first_name=Zo%C3%AB&last_name=Quill&email={email}&password={password}")
}

async fn registers(browser: &mut Browser, email: &str) -> Page {
    let csrf = browser.token("/register").await;
    browser.posts("/register", &form(&csrf, email)).await
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap();
    rest.split_once(after).unwrap().0
}

#[tokio::test]
async fn a_form_a_letter_and_a_code_make_a_customer_who_gets_in() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let mut browser = Browser::of(&branch);
    let csrf = browser.token("/register").await;
    let to = browser.is_led_to("/register", &form(&csrf, "zoe%40example.org")).await;
    assert_eq!(to, "/register/sent");
    mailbox.fills(&branch).await;
    let link = link(&mailbox.only("zoe@example.org"));
    assert!(!branch.lets_in("zoe@example.org", PASSWORD, "000000").await, "not a customer yet");

    // Another browser, as of a phone.
    let mut browser = Browser::of(&branch);
    let csrf = browser.token(&link).await;
    let spend = format!("csrf={csrf}&token={}", token(&link));
    let page = browser.posts("/register/confirm", &spend).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    let page = browser.gets("/register/enrol").await;
    let secret = between(&page.text, r#"id="secret">"#, "<").replace(' ', "");
    assert!(page.text.contains(&format!("secret={secret}&#38;issuer=Bank")), "{}", page.text);
    let totp = TotpSecret::try_from(secret).unwrap();
    let csrf = between(&page.text, r#"name="csrf" value=""#, "\"");
    let wrong = browser.posts("/register/enrol", &format!("csrf={csrf}&code=000000")).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let code = totp.code(branch.now());
    let page = browser.posts("/register/enrol", &format!("csrf={csrf}&code={code}")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let codes = crate::recovery_codes::shown(&page);
    assert_eq!(codes.len(), 10);
    assert!(page.text.contains(r#"href="/login?notice=registered""#));
    let again = browser.posts("/register/enrol", &format!("csrf={csrf}&code={code}")).await;
    assert!(crate::recovery_codes::shown(&again).is_empty(), "they are shown once");

    assert!(branch.lets_in("zoe@example.org", PASSWORD, &codes[9]).await);
    assert!(!branch.lets_in("zoe@example.org", PASSWORD, &code).await, "the code is used");
    branch.pass(30 * SECOND);
    assert!(branch.lets_in("Zoe@example.org", PASSWORD, &totp.code(branch.now())).await);
    let page = browser.gets("/login?notice=registered").await;
    assert!(page.text.contains(r#"id="notice""#) && page.text.contains("href=\"/register\""));
}

/// Row 36 of the threat table: a customer's address and a stranger's get the same answers, of the same length, and as
/// many documents are written.
#[tokio::test]
async fn the_form_tells_nobody_who_is_a_customer_and_tells_the_customer() {
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
    for email in ["Ada%40Example.org", "zoe%40example.org"] {
        let before = count().await;
        let mut browser = Browser::of(&branch);
        let page = registers(&mut browser, email).await;
        let after = count().await;
        let written: Vec<_> =
            before.iter().zip(after).map(|(before, after)| after - before).collect();
        let mut names: Vec<_> = page.headers.keys().map(|name| name.to_string()).collect();
        names.sort();
        let location = page.headers[header::LOCATION].clone();
        seen.push((page.status, page.text, names, location, written));
    }
    assert_eq!(seen[0], seen[1]);
    mailbox.fills(&branch).await;
    let mut mails = mailbox.opens();
    mails.sort_by_key(|mail| String::from(mail.to.written()));
    let [owners, strangers] = &mails[..] else { panic!("{mails:?}") };
    assert_eq!(owners.to.written(), "ada@example.org", "as it is on record");
    assert!(owners.text.contains("You are a customer already") && !owners.text.contains("token="));
    assert_eq!(strangers.to.written(), "zoe@example.org");
    assert!(!format!("{owners:?}{strangers:?}").contains("Zoë"), "a stranger's words");
}

/// Row 38, by hand: each step needs the one before, and none can be taken twice.
#[tokio::test]
async fn a_link_is_good_once_in_time_and_for_its_own_step() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    asks(&branch, "zoe@example.org").await;
    let first = link_of(&branch, &mailbox, "zoe@example.org").await;
    assert!(enrols(&branch, &first, "000000").await.is_err(), "the mailbox is not confirmed");
    let onward = confirms(&branch, &first).await.unwrap();
    assert!(matches!(confirms(&branch, &first).await, Err(EnrolError::NoSuchLink)), "used");
    assert!(
        matches!(confirms(&branch, &onward).await, Err(EnrolError::NoSuchLink)),
        "another step"
    );
    let totp = app(&branch, &onward).await;
    let code = totp.code(branch.now());
    assert!(
        matches!(enrols(&branch, &first, &code).await, Err(EnrolError::NoSuchLink)),
        "old link"
    );
    enrols(&branch, &onward, &code).await.unwrap();
    branch.pass(30 * SECOND);
    let code = totp.code(branch.now());
    assert!(matches!(enrols(&branch, &onward, &code).await, Err(EnrolError::NoSuchLink)), "done");

    asks(&branch, "ben@example.org").await;
    let late = link_of(&branch, &mailbox, "ben@example.org").await;
    branch.pass(24 * HOUR);
    assert!(matches!(confirms(&branch, &late).await, Err(EnrolError::NoSuchLink)), "a day is over");
    asks(&branch, "ben@example.org").await;
    let link = link_of(&branch, &mailbox, "ben@example.org").await;
    let onward = confirms(&branch, &link).await.unwrap();
    let totp = app(&branch, &onward).await;
    branch.pass(HOUR);
    let code = totp.code(branch.now());
    assert!(
        matches!(enrols(&branch, &onward, &code).await, Err(EnrolError::NoSuchLink)),
        "an hour is over"
    );
}

/// Prevents: two customers of one address, when two registered with it at the same time.
#[tokio::test]
async fn of_two_who_register_an_address_the_first_to_finish_has_it() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let mut onward = Vec::new();
    for email in ["zoe@example.org", "ZOE@example.org"] {
        asks(&branch, email).await;
        let link = link_of(&branch, &mailbox, email).await;
        onward.push(confirms(&branch, &link).await.unwrap());
    }
    for (link, is_first) in onward.iter().zip([true, false]) {
        let code = app(&branch, link).await.code(branch.now());
        match enrols(&branch, link, &code).await {
            Ok(()) => assert!(is_first),
            Err(error) => {
                assert!(!is_first && matches!(error, EnrolError::KnownAddress), "{error}")
            }
        }
    }
}

/// Prevents: who changed their mind stays in the bank's books for ever; or a customer loses their keys.
#[tokio::test]
async fn who_does_not_come_back_is_forgotten_and_who_became_a_customer_is_not() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    asks(&branch, "zoe@example.org").await;
    let link = link_of(&branch, &mailbox, "zoe@example.org").await;
    let onward = confirms(&branch, &link).await.unwrap();
    let code = app(&branch, &onward).await.code(branch.now());
    enrols(&branch, &onward, &code).await.unwrap();
    asks(&branch, "ben@example.org").await;
    let bens = link_of(&branch, &mailbox, "ben@example.org").await;
    let Bank { store, clock, .. } = &*branch.bank;
    branch.pass(24 * HOUR);
    assert_eq!(Registrations::sweep(store, &**clock).await.unwrap(), 0);
    branch.pass(HOUR + 1);
    assert_eq!(Registrations::sweep(store, &**clock).await.unwrap(), 1);
    assert_eq!(Registrations::sweep(store, &**clock).await.unwrap(), 0);
    assert!(confirms(&branch, &bens).await.is_err());
    let scan = DocumentScan { table: tables::CUSTOMERS, limit: 100, ..DocumentScan::default() };
    let names: Vec<_> = store.scan::<Customers>(scan).await.unwrap().found;
    let is_zoe = |found: &Found<Customers>| {
        found.row.profile.as_known().is_some_and(|profile| profile.email == "zoe@example.org")
    };
    assert!(names.iter().any(is_zoe));
}

/// Prevents: one registration that can't be read, and nobody who is ever forgotten because of it.
#[tokio::test]
async fn a_registration_that_is_damaged_is_in_the_way_of_no_other() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    asks(&branch, "ben@example.org").await;
    let bens = link_of(&branch, &mailbox, "ben@example.org").await;
    for (place, value) in [(0, vec![2, b'?']), (0xff, vec![99])] {
        let damaged = DocumentWrite {
            table: tables::REGISTRATIONS,
            key: vec![place; 16],
            value: Some(value),
            ..DocumentWrite::default()
        };
        let written = branch.client.write_documents(&[damaged]).await.unwrap();
        assert!(matches!(written[0], WriteResult::Written(_)));
    }
    branch.pass(25 * HOUR + 1);
    let Bank { store, clock, .. } = &*branch.bank;
    assert_eq!(Registrations::sweep(store, &**clock).await.unwrap(), 1);
    assert!(confirms(&branch, &bens).await.is_err());
}

/// Row 51: hostile words are refused or shown as they are.
#[tokio::test]
async fn what_is_no_name_address_or_password_is_shown_again_and_nothing_happens() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let mut browser = Browser::of(&branch);
    let csrf = browser.token("/register").await;
    let good = form(&csrf, "zoe%40example.org");
    for (from, to) in [
        ("first_name=Zo%C3%AB", "first_name="),
        ("last_name=Quill", "last_name=Quill%0D%0ABcc%3A+eve%40example.org"),
        ("zoe%40example.org", "zoe%40example.org%0D%0ABcc%3A+eve%40example.org"),
        ("zoe%40example.org", "%22%3E%3Cscript%3Ealert(1)%3C/script%3E"),
        (&PASSWORD.replace(' ', "+"), "short"),
    ] {
        let page = browser.posts("/register", &good.replace(from, to)).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{to}");
        assert!(
            page.text.contains(r#"id="problem""#) && !page.text.contains("<script"),
            "{}",
            page.text
        );
        assert!(!page.text.contains("value=\"a horse"), "a password is not shown again");
    }
    mailbox.fills(&branch).await;
    assert!(mailbox.opens().is_empty());
}

/// Row 26, for forms of people who are no customers yet.
#[tokio::test]
async fn a_registration_is_not_begun_or_finished_by_another_sites_form() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let mut browser = Browser::of(&branch);
    let csrf = browser.token("/register").await;
    let good = form(&csrf, "zoe%40example.org");
    let post = |path: &str| axum::http::Request::post(path.to_owned());
    let foreign = post("/register").header(header::ORIGIN, "https://evil.example");
    assert_eq!(browser.sends(foreign, good.clone()).await.status, StatusCode::FORBIDDEN);
    let without = good.replace(&format!("csrf={csrf}&"), "");
    assert_eq!(browser.posts("/register", &without).await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.posts("/register", &good).await.status, StatusCode::SEE_OTHER);
    mailbox.fills(&branch).await;
    let link = link(&mailbox.only("zoe@example.org"));
    let spend = format!("csrf={csrf}&token={}", token(&link));
    let foreign = post("/register/confirm").header(header::ORIGIN, "https://evil.example");
    assert_eq!(browser.sends(foreign, spend.clone()).await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.posts("/register/confirm", &spend).await.status, StatusCode::SEE_OTHER);
    // Of the visitor, not of the link that the cookie carries.
    let page = browser.posts("/register/enrol", &format!("csrf={csrf}&code=000000")).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.posts("/register/enrol", "code=000000").await.status, StatusCode::FORBIDDEN);
}
