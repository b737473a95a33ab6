//! Opening a data directory: load the newest checkpoint, judge where the log ends, clear what lies
//! past a torn end, replay the log behind the checkpoint, and begin a new epoch in a segment of its
//! own.
//!
//! Nothing on the disk is changed before the end of the log has been judged; a log that has lost
//! something durable is never written to. A checkpoint or run that can't be used is set aside and
//! everything is derived from the log again: slower, but never a reason not to open.

use crate::checkpoint::{self, CheckpointStore};
use crate::clock::{Clock, LATEST};
use crate::derived::Derived;
use crate::disk::overlay::Overlay;
use crate::disk::{Disk, PAGE_BYTES};
use crate::engine::{Checkpointing, Engine, LogEnd, Past};
use crate::error::{Error, ErrorKind};
use crate::following::mark::{self, MarkState, StandbyMark};
use crate::group;
use crate::log::recovery::{Writing, begin_writing, judge};
use crate::log::segment::{HeaderState, SegmentHeader};
use crate::log::{
    CopyWriter, End, FramePosition, Geometry, Identity, LogReader, LogWriter, Preparer,
    PreparerOptions, identify,
};
use crate::options::SEGMENT_BYTES_MIN;
use crate::runs::{self, RunName};
use crate::sealing;
use florin_ledger::Lsn;
use florin_ledger::record::LifeRecord;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// How the log is laid out, prepared and checkpointed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogOptions {
    pub(crate) geometry: Geometry,
    pub(crate) preparer: PreparerOptions,
    /// Log bytes between two checkpoints.
    pub(crate) checkpoint_bytes: u64,
    /// The incarnation of the life that this opening begins, if it is the first after a restore.
    pub(crate) new_life: Option<u128>,
}

/// An open log and everything derived from it, before any thread runs.
pub(crate) struct Opened {
    pub(crate) engine: Engine,
    /// What writes the log from here on; `None` if its frames come from elsewhere.
    pub(crate) ending: Option<(LogWriter, Preparer)>,
    pub(crate) store: CheckpointStore,
    pub(crate) reader: LogReader,
    pub(crate) durable: Lsn,
    /// Its part in replication, if it has one.
    pub(crate) mark: Option<StandbyMark>,
}

/// An open log that is a copy of another.
pub(crate) struct Copying {
    pub(crate) opened: Opened,
    pub(crate) writer: CopyWriter,
    /// Names the directory.
    pub(crate) node: u128,
}

/// Opens the database in a directory, or makes one in an empty directory.
pub(crate) fn open(
    disk: &Arc<dyn Disk>,
    options: LogOptions,
    clock: &dyn Clock,
) -> Result<Opened, Error> {
    if LATEST < clock.now() {
        return Err(Error::new(
            ErrorKind::ClockJumped,
            "the clock is beyond the year 2116: set it right, then open again",
        ));
    }
    let mark = deciding_mark(disk.as_ref())?;
    let identity = match identify(disk.as_ref())? {
        Some(identity) => {
            check_key(disk.as_ref(), identity)?;
            identity
        }
        None => new_identity(disk.as_ref(), options.geometry)?,
    };
    check_geometry(identity)?;
    options.preparer.check(identity.geometry.segment_bytes())?;
    let checkpoint = load(disk, identity)?;
    let end = judge_from(&LogReader::new(disk.clone(), identity), &checkpoint)?;
    let writing = begin_writing(disk.clone(), identity, end, options.preparer)?;
    let replayed = replayed(disk, identity, checkpoint, end, options.checkpoint_bytes)?;
    let Replayed { mut engine, life, reader, store } = replayed;
    let Writing { mut writer, preparer, start } = writing;
    engine.go_on_at(start);
    engine.set_room(preparer.room());
    let life = options.new_life.map(|incarnation| life.after(incarnation, end.lsn));
    if let Some(mark) = mark.as_ref().filter(|mark| mark.begins_term) {
        engine.begin_term(mark.node);
    }
    let durable = begin_epoch(&mut engine, &mut writer, life, end.lsn, clock)?;
    let store = match store {
        Some(store) => store,
        // Not before the log holds something: a checkpoint file and no log say that the log is lost.
        None => CheckpointStore::open(disk)?,
    };
    Ok(Opened { engine, ending: Some((writer, preparer)), store, reader, durable, mark })
}

