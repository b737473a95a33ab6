//! What an adapter counts. What would go wrong without: whoever watches sees nothing of a bank that stands still, or
//! reads in its figures who its customers are.

use crate::app::App;
use crate::branch::Branch;
use crate::browser::Browser;
use axum::http::Request;
use florin_adapter::figures::{Figures, FiguresNow, Surface};

/// How many answers of a route began with these digits.
fn answers(now: &FiguresNow, method: &str, route: &str) -> [u64; 5] {
    let found = now.answers.iter().find(|(of, at, _)| *of == method && at == route);
    found.map_or([0; 5], |(_, _, counts)| *counts)
}

#[tokio::test]
async fn routes_answers_and_what_waits_are_counted_and_nobody_is_named() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let (one, other) = (branch.account(&ada, 1_000).await, branch.account(&ada, 0).await);
    let app = App::logged_in(&branch, &ada).await;
    let mut browser = Browser::logged_in(&branch, &ada).await;
    let before = Figures::now(&branch.bank);
    let path = format!("/v1/accounts/{one}");
    app.gets(&path).await.good();
    app.gets(&path).await.good();
    app.gets(&format!("/v1/accounts/acc_{}", "0".repeat(26))).await;
    app.sends(Request::get(&path), String::new()).await;
    browser.gets(&format!("/accounts/{one}")).await;
    browser.gets("/made-up-by-somebody").await;
    branch.sends(&ada, one, other, 100).await.unwrap();
    branch.bank.figures.look(&branch.bank.store).await.unwrap();
    let now = Figures::now(&branch.bank);
    assert_eq!(answers(&now, "GET", "/v1/accounts/{account_id}"), [0, 2, 0, 2, 0]);
    assert_eq!(answers(&now, "GET", "/accounts/{account}"), [0, 1, 0, 0, 0]);
    assert_eq!(answers(&now, "GET", "none"), [0, 0, 0, 1, 0]);
    let asked = |now: &FiguresNow, surface| {
        let place = Surface::ALL.iter().position(|it| *it == surface).unwrap();
        now.durations[place].counts.iter().sum::<u64>()
    };
    assert_eq!(asked(&now, Surface::Api) - asked(&before, Surface::Api), 4);
    assert_eq!(asked(&now, Surface::Pages) - asked(&before, Surface::Pages), 2);
    assert_eq!((now.transfers_open, now.transfers_parked, now.sessions), (1, 0, 2));
    assert_eq!((now.passwords_waiting, now.streams), (0, 0));
    assert!(before.passwords_hashed >= 2, "{}", before.passwords_hashed);
    assert!(before.ledger.answered < now.ledger.answered, "{:?}", now.ledger);
    assert!(before.ledger.sum_ns < now.ledger.sum_ns && now.ledger.unknown == 0);
    let text = format!("{now:?}");
    for word in ["ada", "Quill", "made-up", &ada.id.to_string(), &one.to_string()] {
        assert!(!text.contains(word), "{word}: {text}");
    }
    branch.works().await;
    branch.bank.figures.look(&branch.bank.store).await.unwrap();
    assert_eq!(Figures::now(&branch.bank).transfers_open, 0);
}

#[tokio::test]
async fn too_many_requests_and_open_streams_are_counted() {
    let (branch, _following) = Branch::with_news().await;
    let bank = branch.with_options(|options| options.requests_per_minute = 3).await;
    let few = branch.at(std::sync::Arc::into_inner(bank).unwrap());
    let ada = branch.customer("ada@example.org").await;
    let app = App::logged_in(&few, &ada).await;
    let statuses = [app.gets("/v1/accounts").await.status, app.gets("/v1/accounts").await.status];
    let mut refused = 0;
    for _ in 0..3 {
        refused += u64::from(app.gets("/v1/accounts").await.code() == (429, "rate_limited"));
    }
    assert!(statuses.iter().all(|status| status.is_success()) && 0 < refused);
    assert_eq!(Figures::now(&few.bank).refused_for_rate, refused);
    let other = App::logged_in(&branch, &ada).await;
    let ear = other.listens("").await.begun().await;
    assert_eq!(Figures::now(&branch.bank).streams, 1);
    drop(ear);
    assert_eq!(Figures::now(&branch.bank).streams, 0);
}
