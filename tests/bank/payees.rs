//! Whom a customer pays again and again.

use crate::app::{App, json_request, text};
use crate::branch::{Branch, Person};
use crate::browser::Browser;
use axum::http::{Method, StatusCode};
use florin_adapter::accounts::{self, Iban};
use florin_adapter::audit::{Action, Caller};
use florin_adapter::clock::{DAY, HOUR, SECOND};
use florin_adapter::customers::erase;
use florin_adapter::id::{Account, Id, Payee};
use florin_adapter::money::{Currency, Money};
use florin_adapter::payments::payee::{self, NewPayee, PayeeRefused, PayeeType};
use florin_adapter::payments::{
    self, Destination, NameCheck, NewTransfer, Orderer, RequestKey, TransferRefused,
};
use florin_adapter::{Bank, BankError, tables};
use florin_ledger::DocumentWrite;
use florin_ledger::document::{DocumentCondition, DocumentScan};
use serde_json::json;

async fn number(branch: &Branch, person: &Person, account: Id<Account>) -> Iban {
    let found = accounts::owned(&branch.bank.store, person.id, account).await.unwrap().unwrap();
    found.row.statutory.known().unwrap().account_number
}

async fn notes(
    branch: &Branch,
    person: &Person,
    name: &str,
    number: &Iban,
) -> Result<(Id<Payee>, NameCheck, PayeeType), PayeeRefused> {
    let Bank { store, clock, options, .. } = &*branch.bank;
    let new = NewPayee { name: String::from(name), number: number.clone(), bank_code: None };
    let by = branch.orderer(person);
    let found = payee::add(store, &**clock, &by, options.code, &new).await?;
    let open = found.row.open;
    Ok((open.beneficiary_id, open.verification, open.beneficiary_type))
}

async fn pays(
    branch: &Branch,
    person: &Person,
    source: Id<Account>,
    payee: Id<Payee>,
) -> Result<payments::Initiated, TransferRefused> {
    let new = NewTransfer {
        source,
        destination: Destination::Payee(payee),
        money: Money::positive(Currency::Eur, 100).unwrap(),
        description: String::new(),
        request: RequestKey::generate(),
        challenge: None,
    };
    payments::initiate(&branch.bank, &branch.orderer(person), &new).await
}

/// B06: prevents money for a stranger who wrote another's name, and a name that is told to whoever asks.
#[tokio::test]
async fn a_name_is_checked_in_one_word_and_a_number_is_noted_once() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    let his = branch.account(&ben, 0).await;
    let number = number(&branch, &ben, his).await;
    // Everybody here is called Ada Quill.
    let (payee, check, kind) = notes(&branch, &ada, "Quill, ADA", &number).await.unwrap();
    assert_eq!((check, kind), (NameCheck::Match, PayeeType::Internal));
    let again = notes(&branch, &ada, "Ada Quill", &number).await;
    assert!(matches!(again, Err(PayeeRefused::Known(known)) if known == payee));
    for name in ["", " \t", &"x".repeat(141)] {
        assert!(matches!(notes(&branch, &ada, name, &number).await, Err(PayeeRefused::Name)));
    }
    let Bank { store, clock, .. } = &*branch.bank;
    payee::remove(store, &**clock, &branch.orderer(&ada), payee).await.unwrap();
    let (_, check, _) = notes(&branch, &ada, "Ada Quil", &number).await.unwrap();
    assert_eq!(check, NameCheck::Close);
    let (_, check, _) = notes(&branch, &ben, "Otto Sommer", &number).await.unwrap();
    assert_eq!(check, NameCheck::None);
}

/// Prevents: a payment that leaves the bank's books for a bank that it can't reach.
#[tokio::test]
async fn a_payee_at_another_bank_is_noted_and_not_paid() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let one = branch.account(&ada, 1_000).await;
    for (number, expected) in [
        ("DE89370400440532013000", PayeeType::Domestic),
        ("GB29NWBK60161331926819", PayeeType::International),
    ] {
        let noted = notes(&branch, &ada, "Ada Quill", &number.parse().unwrap()).await.unwrap();
        assert_eq!((noted.1, noted.2), (NameCheck::None, expected));
        let paid = pays(&branch, &ada, one, noted.0).await;
        assert!(matches!(paid, Err(TransferRefused::RailUnavailable)), "{paid:?}");
    }
    assert_eq!(branch.balance(one).await, (1_000, 1_000));
}

/// Row 40: another's payee is nobody's.
#[tokio::test]
async fn a_payee_is_paid_and_removed_by_who_noted_them_alone() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    let one = branch.account(&ada, 1_000).await;
    let his = branch.account(&ben, 1_000).await;
    let (payee, ..) =
        notes(&branch, &ada, "Ada Quill", &number(&branch, &ben, his).await).await.unwrap();
    let paid = pays(&branch, &ben, his, payee).await;
    assert!(matches!(paid, Err(TransferRefused::NoSuchPayee)), "{paid:?}");
    let Bank { store, clock, .. } = &*branch.bank;
    let removed = payee::remove(store, &**clock, &branch.orderer(&ben), payee).await;
    assert!(matches!(removed, Err(PayeeRefused::NoSuchPayee)));
    pays(&branch, &ada, one, payee).await.unwrap();
    branch.works().await;
    assert_eq!((branch.balance(one).await.0, branch.balance(his).await.0), (900, 1_100));
    payee::remove(store, &**clock, &branch.orderer(&ada), payee).await.unwrap();
    assert!(matches!(pays(&branch, &ada, one, payee).await, Err(TransferRefused::NoSuchPayee)));
}

