//! Where a restored history ends: between two frames, because a frame is whole or nothing.

use super::check::Contents;
use super::manifest::Manifest;
use super::segments::{SegmentDisk, Segments};
use crate::error::{Error, ErrorKind};
use crate::log::{FramePosition, FrameView, LogReader, ReadError};
use florin_ledger::record::{DocumentChange, Record};
use florin_ledger::{Lsn, Timestamp, TransferId};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Up to where a backup is restored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// All of it.
    End,
    /// What was recorded at this time or earlier.
    Time(Timestamp),
    /// The frames that end at or before this position.
    Lsn(Lsn),
    /// What happened before the transfer of this id was posted.
    BeforeTransfer(TransferId),
}

/// What a backup has behind the cut.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Lost {
    /// Frames.
    pub frames_count: u64,
    /// Records.
    pub records_count: u64,
    /// Accounts that were opened.
    pub accounts_count: u64,
    /// Transfers that were posted.
    pub transfers_count: u64,
    /// Documents that were written.
    pub documents_put_count: u64,
    /// Documents that were deleted or have expired.
    pub documents_ended_count: u64,
    /// Commits that took effect.
    pub commits_count: u64,
    /// Events that readers were told.
    pub events_count: u64,
    /// The first thing that is lost, and the last.
    pub times: Option<(Timestamp, Timestamp)>,
}

impl Lost {
    fn add(&mut self, frame: &FrameView<'_>) -> Result<(), Error> {
        self.frames_count += 1;
        for stored in frame.records() {
            let stored = stored.map_err(ReadError::from)?;
            self.records_count += 1;
            match &stored.record {
                Record::Account(_) => self.accounts_count += 1,
                Record::Transfer(_) => self.transfers_count += 1,
                Record::Document(document) if document.change == DocumentChange::Put => {
                    self.documents_put_count += 1;
                }
                Record::Document(_) => self.documents_ended_count += 1,
                Record::Commit(_) => self.commits_count += 1,
                Record::Event(_) => self.events_count += 1,
                _ => {}
            }
            let first = self.times.map_or(stored.time, |(first, _)| first);
            self.times = Some((first, stored.time));
        }
        Ok(())
    }
}

/// Segments of a backup, fetched and checked when they are asked for.
pub(super) struct Fetched {
    contents: Contents,
    recent: Mutex<VecDeque<(u64, Arc<Vec<u8>>)>>,
    /// What was wrong, in the words of whoever found it: a disk can say less.
    failure: Arc<Mutex<Option<Error>>>,
}

/// Segments kept in memory.
const RECENT_MAX: usize = 2;

impl Fetched {
    fn fetch(&self, index: usize) -> Result<Arc<Vec<u8>>, Error> {
        let entry = &self.contents.manifest.objects[index];
        let content = self.contents.checked(index, entry)?;
        Ok(content.expect("they can be opened"))
    }
}

impl Segments for Fetched {
    fn content(&self, number: u64) -> io::Result<Arc<Vec<u8>>> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, content)) = recent.iter().find(|(it, _)| *it == number) {
            return Ok(content.clone());
        }
        let index = usize::try_from(number).expect("segments are few");
        match self.fetch(index) {
            Ok(content) => {
                if RECENT_MAX <= recent.len() {
                    recent.pop_front();
                }
                recent.push_back((number, content.clone()));
                Ok(content)
            }
            Err(error) => {
                let message = error.to_string();
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Err(io::Error::other(message))
            }
        }
    }
}

/// The log of a backup, to be read where it lies.
pub(super) struct BackupLog {
    manifest: Arc<Manifest>,
    reader: LogReader,
    failure: Arc<Mutex<Option<Error>>>,
}

impl BackupLog {
    /// # Errors
    /// [`ErrorKind::Unusable`] if it can't be read without a key.
    pub(super) fn new(contents: Contents) -> Result<BackupLog, Error> {
        let (manifest, identity) = (contents.manifest.clone(), contents.identity());
        let log_key = contents.log_key.clone();
        if contents.is_locked() || (identity.is_sealed && log_key.is_none()) {
            return Err(Error::new(
                ErrorKind::Unusable,
                "the backup is encrypted: give its key (--key-file or --pkcs11-module)",
            ));
        }
        let failure: Arc<Mutex<Option<Error>>> = Arc::default();
        let fetched = Fetched { contents, recent: Mutex::default(), failure: failure.clone() };
        let count = u64::try_from(manifest.objects.len()).expect("they are few");
        let disk = Arc::new(SegmentDisk::new(fetched, count, log_key));
        Ok(BackupLog { manifest, reader: LogReader::new(disk, identity), failure })
    }

