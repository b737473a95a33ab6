//! Pages as a browser, or somebody who is none, gets them. What would go wrong without: another site's form
//! moves a customer's money, a page is framed, or one customer looks at another's account.

use crate::app::App;
use crate::branch::Branch;
use crate::browser::{Browser, Page};
use axum::http::{Method, Request, StatusCode, header};
use florin_adapter::id::{Account, Id};
use florin_adapter::payments::RequestKey;
use florin_adapter::staff::Role;

/// The one script there is.
const LIVE: &str = r#"<script src="/static/live.js" defer></script>"#;

fn transfer(token: &str, from: Id<Account>, to: Id<Account>) -> String {
    let request = RequestKey::generate();
    format!("csrf={token}&from={from}&to={to}&amount=1.00&description=x&request={request}")
}

/// Rows 20, 27 and 29 of the threat table: on every answer, whatever it says.
#[tokio::test]
async fn every_answer_forbids_frames_scripts_and_keeping_and_no_redirect_repeats_a_form() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let account = branch.account(&ada, 100).await;
    let mut browser = Browser::logged_in(&branch, &ada).await;
    let mut stranger = Browser::of(&branch);
    let account = format!("/accounts/{account}");
    for path in [
        "/",
        "/login",
        "/login/verify",
        "/accounts",
        &account,
        "/transfer",
        "/register",
        "/register/sent",
        "/register/confirm",
        "/register/confirm?token=x",
        "/register/enrol",
        "/recover",
        "/recover/sent",
        "/recover/confirm",
        "/recover/factor",
        "/recover/factor?token=x",
        "/recover/factor/new",
        "/sessions",
        "/security",
        "/security/password",
        "/security/codes",
        "/security/factor",
        "/security/factor/new",
        "/security/profile",
        "/security/email",
        "/security/email/sent",
        "/security/email/confirm",
        "/security/email/confirm?token=x",
        "/nowhere",
        "/accounts/acc_nothing",
        "/transactions/txn_00000000000000000000000000",
    ] {
        for page in
            [browser.gets(path).await, stranger.gets(path).await, browser.posts(path, "").await]
        {
            let has = |name: &str, value: &str| {
                let found = page.headers.get(name).map(|found| found.to_str().unwrap());
                assert!(
                    found.is_some_and(|found| found.contains(value)),
                    "{path} {name}: {found:?}"
                );
            };
            has("content-security-policy", "default-src 'none'");
            has("content-security-policy", "frame-ancestors 'none'");
            has("x-frame-options", "DENY");
            has("x-content-type-options", "nosniff");
            has("referrer-policy", "same-origin");
            has("cache-control", "no-store");
            has("x-fapi-interaction-id", "");
            assert!(!page.headers.contains_key("access-control-allow-origin"));
            let repeats = [StatusCode::TEMPORARY_REDIRECT, StatusCode::PERMANENT_REDIRECT];
            assert!(!repeats.contains(&page.status) && !page.status.is_server_error(), "{path}");
        }
    }
}

/// Row 26.
#[tokio::test]
async fn a_form_that_no_page_of_the_bank_sent_does_nothing() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let (one, other) = (branch.account(&ada, 1_000).await, branch.account(&ada, 0).await);
    let mut browser = Browser::logged_in(&branch, &ada).await;
    let token = browser.token("/transfer").await;
    let ben = branch.customer("ben@example.org").await;
    let foreign = Browser::logged_in(&branch, &ben).await.token("/transfer").await;
    let visitors = Browser::of(&branch).token("/login").await;
    let good = transfer(&token, one, other);
    let post = || Request::post("/transfer");
    for (request, body) in [
        (post().header(header::ORIGIN, "https://evil.example"), good.clone()),
        (post().header(header::ORIGIN, "null"), good.clone()),
        (post().header("sec-fetch-site", "cross-site"), good.clone()),
        (post().header("sec-fetch-site", "same-site"), good.clone()),
        (post(), transfer("", one, other)),
        (post(), transfer(&foreign, one, other)),
        (post(), transfer(&visitors, one, other)),
        (post(), good.replace(&format!("csrf={token}&"), "")),
        (post(), format!("{good}&csrf={token}")),
    ] {
        let page = browser.sends(request, body).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(branch.balance(one).await, (1_000, 1_000));
    let page = browser.posts("/transfer", &good).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    assert_eq!(branch.balance(one).await, (1_000, 900));
}

/// Row 52.
#[tokio::test]
async fn a_form_has_its_own_fields_each_once() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let (one, other) = (branch.account(&ada, 1_000).await, branch.account(&ada, 0).await);
    let mut browser = Browser::logged_in(&branch, &ada).await;
    let token = browser.token("/transfer").await;
    let good = transfer(&token, one, other);
    for (body, status) in [
        (format!("{good}&fee=0"), StatusCode::BAD_REQUEST),
        (format!("{good}&amount=2.00"), StatusCode::BAD_REQUEST),
        (good.replace("&amount=1.00", ""), StatusCode::BAD_REQUEST),
        (good.replace("1.00", "1e2"), StatusCode::UNPROCESSABLE_ENTITY),
        (good.replace("1.00", "-1.00"), StatusCode::UNPROCESSABLE_ENTITY),
        (format!("{good}{}", "x".repeat(20_000)), StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        assert_eq!(browser.posts("/transfer", &body).await.status, status, "{body:.200}");
    }
    assert_eq!(branch.balance(one).await, (1_000, 1_000));
}