/// V12: prevents an address book that is left over from a customer who was erased.
#[tokio::test]
async fn payees_are_erased_with_the_profile_of_who_noted_them() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let number = "DE89370400440532013000".parse().unwrap();
    let (payee, ..) = notes(&branch, &ada, "Otto Sommer", &number).await.unwrap();
    let Bank { store, clock, .. } = &*branch.bank;
    let count = async |table| {
        let prefix = ada.id.bytes().to_vec();
        let scan = DocumentScan { table, prefix, limit: 10, ..DocumentScan::default() };
        branch.client.scan_documents(&scan).await.unwrap().items.len()
    };
    let tables = [tables::PAYEES, tables::PAYEE_NUMBERS];
    for table in tables {
        assert_eq!(count(table).await, 1);
    }
    // What a copy of the ledger still has of it is noise.
    let found = payee::find(store, ada.id, payee).await.unwrap().unwrap();
    assert!(found.row.profile.as_known().is_some());
    erase(store, &**clock, &Caller::bank(), ada.id).await.unwrap();
    for table in tables {
        assert_eq!(count(table).await, 0);
    }
    let write = store.write(&found.key, &found.row, DocumentCondition::Any).await;
    assert!(matches!(write, Err(BankError::Erased)), "and no key is there that seals another");
}

/// Prevents: a customer who is told that the bank is broken, because their login was over in that moment.
#[tokio::test]
async fn who_is_logged_out_meanwhile_must_log_in_again_and_nothing_is_changed() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let number = "DE89370400440532013000".parse().unwrap();
    let (payee, ..) = notes(&branch, &ada, "Otto Sommer", &number).await.unwrap();
    let token = branch.login(&ada).await;
    let found = branch.finds(&token).await.unwrap();
    let by = Orderer { authority: found.unchanged.into(), ..branch.orderer(&ada) };
    branch.ends(&token).await;
    let Bank { store, clock, options, .. } = &*branch.bank;
    let marked = payee::mark(store, &**clock, &by, payee, true).await.map(drop);
    let new = "GB29NWBK60161331926819".parse().unwrap();
    let new = NewPayee { name: String::from("Otto"), number: new, bank_code: None };
    let added = payee::add(store, &**clock, &by, options.code, &new).await.map(drop);
    let removed = payee::remove(store, &**clock, &by, payee).await;
    for refused in [marked, added, removed] {
        assert!(matches!(refused, Err(PayeeRefused::Over)), "{refused:?}");
    }
    let payees = payee::list(store, ada.id).await.unwrap();
    assert_eq!(payees.iter().map(|it| it.row.open.is_favorite).collect::<Vec<_>>(), [false]);

    // At the door of programs: the login ends after it was found.
    let app = App::logged_in(&branch, &ada).await;
    let path = format!("/v1/beneficiaries/{payee}");
    let mut moment = 0;
    loop {
        let app = App::logged_in(&branch, &ada).await;
        let client = branch.client.clone();
        let ends = async move {
            let scan =
                DocumentScan { table: tables::LOGINS, limit: 100, ..DocumentScan::default() };
            let gone = |key| DocumentWrite { table: tables::LOGINS, key, ..Default::default() };
            let logins = client.scan_documents(&scan).await.unwrap().items;
            let gone: Vec<_> = logins.into_iter().map(|login| gone(login.key)).collect();
            client.write_documents(&gone).await.unwrap();
        };
        let happened = branch.clock.at_call(moment, ends);
        let is_favorite = json!({ "is_favorite": moment % 2 == 0 });
        let request = json_request(&path).method(Method::PATCH);
        let answer = app.asks(request, is_favorite.to_string()).await;
        if !branch.clock.has_happened(happened).0 {
            assert_eq!(answer.status, StatusCode::OK);
            break;
        }
        let status = answer.status.as_u16();
        assert!([200, 401].contains(&status), "at call {moment}: {status} {}", answer.json);
        moment += 1;
    }
    assert!(1 < moment, "the clock is hardly asked at all");
    drop(app);
}

