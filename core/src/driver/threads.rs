//! Starting the threads of an open database, and ending them in order.

use super::background::Background;
use super::backstage::Backstage;
use super::durable::Durable;
use super::engine_thread::EngineThread;
use super::inbox::{Inbox, Task};
use super::log_thread::LogThread;
use super::promise::{Promise, stopped};
use super::read_ahead::ReadAhead;
use super::room::{self, RoomAhead};
use crate::clock::Clock;
use crate::disk::Disk;
use crate::error::{Error, ErrorKind};
use crate::event::Observer;
use crate::log::{LogReader, PrepareError, Preparer};
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
    durable: Arc<Durable>,
    room: Arc<RoomAhead>,
    engine: JoinHandle<()>,
    log: JoinHandle<io::Result<()>>,
    preparer: JoinHandle<Preparer>,
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
    ) -> io::Result<(Threads, Reads, Watch)> {
        let inbox = Arc::new(Inbox::default());
        let durable = Arc::new(Durable::new(opened.durable));
        let room = Arc::new(RoomAhead::new(opened.preparer.room(), opened.durable));
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
            durable: durable.clone(),
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
        };
        let engine = EngineThread {
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
            durable: durable.clone(),
            room: room.clone(),
            clock: clock.clone(),
            is_blocked: false,
            engine: opened.engine,
        };
        let log = LogThread {
            writer: opened.writer,
            reader: opened.reader.clone(),
            turns,
            durable: durable.clone(),
            inbox: inbox.clone(),
            metrics: metrics.clone(),
            clock,
        };
        let background = Background {
            runs: engine.engine.run_names().collect(),
            disk,
            reader: opened.reader,
            store: opened.store,
            durable: durable.clone(),
            jobs,
            done: done_sender,
            inbox: inbox.clone(),
            waiting: VecDeque::new(),
            ahead: ReadAhead::new(Instant::now()),
            metrics,
        };
        let (preparer, preparer_room) = (opened.preparer, room.clone());
        let threads = Threads {
            inbox,
            durable,
            room,
            engine: named("florin-engine").spawn(move || engine.run())?,
            log: named("florin-log").spawn(move || log.run())?,
            preparer: named("florin-preparer")
                .spawn(move || room::run(preparer, &preparer_room))?,
            background: named("florin-background").spawn(move || background.run())?,
            scrubber: start_scrubber(eyes, watching.scrub_bytes_per_second)?,
        };
        Ok((threads, reads, watch))
    }

    /// Finishes what was accepted, writes a witness and a checkpoint, and ends all threads.
    pub(crate) fn close(self) -> Result<(), Error> {
        if let Some((stop, scrubber)) = self.scrubber {
            drop(stop);
            // A defect in it harmed nobody, and was told when it happened.
            drop(scrubber.join());
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        let promise = Promise::new(move |answer| drop(sender.send(answer)));
        self.inbox.submit(Task::Close(promise));
        let answer = receiver.recv().unwrap_or_else(|_| Err(stopped()));
        let engine = self.engine.join();
        // Before the log thread cuts its segment: the preparer must not make it longer again.
        self.room.stop();
        let preparer = self.preparer.join();
        let log = self.log.join();
        // Whoever waits for more waits in vain.
        self.durable.fail();
        let background = self.background.join();
        if engine.is_err() || background.is_err() {
            return Err(stopped());
        }
        let (Ok(log), Ok(preparer)) = (log, preparer) else { return Err(stopped()) };
        let log = log.and_then(|()| match preparer.close(self.durable.get()) {
            Ok(()) | Err(PrepareError::DiskFull) => Ok(()),
            Err(PrepareError::Io(error)) => Err(error),
        });
        answer?;
        log.map_err(|error| closing_error(&error))
    }

    /// Whether this is one of them: a reply is called from one, and must not wait for its end.
    pub(crate) fn is_this_one(&self) -> bool {
        let this = std::thread::current().id();
        let handles = [self.engine.thread(), self.log.thread(), self.background.thread()];
        let scrubber = self.scrubber.iter().map(|(_, scrubber)| scrubber.thread());
        handles.into_iter().chain(scrubber).any(|thread| thread.id() == this)
    }
}

/// What is done beside serving.
pub(crate) struct Watching {
    pub(crate) observer: Observer,
    /// 0: no scrubber.
    pub(crate) scrub_bytes_per_second: u64,
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
