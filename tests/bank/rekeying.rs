//! Another key for what is found by a value. What would go wrong without: a customer who can't log in because their
//! address is under the other key, two customers of one address, an account that is paid by nobody, or a key that is
//! gone while something is under it.

use crate::branch::{Branch, PASSWORD, Person};
use crate::browser::Browser;
use crate::email_changes::moves;
use crate::mailbox::{Mailbox, link};
use crate::passwords::{OTHER, chooses, forgets};
use axum::http::StatusCode;
use florin_adapter::accounts::{self, Iban};
use florin_adapter::alerts::{Devices, PushToken};
use florin_adapter::audit::Caller;
use florin_adapter::clock::{HOUR, MINUTE, SECOND};
use florin_adapter::customers::{EraseRefused, Recoveries, erase};
use florin_adapter::email::Email;
use florin_adapter::id::{Account, Id};
use florin_adapter::notify::Platform;
use florin_adapter::payments::payee::{self, NewPayee, PayeeRefused};
use florin_adapter::rekeying::{Left, Moved, RetireRefused, rekey, retire};
use florin_adapter::staff::{Role, care};
use florin_adapter::tables;
use florin_adapter::vault::rotation::{key_versions, prepare, use_prepared};
use florin_adapter::vault::{Purpose, RotateRefused};
use florin_adapter::{Bank, BankError};
use florin_ledger::TableId;
use florin_ledger::document::DocumentScan;
use std::sync::Arc;

const BLIND: Purpose = Purpose::BlindIndex;

/// Customers of before, each for something that happens in one phase.
struct People {
    stays: Person,
    moves: Person,
    leaves: Person,
    forgets: Person,
    account: Id<Account>,
}

fn address(name: &str, phase: usize) -> &'static str {
    Box::leak(format!("{name}{phase}@example.org").into_boxed_str())
}

async fn people(branch: &Branch, phase: usize) -> People {
    let stays = branch.customer(address("stays", phase)).await;
    let account = branch.account(&stays, 100).await;
    People {
        moves: branch.customer(address("moves", phase)).await,
        leaves: branch.customer(address("leaves", phase)).await,
        forgets: branch.customer(address("forgets", phase)).await,
        stays,
        account,
    }
}

async fn number(branch: &Branch, person: &Person, account: Id<Account>) -> Iban {
    let found = accounts::owned(&branch.bank.store, person.id, account).await.unwrap().unwrap();
    found.row.statutory.known().unwrap().account_number
}

async fn notes(branch: &Branch, person: &Person, number: &Iban) -> Result<(), PayeeRefused> {
    let Bank { store, clock, options, .. } = &*branch.bank;
    let name = String::from("Ada Quill");
    let new = NewPayee { name, number: number.clone(), bank_code: None };
    payee::add(store, &**clock, &branch.orderer(person), options.code, &new).await.map(drop)
}

async fn lets_in(branch: &Branch, person: &Person, password: &str) -> bool {
    branch.pass(30 * SECOND);
    branch.lets_in(person.email, password, &person.totp.code(branch.now())).await
}

async fn registers_device(branch: &Branch, person: &Person, token: &str) {
    let (store, clock) = (&branch.bank.store, &*branch.bank.clock);
    let token = PushToken::parse(token).unwrap();
    let orderer = branch.orderer(person);
    Devices::register(store, clock, &orderer, Platform::Web, &token).await.unwrap();
}

