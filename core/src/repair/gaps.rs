//! What is damaged of a log, and what another copy has of it.
//!
//! The log is read as recovery reads it, from its first frame. Where it can't be read on although more was
//! durable, the segment that the damage is in is replaced, on the disk of the repair, by what the source has
//! of it, and it is read on from there. It is over when all can be read that anybody knows to be durable:
//! the log itself, the checkpoint, the source. So every byte of the source that is taken lies between what
//! is whole here, on one chain.

use super::piece::{Piece, fork};
use super::staging::{Staging, read_all};
use crate::backup::Source;
use crate::checkpoint::Metadata;
use crate::disk::Disk;
use crate::disk::overlay::Overlay;
use crate::error::{Error, ErrorKind};
use crate::log::recovery::{End, Lost, judge_end};
use crate::log::segment::{self, file_name};
use crate::log::{FramePosition, FrameView, Identity, LogError, LogReader, ReadError};
use crate::snapshot::{Snapshot, checkpoint_of};
use crate::verify::Progress;
use florin_ledger::Lsn;
use florin_ledger::record::{LifeRecord, Record};
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

/// A segment that was damaged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damaged {
    /// Its number.
    pub number: u64,
    /// What could be read, ended here.
    pub at: Lsn,
    /// What is wrong, in words.
    pub what: String,
}

/// A repair under way.
pub(super) struct Gaps<'a> {
    pub(super) staging: Arc<Staging>,
    source: &'a dyn Source,
    moment: Snapshot,
    identity: Identity,
    /// Whether anything here says that it is the source's bank.
    is_same_bank: bool,
    /// What the newest checkpoint says of itself.
    checkpoint: Option<Metadata>,
    /// The segments that were replaced of which something was whole here: no other log's.
    own: BTreeSet<u64>,
    /// What is known to be durable.
    witnesses: Vec<Lsn>,
    life: Option<LifeRecord>,
    /// Whether the records that say which life it is could be read.
    is_life_known: bool,
    pub(super) damaged: Vec<Damaged>,
}

