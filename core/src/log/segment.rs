//! A segment: a file `log/<number, 20 digits>` that holds the positions from `number * segment
//! bytes` on, and its header. Files are named before they hold frames, and cut when they are left.
//!
//! ```text
//! offset  bytes  field
//!      0      8  magic, "FLORINLG"
//!      8      4  format version, 1
//!     12      2  bytes of this header, 4096
//!     14      2  flags: 1 = the bodies of its blocks are sealed
//!     16     16  incarnation of the database
//!     32      8  number of the segment
//!     40      8  bytes of every segment
//!     48     32  random key of the block tags
//!     80     32  random salt, for the key that seals the segment, if it is sealed
//!    112     32  BLAKE3 of bytes 0..112
//!    144   3952  zero
//! ```
//! All little-endian. Magic, version and checksum stay where they are in every version.

use crate::disk::{Access, Disk, DiskFile, PAGE_BYTES};
use crate::log::block::{BlockHeader, HeaderKey};
use crate::log::error::{Corruption, Damage, LogError};
use crate::log::geometry::Geometry;
use crate::sealing::SealingKey;
use florin_ledger::Lsn;
use std::io;
use std::sync::Arc;
use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The directory of the segments.
pub const DIRECTORY: &str = "log";
/// The version of the format that this program writes and reads.
pub const FORMAT_VERSION: u32 = 1;
const MAGIC: [u8; 8] = *b"FLORINLG";
const NAME_DIGITS: usize = 20;
const CHECKED_BYTES: usize = 112;
const HEADER_BYTES: u16 = 4096;
const FLAG_SEALED: u16 = 1;
/// What the keys of segments are derived for.
const PURPOSE: &[u8] = b"florin log segment";

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct HeaderLayout {
    magic: [u8; 8],
    version: U32,
    header_bytes: U16,
    flags: U16,
    incarnation: U128,
    number: U64,
    segment_bytes: U64,
    key: [u8; 32],
    salt: [u8; 32],
    checksum: [u8; 32],
    zero: [u8; 3952],
}

const _: () = assert!(size_of::<HeaderLayout>() == PAGE_BYTES);
const _: () = assert!(std::mem::offset_of!(HeaderLayout, checksum) == CHECKED_BYTES);

/// What all segments of a log have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Names the database; a restored copy has another.
    pub incarnation: u128,
    /// How the log is divided, fixed when the database is made.
    pub geometry: Geometry,
    /// Whether the bodies of its blocks are sealed.
    pub is_sealed: bool,
}

/// What a segment says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentHeader {
    /// The same in all segments of a log.
    pub identity: Identity,
    /// Which segment.
    pub number: u64,
    /// The secret that block tags are keyed with.
    pub key: HeaderKey,
    /// For the key that seals the segment.
    pub salt: [u8; 32],
}

/// What the first page of a segment's file holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeaderState {
    /// A header.
    Whole(SegmentHeader),
    /// Zeros: the segment was being prepared and never held a frame.
    Absent,
}

/// The name of a segment's file.
#[must_use]
pub fn file_name(number: u64) -> String {
    format!("{DIRECTORY}/{number:0NAME_DIGITS$}")
}

impl SegmentHeader {
    /// The header as the first page of the file.
    #[must_use]
    pub fn encode(&self) -> [u8; PAGE_BYTES] {
        let mut layout = HeaderLayout {
            magic: MAGIC,
            version: FORMAT_VERSION.into(),
            header_bytes: HEADER_BYTES.into(),
            flags: if self.identity.is_sealed { FLAG_SEALED } else { 0 }.into(),
            incarnation: self.identity.incarnation.into(),
            number: self.number.into(),
            segment_bytes: self.identity.geometry.segment_bytes().into(),
            key: self.key.0,
            salt: self.salt,
            checksum: [0; 32],
            zero: [0; 3952],
        };
        let (checked, _) = layout.as_bytes().split_at(CHECKED_BYTES);
        layout.checksum = *blake3::hash(checked).as_bytes();
        zerocopy::transmute!(layout)
    }

