//! A telephone number. What would go wrong without: an open browser gives the account another telephone, its owner
//! never hears of it, codes are guessed, or somebody's telephone rings all night at the bank's cost.

use crate::app::App;
use crate::branch::{Branch, PASSWORD, Person};
use crate::browser::{Browser, Page};
use crate::mailbox::Mailbox;
use crate::recovery_codes::{code, makes, step_up};
use crate::telephones::{House, Telephones, code_in};
use axum::http::{StatusCode, header};
use florin_adapter::clock::{HOUR, MINUTE, SECOND};
use florin_adapter::customers::{PhoneChanges, PhoneCodeRefused};
use florin_adapter::payments::TransferRefused;
use florin_adapter::web;
use futures_util::future::join_all;
use std::sync::Arc;

const PATH: &str = "/security/phone";
const CONFIRM: &str = "/security/phone/confirm";
const REMOVE: &str = "/security/phone/remove";
const NUMBER: &str = "%2B49+170+1234567";
const PLAIN: &str = "+491701234567";

impl House {
    /// What the mails that have come are about, by to whom.
    fn mail(&self) -> Vec<(String, String)> {
        let mails = self.mailbox.opens();
        let mails = mails.into_iter().map(|mail| (String::from(mail.to.written()), mail.subject));
        let mut mails: Vec<_> = mails.collect();
        mails.sort();
        mails
    }
}

/// Asks for a number at a browser.
async fn asks(branch: &Branch, browser: &mut Browser, person: &Person, number: &str) -> Page {
    let csrf = browser.token(PATH).await;
    let right = code(branch, person);
    let form = format!("{}&number={number}", step_up(&csrf, PASSWORD, &right));
    browser.posts(PATH, &form).await
}

async fn confirms(browser: &mut Browser, code: &str) -> Page {
    let csrf = browser.token(CONFIRM).await;
    browser.posts(CONFIRM, &format!("csrf={csrf}&code={code}")).await
}

/// Gives somebody a number, by the pages.
pub(crate) async fn gives_number(
    branch: &Branch,
    (mailbox, telephones): (&Arc<Mailbox>, &Arc<Telephones>),
    person: &Person,
    number: &str,
) {
    let mut desk = Browser::logged_in(branch, person).await;
    let page = asks(branch, &mut desk, person, number).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    telephones.ring(branch, mailbox).await;
    let sent = telephones.reads().pop().unwrap().1;
    let page = confirms(&mut desk, &code_in(&sent)).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    telephones.ring(branch, mailbox).await;
    drop((telephones.reads(), mailbox.opens()));
}

#[tokio::test]
async fn a_number_is_confirmed_by_who_reads_it_and_the_old_one_hears_of_the_next() {
    let house = House::open().await;
    let House { branch, telephones, .. } = &house;
    let ada = branch.customer("ada@example.org").await;
    let mut desk = Browser::logged_in(branch, &ada).await;
    for odd in ["0170+1234567", "", "%2B49+170+1234567%0A"] {
        let page = asks(branch, &mut desk, &ada, odd).await;
        // A line that ends is cut off, as people paste it.
        let wanted = if odd.ends_with("%0A") { 303 } else { 422 };
        assert_eq!(page.status, wanted, "{odd}");
    }
    house.rings().await;
    house.mail();
    telephones.reads();
    let page = asks(branch, &mut desk, &ada, NUMBER).await;
    assert_eq!(page.headers[header::LOCATION], CONFIRM, "{}", page.text);
    house.rings().await;
    let sent = telephones.only(PLAIN);
    assert!(sent.contains("We never ask for it") && sent.len() <= 160, "{sent}");
    let asked = String::from("Your telephone number at Bank is to be changed");
    assert_eq!(house.mail(), [(String::from(ada.email), asked)]);
    let app = App::logged_in(branch, &ada).await;
    assert!(app.gets("/v1/users/me").await.good()["phone_number"].is_null(), "it waits");
    let page = confirms(&mut desk, &code_in(&sent)).await;
    assert_eq!(page.headers[header::LOCATION], "/security?notice=phone", "{}", page.text);
    house.rings().await;
    let changed = String::from("Your telephone number at Bank was changed");
    assert_eq!(house.mail(), [(String::from(ada.email), changed)]);
    assert!(telephones.reads().is_empty(), "there was none before");
    assert_eq!(app.gets("/v1/users/me").await.good()["phone_number"], PLAIN);
    assert!(desk.gets("/security/profile").await.text.contains(PLAIN));
    assert_eq!(asks(branch, &mut desk, &ada, NUMBER).await.status, 422, "it is hers already");

    asks(branch, &mut desk, &ada, "%2B49+171+7654321").await;
    house.rings().await;
    let sent = telephones.only("+491717654321");
    confirms(&mut desk, &code_in(&sent)).await;
    house.rings().await;
    assert!(telephones.only(PLAIN).contains("not your number at Bank any more"));
    let csrf = desk.token(REMOVE).await;
    let form = step_up(&csrf, PASSWORD, &code(branch, &ada));
    assert_eq!(desk.is_led_to(REMOVE, &form).await, "/security?notice=phone-removed");
    house.mail();
    house.rings().await;
    assert!(telephones.only("+491717654321").contains("not your number"));
    assert!(house.mail()[0].1.contains("was removed"));
    assert!(app.gets("/v1/users/me").await.good()["phone_number"].is_null());
    assert_eq!(desk.gets(REMOVE).await.status, StatusCode::SEE_OTHER, "there is none");
}

