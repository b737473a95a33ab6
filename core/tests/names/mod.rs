//! Customers whose names are documents, each sealed under a key of the keyring.

use florin_core::Database;
use florin_core::keyring::Held;
use florin_ledger::document::WriteResult;
use florin_ledger::{DocumentKey, DocumentWrite, TableId};

pub(crate) const TABLE: TableId = TableId(100);
pub(crate) const CUSTOMERS: [&str; 3] = ["ann", "bob", "eve"];

/// A seal that anybody could write: the name under a stream that follows from the key.
fn sealed(key: &[u8; 32], customer: &str) -> Vec<u8> {
    let name = format!("the name of {customer}");
    let stream = *blake3::keyed_hash(key, b"name").as_bytes();
    name.bytes().zip(stream).map(|(byte, pad)| byte ^ pad).collect()
}

/// Writes the names of all of them.
pub(crate) fn write(database: &Database) {
    for name in CUSTOMERS {
        let held = database.make_keys(&[name.as_bytes()]).unwrap().remove(0);
        let Held::Key(key) = held else { panic!("{held:?}") };
        let write = DocumentWrite {
            table: TABLE,
            key: name.as_bytes().to_vec(),
            value: Some(sealed(&key, name)),
            ..DocumentWrite::default()
        };
        let results = database.write_documents(&[write]).unwrap();
        assert!(matches!(results[0], WriteResult::Written(_)));
    }
}

/// Whose names can be read with what a database has. Their documents are there, all of them.
pub(crate) fn readable(database: &Database) -> Vec<&'static str> {
    let mut readable = Vec::new();
    for name in CUSTOMERS {
        let key = DocumentKey { table: TABLE, key: name.as_bytes().to_vec() };
        let document = database.documents(&[key]).unwrap().remove(0).unwrap();
        if let Held::Key(key) = database.keys(&[name.as_bytes()]).unwrap().remove(0) {
            assert_eq!(document.value, Some(sealed(&key, name)));
            readable.push(name);
        }
    }
    readable
}
