//! The standby's side: an empty directory becomes a copy that opens as if it had followed all along.
//!
//! 1. The mark of a log that is not whole is put there ([`crate::log::unfinished`]): nothing opens the directory.
//! 2. The runs and the checkpoint are fetched, then every page of them is checked: they are held for a while only.
//! 3. Every segment of the log is fetched, some at the same time, its frames are checked, and each must lead on from
//!    the one before. Those that an attempt before this one left, and that lead on from one another, are kept.
//! 4. The checkpoint must stand on that log. One that does not, or is damaged, is thrown away: the log is applied then.
//! 5. The directory is made one that follows, and must be compared; the mark is taken away.
//!
//! Everything is durable before the mark goes. Cut off anywhere before, it begins again with 2.

use super::{Offered, PART_HOLDS, PART_PAGES, PART_RUNS, SeedSource};
use crate::backup::Progress;
use crate::backup::segments::{beginning, walk};
use crate::checkpoint::{ExportTable, Metadata, import, imported_metadata};
use crate::disk::os::OsDisk;
use crate::disk::{Access, Disk};
use crate::error::{Error, ErrorKind};
use crate::following::mark::{MarkState, StandbyMark};
use crate::group::Term;
use crate::limits::{SEED_AT_ONCE_MAX, SNAPSHOT_PIECE_BYTES_MAX};
use crate::log::segment;
use crate::log::unfinished::{SEEDING, UnfinishedDisk, has_mark};
use crate::log::{FramePosition, Geometry, Identity, LogReader};
use crate::opening::{self, random_u128};
use crate::options::Options;
use crate::rebuild::delete_projections;
use crate::runs::pages::PageReader;
use crate::runs::{self, RunName};
use crate::sealing;
use crate::snapshot::Snapshot;
use florin_ledger::Lsn;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

/// What a standby was given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seeded {
    /// The end of its log.
    pub end: Lsn,
    /// Where the checkpoint stands, from which it applies the log; or why there is none, and it applies all of it.
    pub checkpoint: Result<Lsn, Error>,
    /// Bytes of segments that an attempt before had left.
    pub kept_bytes: u64,
}

/// Pages that every run has: header, a block or an index, footer.
const RUN_PAGES_MIN: u64 = 3;

/// Whether a directory has nothing of a log, or not all of it yet: then it can be seeded.
///
/// # Errors
/// [`ErrorKind::Unusable`] if it is open elsewhere, or foreign; [`ErrorKind::Corrupt`]; [`ErrorKind::Io`].
pub fn is_wanted(directory: &Path) -> Result<bool, Error> {
    if !directory.is_dir() {
        return Ok(true);
    }
    let disk = OsDisk::open(directory)?;
    Ok(begun(&disk)? || segment::identify(&disk)?.is_none())
}

/// Whether a directory was given something, and not everything yet.
///
/// # Errors
/// As [`is_wanted`].
pub fn is_begun(directory: &Path) -> Result<bool, Error> {
    if !directory.is_dir() {
        return Ok(false);
    }
    begun(&OsDisk::open(directory)?)
}

fn begun(disk: &dyn Disk) -> Result<bool, Error> {
    has_mark(disk, SEEDING).map_err(|error| failed("the log", &error))
}

