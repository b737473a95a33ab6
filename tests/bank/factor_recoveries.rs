//! Customers who have lost everything but their password. What would go wrong without: they are locked out for good; or
//! one member of the staff, or who reads their mail, or who talks well on the phone, gets in.

use crate::branch::{Branch, PASSWORD, Person};
use crate::browser::{Browser, Page};
use crate::factor_changes::secret;
use crate::mailbox::{Mailbox, link, token};
use crate::recovery_codes::{code, makes, shown, step_up};
use axum::http::{StatusCode, header};
use florin_adapter::clock::{HOUR, MINUTE, SECOND};
use florin_adapter::customers::{
    FactorRecoveryRefused, approve_factor_recovery, request_factor_recovery,
};
use florin_adapter::staff::{Clerk, Matter, ProposalRefused, Role, reject};
use std::sync::Arc;

const PATH: &str = "/recover/factor";
const NEW: &str = "/recover/factor/new";

struct Counter {
    branch: Branch,
    mailbox: Arc<Mailbox>,
    ada: Person,
    sue: Person,
    amy: Person,
}

async fn counter() -> Counter {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    let sue = branch.hires("sue@example.org", &[Role::Support]).await;
    let amy = branch.hires("amy@example.org", &[Role::Admin]).await;
    Counter { branch, mailbox, ada, sue, amy }
}

impl Counter {
    async fn clerks(&self) -> (Clerk, Clerk) {
        (self.branch.clerk(&self.sue).await, self.branch.clerk(&self.amy).await)
    }

    /// Both do their part. The link of the letter.
    async fn link(&self) -> String {
        let (sue, amy) = self.clerks().await;
        let bank = &self.branch.bank;
        request_factor_recovery(bank, &sue, self.ada.id, "came with her passport").await.unwrap();
        approve_factor_recovery(bank, &amy, self.ada.id).await.unwrap();
        self.mailbox.fills(&self.branch).await;
        link(&self.mailbox.only(self.ada.email))
    }

    async fn shows(&self, browser: &mut Browser, link: &str, password: &str) -> Page {
        let csrf = browser.token(link).await;
        let password = password.replace(' ', "+");
        let form = format!("csrf={csrf}&token={}&password={password}", token(link));
        browser.posts(PATH, &form).await
    }
}

#[tokio::test]
async fn who_has_lost_everything_gets_another_app_by_two_of_the_staff_a_letter_and_the_password() {
    let it = counter().await;
    let Counter { branch, mailbox, ada, .. } = &it;
    let mut desk = Browser::logged_in(branch, ada).await;
    let old = makes(branch, &mut desk, ada).await;
    mailbox.fills(branch).await;
    mailbox.opens();
    let link = it.link().await;
    let mut browser = Browser::of(branch);
    assert_eq!(browser.gets(&link).await.status, StatusCode::OK, "a mailbox looks at it first");
    assert_eq!(browser.gets(NEW).await.status, StatusCode::GONE);
    let page = it.shows(&mut browser, &link, "guessed").await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    let page = it.shows(&mut browser, &link, PASSWORD).await;
    assert_eq!(page.headers[header::LOCATION], NEW, "{}", page.text);
    let page = browser.gets(NEW).await;
    let totp = secret(&page);
    assert_eq!(Browser::of(branch).gets(NEW).await.status, StatusCode::GONE, "another browser");
    let csrf = browser.token(NEW).await;
    let page = browser.posts(NEW, &format!("csrf={csrf}&code=000000")).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    branch.pass(30 * SECOND);
    let page = browser.posts(NEW, &format!("csrf={csrf}&code={}", totp.code(branch.now()))).await;
    let codes = shown(&page);
    assert_eq!((page.status, codes.len()), (StatusCode::OK, 10), "{}", page.text);

    assert_eq!(desk.gets("/accounts").await.status, StatusCode::SEE_OTHER, "row 31");
    assert!(
        !branch.lets_in(ada.email, PASSWORD, &old[0]).await,
        "what was lost is found by others"
    );
    assert!(!branch.lets_in(ada.email, PASSWORD, &code(branch, ada)).await);
    let new = Person { totp, ..ada.clone() };
    assert!(branch.lets_in(ada.email, PASSWORD, &code(branch, &new)).await);
    assert!(branch.lets_in(ada.email, PASSWORD, &codes[0]).await);
    mailbox.fills(branch).await;
    let told = mailbox.opens();
    assert!(told.iter().any(|mail| mail.subject.contains("authenticator app")), "{told:?}");
    let mut other = Browser::of(branch);
    let page = it.shows(&mut other, &link, PASSWORD).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "one new app");
    // Within the day after, nobody is sent another link.
    let (sue, amy) = it.clerks().await;
    request_factor_recovery(&branch.bank, &sue, ada.id, "again").await.unwrap();
    let refused = approve_factor_recovery(&branch.bank, &amy, ada.id).await;
    assert!(matches!(refused, Err(FactorRecoveryRefused::TooSoon)), "{refused:?}");
    branch.pass(24 * HOUR);
    let (_, amy) = it.clerks().await;
    approve_factor_recovery(&branch.bank, &amy, ada.id).await.unwrap();
}

