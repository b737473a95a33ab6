//! Starting the threads of an open database, and ending them in order.

use super::background::Background;
use super::backstage::Backstage;
use super::durable::Durable;
use super::engine_thread::{EngineThread, Following};
use super::inbox::{Inbox, Task};
use super::intake::Intake;
use super::log_thread::LogThread;
use super::promise::{Promise, stopped};
use super::read_ahead::ReadAhead;
use super::release::Release;
use super::room::{self, RoomAhead};
use crate::clock::Clock;
use crate::disk::Disk;
use crate::error::{Error, ErrorKind};
use crate::event::Observer;
use crate::following::standing::Standing;
use crate::group::Allegiance;
use crate::log::{LogReader, PrepareError, Preparer, Room};
use crate::metrics::{Metrics, ScrubMetrics, Watch};
use crate::opening::Opened;
use crate::reads::Reads;
use crate::scrub::{Eyes, Findings, Scrubber};
use rustix::process::nice;
use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::Sender;
use std::sync::{Arc, mpsc};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

/// Turns, or pieces of them, that the engine may be ahead of the log thread.
const TURNS_AHEAD_MAX: usize = 256;
/// How much the scrubber gives way to others: as much as there is.
const SCRUBBER_NICE: i32 = 19;
/// Jobs that the background thread may be behind.
const JOBS_AHEAD_MAX: usize = 4;

