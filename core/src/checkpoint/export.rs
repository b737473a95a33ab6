//! A checkpoint as it is stored, for who copies it elsewhere, and putting such a copy into a file of its own.
//!
//! Values travel as they lie in the file, tags and seals included: whoever takes them checks each with the key of
//! the same database. What keeps the checkpoint before is the file's own affair and does not travel.
//!
//! ```text
//! entry   0  8 key | 8  4 bytes of the value | 12   the value
//! ```
//! All little-endian.
//!
//! Invariants:
//! - an export is of one checkpoint, whatever is written meanwhile: a read transaction keeps its pages;
//! - it ends with the store: whatever is still read then is refused, and nothing keeps the file open.

use super::error::OrRedb;
use super::metadata::StoredMetadata;
use super::rows::Table;
use super::seal::Values;
use super::store::{HOLDS, METADATA, PAGES};
use super::{CheckpointError, CheckpointStore, Metadata};
use crate::disk::Disk;
use crate::error::Error;
use florin_ledger::Lsn;
use redb::{Database, ReadOnlyTable, ReadableDatabase, ReadableTable, TableError};
use std::sync::{Arc, Mutex, PoisonError};

/// Of an entry, before its value.
const ENTRY_HEAD_BYTES: usize = 12;

/// Gives exports of a store for as long as it is there. Clones are of the same one.
#[derive(Clone)]
pub struct Exports {
    database: Arc<Mutex<Option<Arc<Database>>>>,
    values: Arc<Values>,
}

/// The tables of a checkpoint that are copied entry by entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExportTable {
    /// Account pages.
    Pages,
    /// Live holds.
    Holds,
}

/// What a checkpoint says of itself, as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExportHead {
    /// The key that it is stored under.
    pub number: u64,
    /// The value.
    pub value: Vec<u8>,
}

/// One checkpoint, readable by any thread.
pub struct Export {
    head: ExportHead,
    metadata: Metadata,
    pages: ReadOnlyTable<u32, &'static [u8]>,
    holds: ReadOnlyTable<u64, &'static [u8]>,
}

impl Exports {
    pub(super) fn new(database: Arc<Database>, values: Arc<Values>) -> Exports {
        Exports { database: Arc::new(Mutex::new(Some(database))), values }
    }

