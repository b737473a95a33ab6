//! Log shipping, the standby's side: a database whose frames come from elsewhere.
//!
//! - A frame is checked whole, against the standby's own end, before a byte of it is written: place, tags,
//!   hashes, chain, seals, records.
//! - It is durable here before it is acknowledged, and acknowledged before it is applied.
//! - What does not follow is refused, and nothing of it is written. What can't be applied, or gives
//!   another state than the primary's, ends following for good.
//!
//! The [`Follower`] works on its caller's thread: whoever has the connection. The engine applies on its own.

pub(crate) mod mark;
mod run;
pub(crate) mod standing;

use crate::clock::{Clock, SystemClock};
use crate::database::Database;
use crate::disk::Disk;
use crate::disk::os::OsDisk;
use crate::driver::Role;
use crate::driver::inbox::Inbox;
use crate::driver::intake::{Intake, Taken};
use crate::driver::release::Release;
use crate::error::{Error, ErrorKind};
use crate::log::{CopiedFrame, CopyWriter, FramePosition, LogReader};
use crate::opening::{self, Copying};
use crate::options::Options;
use crate::sealing;
use crate::shipping::FollowFrom;
use mark::{MarkState, StandbyMark};
use run::{Item, Run};
use standing::Standing;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// The only end through which frames come into a database that follows. Drop it before its directory is
/// opened again: it keeps the directory in use.
pub struct Follower {
    writer: CopyWriter,
    run: Run,
    parts: Parts,
    /// Frames that are appended and not durable yet, and digests between them.
    staged: Vec<Taken>,
}

/// What a follower shares with the database.
pub(crate) struct Parts {
    pub(crate) node: u128,
    pub(crate) intake: Arc<Intake>,
    pub(crate) release: Arc<Release>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) reader: LogReader,
    pub(crate) standing: Arc<Standing>,
}

impl Follower {
    pub(crate) fn new(writer: CopyWriter, parts: Parts) -> Follower {
        let segment_bytes = parts.reader.identity().geometry.segment_bytes();
        Follower { writer, run: Run::new(segment_bytes), parts, staged: Vec::new() }
    }

    /// Where the primary shall go on from, over a new connection: what had not arrived whole is forgotten.
    pub fn begin(&mut self) -> FollowFrom {
        self.run.clear();
        FollowFrom {
            incarnation: self.parts.reader.identity().incarnation,
            node: self.parts.node,
            position: self.writer.position(),
        }
    }

    /// The connection is there.
    pub fn connected(&self) {
        self.parts.standing.connected();
    }

    /// There is no connection, or what came over it was refused; the reason is shown.
    pub fn disconnected(&self, reason: &str) {
        self.parts.standing.disconnected(reason);
    }

    /// Takes a batch: checks, writes and syncs every frame that is whole. Returns up to where this copy is
    /// durable: what may be acknowledged. The engine applies later.
    ///
    /// Waits while the engine is far behind.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if something does not follow: nothing of it was written, ask again from
    /// [`Follower::begin`]; [`ErrorKind::DiskFull`]: likewise, once there is room;
    /// [`ErrorKind::Stopped`]: the database takes nothing more, for the reason given.
    pub fn take(&mut self, batch: &[u8]) -> Result<FramePosition, Error> {
        // Whatever the engine had to say, it is over for good.
        let ended = |error: Error| Error::new(ErrorKind::Stopped, error.to_string());
        self.parts.intake.wait_for_room().map_err(ended)?;
        if self.parts.inbox.is_closed() {
            return Err(crate::driver::promise::stopped());
        }
        let head = self.run.extend(batch)?;
        let staged = self.stage();
        // What followed before the one that does not is good.
        let position = self.make_durable();
        staged?;
        let position = position?;
        self.parts.standing.heard(head.primary_end, position.lsn);
        Ok(position)
    }

    /// Appends every frame that has arrived whole.
    fn stage(&mut self) -> Result<(), Error> {
        let Follower { writer, run, staged, .. } = self;
        while let Some(item) = run.next()? {
            match item {
                Item::Segment(header) => writer.begin_segment(header)?,
                Item::Frame(start, bytes) => {
                    let frame = CopiedFrame::check(
                        writer.segment(),
                        writer.position(),
                        start,
                        bytes,
                    )
                    .map_err(|damage| {
                        Error::corrupt(format!(
                            "what the primary sent does not follow this copy's log: {damage}; \
                                 nothing of it was written"
                        ))
                    })?;
                    writer.append(&frame, bytes)?;
                    staged.push(Taken::Frame(frame.into_opened()));
                }
                Item::Digest(at, digest) => staged.push(Taken::Digest(at, digest)),
            }
        }
        Ok(())
    }

