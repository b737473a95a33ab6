//! What the background thread is given to write, whatever the keys are: numbers or bytes.

use crate::disk::Disk;
use crate::documents::{DocumentMerge, DocumentMergePlan, DocumentRun, DocumentRunPlan};
use crate::runs::{Merge, MergePlan, Run, RunError, RunName, RunPlan};
use florin_ledger::{Lsn, Timestamp};
use std::sync::Arc;

/// Frozen keys to be written to a run.
#[derive(Clone, Debug)]
pub(crate) enum RunJob {
    Keys(RunPlan),
    Documents(DocumentRunPlan),
}

/// A run that is whole and durable.
#[derive(Clone, Debug)]
pub(crate) enum AnyRun {
    Keys(Arc<Run>),
    Documents(Arc<DocumentRun>),
}

/// Runs to be merged.
#[derive(Clone, Debug)]
pub(crate) enum MergeJob {
    Keys(MergePlan),
    /// Expiries that were due before the instant are left out.
    Documents(DocumentMergePlan, Timestamp),
}

/// A merge under way.
pub(crate) enum AnyMerge {
    Keys(Merge),
    Documents(DocumentMerge),
}

impl RunJob {
    /// The run reflects the log before this position; it can be written once that is durable.
    pub(crate) fn position(&self) -> Lsn {
        match self {
            RunJob::Keys(plan) => plan.position(),
            RunJob::Documents(plan) => plan.position(),
        }
    }

    /// Writes the run; returns when it is durable.
    pub(crate) fn write(&self, disk: &Arc<dyn Disk>, durable: Lsn) -> Result<AnyRun, RunError> {
        match self {
            RunJob::Keys(plan) => plan.write(disk, durable).map(AnyRun::Keys),
            RunJob::Documents(plan) => plan.write(disk, durable).map(AnyRun::Documents),
        }
    }
}

impl AnyRun {
    pub(crate) fn name(&self) -> RunName {
        match self {
            AnyRun::Keys(run) => run.name(),
            AnyRun::Documents(run) => run.name(),
        }
    }
}

impl MergeJob {
    /// The runs that the merge replaces.
    pub(crate) fn replaced(&self) -> Vec<RunName> {
        match self {
            MergeJob::Keys(plan) => plan.runs.iter().map(|run| run.name()).collect(),
            MergeJob::Documents(plan, _) => plan.runs.iter().map(|run| run.name()).collect(),
        }
    }

    pub(crate) fn begin(&self, disk: &Arc<dyn Disk>) -> Result<AnyMerge, RunError> {
        match self {
            MergeJob::Keys(plan) => plan.begin(disk).map(AnyMerge::Keys),
            MergeJob::Documents(plan, passed) => plan.begin(disk, *passed).map(AnyMerge::Documents),
        }
    }
}

impl AnyMerge {
    /// Moves some entries; `true` when all are in.
    pub(crate) fn step(&mut self, entries_max: u64) -> Result<bool, RunError> {
        match self {
            AnyMerge::Keys(merge) => merge.step(entries_max),
            AnyMerge::Documents(merge) => merge.step(entries_max),
        }
    }

    /// Completes the new run, durably.
    pub(crate) fn finish(self, durable: Lsn) -> Result<AnyRun, RunError> {
        match self {
            AnyMerge::Keys(merge) => merge.finish(durable).map(AnyRun::Keys),
            AnyMerge::Documents(merge) => merge.finish(durable).map(AnyRun::Documents),
        }
    }
}
