//! Logins as their customer sees them. What would go wrong without: a stolen login goes on although its owner has
//! ended it, or a stranger ends a customer's.

use crate::branch::Branch;
use crate::browser::Browser;
use axum::http::StatusCode;
use florin_adapter::Bank;
use florin_adapter::clock::{MINUTE, SECOND};
use florin_adapter::customers::Sessions;

/// The ids of the logins that a page lists.
fn listed(page: &str) -> Vec<&str> {
    page.split(r#"data-session=""#).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

/// Row 31 of the threat table.
#[tokio::test]
async fn a_login_that_its_customer_ends_is_over_at_once() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    let mut desk = Browser::logged_in(&branch, &ada).await;
    branch.pass(MINUTE);
    let mut phone = Browser::logged_in(&branch, &ada).await;
    let mut bens = Browser::logged_in(&branch, &ben).await;
    let page = desk.gets("/sessions").await.text;
    let [newest, oldest] = listed(&page)[..] else { panic!("{page}") };
    let (before, _) = page.split_once("(this browser)").unwrap();
    assert!(before.contains(oldest), "this one is marked");
    assert_eq!(listed(&bens.gets("/sessions").await.text).len(), 1, "his own alone");

    // Of another customer it is not there, whatever its name is.
    let token = bens.token("/sessions").await;
    bens.is_led_to("/sessions/end", &format!("csrf={token}&session={newest}")).await;
    assert_eq!(phone.gets("/accounts").await.status, StatusCode::OK);

    let token = desk.token("/sessions").await;
    desk.is_led_to("/sessions/end", &format!("csrf={token}&session={newest}")).await;
    assert_eq!(phone.gets("/accounts").await.status, StatusCode::SEE_OTHER, "it is over");
    assert_eq!(listed(&desk.gets("/sessions").await.text), [oldest]);
    assert_eq!(bens.gets("/accounts").await.status, StatusCode::OK);

    let own = format!("csrf={token}&session={oldest}");
    desk.is_led_to("/sessions/end", &own).await;
    assert_eq!(desk.gets("/sessions").await.status, StatusCode::SEE_OTHER, "one's own too");
    assert_eq!(desk.posts("/sessions/end", &own).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn all_but_this_one_end_together_and_idle_ones_are_not_listed() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let mut idle = Browser::logged_in(&branch, &ada).await;
    branch.pass(4 * MINUTE);
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(Browser::logged_in(&branch, &ada).await);
    }
    let mut desk = Browser::logged_in(&branch, &ada).await;
    let page = desk.gets("/sessions").await.text;
    assert_eq!(listed(&page).len(), 4, "one is idle: {page}");
    let token = desk.token("/sessions").await;
    desk.is_led_to("/sessions/end-others", &format!("csrf={token}")).await;
    for other in others.iter_mut().chain([&mut idle]) {
        assert_eq!(other.gets("/accounts").await.status, StatusCode::SEE_OTHER);
    }
    assert_eq!(desk.gets("/accounts").await.status, StatusCode::OK);
    let page = desk.gets("/sessions").await.text;
    assert!(listed(&page).len() == 1 && !page.contains("end-others"), "{page}");
}

/// Row 26.
#[tokio::test]
async fn another_sites_form_ends_nothing() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let mut desk = Browser::logged_in(&branch, &ada).await;
    let mut phone = Browser::logged_in(&branch, &ada).await;
    let foreign = phone.token("/sessions").await;
    for body in [String::new(), format!("csrf={foreign}"), String::from("csrf=AAAA")] {
        assert_eq!(desk.posts("/sessions/end-others", &body).await.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(phone.gets("/accounts").await.status, StatusCode::OK);
}

/// Prevents: a customer who has more logins than one commit can end, some of which another password does not.
#[tokio::test]
async fn whoever_has_a_hundred_logins_ends_the_oldest_with_the_next() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let Bank { store, .. } = &*branch.bank;
    let mut tokens = Vec::new();
    for _ in 0..102 {
        branch.pass(SECOND);
        let begun = Sessions::begin(store, ada.id, branch.now(), "password+totp", None, None)
            .await
            .unwrap();
        let (token, _, writes) = begun;
        branch.client.write_documents(&writes).await.unwrap();
        tokens.push(token);
    }
    for (place, token) in tokens.iter().enumerate() {
        assert_eq!(branch.is_in(token).await, 2 <= place, "{place}");
    }
    let ended = Sessions::end_all(store, ada.id).await.unwrap();
    branch.client.write_documents(&ended).await.unwrap();
    for token in &tokens {
        assert!(!branch.is_in(token).await);
    }
}
