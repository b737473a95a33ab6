//! The figures as they are read: [`MetricsSnapshot`], and who takes it.

use super::instrument::Distribution;
use super::scrub::ScrubFigures;
use super::{Metrics, RequestKind, ScrubMetrics};
use crate::clock::Clock;
use crate::driver::durable::Durable;
use crate::driver::inbox::Inbox;
use crate::driver::release::Release;
use crate::driver::room::RoomAhead;
use crate::engine::epochs::Epochs;
use crate::error::ErrorKind;
use crate::following::standing::Standing;
use crate::scrub::Findings;
use crate::shipping::Replication;
use crate::tree::TreeFigures;
use florin_ledger::{CreateAccountStatus, CreateTransferStatus, Lsn, Timestamp};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// Everything that a database counts, since it was opened. Figures of different threads were read
/// one after the other: sums across them need not add up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MetricsSnapshot {
    /// What was asked, and what came of it.
    pub requests: RequestFigures,
    /// The engine and the state that it keeps.
    pub engine: EngineFigures,
    /// The queue in front of the engine.
    pub queue: QueueFigures,
    /// The log.
    pub log: LogFigures,
    /// Checkpoints, runs and merges.
    pub checkpoint: CheckpointFigures,
    /// The scrubber.
    pub scrub: ScrubFigures,
    /// The tree of proofs; `None` if the database was opened without.
    pub tree: Option<TreeFigures>,
    /// Standbys, or the primary.
    pub replication: Replication,
}

/// What was asked, and what came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestFigures {
    /// Requests that reached the engine, by kind; refused ones too.
    pub by_kind: Vec<(RequestKind, u64)>,
    /// Requests refused whole, by what their caller shall do. What was turned away from a full queue
    /// never reached the engine: see [`QueueFigures::refused`].
    pub errors: Vec<(ErrorKind, u64)>,
    /// Events in a batch.
    pub batch_events: Distribution,
    /// Accounts of batches by their result.
    pub accounts: Vec<(CreateAccountStatus, u64)>,
    /// Transfers of batches by their result.
    pub transfers: Vec<(CreateTransferStatus, u64)>,
}

/// The engine and the state that it keeps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EngineFigures {
    /// Turns in which something had arrived.
    pub turns: u64,
    /// What such a turn took, waiting for room in the log included; nanoseconds.
    pub turn_ns: Distribution,
    /// Everything before it is decided.
    pub applied: Lsn,
    /// The recorded time of the last event.
    pub last_event: Timestamp,
    /// Accounts ever opened.
    pub accounts_count: u64,
    /// Transfers ever created.
    pub transfers_count: u64,
    /// Live holds.
    pub holds_count: u64,
    /// Frames of this opening, in each of which debits and credits changed by the same; one in which
    /// they did not would have stopped the engine before it was written.
    pub conserved_frames: u64,
    /// Openings for writing so far.
    pub epoch: u64,
    /// How far the machine's clock has jumped ahead; zero while it is trusted. Otherwise writes are
    /// refused.
    pub clock_jump: Duration,
    /// Memory that the indexes of ids take at most.
    pub index_memory_bytes: u64,
    /// How full the memory for documents' keys is that no run has yet, in thousandths: at 1,000
    /// writes are refused until a run is written.
    pub documents_fill_per_mille: u64,
    /// The most that it was since the opening.
    pub documents_fill_per_mille_max: u64,
    /// Runs on disk that the indexes consist of.
    pub runs_count: u64,
    /// Bytes of these runs.
    pub runs_bytes: u64,
    /// Whether nothing is taken any more: the database was closed, or its log has failed.
    pub is_stopped: bool,
}

/// The queue in front of the engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueFigures {
    /// Tasks that wait.
    pub tasks_count: u64,
    /// What they weigh.
    pub bytes: u64,
    /// Tasks turned away with `busy` because the queue was full.
    pub refused: u64,
}

/// The log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogFigures {
    /// Everything before it is durable.
    pub durable: Lsn,
    /// Frames written and synced.
    pub frames: u64,
    /// Bytes of these frames.
    pub frame_bytes: u64,
    /// Bytes handed to the disk, last pages written again included.
    pub written_bytes: u64,
    /// Writes handed to the disk.
    pub writes: u64,
    /// Syncs that succeeded.
    pub syncs: u64,
    /// What writing took before each sync, nanoseconds.
    pub write_ns: Distribution,
    /// What each sync took, nanoseconds.
    pub sync_ns: Distribution,
    /// Frames that shared a sync.
    pub sync_frames: Distribution,
    /// Answers that waited for the same sync.
    pub sync_answers: Distribution,
    /// Bytes that may be written before more room must be made.
    pub room_bytes: u64,
    /// Whether the last attempt to make room failed: writes are refused until one succeeds.
    pub is_full: bool,
    /// Whether a write or sync has failed: nothing will be written until the next opening.
    pub has_failed: bool,
}

