//! Everything that follows from the log: account table, live holds, indexes. Derived by applying
//! records in order, from the beginning or from a checkpoint, without asking any rule. Opening,
//! rebuilding and verifying all come through here.

use crate::checkpoint::{CheckpointStore, Metadata};
use crate::disk::Disk;
use crate::documents::{DocumentIndex, DocumentRuns, KeyOrder, KeyRange};
use crate::engine::{Documents, IndexKey, Indexes};
use crate::error::Error;
use crate::limits::{DOCUMENT_RECENT_BYTES_MAX, RECENT_KEYS_MAX};
use crate::log::{FramePosition, FrameView, Identity, LogReader, ReadError};
use crate::runs::{Index, RunKind, RunSet};
use florin_ledger::record::{LifeRecord, Record};
use florin_ledger::{Inconsistent, Ledger, Lsn, TableId, Timestamp};
use std::sync::Arc;

/// What was derived from the log up to a position.
pub(crate) struct Derived {
    pub(crate) ledger: Ledger,
    pub(crate) indexes: Indexes,
    /// Everything before it is reflected.
    pub(crate) position: FramePosition,
    /// Account rows may be newer than `position`, up to here.
    pub(crate) rows_position: Lsn,
    /// The last epoch that began.
    pub(crate) epoch: u64,
    /// The last life that a record tells of; `None`: the one that the database was born to.
    pub(crate) life: Option<LifeRecord>,
}

/// Keys that one frame may insert into an index: a frame is a few megabytes of records.
const FRAME_KEYS_MAX: usize = RECENT_KEYS_MAX / 4;
/// Memory that the keys of one frame's documents may take.
const FRAME_DOCUMENT_BYTES_MAX: usize = DOCUMENT_RECENT_BYTES_MAX / 4;

impl Derived {
    /// Nothing yet.
    pub(crate) fn genesis() -> Derived {
        let index = |kind| Index::new(RunSet::empty(kind));
        Derived {
            ledger: Ledger::new(),
            indexes: Indexes {
                transfers: index(RunKind::TransferIds),
                settled: index(RunKind::HoldOutcomes),
                imported: index(RunKind::ImportedTimestamps),
                commits: index(RunKind::CommitIds),
                documents: Documents::new(
                    DocumentIndex::new(DocumentRuns::empty()),
                    0,
                    Timestamp::NONE,
                ),
            },
            position: FramePosition::GENESIS,
            rows_position: FramePosition::GENESIS.lsn,
            epoch: 0,
            life: None,
        }
    }

    /// The latest checkpoint with the runs that it names; `None` if there is none, or none of this
    /// database.
    ///
    /// # Errors
    /// A checkpoint or run that can't be read.
    pub(crate) fn load(
        disk: &Arc<dyn Disk>,
        store: &CheckpointStore,
        identity: Identity,
    ) -> Result<Option<Derived>, Error> {
        let Some(loading) = store.load()? else { return Ok(None) };
        let metadata = loading.metadata();
        if metadata.incarnation != identity.incarnation {
            return Ok(None);
        }
        let index = |kind| RunSet::open(disk.as_ref(), kind, &metadata.runs).map(Index::new);
        let mut derived = Derived {
            ledger: Ledger::new(),
            indexes: Indexes {
                transfers: index(RunKind::TransferIds)?,
                settled: index(RunKind::HoldOutcomes)?,
                imported: index(RunKind::ImportedTimestamps)?,
                commits: index(RunKind::CommitIds)?,
                documents: load_documents(disk, identity, metadata)?,
            },
            position: FramePosition {
                lsn: metadata.position,
                sequence: metadata.sequence,
                chain: metadata.chain,
            },
            rows_position: metadata.rows_position,
            epoch: metadata.epoch,
            life: metadata.life,
        };
        let ledger = &mut derived.ledger;
        // The last page may have been copied when it had accounts of the log behind the checkpoint.
        let accounts_count = metadata.accounts_count;
        loading.rows(|slot, row, references| {
            if accounts_count <= u64::from(slot.0) {
                return Ok(());
            }
            ledger.restore_row(slot, row, references).map_err(damaged_checkpoint)
        })?;
        loading.holds(|hold| ledger.restore_hold(hold).map_err(damaged_checkpoint))?;
        ledger.restore_totals(metadata.totals);
        Ok(Some(derived))
    }