/// Opens the copy of a log in a directory to go on copying: judged and replayed as any log, but no epoch is
/// begun and nothing is written that is not the primary's. In an empty directory it becomes one, which
/// begins with the header that `origin` gives.
pub(crate) fn follow(
    disk: &Arc<dyn Disk>,
    options: LogOptions,
    primary: &str,
    origin: impl FnOnce() -> Result<Vec<u8>, Error>,
) -> Result<Copying, Error> {
    let mark = StandbyMark::read(disk.as_ref())?;
    if let Some(mark) = &mark {
        check_follows(mark, primary)?;
    }
    let identity = identify(disk.as_ref())?;
    let header = match identity {
        Some(identity) => {
            check_key(disk.as_ref(), identity)?;
            None
        }
        None => Some(first_header(disk.as_ref(), &origin()?)?),
    };
    let present = match mark.clone() {
        Some(mark) => StandbyMark {
            state: MarkState::Follows,
            primary: primary.to_owned(),
            // One that decided has what it decided itself, and what another never had is still to be set aside.
            must_compare: mark.must_compare || mark.state == MarkState::Decides,
            ..mark
        },
        None => StandbyMark::new(MarkState::Follows, random_u128()?, primary),
    };
    if mark.as_ref() != Some(&present) {
        present.write(disk.as_ref())?;
    }
    let node = present.node;
    let identity = match (identity, header) {
        (Some(identity), _) => identity,
        (None, header) => {
            let header = header.expect("without a log there is one");
            CopyWriter::found(disk.as_ref(), &header)?
        }
    };
    check_geometry(identity)?;
    let checkpoint = load(disk, identity)?;
    let end = judge_from(&LogReader::new(disk.clone(), identity), &checkpoint)?;
    let free_bytes_min = options.preparer.free_bytes_min;
    let writer = CopyWriter::resume(disk.clone(), identity, end, free_bytes_min)?;
    let replayed = replayed(disk, identity, checkpoint, end, options.checkpoint_bytes)?;
    let Replayed { mut engine, reader, store, .. } = replayed;
    engine.set_durable(end.lsn);
    let store = store.map_or_else(|| CheckpointStore::open(disk), Ok)?;
    let mark = Some(present);
    let opened = Opened { engine, ending: None, store, reader, durable: end.lsn, mark };
    Ok(Copying { opened, writer, node })
}

/// The header of the first segment, for a directory that is free for a copy and has the key that it needs.
fn first_header(disk: &dyn Disk, origin: &[u8]) -> Result<[u8; PAGE_BYTES], Error> {
    let malformed =
        || Error::corrupt("what the primary says its log begins with is no segment header");
    let header: [u8; PAGE_BYTES] = origin.try_into().map_err(|_| malformed())?;
    check_free(disk)?;
    match SegmentHeader::decode(&header, 0)? {
        HeaderState::Whole(decoded) => check_key(disk, decoded.identity)?,
        HeaderState::Absent => return Err(malformed()),
    }
    Ok(header)
}

/// Whether a directory's part in replication lets it follow.
pub(crate) fn check_follows(mark: &StandbyMark, primary: &str) -> Result<(), Error> {
    match mark.state {
        MarkState::Follows => Ok(()),
        MarkState::Decides if mark.term < mark.promised => Ok(()),
        MarkState::Differs(at) => Err(mark::difference(at)),
        MarkState::Rewinds(_) => Err(rewinding()),
        MarkState::Decides => Err(Error::new(
            ErrorKind::Unusable,
            format!(
                "this node decides by itself: serve it without --follow; to copy the log of {primary} \
                 instead, follow with an empty directory"
            ),
        )),
    }
}

/// A directory that follows is not opened for deciding by mistake: that would be a fork.
fn deciding_mark(disk: &dyn Disk) -> Result<Option<StandbyMark>, Error> {
    let Some(mark) = StandbyMark::read(disk)? else { return Ok(None) };
    match mark.state {
        MarkState::Follows => Err(Error::new(
            ErrorKind::Unusable,
            format!(
                "this is the directory of a standby of {}: serve it with --follow, or make it the \
                 primary with florin promote once the old one is stopped for good",
                mark.primary
            ),
        )),
        MarkState::Differs(at) => Err(mark::difference(at)),
        MarkState::Rewinds(_) => Err(rewinding()),
        MarkState::Decides if mark.term < mark.promised => Err(group::deposed(&mark)),
        MarkState::Decides => Ok(Some(mark)),
    }
}

fn rewinding() -> Error {
    Error::new(
        ErrorKind::Unusable,
        "this node was cut off while it set aside what its new primary never had: serve it with --follow, and \
         it goes on with that",
    )
}

pub(crate) fn check_geometry(identity: Identity) -> Result<(), Error> {
    let segment_bytes = identity.geometry.segment_bytes();
    if SEGMENT_BYTES_MIN <= segment_bytes {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unusable,
        format!(
            "segments of {segment_bytes} bytes can't hold the largest request: this log was not \
             made by florin as released"
        ),
    ))
}

