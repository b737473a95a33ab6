//! The checkpoint file: opening it, going back one checkpoint, loading the latest.

use super::backend::DiskBackend;
use super::error::OrRedb;
use super::metadata::StoredMetadata;
use super::rows::{HoldLayout, RowLayout, Table};
use super::seal::Values;
use super::{CheckpointError, CheckpointWriter, Exports, Metadata};
use crate::disk::{Access, Disk, DiskFile};
use crate::limits::CHECKPOINT_CACHE_BYTES;
use crate::runs::RunName;
use florin_ledger::{AccountReferences, AccountRow, Hold, Lsn, PAGE_ROWS, Slot};
use redb::{
    Builder, Database, ReadOnlyTable, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    TableDefinition, TableError,
};
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use zerocopy::FromBytes;

/// The checkpoint file's name in the data directory.
pub const FILE_NAME: &str = "checkpoint.redb";
const PARTIAL_NAME: &str = "checkpoint.partial";
const DAMAGED_NAME: &str = "checkpoint.damaged";

pub(super) const PAGES: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("pages");
pub(super) const HOLDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("holds");
pub(super) const METADATA: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("metadata");

/// An open checkpoint file. One thread writes it; loading happens before that.
pub struct CheckpointStore {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) database: Arc<Database>,
    exports: Exports,
    pub(super) values: Arc<Values>,
    pub(super) latest: Option<StoredMetadata>,
    pub(super) previous: Option<StoredMetadata>,
}

