//! Why a request did not get its answer, and whether it may have taken effect all the same.

use core::fmt;

/// Why a request did not get its answer, by what the caller does next. The numbers are the wire's
/// and never change.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum RefusalKind {
    /// The request breaks a limit or a shape: mend it.
    Invalid = 1,
    /// The server does not know the operation: use a newer server, or do without.
    UnsupportedOperation = 2,
    /// The request holds more than one request may: split it.
    TooLarge = 3,
    /// A queue is full: send it again later.
    Busy = 4,
    /// The deadline passed before the request began.
    Deadline = 5,
    /// The server's disk has no room for writes: make room, then send it again. Reads go on.
    DiskFull = 6,
    /// The server or its engine is stopping or has stopped: send it again, with the same ids, when
    /// it is back.
    Stopped = 7,
    /// Stored bytes are not what was written: repair or restore.
    Corrupt = 8,
    /// The server's operating system refused a read or write.
    Io = 9,
}

impl RefusalKind {
    /// Every kind, in order of numbers.
    pub const ALL: [RefusalKind; 9] = [
        RefusalKind::Invalid,
        RefusalKind::UnsupportedOperation,
        RefusalKind::TooLarge,
        RefusalKind::Busy,
        RefusalKind::Deadline,
        RefusalKind::DiskFull,
        RefusalKind::Stopped,
        RefusalKind::Corrupt,
        RefusalKind::Io,
    ];

    /// The number that the wire uses.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            RefusalKind::Invalid => 1,
            RefusalKind::UnsupportedOperation => 2,
            RefusalKind::TooLarge => 3,
            RefusalKind::Busy => 4,
            RefusalKind::Deadline => 5,
            RefusalKind::DiskFull => 6,
            RefusalKind::Stopped => 7,
            RefusalKind::Corrupt => 8,
            RefusalKind::Io => 9,
        }
    }

    /// The kind of a number, `None` for a number that no kind has.
    #[must_use]
    pub fn from_number(number: u8) -> Option<RefusalKind> {
        RefusalKind::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The name that messages and logs use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            RefusalKind::Invalid => "invalid",
            RefusalKind::UnsupportedOperation => "unsupported operation",
            RefusalKind::TooLarge => "too large",
            RefusalKind::Busy => "busy",
            RefusalKind::Deadline => "deadline",
            RefusalKind::DiskFull => "disk full",
            RefusalKind::Stopped => "stopped",
            RefusalKind::Corrupt => "corrupt",
            RefusalKind::Io => "io",
        }
    }
}

impl fmt::Display for RefusalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a request that was not answered may have taken effect.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Effect {
    /// Nothing happened.
    None = 0,
    /// It may or may not have taken effect: send it again with the same ids to know.
    Unknown = 1,
}
