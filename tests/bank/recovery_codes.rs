//! Recovery codes. What would go wrong without: who lost their phone is locked out for good; or a sheet of paper lets
//! somebody in again and again, without the password, or more often than they may try.

use crate::branch::{Branch, PASSWORD, Person};
use crate::browser::{Browser, Page};
use crate::mailbox::{Mailbox, link, token};
use axum::http::{StatusCode, header};
use florin_adapter::Bank;
use florin_adapter::audit::Caller;
use florin_adapter::clock::{MINUTE, SECOND};
use florin_adapter::customers::{Accepted, RecoveryCodes, prove};
use florin_adapter::store::Found;

const PATH: &str = "/security/codes";

/// A code of the app that was not used yet.
pub(crate) fn code(branch: &Branch, person: &Person) -> String {
    branch.pass(30 * SECOND);
    person.totp.code(branch.now())
}

/// A form of the pages that take password and code.
pub(crate) fn step_up(csrf: &str, password: &str, code: &str) -> String {
    format!("csrf={csrf}&password={}&code={code}", password.replace(' ', "+"))
}

/// The codes that a page shows.
pub(crate) fn shown(page: &Page) -> Vec<String> {
    let codes = page.text.split("<li><code>").skip(1);
    codes.map(|rest| String::from(rest.split_once('<').unwrap().0)).collect()
}

/// Makes codes at a browser of somebody who is logged in there.
pub(crate) async fn makes(branch: &Branch, browser: &mut Browser, person: &Person) -> Vec<String> {
    let csrf = browser.token(PATH).await;
    let page = browser.posts(PATH, &step_up(&csrf, PASSWORD, &code(branch, person))).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    shown(&page)
}

async fn left(browser: &mut Browser) -> String {
    let page = browser.gets(PATH).await.text;
    let (_, rest) = page.split_once(r#"<strong id="left">"#).unwrap();
    String::from(rest.split_once('<').unwrap().0)
}

#[tokio::test]
async fn each_code_lets_in_once_and_its_owner_is_told() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    let mut desk = Browser::logged_in(&branch, &ada).await;
    assert_eq!(left(&mut desk).await, "0");
    let codes = makes(&branch, &mut desk, &ada).await;
    assert_eq!(codes.len(), 10);
    mailbox.fills(&branch).await;
    assert!(mailbox.only(ada.email).subject.contains("new recovery codes"));
    assert!(branch.lets_in(ada.email, PASSWORD, &codes[3].to_uppercase()).await);
    assert!(!branch.lets_in(ada.email, PASSWORD, &codes[3]).await, "row 37: it is spent");
    assert_eq!(left(&mut desk).await, "9");
    mailbox.fills(&branch).await;
    let letter = mailbox.only(ada.email);
    assert!(letter.text.contains("9 left") && !letter.text.contains(&codes[3]), "{}", letter.text);
    assert!(desk.gets("/sessions").await.text.contains("Password and recovery code"));
    // Not every code of a sheet is a password's worth: without the password none lets in.
    assert!(!branch.lets_in(ada.email, "something else", &codes[4]).await);
    assert!(branch.lets_in(ada.email, PASSWORD, &codes[4].replace('-', " ")).await, "not spent");
}

/// Row 35: of a code that is tried by many at once one takes effect.
#[tokio::test]
async fn of_two_logins_with_one_code_one_is_let_in() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let mut desk = Browser::logged_in(&branch, &ada).await;
    let codes = makes(&branch, &mut desk, &ada).await;
    let (one, other) =
        (branch.begins(ada.email, PASSWORD).await, branch.begins(ada.email, PASSWORD).await);
    let (one, other) =
        tokio::join!(branch.finishes(&one, &codes[0]), branch.finishes(&other, &codes[0]));
    assert!(one.is_ok() != other.is_ok());
    assert_eq!(left(&mut desk).await, "9");
}

/// Rows 30 and 38: prevents a sheet that makes the next sheet, and a browser that was left open which makes one.
#[tokio::test]
async fn new_codes_take_password_and_app_and_end_the_old_ones() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let mut desk = Browser::logged_in(&branch, &ada).await;
    let old = makes(&branch, &mut desk, &ada).await;
    let csrf = desk.token(PATH).await;
    let right = code(&branch, &ada);
    for (password, code) in
        [("wrong", &*right), (PASSWORD, "000000"), (PASSWORD, &old[0]), ("", ""), (PASSWORD, "")]
    {
        let page = desk.posts(PATH, &step_up(&csrf, password, code)).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{password} {code}");
        assert!(shown(&page).is_empty() && !page.text.contains(PASSWORD));
    }
    branch.pass(15 * MINUTE);
    assert!(branch.lets_in(ada.email, PASSWORD, &old[1]).await, "nothing was changed");
    let mut desk = Browser::logged_in(&branch, &ada).await;
    let new = makes(&branch, &mut desk, &ada).await;
    assert!(!branch.lets_in(ada.email, PASSWORD, &old[2]).await, "of before");
    assert!(branch.lets_in(ada.email, PASSWORD, &new[2]).await);
}

