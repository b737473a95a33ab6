//! Why bytes are not what they should be.

use core::fmt;

/// Where and why decoding stopped. Small and `Copy`: bytes from outside make no allocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DecodeError {
    /// The byte that is wrong, counted from the start of what was decoded.
    pub offset: usize,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with a byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// The bytes end here, before what must come.
    TooShort,
    /// More bytes than what they say they are.
    TooLong,
    /// Not a whole number of items.
    Ragged {
        /// Bytes of one item.
        item_bytes: usize,
    },
    /// Another number of items than was asked for.
    WrongCount {
        /// How many were asked for.
        expected: usize,
    },
    /// A hello that does not begin with Florin's magic.
    NotFlorin,
    /// Reserved bytes or bits that are set.
    NotZero,
    /// A text that is not UTF-8.
    NotUtf8,
    /// A number that names nothing here.
    Unknown,
}

impl DecodeError {
    /// An error at an offset.
    #[must_use]
    pub const fn new(offset: usize, reason: Reason) -> DecodeError {
        DecodeError { offset, reason }
    }

    /// The same error, seen from `bytes` further ahead.
    #[must_use]
    pub const fn after(self, bytes: usize) -> DecodeError {
        DecodeError { offset: self.offset.saturating_add(bytes), reason: self.reason }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at offset {}: {}", self.offset, self.reason)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::TooShort => f.write_str("the bytes end too soon"),
            Reason::TooLong => f.write_str("there are bytes left over"),
            Reason::Ragged { item_bytes } => {
                write!(f, "not a whole number of items of {item_bytes} bytes")
            }
            Reason::WrongCount { expected } => write!(f, "not the {expected} items asked for"),
            Reason::NotFlorin => f.write_str("not a hello of florin"),
            Reason::NotZero => f.write_str("reserved bytes are not zero"),
            Reason::NotUtf8 => f.write_str("a text is not utf-8"),
            Reason::Unknown => f.write_str("a number that names nothing"),
        }
    }
}

impl core::error::Error for DecodeError {}
