//! The background thread: writes runs, merges them, and makes checkpoints. Nobody waits for it; it
//! waits for the log to be durable, so that no projection is ever ahead of the log.
//!
//! Jobs are done in order. Every key before a checkpoint's position is in a run planned before it,
//! so the runs that a checkpoint names are durable before the checkpoint is.
//!
//! What fails here costs no answer. A run is tried again until there is room for it: the engine
//! needs its memory back. A merge or checkpoint that fails is the last of its kind until the
//! database is opened again: look-ups stay slower, the next opening replays more.

use super::durable::Durable;
use super::inbox::Inbox;
use super::read_ahead::ReadAhead;
use crate::checkpoint::CheckpointStore;
use crate::disk::Disk;
use crate::engine::{AnyRun, CheckpointStart, MergeJob, PageCopy, RunJob};
use crate::error::{Error, ErrorKind};
use crate::log::LogReader;
use crate::metrics::Metrics;
use crate::runs::{self, RunName};
use florin_ledger::Lsn;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::time::{Duration, Instant};

/// Something to do.
pub(crate) enum Job {
    WriteRun(RunJob),
    Merge(MergeJob),
    /// Begins a checkpoint; its pages and its end follow.
    Checkpoint(Box<CheckpointStart>),
    Pages(Vec<PageCopy>),
    /// All pages were copied; the newest of their rows reflects the log before this.
    End(Lsn),
}

/// Something done, and durable.
pub(crate) enum Done {
    Run(AnyRun),
    Merge(MergeJob, AnyRun),
    Checkpoint(Lsn),
}

/// How long a disk that refused a run is left alone before it is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Jobs that wait for a merge.
const JOBS_WAITING_MAX: usize = 4;
/// Entries merged between two looks at what else is to be done.
const MERGE_STEP_ENTRIES: u64 = 65_536;

pub(crate) struct Background {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) reader: LogReader,
    pub(crate) store: CheckpointStore,
    /// Every run that the engine has or will be told of.
    pub(crate) runs: BTreeSet<RunName>,
    pub(crate) durable: Arc<Durable>,
    pub(crate) jobs: Receiver<Job>,
    pub(crate) done: Sender<Result<Done, Error>>,
    pub(crate) inbox: Arc<Inbox>,
    /// Jobs that must wait for the one under way.
    pub(crate) waiting: VecDeque<Job>,
    /// Fetched between jobs and between the steps of a merge.
    pub(crate) ahead: ReadAhead,
    pub(crate) metrics: Arc<Metrics>,
}

/// What ends a job early.
enum Halt {
    /// The engine or the log is gone; there is nothing left to do.
    Stopped,
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Halt {
    fn from(error: E) -> Halt {
        Halt::Failed(error.into())
    }
}

impl Background {
    /// Runs until the engine hangs up, or the log fails.
    pub(crate) fn run(mut self) {
        let _guard = CloseOnPanic(self.inbox.clone());
        while let Some(job) = self.next_job() {
            let told = match self.carry_out(job) {
                Ok(()) => Ok(()),
                Err(Halt::Stopped) => return,
                Err(Halt::Failed(error)) => self.tell(Err(error)),
            };
            if told.is_err() {
                return;
            }
        }
    }

