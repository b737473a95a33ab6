//! Closing accounts and forgetting customers. What would go wrong without: money that comes to an account after
//! it was closed, or a customer who asked to be forgotten and is found again.

use crate::branch::{Branch, PASSWORD, Person, orderer};
use florin_adapter::accounts::{self, CloseRefused};
use florin_adapter::audit::Caller;
use florin_adapter::customers::{Customers, EraseRefused, erase};
use florin_adapter::id::{Account, Id};
use florin_adapter::payments::TransferRefused;
use florin_adapter::store::{Found, Held};
use florin_adapter::tables;
use florin_ledger::document::{DocumentScan, WriteResult};
use florin_ledger::{DocumentWrite, TableId};

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

/// How many documents a table has of somebody.
async fn count(branch: &Branch, table: TableId, person: &Person) -> usize {
    let (mut count, mut after) = (0, None);
    loop {
        let prefix = person.id.bytes().to_vec();
        let scan = DocumentScan {
            table,
            prefix,
            after,
            keys_only: true,
            limit: 1_000,
            ..DocumentScan::default()
        };
        let page = branch.client.scan_documents(&scan).await.unwrap();
        count += page.items.len();
        after = page.next;
        if after.is_none() {
            return count;
        }
    }
}

/// Prevents: a customer who has used the bank so much that one commit can't forget them, and who never is.
#[tokio::test]
async fn a_customer_is_forgotten_however_much_there_is_of_them() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    let much = [
        (tables::LOGINS, 600),
        (tables::LOGIN_USES, 600),
        (tables::RECOVERIES, 1_100),
        (tables::PAYEES, 200),
        (tables::PAYEE_NUMBERS, 200),
        (tables::PAID_BEFORE, 10_000),
    ];
    for (person, table, wanted) in much
        .map(|(table, count)| (&ada, table, count))
        .into_iter()
        .chain([(&ben, tables::LOGINS, 1), (&ben, tables::PAID_BEFORE, 1)])
    {
        let document = |number: u128| DocumentWrite {
            table,
            key: [&person.id.bytes()[..], &number.to_be_bytes()].concat(),
            value: Some(b"{}".to_vec()),
            ..DocumentWrite::default()
        };
        let documents: Vec<_> = (0..wanted).map(document).collect();
        for page in documents.chunks(1_000) {
            let written = branch.client.write_documents(page).await.unwrap();
            assert!(written.iter().all(|it| matches!(it, WriteResult::Written(_))));
        }
    }
    erases(&branch, &ada).await.unwrap();
    for (table, _) in much {
        assert_eq!(count(&branch, table, &ada).await, 0, "{table}");
    }
    for table in [tables::LOGINS, tables::PAID_BEFORE] {
        assert_eq!(count(&branch, table, &ben).await, 1, "another's are there");
    }
    // Whoever stopped in the midst does the rest.
    let left = DocumentWrite {
        table: tables::PAID_BEFORE,
        key: [ada.id.bytes(), [7; 16]].concat(),
        value: Some(b"{}".to_vec()),
        ..DocumentWrite::default()
    };
    branch.client.write_documents(&[left]).await.unwrap();
    erases(&branch, &ada).await.unwrap();
    assert_eq!(count(&branch, tables::PAID_BEFORE, &ada).await, 0);
}
