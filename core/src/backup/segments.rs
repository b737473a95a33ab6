//! A disk of segments that lie elsewhere, for the readers of the log. Nothing on it can be changed.

use crate::backup::manifest::ObjectEntry;
use crate::disk::{Access, Disk, DiskFile};
use crate::log::recovery::judge_end;
use crate::log::segment::{self, HeaderState, SegmentHeader};
use crate::log::{End, FramePosition, Identity, LogReader, ReadError};
use crate::sealing::DatabaseKey;
use florin_ledger::Lsn;
use std::io;
use std::sync::Arc;

/// Where segments come from.
pub(crate) trait Segments: Send + Sync + 'static {
    /// The contents of a segment; `NotFound` if there is none of this number.
    fn content(&self, number: u64) -> io::Result<Arc<Vec<u8>>>;
}

/// The disk.
pub(crate) struct SegmentDisk<S> {
    segments: Arc<S>,
    count: u64,
    key: Option<DatabaseKey>,
}

impl<S: Segments> SegmentDisk<S> {
    /// A disk with the segments of the numbers below `count`.
    pub(crate) fn new(segments: S, count: u64, key: Option<DatabaseKey>) -> SegmentDisk<S> {
        SegmentDisk { segments: Arc::new(segments), count, key }
    }
}

impl<S: Segments> Disk for SegmentDisk<S> {
    fn create_directory(&self, _name: &str) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        if directory != segment::DIRECTORY {
            return Ok(Vec::new());
        }
        let name = |number| segment::file_name(number).split_off(segment::DIRECTORY.len() + 1);
        Ok((0..self.count).map(name).collect())
    }

    fn create(&self, _name: &str, _access: Access) -> io::Result<Arc<dyn DiskFile>> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        if access != Access::Read {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        let number = segment::number_of_path(name).filter(|number| *number < self.count);
        let number = number.ok_or(io::ErrorKind::NotFound)?;
        let segments = Arc::clone(&self.segments);
        segments.content(number)?;
        Ok(Arc::new(SegmentFile { segments, number }))
    }

    fn remove(&self, _name: &str) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn rename(&self, _from: &str, _to: &str) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_directory(&self, _directory: &str) -> io::Result<()> {
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(0)
    }

    fn database_key(&self) -> Option<&DatabaseKey> {
        self.key.as_ref()
    }
}

/// A segment: its contents are asked for with every read, so that an open file holds no memory.
struct SegmentFile<S> {
    segments: Arc<S>,
    number: u64,
}

impl<S: Segments> DiskFile for SegmentFile<S> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let content = self.segments.content(self.number)?;
        let start = usize::try_from(offset).ok().and_then(|start| content.get(start..));
        let part = start.and_then(|rest| rest.get(..buffer.len()));
        if !buffer.is_empty() {
            buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        }
        Ok(())
    }

    fn write_all_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(u64::try_from(self.segments.content(self.number)?.len()).expect("it is in memory"))
    }

    fn set_bytes(&self, _bytes: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}

/// One segment in memory.
struct One {
    number: u64,
    content: Arc<Vec<u8>>,
}

impl Segments for One {
    fn content(&self, number: u64) -> io::Result<Arc<Vec<u8>>> {
        if number == self.number {
            Ok(self.content.clone())
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }
}

/// Where the first frame of a segment says that it follows; no key is needed.
///
/// # Errors
/// What is wrong with its beginning, in words.
pub(crate) fn beginning(
    identity: Identity,
    number: u64,
    content: &Arc<Vec<u8>>,
) -> Result<FramePosition, String> {
    check_header(identity, number, content)?;
    let one = One { number, content: content.clone() };
    let reader = LogReader::new(Arc::new(SegmentDisk::new(one, number + 1, None)), identity);
    let first = identity.geometry.first_place(number);
    reader.position_before(first).map_err(|error| error.to_string())
}

/// What the frames of a segment come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Walked {
    /// The end of the last.
    pub(crate) end: FramePosition,
    /// The opening that wrote them.
    pub(crate) epoch: u64,
    /// Whether a frame ends at the position that was to be met.
    pub(crate) has_met: bool,
}

/// Reads the frames of a segment, from the position that they must follow up to `until`, each checked
/// whole; no key is needed.
///
/// # Errors
/// What is wrong with the segment, in words.
pub(crate) fn walk(
    identity: Identity,
    number: u64,
    content: &Arc<Vec<u8>>,
    from: FramePosition,
    until: Lsn,
    to_meet: Option<FramePosition>,
) -> Result<Walked, String> {
    check_header(identity, number, content)?;
    let one = One { number, content: content.clone() };
    let disk = Arc::new(SegmentDisk::new(one, number + 1, None));
    let reader = LogReader::new(disk, identity);
    let mut frames = reader.frames(from, until);
    let mut walked = Walked { end: from, epoch: 0, has_met: to_meet == Some(from) };
    let words = |error: ReadError| error.to_string();
    while let Some(frame) = frames.next().map_err(words)? {
        walked.end = frame.after();
        walked.epoch = frame.epoch();
        walked.has_met |= to_meet == Some(walked.end);
    }
    if walked.end == from {
        let damage = frames.stopped().map(|damage| format!(" ({damage})")).unwrap_or_default();
        return Err(format!("its first frame does not follow the log before it{damage}"));
    }
    if until == Lsn(u64::MAX)
        && let End::Corrupt(lost) = judge_end(&reader, &frames, &[]).map_err(words)?
    {
        return Err(lost.to_string());
    }
    Ok(walked)
}

fn check_header(identity: Identity, number: u64, content: &[u8]) -> Result<(), String> {
    let page = content.first_chunk().ok_or("it is shorter than the header of a segment")?;
    match SegmentHeader::decode(page, number) {
        Ok(HeaderState::Whole(header)) if header.identity == identity => Ok(()),
        Ok(_) => Err(String::from("its header is another log's")),
        Err(error) => Err(error.to_string()),
    }
}

/// Whether the contents of an object are what a manifest says: of this log, following `from`, and no
/// more and no less than up to its end.
pub(super) fn check_entry(
    identity: Identity,
    entry: &ObjectEntry,
    content: &Arc<Vec<u8>>,
    from: FramePosition,
) -> Result<(), String> {
    if u64::try_from(content.len()) != Ok(entry.content_bytes) {
        return Err(format!("it has {} bytes, not {}", content.len(), entry.content_bytes));
    }
    let walked = walk(identity, entry.number, content, from, entry.end.lsn, None)?;
    if walked.end != entry.end || walked.epoch != entry.epoch {
        return Err(format!("its frames end at {}, not at {}", walked.end.lsn, entry.end.lsn));
    }
    Ok(())
}