    /// Syncs what was appended, and hands it on.
    fn make_durable(&mut self) -> Result<FramePosition, Error> {
        let Follower { writer, parts, staged, .. } = self;
        if staged.is_empty() {
            return Ok(writer.position());
        }
        let end = match writer.sync() {
            Ok(end) => end,
            Err(error) => {
                let message =
                    format!("writing the log failed ({error}): check the disk, then start again");
                let error = Error::new(ErrorKind::Stopped, message);
                parts.release.fail();
                parts.inbox.close_because(error.clone());
                return Err(error);
            }
        };
        let frames = staged.iter().filter_map(|taken| match taken {
            Taken::Frame(frame) => Some(Arc::clone(frame)),
            Taken::Digest(..) => None,
        });
        parts.reader.remember(frames);
        parts.release.make(end, Vec::new());
        parts.intake.put(staged.drain(..));
        parts.inbox.nudge();
        Ok(writer.position())
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("writer", &self.writer).finish_non_exhaustive()
    }
}

/// Makes a directory that followed one that decides: the next opening without following begins an epoch of
/// its own. Nobody may have it open. Returns when that is durable; doing it twice is doing it once.
///
/// The old primary must never decide again; this can't know whether it does.
///
/// # Errors
/// [`ErrorKind::Unusable`] if the directory is open elsewhere or never followed; [`ErrorKind::Io`].
pub fn promote(directory: &Path) -> Result<(), Error> {
    if !directory.is_dir() {
        return Err(opening::no_directory(directory));
    }
    promote_on(&OsDisk::open(directory)?)
}

/// The same on any disk.
///
/// # Errors
/// As [`promote`].
pub fn promote_on(disk: &dyn Disk) -> Result<(), Error> {
    let Some(mark) = StandbyMark::read(disk)? else {
        let message = "this directory never followed anybody: serve it, it is a primary";
        return Err(Error::new(ErrorKind::Unusable, message));
    };
    if mark.state == MarkState::Promoted {
        return Ok(());
    }
    StandbyMark { state: MarkState::Promoted, ..mark }.write(disk)
}

impl Database {
    /// Opens a directory to follow a primary: everything but deciding works as in any database, and frames
    /// come in through the [`Follower`]. An empty directory becomes the beginning of a copy; `origin` is
    /// asked for then: what [`Database::origin`] says at the primary. A directory that was a primary may
    /// follow if the new primary has all that it has. `primary` is where writes are sent.
    ///
    /// # Errors
    /// As [`Database::open`]; [`ErrorKind::Unusable`] if the directory was promoted; those of `origin`.
    pub fn follow(
        directory: &Path,
        primary: &str,
        origin: impl FnOnce() -> Result<Vec<u8>, Error>,
        options: Options,
    ) -> Result<(Database, Follower), Error> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        Database::follow_on(Arc::new(OsDisk::open(directory)?), clock, primary, origin, options)
    }

    /// Follows with any disk, with any clock.
    ///
    /// # Errors
    /// As [`Database::follow`].
    pub fn follow_on(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        primary: &str,
        origin: impl FnOnce() -> Result<Vec<u8>, Error>,
        options: Options,
    ) -> Result<(Database, Follower), Error> {
        let disk = sealing::unlock(disk, options.key.as_deref())?;
        let log = options.log()?;
        let Copying { opened, writer, node } = opening::follow(&disk, log, primary, origin)?;
        let standing = Arc::new(Standing::new(primary, node, clock.clone()));
        let role = Role::Following(standing.clone());
        let (database, parts) = Database::start(opened, disk, clock, options, role)?;
        let parts = Parts {
            node,
            intake: parts.intake.expect("who follows has an intake"),
            release: parts.release,
            inbox: parts.inbox,
            reader: parts.reader,
            standing,
        };
        Ok((database, Follower::new(writer, parts)))
    }

    /// Whether this database follows another.
    #[must_use]
    pub fn is_standby(&self) -> bool {
        self.standing().is_some()
    }

    /// Asks whoever runs this standby to promote it ([`Database::on_promotion`]): to close it, and to open
    /// it as a primary ([`crate::following::promote`]).
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if it is none, or nobody here knows how.
    pub fn ask_for_promotion(&self) -> Result<(), Error> {
        match self.standing() {
            Some(standing) => standing.ask_for_promotion(),
            None => Err(Error::new(ErrorKind::Invalid, "this is a primary already")),
        }
    }

    /// Calls `promote` once when [`Database::ask_for_promotion`] was called.
    pub fn on_promotion(&self, promote: impl FnOnce() + Send + 'static) {
        if let Some(standing) = self.standing() {
            standing.on_promotion(Box::new(promote));
        }
    }
}