    fn next_job(&mut self) -> Option<Job> {
        if let Some(job) = self.waiting.pop_front() {
            return Some(job);
        }
        while let Some(wait) = self.ahead.wait(Instant::now()) {
            match self.jobs.recv_timeout(wait) {
                Ok(job) => return Some(job),
                Err(RecvTimeoutError::Timeout) => self.fetch_ahead(),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
        self.jobs.recv().ok()
    }

    /// Asks the disk for the next slice of what is to be fetched, if it is time.
    fn fetch_ahead(&mut self) {
        if let Some((from, to)) = self.ahead.slice(Instant::now()) {
            self.reader.read_ahead(from, to);
        }
    }

    fn carry_out(&mut self, job: Job) -> Result<(), Halt> {
        match job {
            Job::WriteRun(plan) => self.write_run(plan),
            Job::Merge(plan) => match self.merge(plan) {
                Err(Halt::Failed(_)) => {
                    self.metrics.checkpoint.merge_failed();
                    Ok(())
                }
                merged => merged,
            },
            Job::Checkpoint(start) => self.checkpoint(*start),
            // What is left of a checkpoint that failed.
            Job::Pages(_) | Job::End(_) => Ok(()),
        }
    }

    fn write_run(&mut self, plan: RunJob) -> Result<(), Halt> {
        self.wait_for(plan.position())?;
        let run = loop {
            match plan.write(&self.disk, self.durable.get()) {
                Ok(run) => break run,
                Err(error) if self.inbox.is_closed() => {
                    // Nor may the checkpoint that comes next be made: it would miss these keys.
                    self.tell(Err(error.into()))?;
                    return Err(Halt::Stopped);
                }
                Err(_) => {
                    self.metrics.checkpoint.run_failed();
                    self.pause()?;
                }
            }
        };
        // The engine uses the memory of these keys again, if nobody else has them.
        drop(plan);
        self.runs.insert(run.name());
        if let AnyRun::Documents(run) = &run {
            self.ahead.add(run.from(), run.position());
        }
        self.tell(Ok(Done::Run(run)))
    }

    /// Merges, looking now and then for runs to write: those free memory, a merge does not.
    fn merge(&mut self, plan: MergeJob) -> Result<(), Halt> {
        let mut merge = plan.begin(&self.disk)?;
        while !merge.step(MERGE_STEP_ENTRIES)? {
            self.fetch_ahead();
            // Not more than a few: what waits here is memory that the engine does not see.
            if JOBS_WAITING_MAX <= self.waiting.len() {
                continue;
            }
            match self.jobs.try_recv() {
                Ok(Job::WriteRun(other)) if self.waiting.is_empty() => self.write_run(other)?,
                Ok(job) => self.waiting.push_back(job),
                Err(TryRecvError::Empty) => {}
                // The database is being closed: the merge begins again at the next opening.
                Err(TryRecvError::Disconnected) => return Err(Halt::Stopped),
            }
        }
        let merged = merge.finish(self.durable.get())?;
        for run in plan.replaced() {
            self.runs.remove(&run);
        }
        self.runs.insert(merged.name());
        self.tell(Ok(Done::Merge(plan, merged)))
    }

    /// Receives the pages of a checkpoint, and commits it once the log is durable past all rows.
    fn checkpoint(&mut self, start: CheckpointStart) -> Result<(), Halt> {
        // Runs that are written from here on have keys of the log behind the checkpoint.
        let runs = self.runs.iter().copied().collect();
        let Background { store, waiting, jobs, durable, reader, .. } = self;
        let mut writer = store.begin()?;
        for (lsn, hold) in &start.holds {
            writer.put_hold(*lsn, hold.as_ref())?;
        }
        // The pages may have come while a merge was under way; what is none of them comes later.
        let mut deferred = VecDeque::new();
        let rows_position = loop {
            let job = match waiting.pop_front() {
                Some(job) => job,
                None => jobs.recv().map_err(|_| Halt::Stopped)?,
            };
            match job {
                Job::Pages(pages) => {
                    for page in pages {
                        writer.put_page(page.page, &page.rows)?;
                    }
                }
                Job::End(rows_position) => break rows_position,
                job => deferred.push_back(job),
            }
        };
        deferred.append(waiting);
        *waiting = deferred;
        if !durable.wait(rows_position) {
            return Err(Halt::Stopped);
        }
        let at = reader.position_at(start.position, durable.get())?;
        assert_eq!(at.sequence, start.sequence, "a checkpoint is at the end of a frame");
        let metadata = start.metadata(reader.identity().incarnation, at, rows_position, runs);
        writer.commit(metadata, durable.get())?;
        self.remove_orphans()?;
        self.tell(Ok(Done::Checkpoint(start.position)))
    }

    /// Removes the runs that no checkpoint names and the engine does not have.
    fn remove_orphans(&self) -> Result<(), Halt> {
        let mut kept = self.store.named_runs();
        kept.extend(self.runs.iter().copied());
        let removed = runs::orphans(self.disk.as_ref(), &kept)
            .and_then(|orphans| runs::remove(self.disk.as_ref(), &orphans));
        removed
            .map_err(|error| Error::new(ErrorKind::Io, format!("removing old runs: {error}")))?;
        Ok(())
    }

    /// Leaves the disk alone for a while.
    fn pause(&mut self) -> Result<(), Halt> {
        match self.jobs.recv_timeout(RETRY_AFTER) {
            Ok(job) => self.waiting.push_back(job),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(Halt::Stopped),
        }
        Ok(())
    }

    fn wait_for(&self, position: Lsn) -> Result<(), Halt> {
        if self.durable.wait(position) { Ok(()) } else { Err(Halt::Stopped) }
    }

    fn tell(&self, done: Result<Done, Error>) -> Result<(), Halt> {
        self.done.send(done).map_err(|_| Halt::Stopped)?;
        self.inbox.nudge();
        Ok(())
    }
}

/// A defect in this thread stops the database: without runs and checkpoints it would only fill up.
struct CloseOnPanic(Arc<Inbox>);

impl Drop for CloseOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.close();
        }
    }
}
