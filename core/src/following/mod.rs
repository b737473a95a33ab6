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
mod rewind;
mod run;
pub(crate) mod standing;

use crate::clock::{Clock, SystemClock};
use crate::database::Database;
use crate::disk::os::OsDisk;
use crate::disk::{Access, Disk};
use crate::driver::Role;
use crate::driver::inbox::Inbox;
use crate::driver::intake::{Intake, Taken};
use crate::driver::release::Release;
use crate::error::{Error, ErrorKind};
use crate::group::{Allegiance, NodeStanding, Term};
use crate::log::segment::{self, Found};
use crate::log::{CopiedFrame, CopyWriter, FramePosition, LogReader, identify};
use crate::metrics::Metrics;
use crate::opening::{self, Copying};
use crate::options::Options;
use crate::sealing;
use crate::shipping::FollowFrom;
use mark::{MarkState, StandbyMark};
pub use rewind::{NewPrimary, Rewound, finish_rewinding, finish_rewinding_on, rewind, rewind_on};
use run::{Item, Run};
pub use standing::PromotionAsked;
use standing::Standing;
use std::fmt;
use std::io;
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
    pub(crate) allegiance: Arc<Allegiance>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Follower {
    pub(crate) fn new(writer: CopyWriter, parts: Parts) -> Follower {
        let segment_bytes = parts.reader.identity().geometry.segment_bytes();
        Follower { writer, run: Run::new(segment_bytes), parts, staged: Vec::new() }
    }

    /// Where the primary shall go on from, over a new connection: what had not arrived whole is forgotten.
    /// Everything before that is durable here.
    ///
    /// # Errors
    /// [`ErrorKind::Stopped`]: a write or sync failed, and nobody knows what is durable; open it again.
    pub fn begin(&mut self) -> Result<FollowFrom, Error> {
        self.run.clear();
        let NodeStanding { promised, must_compare, .. } = self.parts.allegiance.standing();
        Ok(FollowFrom {
            incarnation: self.parts.reader.identity().incarnation,
            life: self.parts.metrics.engine.life(),
            node: self.parts.node,
            position: self.writer.durable_position()?,
            promised,
            must_compare,
        })
    }

    /// Whether what is durable here may be acknowledged: not before the state of one that was a primary, or had
    /// what another never had, was found to be its primary's.
    #[must_use]
    pub fn may_acknowledge(&self) -> bool {
        self.parts.allegiance.may_acknowledge()
    }

    /// The primary is there from now on; empty if nobody knows where.
    pub fn turn_to(&self, primary: &str) {
        self.parts.standing.turn_to(primary);
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
    /// [`ErrorKind::Fenced`] if it is of a primary whose time is over: nothing of it was written;
    /// [`ErrorKind::Stopped`]: the database takes nothing more, for the reason given.
    pub fn take(&mut self, batch: &[u8]) -> Result<FramePosition, Error> {
        // Whatever the engine had to say, it is over for good.
        let ended = |error: Error| Error::new(ErrorKind::Stopped, error.to_string());
        self.parts.intake.wait_for_room().map_err(ended)?;
        if self.parts.inbox.is_closed() {
            return Err(crate::driver::promise::stopped());
        }
        let head = self.run.extend(batch)?;
        let allegiance = Arc::clone(&self.parts.allegiance);
        // Until all of it is durable: a promise that is given meanwhile tells the end behind it.
        let _hearing = allegiance.hear(head.term)?;
        let staged = self.stage();
        // What followed before the one that does not is good.
        let durable = self.make_durable();
        if let Ok(position) = &durable {
            // Whatever was refused: what is lacking is known.
            self.parts.standing.heard(head.primary_end, position.lsn);
        }
        let taken = staged.and(durable);
        if let Err(error) = &taken
            && error.kind() == ErrorKind::Stopped
        {
            self.parts.stop(error);
        }
        taken
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
            return writer.durable_position();
        }
        let end = writer.sync()?;
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

impl Parts {
    /// Nothing more is taken, for good: whoever serves this standby hears of it, and nobody takes it for one
    /// that follows.
    fn stop(&self, error: &Error) {
        self.release.fail();
        self.inbox.close_because(error.clone());
        self.standing.stopped(error);
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // Only a defect brings it here; then nothing follows any more, and nobody would say so.
        if std::thread::panicking() {
            self.parts.stop(&Error::new(
                ErrorKind::Stopped,
                "taking what the primary sent has panicked: report it, then start again",
            ));
        }
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("writer", &self.writer).finish_non_exhaustive()
    }
}

/// What a directory's node does when it is served.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    /// It decides, in this term.
    Decides(Term),
    /// It follows, and whom it followed last.
    Follows(String),
    /// It was cut off while it went back behind that primary: [`finish_rewinding`] first.
    Rewinds(String),
}

/// The part of the node in a directory; `None` if it has none yet. Nobody may have it open.
///
/// # Errors
/// [`ErrorKind::Unusable`] if it is open elsewhere, or foreign; [`ErrorKind::Corrupt`] if the file that says so is
/// damaged; [`ErrorKind::Io`].
pub fn part_of(directory: &Path) -> Result<Option<Part>, Error> {
    if !directory.is_dir() {
        return Ok(None);
    }
    let mark = StandbyMark::read(&OsDisk::open(directory)?)?;
    Ok(mark.map(|mark| match mark.state {
        MarkState::Decides if mark.promised <= mark.term => Part::Decides(mark.term),
        MarkState::Rewinds(_) => Part::Rewinds(mark.primary),
        _ => Part::Follows(mark.primary),
    }))
}

/// How a standby becomes the primary.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Promotion {
    /// In this term, which the node has promised and others have with it: what was told is not lost.
    Elected(Term),
    /// In the next term, whatever others have promised or have: on record as such.
    Forced,
}