    /// Applies a frame to everything.
    ///
    /// # Errors
    /// A record that cannot be read or contradicts what came before.
    pub(crate) fn apply(&mut self, frame: &FrameView<'_>) -> Result<(), Error> {
        self.apply_to_ledger(frame)?;
        for stored in frame.records_with_payloads() {
            let (stored, payload) = stored.map_err(ReadError::from)?;
            self.indexes.enter(stored.lsn, &stored.record, &payload);
        }
        Ok(())
    }

    /// Applies a frame to accounts and holds, not to the indexes.
    ///
    /// # Errors
    /// As [`Derived::apply`].
    pub(crate) fn apply_to_ledger(&mut self, frame: &FrameView<'_>) -> Result<(), Error> {
        for stored in frame.records() {
            let stored = stored.map_err(ReadError::from)?;
            self.ledger.apply(stored.lsn, stored.time, &stored.record).map_err(|what| {
                Error::corrupt(format!(
                    "the record at {} contradicts those before it: {what}: repair from a standby \
                     or restore a backup",
                    stored.lsn
                ))
            })?;
            match stored.record {
                Record::Epoch(epoch) => self.epoch = epoch.epoch,
                Record::Life(life) => self.life = Some(life),
                _ => {}
            }
        }
        self.position = frame.after();
        Ok(())
    }

    /// Writes the keys of each index that could not take another frame's to a run.
    ///
    /// # Errors
    /// Whatever writing says.
    pub(crate) fn spill(&mut self, disk: &Arc<dyn Disk>, durable: Lsn) -> Result<(), Error> {
        for index in self.indexes.all_mut() {
            if index.is_full(FRAME_KEYS_MAX)
                && let Some(plan) = index.freeze(self.position.lsn)
            {
                let run = plan.write(disk, durable)?;
                drop(plan);
                index.install(run);
            }
        }
        let documents = &mut self.indexes.documents.index;
        if documents.is_full(0, FRAME_DOCUMENT_BYTES_MAX)
            && let Some(plan) = documents.freeze(self.position.lsn)
        {
            let run = plan.write(disk, durable)?;
            drop(plan);
            documents.install(run);
        }
        Ok(())
    }
}

/// The documents of a checkpoint. The declarations of tables are read from the log.
fn load_documents(
    disk: &Arc<dyn Disk>,
    identity: Identity,
    metadata: &Metadata,
) -> Result<Documents, Error> {
    let index = DocumentIndex::new(DocumentRuns::open(disk.as_ref(), &metadata.runs)?);
    let mut documents = Documents::new(index, metadata.documents_count, metadata.expiries_passed);
    let reader = LogReader::new(disk.clone(), identity);
    let declarations = KeyRange::prefix(&TableId::DECLARATIONS.0.to_be_bytes());
    let mut next = Some(declarations);
    while let Some(range) = next.take() {
        let page = documents.index.scan(range.clone(), KeyOrder::Rising, PAGE_KEYS).page()?;
        for (place, entry) in page.keys.iter() {
            let (_, key) = IndexKey::split(place);
            let (_, payload) = reader.payload(entry.lsn, metadata.position)?;
            documents.declare(key, payload.get(key.len()..).unwrap_or_default());
        }
        next = page.next.map(|last| range.after(&last, KeyOrder::Rising));
    }
    Ok(documents)
}

/// Declarations read at once.
const PAGE_KEYS: usize = 1_024;

fn damaged_checkpoint(what: Inconsistent) -> Error {
    Error::corrupt(format!("the checkpoint contradicts itself: {what}"))
}
