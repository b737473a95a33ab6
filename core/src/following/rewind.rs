//! Going back to where another history began: what this node has and its new primary never had is set aside.
//!
//! - The fork is found by the chain: a position that both logs have, chain hash included, proves all before it.
//! - Nothing is deleted. What lies behind the fork is copied to `diverged/`, where it can be read; only then is the
//!   log cut, and before that everything derived that knows more than the fork is forgotten.
//! - A crash at any point of it leaves a node that goes on with it, and does nothing else before.
//! - The node acknowledges nothing before its whole state was found to be its new primary's.

use super::mark::{MarkState, StandbyMark};
use crate::disk::os::OsDisk;
use crate::disk::{Access, Disk, DiskFile};
use crate::error::{Error, ErrorKind};
use crate::group::Term;
use crate::log::segment::{self, DIRECTORY};
use crate::log::unproven;
use crate::log::{CopyWriter, FramePosition, Frames, Geometry, Identity, LogReader, identify};
use crate::opening::{self, Checkpoint, random_u128};
use crate::options::Options;
use crate::rebuild::delete_projections;
use crate::sealing;
use florin_ledger::Lsn;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Where what another never had is kept: for each time a directory of its own.
const DIVERGED: &str = "diverged";
/// Bytes copied at once.
const COPY_BYTES: usize = 1 << 20;

/// What became of a node that follows another primary.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rewound {
    /// Where its log ends now: the new primary has all before it.
    pub to: Lsn,
    /// Where the segments are, in the data directory, of which it never had all; `None` if there are none.
    pub set_aside: Option<String>,
}

/// A primary that others may go back to.
pub struct NewPrimary<'a> {
    /// Where it is.
    pub address: &'a str,
    /// Its term.
    pub term: Term,
    /// Whether its log, of the database of this number, has a position, chain hash included. Asked some twenty times.
    pub has: &'a mut dyn FnMut(u128, FramePosition) -> Result<bool, Error>,
}

impl std::fmt::Debug for NewPrimary<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewPrimary").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Makes the directory of a node one that follows a primary of a later term, whatever it was before. Nobody may
/// have it open. Returns when that is durable. O(log behind the checkpoint + what is set aside); what is derived
/// is derived anew at the next opening if it knows of anything behind the fork.
///
/// # Errors
/// [`ErrorKind::Fenced`] if the primary's term is not above the node's: then it is the other that has to go back;
/// [`ErrorKind::Unusable`] if the directory is open elsewhere or no copy; [`ErrorKind::Corrupt`] if its log has lost
/// something durable; [`ErrorKind::DiskFull`]; [`ErrorKind::Io`]; those of asking the primary.
pub fn rewind(
    directory: &Path,
    primary: NewPrimary<'_>,
    options: &Options,
) -> Result<Rewound, Error> {
    if !directory.is_dir() {
        return Err(opening::no_directory(directory));
    }
    rewind_on(Arc::new(OsDisk::open(directory)?), primary, options)
}

/// Goes on with that where it was cut off; no primary is needed any more.
///
/// # Errors
/// [`ErrorKind::Unusable`] if it was not begun; as [`rewind`].
pub fn finish_rewinding(directory: &Path, options: &Options) -> Result<Rewound, Error> {
    if !directory.is_dir() {
        return Err(opening::no_directory(directory));
    }
    finish_rewinding_on(Arc::new(OsDisk::open(directory)?), options)
}

/// The same on any disk.
///
/// # Errors
/// As [`finish_rewinding`].
pub fn finish_rewinding_on(disk: Arc<dyn Disk>, options: &Options) -> Result<Rewound, Error> {
    // It was asked before the fork was on record.
    let mut nobody =
        |_, _| -> Result<bool, Error> { unreachable!("a fork on record is not sought") };
    let primary = NewPrimary { address: "", term: Term::NONE, has: &mut nobody };
    match StandbyMark::read(disk.as_ref())? {
        Some(StandbyMark { state: MarkState::Rewinds(_), .. }) => rewind_on(disk, primary, options),
        _ => {
            let message = "nothing of this node is being set aside";
            Err(Error::new(ErrorKind::Unusable, message))
        }
    }
}

