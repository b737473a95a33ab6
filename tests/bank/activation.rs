//! A copy of a bank that was restored. What would go wrong without: two banks that send the same letter and move the
//! same money, or a copy that lets in whoever has an old login.

use crate::app::App;
use crate::branch::{Branch, PASSWORD, Person};
use crate::browser::Browser;
use crate::mailbox::{Mailbox, link, token};
use axum::http::StatusCode;
use florin_adapter::activation::{Activated, Standing, activate};
use florin_adapter::customers::Sessions;
use florin_adapter::{Bank, tables, web};
use florin_ledger::document::WriteResult;
use florin_ledger::{DocumentKey, DocumentWrite};
use std::sync::Arc;

/// Makes the ledger of a bank look like a restored copy: as if the bank had been active in another incarnation.
pub(crate) async fn copied(branch: &Branch) {
    let key = DocumentKey { table: tables::ACTIVATIONS, key: b"bank".to_vec() };
    let found = branch.client.documents(std::slice::from_ref(&key)).await.unwrap().pop().flatten();
    let mut value = found.unwrap().value.unwrap();
    let place = value.windows(32).position(|part| part.iter().all(u8::is_ascii_hexdigit)).unwrap();
    value[place..place + 32].copy_from_slice(b"00112233445566778899aabbccddeeff");
    let value = Some(value);
    let write = DocumentWrite { table: key.table, key: key.key, value, ..DocumentWrite::default() };
    let written = branch.client.write_documents(&[write]).await.unwrap();
    assert!(matches!(written[..], [WriteResult::Written(_)]));
}

async fn opened(branch: &Branch) -> Arc<Bank> {
    branch.with_options(|_| {}).await
}

async fn activated(branch: &Branch) -> Option<Activated> {
    activate(&branch.bank.store, &*branch.bank.clock, &branch.root()).await.unwrap()
}

#[tokio::test]
async fn a_copy_answers_nobody_until_it_is_activated() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    assert_eq!(opened(&branch).await.standing, Standing::Active);
    assert_eq!(activated(&branch).await, None, "a new bank is active");
    copied(&branch).await;
    let copy = opened(&branch).await;
    assert_eq!(copy.standing, Standing::Copy);
    let mut browser = Browser::at(web::router(copy.clone()));
    for path in ["/", "/login", "/accounts", "/register", "/v1/accounts", "/health/ready"] {
        let page = browser.gets(path).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
    }
    let form = format!("csrf=x&email={}&password={PASSWORD}", ada.email);
    assert_eq!(browser.posts("/login", &form).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(browser.gets("/health/live").await.status, StatusCode::OK);

    assert!(activated(&branch).await.is_some());
    let bank = opened(&branch).await;
    assert_eq!(bank.standing, Standing::Active);
    assert_eq!(Browser::at(web::router(bank)).gets("/login").await.status, StatusCode::OK);
    assert_eq!(activated(&branch).await, None, "once is enough");
}

#[tokio::test]
async fn what_let_people_in_before_lets_nobody_in_afterwards() {
    let branch = Branch::open().await;
    let mailbox = Mailbox::new();
    let ada = branch.customer("ada@example.org").await;
    let account = branch.account(&ada, 10_000).await;
    let login = branch.login(&ada).await;
    let app = App::logged_in(&branch, &ada).await;
    let attempt = app.begins(ada.email, PASSWORD).await;
    let mut browser = Browser::of(&branch);
    let csrf = browser.token("/recover").await;
    browser.is_led_to("/recover", &format!("csrf={csrf}&email={}", ada.email)).await;
    mailbox.fills(&branch).await;
    let link = link(&mailbox.only(ada.email));

    copied(&branch).await;
    // Two logins and their uses, an attempt, a link.
    assert_eq!(activated(&branch).await, Some(Activated { ended_count: 6 }));
    let again = branch.reopened().await;
    let Bank { store, clock, .. } = &*again.bank;
    assert!(Sessions::find_user(store, &**clock, &login).await.unwrap().is_none());
    let app = App::again(&again, app);
    assert_eq!(app.gets("/v1/accounts").await.code(), (401, "invalid_token"));
    assert_eq!(app.refreshes(&app.refresh_token).await.code(), (400, "invalid_grant"));
    let code = ada.totp.code(again.now());
    assert_eq!(app.verifies(&attempt, &code).await.code(), (401, "login_failed"));
    let answer = recovers(&again, &ada, &link).await;
    assert_eq!(answer, StatusCode::UNPROCESSABLE_ENTITY);
    // Whoever comes again is let in, and has what they had.
    App::logged_in(&again, &ada).await;
    assert_eq!(again.balance(account).await, (10_000, 10_000));
}

/// What comes of a new password by a letter's link.
async fn recovers(branch: &Branch, person: &Person, link: &str) -> StatusCode {
    let mut browser = Browser::of(branch);
    let (csrf, token) = (browser.token(link).await, token(link));
    let code = person.totp.code(branch.now());
    let form = format!("csrf={csrf}&token={token}&code={code}&password=another+horse+now");
    browser.posts("/recover/confirm", &form).await.status
}

/// Prevents: a token that was signed before, by whoever has the copy's past, and is good after.
#[tokio::test]
async fn tokens_are_signed_with_another_key() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let kid = |token: &str| String::from(token.split('.').next().unwrap());
    let before = kid(&App::logged_in(&branch, &ada).await.access_token);
    copied(&branch).await;
    assert!(activated(&branch).await.is_some());
    let again = branch.reopened().await;
    assert_ne!(kid(&App::logged_in(&again, &ada).await.access_token), before);
}