/// The running threads.
pub(crate) struct Threads {
    inbox: Arc<Inbox>,
    release: Arc<Release>,
    room: Arc<RoomAhead>,
    engine: JoinHandle<()>,
    /// The log thread and the preparer, of a database that decides.
    log: Option<(JoinHandle<io::Result<()>>, JoinHandle<Preparer>)>,
    /// Of one that follows.
    intake: Option<Arc<Intake>>,
    background: JoinHandle<()>,
    /// With what ends it; `None` if it was not asked for.
    scrubber: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Threads {
    /// Starts them; from here on requests are answered.
    pub(crate) fn start(
        opened: Opened,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        watching: Watching,
        role: Role,
        allegiance: &Arc<Allegiance>,
    ) -> io::Result<Running> {
        let inbox = Arc::new(Inbox::default());
        let is_standby = role.standing().is_some();
        let synced = Arc::new(Durable::new(opened.durable));
        let release = Arc::new(Release::new(synced.clone(), clock.clone(), is_standby));
        let durable = release.released().clone();
        // Who follows never asks for room.
        let none = Room { ordinary: opened.durable, reserved: opened.durable };
        let made = opened.ending.as_ref().map_or(none, |(_, preparer)| preparer.room());
        let room = Arc::new(RoomAhead::new(made, opened.durable));
        let (log_sender, turns) = mpsc::sync_channel(TURNS_AHEAD_MAX);
        let (job_sender, jobs) = mpsc::sync_channel(JOBS_AHEAD_MAX);
        let (done_sender, done) = mpsc::channel();
        let reads = Reads::new(inbox.clone(), durable.clone(), opened.reader.clone());
        let metrics = Arc::new(Metrics::default());
        metrics.engine.stands(&opened.engine.status(), opened.engine.conserved_frames());
        metrics.checkpoint.opened(opened.engine.status().checkpoint.0, clock.elapsed());
        let scrub = Arc::new(ScrubMetrics::default());
        let findings = Arc::new(Findings::new(scrub.clone(), watching.observer.clone()));
        let eyes = Eyes {
            // A reader of its own: what it is there for is the disk, not what the others have in memory.
            log: LogReader::new(disk.clone(), opened.reader.identity()),
            disk: disk.clone(),
            durable: synced.clone(),
            inbox: inbox.clone(),
            findings: findings.clone(),
            metrics: scrub.clone(),
            clock: clock.clone(),
        };
        let watch = Watch {
            scrub,
            findings,
            metrics: metrics.clone(),
            inbox: inbox.clone(),
            durable: durable.clone(),
            room: room.clone(),
            clock: clock.clone(),
            client_keys: opened.engine.client_keys(),
            epochs: opened.engine.epochs(),
            release: release.clone(),
            standing: role.standing().cloned(),
        };
        let following = role.standing().map(|standing| Following {
            intake: Arc::default(),
            standing: standing.clone(),
            allegiance: allegiance.clone(),
            is_at_end: false,
        });
        let intake = following.as_ref().map(|following| following.intake.clone());
        let observer = watching.observer.clone();
        let engine = EngineThread {
            following,
            release: release.clone(),
            observer,
            digested: opened.durable,
            digest_bytes: watching.digest_bytes,
            backstage: Backstage::new(
                job_sender,
                done,
                metrics.clone(),
                clock.clone(),
                watching.observer,
            ),
            metrics: metrics.clone(),
            inbox: inbox.clone(),
            log: log_sender,
            durable: if is_standby { synced.clone() } else { durable.clone() },
            room: room.clone(),
            clock: clock.clone(),
            is_blocked: false,
            rest: None,
            engine: opened.engine,
        };
        let reader = opened.reader.clone();
        let log = opened.ending.map(|(writer, preparer)| {
            let log = LogThread {
                end: opened.durable,
                writer,
                reader: opened.reader.clone(),
                turns,
                release: release.clone(),
                inbox: inbox.clone(),
                metrics: metrics.clone(),
                clock,
            };
            (log, preparer)
        });
        let background = Background {
            runs: engine.engine.run_names().collect(),
            disk,
            reader: opened.reader,
            store: opened.store,
            // A checkpoint is of what is durable here, whoever else has it.
            durable: synced,
            jobs,
            done: done_sender,
            inbox: inbox.clone(),
            waiting: VecDeque::new(),
            ahead: ReadAhead::new(Instant::now()),
            metrics,
        };
        let log = match log {
            None => None,
            Some((log, preparer)) => {
                let preparer_room = room.clone();
                let log = named("florin-log").spawn(move || log.run())?;
                let preparer =
                    named("florin-preparer").spawn(move || room::run(preparer, &preparer_room))?;
                Some((log, preparer))
            }
        };
        let threads = Threads {
            inbox: inbox.clone(),
            release: release.clone(),
            room,
            engine: named("florin-engine").spawn(move || engine.run())?,
            log,
            intake: intake.clone(),
            background: named("florin-background").spawn(move || background.run())?,
            scrubber: start_scrubber(eyes, watching.scrub_bytes_per_second)?,
        };
        let parts = RunningParts { intake, release, inbox, reader };
        Ok(Running { threads, reads, watch, parts })
    }

    /// Finishes what was accepted, writes a witness and a checkpoint, and ends all threads.
    pub(crate) fn close(self) -> Result<(), Error> {
        if let Some((stop, scrubber)) = self.scrubber {
            drop(stop);
            // A defect in it harmed nobody, and was told when it happened.
            drop(scrubber.join());
        }
        // What is durable here and not applied is applied when it is opened again. Whoever copies may wait for
        // room, and the close for whoever copies.
        if let Some(intake) = &self.intake {
            intake.refuse(stopped());
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        let promise = Promise::new(move |answer| drop(sender.send(answer)));
        self.inbox.submit(Task::Close(promise));
        let answer = receiver.recv().unwrap_or_else(|_| Err(stopped()));
        let engine = self.engine.join();
        // Before the log thread cuts its segment: the preparer must not make it longer again.
        self.room.stop();
        let log = self.log.map(|(log, preparer)| (preparer.join(), log.join()));
        // Whoever waits for more waits in vain.
        self.release.fail();
        let background = self.background.join();
        if engine.is_err() || background.is_err() {
            return Err(stopped());
        }
        if let Some((preparer, log)) = log {
            let (Ok(log), Ok(preparer)) = (log, preparer) else { return Err(stopped()) };
            let end = self.release.synced().get();
            let log = log.and_then(|()| match preparer.close(end) {
                Ok(()) | Err(PrepareError::DiskFull) => Ok(()),
                Err(PrepareError::Io(error)) => Err(error),
            });
            answer?;
            return log.map_err(|error| closing_error(&error));
        }
        answer
    }

    /// Whether this is one of them: a reply is called from one, and must not wait for its end.
    pub(crate) fn is_this_one(&self) -> bool {
        let this = std::thread::current().id();
        let handles = [self.engine.thread(), self.background.thread()];
        let log = self.log.iter().map(|(log, _)| log.thread());
        let scrubber = self.scrubber.iter().map(|(_, scrubber)| scrubber.thread());
        handles.into_iter().chain(log).chain(scrubber).any(|thread| thread.id() == this)
    }
}

/// Whether the database decides, or applies what another decides.
pub(crate) enum Role {
    Deciding,
    Following(Arc<Standing>),
}

impl Role {
    fn standing(&self) -> Option<&Arc<Standing>> {
        match self {
            Role::Deciding => None,
            Role::Following(standing) => Some(standing),
        }
    }
}

/// What runs, and what others reach it by.
pub(crate) struct Running {
    pub(crate) threads: Threads,
    pub(crate) reads: Reads,
    pub(crate) watch: Watch,
    pub(crate) parts: RunningParts,
}

/// What a follower needs of it.
pub(crate) struct RunningParts {
    /// `None` if the database decides.
    pub(crate) intake: Option<Arc<Intake>>,
    pub(crate) release: Arc<Release>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) reader: LogReader,
}

/// What is done beside serving.
pub(crate) struct Watching {
    pub(crate) observer: Observer,
    /// 0: no scrubber.
    pub(crate) scrub_bytes_per_second: u64,
    /// Log bytes between two digests.
    pub(crate) digest_bytes: u64,
}

fn start_scrubber(
    eyes: Eyes,
    bytes_per_second: u64,
) -> io::Result<Option<(Sender<()>, JoinHandle<()>)>> {
    if bytes_per_second == 0 {
        return Ok(None);
    }
    let (stop, stopping) = mpsc::channel();
    let scrubber = Scrubber::new(eyes);
    let thread = named("florin-scrubber").spawn(move || {
        // Whoever wants the processor goes first. Of this thread alone; where it can't be, it is as
        // urgent as the others.
        let _ = nice(SCRUBBER_NICE);
        scrubber.run(bytes_per_second, &stopping)
    })?;
    Ok(Some((stop, thread)))
}

fn named(name: &str) -> Builder {
    Builder::new().name(name.to_owned())
}

fn closing_error(error: &io::Error) -> Error {
    Error::new(
        ErrorKind::Io,
        format!("closing the log: {error}; everything that was answered is durable"),
    )
}