/// The same on any disk.
///
/// # Errors
/// As [`rewind`].
pub fn rewind_on(
    disk: Arc<dyn Disk>,
    primary: NewPrimary<'_>,
    options: &Options,
) -> Result<Rewound, Error> {
    let disk = sealing::unlock(disk, options.key.as_deref())?;
    let identity = identify(disk.as_ref())?.ok_or_else(|| {
        Error::new(ErrorKind::Unusable, "the directory has no log: follow with it as it is")
    })?;
    opening::check_key(disk.as_ref(), identity)?;
    let mark = match StandbyMark::read(disk.as_ref())? {
        Some(mark) => mark,
        None => StandbyMark::new(MarkState::Decides, random_u128()?, ""),
    };
    let mark = match mark.state {
        // It goes on with what it has begun, and whoever it was for.
        MarkState::Rewinds(_) => mark,
        _ => StandbyMark {
            promised: mark.promised.max(primary.term),
            primary: primary.address.to_owned(),
            ..mark
        },
    };
    let going_back =
        GoingBack { disk, identity, mark, free_bytes_min: options.preparer.free_bytes_min };
    match going_back.mark.state {
        MarkState::Differs(at) => Err(super::mark::difference(at)),
        MarkState::Rewinds(to) => going_back.finish(to),
        MarkState::Follows | MarkState::Decides if primary.term <= going_back.mark.term => {
            let (own, other) = (going_back.mark.term, primary.term);
            Err(Error::new(
                ErrorKind::Fenced,
                format!(
                    "this node is of term {own}, and {} of term {other}: it is the other that goes back",
                    primary.address
                ),
            ))
        }
        MarkState::Follows | MarkState::Decides => going_back.begin(primary),
    }
}

struct GoingBack {
    disk: Arc<dyn Disk>,
    identity: Identity,
    mark: StandbyMark,
    free_bytes_min: u64,
}

impl GoingBack {
    fn begin(mut self, primary: NewPrimary<'_>) -> Result<Rewound, Error> {
        let checkpoint = opening::load(&self.disk, self.identity)?;
        let reader = LogReader::new(self.disk.clone(), self.identity);
        let end = opening::judge_from(&reader, &checkpoint)?;
        let incarnation = self.identity.incarnation;
        let fork = find_fork(&reader, end, &mut |position| (primary.has)(incarnation, position))?;
        if fork == end {
            // What it decided itself it computed itself; a copy was compared all along.
            self.mark.must_compare |= self.mark.state == MarkState::Decides;
            return self.follow(fork.lsn, None);
        }
        self.mark.state = MarkState::Rewinds(fork.lsn);
        self.mark.write(self.disk.as_ref())?;
        drop(checkpoint);
        self.finish(fork.lsn)
    }

    /// From when the fork is on record.
    fn finish(mut self, to: Lsn) -> Result<Rewound, Error> {
        let io = |what: &str| {
            let message = what.to_owned();
            move |error: io::Error| {
                Error::new(ErrorKind::of_io(&error), format!("{message}: {error}"))
            }
        };
        let reader = LogReader::new(self.disk.clone(), self.identity);
        let fork = reader.position_at(to, to)?;
        // Each later primary makes a node go back once.
        let place = format!("{DIVERGED}/{}-{:020}", self.mark.promised, to.0);
        if !self.mark.is_aside {
            self.set_aside(&place, to).map_err(io("setting aside what the primary never had"))?;
            // From here on the log has it no more.
            self.mark.is_aside = true;
            self.mark.write(self.disk.as_ref())?;
        }
        if knows_more(&opening::load(&self.disk, self.identity)?, to) {
            delete_projections(self.disk.as_ref()).map_err(io("deleting what is derived"))?;
        }
        CopyWriter::resume(self.disk.clone(), self.identity, fork, self.free_bytes_min)?;
        self.mark.must_compare = true;
        self.follow(to, Some(place))
    }

