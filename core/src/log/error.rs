//! What reading the log can find, by what the caller does next.

use crate::error::{Error, ErrorKind};
use crate::log::unfinished::{RESTORING, SEEDING};
use florin_ledger::Lsn;
use std::io;

/// What is wrong with stored bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Damage {
    /// A segment's file is missing or shorter than what was written to it.
    #[error("the segment is missing or short")]
    SegmentMissing,
    /// A segment's header is not what was written.
    #[error("the segment header is damaged")]
    SegmentHeader,
    /// No block starts here.
    #[error("there is no block where one must start")]
    NoBlock,
    /// A block's header is not what was written.
    #[error("the block header is damaged")]
    BlockHeader,
    /// A block's body is not what was written.
    #[error("the block body is damaged")]
    BlockBody,
    /// Bytes between blocks are not zero.
    #[error("the padding between blocks is not zero")]
    Padding,
    /// A whole block, but not the one that follows what lies before it.
    #[error("the block does not follow the one before it")]
    Chain,
    /// A whole block that the database key does not open: written with another database key, or by
    /// somebody who has none.
    #[error("the block's seal does not open with the database key")]
    Seal,
    /// Nothing is wrong: the block is whole, and sealed, and its key was not given.
    #[error("the block is sealed: give the database's key (--key-file or --pkcs11-module)")]
    Sealed,
    /// A record that this version cannot read.
    #[error("the record is not readable")]
    Record,
}

/// Where stored bytes are not what was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("log position {lsn}: {what}")]
pub struct Corruption {
    /// The block, header or gap concerned.
    pub lsn: Lsn,
    /// What is wrong with it.
    pub what: Damage,
}

/// Why a record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The position is not durable yet, or will never be: ask again later or elsewhere.
    #[error("log position {lsn} is beyond the durable position {durable}")]
    Beyond {
        /// What was asked for.
        lsn: Lsn,
        /// What may be read.
        durable: Lsn,
    },
    /// No record starts at the position, although its block is whole: the mistake of whoever chose
    /// the position.
    #[error("no record starts at log position {lsn}")]
    NoRecord {
        /// What was asked for.
        lsn: Lsn,
    },
    /// Stored bytes are not what was written: repair or restore.
    #[error(transparent)]
    Corrupt(#[from] Corruption),
    /// The operating system refused the read.
    #[error("reading the log: {0}")]
    Io(#[from] io::Error),
}

/// Why a log cannot be opened as it is. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Something in the log's directory is not a segment.
    #[error("{}", foreign(name))]
    Foreign {
        /// The file.
        name: String,
    },
    /// A segment was written by another version.
    #[error("log/{segment:020} has format version {version}, this program reads {supported}: \
             use the version that wrote it", supported = crate::log::segment::FORMAT_VERSION)]
    Version {
        /// The segment.
        segment: u64,
        /// What it says.
        version: u32,
    },
    /// A segment belongs to another database.
    #[error(
        "log/{segment:020} belongs to database {found:032x}, not {expected:032x}: put back \
             the right segment"
    )]
    Incarnation {
        /// The segment.
        segment: u64,
        /// What it says.
        found: u128,
        /// What the first segment says.
        expected: u128,
    },
    /// A segment has flags that this version does not know.
    #[error(
        "log/{segment:020} has flags {flags:#06x} that this program does not know: use the \
             version that wrote it"
    )]
    Flags {
        /// The segment.
        segment: u64,
        /// What it says.
        flags: u16,
    },
    /// A sealed segment among others that are not, or the other way round.
    #[error(
        "log/{segment:020} and the log's first segment are not both encrypted: put back the right \
             segment"
    )]
    Sealing {
        /// The segment.
        segment: u64,
    },
    /// Segments of different sizes, or of a size that no version makes.
    #[error("log/{segment:020} says segments have {found} bytes, which does not fit this log")]
    Geometry {
        /// The segment.
        segment: u64,
        /// What it says.
        found: u64,
    },
    /// Stored bytes are not what was written.
    #[error("{0}: repair from a standby or restore a backup")]
    Corrupt(#[from] Corruption),
    /// The disk has no room to begin writing.
    #[error("no room on the disk to begin writing: make room and open again")]
    DiskFull,
    /// The operating system refused.
    #[error("log: {0}")]
    Io(#[from] io::Error),
}

/// The mark of a log that is not whole yet is foreign like any other file, so that no version opens what it is in.
fn foreign(name: &str) -> String {
    match name {
        RESTORING => String::from(
            "a restore into this directory has not come to its end: remove the directory and restore \
             again",
        ),
        SEEDING => String::from(
            "this standby has not been given everything yet: serve it with --follow, and it goes on with \
             that",
        ),
        _ => format!("log/{name} is not a log segment: move it out of the data directory"),
    }
}

impl ReadError {
    /// The error for a caller who named the position: where there is no record, the request is to
    /// be mended, not the database.
    #[must_use]
    pub fn of_caller(self) -> Error {
        match &self {
            ReadError::Beyond { .. } | ReadError::NoRecord { .. } => {
                Error::new(ErrorKind::Invalid, self.to_string())
            }
            ReadError::Corrupt(_) | ReadError::Io(_) => self.into(),
        }
    }
}

/// The error for a position that the database found itself, in an index or in another record. Use
/// [`ReadError::of_caller`] for one that came from outside.
impl From<ReadError> for Error {
    fn from(error: ReadError) -> Error {
        match &error {
            ReadError::Beyond { .. } | ReadError::NoRecord { .. } => Error::corrupt(format!(
                "{error}, where the database has noted one: run `florin rebuild`"
            )),
            ReadError::Corrupt(Corruption { what: Damage::Sealed, .. }) => {
                Error::new(ErrorKind::Unusable, error.to_string())
            }
            ReadError::Corrupt(_) => Error::corrupt(error.to_string()),
            ReadError::Io(_) => Error::new(ErrorKind::Io, error.to_string()),
        }
    }
}

impl From<LogError> for Error {
    fn from(error: LogError) -> Error {
        let kind = match &error {
            LogError::Foreign { .. }
            | LogError::Version { .. }
            | LogError::Incarnation { .. }
            | LogError::Flags { .. }
            | LogError::Sealing { .. }
            | LogError::Geometry { .. } => ErrorKind::Unusable,
            LogError::Corrupt(_) => ErrorKind::Corrupt,
            LogError::DiskFull => ErrorKind::DiskFull,
            LogError::Io(error) => ErrorKind::of_io(error),
        };
        Error::new(kind, error.to_string())
    }
}
