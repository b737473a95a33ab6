//! What somebody orders with, and where from. What would go wrong without: whoever has a password and a code sends a
//! customer's money to a stranger at once; or a customer with a telephone of years waits for somebody to look at it.

use crate::branch::{Branch, ORIGIN, PASSWORD, Person};
use crate::browser::Browser;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode, header};
use florin_adapter::Bank;
use florin_adapter::audit::Caller;
use florin_adapter::clock::{HOUR, SECOND};
use florin_adapter::customers::{DeviceMark, Holder, LoginAttempts, LoginSession, erase};
use florin_adapter::id::{Account, Id, Transaction};
use florin_adapter::payments::{
    self, Orderer, TransactionStatus, Transactions, review, step, step_key,
};
use florin_adapter::risk::{Assessment, Countries, Country};
use florin_adapter::store::Found;
use florin_adapter::tables;
use florin_ledger::document::DocumentScan;
use std::net::SocketAddr;
use std::sync::Arc;
use zeroize::Zeroizing;

const DAY: u64 = 24 * HOUR;
const FILE: &str = "first,last,country\n192.0.2.0,192.0.2.255,DE\n198.51.100.0,198.51.100.255,FR";

fn from(country: Option<&str>) -> Caller {
    Caller { country: country.map(|country| country.parse().unwrap()), ..Caller::bank() }
}

/// Logs in with something, from somewhere.
async fn logs_in(
    branch: &Branch,
    person: &Person,
    holder: Holder<'_>,
    country: Option<&str>,
) -> LoginSession {
    branch.pass(30 * SECOND);
    let Bank { store, clock, passwords, .. } = &*branch.bank;
    let (caller, password) = (from(country), Zeroizing::new(String::from(PASSWORD)));
    let begun =
        LoginAttempts::begin(store, &**clock, passwords, &caller, person.email, password).await;
    let code = person.totp.code(branch.now());
    let finished =
        LoginAttempts::finish(store, &**clock, &caller, &begun.unwrap(), &code, holder).await;
    finished.unwrap().1
}

/// Pays somebody who was never paid before, in a login, and how that was judged.
async fn pays(
    branch: &Branch,
    person: &Person,
    source: Id<Account>,
    session: &LoginSession,
    country: Option<&str>,
    cents: u64,
) -> (Id<Transaction>, Assessment) {
    // A new name each time, and after what was sent in the hour before.
    branch.pass(HOUR + SECOND);
    let name = format!("payee{}@example.org", branch.now().0);
    let payee = branch.customer(Box::leak(name.into_boxed_str())).await;
    let account = branch.account(&payee, 0).await;
    let by = Orderer {
        caller: from(country),
        device_since: session.device_since,
        ..branch.orderer(person)
    };
    let order = branch.order(source, account, cents);
    let begun = payments::initiate(&branch.bank, &by, &order).await.unwrap();
    branch.works().await;
    (begun.transaction, judged(branch, begun.transaction).await)
}

/// How a transfer was judged last.
async fn judged(branch: &Branch, transaction: Id<Transaction>) -> Assessment {
    let store = &branch.bank.store;
    for step in [step::ENDED, step::IN_REVIEW] {
        let found: Option<Found<Transactions>> =
            store.get(&step_key(transaction, step)).await.unwrap();
        if let Some(found) = found {
            return found.row.statutory.known().unwrap().assessment.unwrap();
        }
    }
    panic!("nobody has judged it");
}

/// F03: prevents a stranger with a stolen password and code who sends much at once.
#[tokio::test]
async fn from_a_device_of_today_much_for_somebody_new_is_looked_at_and_tomorrow_not() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let one = branch.account(&ada, 10_000_000).await;
    branch.limits(one, 10_000_000, 10_000_000).await;
    let (mark, others) = (DeviceMark::generate(), DeviceMark::generate());
    let session = logs_in(&branch, &ada, Holder::Browser(None, Some(&mark)), None).await;
    let (transaction, judged) = pays(&branch, &ada, one, &session, None, 100_000).await;
    assert_eq!((judged.rule_version, &*judged.decision.reason), (4, "new_device"));
    let features = judged.features;
    assert_eq!((features.is_new_device, features.is_new_country), (Some(true), None));
    assert_eq!(judged.is_replayed(), Some(true));
    assert_eq!(branch.view(&ada, transaction).await.status, TransactionStatus::Pending);
    let waiting = review::waiting(&branch.bank.store).await.unwrap();
    assert_eq!(waiting[0].row.open.reason, "new_device");
    let (_, judged) = pays(&branch, &ada, one, &session, None, 99_999).await;
    assert_eq!(judged.decision.reason, "");

    branch.pass(DAY);
    let again = logs_in(&branch, &ada, Holder::Browser(None, Some(&mark)), None).await;
    assert_eq!(again.device_since, session.device_since);
    let (_, judged) = pays(&branch, &ada, one, &again, None, 100_000).await;
    assert_eq!((judged.features.is_new_device, &*judged.decision.reason), (Some(false), ""));
    for holder in [Holder::Browser(None, Some(&others)), Holder::App("a thumbprint")] {
        let stranger = logs_in(&branch, &ada, holder, None).await;
        let (_, judged) = pays(&branch, &ada, one, &stranger, None, 100_000).await;
        assert_eq!(judged.decision.reason, "new_device", "{holder:?}");
    }
    // Where nothing is known nothing is judged.
    let unmarked = logs_in(&branch, &ada, Holder::Browser(None, None), None).await;
    let (_, judged) = pays(&branch, &ada, one, &unmarked, None, 100_000).await;
    assert_eq!((judged.features.is_new_device, &*judged.decision.reason), (None, ""));
    // The same browser is another customer's device of its own.
    let ben = branch.customer("ben@example.org").await;
    let his = logs_in(&branch, &ben, Holder::Browser(None, Some(&mark)), None).await;
    assert_eq!(his.device_since, Some(branch.now().into()));
}

