//! What whoever may write documents can put into the table of clients' keys: who comes in by it.

use florin_ledger::{Document, Lsn, Position, Timestamp};
use florin_server::{KeyChange, KeyDocument, KeyTable};
use florin_wire::PublicKey;
use std::collections::HashSet;

/// Takes each line for the document of a key, and a line that begins with `!` for one whose key in the
/// table is none.
///
/// # Panics
/// If a document is read in two ways, is neither a key nor a flaw, or two keys of one name may come in.
pub fn run(bytes: &[u8]) {
    let documents: Vec<Document> =
        bytes.split(|byte| *byte == b'\n').zip(1..).map(stored).collect();
    let count = documents.len();
    for value in documents.iter().filter_map(|document| document.value.as_deref()) {
        if let Ok(document) = KeyDocument::decode(value) {
            assert_eq!(KeyDocument::decode(document.encode().as_bytes()), Ok(document));
        }
    }
    let table = KeyTable::new(documents, Vec::new());
    assert_eq!(table.iter().count() + table.flaws().len(), count);
    let mut names = HashSet::new();
    for client_key in table.client_keys() {
        let document = table.get(client_key.key).expect("whoever comes in has a document");
        assert!(!document.revoked && names.insert(client_key.name), "one name, one key");
        let same = [KeyChange { key: client_key.key, document: Some(document.clone()) }];
        assert_eq!(table.check(&same), Ok(()), "what is there may be written again");
        assert_eq!(table.check_operators(&same), Ok(()));
    }
    for flaw in table.flaws() {
        assert!(!flaw.to_string().contains('\n'), "a line of a log stays one");
    }
    let nobody = KeyChange { key: PublicKey([0; 32]), document: None };
    assert_eq!(table.check(&[nobody]), Ok(()));
}

fn stored((line, number): (&[u8], u64)) -> Document {
    let key = number.to_le_bytes().repeat(4);
    let (key, value) = match line {
        [b'!', value @ ..] => (key[1..].to_vec(), value),
        value => (key, value),
    };
    Document {
        key,
        version: Position { epoch: 1, lsn: Lsn(number) },
        timestamp: Timestamp(number),
        expires: Timestamp::NONE,
        value: Some(value.to_vec()),
    }
}
