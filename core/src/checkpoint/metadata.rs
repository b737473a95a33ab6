//! What a checkpoint says of itself.
//!
//! ```text
//! offset  bytes  field                               (after the value's tag)
//!      0      4  version, 3
//!      4      4  runs named
//!      8      8  number: counts the checkpoints of this file, from 1; also the key
//!     16      8  savepoint that keeps the checkpoint before; 2^64-1 if none does
//!     24     16  incarnation
//!     40      8  position (M)
//!     48      8  sequence number of the next frame
//!     56     32  chain hash before the next frame
//!     88      8  epoch
//!     96      8  rows_position (E)
//!    104      8  last recorded time
//!    112      8  last transfer timestamp
//!    120      8  transfers
//!    128      8  accounts
//!    136      8  account pages in this file
//!    144      8  holds in this file
//!    152      8  documents                           (version 1 has neither of these two,
//!    160      8  expiries of documents passed         its runs begin at 152)
//!    168      8  number of the life, 0: the first     (version 2 has neither of these two,
//!    176     16  incarnation of the life, 0: the      its runs begin at 168)
//!                first, which is named at 24
//!    192     16  for each run: kind (1), zero (7), number (8)
//! ```

use super::CheckpointError;
use super::rows::Table;
use super::seal::Values;
use crate::runs::{RunKind, RunName};
use florin_ledger::record::LifeRecord;
use florin_ledger::{Lsn, Timestamp, Totals};
use zerocopy::little_endian::{U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The version of the format that this code writes; it reads those before it, too.
const VERSION: u32 = 3;
/// Before anything was restored.
const VERSION_WITHOUT_LIVES: u32 = 2;
/// Before there were documents.
const VERSION_WITHOUT_DOCUMENTS: u32 = 1;
const NO_SAVEPOINT: u64 = u64::MAX;

/// Where a checkpoint stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Metadata {
    /// The database that it is of: the name that its segments have.
    pub incarnation: u128,
    /// M: holds, totals and runs are exactly as after all records before this.
    pub position: Lsn,
    /// The sequence number of the frame at M.
    pub sequence: u64,
    /// The chain hash that the frame at M continues.
    pub chain: [u8; 32],
    /// The epoch of M.
    pub epoch: u64,
    /// The life of M; `None`: the one that the database was born to.
    pub life: Option<LifeRecord>,
    /// E: account rows are between M and this.
    pub rows_position: Lsn,
    /// The totals at M.
    pub totals: Totals,
    /// Accounts opened before M.
    pub accounts_count: u64,
    /// Documents that have a value at M.
    pub documents_count: u64,
    /// Expiries of documents that were due before this were done with at M.
    pub expiries_passed: Timestamp,
    /// The runs of every kind.
    pub runs: Vec<RunName>,
}

/// A stored metadata record: what the store adds is for itself.
#[derive(Clone, Debug)]
pub(super) struct StoredMetadata {
    pub(super) number: u64,
    pub(super) savepoint: Option<u64>,
    pub(super) pages_count: u64,
    pub(super) holds_count: u64,
    pub(super) metadata: Metadata,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct MetadataLayout {
    version: U32,
    runs_count: U32,
    number: U64,
    savepoint: U64,
    incarnation: U128,
    position: U64,
    sequence: U64,
    chain: [u8; 32],
    epoch: U64,
    rows_position: U64,
    last_recorded: U64,
    last_posting_timestamp: U64,
    transfers_count: U64,
    accounts_count: U64,
    pages_count: U64,
    holds_count: U64,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RunNameLayout {
    kind: u8,
    reserved: [u8; 7],
    number: U64,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned, Default)]
#[repr(C)]
struct DocumentsLayout {
    documents_count: U64,
    expiries_passed: U64,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned, Default)]
#[repr(C)]
struct LifeLayout {
    number: U64,
    incarnation: U128,
    previous: U128,
    restored_to: U64,
    previous_restored_to: U64,
}

const _: () = assert!(size_of::<MetadataLayout>() == 152);
const _: () = assert!(size_of::<LifeLayout>() == 56);
const _: () = assert!(size_of::<DocumentsLayout>() == 16);
const _: () = assert!(size_of::<RunNameLayout>() == 16);