/// What recovery comes to, before anything is decided.
struct Replayed {
    engine: Engine,
    life: LifeRecord,
    reader: LogReader,
    /// `None`: a new checkpoint file is to be made.
    store: Option<CheckpointStore>,
}

/// Derives everything from the log up to its end, which is durable and behind which all is clear.
fn replayed(
    disk: &Arc<dyn Disk>,
    identity: Identity,
    checkpoint: Checkpoint,
    end: FramePosition,
    checkpoint_bytes: u64,
) -> Result<Replayed, Error> {
    // Not the reader that judged: it has segments open that lay past the end and are gone now.
    let reader = LogReader::new(disk.clone(), identity);
    let (store, mut derived) = settle(disk, checkpoint)?;
    let checkpointing = Checkpointing::new(derived.position.lsn, checkpoint_bytes);
    replay(disk, &reader, &mut derived, end)?;
    let life = derived.life.unwrap_or(LifeRecord::birth(identity.incarnation));
    let log = LogEnd {
        life,
        epoch: derived.epoch,
        geometry: identity.geometry,
        next: identity.geometry.place_after(end.lsn),
        sequence: end.sequence,
        applied: end.lsn,
        is_witnessed: false,
    };
    let past = Past::new(derived.indexes, reader.clone(), end.lsn);
    let engine = Engine::new(derived.ledger, past, log, checkpointing);
    Ok(Replayed { engine, life, reader, store })
}

/// What the checkpoint file and the runs gave.
pub(crate) enum Checkpoint {
    /// There is none yet: a new database, or a rebuilt one.
    None,
    /// What the newest checkpoint holds.
    Loaded(Box<Derived>),
    /// Something that can't be used; everything is derived from the log again.
    Damaged,
}

/// Loads the newest checkpoint and opens the runs that it names. Changes nothing: redb repairs and
/// marks every file that it opens, so it gets one whose changes stay in memory.
///
/// # Errors
/// The operating system's. Damage is an answer, not an error.
pub(crate) fn load(disk: &Arc<dyn Disk>, identity: Identity) -> Result<Checkpoint, Error> {
    let files = disk.list("").map_err(|error| io_error("the data directory", &error))?;
    if !files.iter().any(|name| name == checkpoint::FILE_NAME) {
        return Ok(Checkpoint::None);
    }
    let overlay: Arc<dyn Disk> = Arc::new(Overlay::new(disk.clone()));
    let loaded = CheckpointStore::open(&overlay).map_err(Error::from).and_then(|store| {
        if store.latest().is_none() {
            return Ok(Checkpoint::None);
        }
        // That of another database is no better than a damaged one.
        let derived = Derived::load(disk, &store, identity)?;
        Ok(derived.map_or(Checkpoint::Damaged, |derived| Checkpoint::Loaded(Box::new(derived))))
    });
    match loaded {
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(Checkpoint::Damaged),
        loaded => loaded,
    }
}

/// Judges the log from the checkpoint on; its end must not lie before what the checkpoint knows to
/// be durable.
pub(crate) fn judge_from(
    reader: &LogReader,
    checkpoint: &Checkpoint,
) -> Result<FramePosition, Error> {
    let (from, witnesses) = match checkpoint {
        Checkpoint::Loaded(derived) => (derived.position, vec![derived.rows_position]),
        Checkpoint::None | Checkpoint::Damaged => (FramePosition::GENESIS, Vec::new()),
    };
    match judge(reader, from, &witnesses)? {
        End::Clean { at } | End::Torn { at } => Ok(at),
        End::Corrupt(lost) => Err(Error::corrupt(lost.to_string())),
    }
}

/// Opens the checkpoint file for writing, or sets one that can't be used aside, and removes runs
/// that none names. `None`: a new checkpoint file is to be made.
fn settle(
    disk: &Arc<dyn Disk>,
    checkpoint: Checkpoint,
) -> Result<(Option<CheckpointStore>, Derived), Error> {
    let is_damaged = match checkpoint {
        Checkpoint::None => false,
        Checkpoint::Damaged => true,
        Checkpoint::Loaded(derived) => {
            if let Some(store) = reopen(disk, &derived)? {
                remove_runs_but(disk.as_ref(), &store.named_runs())?;
                return Ok((Some(store), *derived));
            }
            true
        }
    };
    if is_damaged {
        checkpoint::set_aside(disk.as_ref())
            .map_err(|error| io_error("setting the checkpoint aside", &error))?;
    }
    remove_runs_but(disk.as_ref(), &[])?;
    Ok((None, Derived::genesis()))
}

