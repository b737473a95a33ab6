//! The bank's own keys: new versions, and another root key. What would go wrong without: something that is sealed
//! and opens for nobody, or a bank that is lost with a root key that was changed.

use crate::branch::{Branch, PASSWORD};
use florin_adapter::audit::Caller;
use florin_adapter::clock::SECOND;
use florin_adapter::customers::{Customers, Holder, LoginAttempts};
use florin_adapter::packed::{Bytes, unpack};
use florin_adapter::store::Found;
use florin_adapter::vault::rotation::{key_versions, prepare, rewrap, use_prepared};
use florin_adapter::vault::{Purpose, RotateRefused, TreeError};
use florin_adapter::{Bank, BankError, tables};
use florin_keys::KeyEncryptionKey;
use florin_ledger::{DocumentKey, DocumentWrite};
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

async fn email(bank: &Bank, key: &[u8]) -> String {
    let found: Found<Customers> = bank.store.get(key).await.unwrap().unwrap();
    found.row.profile.known().unwrap().email
}

/// The version of the sealing key that a customer's profile is sealed with.
async fn sealed_with(branch: &Branch, key: &[u8]) -> u8 {
    let key = DocumentKey { table: tables::CUSTOMERS, key: key.to_vec() };
    let document = branch.client.documents(&[key]).await.unwrap().pop().flatten().unwrap();
    let parts: (IgnoredAny, Bytes, Option<Bytes>) = unpack(&document.value.unwrap()[1..]).unwrap();
    parts.1.0[1]
}

#[tokio::test]
async fn a_new_version_is_read_by_every_adapter_before_it_seals_anything() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let (client, root) = (&branch.client, branch.root());
    for purpose in [Purpose::Sealing, Purpose::Passwords] {
        let early = use_prepared(client, purpose).await;
        assert!(matches!(early, Err(RotateRefused::NothingPrepared)));
        assert_eq!(prepare(client, &root, purpose).await.unwrap(), 2);
        let again = prepare(client, &root, purpose).await;
        assert!(matches!(again, Err(RotateRefused::Prepared(2))));
    }
    let middle = branch.another(&root).await.unwrap();
    let ben = Branch::registers_at(&middle, "ben@example.org").await.unwrap();
    assert_eq!(sealed_with(&branch, &ben.id.bytes()).await, 1, "prepared is not in use");
    assert_eq!(email(&branch.bank, &ben.id.bytes()).await, ben.email, "whoever started before");
    for purpose in [Purpose::Sealing, Purpose::Passwords] {
        assert_eq!(use_prepared(client, purpose).await.unwrap(), 2);
    }
    let late = branch.another(&root).await.unwrap();
    let cleo = Branch::registers_at(&late, "cleo@example.org").await.unwrap();
    assert_eq!(sealed_with(&branch, &cleo.id.bytes()).await, 2);
    for bank in [&middle, &late] {
        for person in [&ada, &ben, &cleo] {
            assert_eq!(email(bank, &person.id.bytes()).await, person.email);
        }
    }
    // Passwords of either version are good at either.
    for bank in [&middle, &late] {
        for person in [&ada, &cleo] {
            branch.pass(30 * SECOND);
            let password = Zeroizing::new(String::from(PASSWORD));
            let (store, clock, caller) = (&bank.store, &*bank.clock, Caller::bank());
            let begun = LoginAttempts::begin(
                store,
                clock,
                &bank.passwords,
                &caller,
                person.email,
                password,
            )
            .await
            .unwrap();
            let code = person.totp.code(branch.now());
            LoginAttempts::finish(
                store,
                clock,
                &caller,
                &begun,
                &code,
                Holder::Browser(None, None),
            )
            .await
            .unwrap();
        }
    }
    for purpose in [Purpose::TokenSigning, Purpose::Forms] {
        let refused = prepare(client, &root, purpose).await;
        assert!(matches!(refused, Err(RotateRefused::NotRotated(_))), "{purpose}");
    }
    let foreign = prepare(client, &branch.foreign_root(), Purpose::Sealing).await;
    assert!(matches!(foreign, Err(RotateRefused::Bank(BankError::Tree(_)))));
    let versions = key_versions(client).await.unwrap();
    let sealing: Vec<_> = versions
        .iter()
        .filter(|version| version.purpose == Purpose::Sealing)
        .map(|version| (version.version, version.is_prepared))
        .collect();
    assert_eq!(sealing, [(1, false), (2, false)]);
}

/// Prevents: a bank that opens and has nothing to seal with, and finds out in the midst of a customer's order.
#[tokio::test]
async fn a_purpose_without_a_key_that_is_in_use_is_damage() {
    let branch = Branch::open().await;
    let key = DocumentKey { table: tables::KEYS, key: b"tree".to_vec() };
    let tree =
        branch.client.documents(std::slice::from_ref(&key)).await.unwrap().pop().flatten().unwrap();
    let sound: serde_json::Value = serde_json::from_slice(&tree.value.unwrap()).unwrap();
    for listed in sound["keys"].as_array().unwrap() {
        let mut tree = sound.clone();
        tree["prepared"] = serde_json::json!([listed]);
        let write = DocumentWrite {
            table: key.table,
            key: key.key.clone(),
            value: Some(tree.to_string().into_bytes()),
            ..DocumentWrite::default()
        };
        branch.client.write_documents(&[write]).await.unwrap();
        let opened = branch.another(&branch.root()).await;
        let is_damage = matches!(opened, Err(BankError::Tree(TreeError::Damaged(_))));
        assert!(is_damage, "{listed}");
    }
}

#[tokio::test]
async fn another_root_key_opens_the_bank_and_the_old_one_does_not() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let (client, old, new) = (&branch.client, branch.root(), branch.foreign_root());
    prepare(client, &old, Purpose::Sealing).await.unwrap();
    let count = key_versions(client).await.unwrap().len();
    let wrong = rewrap(client, &new, &old).await;
    assert!(matches!(wrong, Err(BankError::Tree(_))), "it does not open what it did not wrap");
    assert_eq!(rewrap(client, &old, &new).await.unwrap(), count);
    assert!(matches!(branch.another(&old).await.err(), Some(BankError::Tree(_))));
    let after = branch.another(&new).await.unwrap();
    assert_eq!(email(&after, &ada.id.bytes()).await, ada.email);
    assert_eq!(email(&branch.bank, &ada.id.bytes()).await, ada.email, "who runs goes on");
    let versions = key_versions(client).await.unwrap();
    assert!(versions.iter().all(|version| version.root == new.id()));
}