/// Whatever is done by a value, to people of before and of now.
async fn everything(branch: &Branch, people: &People, phase: usize) {
    let mailbox = Mailbox::new();
    let Bank { store, clock, .. } = &*branch.bank;
    mailbox.fills(branch).await;
    mailbox.opens();
    let People { stays, moves: moving, leaves, forgets: forgetful, account } = people;
    assert!(lets_in(branch, stays, PASSWORD).await, "a login");
    for person in [stays, moving, leaves, forgetful] {
        assert!(branch.registers(person.email).await.is_none(), "a known address");
    }
    let number = number(branch, stays, *account).await;
    let found = accounts::find_by_number(store, &number).await.unwrap();
    assert_eq!(found, Some(*account), "an account");
    let noted = notes(branch, stays, &number).await;
    assert!(matches!(noted, Err(PayeeRefused::Known(_))), "a payee who was noted before");

    let new = address("moved", phase);
    let moved = moves(branch, &mailbox, moving, new).await.unwrap();
    assert!(lets_in(branch, &moved, PASSWORD).await, "another address");
    assert!(branch.registers(new).await.is_none(), "which is theirs");
    assert!(branch.registers(moving.email).await.is_some(), "and the old one anybody's");

    erase(store, &**clock, &Caller::bank(), leaves.id).await.unwrap();
    assert!(!lets_in(branch, leaves, PASSWORD).await, "who was erased");
    assert!(branch.registers(leaves.email).await.is_some(), "and whose address is anybody's");

    forgets(branch, &forgetful.email.replace('@', "%40")).await;
    mailbox.fills(branch).await;
    let letters = mailbox.opens();
    let letter = letters.iter().find(|mail| mail.text.contains("token=")).unwrap();
    assert_eq!(letter.to.written(), forgetful.email);
    branch.pass(30 * SECOND);
    let code = forgetful.totp.code(branch.now());
    let page = chooses(&mut Browser::of(branch), &link(letter), OTHER, &code).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "a recovery");
    assert!(lets_in(branch, forgetful, OTHER).await);

    // Five tries, whichever key they are counted under.
    for _ in 0..5 {
        assert!(!branch.lets_in(stays.email, "guessed", "000000").await);
    }
    assert!(!lets_in(branch, stays, PASSWORD).await, "it is locked");
    branch.pass(16 * MINUTE);
    assert!(lets_in(branch, stays, PASSWORD).await);
}

async fn under(branch: &Branch, table: TableId, version: u8) -> usize {
    let prefix = vec![version];
    let scan = DocumentScan { table, prefix, keys_only: true, limit: 1_000, ..Default::default() };
    branch.client.scan_documents(&scan).await.unwrap().items.len()
}

/// What is left, but for what expires.
fn stays(left: &[Left]) -> Vec<Left> {
    let expires = ["login_counters", "mail_budgets"];
    left.iter().filter(|left| !expires.contains(&left.table)).copied().collect()
}