    /// The latest checkpoint; `None` if there is none, or the store is closed.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn latest(&self) -> Result<Option<Export>, CheckpointError> {
        // Held until the transaction has begun: nobody else may be the last to have the database.
        let open = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = open.as_ref() else { return Ok(None) };
        let transaction = database.begin_read().redb()?;
        let metadata = match transaction.open_table(METADATA) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            table => table.redb()?,
        };
        let Some((number, value)) = metadata.last().redb()? else { return Ok(None) };
        let head = ExportHead { number: number.value(), value: value.value().to_vec() };
        let stored = StoredMetadata::decoded(&self.values, head.number, &head.value)?;
        Ok(Some(Export {
            head,
            metadata: stored.metadata,
            pages: transaction.open_table(PAGES).redb()?,
            holds: transaction.open_table(HOLDS).redb()?,
        }))
    }

    /// The store is being closed.
    pub(super) fn end(&self) {
        *self.database.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Export {
    /// What it says of itself, as it is stored.
    #[must_use]
    pub fn head(&self) -> &ExportHead {
        &self.head
    }

    /// Where it stands.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Entries of a table from a key on, in order, up to about so many bytes; none if there are no more.
    ///
    /// # Errors
    /// [`CheckpointError`], also once the store is closed.
    pub fn entries(
        &self,
        table: ExportTable,
        from: u64,
        bytes_max: usize,
    ) -> Result<Vec<u8>, CheckpointError> {
        let mut out = Vec::new();
        let mut put = |key: u64, value: &[u8]| {
            let is_full = !out.is_empty() && bytes_max < out.len() + ENTRY_HEAD_BYTES + value.len();
            if !is_full {
                out.extend_from_slice(&key.to_le_bytes());
                let bytes = u32::try_from(value.len()).expect("a value is small");
                out.extend_from_slice(&bytes.to_le_bytes());
                out.extend_from_slice(value);
            }
            is_full
        };
        match table {
            ExportTable::Pages => {
                let Ok(from) = u32::try_from(from) else { return Ok(out) };
                for entry in self.pages.range(from..).redb()? {
                    let (key, value) = entry.redb()?;
                    if put(key.value().into(), value.value()) {
                        break;
                    }
                }
            }
            ExportTable::Holds => {
                for entry in self.holds.range(from..).redb()? {
                    let (key, value) = entry.redb()?;
                    if put(key.value(), value.value()) {
                        break;
                    }
                }
            }
        }
        Ok(out)
    }
}

/// Reads what a copied checkpoint says of itself, with the key of the disk.
///
/// # Errors
/// [`CheckpointError`] if it is not what was written, or the key of another database.
pub fn imported_metadata(disk: &dyn Disk, head: &ExportHead) -> Result<Metadata, CheckpointError> {
    Ok(StoredMetadata::decoded(&Values::of(disk)?, head.number, &head.value)?.metadata)
}

/// Puts a copied checkpoint into a new file, as its first; the runs that it names are there. `entries` gives those
/// of a table from a key on, as [`Export::entries`] does. `durable`: the log that it belongs to is durable before.
///
/// # Errors
/// [`CheckpointError`] as an [`Error`] if anything is not what was written; those of `entries`. What there is of the
/// file is of no use then.
pub fn import(
    disk: &Arc<dyn Disk>,
    head: &ExportHead,
    durable: Lsn,
    mut entries: impl FnMut(ExportTable, u64) -> Result<Vec<u8>, Error>,
) -> Result<(), Error> {
    let mut store = CheckpointStore::open(disk)?;
    let values = Arc::clone(&store.values);
    let stored = StoredMetadata::decoded(&values, head.number, &head.value)?;
    if durable < stored.metadata.rows_position
        || stored.metadata.rows_position < stored.metadata.position
    {
        return Err(Error::corrupt("the copied checkpoint is ahead of the log that it came with"));
    }
    let mut writer = store.begin()?;
    let (mut pages_count, mut holds_count) = (0, 0);
    for (of, count) in
        [(ExportTable::Pages, &mut pages_count), (ExportTable::Holds, &mut holds_count)]
    {
        let mut from = 0;
        'table: loop {
            let piece = entries(of, from)?;
            if piece.is_empty() {
                break;
            }
            let mut rest = piece.as_slice();
            while !rest.is_empty() {
                let (key, value, behind) = split(rest)
                    .filter(|(key, ..)| from <= *key)
                    .ok_or_else(|| Error::corrupt("what was copied of a checkpoint is cut off"))?;
                writer.put_stored(of.table(), key, value)?;
                *count += 1;
                // Behind the last of all keys nothing is.
                let Some(next) = key.checked_add(1) else { break 'table };
                from = next;
                rest = behind;
            }
        }
    }
    if (pages_count, holds_count) != (stored.pages_count, stored.holds_count) {
        return Err(Error::corrupt(format!(
            "of a checkpoint {pages_count} account pages and {holds_count} holds were copied, and it has {} and {}",
            stored.pages_count, stored.holds_count
        )));
    }
    Ok(writer.commit(stored.metadata, durable)?)
}

impl ExportTable {
    fn table(self) -> Table {
        match self {
            ExportTable::Pages => Table::Pages,
            ExportTable::Holds => Table::Holds,
        }
    }
}

fn split(bytes: &[u8]) -> Option<(u64, &[u8], &[u8])> {
    let (key, rest) = bytes.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (value, rest) = rest.split_at_checked(length)?;
    Some((u64::from_le_bytes(*key), value, rest))
}
