//! What changes between the moment it was read and the commit that it decided.
//!
//! The clock of the test bed is asked after everything was read; there, in the midst of a decision, the test makes
//! something else happen.

use crate::branch::{Branch, Person};
use crate::email_changes::asked;
use florin_adapter::Bank;
use florin_adapter::accounts::{self, AccountOpen, AccountStatus, Accounts};
use florin_adapter::customers::{EmailChanges, Link, Sessions};
use florin_adapter::id::{Account, Id};
use florin_adapter::money::{Currency, Money};
use florin_adapter::payments::payee::{self, NewPayee};
use florin_adapter::payments::{
    self, Destination, NewTransfer, Orderer, RequestKey, TransactionStatus, TransferRefused,
};
use florin_adapter::store::{Found, Kind, Row, Store};
use florin_ledger::DocumentWrite;
use florin_ledger::document::WriteResult;
use std::sync::Arc;

/// Changes a document, whatever it says now.
async fn change<K: Kind>(store: &Store, key: &[u8], changed: impl FnOnce(K::Open) -> K::Open) {
    let found: Found<K> = store.get(key).await.unwrap().unwrap();
    let condition = found.condition();
    let row = Row::<K> { open: changed(found.row.open), ..found.row };
    let write = store.write(key, &row, condition).await.unwrap();
    written(store, write).await;
}

async fn written(store: &Store, write: DocumentWrite) {
    let results = store.client().write_documents(&[write]).await.unwrap();
    assert!(matches!(results[0], WriteResult::Written(_)), "{results:?}");
}

async fn becomes(store: &Store, account: Id<Account>, status: AccountStatus) {
    let changed = |open| AccountOpen { status, ..open };
    change::<Accounts>(store, &account.bytes(), changed).await;
}

/// What can happen to whatever a transfer is decided by.
#[derive(Clone, Copy, Debug)]
enum Change {
    SourceSuspended,
    DestinationClosed,
    PayeeRemoved,
    LimitLowered,
    LoggedOut,
    ChallengeSpent,
    AddressChanged,
}

/// IN4: whatever is changed while a transfer is decided, nothing is held.
#[tokio::test]
async fn a_transfer_is_not_held_if_anything_that_decided_it_has_changed() {
    let calls = meanwhile(Change::SourceSuspended, usize::MAX).await;
    assert!(2 < calls, "the clock is hardly asked at all");
    for it in [
        Change::SourceSuspended,
        Change::DestinationClosed,
        Change::PayeeRemoved,
        Change::LimitLowered,
        Change::LoggedOut,
        Change::ChallengeSpent,
        Change::AddressChanged,
    ] {
        // When everything was read, and in the midst of it.
        for moment in [calls - 1, calls / 2] {
            meanwhile(it, moment).await;
        }
    }
}