/// Row 40: what is another's looks like what is not there.
#[tokio::test]
async fn what_is_anothers_is_not_there() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    let (one, other) = (branch.account(&ada, 1_000).await, branch.account(&ada, 0).await);
    let his = branch.account(&ben, 1_000).await;
    let begun = branch.sends(&ada, one, other, 100).await.unwrap();
    let mut browser = Browser::logged_in(&branch, &ben).await;
    for (theirs, nobodys) in [
        (format!("/accounts/{one}"), "/accounts/acc_00000000000000000000000000"),
        (
            format!("/transactions/{}", begun.transaction),
            "/transactions/txn_00000000000000000000000000",
        ),
    ] {
        let (theirs, nobodys) = (browser.gets(&theirs).await, browser.gets(nobodys).await);
        assert_eq!((theirs.status, theirs.text), (StatusCode::NOT_FOUND, nobodys.text));
    }
    let token = browser.token("/transfer").await;
    let page = browser.posts("/transfer", &transfer(&token, one, his)).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(branch.balance(one).await, (1_000, 900));
}

/// Row 28: hostile words of a customer, on every page that shows them.
#[tokio::test]
async fn what_customers_write_is_shown_and_never_obeyed() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let (one, other) = (branch.account(&ada, 1_000).await, branch.account(&ada, 0).await);
    let mut browser = Browser::logged_in(&branch, &ada).await;
    let token = browser.token("/transfer").await;
    let hostile = "%3Cscript%3Ealert(1)%3C/script%3E%22onload=%22";
    let good =
        transfer(&token, one, other).replace("description=x", &format!("description={hostile}"));
    let page = browser.posts("/transfer", &good).await;
    let path = String::from(page.headers[header::LOCATION].to_str().unwrap());
    branch.works().await;
    let wrong = good.replace("amount=1.00", "amount=%22%3E%3Cscript%3E");
    let account = format!("/accounts/{one}");
    let pages = [
        browser.gets(&path).await,
        browser.gets(&account).await,
        browser.posts("/transfer", &wrong).await,
    ];
    for page in pages {
        let page = Page { text: page.text.replace(LIVE, ""), ..page };
        assert!(!page.text.contains("<script") && !page.text.contains("\"onload"), "{}", page.text);
        assert!(page.text.contains("script"), "it is shown");
    }
}

/// Prevents: the program's own words, in a page without the bank's style.
#[tokio::test]
async fn an_address_that_can_not_be_read_is_answered_by_a_page() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let account = branch.account(&ada, 100).await;
    let mut browser = Browser::logged_in(&branch, &ada).await;
    for path in [
        "/register/confirm",
        "/register/confirm?token=a&token=b",
        "/register/confirm?token=a&to=b",
        "/recover/confirm",
        "/recover/confirm?link=a",
        "/recover/factor?link=a",
        "/security/email/confirm?token=a&token=b",
        "/live?after=a&after=b",
        "/login?notice=a&notice=b",
        "/transfer?to=a&to=b",
        &format!("/accounts/{account}?before=1&before=2"),
    ] {
        let page = browser.gets(path).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(page.headers[header::CONTENT_TYPE], "text/html; charset=utf-8", "{path}");
        assert!(page.text.contains("This could not be read"), "{path}: {}", page.text);
    }
}

/// Prevents: the same, where the address names something in bytes that are no text.
#[tokio::test]
async fn what_can_not_be_named_is_not_there_on_pages_and_for_programs() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let otto = branch.hires("otto@example.org", &[Role::Operations]).await;
    let mut hers = Browser::logged_in(&branch, &ada).await;
    let mut his = Browser::logged_in(&branch, &otto).await;
    let app = App::logged_in(&branch, &ada).await;
    for name in ["%ff", "%c3%28", "%00", "nothing", "%2f..%2f"] {
        for path in ["accounts/{}", "accounts/{}/close", "transactions/{}"] {
            let path = format!("/{}", path.replace("{}", name));
            let page = hers.gets(&path).await;
            assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
            assert!(page.text.contains("There is nothing here"), "{path}: {}", page.text);
        }
        for path in ["customers", "accounts", "transactions"] {
            let path = format!("/staff/{path}/{name}");
            let page = his.gets(&path).await;
            assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
            assert!(page.text.contains("There is nothing here"), "{path}: {}", page.text);
        }
        for path in ["accounts", "transactions"] {
            let path = format!("/v1/{path}/{name}");
            assert_eq!(app.gets(&path).await.code(), (404, "not_found"), "{path}");
        }
    }
}

/// Prevents: a method that nobody thought of, and what it does.
#[tokio::test]
async fn other_methods_are_not_there() {
    let branch = Branch::open().await;
    let mut browser = Browser::of(&branch);
    for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS, Method::TRACE] {
        let request = Request::builder().method(method).uri("/transfer");
        let page = browser.sends(request, String::new()).await;
        assert_eq!(page.status, StatusCode::METHOD_NOT_ALLOWED);
    }
}