impl CheckpointStore {
    /// Opens the checkpoint file, or makes an empty one, and checks every page of it. O(file).
    ///
    /// # Errors
    /// [`CheckpointError`]: [`set_aside`] the file, open again, and rebuild from the log.
    pub fn open(disk: &Arc<dyn Disk>) -> Result<CheckpointStore, CheckpointError> {
        let file = match disk.open(FILE_NAME, Access::Buffered) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create_file(&**disk)?;
                disk.open(FILE_NAME, Access::Buffered)?
            }
            file => file?,
        };
        // A damaged page that redb trusted could make it panic; checked, it is an error.
        let values = Values::of(&**disk)?;
        CheckpointStore::over(disk, file, values, builder().set_check_integrity_on_open(true))
    }

    /// Checks everything in the file of an encrypted database that can be checked without its key:
    /// every page of redb's, every value's tag. Says where the latest checkpoint stands.
    ///
    /// # Errors
    /// As [`CheckpointStore::open`].
    pub fn scrub(disk: &Arc<dyn Disk>) -> Result<Option<Metadata>, CheckpointError> {
        let file = disk.open(FILE_NAME, Access::Buffered)?;
        let mut builder = builder();
        let builder = builder.set_check_integrity_on_open(true);
        let store = CheckpointStore::over(disk, file, Values::Locked, builder)?;
        let Some(loading) = store.load()? else { return Ok(None) };
        for entry in loading.pages.iter().redb()? {
            let (number, value) = entry.redb()?;
            Table::Pages.verified(number.value().into(), value.value())?;
        }
        for entry in loading.holds.iter().redb()? {
            let (lsn, value) = entry.redb()?;
            Table::Holds.verified(lsn.value(), value.value())?;
        }
        Ok(Some(loading.latest.metadata))
    }

    /// Opens the checkpoint file without checking its pages: these bytes have just gone through
    /// [`CheckpointStore::open`].
    ///
    /// # Errors
    /// As [`CheckpointStore::open`].
    pub fn reopen(disk: &Arc<dyn Disk>) -> Result<CheckpointStore, CheckpointError> {
        let file = disk.open(FILE_NAME, Access::Buffered)?;
        CheckpointStore::over(disk, file, Values::of(&**disk)?, &builder())
    }

    fn over(
        disk: &Arc<dyn Disk>,
        file: Arc<dyn DiskFile>,
        values: Values,
        builder: &Builder,
    ) -> Result<CheckpointStore, CheckpointError> {
        let database = Arc::new(builder.create_with_backend(DiskBackend(file)).redb()?);
        let values = Arc::new(values);
        let mut store = CheckpointStore {
            disk: Arc::clone(disk),
            exports: Exports::new(Arc::clone(&database), Arc::clone(&values)),
            database,
            values,
            latest: None,
            previous: None,
        };
        store.read_metadata()?;
        Ok(store)
    }

    /// What copies of its checkpoints are made from, while it is open.
    #[must_use]
    pub fn exports(&self) -> Exports {
        self.exports.clone()
    }

    /// The latest checkpoint.
    #[must_use]
    pub fn latest(&self) -> Option<&Metadata> {
        self.latest.as_ref().map(|stored| &stored.metadata)
    }

    /// The checkpoint before, if [`CheckpointStore::discard_latest`] can go back to it.
    #[must_use]
    pub fn previous(&self) -> Option<&Metadata> {
        self.previous.as_ref().map(|stored| &stored.metadata)
    }

    /// The runs that the latest or the previous checkpoint names: all that must be kept.
    #[must_use]
    pub fn named_runs(&self) -> Vec<RunName> {
        let metadata = self.latest().into_iter().chain(self.previous());
        let names: BTreeSet<RunName> = metadata.flat_map(|it| it.runs.iter().copied()).collect();
        names.into_iter().collect()
    }

    /// Makes the previous checkpoint the latest, durably; there is none before it then.
    ///
    /// # Errors
    /// [`CheckpointError`]: treat the file as damaged.
    ///
    /// # Panics
    /// If there is no previous checkpoint.
    pub fn discard_latest(&mut self) -> Result<(), CheckpointError> {
        let position = self.previous().map(|previous| previous.position);
        let latest = self.latest.as_ref().and_then(|latest| latest.savepoint);
        let savepoint = latest.expect("a previous checkpoint has a savepoint");
        assert!(position.is_some());
        let mut transaction = self.database.begin_write().redb()?;
        transaction.set_quick_repair(true);
        let savepoint = transaction.get_persistent_savepoint(savepoint).redb()?;
        transaction.restore_savepoint(&savepoint).redb()?;
        transaction.commit().redb()?;
        self.read_metadata()?;
        assert_eq!(self.latest().map(|latest| latest.position), position);
        assert!(self.previous.is_none());
        Ok(())
    }

    /// Begins the next checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError`]: there will be no checkpoint until the file is opened again.
    pub fn begin(&mut self) -> Result<CheckpointWriter<'_>, CheckpointError> {
        CheckpointWriter::new(self)
    }

    /// Loads the latest checkpoint; `None` if there is none.
    ///
    /// # Errors
    /// [`CheckpointError`]: treat the file as damaged.
    pub fn load(&self) -> Result<Option<Loading>, CheckpointError> {
        let Some(latest) = self.latest.clone() else { return Ok(None) };
        let transaction = self.database.begin_read().redb()?;
        let pages = transaction.open_table(PAGES).redb()?;
        let holds = transaction.open_table(HOLDS).redb()?;
        let loading = Loading { latest, values: Arc::clone(&self.values), pages, holds };
        loading.check_counts()?;
        Ok(Some(loading))
    }

    /// Reads which checkpoints there are.
    fn read_metadata(&mut self) -> Result<(), CheckpointError> {
        (self.latest, self.previous) = (None, None);
        let transaction = self.database.begin_read().redb()?;
        let table = match transaction.open_table(METADATA) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(()),
            table => table.redb()?,
        };
        let Some((number, value)) = table.last().redb()? else { return Ok(()) };
        let latest = StoredMetadata::decoded(&self.values, number.value(), value.value())?;
        if let Some(savepoint) = latest.savepoint
            && self.has_savepoint(savepoint)?
        {
            let number = latest.number.saturating_sub(1);
            let value = table.get(number).redb()?.ok_or_else(|| Table::Metadata.damaged(number))?;
            self.previous = Some(StoredMetadata::decoded(&self.values, number, value.value())?);
        }
        self.latest = Some(latest);
        Ok(())
    }

    fn has_savepoint(&self, savepoint: u64) -> Result<bool, CheckpointError> {
        let transaction = self.database.begin_write().redb()?;
        let found = transaction.list_persistent_savepoints().redb()?.any(|id| id == savepoint);
        transaction.abort().redb()?;
        Ok(found)
    }
}

impl Drop for CheckpointStore {
    fn drop(&mut self) {
        // The file is closed here, and not by whoever copies a checkpoint.
        self.exports.end();
    }
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CHECKPOINT_CACHE_BYTES);
    builder
}