impl StoredMetadata {
    /// The value to store.
    pub(super) fn encoded(&self, values: &Values) -> Vec<u8> {
        let metadata = &self.metadata;
        let layout = MetadataLayout {
            version: VERSION.into(),
            runs_count: u32::try_from(metadata.runs.len()).expect("runs are few").into(),
            number: self.number.into(),
            savepoint: self.savepoint.unwrap_or(NO_SAVEPOINT).into(),
            incarnation: metadata.incarnation.into(),
            position: metadata.position.0.into(),
            sequence: metadata.sequence.into(),
            chain: metadata.chain,
            epoch: metadata.epoch.into(),
            rows_position: metadata.rows_position.0.into(),
            last_recorded: metadata.totals.last_recorded.0.into(),
            last_posting_timestamp: metadata.totals.last_posting_timestamp.0.into(),
            transfers_count: metadata.totals.transfers_count.into(),
            accounts_count: metadata.accounts_count.into(),
            pages_count: self.pages_count.into(),
            holds_count: self.holds_count.into(),
        };
        let documents = DocumentsLayout {
            documents_count: metadata.documents_count.into(),
            expiries_passed: metadata.expiries_passed.0.into(),
        };
        let life = metadata.life.map_or_else(LifeLayout::default, |life| LifeLayout {
            number: life.number.into(),
            incarnation: life.incarnation.into(),
            previous: life.previous.into(),
            restored_to: life.restored_to.0.into(),
            previous_restored_to: life.previous_restored_to.0.into(),
        });
        let mut rest = [layout.as_bytes(), documents.as_bytes(), life.as_bytes()].concat();
        for run in &metadata.runs {
            let kind = run.kind.number();
            let layout = RunNameLayout { kind, reserved: [0; 7], number: run.number.into() };
            rest.extend_from_slice(layout.as_bytes());
        }
        values.stored(Table::Metadata, self.number, &rest)
    }

    /// Reads the value stored under a number.
    pub(super) fn decoded(
        values: &Values,
        number: u64,
        value: &[u8],
    ) -> Result<StoredMetadata, CheckpointError> {
        let damaged = || Table::Metadata.damaged(number);
        let rest = values.read(Table::Metadata, number, value)?;
        let (layout, behind) = MetadataLayout::ref_from_prefix(&rest).map_err(|_| damaged())?;
        let version = layout.version.get();
        let (documents, behind) = match version {
            VERSION | VERSION_WITHOUT_LIVES => {
                DocumentsLayout::read_from_prefix(behind).map_err(|_| damaged())?
            }
            VERSION_WITHOUT_DOCUMENTS => (DocumentsLayout::default(), behind),
            version => return Err(CheckpointError::Version { version }),
        };
        let (life, runs) = match version {
            VERSION => LifeLayout::read_from_prefix(behind).map_err(|_| damaged())?,
            _ => (LifeLayout::default(), behind),
        };
        let runs = <[RunNameLayout]>::ref_from_bytes(runs).map_err(|_| damaged())?;
        if usize::try_from(layout.runs_count.get()) != Ok(runs.len())
            || layout.number.get() != number
        {
            return Err(damaged());
        }
        let savepoint = Some(layout.savepoint.get()).filter(|id| *id != NO_SAVEPOINT);
        Ok(StoredMetadata {
            number,
            savepoint,
            pages_count: layout.pages_count.get(),
            holds_count: layout.holds_count.get(),
            metadata: layout.metadata(&documents, &life, runs).ok_or_else(damaged)?,
        })
    }
}

impl MetadataLayout {
    fn metadata(
        &self,
        documents: &DocumentsLayout,
        life: &LifeLayout,
        runs: &[RunNameLayout],
    ) -> Option<Metadata> {
        let life = LifeRecord {
            number: life.number.get(),
            incarnation: life.incarnation.get(),
            previous: life.previous.get(),
            restored_to: Lsn(life.restored_to.get()),
            previous_restored_to: Lsn(life.previous_restored_to.get()),
        };
        let run = |run: &RunNameLayout| {
            let kind = RunKind::from_number(run.kind)?;
            Some(RunName { kind, number: run.number.get() })
        };
        Some(Metadata {
            incarnation: self.incarnation.get(),
            position: Lsn(self.position.get()),
            sequence: self.sequence.get(),
            chain: self.chain,
            epoch: self.epoch.get(),
            life: (0 < life.number).then_some(life),
            rows_position: Lsn(self.rows_position.get()),
            totals: Totals {
                last_recorded: Timestamp(self.last_recorded.get()),
                last_posting_timestamp: Timestamp(self.last_posting_timestamp.get()),
                transfers_count: self.transfers_count.get(),
            },
            accounts_count: self.accounts_count.get(),
            documents_count: documents.documents_count.get(),
            expiries_passed: Timestamp(documents.expiries_passed.get()),
            runs: runs.iter().map(run).collect::<Option<Vec<_>>>()?,
        })
    }
}
