//! Another authenticator app. What would go wrong without: who finds a browser open, or has stolen a cookie, puts their
//! own app in the place of the customer's; or a lost phone goes on opening the account.

use crate::branch::{Branch, PASSWORD, Person};
use crate::browser::{Browser, Page};
use crate::mailbox::Mailbox;
use crate::recovery_codes::{code, makes, step_up};
use axum::http::{StatusCode, header};
use florin_adapter::clock::{MINUTE, SECOND, after};
use florin_adapter::customers::TotpSecret;

const PATH: &str = "/security/factor";
const NEW: &str = "/security/factor/new";

/// The secret that a page shows.
pub(crate) fn secret(page: &Page) -> TotpSecret {
    let (_, rest) = page.text.split_once(r#"id="secret">"#).unwrap();
    let text = rest.split_once('<').unwrap().0.replace(' ', "");
    TotpSecret::try_from(text).unwrap()
}

/// Begins at a browser, with whatever is taken for the old app.
async fn begins(browser: &mut Browser, code: &str) -> TotpSecret {
    let csrf = browser.token(PATH).await;
    assert_eq!(browser.is_led_to(PATH, &step_up(&csrf, PASSWORD, code)).await, NEW);
    secret(&browser.gets(NEW).await)
}

async fn finishes(branch: &Branch, browser: &mut Browser, totp: &TotpSecret) -> Page {
    branch.pass(30 * SECOND);
    let csrf = browser.token(NEW).await;
    browser.posts(NEW, &format!("csrf={csrf}&code={}", totp.code(branch.now()))).await
}

#[tokio::test]
async fn another_app_takes_the_place_of_the_old_one_at_once_and_ends_other_logins() {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    let mut desk = Browser::logged_in(&branch, &ada).await;
    let mut phone = Browser::logged_in(&branch, &ada).await;
    let half = branch.begins(ada.email, PASSWORD).await;
    let totp = begins(&mut desk, &code(&branch, &ada)).await;
    assert!(branch.lets_in(ada.email, PASSWORD, &code(&branch, &ada)).await, "it is good still");
    let csrf = desk.token(NEW).await;
    let page = desk.posts(NEW, &format!("csrf={csrf}&code={}", code(&branch, &ada))).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "the old app's");
    let page = finishes(&branch, &mut desk, &totp).await;
    assert_eq!(page.headers[header::LOCATION], "/security?notice=factor");
    assert!(desk.gets("/security?notice=factor").await.text.contains(r#"id="notice""#));
    assert_eq!(phone.gets("/accounts").await.status, StatusCode::SEE_OTHER, "row 31");
    let used = totp.code(branch.now());
    assert!(branch.finishes(&half, &used).await.is_err(), "begun before");
    assert!(!branch.lets_in(ada.email, PASSWORD, &used).await, "row 37: it is used");
    assert!(!branch.lets_in(ada.email, PASSWORD, &code(&branch, &ada)).await, "the old app");
    assert!(branch.lets_in(ada.email, PASSWORD, &totp.code(branch.now())).await);
    mailbox.fills(&branch).await;
    assert!(mailbox.only(ada.email).subject.contains("authenticator app"));
    let page = finishes(&branch, &mut desk, &totp).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "it is done: begin again");
}

/// Row 38: no step without the one before, in no other browser, and not for ever.
#[tokio::test]
async fn row_38_a_new_app_is_the_login_s_that_proved_itself_and_nobody_elses() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let mut desk = Browser::logged_in(&branch, &ada).await;
    let mut phone = Browser::logged_in(&branch, &ada).await;
    let csrf = desk.token(PATH).await;
    for (password, code) in [
        ("wrong", &*code(&branch, &ada)),
        (PASSWORD, "000000"),
        (PASSWORD, "aaaa-bbbb-cccc-dddd"),
        ("", ""),
    ] {
        let page = desk.posts(PATH, &step_up(&csrf, password, code)).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        let page = desk.gets(NEW).await;
        assert!(page.status == StatusCode::UNPROCESSABLE_ENTITY && !page.text.contains("secret="));
    }
    branch.pass(15 * MINUTE);
    let mut desk = Browser::logged_in(&branch, &ada).await;
    let mut thief = desk.clone();
    let totp = begins(&mut desk, &code(&branch, &ada)).await;
    // Row 30: another token after a step-up; the one of before is nobody's login.
    assert_eq!(thief.gets(NEW).await.headers[header::LOCATION], "/login");
    let mut phone_again = Browser::logged_in(&branch, &ada).await;
    for other in [&mut phone, &mut phone_again] {
        assert!(!other.gets(NEW).await.text.contains("id=\"secret\""));
    }
    branch.pass(4 * MINUTE);
    desk.gets(NEW).await;
    for _ in 0..3 {
        branch.pass(4 * MINUTE);
        desk.gets("/accounts").await;
    }
    assert_eq!(finishes(&branch, &mut desk, &totp).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(branch.lets_in(ada.email, PASSWORD, &code(&branch, &ada)).await, "nothing was changed");
}

/// Prevents: a customer whose phone is at the bottom of the sea, and who can't have another app without the staff.
#[tokio::test]
async fn a_recovery_code_leads_to_another_app_once() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let mut desk = Browser::logged_in(&branch, &ada).await;
    let codes = makes(&branch, &mut desk, &ada).await;
    let totp = begins(&mut desk, &codes[0]).await;
    assert_eq!(finishes(&branch, &mut desk, &totp).await.status, StatusCode::SEE_OTHER);
    let csrf = desk.token(PATH).await;
    let page = desk.posts(PATH, &step_up(&csrf, PASSWORD, &codes[0])).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "spent");
    // Whoever has done this with another's password finds its owner back with a code of the same sheet.
    let other = Person { totp, ..ada };
    assert!(branch.lets_in(other.email, PASSWORD, &codes[1]).await);
    assert!(branch.lets_in(other.email, PASSWORD, &code(&branch, &other)).await);
}

/// Row 37: prevents a new app whose first codes are refused, because the old one's was of a step ahead.
#[tokio::test]
async fn the_steps_of_the_old_app_are_not_in_the_way_of_the_new_one() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let mut desk = Browser::logged_in(&branch, &ada).await;
    let ahead = ada.totp.code(after(branch.now(), 30 * SECOND));
    let totp = begins(&mut desk, &ahead).await;
    let csrf = desk.token(NEW).await;
    let form = format!("csrf={csrf}&code={}", totp.code(branch.now()));
    assert_eq!(desk.is_led_to(NEW, &form).await, "/security?notice=factor");
    branch.pass(30 * SECOND);
    assert!(branch.lets_in(ada.email, PASSWORD, &totp.code(branch.now())).await);
}
