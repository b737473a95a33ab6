//! Why a request did not get its answer, and whether it may have taken effect all the same.

use core::fmt;
use florin_ledger::commit_bytes::CommitFlaw;

/// What is said instead of an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// What the caller does next.
    pub kind: RefusalKind,
    /// Whether the request may have taken effect.
    pub effect: Effect,
    /// What happened and what to do, for people: lower case, no full stop, values included. Cut
    /// to [`crate::limits::MESSAGE_BYTES_MAX`] bytes on the wire.
    pub message: String,
}

impl Refusal {
    /// A refusal of something that therefore did not happen.
    pub fn without_effect(kind: RefusalKind, message: impl Into<String>) -> Refusal {
        Refusal { kind, effect: Effect::None, message: message.into() }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal $text:literal,)*) => {
        /// Why a request did not get its answer, by what the caller does next.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum RefusalKind {
            $($(#[$doc])* $name,)*
        }

        impl RefusalKind {
            /// Every kind, in order of numbers.
            pub const ALL: &'static [RefusalKind] = &[$(RefusalKind::$name),*];

            /// The number that the wire uses; it never changes.
            #[must_use]
            pub const fn number(self) -> u8 {
                match self { $(RefusalKind::$name => $number,)* }
            }

            /// The kind of a number, `None` for a number that no kind has.
            #[must_use]
            pub const fn from_number(number: u8) -> Option<RefusalKind> {
                match number { $($number => Some(RefusalKind::$name),)* _ => None }
            }

            /// The name that messages use.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(RefusalKind::$name => $text,)* }
            }
        }
    };
}

kinds! {
    /// The request breaks a shape or a rule of its operation: mend it.
    Invalid = 1 "invalid",
    /// The server does not know the operation: use a newer server, or do without.
    UnsupportedOperation = 2 "unsupported operation",
    /// The request holds more than one request may: split it.
    TooLarge = 3 "too large",
    /// A queue is full, or there are too many connections: send it again later.
    Busy = 4 "busy",
    /// The deadline passed before the request began.
    Deadline = 5 "deadline",
    /// The server's disk has no room for writes: make room, then send it again. Reads go on.
    DiskFull = 6 "disk full",
    /// The server or its engine is stopping or has stopped: send it again, with the same ids, when
    /// it is back.
    Stopped = 7 "stopped",
    /// Stored bytes are not what was written: repair or restore.
    Corrupt = 8 "corrupt",
    /// The server's operating system refused a read or write.
    Io = 9 "io",
    /// Client and server speak no version in common: bring the older one up to date.
    UnsupportedVersion = 10 "unsupported version",
    /// Bytes that are not the protocol: the sender has a defect, or is no client of Florin.
    Malformed = 11 "malformed",
    /// The clock of the server's machine has jumped far ahead: check it, then restart the server
    /// to confirm it. Reads go on.
    ClockJumped = 12 "clock jumped",
    /// No key that the server knows was proved: prove one.
    Unauthenticated = 13 "unauthenticated",
    /// The key has not the role, or the request lies outside its limits: use another key.
    Forbidden = 14 "forbidden",
    /// The key has asked too much in too short a time: send it again when the message says.
    RateLimited = 15 "rate limited",
    /// The log does not reach back to where the stream should begin: begin elsewhere, knowing what
    /// was missed.
    Gone = 16 "position gone",
    /// The cursor is of another history: compare, then begin from an older one.
    Fork = 17 "fork",
    /// The cursor lies behind the log's end: the log was rewound, or the server is behind.
    NotYet = 18 "not yet",
    /// This server is a standby and decides nothing: ask the primary, the message says where it is.
    Standby = 19 "standby",
    /// A later primary was promised, or is being promoted: find it.
    Fenced = 20 "fenced",
}

impl RefusalKind {
    /// What a commit, or writes of documents, are refused as that have this flaw.
    #[must_use]
    pub const fn of_flaw(flaw: CommitFlaw) -> RefusalKind {
        match flaw {
            CommitFlaw::TooMany | CommitFlaw::Actor | CommitFlaw::Key | CommitFlaw::Value => {
                RefusalKind::TooLarge
            }
            CommitFlaw::Length | CommitFlaw::Id | CommitFlaw::Field | CommitFlaw::Table => {
                RefusalKind::Invalid
            }
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
pub enum Effect {
    /// Nothing happened.
    None,
    /// It may or may not have taken effect: send it again with the same ids to know.
    Unknown,
}

impl Effect {
    /// The number that the wire uses; it never changes.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Effect::None => 0,
            Effect::Unknown => 1,
        }
    }

    /// The effect of a number, `None` for a number that none has.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Effect> {
        match number {
            0 => Some(Effect::None),
            1 => Some(Effect::Unknown),
            _ => None,
        }
    }
}