/// Row 60 of the threat table: one pair of eyes sends no link, nor does another role.
#[tokio::test]
async fn row_60_support_asks_and_administration_approves_and_nobody_does_both() {
    let it = counter().await;
    let Counter { branch, mailbox, ada, .. } = &it;
    let bank = &branch.bank;
    let both = branch.hires("bo@example.org", &[Role::Support, Role::Admin]).await;
    let (sue, amy) = it.clerks().await;
    let bo = branch.clerk(&both).await;
    let refused = request_factor_recovery(bank, &amy, ada.id, "because").await;
    assert!(matches!(refused, Err(FactorRecoveryRefused::Proposal(ProposalRefused::Forbidden(_)))));
    let refused = approve_factor_recovery(bank, &amy, ada.id).await;
    assert!(matches!(
        refused,
        Err(FactorRecoveryRefused::Proposal(ProposalRefused::NoSuchProposal))
    ));
    request_factor_recovery(bank, &bo, ada.id, "because").await.unwrap();
    for (by, what) in [(&bo, "herself"), (&sue, "another role")] {
        let refused = approve_factor_recovery(bank, by, ada.id).await;
        assert!(matches!(refused, Err(FactorRecoveryRefused::Proposal(_))), "{what}: {refused:?}");
    }
    reject(bank, &amy, Matter::FactorRecovery(ada.id)).await.unwrap();
    mailbox.fills(branch).await;
    assert!(mailbox.opens().is_empty());
    let refused = request_factor_recovery(bank, &sue, it.amy.id, "a colleague").await;
    assert!(matches!(refused, Err(FactorRecoveryRefused::NoSuchCustomer)));
    // By the pages.
    let mut maker = Browser::logged_in(branch, &it.sue).await;
    let mut checker = Browser::logged_in(branch, &it.amy).await;
    let path = format!("/staff/customers/{}", ada.id);
    let form = format!("csrf={}&reason=passport", maker.token(&path).await);
    assert_eq!(maker.is_led_to(&format!("{path}/factor-recovery"), &form).await, path);
    assert!(maker.gets(&path).await.text.contains(r#"id="factor-recovery-standing""#));
    let csrf = checker.token("/staff/approvals").await;
    let form = format!("csrf={csrf}&matter=factor_recovery&id={}&decision=approve", ada.id);
    assert_eq!(checker.is_led_to("/staff/approvals", &form).await, "/staff/approvals");
    mailbox.fills(branch).await;
    mailbox.only(ada.email);
    let rows = branch.audit_rows().await;
    let of = |who: &Person| {
        rows.iter().any(|row| row.user_id == Some(who.id) && row.entity_id == ada.id.to_string())
    };
    assert!(of(&it.sue) && of(&it.amy), "both are on record");
}

/// Row 38: who reads the mail and guesses, or comes late, or has only half, gets nowhere.
#[tokio::test]
async fn row_38_a_link_without_the_password_or_too_late_leads_nowhere() {
    let it = counter().await;
    let Counter { branch, mailbox, ada, .. } = &it;
    let link_of_before = it.link().await;
    let mut browser = Browser::of(branch);
    for _ in 0..5 {
        let page = it.shows(&mut browser, &link_of_before, "guessed").await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let page = it.shows(&mut browser, &link_of_before, PASSWORD).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "five are enough");
    mailbox.fills(branch).await;
    assert!(mailbox.only(ada.email).subject.contains("locked"));
    branch.pass(15 * MINUTE);
    let link = it.link().await;
    let page = it.shows(&mut browser, &link_of_before, PASSWORD).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "another link was sent");
    let made_up = link.replace(token(&link), &"A".repeat(token(&link).len()));
    let page = it.shows(&mut browser, &made_up, PASSWORD).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(it.shows(&mut browser, &link, PASSWORD).await.status, StatusCode::SEE_OTHER);
    let csrf = browser.token(NEW).await;
    let totp = secret(&browser.gets(NEW).await);
    branch.pass(15 * MINUTE);
    let form = format!("csrf={csrf}&code={}", totp.code(branch.now()));
    assert_eq!(browser.posts(NEW, &form).await.status, StatusCode::GONE, "a quarter of an hour");
    assert_eq!(it.shows(&mut browser, &link, PASSWORD).await.status, StatusCode::SEE_OTHER);
    assert_ne!(secret(&browser.gets(NEW).await).base32(), totp.base32(), "another secret");
    branch.pass(24 * HOUR);
    let page = it.shows(&mut browser, &link, PASSWORD).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "a day is over");
    assert!(branch.lets_in(ada.email, PASSWORD, &code(branch, ada)).await, "nothing was changed");
}

/// Prevents: a thief who has changed the address and then calls the bank for another app.
#[tokio::test]
async fn no_link_is_sent_to_an_address_that_is_new() {
    let it = counter().await;
    let Counter { branch, mailbox, ada, .. } = &it;
    let mut browser = Browser::logged_in(branch, ada).await;
    let csrf = browser.token("/security/email").await;
    let form = step_up(&csrf, PASSWORD, &code(branch, ada));
    browser.is_led_to("/security/email", &format!("{form}&email=eve%40example.org")).await;
    mailbox.fills(branch).await;
    let letters = mailbox.opens();
    let link = link(letters.iter().find(|mail| mail.text.contains("token=")).unwrap());
    let csrf = browser.token(&link).await;
    let form = format!("csrf={csrf}&token={}", token(&link));
    browser.is_led_to("/security/email/confirm", &form).await;
    let (sue, amy) = it.clerks().await;
    request_factor_recovery(&branch.bank, &sue, ada.id, "she called").await.unwrap();
    let refused = approve_factor_recovery(&branch.bank, &amy, ada.id).await;
    assert!(matches!(refused, Err(FactorRecoveryRefused::TooSoon)), "{refused:?}");
}
