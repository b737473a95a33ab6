//! What an open database counts about itself. The threads of the engine write, any thread reads.
//!
//! Invariants:
//! - nobody waits for a figure: the engine adds to atomics, at most a few dozen a turn, and
//!   [`crate::Database::metrics`] asks the engine nothing, so it answers when the engine has
//!   stopped, too;
//! - everything counts from the opening of the database, and nothing is stored;
//! - no figure is a float, and none is derived: rates and shares are the reader's business.

mod health;
mod instrument;
mod scrub;
mod snapshot;

pub use health::{Health, Trouble};
pub use instrument::Distribution;
pub use scrub::{CheckFigures, ConservationFigures, ScrubFigures};
pub use snapshot::{
    CheckpointFigures, EngineFigures, LogFigures, MetricsSnapshot, QueueFigures, RequestFigures,
};

pub(crate) use scrub::ScrubMetrics;
pub(crate) use snapshot::Watch;

use crate::error::{Error, ErrorKind};
use crate::request::{Reply, Request, Status};
use florin_ledger::{CreateAccountStatus, CreateTransferStatus};
use instrument::{COUNTS, Counter, DURATIONS_NS, Gauge, Histogram};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The figures of one open database, but for those that are read where they lie: the queue, the
/// durable position, the room in the log.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) engine: EngineMetrics,
    pub(crate) log: LogMetrics,
    pub(crate) checkpoint: CheckpointMetrics,
}

/// Written by the engine's thread alone.
#[derive(Debug)]
pub(crate) struct EngineMetrics {
    turns: Counter,
    turn_ns: Histogram,
    requests: [Counter; RequestKind::ALL.len()],
    errors: [Counter; ErrorKind::ALL.len()],
    batch_events: Histogram,
    accounts: [Counter; CreateAccountStatus::ALL.len()],
    transfers: [Counter; CreateTransferStatus::ALL.len()],
    applied: Gauge,
    last_event: Gauge,
    accounts_count: Gauge,
    transfers_count: Gauge,
    holds_count: Gauge,
    conserved_frames: Gauge,
    epoch: Gauge,
    /// Its number has no name here, and its name is too wide for a gauge.
    life: Mutex<u128>,
    clock_jump_ns: Gauge,
    index_memory_bytes: Gauge,
    documents_fill: Gauge,
    documents_fill_max: Gauge,
    runs_count: Gauge,
    runs_bytes: Gauge,
}

/// Written by the log's thread alone.
#[derive(Debug)]
pub(crate) struct LogMetrics {
    frames: Counter,
    frame_bytes: Counter,
    written_bytes: Counter,
    writes: Counter,
    syncs: Counter,
    write_ns: Histogram,
    sync_ns: Histogram,
    sync_frames: Histogram,
    sync_answers: Histogram,
}

/// Written by the engine's and the background thread.
#[derive(Debug, Default)]
pub(crate) struct CheckpointMetrics {
    position: Gauge,
    /// When the last one became durable, by the clock's elapsed time; the opening if none has.
    done_ns: Gauge,
    checkpoints: Counter,
    runs: Counter,
    merges: Counter,
    failures: Counter,
    merge_failures: Counter,
    run_failures: Counter,
    /// 1 since there are no more checkpoints until the next opening.
    has_failed: Gauge,
}

/// A request by what it asks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RequestKind {
    /// [`Request::CreateAccounts`]
    CreateAccounts,
    /// [`Request::CreateTransfers`]
    CreateTransfers,
    /// [`Request::LookupAccounts`]
    LookupAccounts,
    /// [`Request::TrialBalance`]
    TrialBalance,
    /// [`Request::Status`]
    Status,
    /// [`Request::Commit`]
    Commit,
    /// [`Request::DryRun`]
    DryRun,
    /// [`Request::WriteDocuments`]
    WriteDocuments,
    /// [`Request::InsertUnique`]
    InsertUnique,
    /// [`Request::DeclareTable`]
    DeclareTable,
    /// [`Request::RecordRefusal`]
    RecordRefusal,
}

