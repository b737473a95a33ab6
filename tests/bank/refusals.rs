//! What is refused is on record. What would go wrong without: somebody tries every door of the bank, and nobody
//! ever knows.

use crate::branch::{Branch, ORIGIN};
use crate::browser::Browser;
use axum::http::{Request, StatusCode, header};
use florin_adapter::audit::{Action, AuditTrail};
use florin_adapter::clock::{MINUTE, SECOND};
use florin_adapter::payments::RequestKey;
use florin_adapter::store::Found;
use florin_ledger::document::DocumentScan;

/// The refusals on record, oldest first.
async fn refused(branch: &Branch) -> Vec<Found<AuditTrail>> {
    let scan = DocumentScan { limit: 1_000, ..DocumentScan::default() };
    let page = branch.bank.store.scan::<AuditTrail>(scan).await.unwrap();
    let rows = page.found.into_iter();
    rows.filter(|row| row.row.open.action_type == Action::Refused).collect()
}

/// What a row says of the request.
fn path(row: &Found<AuditTrail>) -> String {
    let sealed = row.row.statutory.as_known().unwrap();
    String::from(sealed.new_values.as_ref().unwrap()["path"].as_str().unwrap())
}

#[tokio::test]
async fn what_changes_nothing_is_on_record_with_who_tried_it() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    let (one, other) = (branch.account(&ada, 100).await, branch.account(&ada, 0).await);
    let his = branch.account(&ben, 0).await;
    let mut browser = Browser::logged_in(&branch, &ada).await;
    let token = browser.token("/transfer").await;
    assert!(refused(&branch).await.is_empty(), "nothing was refused yet");

    let forged = Request::post("/transfer").header(header::ORIGIN, "https://evil.example");
    let anothers = format!("/accounts/{his}");
    let request = RequestKey::generate();
    let too_much =
        format!("csrf={token}&from={one}&to={other}&amount=9.00&description=x&request={request}");
    assert_eq!(browser.sends(forged, String::new()).await.status, StatusCode::FORBIDDEN);
    // Rows of one moment have no order.
    branch.pass(SECOND);
    assert_eq!(browser.gets(&anothers).await.status, StatusCode::NOT_FOUND);
    branch.pass(SECOND);
    let page = browser.posts("/transfer", &too_much).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    let rows = refused(&branch).await;
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row.row.open.entity_id.as_str(), row.row.open.user_id, path(row)))
        .collect();
    let ada = Some(ada.id);
    assert_eq!(
        told,
        [
            ("POST 403", ada, String::from("/transfer")),
            ("GET 404", ada, anothers),
            ("POST 422", ada, String::from("/transfer")),
        ]
    );
    assert!(rows.iter().all(|row| row.row.open.session_id.is_some()));

    branch.pass(SECOND);
    let mut stranger = Browser::of(&branch);
    stranger.gets("/wp-login.php").await;
    let forged = Request::post("/login").header(header::ORIGIN, ORIGIN);
    stranger.sends(forged, String::from("email=a&password=b")).await;
    let rows = refused(&branch).await;
    assert_eq!(rows.len(), 4, "a page that is not there is refused to nobody");
    assert_eq!((rows[3].row.open.user_id, path(&rows[3])), (None, String::from("/login")));
}

/// Prevents: somebody whose money has moved, and who is told that it has not, because others were refused before.
#[tokio::test]
async fn what_others_were_refused_stands_in_the_way_of_no_answer() {
    let branch = Branch::open().await;
    let mut browser = Browser::of(&branch);
    for _ in 0..50 {
        browser.posts("/login", "email=a&password=b").await;
    }
    branch.pass(MINUTE);
    branch.closes_the_ledger();
    assert_eq!(browser.gets("/health/ready").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(browser.gets("/health/live").await.status, StatusCode::OK);
}

/// Prevents: a log that whoever is refused can fill.
#[tokio::test]
async fn a_flood_of_refusals_is_a_few_rows_and_a_number() {
    let branch = Branch::open().await;
    let mut browser = Browser::of(&branch);
    for _ in 0..50 {
        browser.posts("/login", "email=a&password=b").await;
    }
    assert_eq!(refused(&branch).await.len(), 20);
    branch.pass(MINUTE);
    browser.gets("/login").await;
    let rows = refused(&branch).await;
    assert_eq!(rows.len(), 21);
    let summary = rows.iter().find(|row| row.row.open.entity_type == "MINUTE").unwrap();
    let sealed = summary.row.statutory.as_known().unwrap();
    assert_eq!(sealed.new_values, Some(serde_json::json!({"refusals": 30})));
}