/// Orders a payment, of which something that decides it changes when the clock is asked for the time so often. How
/// often it was asked.
async fn meanwhile(it: Change, moment: usize) -> usize {
    let branch = Branch::open().await;
    let strict = branch.with_options(|options| options.step_up_above_cents = 0).await;
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    let one = branch.account(&ada, 1_000).await;
    let his = branch.account(&ben, 0).await;
    let token = branch.login(&ada).await;
    let login = branch.finds(&token).await.unwrap();
    let by = Orderer { authority: Vec::from(login.unchanged), ..branch.orderer(&ada) };
    let payee = noted(&branch, &ada, &ben, his).await;
    let mut order = NewTransfer {
        source: one,
        destination: Destination::Payee(payee),
        money: Money::positive(Currency::Eur, 100).unwrap(),
        description: String::new(),
        request: RequestKey::generate(),
        challenge: None,
    };
    let Err(TransferRefused::StepUp(challenge)) = payments::initiate(&strict, &by, &order).await
    else {
        panic!("a payment to another is not asked for")
    };
    order.challenge = Some(challenge);
    let Bank { store, clock, .. } = &*strict;
    branch.pass(30 * florin_adapter::clock::SECOND);
    let code = ada.totp.code(branch.now());
    payments::prove(store, &**clock, &by, challenge, &code).await.unwrap();

    let link = waiting_address(&branch, &ada, it).await;
    // A login that is over is a reason of its own.
    let by = match it {
        Change::AddressChanged => Orderer { authority: Vec::new(), ..by },
        _ => by,
    };
    let (bank, person) = (Arc::clone(&strict), by.clone());
    let spending = NewTransfer { request: RequestKey::generate(), ..order.clone() };
    let happened = branch.clock.at_call(moment, async move {
        let store = &bank.store;
        match it {
            Change::SourceSuspended => becomes(store, one, AccountStatus::Suspended).await,
            Change::DestinationClosed => becomes(store, his, AccountStatus::Closed).await,
            Change::PayeeRemoved => {
                payee::remove(store, &*bank.clock, &person, payee).await.unwrap();
            }
            Change::LimitLowered => {
                let changed = |open| AccountOpen { daily_limit_cents: 99, ..open };
                change::<Accounts>(store, &one.bytes(), changed).await;
            }
            Change::LoggedOut => {
                let ended = store.client().write_documents(&Sessions::end(&token.key())).await;
                ended.unwrap();
            }
            Change::ChallengeSpent => {
                payments::initiate(&bank, &person, &spending).await.unwrap();
            }
            // Nothing else of what decides is another then.
            Change::AddressChanged => {
                let caller = florin_adapter::audit::Caller::bank();
                let (link, clock) = (link.unwrap(), &*bank.clock);
                EmailChanges::confirm(store, clock, &caller, &link).await.unwrap();
            }
        }
    });
    let sent = payments::initiate(&strict, &by, &order).await;
    let (has_happened, calls) = branch.clock.has_happened(happened);
    let (posted, available) = branch.balance(one).await;
    match sent {
        // After the commit nobody asks for the time: what has happened, has happened before it.
        Ok(_) => assert!(!has_happened, "{it:?} at {moment} is no matter"),
        // Somebody else has spent the proof: theirs is held, and no other.
        Err(TransferRefused::StepUp(_)) => assert_eq!((posted, available), (1_000, 900)),
        Err(TransferRefused::Bank(error)) => panic!("{it:?} at {moment}: {error}"),
        Err(error) if moment == usize::MAX => panic!("nothing has happened: {error}"),
        Err(_) => assert_eq!((posted, available), (1_000, 1_000), "{it:?} at {moment}"),
    }
    assert!(has_happened || moment == usize::MAX, "{it:?} never came to {moment}");
    calls
}

/// The link that confirms an address, if that is what is to be changed.
async fn waiting_address(branch: &Branch, ada: &Person, it: Change) -> Option<Link> {
    match it {
        Change::AddressChanged => Some(asked(branch, ada, "quill@example.org").await),
        _ => None,
    }
}

async fn noted(
    branch: &Branch,
    ada: &Person,
    ben: &Person,
    his: Id<Account>,
) -> Id<florin_adapter::id::Payee> {
    let Bank { store, clock, options, .. } = &*branch.bank;
    let found = accounts::owned(store, ben.id, his).await.unwrap().unwrap();
    let number = found.row.statutory.known().unwrap().account_number;
    let new = NewPayee { name: String::from("Ada Quill"), number, bank_code: None };
    let by = branch.orderer(ada);
    let found = payee::add(store, &**clock, &by, options.code, &new).await.unwrap();
    found.row.open.beneficiary_id
}

/// IN4 for the second step: prevents money that leaves an account which was suspended while it was judged.
#[tokio::test]
async fn a_transfer_is_not_posted_if_its_account_is_suspended_while_it_is_judged() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let (one, other) = (branch.account(&ada, 1_000).await, branch.account(&ada, 0).await);
    let begun = branch.sends(&ada, one, other, 400).await.unwrap();
    let bank = Arc::clone(&branch.bank);
    let happened = branch.clock.at_call(0, async move {
        becomes(&bank.store, one, AccountStatus::Suspended).await;
    });
    payments::end(&branch.bank, begun.transaction).await.unwrap();
    assert!(branch.clock.has_happened(happened).0);
    assert_eq!((branch.balance(one).await, branch.balance(other).await), ((1_000, 1_000), (0, 0)));
    let view = branch.view(&ada, begun.transaction).await;
    assert_eq!(view.status, TransactionStatus::Failed);
    assert_eq!(view.reason.as_deref(), Some("account_not_active"));
}