#[tokio::test]
async fn everything_is_found_in_every_phase_of_another_key() {
    let old = Branch::open().await;
    let (client, root) = (&old.client, old.root());
    let mut of_before = Vec::new();
    for phase in 0..5 {
        let people = people(&old, phase).await;
        let number = number(&old, &people.stays, people.account).await;
        notes(&old, &people.stays, &number).await.unwrap();
        of_before.push(people);
    }
    registers_device(&old, &of_before[0].stays, "token").await;
    let early = rekey(&old.bank.store).await.unwrap();
    assert!(
        early.is_none()
            && matches!(use_prepared(client, BLIND).await, Err(RotateRefused::NothingPrepared))
    );
    assert!(matches!(retire(&old.bank.store).await, Err(RetireRefused::OneVersion)));

    assert_eq!(prepare(client, &root, BLIND).await.unwrap(), 2);
    let new = old.at(old.another(&root).await.unwrap());
    assert!(matches!(retire(&new.bank.store).await, Err(RetireRefused::OneVersion)), "prepared");
    everything(&old, &of_before[0], 0).await;
    everything(&new, &of_before[1], 1).await;
    assert_eq!(under(&new, tables::CUSTOMER_EMAILS, 2).await, 0, "prepared is not in use");

    assert_eq!(use_prepared(client, BLIND).await.unwrap(), 2);
    everything(&new, &of_before[2], 2).await;
    assert_ne!(under(&new, tables::CUSTOMER_EMAILS, 2).await, 0);
    let third = prepare(client, &root, BLIND).await;
    assert!(matches!(third, Err(RotateRefused::StillRead(1))));
    let needed = retire(&new.bank.store).await;
    assert!(matches!(needed, Err(RetireRefused::Needed { version: 1, .. })), "{needed:?}");
    registers_device(&new, &of_before[1].stays, "token").await;
    let devices = Devices::of(&new.bank.store, of_before[0].stays.id).await.unwrap();
    assert!(devices.is_empty(), "taken over from under the other key");
    registers_device(&new, &of_before[2].stays, "another").await;

    let Moved { older, newest, count, left } = rekey(&new.bank.store).await.unwrap().unwrap();
    assert_eq!((older, newest, stays(&left)), (1, 2, vec![]));
    assert!(5 * 4 < count, "{count}");
    assert_eq!(rekey(&new.bank.store).await.unwrap().unwrap().count, 0);
    everything(&new, &of_before[3], 3).await;
    assert!(matches!(retire(&new.bank.store).await, Err(RetireRefused::Needed { .. })), "tries");
    new.pass(31 * 24 * HOUR);
    assert_eq!(retire(&new.bank.store).await.unwrap(), 1);

    everything(&new, &of_before[4], 4).await;
    let late = new.at(new.another(&root).await.unwrap());
    for people in &of_before {
        assert!(lets_in(&late, &people.stays, PASSWORD).await);
        assert!(late.registers(people.stays.email).await.is_none());
    }
    let versions = key_versions(client).await.unwrap();
    let versions = versions.iter().filter(|key| key.purpose == BLIND).map(|key| key.version);
    assert_eq!(versions.collect::<Vec<_>>(), [2]);
    assert_eq!(prepare(client, &root, BLIND).await.unwrap(), 3, "and so on");
}

/// Prevents: an adapter that was not started again, and finds nobody who came since.
#[tokio::test]
async fn an_adapter_that_has_not_the_key_says_so_and_takes_nobody() {
    let old = Branch::open().await;
    let ada = old.customer("ada@example.org").await;
    let (client, root) = (&old.client, old.root());
    let mut browser = Browser::of(&old);
    let csrf = browser.token("/login").await;
    prepare(client, &root, BLIND).await.unwrap();
    use_prepared(client, BLIND).await.unwrap();
    let new = old.at(old.another(&root).await.unwrap());
    new.customer("ben@example.org").await;
    let Bank { store, clock, .. } = &*old.bank;
    let email = Email::parse("ben@example.org").unwrap();
    let begun = Recoveries::begin(store, &**clock, &Caller::bank(), &email).await;
    assert!(matches!(begun, Err(BankError::KeysChanged)), "{begun:?}");
    let form = format!("csrf={csrf}&email=ada%40example.org&password=x");
    let page = browser.posts("/login", &form).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(matches!(rekey(store).await, Err(BankError::KeysChanged)));
    // Nor does it forget somebody whom the newer key still leads to.
    let erased = erase(store, &**clock, &Caller::bank(), ada.id).await;
    assert!(matches!(erased, Err(EraseRefused::Bank(BankError::KeysChanged))), "{erased:?}");
    assert!(lets_in(&new, &ada, PASSWORD).await);
    let again = old.at(old.another(&root).await.unwrap());
    assert!(lets_in(&again, &ada, PASSWORD).await, "once it was started again");
}