/// Checkpoints, runs and merges.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CheckpointFigures {
    /// Where the last one is.
    pub position: Lsn,
    /// Bytes of log behind it, which the next opening replays.
    pub behind_bytes: u64,
    /// Time since the last one became durable; since the opening, if none has.
    pub age: Duration,
    /// Made since the opening.
    pub checkpoints: u64,
    /// Checkpoints that failed.
    pub failures: u64,
    /// Whether there are no more checkpoints until the next opening.
    pub has_failed: bool,
    /// Runs written.
    pub runs: u64,
    /// Attempts to write a run that the disk refused; each is tried again.
    pub run_failures: u64,
    /// Merges done.
    pub merges: u64,
    /// Merges given up.
    pub merge_failures: u64,
}

/// Takes snapshots, without asking any thread.
pub(crate) struct Watch {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) durable: Arc<Durable>,
    pub(crate) room: Arc<RoomAhead>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) scrub: Arc<ScrubMetrics>,
    pub(crate) findings: Arc<Findings>,
    /// Rises whenever a client's key is written, deleted or expires.
    pub(crate) client_keys: Arc<AtomicU64>,
    pub(crate) epochs: Arc<Epochs>,
    pub(crate) release: Arc<Release>,
    /// `None` if the database decides.
    pub(crate) standing: Option<Arc<Standing>>,
}

impl Watch {
    pub(crate) fn snapshot(&self) -> MetricsSnapshot {
        MetricsSnapshot {
            requests: self.requests(),
            engine: self.engine(),
            queue: self.inbox.figures(),
            log: self.log(),
            checkpoint: self.checkpoint(),
            scrub: self.scrub.figures(self.findings.all(), self.clock.elapsed()),
            tree: None,
            replication: self.replication(),
        }
    }

    /// The part in replication.
    pub(crate) fn replication(&self) -> Replication {
        let synchrony = self.release.standing();
        match &self.standing {
            None => Replication::Primary(synchrony),
            Some(standing) => {
                let applied = self.release.applied();
                Replication::Standby(standing.standing(synchrony.synced, applied), synchrony)
            }
        }
    }

    fn requests(&self) -> RequestFigures {
        let engine = &self.metrics.engine;
        RequestFigures {
            by_kind: paired(RequestKind::ALL, &engine.requests),
            errors: paired(ErrorKind::ALL, &engine.errors),
            batch_events: engine.batch_events.get(),
            accounts: paired(CreateAccountStatus::ALL, &engine.accounts),
            transfers: paired(CreateTransferStatus::ALL, &engine.transfers),
        }
    }

    fn engine(&self) -> EngineFigures {
        let engine = &self.metrics.engine;
        EngineFigures {
            turns: engine.turns.get(),
            turn_ns: engine.turn_ns.get(),
            applied: Lsn(engine.applied.get()),
            last_event: Timestamp(engine.last_event.get()),
            accounts_count: engine.accounts_count.get(),
            transfers_count: engine.transfers_count.get(),
            holds_count: engine.holds_count.get(),
            conserved_frames: engine.conserved_frames.get(),
            epoch: engine.epoch.get(),
            clock_jump: Duration::from_nanos(engine.clock_jump_ns.get()),
            index_memory_bytes: engine.index_memory_bytes.get(),
            documents_fill_per_mille: engine.documents_fill.get(),
            documents_fill_per_mille_max: engine.documents_fill_max.get(),
            runs_count: engine.runs_count.get(),
            runs_bytes: engine.runs_bytes.get(),
            is_stopped: self.inbox.is_closed(),
        }
    }

    fn log(&self) -> LogFigures {
        let log = &self.metrics.log;
        let applied = self.metrics.engine.applied.get();
        LogFigures {
            durable: self.release.synced().get(),
            frames: log.frames.get(),
            frame_bytes: log.frame_bytes.get(),
            written_bytes: log.written_bytes.get(),
            writes: log.writes.get(),
            syncs: log.syncs.get(),
            write_ns: log.write_ns.get(),
            sync_ns: log.sync_ns.get(),
            sync_frames: log.sync_frames.get(),
            sync_answers: log.sync_answers.get(),
            room_bytes: self.room.room().ordinary.0.saturating_sub(applied),
            is_full: self.room.is_full(),
            has_failed: self.durable.has_failed(),
        }
    }

    fn checkpoint(&self) -> CheckpointFigures {
        let checkpoint = &self.metrics.checkpoint;
        let position = checkpoint.position.get();
        let done = Duration::from_nanos(checkpoint.done_ns.get());
        CheckpointFigures {
            position: Lsn(position),
            behind_bytes: self.metrics.engine.applied.get().saturating_sub(position),
            age: self.clock.elapsed().saturating_sub(done),
            checkpoints: checkpoint.checkpoints.get(),
            failures: checkpoint.failures.get(),
            has_failed: checkpoint.has_failed.get() != 0,
            runs: checkpoint.runs.get(),
            run_failures: checkpoint.run_failures.get(),
            merges: checkpoint.merges.get(),
            merge_failures: checkpoint.merge_failures.get(),
        }
    }
}

fn paired<K: Copy>(kinds: &[K], counters: &[super::instrument::Counter]) -> Vec<(K, u64)> {
    assert_eq!(kinds.len(), counters.len(), "each kind has a counter");
    kinds.iter().copied().zip(counters.iter().map(super::instrument::Counter::get)).collect()
}