    /// Reads the first page of the file of segment `number`.
    ///
    /// # Errors
    /// [`LogError::Corrupt`] if the page is not what was written; [`LogError::Version`],
    /// [`LogError::Geometry`], [`LogError::Flags`] for a whole header of another kind.
    pub fn decode(page: &[u8; PAGE_BYTES], number: u64) -> Result<HeaderState, LogError> {
        if page.iter().all(|byte| *byte == 0) {
            return Ok(HeaderState::Absent);
        }
        let layout: &HeaderLayout = zerocopy::transmute_ref!(page);
        let (checked, _) = page.split_at(CHECKED_BYTES);
        if layout.magic != MAGIC || layout.checksum != *blake3::hash(checked).as_bytes() {
            return Err(damaged(number));
        }
        if layout.version.get() != FORMAT_VERSION {
            return Err(LogError::Version { segment: number, version: layout.version.get() });
        }
        let found = layout.segment_bytes.get();
        let geometry = Geometry::new(found).ok_or(LogError::Geometry { segment: number, found })?;
        let flags = layout.flags.get();
        if flags & !FLAG_SEALED != 0 {
            return Err(LogError::Flags { segment: number, flags });
        }
        let written = layout.header_bytes.get() == HEADER_BYTES
            && layout.number.get() == number
            && layout.zero.iter().all(|byte| *byte == 0);
        if !written {
            return Err(damaged(number));
        }
        let is_sealed = flags == FLAG_SEALED;
        Ok(HeaderState::Whole(SegmentHeader {
            identity: Identity { incarnation: layout.incarnation.get(), geometry, is_sealed },
            number,
            key: HeaderKey(layout.key),
            salt: layout.salt,
        }))
    }

    /// Reads and checks the header of a block of this segment ([`BlockHeader::read`]).
    ///
    /// # Errors
    /// As there; [`Damage::BlockHeader`] for a seal where nothing is sealed.
    pub fn block(&self, bytes: &[u8], lsn: Lsn) -> Result<BlockHeader, Damage> {
        let header = BlockHeader::read(bytes, lsn, &self.key)?;
        let possible = self.identity.is_sealed || header.seal == [0; 16];
        if possible { Ok(header) } else { Err(Damage::BlockHeader) }
    }
}

/// A damaged header, before the size of segments may be known: the position names byte zero of the
/// segment by the default size when no other is known.
fn damaged(number: u64) -> LogError {
    let position = number.saturating_mul(crate::log::geometry::SEGMENT_BYTES_DEFAULT);
    LogError::Corrupt(Corruption { lsn: Lsn(position), what: Damage::SegmentHeader })
}

/// An open segment whose header fits the log.
#[derive(Clone)]
pub struct Segment {
    /// What it says of itself.
    pub header: SegmentHeader,
    /// Its file.
    pub file: Arc<dyn DiskFile>,
    /// What its blocks are sealed with; `None` if they are not, or if nobody gave the database key.
    pub key: Option<SealingKey>,
}

impl Segment {
    /// A segment of this header and file, able to open what is sealed if the disk is.
    pub(super) fn new(disk: &dyn Disk, header: SegmentHeader, file: Arc<dyn DiskFile>) -> Segment {
        let database_key = disk.database_key().filter(|_| header.identity.is_sealed);
        let key = database_key.map(|database_key| database_key.sealing_key(PURPOSE, &header.salt));
        Segment { header, file, key }
    }

    /// Seals the body of a block; to be called before its hash is taken, once for each block. The
    /// nonce is the block's position.
    ///
    /// # Panics
    /// In a sealed log without its database key: nothing is ever stored that others could read.
    pub fn seal(&self, header: &mut BlockHeader, body: &mut [u8]) {
        assert_eq!(self.key.is_some(), self.header.identity.is_sealed, "sealed blocks take a key");
        if let Some(key) = &self.key {
            header.seal = key.seal(header.lsn.0, &header.context(), body);
        }
    }

    /// Makes the body of a block readable, once its hash was checked. After an error it is of no
    /// use.
    ///
    /// # Errors
    /// [`Damage::Sealed`] without the database key; [`Damage::Seal`] if it is not what was sealed.
    pub fn open_body(&self, header: &BlockHeader, body: &mut [u8]) -> Result<(), Damage> {
        match &self.key {
            _ if !self.header.identity.is_sealed => Ok(()),
            None => Err(Damage::Sealed),
            Some(key) if key.open(header.lsn.0, &header.context(), &header.seal, body) => Ok(()),
            Some(_) => Err(Damage::Seal),
        }
    }
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Segment").field("header", &self.header).finish_non_exhaustive()
    }
}

/// What is found under a segment's name.
#[derive(Debug)]
pub enum Found {
    /// A segment of this log.
    Segment(Segment),
    /// No file, or one that was being prepared.
    Nothing,
}

