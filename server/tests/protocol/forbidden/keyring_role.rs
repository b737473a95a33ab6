//! Who gets at keys. What would go wrong without it: every report that may read documents opens them, too.

use super::{Bank, keyed};
use crate::closed::{public, secret};
use florin_core::disk::os::OsDisk;
use florin_core::keys::FileKey;
use florin_core::{Database, Options, sealing};
use florin_ledger::TableId;
use florin_ledger::document::DocumentScan;
use florin_server::{ClientKey, KeyLimits};
use florin_wire::keyring::{self, DestroyResult, HeldKey, KeyNames};
use florin_wire::{Operation, Role};
use std::sync::Arc;

impl Bank {
    /// With a keyring.
    pub(super) async fn encrypted(keys: impl IntoIterator<Item = ClientKey>) -> Bank {
        let directory = tempfile::tempdir().unwrap();
        let kek = tempfile::tempdir().unwrap();
        let path = kek.path().join("kek");
        FileKey::generate(&path).unwrap();
        let kek = Arc::new(FileKey::open(&path).unwrap());
        let disk = OsDisk::open(directory.path()).unwrap();
        sealing::create(&disk, kek.as_ref()).unwrap();
        drop(disk);
        let options = Options { key: Some(kek), ..Options::default() };
        let database = Database::open(directory.path(), options).unwrap();
        Bank::over(directory, database, keys).await
    }
}

/// Fault 66 for the keyring: who may read all else reads no key, an operator destroys keys that he
/// can't read, and a key that is limited to a part gets none of the whole. Who destroyed is on record.
#[tokio::test]
async fn keys_are_for_the_role_keyring_alone() {
    let limits = KeyLimits { tables: Some([20].into()), ..KeyLimits::default() };
    let limited = ClientKey { limits, ..keyed(3, &[Role::Keyring]) };
    let bank = Bank::encrypted([
        keyed(1, &[Role::Keyring]),
        keyed(2, &[Role::Read, Role::Write, Role::Stream, Role::Audit, Role::Operate]),
        limited,
    ])
    .await;
    let names = KeyNames(vec![b"ann".to_vec(), b"bob".to_vec()]);
    let body = keyring::names_to_bytes(&names);
    let mut vault = bank.admitted(1).await;
    let made = keyring::decode_held(&vault.answered(Operation::MakeKeys, &body).await).unwrap();
    assert!(made.iter().all(|held| matches!(held, HeldKey::Key(_))) && made[0] != made[1]);
    let mut operator = bank.admitted(2).await;
    for operation in [Operation::ReadKeys, Operation::MakeKeys] {
        let message = operator.forbidden(operation, &body).await;
        assert!(message.contains("the role keyring"), "{message}");
    }
    let ann = keyring::names_to_bytes(&KeyNames(vec![b"ann".to_vec()]));
    let results = operator.answered(Operation::DestroyKeys, &ann).await;
    assert_eq!(keyring::decode_results(&results), Ok(vec![DestroyResult::Destroyed]));
    let read = keyring::decode_held(&vault.answered(Operation::ReadKeys, &body).await).unwrap();
    assert_eq!(read, [HeldKey::Destroyed, made[1].clone()]);
    let mut limited = bank.admitted(3).await;
    let message = limited.forbidden(Operation::ReadKeys, &body).await;
    assert!(message.contains("limited to some ledgers or tables"), "{message}");

    let scan = DocumentScan { table: TableId::DESTROYED_KEYS, limit: 9, ..DocumentScan::default() };
    let page = bank.database.scan_documents(&scan).unwrap();
    let said = page.items.iter().filter(|it| it.key.len() == 32).map(|it| it.value.clone());
    let expected = format!("teller {}", public(&secret(2)));
    assert_eq!(said.collect::<Vec<_>>(), [Some(expected.into_bytes())]);
    bank.close().await;
}
