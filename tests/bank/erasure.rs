//! Closing accounts and forgetting customers. What would go wrong without: money that comes to an account after
//! it was closed, or a customer who asked to be forgotten and is found again.

use crate::branch::{Branch, PASSWORD, Person, orderer};
use florin_adapter::accounts::{self, CloseRefused};
use florin_adapter::audit::Caller;
use florin_adapter::customers::{Customers, EraseRefused, erase};
use florin_adapter::id::{Account, Id};
use florin_adapter::payments::TransferRefused;
use florin_adapter::store::{Found, Held};

async fn closes(
    branch: &Branch,
    person: &Person,
    account: Id<Account>,
) -> Result<(), CloseRefused> {
    let (store, clock) = (&branch.bank.store, &*branch.bank.clock);
    accounts::close(store, clock, &orderer(person), account).await
}

async fn erases(branch: &Branch, person: &Person) -> Result<(), EraseRefused> {
    erase(&branch.bank.store, &*branch.bank.clock, &Caller::bank(), person.id).await
}

#[tokio::test]
async fn an_account_is_closed_when_it_is_empty_and_takes_nothing_more() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let (one, other) = (branch.account(&ada, 100).await, branch.account(&ada, 500).await);
    assert!(matches!(closes(&branch, &ada, one).await, Err(CloseRefused::NotEmpty)));
    branch.sends(&ada, one, other, 100).await.unwrap();
    assert!(matches!(closes(&branch, &ada, one).await, Err(CloseRefused::NotEmpty)), "held");
    assert!(matches!(closes(&branch, &ada, other).await, Err(CloseRefused::NotEmpty)));
    branch.works().await;
    closes(&branch, &ada, one).await.unwrap();
    assert!(matches!(closes(&branch, &ada, one).await, Err(CloseRefused::Closed)));
    let sent = branch.sends(&ada, other, one, 1).await;
    assert!(matches!(sent, Err(TransferRefused::Closed)));
    let ben = branch.customer("ben@example.org").await;
    assert!(matches!(closes(&branch, &ben, other).await, Err(CloseRefused::NoSuchAccount)));
    // The ledger itself takes nothing either, whatever the documents say.
    assert_eq!(branch.deposits(one, 1).await.name(), "credit_account_already_closed");
}

#[tokio::test]
async fn a_customer_is_forgotten_when_every_account_is_closed_and_not_before() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let account = branch.account(&ada, 0).await;
    let login = branch.login(&ada).await;
    assert!(matches!(erases(&branch, &ada).await, Err(EraseRefused::OpenAccounts)));
    assert!(branch.is_in(&login).await, "nothing happened");
    closes(&branch, &ada, account).await.unwrap();
    erases(&branch, &ada).await.unwrap();
    assert!(!branch.is_in(&login).await);
    branch.pass(60 * florin_adapter::clock::SECOND);
    assert!(!branch.lets_in(ada.email, PASSWORD, &ada.totp.code(branch.now())).await);
    let found: Found<Customers> = branch.bank.store.get(&ada.id.bytes()).await.unwrap().unwrap();
    assert!(found.row.profile == Held::Erased && !found.row.open.is_active);
    assert_eq!(
        found.row.statutory.known().unwrap().last_name,
        "Quill",
        "what the law wants is there"
    );
    erases(&branch, &ada).await.unwrap();
    let again = branch.customer("ada@example.org").await;
    assert_ne!(again.id, ada.id, "the address is free, and whoever has it is somebody else");
}