/// Gives an empty directory, or one that was not given everything, the log of a primary and its newest checkpoint;
/// `None` if that has none, and nothing was begun: then the log is followed from its beginning. `primary` is where it
/// is. Returns when all of it is durable, and the directory can be followed with.
///
/// # Errors
/// [`ErrorKind::Unusable`] if the directory is in use, not free, lacks the key of an encrypted log, or decides by
/// itself; [`ErrorKind::Corrupt`] if the primary's log is damaged; those of the source; [`ErrorKind::DiskFull`],
/// [`ErrorKind::Io`]. What was begun is gone on with by the next attempt.
pub fn seed(
    directory: &Path,
    primary: &str,
    source: &dyn SeedSource,
    options: &Options,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Option<Seeded>, Error> {
    seed_on(Arc::new(OsDisk::open(directory)?), primary, source, options, progress)
}

/// The same on any disk.
///
/// # Errors
/// As [`seed`].
pub fn seed_on(
    disk: Arc<dyn Disk>,
    primary: &str,
    source: &dyn SeedSource,
    options: &Options,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Option<Seeded>, Error> {
    let disk = sealing::unlock(disk, options.key.as_deref())?;
    let mark = StandbyMark::read(disk.as_ref())?;
    if let Some(mark) = &mark {
        opening::check_follows(mark, primary)?;
    }
    let is_begun = begun(disk.as_ref())?;
    if !is_begun {
        if segment::identify(disk.as_ref())?.is_some() {
            return Ok(None);
        }
        opening::check_free(disk.as_ref())?;
    }
    let offer = match source.offer() {
        // Whatever is of no use about a checkpoint, the log is there.
        Err(error) if error.kind() == ErrorKind::Corrupt => None,
        offer => offer?,
    };
    let (moment, offered) = match offer {
        Some((moment, offered)) => (moment, Some(offered)),
        // What was begun is brought to its end all the same.
        None if is_begun => (source.snapshot()?, None),
        None => return Ok(None),
    };
    let geometry = Geometry::new(moment.segment_bytes)
        .ok_or_else(|| Error::corrupt("the primary's segments have an impossible size"))?;
    let identity = Identity { incarnation: moment.birth, geometry, is_sealed: moment.is_sealed };
    opening::check_key(disk.as_ref(), identity)?;
    opening::check_geometry(identity)?;
    if is_begun {
        check_same(&UnfinishedDisk::resume(disk.clone(), SEEDING), identity)?;
    }
    let unfinished = if is_begun {
        UnfinishedDisk::resume(disk, SEEDING)
    } else {
        UnfinishedDisk::begin(disk, SEEDING).map_err(|error| failed("the mark", &error))?
    };
    let unfinished = Arc::new(unfinished);
    let planting = Planting { disk: unfinished.clone(), identity, source, moment };
    let seeded = planting.plant(offered.as_ref(), progress)?;
    let mark = match mark {
        // Of which term this log is is heard with the first batch; what was left here says nothing of it.
        Some(mark) => StandbyMark { primary: primary.to_owned(), term: Term::NONE, ..mark },
        None => StandbyMark::new(MarkState::Follows, random_u128()?, primary),
    };
    let must_compare = mark.must_compare || seeded.checkpoint.is_ok();
    StandbyMark { must_compare, ..mark }.write(unfinished.as_ref())?;
    unfinished.end().map_err(|error| failed("the mark", &error))?;
    Ok(Some(seeded))
}

/// What was begun of one database is not thrown away for another: somebody named the wrong primary.
fn check_same(disk: &UnfinishedDisk, identity: Identity) -> Result<(), Error> {
    // Whatever a power cut left of it otherwise is fetched anew.
    match segment::identify(disk) {
        Ok(Some(begun)) if begun.incarnation != identity.incarnation => Err(Error::new(
            ErrorKind::Unusable,
            format!(
                "this directory was being given database {:032x}, and the primary has {:032x}: name the right \
                 primary, or an empty directory",
                begun.incarnation, identity.incarnation
            ),
        )),
        _ => Ok(()),
    }
}

struct Planting<'a> {
    disk: Arc<dyn Disk>,
    identity: Identity,
    source: &'a dyn SeedSource,
    moment: Snapshot,
}

/// A segment that was fetched.
struct Fetched {
    number: u64,
    /// Where its first frame says that it follows.
    from: FramePosition,
    end: FramePosition,
}

impl Fetched {
    /// Whether its first frame follows a position: the end of the segment before.
    fn follows(&self, position: FramePosition) -> bool {
        (self.from.sequence, self.from.chain) == (position.sequence, position.chain)
    }
}

impl Planting<'_> {
    fn plant(
        &self,
        offered: Option<&Offered>,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Seeded, Error> {
        delete_projections(self.disk.as_ref())
            .map_err(|error| failed("what an attempt before left", &error))?;
        let mut checkpoint = match offered {
            Some(offered) => self.take_checkpoint(offered),
            None => Err(Error::corrupt("the primary has none")),
        };
        let kept = self.kept()?;
        let kept_bytes = kept.last().map_or(0, |end| end.lsn.0);
        match self.take_log(&kept, progress) {
            // What is here is another history's: another primary decides since.
            Err(error) if error.kind() == ErrorKind::Fork && !kept.is_empty() => {
                self.take_log(&[], progress)?;
            }
            taken => taken?,
        }
        if let Ok(metadata) = &checkpoint
            && let Err(error) = self.check_stands(metadata)
        {
            checkpoint = Err(error);
        }
        let checkpoint = match checkpoint {
            Ok(metadata) => Ok(metadata.position),
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                delete_projections(self.disk.as_ref())
                    .map_err(|error| failed("a checkpoint that is of no use", &error))?;
                Err(error)
            }
            Err(error) => return Err(error),
        };
        self.disk.sync_directory("").map_err(|error| failed("the directory", &error))?;
        Ok(Seeded { end: self.moment.end.lsn, checkpoint, kept_bytes })
    }

    /// Fetches the runs, then the checkpoint that names them; durable when it returns.
    fn take_checkpoint(&self, offered: &Offered) -> Result<Metadata, Error> {
        let metadata = imported_metadata(self.disk.as_ref(), &offered.head)?;
        if metadata.incarnation != self.identity.incarnation
            || metadata.runs.len() != offered.runs_bytes.len()
        {
            return Err(Error::corrupt("the checkpoint that is offered is another database's"));
        }
        self.disk
            .create_directory(runs::DIRECTORY)
            .and_then(|()| self.disk.sync_directory(""))
            .map_err(|error| failed("the directory of runs", &error))?;
        let runs: Vec<(u32, RunName, u64)> = (PART_RUNS..)
            .zip(metadata.runs.iter().zip(&offered.runs_bytes))
            .map(|(part, (name, bytes))| (part, *name, *bytes))
            .collect();
        at_once(runs.len(), |index| {
            let (part, name, bytes) = runs[index];
            self.take_run(offered.id, part, name, bytes)
        })?;
        import(&self.disk, &offered.head, self.moment.end.lsn, |table, from| {
            let part = match table {
                ExportTable::Pages => PART_PAGES,
                ExportTable::Holds => PART_HOLDS,
            };
            self.source.piece(offered.id, part, from)
        })?;
        at_once(metadata.runs.len(), |index| self.settle_run(metadata.runs[index]))?;
        self.disk
            .sync_directory(runs::DIRECTORY)
            .map_err(|error| failed("the directory of runs", &error))?;
        Ok(metadata)
    }

    fn take_run(&self, id: u64, part: u32, name: RunName, bytes: u64) -> Result<(), Error> {
        let io = |error: io::Error| failed(&name.to_string(), &error);
        let file = self.disk.create(&name.path(), Access::Buffered).map_err(io)?;
        let mut offset = 0;
        while offset < bytes {
            let piece = self.source.piece(id, part, offset)?;
            let piece_bytes = u64::try_from(piece.len()).expect("a piece is in memory");
            let is_expected = (1..=bytes - offset).contains(&piece_bytes)
                && piece.len() <= SNAPSHOT_PIECE_BYTES_MAX;
            if !is_expected {
                return Err(Error::corrupt(format!("run {name} was copied in part")));
            }
            file.write_all_at(&piece, offset).map_err(io)?;
            offset += piece_bytes;
        }
        Ok(())
    }

    fn settle_run(&self, name: RunName) -> Result<(), Error> {
        let synced = self.disk.open(&name.path(), Access::Buffered).and_then(|file| file.sync());
        synced.map_err(|error| failed(&name.to_string(), &error))?;
        PageReader::open(self.disk.as_ref(), name, RUN_PAGES_MIN)?.scrub()?;
        Ok(())
    }

    /// The ends of the segments that an attempt before this one left and that lead on from one another; durable when
    /// it returns. Of the last nothing says that it is whole: it is fetched again.
    fn kept(&self) -> Result<Vec<FramePosition>, Error> {
        let mut ends = Vec::new();
        let mut at = FramePosition::GENESIS;
        for number in segment::list(self.disk.as_ref())? {
            let here = u64::try_from(ends.len()).is_ok_and(|next| next == number);
            let Some(content) = self.stored(number)?.filter(|_| here) else { break };
            let Ok(fetched) = self.check(number, content) else { break };
            if !fetched.follows(at) {
                break;
            }
            at = fetched.end;
            ends.push(at);
        }
        ends.pop();
        for number in 0..u64::try_from(ends.len()).expect("segments are few") {
            // Whoever wrote it may have been killed before it was.
            let name = segment::file_name(number);
            let synced = self.disk.open(&name, Access::Buffered).and_then(|file| file.sync());
            synced.map_err(|error| self.not_kept(&name, &error))?;
        }
        Ok(ends)
    }

    fn stored(&self, number: u64) -> Result<Option<Arc<Vec<u8>>>, Error> {
        let io = |error: io::Error| failed(&segment::file_name(number), &error);
        let file = match self.disk.open(&segment::file_name(number), Access::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(io)?,
        };
        let bytes = file.bytes().map_err(io)?.min(self.identity.geometry.segment_bytes());
        let mut content = vec![0; usize::try_from(bytes).expect("a segment fits memory")];
        file.read_exact_at(&mut content, 0).map_err(io)?;
        Ok(Some(Arc::new(content)))
    }

    /// Checks what there is of a segment: whole frames on one chain, and nothing but zeros behind.
    fn check(&self, number: u64, content: Arc<Vec<u8>>) -> Result<Fetched, Error> {
        let geometry = self.identity.geometry;
        let wrong =
            |what: String| Error::corrupt(format!("segment {number} of the primary's log: {what}"));
        let from = beginning(self.identity, number, &content).map_err(wrong)?;
        let until = geometry.lsn(number + 1, 0).min(self.moment.end.lsn);
        let end = walk(self.identity, number, &content, from, until, None).map_err(wrong)?.end;
        let used = usize::try_from(end.lsn.0 - geometry.lsn(number, 0).0).expect("in memory");
        if content.get(used..).is_some_and(|rest| rest.iter().any(|byte| *byte != 0)) {
            return Err(wrong(format!("no whole frame lies at {}", end.lsn)));
        }
        Ok(Fetched { number, from, end })
    }

    /// Fetches every segment behind those that are kept; durable when it returns.
    fn take_log(
        &self,
        kept: &[FramePosition],
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), Error> {
        let Planting { moment, identity, .. } = self;
        let last = identity.geometry.segment_before(moment.end.lsn);
        let first = u64::try_from(kept.len()).expect("segments are few");
        let io = |error: io::Error| failed("the log", &error);
        for number in segment::list(self.disk.as_ref())?.into_iter().rev() {
            if first <= number {
                self.disk.remove(&segment::file_name(number)).map_err(io)?;
            }
        }
        let count = usize::try_from((last + 1).saturating_sub(first)).expect("segments are few");
        let total_bytes = moment.end.lsn.0;
        let done = Mutex::new((kept.last().map_or(0, |end| end.lsn.0), progress));
        let fetched = Mutex::new(Vec::new());
        at_once(count, |index| {
            let number = first + u64::try_from(index).expect("segments are few");
            let (segment, bytes) = self.take_segment(number)?;
            fetched.lock().unwrap_or_else(PoisonError::into_inner).push(segment);
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            done.0 += bytes;
            let done_bytes = done.0;
            (done.1)(Progress { done_bytes, total_bytes });
            Ok(())
        })?;
        self.disk.sync_directory(segment::DIRECTORY).map_err(io)?;
        let mut fetched = fetched.into_inner().unwrap_or_else(PoisonError::into_inner);
        fetched.sort_by_key(|segment: &Fetched| segment.number);
        let mut at = kept.last().copied().unwrap_or(FramePosition::GENESIS);
        for segment in fetched {
            if !segment.follows(at) {
                let message = format!(
                    "segment {} of the primary's log does not follow the one before",
                    segment.number
                );
                return Err(Error::new(ErrorKind::Fork, message));
            }
            at = segment.end;
        }
        if at == moment.end {
            return Ok(());
        }
        let message = format!("the primary's log ends at {}, not at {}", at.lsn, moment.end.lsn);
        Err(Error::new(ErrorKind::Fork, message))
    }

    fn take_segment(&self, number: u64) -> Result<(Fetched, u64), Error> {
        let geometry = self.identity.geometry;
        let start = geometry.lsn(number, 0);
        let bytes = (self.moment.end.lsn.0 - start.0).min(geometry.segment_bytes());
        let wanted = usize::try_from(bytes).expect("a segment fits memory");
        let fetch = || {
            let content = Arc::new(self.source.segment(number, wanted)?);
            if wanted < content.len() {
                let message = format!("of segment {number} more came than was asked for");
                return Err(Error::corrupt(message));
            }
            Ok((self.check(number, content.clone())?, content))
        };
        let (fetched, content) = match fetch() {
            // On its way perhaps, and not on the primary's disk.
            Err(error) if error.kind() == ErrorKind::Corrupt => fetch()?,
            fetched => fetched?,
        };
        let name = segment::file_name(number);
        let write = || {
            let file = self.disk.create(&name, Access::Buffered)?;
            file.write_all_at(&content, 0)?;
            file.sync()
        };
        write().map_err(|error| self.not_kept(&name, &error))?;
        Ok((fetched, bytes))
    }

    /// A segment could not be written or synced. It may look whole all the same, and not be durable: the next attempt
    /// must not keep it.
    fn not_kept(&self, name: &str, error: &io::Error) -> Error {
        drop(self.disk.remove(name));
        failed(name, error)
    }

    /// Whether the checkpoint is of this very log.
    fn check_stands(&self, metadata: &Metadata) -> Result<(), Error> {
        let reader = LogReader::new(self.disk.clone(), self.identity);
        let at = reader.position_at(metadata.position, self.moment.end.lsn)?;
        if (at.sequence, at.chain) == (metadata.sequence, metadata.chain) {
            return Ok(());
        }
        let position = metadata.position;
        Err(Error::corrupt(format!(
            "the checkpoint at {position} is not of the log that it came with"
        )))
    }
}

/// Does so many pieces of work, some at the same time; the first error ends it.
fn at_once(
    count: usize,
    work: impl Fn(usize) -> Result<(), Error> + Send + Sync,
) -> Result<(), Error> {
    let (sender, results) = mpsc::channel();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..SEED_AT_ONCE_MAX.min(count) {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if count <= index {
                        return;
                    }
                    if let Err(error) = work(index) {
                        next.store(count, Ordering::Relaxed);
                        drop(sender.send(error));
                        return;
                    }
                }
            });
        }
    });
    drop(sender);
    results.into_iter().next().map_or(Ok(()), Err)
}

fn failed(what: &str, error: &io::Error) -> Error {
    Error::new(ErrorKind::of_io(error), format!("seeding {what}: {error}"))
}
