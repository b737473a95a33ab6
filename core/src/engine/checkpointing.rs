//! The engine's part of checkpoints and runs: it copies, a bounded number of rows per turn, and
//! never waits; the background thread receives and writes.
//!
//! A checkpoint is exact at one position **M**, the end of the last frame when it starts: the
//! changed holds, the totals and the keys of all indexes are captured there at once. Only account
//! rows are fuzzy: they are copied during later turns and may be newer, up to **E**, the end of the
//! last frame when the last of them was copied. Each row says which posting it reflects, so replay
//! from M passes over what a row already has. The checkpoint may become durable only when the log
//! is durable past E.

use super::Engine;
use super::jobs::{AnyRun, MergeJob, RunJob};
use crate::checkpoint::Metadata;
use crate::limits::{
    CHECKPOINT_PAGES_PER_TURN, DOCUMENT_RECENT_BYTES_MAX, FROZEN_PARTS_MAX, RECENT_KEYS_MAX,
};
use crate::log::FramePosition;
use crate::metrics::EngineMetrics;
use crate::runs::{Index, RunKind, RunName};
use florin_ledger::record::LifeRecord;
use florin_ledger::{AccountReferences, AccountRow, Hold, Lsn, Timestamp, Totals};

/// Keys of an index in memory before they are written as a run.
const RUN_KEYS: usize = RECENT_KEYS_MAX / 2;
/// Memory for keys of documents that is still free when they are written as a run.
const RUN_DOCUMENT_BYTES: usize = DOCUMENT_RECENT_BYTES_MAX / 2;

/// What is being copied, and when the next checkpoint is due.
pub(crate) struct Checkpointing {
    /// Log bytes between two checkpoints.
    interval_bytes: u64,
    /// The position M of the last checkpoint that started.
    started: Lsn,
    /// The position M of the last checkpoint that is durable.
    durable: Lsn,
    /// Pages of the account table that are still to be copied.
    pages: Vec<u32>,
    is_running: bool,
    is_merging: bool,
}

/// What is exact at M.
#[derive(Debug)]
pub(crate) struct CheckpointStart {
    pub(crate) position: Lsn,
    /// The number of the frame after it.
    pub(crate) sequence: u64,
    pub(crate) epoch: u64,
    pub(crate) life: LifeRecord,
    pub(crate) totals: Totals,
    pub(crate) accounts_count: u64,
    /// Holds that changed since the last checkpoint, as they are at M.
    pub(crate) holds: Vec<(Lsn, Option<Hold>)>,
    pub(crate) documents_count: u64,
    /// Expiries of documents that were due before this are done with.
    pub(crate) expiries_passed: Timestamp,
}

/// A page of the account table, not older than M.
#[derive(Debug)]
pub(crate) struct PageCopy {
    pub(crate) page: u32,
    pub(crate) rows: Vec<(AccountRow, AccountReferences)>,
}

impl CheckpointStart {
    /// What the checkpoint file keeps beside rows and holds.
    pub(crate) fn metadata(
        &self,
        incarnation: u128,
        at: FramePosition,
        rows_position: Lsn,
        runs: Vec<RunName>,
    ) -> Metadata {
        Metadata {
            incarnation,
            position: at.lsn,
            sequence: at.sequence,
            chain: at.chain,
            epoch: self.epoch,
            life: (0 < self.life.number).then_some(self.life),
            rows_position,
            totals: self.totals,
            accounts_count: self.accounts_count,
            documents_count: self.documents_count,
            expiries_passed: self.expiries_passed,
            runs,
        }
    }
}

impl Checkpointing {
    /// Nothing under way; the last checkpoint is at `checkpoint`.
    pub(crate) fn new(checkpoint: Lsn, interval_bytes: u64) -> Checkpointing {
        Checkpointing {
            interval_bytes,
            started: checkpoint,
            durable: checkpoint,
            pages: Vec::new(),
            is_running: false,
            is_merging: false,
        }
    }

    /// The position of the last durable checkpoint.
    pub(super) fn durable(&self) -> Lsn {
        self.durable
    }
}

impl Engine {
    /// Whether enough log has passed since the last checkpoint, and it is done.
    pub(crate) fn checkpoint_is_due(&self) -> bool {
        let passed = self.log.applied.0 - self.checkpointing.started.0;
        !self.checkpointing.is_running && self.checkpointing.interval_bytes <= passed
    }

    /// Whether a checkpoint has started and is not durable yet.
    pub(crate) fn is_checkpointing(&self) -> bool {
        self.checkpointing.is_running
    }

    /// Whether anything happened since the last checkpoint started.
    pub(crate) fn is_checkpointed(&self) -> bool {
        self.checkpointing.started == self.log.applied
    }

    /// Captures what must be exact, between two turns. The runs of all keys before M come along,
    /// and must be durable before the checkpoint.
    pub(crate) fn start_checkpoint(&mut self) -> (CheckpointStart, Vec<RunJob>) {
        assert!(!self.checkpointing.is_running, "one checkpoint at a time");
        assert!(self.past.open.is_none(), "a checkpoint starts between two turns");
        let position = self.log.applied;
        self.checkpointing.started = position;
        self.checkpointing.is_running = true;
        self.checkpointing.pages = self.ledger.take_dirty_pages();
        let start = CheckpointStart {
            position,
            sequence: self.log.sequence,
            epoch: self.log.epoch,
            life: self.log.life,
            totals: self.ledger.totals(),
            accounts_count: self.ledger.accounts_count(),
            holds: self.ledger.take_changed_holds(),
            documents_count: self.past.indexes.documents.count,
            expiries_passed: self.past.indexes.documents.expiries.passed(),
        };
        let indexes = self.past.indexes.all_mut().into_iter();
        let keys = indexes.filter_map(|index| index.freeze(position)).map(RunJob::Keys);
        let mut jobs: Vec<RunJob> = keys.collect();
        let documents = self.past.indexes.documents.index.freeze(position);
        jobs.extend(documents.map(RunJob::Documents));
        (start, jobs)
    }