/// Rows 34 and 36: codes from paper are counted with all others, and wrong ones are told from nothing.
#[tokio::test]
async fn a_wrong_code_is_counted_and_looks_like_an_unknown_name() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let mut desk = Browser::logged_in(&branch, &ada).await;
    let codes = makes(&branch, &mut desk, &ada).await;
    let mut answers = Vec::new();
    let paper = "aaaa-bbbb-cccc-dddd";
    for (email, password, code) in [
        ("ada%40example.org", PASSWORD, paper),
        ("ada%40example.org", "wrong", &*codes[0]),
        ("zoe%40example.org", PASSWORD, paper),
    ] {
        let mut browser = Browser::of(&branch);
        let csrf = browser.token("/login").await;
        let password = password.replace(' ', "+");
        let form = format!("csrf={csrf}&email={email}&password={password}");
        assert_eq!(browser.is_led_to("/login", &form).await, "/login/verify");
        let page = browser.posts("/login/verify", &format!("csrf={csrf}&code={code}")).await;
        let mut names: Vec<_> = page.headers.keys().map(ToString::to_string).collect();
        names.sort();
        answers.push((page.status, page.headers[header::LOCATION].clone(), names, page.text));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    for _ in 0..3 {
        assert!(!branch.lets_in(ada.email, PASSWORD, paper).await);
    }
    assert!(!branch.lets_in(ada.email, PASSWORD, &codes[0]).await, "the name is locked");
    branch.pass(15 * MINUTE);
    assert!(branch.lets_in(ada.email, PASSWORD, &codes[0]).await);
}

/// Prevents: a customer who has forgotten their password and lost their phone, and is nobody any more.
#[tokio::test]
async fn a_code_is_good_for_a_new_password_and_for_no_payment() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    let mut desk = Browser::logged_in(&branch, &ada).await;
    let codes = makes(&branch, &mut desk, &ada).await;
    let Bank { store, clock, .. } = &*branch.bank;
    let proved = prove(store, &**clock, &Caller::bank(), ada.id, &codes[0], Accepted::App).await;
    assert!(proved.is_err(), "a payment takes the app");
    let mut browser = Browser::of(&branch);
    let csrf = browser.token("/recover").await;
    let form = format!("csrf={csrf}&email=ada%40example.org");
    assert_eq!(browser.is_led_to("/recover", &form).await, "/recover/sent");
    mailbox.fills(&branch).await;
    let letters = mailbox.opens();
    let link = link(letters.iter().find(|mail| mail.text.contains("?token=")).unwrap());
    let other = "another horse, another battery";
    let csrf = browser.token(&link).await;
    let form = format!("{}&token={}", step_up(&csrf, other, &codes[0]), token(&link));
    let to = browser.is_led_to("/recover/confirm", &form).await;
    assert_eq!(to, "/login?notice=password");
    assert!(branch.lets_in(ada.email, other, &codes[1]).await);
    assert!(!branch.lets_in(ada.email, other, &codes[0]).await, "spent");
    mailbox.fills(&branch).await;
    let told: Vec<_> = mailbox.opens().into_iter().map(|mail| mail.subject).collect();
    assert_eq!(told.iter().filter(|subject| subject.contains("recovery code")).count(), 2);
}

/// Row 53: who has a copy of the disk has no code, nor can find one by trying.
#[tokio::test]
async fn no_code_is_in_the_ledger_and_none_outlives_its_owner() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let mut desk = Browser::logged_in(&branch, &ada).await;
    let codes = makes(&branch, &mut desk, &ada).await;
    assert!(branch.lets_in(ada.email, PASSWORD, &codes[0]).await);
    for code in &codes {
        for text in [code.clone(), code.replace('-', ""), code.replace('-', "").to_uppercase()] {
            for (name, bytes) in branch.files() {
                let is_there = bytes.windows(text.len()).any(|part| part == text.as_bytes());
                assert!(!is_there, "{text} is in the file {name}");
            }
        }
    }
    let Bank { store, clock, .. } = &*branch.bank;
    florin_adapter::customers::erase(store, &**clock, &Caller::bank(), ada.id).await.unwrap();
    let found: Option<Found<RecoveryCodes>> = store.get(&ada.id.bytes()).await.unwrap();
    assert!(found.is_none());
}