    /// Copies the segments that have something behind the fork. Doing it twice is doing it once.
    fn set_aside(&self, place: &str, to: Lsn) -> io::Result<()> {
        let log = format!("{place}/{DIRECTORY}");
        let disk = self.disk.as_ref();
        for directory in [DIVERGED, place, &log] {
            disk.create_directory(directory)?;
        }
        for beside in [sealing::FILE_NAME, unproven::FILE_NAME] {
            match disk.open(beside, Access::Read) {
                Ok(file) => copy(disk, file.as_ref(), &format!("{place}/{beside}"))?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let first = self.identity.geometry.segment_before(to);
        for number in segment::list(disk).map_err(io::Error::other)? {
            if number < first {
                continue;
            }
            let name = segment::file_name(number);
            let file = disk.open(&name, Access::Read)?;
            copy(disk, file.as_ref(), &format!("{place}/{name}"))?;
        }
        for directory in [&log, place, DIVERGED, ""] {
            disk.sync_directory(directory)?;
        }
        Ok(())
    }

    fn follow(self, to: Lsn, set_aside: Option<String>) -> Result<Rewound, Error> {
        let mark = StandbyMark {
            state: MarkState::Follows,
            begins_term: false,
            is_aside: false,
            ..self.mark
        };
        mark.write(self.disk.as_ref())?;
        Ok(Rewound { to, set_aside })
    }
}

/// Whether what is derived knows of something behind a position.
fn knows_more(checkpoint: &Checkpoint, than: Lsn) -> bool {
    match checkpoint {
        Checkpoint::None => false,
        Checkpoint::Damaged => true,
        Checkpoint::Loaded(derived) => than < derived.position.lsn.max(derived.rows_position),
    }
}

/// The last end of a frame that the other log has, too. A position proves all before it, so it is searched for by
/// halves: among the first frames of segments, then among the frames of one.
fn find_fork(
    reader: &LogReader,
    end: FramePosition,
    has: &mut dyn FnMut(FramePosition) -> Result<bool, Error>,
) -> Result<FramePosition, Error> {
    if has(end)? {
        return Ok(end);
    }
    let geometry = reader.identity().geometry;
    let last = geometry.segment_before(end.lsn);
    let numbers: Vec<u64> =
        segment::list(reader.disk())?.into_iter().filter(|number| *number <= last).collect();
    let known = known_count(numbers.len(), |index| {
        has(ends_in(reader, numbers[index], end)?.next()?.expect("a segment has a frame"))
    })?;
    // Nothing at all is common only to logs that forked in their first frame.
    let Some(index) = known.checked_sub(1) else { return Ok(FramePosition::GENESIS) };
    let mut ends = Vec::new();
    let mut frames = ends_in(reader, numbers[index], end)?;
    while let Some(end) = frames.next()? {
        ends.push(end.lsn);
    }
    let known = known_count(ends.len(), |index| has(reader.position_at(ends[index], end.lsn)?))?;
    let Some(last) = known.checked_sub(1) else {
        let message = "the primary's log has changed while it was asked: ask again";
        return Err(Error::new(ErrorKind::Busy, message));
    };
    Ok(reader.position_at(ends[last], end.lsn)?)
}

/// How many of so many positions are known, if those that are known come first.
fn known_count(
    count: usize,
    mut is_known: impl FnMut(usize) -> Result<bool, Error>,
) -> Result<usize, Error> {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if is_known(middle)? { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

/// The ends of a segment's frames.
struct Ends {
    frames: Frames,
    number: u64,
    geometry: Geometry,
}

fn ends_in(reader: &LogReader, number: u64, end: FramePosition) -> Result<Ends, Error> {
    let geometry = reader.identity().geometry;
    let from = match number {
        0 => FramePosition::GENESIS,
        _ => reader.position_before(geometry.first_place(number))?,
    };
    Ok(Ends { frames: reader.frames(from, end.lsn), number, geometry })
}

impl Ends {
    fn next(&mut self) -> Result<Option<FramePosition>, Error> {
        if self.frames.next()?.is_none() {
            return Ok(None);
        }
        let end = self.frames.position();
        Ok((self.geometry.segment_before(end.lsn) == self.number).then_some(end))
    }
}

fn copy(disk: &dyn Disk, from: &dyn DiskFile, to: &str) -> io::Result<()> {
    match disk.remove(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk.create(to, Access::Buffered)?;
    let length = from.bytes()?;
    let mut buffer = vec![0; COPY_BYTES];
    let mut offset = 0;
    while offset < length {
        let left = usize::try_from(length - offset).unwrap_or(usize::MAX);
        let part = &mut buffer[..left.min(COPY_BYTES)];
        from.read_exact_at(part, offset)?;
        file.write_all_at(part, offset)?;
        offset += u64::try_from(part.len()).expect("a part is small");
    }
    file.sync()
}