/// Opens a segment of a known log.
///
/// # Errors
/// Those of [`SegmentHeader::decode`], with its own position; [`LogError::Incarnation`],
/// [`LogError::Geometry`] and [`LogError::Sealing`] if the segment is another log's.
pub fn open(
    disk: &dyn Disk,
    identity: Identity,
    number: u64,
    access: Access,
) -> Result<Found, LogError> {
    let file = match disk.open(&file_name(number), access) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error.into()),
    };
    let lsn = identity.geometry.lsn(number, 0);
    let state = read_header(file.as_ref(), number).map_err(|error| match error {
        LogError::Corrupt(corruption) => LogError::Corrupt(Corruption { lsn, ..corruption }),
        other => other,
    })?;
    let HeaderState::Whole(header) = state else {
        return Ok(Found::Nothing);
    };
    if header.identity.incarnation != identity.incarnation {
        let (found, expected) = (header.identity.incarnation, identity.incarnation);
        return Err(LogError::Incarnation { segment: number, found, expected });
    }
    if header.identity.geometry != identity.geometry {
        let found = header.identity.geometry.segment_bytes();
        return Err(LogError::Geometry { segment: number, found });
    }
    if header.identity.is_sealed != identity.is_sealed {
        return Err(LogError::Sealing { segment: number });
    }
    Ok(Found::Segment(Segment::new(disk, header, file)))
}

/// Reads the header of a segment's file; a file shorter than a header was being made.
fn read_header(file: &dyn DiskFile, number: u64) -> Result<HeaderState, LogError> {
    let mut page = [0; PAGE_BYTES];
    match file.read_exact_at(&mut page, 0) {
        Ok(()) => SegmentHeader::decode(&page, number),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(HeaderState::Absent),
        Err(error) => Err(error.into()),
    }
}

/// The numbers of the segment files there are, rising.
///
/// # Errors
/// [`LogError::Foreign`] if any file is not named like a segment.
pub fn list(disk: &dyn Disk) -> Result<Vec<u64>, LogError> {
    let names = match disk.list(DIRECTORY) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let number = |name: String| match number_of(&name) {
        Some(number) => Ok(number),
        None => Err(LogError::Foreign { name }),
    };
    names.into_iter().map(number).collect()
}

/// The number of the segment whose file has this path, if it is one's.
pub(crate) fn number_of_path(path: &str) -> Option<u64> {
    number_of(path.strip_prefix(DIRECTORY)?.strip_prefix('/')?)
}

fn number_of(name: &str) -> Option<u64> {
    let named = name.len() == NAME_DIGITS && name.bytes().all(|byte| byte.is_ascii_digit());
    if named { name.parse().ok() } else { None }
}

/// What log there is in a data directory: `None` if there is none, or none that ever held a frame.
/// Checks the header of every segment.
///
/// # Errors
/// [`LogError`] names what does not belong to one log of this version.
pub fn identify(disk: &dyn Disk) -> Result<Option<Identity>, LogError> {
    let mut identity: Option<Identity> = None;
    let mut damaged = None;
    let numbers = list(disk)?;
    for number in &numbers {
        let file = disk.open(&file_name(*number), Access::Read)?;
        match read_header(file.as_ref(), *number) {
            Ok(HeaderState::Whole(header)) => {
                identity = Some(header.identity);
                break;
            }
            Ok(HeaderState::Absent) => {}
            Err(LogError::Corrupt(corruption)) => damaged = damaged.or(Some(corruption)),
            Err(error) => return Err(error),
        }
    }
    let Some(identity) = identity else {
        // A header is synced before anything is written after it, so a damaged one with nothing
        // after it was never used.
        let used = numbers.iter().map(|number| holds_bytes(disk, *number));
        let used = used.collect::<Result<Vec<bool>, LogError>>()?.contains(&true);
        return match damaged {
            Some(corruption) if used => Err(corruption.into()),
            None if used => Err(Corruption { lsn: Lsn(0), what: Damage::SegmentHeader }.into()),
            _ => Ok(None),
        };
    };
    for number in numbers {
        match open(disk, identity, number, Access::Read) {
            // The judge of the log's end says what a damaged header means.
            Ok(_) | Err(LogError::Corrupt(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Some(identity))
}

/// Whether a segment's file holds anything after its header.
///
/// # Errors
/// [`LogError::Io`].
pub fn holds_bytes(disk: &dyn Disk, number: u64) -> Result<bool, LogError> {
    const CHUNK_BYTES: usize = 1 << 20;
    let file = disk.open(&file_name(number), Access::Read)?;
    let (mut offset, end) = (crate::log::geometry::SEGMENT_HEADER_BYTES, file.bytes()?);
    let mut chunk = vec![0; CHUNK_BYTES];
    while offset < end {
        let bytes = usize::try_from(end - offset).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
        let (part, _) = chunk.split_at_mut(bytes);
        file.read_exact_at(part, offset)?;
        if part.iter().any(|byte| *byte != 0) {
            return Ok(true);
        }
        offset += u64::try_from(bytes).expect("a chunk is small");
    }
    Ok(false)
}