impl Promotion {
    /// The term; [`Term::NONE`] by force: it is not known before it begins.
    #[must_use]
    pub fn term(self) -> Term {
        match self {
            Promotion::Elected(term) => term,
            Promotion::Forced => Term::NONE,
        }
    }
}

/// Makes a directory that followed one that decides: the next opening without following begins an epoch of
/// its own. Nobody may have it open. Returns when that is durable; doing it twice is doing it once.
///
/// # Errors
/// [`ErrorKind::Unusable`] if the directory is open elsewhere, never followed, or has nothing of a log;
/// [`ErrorKind::Corrupt`] if its state was found not to be its primary's; [`ErrorKind::Fenced`] if it has promised a
/// later term since; [`ErrorKind::Io`].
pub fn promote(directory: &Path, promotion: Promotion) -> Result<(), Error> {
    if !directory.is_dir() {
        return Err(opening::no_directory(directory));
    }
    promote_on(&OsDisk::open(directory)?, promotion)
}

/// The same on any disk.
///
/// # Errors
/// As [`promote`].
pub fn promote_on(disk: &dyn Disk, promotion: Promotion) -> Result<(), Error> {
    let Some(mark) = StandbyMark::read(disk)? else {
        // What is only being made into a standby, or restored, says so.
        identify(disk)?;
        let message = "this directory never followed anybody: serve it, it is a primary";
        return Err(Error::new(ErrorKind::Unusable, message));
    };
    match mark.state {
        MarkState::Decides if mark.term == mark.promised => return Ok(()),
        MarkState::Decides | MarkState::Follows => {}
        MarkState::Differs(at) => return Err(mark::difference(at)),
        MarkState::Rewinds(_) => {
            let message = "this node was cut off while it set aside what its new primary never had, and is no copy \
                           of anything now: promote another";
            return Err(Error::new(ErrorKind::Unusable, message));
        }
    }
    if !has_frames(disk)? {
        let message = "nothing was copied into this directory: promoted, it would be an empty bank; \
                       promote another standby";
        return Err(Error::new(ErrorKind::Unusable, message));
    }
    let term = match promotion {
        Promotion::Forced => mark.promised.next_of(mark.node),
        Promotion::Elected(term) if term == mark.promised => term,
        Promotion::Elected(term) => {
            let promised = mark.promised;
            let message =
                format!("term {term} is over before it began: term {promised} was promised since");
            return Err(Error::new(ErrorKind::Fenced, message));
        }
    };
    let promoted = StandbyMark {
        state: MarkState::Decides,
        term,
        promised: term,
        must_compare: false,
        begins_term: true,
        is_forced: promotion == Promotion::Forced,
        ..mark
    };
    promoted.write(disk)
}

/// Whether a log begins in a directory.
fn has_frames(disk: &dyn Disk) -> Result<bool, Error> {
    let Some(identity) = identify(disk)? else { return Ok(false) };
    let Some(first) = segment::list(disk)?.first().copied() else { return Ok(false) };
    let Found::Segment(segment) = segment::open(disk, identity, first, Access::Read)? else {
        return Ok(false);
    };
    let place = identity.geometry.first_place(first);
    let offset = identity.geometry.offset(place);
    let mut head = [0; 16];
    match segment.file.read_exact_at(&mut head, offset) {
        Ok(()) => Ok(head != [0; 16]),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => {
            Err(Error::new(ErrorKind::of_io(&error), format!("reading the log: {error}")))
        }
    }
}

impl Database {
    /// Opens a directory to follow a primary: everything but deciding works as in any database, and frames
    /// come in through the [`Follower`]. An empty directory becomes the beginning of a copy; `origin` is
    /// asked for then: what [`Database::origin`] says at the primary. A directory that was a primary may
    /// follow if the new primary has all that it has. `primary` is where writes are sent.
    ///
    /// # Errors
    /// As [`Database::open`]; [`ErrorKind::Unusable`] if the directory was promoted; [`ErrorKind::Corrupt`] if
    /// its state was found not to be its primary's; those of `origin`.
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
        let allegiance = database.allegiance();
        let parts = Parts {
            node,
            intake: parts.intake.expect("who follows has an intake"),
            release: parts.release,
            inbox: parts.inbox,
            reader: parts.reader,
            standing,
            allegiance,
            metrics: database.watch().metrics.clone(),
        };
        Ok((database, Follower::new(writer, parts)))
    }

    /// Whether this database follows another.
    #[must_use]
    pub fn is_standby(&self) -> bool {
        self.standing().is_some()
    }

    /// Asks whoever runs this standby to promote it ([`Database::on_promotion`]): to close it, and to open
    /// it as a primary ([`crate::following::promote`]). Waits for the answer: the term that it is elected for, or
    /// [`Term::NONE`] by force. A later one that is promised before it begins undoes it.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if it is none, has copied nothing, or nobody here knows how; why it can't be promoted.
    pub fn ask_for_promotion(&self, is_forced: bool) -> Result<Term, Error> {
        match self.standing() {
            Some(_) if self.release().synced().get() <= FramePosition::GENESIS.lsn => {
                let message = "this standby has copied nothing yet: promote another";
                Err(Error::new(ErrorKind::Invalid, message))
            }
            Some(standing) => standing.ask_for_promotion(is_forced),
            None => Err(Error::new(ErrorKind::Invalid, "this is a primary already")),
        }
    }

    /// Calls `promote` whenever [`Database::ask_for_promotion`] is called.
    pub fn on_promotion(&self, promote: impl Fn(PromotionAsked) + Send + 'static) {
        if let Some(standing) = self.standing() {
            standing.on_promotion(Box::new(promote));
        }
    }
}
