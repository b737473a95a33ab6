//! What the log says of the keyring: which names are destroyed, and that there is a keyring at all.
//! Documents of [`TableId::DESTROYED_KEYS`], which is append-only:
//!
//! | key | value |
//! |---|---|
//! | hash of a name, 32 bytes | who destroyed its key, in words; when is the document's own time |
//! | `begun` | empty: a keyring was begun |

use super::name::{DestroyedSum, NameHash};
use crate::database::Database;
use crate::error::Error;
use florin_ledger::document::{DocumentScan, WriteResult};
use florin_ledger::query::PAGE_COUNT_MAX;
use florin_ledger::{DocumentWrite, TableId};
use std::collections::BTreeSet;

/// Not as long as a hash.
const BEGUN: &[u8] = b"begun";
/// Documents in one request.
const WRITES_MAX: usize = 1_024;

/// What the log says, in short.
#[derive(Clone, Copy, Default)]
pub(super) struct Evidence {
    pub(super) is_begun: bool,
    pub(super) destroyed: DestroyedSum,
}

/// Sums up what the log says. O(destroyed names), in the index of documents alone.
pub(super) fn sum(database: &Database) -> Result<Evidence, Error> {
    let mut evidence = Evidence::default();
    visit(database, |key| match key.as_array() {
        Some(hash) => evidence.destroyed.add(NameHash(*hash)),
        None => evidence.is_begun |= key == BEGUN,
    })?;
    Ok(evidence)
}

/// The names that the log says are destroyed.
pub(super) fn destroyed(database: &Database) -> Result<BTreeSet<NameHash>, Error> {
    let mut names = BTreeSet::new();
    visit(database, |key| names.extend(key.as_array().map(|hash| NameHash(*hash))))?;
    Ok(names)
}

/// Puts on record that names are destroyed, and by whom; returns when that is durable.
pub(super) fn record(
    database: &Database,
    names: impl IntoIterator<Item = NameHash>,
    by: &str,
) -> Result<(), Error> {
    let document = |name: NameHash| write(&name.0, by);
    let writes: Vec<DocumentWrite> = names.into_iter().map(document).collect();
    writes.chunks(WRITES_MAX).try_for_each(|writes| put(database, writes))
}

/// Puts on record that there is a keyring.
pub(super) fn record_begun(database: &Database) -> Result<(), Error> {
    put(database, &[write(BEGUN, "")])
}

fn visit(database: &Database, mut see: impl FnMut(&[u8])) -> Result<(), Error> {
    let mut scan = DocumentScan {
        table: TableId::DESTROYED_KEYS,
        keys_only: true,
        limit: PAGE_COUNT_MAX,
        ..DocumentScan::default()
    };
    loop {
        let page = database.scan_documents(&scan)?;
        page.items.iter().for_each(|document| see(&document.key));
        scan.after = page.next;
        if scan.after.is_none() {
            return Ok(());
        }
    }
}

fn write(key: &[u8], value: &str) -> DocumentWrite {
    DocumentWrite {
        table: TableId::DESTROYED_KEYS,
        key: key.to_vec(),
        value: Some(value.as_bytes().to_vec()),
        ..DocumentWrite::default()
    }
}

fn put(database: &Database, writes: &[DocumentWrite]) -> Result<(), Error> {
    for result in database.write_documents(writes)? {
        // What is on record stays as it is: the first who said so is remembered.
        assert!(matches!(result, WriteResult::Written(_) | WriteResult::AppendOnly(_)));
    }
    Ok(())
}