impl<'a> Gaps<'a> {
    /// Compares what a source says of itself with a directory.
    ///
    /// # Errors
    /// [`ErrorKind::Unusable`] if it is another bank's, or nothing says which bank the directory is of.
    pub(super) fn new(staging: Arc<Staging>, source: &'a dyn Source) -> Result<Gaps<'a>, Error> {
        let moment = source.snapshot()?;
        let geometry = crate::log::Geometry::new(moment.segment_bytes)
            .ok_or_else(|| Error::corrupt("the source's segments have an impossible size"))?;
        let there = Identity { incarnation: moment.birth, geometry, is_sealed: moment.is_sealed };
        let here = match segment::identify(staging.as_ref()) {
            Ok(here) => here,
            Err(LogError::Corrupt(_)) => None,
            Err(error) => return Err(error.into()),
        };
        if let Some(here) = here
            && here != there
        {
            return Err(another_bank(format!(
                "the source is the bank {:032x}, the directory is {:032x}",
                there.incarnation, here.incarnation
            )));
        }
        if let Some(key) = staging.database_key()
            && key.incarnation() != there.incarnation
        {
            return Err(another_bank(format!(
                "the source is the bank {:032x}, the directory is {:032x}",
                there.incarnation,
                key.incarnation()
            )));
        }
        let below: Arc<dyn Disk> = Arc::new(Overlay::new(staging.clone()));
        let checkpoint = checkpoint_of(&below, there);
        let mut witnesses: Vec<Lsn> = checkpoint.iter().map(|it| it.rows_position).collect();
        witnesses.push(moment.end.lsn);
        Ok(Gaps {
            is_same_bank: here.is_some()
                || checkpoint.is_some()
                || staging.database_key().is_some(),
            life: checkpoint.as_ref().and_then(|it| it.life),
            is_life_known: checkpoint.is_some(),
            checkpoint,
            own: BTreeSet::new(),
            staging,
            source,
            moment,
            identity: there,
            witnesses,
            damaged: Vec::new(),
        })
    }

    /// Reads the log to its end, laying beside it what is needed for that.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if the source is damaged, or does not have what is lost; [`ErrorKind::Fork`],
    /// [`ErrorKind::Unusable`] if it is no copy of this log; [`ErrorKind::Io`], [`ErrorKind::DiskFull`].
    pub(super) fn close(
        &mut self,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<FramePosition, Error> {
        let mut at = FramePosition::GENESIS;
        loop {
            // What a reader has open was replaced.
            let reader = LogReader::new(self.staging.clone(), self.identity);
            let mut frames = reader.frames(at, Lsn(u64::MAX));
            let mut epoch = None;
            while let Some(frame) = frames.next()? {
                self.look_at(&frame, &mut epoch)?;
                progress(Progress { position: frame.after().lsn });
            }
            at = frames.position();
            match judge_end(&reader, &frames, &self.witnesses)? {
                End::Clean { .. } | End::Torn { .. } => return self.check_same(&reader, at),
                End::Corrupt(lost) => self.replace(at, lost)?,
            }
        }
    }

    /// Learns which life it is, and that what the source has can be read.
    fn look_at(&mut self, frame: &FrameView<'_>, epoch: &mut Option<u64>) -> Result<(), Error> {
        let number = self.identity.geometry.segment(frame.start());
        let is_locked = self.identity.is_sealed && self.staging.database_key().is_none();
        if !is_locked && self.staging.has(number) {
            let damage = frame.records().find_map(Result::err);
            if let Some(damage) = damage {
                return Err(Error::corrupt(format!(
                    "the source is damaged itself: {damage}; nothing was changed: name another \
                     source"
                )));
            }
        }
        // What only the source has says nothing of the directory.
        if self.staging.has(number) && !self.own.contains(&number) {
            return Ok(());
        }
        // A life begins with an opening, and an opening with the first record of its first frame.
        if epoch.replace(frame.epoch()) != Some(frame.epoch())
            && let Some(Ok(first)) = frame.records().next()
        {
            self.is_life_known = true;
            if let Record::Life(begun) = first.record {
                self.life = Some(begun);
            }
        }
        Ok(())
    }

    /// Lays the segment that the damage is in beside the log: that in which what can be read ends, or, if
    /// the source has no more of it, the one behind.
    fn replace(&mut self, at: FramePosition, lost: Lost) -> Result<(), Error> {
        let geometry = self.identity.geometry;
        let first = geometry.segment_before(at.lsn);
        let mut failure = None;
        for number in [first, first + 1] {
            if self.staging.has(number) || self.moment.end.lsn <= geometry.first_place(number) {
                continue;
            }
            let stored = self.stored(number)?;
            match self.piece(number, at) {
                Ok(piece) if !piece.is_missed(at, &stored) => {}
                Ok(piece) => match self.stage(number, &piece, &stored) {
                    Err(error) => return Err(failure.unwrap_or(error)),
                    Ok(()) => {
                        let what = lost.damage.what.to_string();
                        self.damaged.push(Damaged { number, at: at.lsn, what });
                        return Ok(());
                    }
                },
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    failure = failure.or(Some(error));
                }
                Err(error) => return Err(failure.unwrap_or(error)),
            }
        }
        Err(failure.unwrap_or_else(|| {
            Error::corrupt(format!(
                "{lost}: the source, which ends at {}, does not have what is lost behind {}; nothing was \
                 changed: name another source",
                self.moment.end.lsn, at.lsn
            ))
        }))
    }

    fn piece(&self, number: u64, at: FramePosition) -> Result<Piece, Error> {
        let start = self.identity.geometry.lsn(number, 0);
        let bytes = (self.moment.end.lsn.0 - start.0).min(self.identity.geometry.segment_bytes());
        let bytes = usize::try_from(bytes).expect("a segment fits memory");
        let content = self.source.segment(number, bytes)?;
        Piece::check(self.identity, number, content, at, self.moment.end)
    }

    /// The file of a segment here, as far as a segment goes; empty if there is none.
    fn stored(&self, number: u64) -> Result<Vec<u8>, Error> {
        let stored = read_all(self.staging.as_ref(), &file_name(number));
        let mut stored = stored.map_err(|error| failed(number, &error))?.unwrap_or_default();
        let most = usize::try_from(self.identity.geometry.segment_bytes()).expect("it fits memory");
        stored.truncate(most);
        Ok(stored)
    }

    fn stage(&mut self, number: u64, piece: &Piece, stored: &[u8]) -> Result<(), Error> {
        let fitted = piece.fit(stored)?;
        if 0 < fitted.same_count {
            self.own.insert(number);
            self.is_same_bank = true;
        }
        self.staging.stage(number, &fitted.content).map_err(|error| failed(number, &error))
    }

    /// Whether all that the source has is here now, in this very life.
    fn check_same(&self, reader: &LogReader, at: FramePosition) -> Result<FramePosition, Error> {
        let end = self.moment.end;
        match reader.position_at(end.lsn, at.lsn) {
            Ok(here) if here == end => {}
            Ok(_) | Err(ReadError::NoRecord { .. }) => return Err(fork(end.lsn)),
            Err(error) => return Err(error.into()),
        }
        if let Some(checkpoint) = &self.checkpoint {
            match reader.position_at(checkpoint.position, at.lsn) {
                Ok(here)
                    if (here.sequence, here.chain) == (checkpoint.sequence, checkpoint.chain) => {}
                Ok(_) | Err(ReadError::NoRecord { .. }) => return Err(fork(checkpoint.position)),
                Err(error) => return Err(error.into()),
            }
        }
        if !self.is_same_bank {
            return Err(Error::new(
                ErrorKind::Unusable,
                "nothing in the directory says which bank it is of: nothing was changed; restore a \
                 backup into an empty directory",
            ));
        }
        if !self.is_life_known {
            return Err(Error::new(
                ErrorKind::Unusable,
                "without a checkpoint only the records say which life of the bank this is: nothing was \
                 changed; give the key of the database (--key-file or --pkcs11-module)",
            ));
        }
        let birth = LifeRecord::birth(self.identity.incarnation);
        let life = self.life.unwrap_or(birth).incarnation;
        if life != self.moment.incarnation {
            return Err(another_bank(format!(
                "the source is the life {:032x} of this bank, the directory is {life:032x}",
                self.moment.incarnation
            )));
        }
        Ok(at)
    }
}

fn failed(number: u64, error: &io::Error) -> Error {
    Error::new(ErrorKind::of_io(error), format!("segment {number}: {error}"))
}

fn another_bank(what: String) -> Error {
    Error::new(
        ErrorKind::Unusable,
        format!("{what}: nothing was changed; name a copy of this very bank"),
    )
}