/// F03: the same from another country, and that a country is told in no open part of a document.
#[tokio::test]
async fn from_a_country_of_today_much_for_somebody_new_is_looked_at() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let one = branch.account(&ada, 10_000_000).await;
    branch.limits(one, 10_000_000, 10_000_000).await;
    let phone = Holder::App("a thumbprint");
    logs_in(&branch, &ada, phone, Some("DE")).await;
    branch.pass(2 * DAY);
    let session = logs_in(&branch, &ada, phone, Some("DE")).await;
    for (country, cents, reason) in [
        (Some("DE"), 90_000, ""),
        (Some("FR"), 50_000, "new_country"),
        (Some("FR"), 49_999, ""),
        (None, 90_000, ""),
    ] {
        let (_, judged) = pays(&branch, &ada, one, &session, country, cents).await;
        assert_eq!(judged.decision.reason, reason, "{country:?} {cents}");
        let known: Option<Country> = country.map(|country| country.parse().unwrap());
        assert_eq!(judged.features.country, known);
        assert_eq!(judged.is_replayed(), Some(true));
    }
    // Who is there for a day is no stranger.
    logs_in(&branch, &ada, phone, Some("FR")).await;
    branch.pass(DAY);
    let session = logs_in(&branch, &ada, phone, Some("FR")).await;
    let (_, judged) = pays(&branch, &ada, one, &session, Some("FR"), 50_000).await;
    assert_eq!((judged.features.is_new_country, &*judged.decision.reason), (Some(false), ""));
}

/// V12: prevents places and devices that are left over from a customer who was erased.
#[tokio::test]
async fn what_is_familiar_of_a_customer_is_forgotten_with_them() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    logs_in(&branch, &ada, Holder::App("a thumbprint"), Some("DE")).await;
    let count = async || {
        let scan = DocumentScan { table: tables::FAMILIAR, limit: 9, ..DocumentScan::default() };
        branch.client.scan_documents(&scan).await.unwrap().items.len()
    };
    assert_eq!(count().await, 1);
    let Bank { store, clock, .. } = &*branch.bank;
    erase(store, &**clock, &Caller::bank(), ada.id).await.unwrap();
    assert_eq!(count().await, 0);
}

/// Logs in at a browser, from an address.
async fn enters(branch: &Branch, browser: &mut Browser, person: &Person, address: &str) -> String {
    branch.pass(30 * SECOND);
    let csrf = browser.token("/login").await;
    let password = PASSWORD.replace(' ', "+");
    let form = format!("csrf={csrf}&email={}&password={password}", person.email);
    assert_eq!(browser.is_led_to("/login", &form).await, "/login/verify");
    let csrf = browser.token("/login/verify").await;
    let address: SocketAddr = format!("{address}:4711").parse().unwrap();
    let request = Request::post("/login/verify")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ORIGIN, ORIGIN)
        .extension(ConnectInfo(address));
    let code = person.totp.code(branch.now());
    let page = browser.sends(request, format!("csrf={csrf}&code={code}")).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    let cookies = page.headers.get_all(header::SET_COOKIE).iter();
    let mut cookies = cookies.map(|cookie| String::from(cookie.to_str().unwrap()));
    cookies.find(|cookie| cookie.starts_with("__Host-device=")).unwrap()
}

/// Prevents: a browser that is new each time, or that somebody else's page can read the mark of.
#[tokio::test]
async fn a_browser_is_known_again_by_its_mark_and_an_address_by_its_country() {
    let branch = Branch::open().await;
    let mut bank = branch.another(&branch.root()).await.unwrap();
    bank.options.countries = Some(Arc::new(Countries::parse(FILE).unwrap()));
    let branch = branch.at(bank);
    let ada = branch.customer("ada@example.org").await;
    let mut browser = Browser::of(&branch);
    let cookie = enters(&branch, &mut browser, &ada, "192.0.2.7").await;
    let rules = "; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=34560000";
    assert!(cookie.ends_with(rules), "{cookie}");
    let first = branch.finds(&browser.login()).await.unwrap().session;
    branch.pass(DAY);
    assert_eq!(enters(&branch, &mut browser, &ada, "192.0.2.8").await, cookie, "the same mark");
    let second = branch.finds(&browser.login()).await.unwrap().session;
    assert_eq!(second.device_since, first.device_since);
    assert_ne!(second.session_id, first.session_id);
    let one = branch.account(&ada, 1_000_000).await;
    for (country, is_new) in [("DE", false), ("FR", true)] {
        let (_, judged) = pays(&branch, &ada, one, &second, Some(country), 100).await;
        assert_eq!(judged.features.is_new_country, Some(is_new), "{country}");
    }
    // What somebody made up is no mark.
    let mut odd = Browser::of(&branch);
    odd.keeps("__Host-device", "made-up");
    assert_ne!(enters(&branch, &mut odd, &ada, "203.0.113.1").await, "__Host-device=made-up");
}