/// Prevents: two customers of one address, one under each key, of whom one gets the other's mail.
#[tokio::test]
async fn two_who_want_one_address_while_the_key_changes_are_never_both_its_owners() {
    let mut moment = 0;
    loop {
        let branch = Branch::open().await;
        let (client, root) = (branch.client.clone(), branch.root());
        prepare(&client, &root, BLIND).await.unwrap();
        let one = branch.another(&root).await.unwrap();
        let other = branch.another(&root).await.unwrap();
        let won = Arc::new(std::sync::Mutex::new(None));
        let wins = Arc::clone(&won);
        let happens = async move {
            use_prepared(&client, BLIND).await.unwrap();
            let registered = Branch::registers_at(&other, "ada@example.org").await;
            *wins.lock().unwrap() = Some(registered.is_some());
        };
        let happened = branch.clock.at_call(moment, happens);
        let registered = register_or_stale(&one).await;
        let (has_happened, _) = branch.clock.has_happened(happened);
        if !has_happened {
            assert!(2 < moment, "the clock is hardly asked at all");
            return;
        }
        let won = won.lock().unwrap().unwrap();
        assert!(won != registered, "at call {moment}: {won} and {registered}");
        let both = under(&branch, tables::CUSTOMER_EMAILS, 1).await
            + under(&branch, tables::CUSTOMER_EMAILS, 2).await;
        assert_eq!(both, 1, "at call {moment}");
        moment += 1;
    }
}

/// Whether somebody becomes a customer; not if the keys change in the same moment, which they may try again.
async fn register_or_stale(bank: &Bank) -> bool {
    use florin_adapter::customers::{NewCustomer, Password, Registered, TotpSecret, register};
    let Bank { store, clock, passwords, .. } = bank;
    let new = NewCustomer {
        first_name: String::from("Ada"),
        last_name: String::from("Quill"),
        email: Email::parse("ada@example.org").unwrap(),
        password: Password::new(String::from(PASSWORD)).unwrap(),
        totp: TotpSecret::generate(),
    };
    match register(store, &**clock, passwords, &Caller::bank(), new).await {
        Ok(registered) => matches!(registered, Registered::New(_)),
        Err(error) if error.is_stale() => false,
        Err(error) => panic!("{error}"),
    }
}

/// Prevents: a customer who is found under neither key, because moving them was interrupted.
#[tokio::test]
async fn moving_that_is_killed_anywhere_goes_on_and_loses_nobody() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let clerk = branch.hires("amy@example.org", &[Role::Admin]).await;
    let account = branch.account(&ada, 0).await;
    let number = number(&branch, &ada, account).await;
    notes(&branch, &ada, &number).await.unwrap();
    registers_device(&branch, &ada, "token").await;
    prepare(&branch.client, &branch.root(), BLIND).await.unwrap();
    use_prepared(&branch.client, BLIND).await.unwrap();
    let branch = branch.at(branch.another(&branch.root()).await.unwrap());
    let before = branch.operations_count();
    let moved = rekey(&branch.bank.store).await.unwrap().unwrap();
    // Both addresses, the account, the payee and the device.
    assert_eq!(moved.count, 5);
    let after = branch.operations_count();
    let mut under_the_older = Vec::new();
    for moment in (before..=after).step_by(((after - before) / 16).max(1)) {
        let branch = branch.after_a_power_cut(moment).await;
        under_the_older.push(under(&branch, tables::CUSTOMER_EMAILS, 1).await);
        for is_moved in [false, true] {
            if is_moved {
                let moved = rekey(&branch.bank.store).await.unwrap().unwrap();
                assert_eq!(stays(&moved.left), [], "cut at {moment}");
            }
            let clerk = branch.clerk(&clerk).await;
            let found = care::find(&branch.bank, &clerk, ada.email).await.unwrap();
            assert_eq!(found, ada.id, "cut at {moment}");
            let found = accounts::find_by_number(&branch.bank.store, &number).await.unwrap();
            assert_eq!(found, Some(account), "cut at {moment}");
            let noted = notes(&branch, &ada, &number).await;
            assert!(matches!(noted, Err(PayeeRefused::Known(_))), "cut at {moment}");
        }
    }
    assert_eq!((under_the_older.first(), under_the_older.last()), (Some(&2), Some(&0)));
}
