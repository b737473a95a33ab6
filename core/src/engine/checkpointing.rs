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
use crate::checkpoint::Metadata;
use crate::limits::{CHECKPOINT_PAGES_PER_TURN, FROZEN_PARTS_MAX, RECENT_KEYS_MAX};
use crate::log::FramePosition;
use crate::metrics::EngineMetrics;
use crate::runs::{Index, MergePlan, Run, RunKind, RunName, RunPlan};
use florin_ledger::{AccountReferences, AccountRow, Hold, Lsn, Totals};
use std::sync::Arc;

/// Keys of an index in memory before they are written as a run.
const RUN_KEYS: usize = RECENT_KEYS_MAX / 2;

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
    pub(crate) totals: Totals,
    pub(crate) accounts_count: u64,
    /// Holds that changed since the last checkpoint, as they are at M.
    pub(crate) holds: Vec<(Lsn, Option<Hold>)>,
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
            rows_position,
            totals: self.totals,
            accounts_count: self.accounts_count,
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
    pub(crate) fn start_checkpoint(&mut self) -> (CheckpointStart, Vec<RunPlan>) {
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
            totals: self.ledger.totals(),
            accounts_count: self.ledger.accounts_count(),
            holds: self.ledger.take_changed_holds(),
        };
        let plans = self
            .past
            .indexes
            .all_mut()
            .into_iter()
            .filter_map(|index| index.freeze(position))
            .collect();
        (start, plans)
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
    pub(crate) fn plan_runs(&mut self) -> Vec<RunPlan> {
        assert!(self.past.open.is_none(), "keys are frozen between two turns");
        let position = self.log.applied;
        self.past
            .indexes
            .all_mut()
            .into_iter()
            .filter(|index| index.frozen_count() < FROZEN_PARTS_MAX)
            .filter(|index| index.is_full(RECENT_KEYS_MAX - RUN_KEYS))
            .filter_map(|index| index.freeze(position))
            .collect()
    }

    /// A merge that is due, if none is under way.
    pub(crate) fn plan_merge(&mut self) -> Option<MergePlan> {
        if self.checkpointing.is_merging {
            return None;
        }
        let plan = self.past.indexes.all_mut().into_iter().find_map(Index::merge_due);
        self.checkpointing.is_merging = plan.is_some();
        plan
    }

    /// Counts what the indexes take. Touches each run's figures.
    pub(crate) fn count_indexes(&self, metrics: &EngineMetrics) {
        let indexes = self.past.indexes.all();
        let memory_bytes = indexes.iter().map(|index| index.memory_bytes()).sum();
        let runs_count = indexes.iter().map(|index| index.runs().runs().len()).sum();
        let runs_bytes = indexes.iter().map(|index| index.runs().file_bytes()).sum();
        metrics.indexes_take(memory_bytes, runs_count, runs_bytes);
    }

    /// The runs that the indexes have.
    pub(crate) fn run_names(&self) -> impl Iterator<Item = RunName> + '_ {
        self.past.indexes.all().into_iter().flat_map(|index| index.runs().names())
    }

    /// A planned run is durable.
    pub(crate) fn install_run(&mut self, run: Arc<Run>) {
        self.index_mut(run.name().kind).install(run);
    }

    /// A planned merge is durable.
    pub(crate) fn install_merge(&mut self, plan: &MergePlan, merged: Arc<Run>) {
        self.checkpointing.is_merging = false;
        self.index_mut(plan.name.kind).replace(&plan.runs, merged);
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
