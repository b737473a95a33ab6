//! Writes one checkpoint: one redb transaction.

use super::error::OrRedb;
use super::metadata::StoredMetadata;
use super::rows::{HoldLayout, RowLayout, Table};
use super::store::{HOLDS, METADATA, PAGES};
use super::{CheckpointError, CheckpointStore, Metadata};
use crate::runs::{self, RunName};
use florin_ledger::{AccountReferences, AccountRow, Hold, Lsn, PAGE_ROWS};
use redb::{ReadableTableMetadata, WriteTransaction};
use std::io;
use zerocopy::IntoBytes;

/// A checkpoint being written. Protocol: [`put_page`](CheckpointWriter::put_page) and
/// [`put_hold`](CheckpointWriter::put_hold) what changed since the checkpoint before, then
/// [`commit`](CheckpointWriter::commit). Dropped before that, nothing happened.
pub struct CheckpointWriter<'store> {
    store: &'store mut CheckpointStore,
    transaction: WriteTransaction,
    savepoint: Option<u64>,
    page: Vec<u8>,
}

impl<'store> CheckpointWriter<'store> {
    pub(super) fn new(
        store: &'store mut CheckpointStore,
    ) -> Result<CheckpointWriter<'store>, CheckpointError> {
        let mut transaction = store.database.begin_write().redb()?;
        // After a crash redb opens at once instead of walking the whole file, and never needs to
        // choose between two commits by their checksums.
        transaction.set_quick_repair(true);
        let mut savepoint = None;
        if store.latest.is_some() {
            // The state before this transaction, that is the latest checkpoint, becomes the
            // previous one; the savepoint of the one before goes, and its pages with it.
            let older: Vec<u64> = transaction.list_persistent_savepoints().redb()?.collect();
            savepoint = Some(transaction.persistent_savepoint().redb()?);
            for older in older {
                let existed = transaction.delete_persistent_savepoint(older).redb()?;
                assert!(existed);
            }
        }
        Ok(CheckpointWriter { store, transaction, savepoint, page: Vec::new() })
    }

    /// Stores a page of the account table as it is, one to [`PAGE_ROWS`] rows; only the last page
    /// of the table may have fewer than [`PAGE_ROWS`].
    ///
    /// # Errors
    /// [`CheckpointError`]: drop this checkpoint and open the file again.
    pub fn put_page(
        &mut self,
        number: u32,
        rows: &[(AccountRow, AccountReferences)],
    ) -> Result<(), CheckpointError> {
        assert!(!rows.is_empty());
        assert!(rows.len() <= PAGE_ROWS);
        self.page.clear();
        for (row, references) in rows {
            self.page.extend_from_slice(RowLayout::new(row, references).as_bytes());
        }
        let value = self.store.values.stored(Table::Pages, number.into(), &self.page);
        let mut table = self.transaction.open_table(PAGES).redb()?;
        table.insert(number, value.as_slice()).redb()?;
        Ok(())
    }

    /// Stores a hold, or removes one that is not live any more (which need not be there).
    ///
    /// # Errors
    /// [`CheckpointError`]: drop this checkpoint and open the file again.
    pub fn put_hold(&mut self, lsn: Lsn, hold: Option<&Hold>) -> Result<(), CheckpointError> {
        let mut table = self.transaction.open_table(HOLDS).redb()?;
        match hold {
            None => drop(table.remove(lsn.0).redb()?),
            Some(hold) => {
                assert_eq!(hold.lsn, lsn);
                let layout = HoldLayout::from(hold);
                let value = self.store.values.stored(Table::Holds, lsn.0, layout.as_bytes());
                table.insert(lsn.0, value.as_slice()).redb()?;
            }
        }
        Ok(())
    }

    /// Stores a value as another file of this database has it.
    ///
    /// # Errors
    /// [`CheckpointError`], also if it is not what was written there: drop this checkpoint.
    pub(super) fn put_stored(
        &mut self,
        table: Table,
        key: u64,
        value: &[u8],
    ) -> Result<(), CheckpointError> {
        self.store.values.read(table, key, value)?;
        match (table, u32::try_from(key)) {
            (Table::Pages, Ok(number)) => {
                self.transaction.open_table(PAGES).redb()?.insert(number, value).redb()?;
            }
            (Table::Holds, _) => {
                self.transaction.open_table(HOLDS).redb()?.insert(key, value).redb()?;
            }
            (Table::Pages | Table::Metadata, _) => return Err(table.damaged(key)),
        }
        Ok(())
    }

    /// Makes the checkpoint the latest; returns when it is durable. `durable`: the log is durable
    /// before this position.
    ///
    /// # Errors
    /// [`CheckpointError`]: it may or may not have become the latest; open the file again.
    ///
    /// # Panics
    /// If it would be ahead of the durable log or not ahead of the checkpoint before, or if it
    /// names a run that is not there.
    pub fn commit(self, metadata: Metadata, durable: Lsn) -> Result<(), CheckpointError> {
        let CheckpointWriter { store, transaction, savepoint, .. } = self;
        assert!(metadata.position <= metadata.rows_position);
        assert!(metadata.rows_position <= durable, "a projection is never ahead of the log");
        assert!(store.latest().is_none_or(|latest| latest.position <= metadata.position));
        let missing = missing_run(store, &metadata.runs)?;
        assert_eq!(missing, None, "a checkpoint names only runs that are there");
        let number = store.latest.as_ref().map_or(0, |latest| latest.number) + 1;
        let stored = StoredMetadata {
            number,
            savepoint,
            pages_count: transaction.open_table(PAGES).redb()?.len().redb()?,
            holds_count: transaction.open_table(HOLDS).redb()?.len().redb()?,
            metadata,
        };
        {
            let mut table = transaction.open_table(METADATA).redb()?;
            table.insert(number, stored.encoded(&store.values).as_slice()).redb()?;
            table.remove(number.saturating_sub(2)).redb()?;
        }
        transaction.commit().redb()?;
        store.previous = store.latest.replace(stored);
        Ok(())
    }
}

/// The first of these runs that has no file.
fn missing_run(store: &CheckpointStore, names: &[RunName]) -> io::Result<Option<RunName>> {
    if names.is_empty() {
        return Ok(None);
    }
    let files = store.disk.list(runs::DIRECTORY)?;
    let is_missing = |name: &RunName| !files.contains(&name.to_string());
    Ok(names.iter().copied().find(is_missing))
}