impl RequestKind {
    /// Every kind, in order of their numbers.
    pub const ALL: &'static [RequestKind] = &[
        RequestKind::CreateAccounts,
        RequestKind::CreateTransfers,
        RequestKind::LookupAccounts,
        RequestKind::TrialBalance,
        RequestKind::Status,
        RequestKind::Commit,
        RequestKind::DryRun,
        RequestKind::WriteDocuments,
        RequestKind::InsertUnique,
        RequestKind::DeclareTable,
        RequestKind::RecordRefusal,
    ];

    /// The name that figures carry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            RequestKind::CreateAccounts => "create_accounts",
            RequestKind::CreateTransfers => "create_transfers",
            RequestKind::LookupAccounts => "lookup_accounts",
            RequestKind::TrialBalance => "trial_balance",
            RequestKind::Status => "status",
            RequestKind::Commit => "commit",
            RequestKind::DryRun => "dry_run",
            RequestKind::WriteDocuments => "write_documents",
            RequestKind::InsertUnique => "insert_unique",
            RequestKind::DeclareTable => "declare_table",
            RequestKind::RecordRefusal => "record_refusal",
        }
    }

    fn of(request: &Request) -> RequestKind {
        match request {
            Request::CreateAccounts(_) => RequestKind::CreateAccounts,
            Request::CreateTransfers(_) => RequestKind::CreateTransfers,
            Request::LookupAccounts(_) => RequestKind::LookupAccounts,
            Request::TrialBalance(_) => RequestKind::TrialBalance,
            Request::Status => RequestKind::Status,
            Request::Commit(_) => RequestKind::Commit,
            Request::DryRun(_) => RequestKind::DryRun,
            Request::WriteDocuments(_) => RequestKind::WriteDocuments,
            Request::InsertUnique(_) => RequestKind::InsertUnique,
            Request::DeclareTable(..) => RequestKind::DeclareTable,
            Request::RecordRefusal(_) => RequestKind::RecordRefusal,
        }
    }

    fn index(self) -> usize {
        RequestKind::ALL.iter().position(|kind| *kind == self).expect("all kinds are listed")
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics {
            engine: EngineMetrics {
                turns: Counter::default(),
                turn_ns: Histogram::new(DURATIONS_NS),
                requests: Default::default(),
                errors: Default::default(),
                batch_events: Histogram::new(COUNTS),
                accounts: Default::default(),
                transfers: std::array::from_fn(|_| Counter::default()),
                applied: Gauge::default(),
                last_event: Gauge::default(),
                accounts_count: Gauge::default(),
                transfers_count: Gauge::default(),
                holds_count: Gauge::default(),
                conserved_frames: Gauge::default(),
                epoch: Gauge::default(),
                life: Mutex::default(),
                clock_jump_ns: Gauge::default(),
                index_memory_bytes: Gauge::default(),
                documents_fill: Gauge::default(),
                documents_fill_max: Gauge::default(),
                runs_count: Gauge::default(),
                runs_bytes: Gauge::default(),
            },
            log: LogMetrics {
                frames: Counter::default(),
                frame_bytes: Counter::default(),
                written_bytes: Counter::default(),
                writes: Counter::default(),
                syncs: Counter::default(),
                write_ns: Histogram::new(DURATIONS_NS),
                sync_ns: Histogram::new(DURATIONS_NS),
                sync_frames: Histogram::new(COUNTS),
                sync_answers: Histogram::new(COUNTS),
            },
            checkpoint: CheckpointMetrics::default(),
        }
    }
}

/// Results of a batch that are counted one by one; more are summed up first.
const RESULTS_COUNTED_SINGLY: usize = 16;

impl EngineMetrics {
    /// A request was executed, or refused whole.
    #[inline]
    pub(crate) fn executed(&self, request: &Request, reply: &Result<Reply, Error>) {
        self.requests[RequestKind::of(request).index()].add(1);
        match reply {
            Ok(Reply::Accounts(results)) => {
                self.batch_events.observe(count(results.len()));
                let statuses = results.iter().map(|result| result.status.number());
                add_statuses(&self.accounts, results.len(), statuses);
            }
            Ok(Reply::Transfers(results)) => {
                self.batch_events.observe(count(results.len()));
                let statuses = results.iter().map(|result| result.status.number());
                add_statuses(&self.transfers, results.len(), statuses);
            }
            Ok(_) => {}
            Err(error) => self.errors[error.kind().index()].add(1),
        }
    }

    /// A turn in which something arrived has ended.
    pub(crate) fn turn_ended(&self, took: Duration) {
        self.turns.add(1);
        self.turn_ns.observe(nanoseconds(took));
    }

    /// How the engine stands after a turn.
    pub(crate) fn stands(&self, status: &Status, conserved_frames: u64) {
        self.conserved_frames.set(conserved_frames);
        self.applied.set(status.applied.0);
        self.last_event.set(status.timestamp.0);
        self.accounts_count.set(status.accounts_count);
        self.transfers_count.set(status.transfers_count);
        self.holds_count.set(status.holds_count);
        self.epoch.set(status.epoch);
        *self.life.lock().unwrap_or_else(PoisonError::into_inner) = status.incarnation;
    }

