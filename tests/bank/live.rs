//! What happens on customers' accounts, told while it happens. What would go wrong without: a customer hears of
//! another's money, misses something of their own and never knows, or somebody goes on listening whose login is over.

use crate::app::App;
use crate::branch::{Branch, Person};
use crate::browser::Browser;
use crate::ear::{Ear, follows};
use axum::http::{Request, StatusCode};
use florin_adapter::clock::MINUTE;
use florin_adapter::id::{Account, Id, Payee};
use florin_adapter::live::STREAMS_PER_CUSTOMER;
use florin_adapter::money::{Currency, Money};
use florin_adapter::payments::payee::{self, NewPayee};
use florin_adapter::payments::{self, Destination, NewTransfer};
use florin_adapter::staff::Role;
use florin_adapter::{Bank, accounts, web};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// A customer's account as somebody else's payee.
async fn noted(branch: &Branch, by: &Person, whose: &Person, account: Id<Account>) -> Id<Payee> {
    let Bank { store, clock, options, .. } = &*branch.bank;
    let found = accounts::owned(store, whose.id, account).await.unwrap().unwrap();
    let number = found.row.statutory.known().unwrap().account_number;
    let new = NewPayee { name: String::from("Ada Quill"), number, bank_code: None };
    let added = payee::add(store, &**clock, &branch.orderer(by), options.code, &new).await;
    added.unwrap().row.open.beneficiary_id
}

async fn pays(branch: &Branch, person: &Person, source: Id<Account>, payee: Id<Payee>) {
    let order = NewTransfer {
        destination: Destination::Payee(payee),
        money: Money::positive(Currency::Eur, 100).unwrap(),
        ..branch.order(source, source, 100)
    };
    payments::initiate(&branch.bank, &branch.orderer(person), &order).await.unwrap();
    branch.works().await;
}

/// Money between a customer's own accounts: three events.
async fn moves(branch: &Branch, person: &Person, [one, other]: [Id<Account>; 2]) {
    branch.sends(person, one, other, 1).await.unwrap();
    branch.works().await;
}

fn event(kind: &str, account: Id<Account>) -> (String, String) {
    (String::from(kind), account.to_string())
}

/// What moving money between own accounts tells.
fn moved([one, other]: [Id<Account>; 2]) -> [(String, String); 3] {
    [
        event("transaction.initiated", one),
        event("transaction.completed", one),
        event("transaction.received", other),
    ]
}

fn end(kind: &str) -> (String, String) {
    (String::from(kind), String::new())
}

/// Asserts that a stream tells that its login is over, within a second, and ends.
async fn ends_at_once(mut ear: Ear, what: &str) {
    let ended = timeout(Duration::from_secs(1), ear.rest()).await;
    assert_eq!(ended.ok(), Some(vec![end("session.ended")]), "{what}");
}

/// Row 40 of the threat table, and what the stream is for.
#[tokio::test]
async fn both_owners_hear_of_a_transfer_and_nobody_else_does() {
    let (branch, _following) = Branch::with_news().await;
    let [ada, ben, cleo] =
        ["ada@example.org", "ben@example.org", "cleo@example.org"].map(|it| branch.customer(it));
    let (ada, ben, cleo) = (ada.await, ben.await, cleo.await);
    let (hers, his) = (branch.account(&ada, 1_000).await, branch.account(&ben, 0).await);
    let payee = noted(&branch, &ada, &ben, his).await;
    let app = App::logged_in(&branch, &cleo).await;
    let mut third = app.listens("").await.begun().await;
    let mut adas = Browser::logged_in(&branch, &ada).await.listens("").await.begun().await;
    let mut bens = Browser::logged_in(&branch, &ben).await.listens("").await.begun().await;
    pays(&branch, &ada, hers, payee).await;
    assert_eq!(
        adas.hears_many(2).await,
        [event("transaction.initiated", hers), event("transaction.completed", hers)]
    );
    assert_eq!(bens.hears().await, event("transaction.received", his));
    // What comes next is their own: nothing came before it.
    for (person, ear) in [(&cleo, &mut third), (&ben, &mut bens), (&ada, &mut adas)] {
        let opened = branch.account(person, 0).await;
        assert_eq!(ear.hears().await, event("account.opened", opened));
        let pair = [branch.account(person, 10).await, opened];
        assert_eq!(ear.hears().await, event("account.opened", pair[0]));
        moves(&branch, person, pair).await;
        assert_eq!(ear.hears_many(3).await, moved(pair), "what was opened meanwhile is theirs");
    }
}