    /// The end of the last frame that a target leaves.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if the backup does not have the target, or nothing would be left;
    /// [`ErrorKind::Corrupt`] names an object.
    pub(super) fn cut(&self, target: Target) -> Result<FramePosition, Error> {
        let end = self.manifest.end;
        let invalid = |message: String| Error::new(ErrorKind::Invalid, message);
        let cut = match target {
            Target::End => end,
            Target::Lsn(lsn) if end.lsn < lsn => {
                return Err(invalid(format!(
                    "the backup ends at position {}, before {lsn}",
                    end.lsn
                )));
            }
            Target::Lsn(lsn) => {
                let number = self.reader.identity().geometry.segment(lsn);
                let index = usize::try_from(number).expect("segments are few");
                let from = self.manifest.start_of(index.min(self.manifest.objects.len() - 1));
                self.last_kept(from, |frame| Ok(frame.after().lsn <= lsn))?
            }
            Target::Time(time) if self.manifest.knows_until() < time => {
                return Err(invalid(format!(
                    "the backup knows of nothing after {}; leave the target out for all of it",
                    self.manifest.knows_until()
                )));
            }
            Target::Time(time) => {
                let from = self.told(self.reader.find_time(time, end.lsn))?;
                let Some(from) = from else {
                    return Err(invalid(format!("the log begins after {time}")));
                };
                self.last_kept(from, |frame| all_by(frame, time))?
            }
            Target::BeforeTransfer(id) => {
                let cut = self.last_kept(FramePosition::GENESIS, |frame| Ok(!posts(frame, id)?))?;
                if cut == end {
                    return Err(invalid(format!("the backup has no transfer {id}")));
                }
                cut
            }
        };
        if cut.lsn <= FramePosition::GENESIS.lsn {
            return Err(invalid(String::from("nothing would be left")));
        }
        Ok(cut)
    }

    /// What lies behind a cut.
    pub(super) fn lost(&self, cut: FramePosition) -> Result<Lost, Error> {
        let mut lost = Lost::default();
        let mut frames = self.reader.frames(cut, self.manifest.end.lsn);
        while let Some(frame) = self.told(frames.next())? {
            lost.add(&frame)?;
        }
        self.told(frames.check_whole())?;
        Ok(lost)
    }

    /// The end of the last frame before the first that is not kept.
    fn last_kept(
        &self,
        from: FramePosition,
        keeps: impl Fn(&FrameView<'_>) -> Result<bool, Error>,
    ) -> Result<FramePosition, Error> {
        let mut frames = self.reader.frames(from, self.manifest.end.lsn);
        let mut kept = from;
        while let Some(frame) = self.told(frames.next())? {
            if !keeps(&frame)? {
                return Ok(kept);
            }
            kept = frame.after();
        }
        self.told(frames.check_whole())?;
        Ok(kept)
    }

    /// In the words of whoever found what is wrong with an object.
    fn told<T>(&self, result: Result<T, ReadError>) -> Result<T, Error> {
        result.map_err(|error| {
            let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
            failure.unwrap_or_else(|| error.into())
        })
    }
}

/// Whether all records of a frame were made by then.
fn all_by(frame: &FrameView<'_>, time: Timestamp) -> Result<bool, Error> {
    let mut records = frame.records();
    let late = records.find(|stored| !matches!(stored, Ok(stored) if stored.time <= time));
    match late {
        None => Ok(frame.timestamp() <= time),
        Some(Ok(_)) => Ok(false),
        Some(Err(damage)) => Err(ReadError::from(damage).into()),
    }
}

fn posts(frame: &FrameView<'_>, id: TransferId) -> Result<bool, Error> {
    for stored in frame.records() {
        let stored = stored.map_err(ReadError::from)?;
        if matches!(&stored.record, Record::Transfer(transfer) if transfer.id == id) {
            return Ok(true);
        }
    }
    Ok(false)
}