    /// The life that the database is in.
    pub(crate) fn life(&self) -> u128 {
        *self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far the wall clock has jumped ahead; zero if it is trusted.
    pub(crate) fn clock_jumped(&self, jump: Duration) {
        self.clock_jump_ns.set(nanoseconds(jump));
    }

    /// How full the memory for documents' keys is, in thousandths.
    pub(crate) fn documents_fill(&self, per_mille: usize) {
        let per_mille = count(per_mille);
        self.documents_fill.set(per_mille);
        self.documents_fill_max.set(per_mille.max(self.documents_fill_max.get()));
    }

    /// What the indexes of ids take.
    pub(crate) fn indexes_take(&self, memory_bytes: usize, runs_count: usize, runs_bytes: u64) {
        self.index_memory_bytes.set(count(memory_bytes));
        self.runs_count.set(count(runs_count));
        self.runs_bytes.set(runs_bytes);
    }
}

impl LogMetrics {
    /// Frames were written and synced together.
    pub(crate) fn synced(&self, sync: &Synced) {
        self.frames.add(sync.frames_count);
        self.frame_bytes.add(sync.frame_bytes);
        self.written_bytes.follow(sync.written_bytes_total);
        self.writes.follow(sync.writes_total);
        self.syncs.follow(sync.syncs_total);
        self.write_ns.observe(nanoseconds(sync.write));
        self.sync_ns.observe(nanoseconds(sync.sync));
        self.sync_frames.observe(sync.frames_count);
        self.sync_answers.observe(sync.answers_count);
    }
}

/// What one sync of the log covered, and what the log's writer has done so far.
pub(crate) struct Synced {
    pub(crate) frames_count: u64,
    pub(crate) frame_bytes: u64,
    pub(crate) answers_count: u64,
    pub(crate) write: Duration,
    pub(crate) sync: Duration,
    pub(crate) written_bytes_total: u64,
    pub(crate) writes_total: u64,
    pub(crate) syncs_total: u64,
}

impl CheckpointMetrics {
    /// The database was opened, from this checkpoint.
    pub(crate) fn opened(&self, position: u64, now: Duration) {
        self.position.set(position);
        self.done_ns.set(nanoseconds(now));
    }

    /// A checkpoint is durable.
    pub(crate) fn made(&self, position: u64, now: Duration) {
        self.opened(position, now);
        self.checkpoints.add(1);
    }

    /// There are no more checkpoints until the next opening.
    pub(crate) fn failed(&self) {
        self.failures.add(1);
        self.has_failed.set(1);
    }

    pub(crate) fn run_written(&self) {
        self.runs.add(1);
    }

    pub(crate) fn merged(&self) {
        self.merges.add(1);
    }

    /// A merge was given up until the next opening.
    pub(crate) fn merge_failed(&self) {
        self.merge_failures.add(1);
    }

    /// The disk refused a run, which is tried again.
    pub(crate) fn run_failed(&self) {
        self.run_failures.add(1);
    }
}

fn add_statuses(counters: &[Counter], results_count: usize, statuses: impl Iterator<Item = u8>) {
    if results_count <= RESULTS_COUNTED_SINGLY {
        return statuses.for_each(|status| counters[usize::from(status)].add(1));
    }
    let mut counts = [0_u64; 256];
    statuses.for_each(|status| counts[usize::from(status)] += 1);
    for (counter, count) in counters.iter().zip(counts).filter(|(_, count)| *count != 0) {
        counter.add(count);
    }
}

fn count(items: usize) -> u64 {
    u64::try_from(items).expect("a usize fits 64 bits")
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::TransferBatch;
    use florin_ledger::{Timestamp, Transfer, TransferResult};

    /// Prevents: large and small batches are counted differently, or a status beside its neighbour.
    #[test]
    fn every_result_is_counted_under_its_status_whatever_the_size_of_its_batch() {
        for results_count in [1, RESULTS_COUNTED_SINGLY, RESULTS_COUNTED_SINGLY + 1, 8_190] {
            let metrics = Metrics::default().engine;
            let status = |index: usize| {
                let all = CreateTransferStatus::ALL;
                all[index % all.len()]
            };
            let result = |index| TransferResult { timestamp: Timestamp(1), status: status(index) };
            let results: Vec<_> = (0..results_count).map(result).collect();
            let batch = TransferBatch::new(&vec![Transfer::default(); results_count]).unwrap();
            metrics.executed(&Request::CreateTransfers(batch), &Ok(Reply::Transfers(results)));
            for (number, counter) in metrics.transfers.iter().enumerate() {
                let expected = (0..results_count)
                    .filter(|index| usize::from(status(*index).number()) == number);
                assert_eq!(counter.get(), count(expected.count()), "status {number}");
            }
            assert_eq!(metrics.batch_events.get().sum, count(results_count));
        }
    }

    /// Prevents: a kind that was added and not listed stops the engine at its first request.
    #[test]
    fn every_kind_has_its_own_place_and_name() {
        let names: Vec<_> = RequestKind::ALL.iter().map(|kind| kind.name()).collect();
        for (index, kind) in RequestKind::ALL.iter().enumerate() {
            assert_eq!(kind.index(), index);
            assert_eq!(names.iter().filter(|name| **name == kind.name()).count(), 1);
        }
        for (index, kind) in ErrorKind::ALL.iter().enumerate() {
            assert_eq!(kind.index(), index);
        }
    }
}