/// Makes an empty file that has its name only when it is whole: a power cut while redb writes its
/// first pages would leave what looks like a damaged file.
fn create_file(disk: &dyn Disk) -> Result<(), CheckpointError> {
    match disk.remove(PARTIAL_NAME) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let file = disk.create(PARTIAL_NAME, Access::Buffered)?;
    let backend = DiskBackend(Arc::clone(&file));
    Database::builder().create_with_backend(backend).redb()?.close().redb()?;
    file.sync()?;
    disk.rename(PARTIAL_NAME, FILE_NAME)?;
    Ok(disk.sync_directory("")?)
}

/// Renames a damaged checkpoint file out of the way, durably, over one that was set aside before.
///
/// # Errors
/// The operating system's.
pub fn set_aside(disk: &dyn Disk) -> io::Result<()> {
    disk.rename(FILE_NAME, DAMAGED_NAME)?;
    disk.sync_directory("")
}

/// A checkpoint being loaded, piece by piece.
pub struct Loading {
    latest: StoredMetadata,
    values: Arc<Values>,
    pages: ReadOnlyTable<u32, &'static [u8]>,
    holds: ReadOnlyTable<u64, &'static [u8]>,
}

impl Loading {
    /// Where it stands.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.latest.metadata
    }

    /// Hands over every row, in order of slots, from 0, without gaps.
    ///
    /// # Errors
    /// [`CheckpointError`]: treat the file as damaged. An error of `visit` ends the loading.
    pub fn rows<E: From<CheckpointError>>(
        &self,
        mut visit: impl FnMut(Slot, AccountRow, AccountReferences) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut slot_next = 0;
        for entry in self.pages.iter().redb().map_err(CheckpointError::from)? {
            let (number, value) = entry.redb().map_err(CheckpointError::from)?;
            let key = u64::from(number.value());
            let rest = self.values.read(Table::Pages, key, value.value())?;
            let rows = <[RowLayout]>::ref_from_bytes(&rest)
                .ok()
                .filter(|rows| (1..=PAGE_ROWS).contains(&rows.len()))
                .ok_or_else(|| Table::Pages.damaged(key))?;
            // Only the last page may have fewer rows than fit.
            let first = number.value().checked_mul(32).filter(|first| *first == slot_next);
            let slots = first.ok_or_else(|| Table::Pages.damaged(key))?..;
            for (slot, row) in slots.zip(rows) {
                visit(Slot(slot), row.row(), row.references())?;
                slot_next = slot + 1;
            }
        }
        let accounts_count = self.metadata().accounts_count;
        if u64::from(slot_next) < accounts_count {
            return Err(self.miscounted("accounts", slot_next.into(), accounts_count).into());
        }
        Ok(())
    }

    /// Hands over every live hold, in order of positions.
    ///
    /// # Errors
    /// [`CheckpointError`]: treat the file as damaged. An error of `visit` ends the loading.
    pub fn holds<E: From<CheckpointError>>(
        &self,
        mut visit: impl FnMut(Hold) -> Result<(), E>,
    ) -> Result<(), E> {
        for entry in self.holds.iter().redb().map_err(CheckpointError::from)? {
            let (lsn, value) = entry.redb().map_err(CheckpointError::from)?;
            let lsn = lsn.value();
            let rest = self.values.read(Table::Holds, lsn, value.value())?;
            let hold = HoldLayout::ref_from_bytes(&rest).map_err(|_| Table::Holds.damaged(lsn))?;
            visit(hold.hold(Lsn(lsn)))?;
        }
        Ok(())
    }

    fn check_counts(&self) -> Result<(), CheckpointError> {
        let pages_count = self.pages.len().redb()?;
        if pages_count != self.latest.pages_count {
            return Err(self.miscounted("account pages", pages_count, self.latest.pages_count));
        }
        let holds_count = self.holds.len().redb()?;
        if holds_count != self.latest.holds_count {
            return Err(self.miscounted("holds", holds_count, self.latest.holds_count));
        }
        Ok(())
    }

    fn miscounted(&self, table: &'static str, found: u64, expected: u64) -> CheckpointError {
        CheckpointError::Count { position: self.metadata().position, table, found, expected }
    }
}