/// Row 38: an open browser, a wrong code, a recovery code, another login, an old code: none gives a telephone.
#[tokio::test]
async fn row_38_no_number_without_password_app_and_telephone() {
    let house = House::open().await;
    let House { branch, telephones, .. } = &house;
    let ada = branch.customer("ada@example.org").await;
    let mut desk = Browser::logged_in(branch, &ada).await;
    let codes = makes(branch, &mut desk, &ada).await;
    let csrf = desk.token(PATH).await;
    let right = code(branch, &ada);
    for (password, code) in [("wrong", &*right), (PASSWORD, "000000"), (PASSWORD, &*codes[0])] {
        let form = format!("{}&number={NUMBER}", step_up(&csrf, password, code));
        assert_eq!(desk.posts(PATH, &form).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    house.rings().await;
    assert!(telephones.reads().is_empty(), "nothing is sent before both were right");
    // The first budget is spent by guesses too.
    branch.pass(HOUR);
    let mut desk = Browser::logged_in(branch, &ada).await;
    let mut sent = Vec::new();
    for number in [NUMBER, "%2B49+171+7654321"] {
        asks(branch, &mut desk, &ada, number).await;
        house.rings().await;
        sent.push(code_in(&telephones.reads().pop().unwrap().1));
    }
    if sent[0] != sent[1] {
        assert_eq!(confirms(&mut desk, &sent[0]).await.status, 422, "another was asked for");
    }
    let mut other = Browser::logged_in(branch, &ada).await;
    let page = other.gets(CONFIRM).await;
    assert!(page.status == 422 && !page.text.contains("7654321"), "it belongs to the login");
    // Another password puts an end to it: that is what the warning says.
    let csrf = desk.token("/security/password").await;
    let (old, right) = (PASSWORD.replace(' ', "+"), code(branch, &ada));
    let form = format!("csrf={csrf}&old={old}&new=another+horse+and+cart&code={right}");
    assert_eq!(desk.is_led_to("/security/password", &form).await, "/security?notice=password");
    assert_eq!(desk.gets(CONFIRM).await.status, 422);

    let ben = branch.customer("ben@example.org").await;
    let mut desk = Browser::logged_in(branch, &ben).await;
    asks(branch, &mut desk, &ben, NUMBER).await;
    house.rings().await;
    let sent = code_in(&telephones.only(PLAIN));
    let csrf = desk.token(CONFIRM).await;
    for _ in 0..9 {
        branch.pass(MINUTE);
        desk.gets("/accounts").await;
    }
    branch.pass(MINUTE);
    let page = desk.posts(CONFIRM, &format!("csrf={csrf}&code={sent}")).await;
    assert_eq!(page.status, 422, "ten minutes are over");
    let app = App::logged_in(branch, &ben).await;
    assert!(app.gets("/v1/users/me").await.good()["phone_number"].is_null());
}

/// Row 35: prevents a code of six digits that is guessed, one by one or a hundred at once.
#[tokio::test]
async fn row_35_five_codes_are_looked_at() {
    let house = House::open().await;
    let House { branch, telephones, .. } = &house;
    let ada = branch.customer("ada@example.org").await;
    let mut desk = Browser::logged_in(branch, &ada).await;
    for is_at_once in [false, true] {
        asks(branch, &mut desk, &ada, NUMBER).await;
        house.rings().await;
        let right = code_in(&telephones.only(PLAIN));
        let wrong = if right == "000000" { "111111" } else { "000000" };
        let found = branch.finds(&desk.login()).await.unwrap();
        let caller = florin_adapter::audit::Caller::bank();
        let tries = |code: String| {
            let (caller, session) = (caller.clone(), found.session.clone());
            async move { PhoneChanges::confirm(&branch.bank, &caller, &[], &session, &code).await }
        };
        if is_at_once {
            join_all((0..40).map(|_| tries(String::from(wrong)))).await;
            for _ in 0..4 {
                assert!(tries(String::from(wrong)).await.is_err());
            }
        } else {
            for number in 1..=5 {
                let refused = tries(String::from(wrong)).await.unwrap_err();
                let is_over = matches!(refused, PhoneCodeRefused::Over);
                assert_eq!(is_over, number == 5, "{refused}");
            }
        }
        let refused = tries(right).await.unwrap_err();
        assert!(matches!(refused, PhoneCodeRefused::Over), "the right one is the sixth");
    }
}

/// Prevents: a telephone that rings all night, or a bill that somebody else writes. One budget for all adapters.
#[tokio::test]
async fn few_messages_go_to_a_customer_to_a_number_and_altogether() {
    let house = House::open().await;
    let House { branch, telephones, .. } = &house;
    let other = branch.with_options(|_| ()).await;
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    // The hour begins anew, so that all of it is one.
    branch.pass(HOUR - branch.now().0 % HOUR);
    let mut desk = Browser::logged_in(branch, &ada).await;
    for count in 0..7 {
        let mut at = desk.goes_to(if count % 2 == 0 {
            branch.router()
        } else {
            web::router(Arc::clone(&other))
        });
        let page = asks(branch, &mut at, &ada, NUMBER).await;
        assert_eq!(page.status, if count < 5 { 303 } else { 422 }, "{count}: {}", page.text);
        desk = at;
    }
    house.rings().await;
    assert_eq!(telephones.reads().len(), 5);
    let mut desk = Browser::logged_in(branch, &ben).await;
    let page = asks(branch, &mut desk, &ben, "%2B49+(0)170+1234567").await;
    assert!(page.status == 422 && page.text.contains("in an hour"), "the number has had five");
    assert_eq!(asks(branch, &mut desk, &ben, "%2B49+170+1234568").await.status, 303);
    let few = branch.with_options(|options| options.sms_per_hour = 6).await;
    let mut desk = desk.goes_to(web::router(few));
    let page = asks(branch, &mut desk, &ben, "%2B49+170+1234569").await;
    assert_eq!(page.status, 422, "six have gone out altogether");
    branch.pass(HOUR);
    let mut desk = Browser::logged_in(branch, &ada).await;
    assert_eq!(asks(branch, &mut desk, &ada, NUMBER).await.status, 303);
}

/// Prevents: who has taken an account over by its telephone empties it before its owner is awake.
#[tokio::test]
async fn a_day_of_caution_follows() {
    let house = House::open().await;
    let House { branch, mailbox, telephones } = &house;
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    let source = branch.account(&ada, 10_000).await;
    let destination = branch.account(&ben, 0).await;
    gives_number(branch, (mailbox, telephones), &ada, NUMBER).await;
    let bank = branch.with_options(|options| options.step_up_above_cents = 0).await;
    let sends = async || {
        let order = branch.order(source, destination, 100);
        florin_adapter::payments::initiate(&bank, &branch.orderer(&ada), &order).await
    };
    let refused = sends().await.unwrap_err();
    assert!(matches!(refused, TransferRefused::TooSoon(_)), "{refused}");
    branch.pass(24 * HOUR + SECOND);
    let refused = sends().await.unwrap_err();
    assert!(matches!(refused, TransferRefused::StepUp(_)), "{refused}");
}

/// NFR2b, SE9: nothing on the disk of the ledger has a number or a code in it.
#[tokio::test]
async fn no_number_and_no_code_is_on_the_disk() {
    let house = House::open().await;
    let House { branch, telephones, .. } = &house;
    let ada = branch.customer("ada@example.org").await;
    let mut desk = Browser::logged_in(branch, &ada).await;
    asks(branch, &mut desk, &ada, NUMBER).await;
    house.rings().await;
    let sent = code_in(&telephones.only(PLAIN));
    confirms(&mut desk, &sent).await;
    for (name, bytes) in branch.files() {
        for secret in ["1701234567", &format!("{sent} is your code")] {
            let is_there = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!is_there, "{name} says {secret}");
        }
    }
}

/// Prevents: a bank without a gateway that offers what nobody will ever get.
#[tokio::test]
async fn a_bank_that_sends_no_messages_offers_none() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let mute = branch.with_options(|options| options.sends_sms = false).await;
    let mut desk = Browser::logged_in(&branch, &ada).await.goes_to(web::router(mute));
    let page = desk.gets(PATH).await;
    assert!(page.text.contains("sends no messages") && !page.text.contains("change-phone"));
    let csrf = desk.token(PATH).await;
    let form = format!("{}&number={NUMBER}", step_up(&csrf, PASSWORD, &code(&branch, &ada)));
    assert_eq!(desk.posts(PATH, &form).await.status, 422);
}