/// T4: prevents a favourite that is set for another customer, or that is forgotten.
#[tokio::test]
async fn a_favourite_is_shown_first_and_is_its_customers_own() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    let numbers = [branch.account(&ben, 0).await, branch.account(&ben, 0).await];
    let mut payees = Vec::new();
    for (account, name) in numbers.into_iter().zip(["First", "Second"]) {
        let number = number(&branch, &ben, account).await;
        branch.pass(SECOND);
        payees.push(notes(&branch, &ada, name, &number).await.unwrap().0);
    }
    let (app, his) = (App::logged_in(&branch, &ada).await, App::logged_in(&branch, &ben).await);
    let path = format!("/v1/beneficiaries/{}", payees[1]);
    let marks = async |app: &App<'_>, body: &str| {
        app.asks(json_request(&path).method(Method::PATCH), String::from(body)).await
    };
    let yes = r#"{"is_favorite":true}"#;
    assert_eq!(marks(&his, yes).await.code(), (404, "not_found"));
    for odd in ["{}", r#"{"is_favorite":"yes"}"#, r#"{"is_favorite":true,"name":"x"}"#] {
        assert_eq!(marks(&app, odd).await.code(), (400, "invalid_request"), "{odd}");
    }
    for _ in 0..2 {
        let marked = marks(&app, yes).await.good();
        assert_eq!((&marked["is_favorite"], &marked["name"]), (&json!(true), &json!("Second")));
    }
    let listed = app.gets("/v1/beneficiaries").await.good();
    let told: Vec<_> = listed["data"].as_array().unwrap().iter().collect();
    assert_eq!(told.iter().map(|it| &it["is_favorite"]).collect::<Vec<_>>(), [false, true]);

    let mut browser = Browser::logged_in(&branch, &ada).await;
    let page = browser.gets("/payees").await.text;
    assert!(page.find("Second").unwrap() < page.find("First").unwrap(), "{page}");
    assert_eq!(page.matches(r#"<span class="favourite">"#).count(), 1);
    let csrf = browser.token("/payees").await;
    let form = |payee: &str, is: &str| format!("csrf={csrf}&payee={payee}&is_favorite={is}");
    let [first, second] = [payees[0].to_string(), payees[1].to_string()];
    for (payee, is) in [(&first, "true"), (&second, "false")] {
        assert_eq!(browser.is_led_to("/payees/mark", &form(payee, is)).await, "/payees");
    }
    let page = browser.gets("/payees").await.text;
    assert!(page.find("First").unwrap() < page.find("Second").unwrap(), "{page}");
    let odd = browser.posts("/payees/mark", &form(&first, "perhaps")).await;
    assert_eq!(odd.status, StatusCode::BAD_REQUEST);
    let nobodys = "ben_00000000000000000000000000";
    for gone in ["nothing", nobodys] {
        let page = browser.posts("/payees/mark", &form(gone, "true")).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND);
    }
    let rows = branch.audit_rows().await;
    let marks =
        rows.iter().filter(|row| row.entity_id == second && row.entity_type == "BENEFICIARY");
    let actions: Vec<_> = marks.map(|row| row.action_type).collect();
    assert_eq!(actions, [Action::Create, Action::Update, Action::Update], "none for nothing");
    assert_eq!(text(&listed["data"][0], "beneficiary_id"), first);
}

/// B06: prevents a customer who learns others' names by having many compared, whatever app, page or adapter they use.
#[tokio::test]
async fn few_names_are_checked_for_a_customer_in_a_day_over_all_adapters() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    let his = number(&branch, &ben, branch.account(&ben, 0).await).await;
    let hers = number(&branch, &ada, branch.account(&ada, 0).await).await;
    let nobodys = Iban::generate(branch.bank.options.code);
    let other = branch.at(branch.another(&branch.root()).await.unwrap());
    branch.pass(DAY - branch.now().0 % DAY + HOUR);
    for check in 0..30 {
        let at = [&branch, &other][check % 2];
        // A number that nobody has costs as much: what is left tells nothing.
        let number = [&his, &nobodys][check / 2 % 2];
        let (payee, ..) = notes(at, &ada, &format!("Guess {check}"), number).await.unwrap();
        let Bank { store, clock, .. } = &*at.bank;
        payee::remove(store, &**clock, &at.orderer(&ada), payee).await.unwrap();
    }
    let app = App::logged_in(&branch, &ada).await;
    let asked = json!({"name": "Ada Quill", "account_number": his.to_string()});
    let refused = app.posts("/v1/beneficiaries", &asked).await;
    assert_eq!(refused.code(), (429, "rate_limited"));
    // The app needed a second code, which took it some time.
    let seconds = (DAY - branch.now().0 % DAY).div_ceil(SECOND);
    assert_eq!(refused.header("retry-after"), seconds.to_string());
    let mut browser = Browser::logged_in(&other, &ada).await;
    let csrf = browser.token("/payees").await;
    let form = format!("csrf={csrf}&name=Ada+Quill&number={his}");
    let page = browser.posts("/payees", &form).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(app.gets("/v1/beneficiaries").await.good()["data"], json!([]));
    // What tells nothing costs nothing, and what one has spent is no other's.
    let elsewhere = "GB82 WEST 1234 5698 7654 32".parse().unwrap();
    notes(&branch, &ada, "Landlord", &elsewhere).await.unwrap();
    let again = notes(&branch, &ada, "Landlord", &elsewhere).await;
    assert!(matches!(again, Err(PayeeRefused::Known(_))));
    notes(&branch, &ben, "Ada Quill", &hers).await.unwrap();
    branch.pass(seconds * SECOND);
    notes(&branch, &ada, "Ada Quill", &his).await.unwrap();
}
