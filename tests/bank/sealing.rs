//! What is stored is sealed. What would go wrong without: whoever has a copy of the ledger has the customers'
//! names; or one who was erased comes back.

use crate::branch::{Branch, PASSWORD};
use florin_adapter::accounts::accounts_of;
use florin_adapter::customers::Customers;
use florin_adapter::staff::Role;
use florin_adapter::store::{Found, Held};
use florin_adapter::vault::Subject;
use florin_adapter::{BankError, tables};
use florin_ledger::document::DocumentScan;

#[tokio::test]
async fn no_document_has_a_word_about_a_person() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let (one, other) = (branch.account(&ada, 1_000).await, branch.account(&ada, 0).await);
    branch.sends(&ada, one, other, 300).await.unwrap();
    branch.works().await;
    branch.login(&ada).await;
    branch.hires("sue@example.org", &[Role::Support]).await;
    let mut seen = 0;
    let accounts = accounts_of(&branch.bank.store, ada.id).await.unwrap();
    let number = accounts[0].row.statutory.as_known().unwrap().account_number.plain();
    let secret = ada.totp.base32();
    // What is short may stand in what is sealed by chance.
    let words = ["Quill", "example.org", "garden", PASSWORD, &secret, "argon2", number];
    for table in tables::ALL.iter().filter(|table| !table.options.volatile) {
        let scan = DocumentScan { table: table.id, limit: 1_000, ..DocumentScan::default() };
        for document in branch.client.scan_documents(&scan).await.unwrap().items {
            let value = document.value.unwrap();
            for word in words {
                let is_in = |bytes: &[u8]| {
                    bytes.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
                };
                assert!(!is_in(&value), "{word} in {}", table.name);
                assert!(!is_in(&document.key), "{word} in a key of {}", table.name);
            }
            seen += 1;
        }
    }
    assert!(20 <= seen, "{seen} documents");
}

#[tokio::test]
async fn who_is_erased_is_nobody_and_gets_in_no_more() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    branch.login(&ada).await;
    branch.bank.store.vault().erase(Subject::Customer(ada.id)).await.unwrap();
    let another = branch.another(&branch.root()).await.unwrap();
    for store in [&branch.bank.store, &another.store] {
        let found: Found<Customers> = store.get(&ada.id.bytes()).await.unwrap().unwrap();
        assert!(found.row.profile == Held::Erased, "the profile is gone");
        let kept = found.row.statutory.known().unwrap();
        assert_eq!(kept.last_name, "Quill", "what the law wants is there");
    }
    branch.pass(60 * florin_adapter::clock::SECOND);
    assert!(!branch.lets_in(ada.email, PASSWORD, &ada.totp.code(branch.now())).await);
}

#[tokio::test]
async fn another_root_key_opens_nothing_and_changes_nothing() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let refused = branch.another(&branch.foreign_root()).await;
    let error = refused.err().unwrap();
    assert!(matches!(error, BankError::Tree(_)), "{error}");
    let again = branch.another(&branch.root()).await.unwrap();
    let found: Found<Customers> = again.store.get(&ada.id.bytes()).await.unwrap().unwrap();
    assert_eq!(found.row.profile.known().unwrap().email, "ada@example.org");
}