#[tokio::test]
async fn what_one_adapter_does_is_heard_at_another() {
    let (branch, _following) = Branch::with_news().await;
    let ada = branch.customer("ada@example.org").await;
    let pair = [branch.account(&ada, 1_000).await, branch.account(&ada, 0).await];
    let other = branch.with_options(|_| {}).await;
    let _following_there = follows(&other).await;
    let mut browser = Browser::logged_in(&branch, &ada).await;
    let mut here = browser.listens("").await.begun().await;
    let mut there = browser.goes_to(web::router(other)).listens("").await.begun().await;
    moves(&branch, &ada, pair).await;
    assert_eq!(there.hears_many(3).await, moved(pair));
    let logged_out = browser.token("/transfer").await;
    browser.is_led_to("/logout", &format!("csrf={logged_out}")).await;
    ends_at_once(there, "a login that ends elsewhere").await;
    let heard = here.rest().await;
    assert_eq!(heard.last(), Some(&end("session.ended")));
}

/// Row 31.
#[tokio::test]
async fn a_stream_ends_with_its_login_however_that_ends() {
    let (branch, _following) = Branch::with_news().await;
    let ada = branch.customer("ada@example.org").await;
    let mut desk = Browser::logged_in(&branch, &ada).await;
    let mut lost = Browser::logged_in(&branch, &ada).await;
    let app = App::logged_in(&branch, &ada).await;
    let (loses, apps) = (lost.listens("").await.begun().await, app.listens("").await.begun().await);
    let desks = desk.listens("").await.begun().await;
    let csrf = desk.token("/sessions").await;
    desk.is_led_to("/sessions/end-others", &format!("csrf={csrf}")).await;
    ends_at_once(loses, "a browser that was revoked").await;
    ends_at_once(apps, "an app that was revoked").await;
    assert_eq!(lost.listens("").await.status, StatusCode::NO_CONTENT, "it does not come back");
    assert_eq!(app.listens("").await.status, StatusCode::UNAUTHORIZED);

    let again = App::logged_in(&branch, &ada).await;
    let agains = again.listens("").await.begun().await;
    again.posts("/v1/auth/logout", &serde_json::json!({})).await.good();
    ends_at_once(agains, "an app that was logged out").await;

    branch.ends(&desk.login()).await;
    ends_at_once(desks, "a login that is gone").await;
}

/// Prevents: a thief who listens on after the password was changed because of them.
#[tokio::test]
async fn a_new_password_ends_every_stream_and_its_own_login_listens_again() {
    let (branch, _following) = Branch::with_news().await;
    let ada = branch.customer("ada@example.org").await;
    let pair = [branch.account(&ada, 1_000).await, branch.account(&ada, 0).await];
    let mut desk = Browser::logged_in(&branch, &ada).await;
    let thief = Browser::logged_in(&branch, &ada).await.listens("").await.begun().await;
    let before = desk.listens("").await.begun().await;
    crate::passwords::changes(&branch, &ada, &mut desk).await;
    ends_at_once(thief, "another login").await;
    ends_at_once(before, "the token of before").await;
    let mut desks = desk.listens("").await.begun().await;
    moves(&branch, &ada, pair).await;
    assert_eq!(desks.hears_many(3).await, moved(pair));
}