    /// Copies the next few pages; none are left when it returns none.
    pub(crate) fn copy_pages(&mut self) -> Vec<PageCopy> {
        let left = self.checkpointing.pages.len();
        let from = left.saturating_sub(CHECKPOINT_PAGES_PER_TURN);
        let pages = self.checkpointing.pages.split_off(from);
        pages
            .into_iter()
            .map(|page| {
                let rows = self.ledger.page_rows(page).iter().copied();
                let references = self.ledger.page_references(page).iter().copied();
                PageCopy { page, rows: rows.zip(references).collect() }
            })
            .collect()
    }

    /// Whether pages of the running checkpoint are still to be copied.
    pub(crate) fn has_pages_to_copy(&self) -> bool {
        !self.checkpointing.pages.is_empty()
    }

    /// The running checkpoint is durable.
    pub(crate) fn end_checkpoint(&mut self, position: Lsn) {
        assert!(self.checkpointing.is_running);
        assert_eq!(position, self.checkpointing.started);
        self.checkpointing.is_running = false;
        self.checkpointing.durable = position;
    }

    /// Runs to write because an index has many keys in memory. None while the disk is behind with
    /// those planned before: then the index fills up, and requests are answered `busy`.
    pub(crate) fn plan_runs(&mut self) -> Vec<RunJob> {
        assert!(self.past.open.is_none(), "keys are frozen between two turns");
        let position = self.log.applied;
        let keys = self
            .past
            .indexes
            .all_mut()
            .into_iter()
            .filter(|index| index.frozen_count() < FROZEN_PARTS_MAX)
            .filter(|index| index.is_full(RECENT_KEYS_MAX - RUN_KEYS))
            .filter_map(|index| index.freeze(position))
            .map(RunJob::Keys);
        let mut jobs: Vec<RunJob> = keys.collect();
        let documents = &mut self.past.indexes.documents.index;
        if documents.frozen_count() < FROZEN_PARTS_MAX && documents.is_full(0, RUN_DOCUMENT_BYTES) {
            jobs.extend(documents.freeze(position).map(RunJob::Documents));
        }
        jobs
    }

    /// A merge that is due, if none is under way.
    pub(crate) fn plan_merge(&mut self) -> Option<MergeJob> {
        if self.checkpointing.is_merging {
            return None;
        }
        let keys = self.past.indexes.all_mut().into_iter().find_map(Index::merge_due);
        let documents = &mut self.past.indexes.documents;
        let job = keys.map(MergeJob::Keys).or_else(|| {
            let passed = documents.expiries.passed();
            documents.index.merge_due().map(|plan| MergeJob::Documents(plan, passed))
        });
        self.checkpointing.is_merging = job.is_some();
        job
    }

    /// Counts what the indexes take. Touches each run's figures.
    pub(crate) fn count_indexes(&self, metrics: &EngineMetrics) {
        let indexes = self.past.indexes.all();
        let documents = &self.past.indexes.documents.index;
        let memory_bytes: usize = indexes.iter().map(|index| index.memory_bytes()).sum();
        let runs_count: usize = indexes.iter().map(|index| index.runs().runs().len()).sum();
        let runs_bytes: u64 = indexes.iter().map(|index| index.runs().file_bytes()).sum();
        metrics.indexes_take(
            memory_bytes + documents.memory_bytes(),
            runs_count + documents.runs().runs().len(),
            runs_bytes + documents.runs().file_bytes(),
        );
    }

    /// How full the memory for documents' keys is, in thousandths.
    pub(crate) fn documents_fill_per_mille(&self) -> usize {
        self.past.indexes.documents.index.fill_per_mille()
    }

    /// The runs that the indexes have.
    pub(crate) fn run_names(&self) -> impl Iterator<Item = RunName> + '_ {
        let keys = self.past.indexes.all().into_iter().flat_map(|index| index.runs().names());
        keys.chain(self.past.indexes.documents.index.runs().names())
    }

    /// A planned run is durable.
    pub(crate) fn install_run(&mut self, run: AnyRun) {
        match run {
            AnyRun::Keys(run) => self.index_mut(run.name().kind).install(run),
            AnyRun::Documents(run) => self.past.indexes.documents.index.install(run),
        }
    }

    /// A planned merge is durable.
    pub(crate) fn install_merge(&mut self, job: &MergeJob, merged: AnyRun) {
        self.checkpointing.is_merging = false;
        match (job, merged) {
            (MergeJob::Keys(plan), AnyRun::Keys(merged)) => {
                self.index_mut(plan.name.kind).replace(&plan.runs, merged);
            }
            (MergeJob::Documents(plan, _), AnyRun::Documents(merged)) => {
                self.past.indexes.documents.index.replace(&plan.runs, merged);
            }
            _ => unreachable!("a merge gives a run of the kind that it merged"),
        }
    }

    /// Whether each index can take so many more keys: an event or expiry inserts at most one.
    pub(super) fn indexes_have_room(&self, keys_count: usize) -> bool {
        self.past.indexes.all().into_iter().all(|index| !index.is_full(keys_count))
    }

    fn index_mut(&mut self, kind: RunKind) -> &mut Index {
        self.past
            .indexes
            .all_mut()
            .into_iter()
            .find(|index| index.kind() == kind)
            .expect("there is one of each kind")
    }
}
