//! The engine's end of the background thread: what it is given to do, and what is done. It never
//! makes the engine wait, but at a close.

use super::background::{Done, Job};
use crate::clock::Clock;
use crate::engine::Engine;
use crate::error::Error;
use crate::event::{Event, Observer};
use crate::metrics::Metrics;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};

/// Jobs for the background thread, and its answers.
pub(crate) struct Backstage {
    jobs: SyncSender<Job>,
    done: Receiver<Result<Done, Error>>,
    /// What the background thread has no room for yet.
    waiting: VecDeque<Job>,
    /// Why there are no checkpoints any more until the database is opened again. It goes on without:
    /// the last one stays where its status says, and the next opening replays more.
    failure: Option<Error>,
    metrics: Arc<Metrics>,
    /// Tells when a checkpoint was made.
    clock: Arc<dyn Clock>,
    observer: Observer,
}

impl Backstage {
    pub(crate) fn new(
        jobs: SyncSender<Job>,
        done: Receiver<Result<Done, Error>>,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
        observer: Observer,
    ) -> Backstage {
        let waiting = VecDeque::new();
        Backstage { jobs, done, waiting, failure: None, metrics, clock, observer }
    }

    /// Whether the next turn should come soon, because a checkpoint is being copied.
    pub(crate) fn is_busy(&self, engine: &Engine) -> bool {
        self.failure.is_none() && self.waiting.is_empty() && engine.has_pages_to_copy()
    }

    /// Between two turns: takes what is done, hands over what is due, copies some pages.
    pub(crate) fn step(&mut self, engine: &mut Engine) {
        while let Ok(done) = self.done.try_recv() {
            self.take(done, engine);
        }
        engine.count_indexes(&self.metrics.engine);
        self.waiting.extend(engine.plan_runs().into_iter().map(Job::WriteRun));
        self.waiting.extend(engine.plan_merge().map(Job::Merge));
        if self.failure.is_none() && engine.checkpoint_is_due() {
            self.start_checkpoint(engine);
        }
        self.hand_over();
        if self.is_busy(engine) {
            self.copy_pages(engine);
        }
    }

    /// At a close: makes a last checkpoint, and waits for it.
    pub(crate) fn finish(&mut self, engine: &mut Engine) -> Result<(), Error> {
        self.complete(engine)?;
        if !engine.is_checkpointed() {
            self.start_checkpoint(engine);
            self.complete(engine)?;
        }
        Ok(())
    }

    /// Waits until the running checkpoint, if there is one, is durable.
    fn complete(&mut self, engine: &mut Engine) -> Result<(), Error> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        while engine.has_pages_to_copy() {
            self.copy_pages(engine);
        }
        for job in self.waiting.drain(..) {
            // A background thread that is gone has left its reason in `done`.
            drop(self.jobs.send(job));
        }
        while engine.is_checkpointing() {
            let done = self.done.recv().unwrap_or_else(|_| Err(super::promise::stopped()));
            self.take(done, engine);
            if let Some(failure) = &self.failure {
                return Err(failure.clone());
            }
        }
        Ok(())
    }

    fn start_checkpoint(&mut self, engine: &mut Engine) {
        let (start, plans) = engine.start_checkpoint();
        self.waiting.extend(plans.into_iter().map(Job::WriteRun));
        self.waiting.push_back(Job::Checkpoint(Box::new(start)));
        if !engine.has_pages_to_copy() {
            self.waiting.push_back(Job::End(engine.applied()));
        }
    }

    fn copy_pages(&mut self, engine: &mut Engine) {
        self.waiting.push_back(Job::Pages(engine.copy_pages()));
        if !engine.has_pages_to_copy() {
            self.waiting.push_back(Job::End(engine.applied()));
        }
        self.hand_over();
    }

    fn hand_over(&mut self) {
        while let Some(job) = self.waiting.pop_front() {
            match self.jobs.try_send(job) {
                Ok(()) => {}
                Err(TrySendError::Full(job)) => return self.waiting.push_front(job),
                Err(TrySendError::Disconnected(_)) => return,
            }
        }
    }

    fn take(&mut self, done: Result<Done, Error>, engine: &mut Engine) {
        match done {
            Ok(Done::Run(run)) => {
                engine.install_run(run);
                self.metrics.checkpoint.run_written();
            }
            Ok(Done::Merge(plan, merged)) => {
                engine.install_merge(&plan, merged);
                self.metrics.checkpoint.merged();
            }
            Ok(Done::Checkpoint(position)) => {
                engine.end_checkpoint(position);
                self.metrics.checkpoint.made(position.0, self.clock.elapsed());
                self.observer.tell(&Event::CheckpointMade(position));
            }
            Err(error) => {
                self.metrics.checkpoint.failed();
                self.observer.tell(&Event::CheckpointFailed(error.clone()));
                self.failure.get_or_insert(error);
            }
        }
    }
}