/// Prevents: a browser that was left open and never logs out, since its page listens.
#[tokio::test]
async fn listening_is_not_using() {
    let (branch, _following) = Branch::with_news().await;
    let ada = branch.customer("ada@example.org").await;
    let pair = [branch.account(&ada, 1_000).await, branch.account(&ada, 0).await];
    let mut browser = Browser::logged_in(&branch, &ada).await;
    let mut ear = browser.listens("").await.begun().await;
    branch.pass(4 * MINUTE);
    browser.gets("/accounts").await;
    branch.pass(2 * MINUTE);
    moves(&branch, &ada, pair).await;
    assert_eq!(ear.hears_many(3).await, moved(pair), "who uses the login keeps it");
    branch.pass(2 * MINUTE);
    let refresh = Request::get("/accounts").header("x-refresh", "live");
    assert_eq!(browser.sends(refresh, String::new()).await.status, StatusCode::OK);
    let mut second = browser.listens("").await.begun().await;
    branch.pass(MINUTE);
    assert_eq!(ear.rest().await, [end("session.ended")]);
    assert_eq!(second.rest().await, [end("session.ended")]);
    assert_eq!(browser.gets("/accounts").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn an_apps_stream_ends_with_its_token_and_goes_on_with_another() {
    let (branch, _following) = Branch::with_news().await;
    let ada = branch.customer("ada@example.org").await;
    let pair = [branch.account(&ada, 1_000).await, branch.account(&ada, 0).await];
    let mut app = App::logged_in(&branch, &ada).await;
    let mut ear = app.listens("").await.begun().await;
    for _ in 0..2 {
        branch.pass(4 * MINUTE);
        app.gets("/v1/accounts").await.good();
    }
    moves(&branch, &ada, pair).await;
    assert_eq!(ear.hears_many(3).await, moved(pair));
    let last = ear.last_id.clone();
    branch.pass(2 * MINUTE);
    assert_eq!(ear.rest().await, [], "the login is not over");
    assert_eq!(app.listens(&last).await.status, StatusCode::UNAUTHORIZED);
    app.access_token = {
        let answer = app.refreshes(&app.refresh_token).await.good();
        String::from(answer["access_token"].as_str().unwrap())
    };
    moves(&branch, &ada, pair).await;
    assert_eq!(app.listens(&last).await.begun().await.hears_many(3).await, moved(pair));
}

/// Prevents: an event that is lost with a connection, or that is told again.
#[tokio::test]
async fn who_comes_back_is_told_what_they_missed_once() {
    let (branch, _following) = Branch::with_news().await;
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    let pair = [branch.account(&ada, 1_000).await, branch.account(&ada, 0).await];
    let his = [branch.account(&ben, 1_000).await, branch.account(&ben, 0).await];
    let other = branch.with_options(|_| {}).await;
    let _following_there = follows(&other).await;
    let mut browser = Browser::logged_in(&branch, &ada).await;
    let mut ear = browser.listens("").await.begun().await;
    let mut ids = vec![ear.last_id.clone()];
    for _ in 0..3 {
        moves(&branch, &ada, pair).await;
        moves(&branch, &ben, his).await;
    }
    for _ in 0..9 {
        ear.hears().await;
        ids.push(ear.last_id.clone());
    }
    drop(ear);
    moves(&branch, &ada, pair).await;
    let all = [moved(pair), moved(pair), moved(pair), moved(pair)].concat();
    for (told, id) in ids.iter().enumerate() {
        // The first place is the adapter's own; events are the same at all of them.
        let router = if told % 2 == 0 { branch.router() } else { web::router(Arc::clone(&other)) };
        let mut ear = browser.goes_to(router).listens(id).await.begun().await;
        assert_eq!(ear.hears_many(12 - told).await, all[told..], "after {told} events");
        let opened = branch.account(&ada, 0).await;
        let mut next = ear.hears().await;
        while next.0 == "account.opened" && next.1 != opened.to_string() {
            next = ear.hears().await;
        }
        assert_eq!(next, event("account.opened", opened), "nothing comes again");
    }
}

/// Prevents: a page that was read before something happened and asks to be told only after it.
#[tokio::test]
async fn a_page_listens_from_where_it_was_read() {
    let (branch, _following) = Branch::with_news().await;
    let ada = branch.customer("ada@example.org").await;
    let pair = [branch.account(&ada, 1_000).await, branch.account(&ada, 0).await];
    let mut browser = Browser::logged_in(&branch, &ada).await;
    for path in [String::from("/accounts"), format!("/accounts/{}", pair[0])] {
        let page = browser.gets(&path).await;
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("script-src 'self'") && policy.contains("connect-src 'self'"));
        let (_, after) = page.text.split_once(r#"data-after=""#).unwrap();
        let after = after.split('"').next().unwrap();
        moves(&branch, &ada, pair).await;
        let mut ear = browser.asks_to_listen(&format!("/live?after={after}"), "").await;
        assert_eq!(ear.first().await.event, serde_json::Value::Null);
        assert_eq!(ear.hears_many(3).await, moved(pair));
        let mut back = browser.asks_to_listen(&format!("/live?after={after}"), &ear.last_id).await;
        assert_eq!(back.first().await.id.len(), after.len());
        moves(&branch, &ada, pair).await;
        assert_eq!(back.hears_many(3).await, moved(pair), "the header says more than the page");
    }
}

/// Row 40, and prevents: a gap that nobody is told of.
#[tokio::test]
async fn an_id_that_leads_nowhere_is_a_reset() {
    let (branch, following) = Branch::with_news().await;
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    let pair = [branch.account(&ada, 1_000).await, branch.account(&ada, 0).await];
    let mut bens = Browser::logged_in(&branch, &ben).await;
    let foreign = bens.listens("").await.begun().await.last_id;
    let mut browser = Browser::logged_in(&branch, &ada).await;
    let app = App::logged_in(&branch, &ada).await;
    let mut own = browser.listens("").await.begun().await;
    moves(&branch, &ada, pair).await;
    own.hears_many(3).await;
    let changed = own.last_id.chars().rev().collect::<String>();
    let long = "x".repeat(7_000);
    for id in [&*foreign, &changed, "1", "é", "../../etc/passwd", "3:4272:00", &long, " "] {
        let mut ear = browser.listens(id).await;
        let first = ear.first().await;
        assert_eq!(first.event["type"], "reset", "{id:.20}");
        moves(&branch, &ada, pair).await;
        assert_eq!(ear.hears_many(3).await, moved(pair), "and from there it goes on");
        let mut back = browser.listens(&first.id).await.begun().await;
        assert_eq!(back.hears_many(3).await, moved(pair));
        assert_eq!(app.listens(id).await.first().await.event["type"], "reset", "{id:.20}");
    }
    let last = own.last_id.clone();
    drop(following);
    let _following = follows(&branch.bank).await;
    assert_eq!(browser.listens(&last).await.first().await.event["type"], "reset", "forgotten");
}

/// Prevents: one who does not read, and memory that grows or others who wait for them.
#[tokio::test]
async fn who_does_not_read_is_let_go_and_the_others_hear_everything() {
    let (branch, _following) = Branch::with_news().await;
    let ada = branch.customer("ada@example.org").await;
    let pair = [branch.account(&ada, 1_000).await, branch.account(&ada, 0).await];
    let mut browser = Browser::logged_in(&branch, &ada).await;
    let mut slow = browser.listens("").await.begun().await;
    let mut quick = browser.listens("").await.begun().await;
    let ben = branch.customer("ben@example.org").await;
    let bens = [branch.account(&ben, 1_000).await, branch.account(&ben, 0).await];
    let mut other = Browser::logged_in(&branch, &ben).await.listens("").await.begun().await;
    let mut all = Vec::new();
    for _ in 0..30 {
        moves(&branch, &ada, pair).await;
        assert_eq!(quick.hears_many(3).await, moved(pair));
        all.extend(moved(pair));
    }
    let mut heard = slow.rest().await;
    assert!(heard.len() < all.len(), "{}", heard.len());
    let mut back = browser.listens(&slow.last_id).await.begun().await;
    heard.extend(back.hears_many(all.len() - heard.len()).await);
    assert_eq!(heard, all, "whoever comes back has missed nothing");
    // Whoever has missed too much reads again instead.
    let long_ago = back.last_id.clone();
    for _ in 0..90 {
        branch.sends(&ada, pair[0], pair[1], 1).await.unwrap();
    }
    branch.works().await;
    assert_eq!(quick.rest().await.len(), 64, "all at once is too much for a queue");
    // What the others hear says that the adapter has come past all of it.
    moves(&branch, &ben, bens).await;
    assert_eq!(other.hears_many(3).await, moved(bens));
    assert_eq!(browser.listens(&long_ago).await.first().await.event["type"], "reset");
}

#[tokio::test]
async fn a_customer_has_eight_streams() {
    let (branch, following) = Branch::with_news().await;
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    let mut browser = Browser::logged_in(&branch, &ada).await;
    let app = App::logged_in(&branch, &ada).await;
    let mut ears = vec![app.listens("").await.begun().await];
    while ears.len() < STREAMS_PER_CUSTOMER {
        ears.push(browser.listens("").await.begun().await);
    }
    assert_eq!(browser.listens("").await.status, StatusCode::TOO_MANY_REQUESTS);
    let refused = app.gets("/v1/events").await;
    assert_eq!(refused.code(), (429, "too_many_streams"));
    assert!(refused.json["detail"].as_str().unwrap().contains("8 event streams"));
    let mut bens = Browser::logged_in(&branch, &ben).await;
    bens.listens("").await.begun().await;
    ears.pop();
    ears.push(app.listens("").await.begun().await);

    // Whoever does not hear the ledger tells nobody that they do.
    drop(following);
    for mut ear in ears {
        assert_eq!(ear.rest().await, []);
    }
    assert_eq!(app.gets("/v1/events").await.code(), (503, "busy"));
    assert_eq!(bens.listens("").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

/// Row 26: another site that listens with a customer's cookie, and whoever has none.
#[tokio::test]
async fn strangers_and_other_sites_hear_nothing() {
    let (branch, _following) = Branch::with_news().await;
    let ada = branch.customer("ada@example.org").await;
    let mut browser = Browser::logged_in(&branch, &ada).await;
    for site in ["cross-site", "same-site", "none"] {
        let request = Request::get("/live").header("sec-fetch-site", site);
        assert_eq!(browser.sends(request, String::new()).await.status, StatusCode::FORBIDDEN);
    }
    let mut stranger = Browser::of(&branch);
    assert_eq!(stranger.listens("").await.status, StatusCode::NO_CONTENT);
    let member = branch.hires("support@bank.example", &[Role::Support]).await;
    let mut clerk = Browser::logged_in(&branch, &member).await;
    assert_eq!(clerk.listens("").await.status, StatusCode::NO_CONTENT);
    let app = App::of(&branch);
    assert_eq!(app.listens("").await.status, StatusCode::UNAUTHORIZED);
}

/// Prevents: a page that shows an account as it no longer is, until somebody loads it again.
#[tokio::test]
async fn its_owner_hears_what_happens_to_an_account_itself() {
    let (branch, _following) = Branch::with_news().await;
    let ada = branch.customer("ada@example.org").await;
    let app = App::logged_in(&branch, &ada).await;
    let mut ear = app.listens("").await.begun().await;
    let account = branch.account(&ada, 0).await;
    let clerk = branch.hires("otto@example.org", &[Role::Operations]).await;
    let clerk = branch.clerk(&clerk).await;
    let limits = accounts::SendingLimits { daily_cents: 1, monthly_cents: 2 };
    accounts::suspend(&branch.bank, &clerk, account, "asked").await.unwrap();
    accounts::resume(&branch.bank, &clerk, account, "asked").await.unwrap();
    accounts::limit(&branch.bank, &clerk, account, limits).await.unwrap();
    let Bank { store, clock, .. } = &*branch.bank;
    accounts::close(store, &**clock, &branch.orderer(&ada), account).await.unwrap();
    let kinds = ["opened", "suspended", "resumed", "limits_changed", "closed"];
    let told: Vec<_> =
        kinds.iter().map(|kind| event(&format!("account.{kind}"), account)).collect();
    assert_eq!(ear.hears_many(5).await, told);
}
