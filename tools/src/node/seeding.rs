//! What a standby does before it follows, if it has nothing yet: it takes its primary's newest checkpoint and log.
//!
//! Nothing is served meanwhile. A primary that can't be reached any more, and a disk that is full, are waited for.

use crate::exit::Failure;
use crate::node::going_back::let_go_of;
use crate::node::peers::Peers;
use crate::progress;
use crate::source::Served;
use florin_core::backup::{Progress, Source};
use florin_core::seeding::{self, Offered, SeedSource, Seeded};
use florin_core::snapshot::Snapshot;
use florin_core::{Error, ErrorKind, Options};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tracing::{info, warn};

/// How long it waits before it goes on with what was cut off.
const PAUSE: Duration = Duration::from_secs(1);
/// How long if there is no room: what has arrived is read again each time.
const ROOM_PAUSE: Duration = Duration::from_secs(10);
/// How often it says how far it is.
const SAY_EVERY: Duration = Duration::from_secs(10);
/// How often a standby may name another as its primary.
const HOPS_MAX: usize = 4;

/// A standby that is to be seeded.
pub(crate) struct Seeding<'a> {
    pub(crate) directory: &'a Path,
    pub(crate) options: &'a Options,
    pub(crate) runtime: &'a Runtime,
    pub(crate) peers: &'a Peers,
    /// Bytes a second that are asked for at most; 0: as fast as it goes.
    pub(crate) bytes_per_second: u64,
}

impl Seeding<'_> {
    /// Seeds a directory that has nothing, or not everything yet, from the primary at an address, or from the one
    /// that it names. Leaves one that is to be followed with from its beginning as it is: the primary has no
    /// checkpoint, or can't offer one.
    ///
    /// # Errors
    /// If the primary can't be asked and nothing was begun, or the directory can't be used.
    pub(crate) fn seed(&self, address: &str) -> Result<(), Failure> {
        let failed = |error: Error| {
            let directory = self.directory.display();
            Failure::unavailable(format!("can't give {directory} what {address} has: {error}"))
        };
        if !let_go_of(|| seeding::is_wanted(self.directory)).map_err(failed)? {
            return Ok(());
        }
        let mut has_begun = let_go_of(|| seeding::is_begun(self.directory)).map_err(failed)?;
        loop {
            let (attempt, was_cut) = self.attempt(address);
            let error = match attempt {
                Ok(None) => return Ok(()),
                Ok(Some(seeded)) => {
                    say(address, &seeded);
                    return Ok(());
                }
                Err(error) => error,
            };
            has_begun =
                has_begun || let_go_of(|| seeding::is_begun(self.directory)).map_err(failed)?;
            let may_pass = was_cut || error.kind() == ErrorKind::DiskFull;
            // Others are being seeded, and have less to do with every second.
            let is_busy = error.kind() == ErrorKind::Busy;
            let goes_on = is_busy || (has_begun && may_pass);
            if !goes_on {
                return Err(failed(error));
            }
            warn!(primary = address, "seeding was cut off, and goes on in a moment: {error}");
            std::thread::sleep(if error.kind() == ErrorKind::DiskFull {
                ROOM_PAUSE
            } else {
                PAUSE
            });
        }
    }

    /// Does all that is left, and says whether it was the way to the primary that was cut.
    fn attempt(&self, address: &str) -> (Result<Option<Seeded>, Error>, bool) {
        let client = match self.runtime.block_on(self.peers.primary_from(address, HOPS_MAX)) {
            Ok(client) => client,
            Err(error) => return (Err(error), true),
        };
        let served = Served::over(self.runtime.handle().clone(), client);
        let way = Way {
            served,
            bytes_per_second: self.bytes_per_second,
            next: Mutex::new(Instant::now()),
            was_cut: AtomicBool::new(false),
        };
        info!(
            primary = address,
            "this standby has nothing yet, or not all: it is given checkpoint and log"
        );
        let bar = progress::bytes(None, "seeding");
        let mut said = Instant::now();
        let mut progress = |Progress { done_bytes, total_bytes }: Progress| {
            bar.set_length(total_bytes);
            bar.set_position(done_bytes);
            if SAY_EVERY <= said.elapsed() {
                said = Instant::now();
                info!(primary = address, done_bytes, total_bytes, "seeding");
            }
        };
        let seeded =
            let_go_of(|| seeding::seed(self.directory, address, &way, self.options, &mut progress));
        bar.finish_and_clear();
        (seeded, way.was_cut.into_inner())
    }
}

fn say(address: &str, seeded: &Seeded) {
    let Seeded { end, checkpoint, kept_bytes } = seeded;
    match checkpoint {
        Ok(position) => {
            info!(primary = address, checkpoint = position.0, end = end.0, kept_bytes, "seeded");
        }
        Err(error) => warn!(
            primary = address,
            end = end.0,
            "seeded without a checkpoint, so all of the log is applied now: {error}"
        ),
    }
}

/// The way to a primary: no faster than it may be, and known for what failed on it.
struct Way {
    served: Served,
    bytes_per_second: u64,
    /// When everything that was asked for so far is paid for.
    next: Mutex<Instant>,
    was_cut: AtomicBool,
}

impl Way {
    fn noted<T>(&self, answer: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &answer
            && error.kind() != ErrorKind::Corrupt
        {
            self.was_cut.store(true, Ordering::Relaxed);
        }
        answer
    }

    /// Waits until so much may be taken.
    fn pace(&self, bytes: usize) {
        let Some(rate) = u32::try_from(self.bytes_per_second).ok().filter(|rate| 0 < *rate) else {
            return;
        };
        let now = Instant::now();
        let due = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let due = (*next).max(now);
            let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
            *next = due + Duration::from_secs(1) * bytes / rate;
            due
        };
        std::thread::sleep(due - now);
    }
}

impl Source for Way {
    fn snapshot(&self) -> Result<Snapshot, Error> {
        self.noted(Source::snapshot(&self.served))
    }

    fn segment(&self, number: u64, bytes: usize) -> Result<Vec<u8>, Error> {
        let content = self.noted(self.served.segment(number, bytes))?;
        self.pace(content.len());
        Ok(content)
    }
}

impl SeedSource for Way {
    fn offer(&self) -> Result<Option<(Snapshot, Offered)>, Error> {
        self.noted(self.served.offer())
    }

    fn piece(&self, id: u64, part: u32, from: u64) -> Result<Vec<u8>, Error> {
        let piece = self.noted(self.served.piece(id, part, from))?;
        self.pace(piece.len());
        Ok(piece)
    }
}
