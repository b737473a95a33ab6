//! What can go wrong, by what the caller does next. The message says what happened and what to do;
//! the kind is for programs.

use crate::request::BatchError;
use crate::runs::RunError;
use std::{fmt, io};

/// An operation that did not get its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// What the caller does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    /// The request breaks a limit or a shape: mend it. Nothing happened.
    Invalid,
    /// A queue is full: send it again later. Nothing happened.
    Busy,
    /// The disk has no room for writes: make room, then send it again. Nothing happened; reads go
    /// on.
    DiskFull,
    /// The machine's clock has jumped far ahead, writes are refused: check it, restart to confirm.
    /// Nothing happened.
    ClockJumped,
    /// The engine has stopped (closed, or a write to the log failed). The request may or may not
    /// have taken effect: open again and send it with the same ids.
    Stopped,
    /// The data directory can't be opened as it is; the message says what to do. Nothing was
    /// changed.
    Unusable,
    /// Stored bytes are not what was written: repair or restore.
    Corrupt,
    /// The operating system refused a read or write of something that is not the log.
    Io,
    /// The log does not reach back to the position: begin elsewhere, knowing what was missed.
    Gone,
    /// The position belongs to another history: what was consumed after the fork never happened
    /// here. Compare, then begin anew.
    Fork,
    /// The position lies behind the log's end: the log was rewound, or this copy is behind. Wait for
    /// it, or treat it as a fork.
    NotYet,
    /// This is a standby, which decides nothing: ask its primary. Nothing happened.
    Standby,
    /// A later term was promised: whoever asks, or is asked, is no primary any more. Find the one that
    /// is.
    Fenced,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: &'static [ErrorKind] = &[
        ErrorKind::Invalid,
        ErrorKind::Busy,
        ErrorKind::DiskFull,
        ErrorKind::ClockJumped,
        ErrorKind::Stopped,
        ErrorKind::Unusable,
        ErrorKind::Corrupt,
        ErrorKind::Io,
        ErrorKind::Gone,
        ErrorKind::Fork,
        ErrorKind::NotYet,
        ErrorKind::Standby,
        ErrorKind::Fenced,
    ];

    /// The name that figures carry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ErrorKind::Invalid => "invalid",
            ErrorKind::Busy => "busy",
            ErrorKind::DiskFull => "disk_full",
            ErrorKind::ClockJumped => "clock_jumped",
            ErrorKind::Stopped => "stopped",
            ErrorKind::Unusable => "unusable",
            ErrorKind::Corrupt => "corrupt",
            ErrorKind::Io => "io",
            ErrorKind::Gone => "gone",
            ErrorKind::Fork => "fork",
            ErrorKind::NotYet => "not_yet",
            ErrorKind::Standby => "standby",
            ErrorKind::Fenced => "fenced",
        }
    }

    /// Its place in [`ErrorKind::ALL`].
    pub(crate) fn index(self) -> usize {
        ErrorKind::ALL.iter().position(|kind| *kind == self).expect("all kinds are listed")
    }

    /// What the caller does about an error of the operating system.
    pub(crate) fn of_io(error: &io::Error) -> ErrorKind {
        match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => ErrorKind::DiskFull,
            _ => ErrorKind::Io,
        }
    }
}

impl Error {
    /// An error of a kind, with a message: lower case, no full stop, values included.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into() }
    }

    /// Stored bytes are not what was written.
    pub(crate) fn corrupt(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Corrupt, message)
    }

    /// Whether what was to be opened is open elsewhere, which may pass.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.kind == ErrorKind::Unusable && self.message.contains(IN_USE)
    }

    /// What the caller does next.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

/// What a directory's lock says of a second opening.
pub(crate) const IN_USE: &str = "is open already";

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<BatchError> for Error {
    fn from(error: BatchError) -> Error {
        Error::new(ErrorKind::Invalid, error.to_string())
    }
}

impl From<RunError> for Error {
    fn from(error: RunError) -> Error {
        match error {
            RunError::Io { ref source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Error::corrupt(format!("{error}: run `florin rebuild` to derive it again"))
            }
            RunError::Io { ref source, .. } => {
                Error::new(ErrorKind::of_io(source), error.to_string())
            }
            RunError::Damaged { .. } => {
                Error::corrupt(format!("{error}: run `florin rebuild` to derive it again"))
            }
        }
    }
}