/// The file that the checkpoint was loaded from, for writing; `None` if it does not hold that
/// checkpoint any more.
fn reopen(disk: &Arc<dyn Disk>, loaded: &Derived) -> Result<Option<CheckpointStore>, Error> {
    match CheckpointStore::reopen(disk).map_err(Error::from) {
        Ok(store) => {
            let position = store.latest().map(|latest| latest.position);
            Ok((position == Some(loaded.position.lsn)).then_some(store))
        }
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(None),
        Err(error) => Err(error),
    }
}

fn remove_runs_but(disk: &dyn Disk, named: &[RunName]) -> Result<(), Error> {
    disk.create_directory(runs::DIRECTORY)
        .and_then(|()| disk.sync_directory(""))
        .and_then(|()| runs::remove(disk, &runs::orphans(disk, named)?))
        .map_err(|error| io_error("the directory of runs", &error))
}

/// Applies the frames up to the end, which is durable.
fn replay(
    disk: &Arc<dyn Disk>,
    reader: &LogReader,
    derived: &mut Derived,
    end: FramePosition,
) -> Result<(), Error> {
    let mut frames = reader.frames(derived.position, end.lsn);
    while let Some(frame) = frames.next()? {
        derived.apply(&frame)?;
        derived.spill(disk, end.lsn)?;
    }
    if derived.position == end {
        return Ok(());
    }
    Err(Error::corrupt(format!(
        "the log could be read up to {} a moment ago, now it ends at {}: check the disk",
        end.lsn, derived.position.lsn
    )))
}

/// Writes and syncs the first frame of the new epoch: nothing of it is promised before. Returns its
/// end.
fn begin_epoch(
    engine: &mut Engine,
    writer: &mut LogWriter,
    life: Option<LifeRecord>,
    mut durable: Lsn,
    clock: &dyn Clock,
) -> Result<Lsn, Error> {
    engine.begin_epoch(random_u128()?, life, clock.now());
    for frame in engine.end_turn() {
        let written = writer
            .append(&frame, durable)
            .and_then(|_| writer.write())
            .and_then(|()| writer.sync());
        written.map_err(|error| io_error("the first frame of the epoch", &error))?;
        durable = frame.end();
    }
    engine.set_durable(durable);
    Ok(durable)
}

/// A name for a new database, if the directory is free for one.
fn new_identity(disk: &dyn Disk, geometry: Geometry) -> Result<Identity, Error> {
    check_free(disk)?;
    Ok(match disk.database_key() {
        None => Identity { incarnation: random_u128()?, geometry, is_sealed: false },
        Some(key) => Identity { incarnation: key.incarnation(), geometry, is_sealed: true },
    })
}

/// Whether a directory without a log may get one.
pub(crate) fn check_free(disk: &dyn Disk) -> Result<(), Error> {
    let files = disk.list("").map_err(|error| io_error("the data directory", &error))?;
    let ours =
        ["lock", sealing::FILE_NAME, sealing::PARTIAL_NAME, mark::FILE_NAME, mark::PARTIAL_NAME];
    if let Some(foreign) = files.iter().find(|name| !ours.contains(&name.as_str())) {
        return Err(Error::new(
            ErrorKind::Unusable,
            format!(
                "the directory has a file `{foreign}` and no log: it is not a data directory of \
                 florin, or its log is gone; name an empty directory, or restore a backup"
            ),
        ));
    }
    Ok(())
}

/// Whether the log is encrypted with the database key that was given, or with none if none was.
pub(crate) fn check_key(disk: &dyn Disk, identity: Identity) -> Result<(), Error> {
    let file = sealing::FILE_NAME;
    let message = match disk.database_key() {
        None if identity.is_sealed => format!(
            "the log is encrypted and its database key is missing: put back the file `{file}`, from a \
             backup or a standby"
        ),
        Some(_) if !identity.is_sealed => format!(
            "the log is not encrypted, and there is a file `{file}`: put back the log that belongs \
             to it, or move that file away and give no key"
        ),
        Some(key) if key.incarnation() != identity.incarnation => format!(
            "`{file}` belongs to database {:032x}, the log to {:032x}: put back the right one",
            key.incarnation(),
            identity.incarnation
        ),
        _ => return Ok(()),
    };
    Err(Error::new(ErrorKind::Unusable, message))
}

pub(crate) fn random_u128() -> Result<u128, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| io_error("random numbers", &io::Error::other(error)))?;
    Ok(u128::from_le_bytes(bytes))
}

fn io_error(what: &str, error: &io::Error) -> Error {
    Error::new(ErrorKind::of_io(error), format!("{what}: {error}"))
}

/// For whoever comes with a key to a directory that is not there, rather than making one.
pub(crate) fn no_directory(directory: &Path) -> Error {
    let directory = directory.display();
    Error::new(
        ErrorKind::Unusable,
        format!("there is no directory {directory}: name it, or make it with `florin init`"),
    )
}
