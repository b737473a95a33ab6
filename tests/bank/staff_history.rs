//! What the staff reads of an account's history. What would go wrong without: who looks into what happened last year
//! can't, or does and nobody knows.

use crate::app::{App, text};
use crate::branch::{Branch, Person};
use crate::browser::Browser;
use axum::http::StatusCode;
use florin_adapter::audit::Action;
use florin_adapter::id::{Account, Id};
use florin_adapter::staff::Role;

/// An account that 121 payments of 1, 2, 3, .. cents came in to.
async fn long_history() -> (Branch, Person, Id<Account>) {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let account = branch.account(&ada, 0).await;
    for cents in 1..=121 {
        branch.deposits(account, cents).await;
    }
    (branch, ada, account)
}

/// How often somebody's account was looked at, as it is on record.
async fn looks(branch: &Branch, ada: &Person, account: Id<Account>) -> usize {
    let rows = branch.audit_rows().await;
    let looks = rows.iter().filter(|row| row.action_type == Action::Read);
    let looks = looks.filter(|row| row.entity_id == account.to_string());
    looks.inspect(|row| assert_eq!(row.subject, Some(ada.id))).count()
}

#[tokio::test]
async fn programs_read_all_of_it_by_cursor_and_each_page_is_on_record() {
    let (branch, ada, account) = long_history().await;
    let sue = branch.hires("sue@example.org", &[Role::Support]).await;
    let app = App::logged_in(&branch, &sue).await;
    let base = format!("/v1/staff/accounts/{account}/transactions");
    let (mut seen, mut path, mut pages) = (Vec::new(), format!("{base}?limit=50"), 0);
    loop {
        let answer = app.gets(&path).await;
        let link = String::from(answer.header("link"));
        let page = answer.good();
        pages += 1;
        assert_eq!(looks(&branch, &ada, account).await, pages, "each page is on record");
        let data = page["data"].as_array().unwrap();
        seen.extend(data.iter().map(|entry| entry["amount_cents"].as_u64().unwrap()));
        if page["next_cursor"].is_null() {
            break;
        }
        path = format!("{base}?after={}&limit=50", text(&page, "next_cursor"));
        assert_eq!(link, format!("<https://bank.example{path}>; rel=\"next\""));
    }
    assert_eq!(pages, 3);
    assert!(seen.into_iter().eq((1..=121).rev()), "newest first, without gap or repeat");
    // What its owner reads is the same, page by page.
    let owner = App::logged_in(&branch, &ada).await;
    let own = owner.gets(&format!("/v1/accounts/{account}/transactions?page=2&limit=50")).await;
    let theirs = app.gets(&format!("{base}?page=2&limit=50")).await;
    assert_eq!(own.good()["data"], theirs.good()["data"]);
    for wrong in ["?after=x", "?limit=0", "?page=0", "?page=2&after=x", "?depth=1"] {
        let answer = app.gets(&format!("{base}{wrong}")).await;
        assert_eq!(answer.code(), (400, "invalid_request"), "{wrong}");
    }
    let nobodys = format!("/v1/staff/accounts/acc_{}/transactions", "0".repeat(26));
    assert_eq!(app.gets(&nobodys).await.code(), (404, "not_found"));
    assert_eq!(owner.gets(&base).await.code(), (403, "not_staff"));
}

#[tokio::test]
async fn pages_lead_to_what_happened_earlier_and_each_is_on_record() {
    let (branch, ada, account) = long_history().await;
    let sue = branch.hires("sue@example.org", &[Role::Support]).await;
    let mut browser = Browser::logged_in(&branch, &sue).await;
    let (mut path, mut counts) = (format!("/staff/accounts/{account}"), Vec::new());
    loop {
        let page = browser.gets(&path).await.text;
        counts.push(page.matches("<tr data-transaction").count());
        assert_eq!(looks(&branch, &ada, account).await, counts.len(), "each page is on record");
        let Some((_, rest)) = page.split_once(r#"id="older" href=""#) else { break };
        path = String::from(rest.split_once('"').unwrap().0);
    }
    assert_eq!(counts, [50, 50, 21]);
    let odd = browser.gets(&format!("/staff/accounts/{account}?before=x")).await;
    assert_eq!(odd.status, StatusCode::NOT_FOUND);
}
