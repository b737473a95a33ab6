//! Frames and their headers.
//!
//! Everything on the connection, hellos included, is a frame:
//!
//! ```text
//! offset  bytes  field
//!      0      4  length of what follows, at most FRAME_BYTES_MAX
//!      4 length  payload
//! ```
//!
//! After the hellos, the payload of a request begins with
//!
//! ```text
//! offset  bytes  field
//!      0      8  request id, chosen by the client, not zero
//!      8      2  operation
//!     10      2  flags, zero
//!     12      4  deadline in milliseconds from receipt; zero: none
//!     16         body
//! ```
//!
//! and the payload of a reply with
//!
//! ```text
//! offset  bytes  field
//!      0      8  request id; zero in a last word
//!      8      2  operation of the request; zero in a last word
//!     10      1  outcome: 0 answered, 1 refused, 2 last word, 3 batch of a stream
//!     11      1  flags, zero
//!     12      4  reserved, zero
//!     16      8  lsn: in an answer, what it says is not older than what the server's log holds there, and what it
//!                did lies there or before; zero if it says no position
//!     24      8  epoch of that position
//!     32         body
//! ```
//! All little-endian.

use crate::error::{DecodeError, Reason};
use crate::limits::FRAME_BYTES_MAX;
use crate::operation::Operation;
use bytes::{BufMut, BytesMut};
use florin_ledger::{Lsn, Position};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of the length before a frame.
pub const LENGTH_BYTES: usize = 4;
/// Bytes of the header of a request.
pub const HEADER_BYTES: usize = 16;
/// Bytes of the header of a reply.
pub const REPLY_HEADER_BYTES: usize = 32;

/// What every request begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestHeader {
    /// Chosen by the client, not zero, not that of a request which still waits for its reply.
    pub id: u64,
    /// What is asked; see [`Operation`]. A number that the receiver does not know is refused.
    pub operation: u16,
    /// Milliseconds from receipt until nobody waits any more; zero: for ever.
    pub deadline_ms: u32,
}

/// What every reply begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReplyHeader {
    /// That of the request; zero in a last word.
    pub id: u64,
    /// That of the request; zero in a last word.
    pub operation: u16,
    /// What the body is.
    pub outcome: Outcome,
    /// What is answered is not older than this, and what was done lies there or before; [`Position::NONE`] of what is
    /// no answer, and while the server may tell nothing.
    pub position: Position,
}

/// What the body of a reply is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The answer of the operation.
    Answered,
    /// A [`crate::Refusal`] of this request; the connection goes on.
    Refused,
    /// A [`crate::Refusal`] of the connection, after which the server closes it. Requests that
    /// have no reply by then did not take effect.
    LastWord,
    /// A batch of the stream that this request opened; the request goes on.
    Batch,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RequestHeaderLayout {
    id: U64,
    operation: U16,
    flags: U16,
    deadline_ms: U32,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ReplyHeaderLayout {
    id: U64,
    operation: U16,
    outcome: u8,
    flags: u8,
    reserved: U32,
    lsn: U64,
    epoch: U64,
}

const _: () = assert!(size_of::<RequestHeaderLayout>() == HEADER_BYTES);
const _: () = assert!(size_of::<ReplyHeaderLayout>() == REPLY_HEADER_BYTES);

impl RequestHeader {
    /// The header as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        zerocopy::transmute!(RequestHeaderLayout {
            id: self.id.into(),
            operation: self.operation.into(),
            flags: U16::ZERO,
            deadline_ms: self.deadline_ms.into(),
        })
    }

    /// The header at the start of a payload.
    ///
    /// # Errors
    /// If the payload is shorter, the id is zero or a flag is set.
    pub fn decode(payload: &[u8]) -> Result<RequestHeader, DecodeError> {
        let Ok((layout, _)) = RequestHeaderLayout::ref_from_prefix(payload) else {
            return Err(DecodeError::new(payload.len(), Reason::TooShort));
        };
        if layout.id == U64::ZERO {
            return Err(DecodeError::new(0, Reason::Unknown));
        }
        if layout.flags != U16::ZERO {
            return Err(DecodeError::new(10, Reason::NotZero));
        }
        Ok(RequestHeader {
            id: layout.id.get(),
            operation: layout.operation.get(),
            deadline_ms: layout.deadline_ms.get(),
        })
    }
}

impl ReplyHeader {
    /// The header of the answer to a request, of no position.
    #[must_use]
    pub fn answered(id: u64, operation: Operation) -> ReplyHeader {
        let outcome = Outcome::Answered;
        ReplyHeader { id, operation: operation.number(), outcome, position: Position::NONE }
    }

    /// The same as of a position.
    #[must_use]
    pub fn at(self, position: Position) -> ReplyHeader {
        ReplyHeader { position, ..self }
    }

    /// The header of a refusal of a request.
    #[must_use]
    pub fn refused(id: u64, operation: u16) -> ReplyHeader {
        ReplyHeader { id, operation, outcome: Outcome::Refused, position: Position::NONE }
    }

    /// The header of a last word.
    #[must_use]
    pub fn last_word() -> ReplyHeader {
        let position = Position::NONE;
        ReplyHeader { id: 0, operation: 0, outcome: Outcome::LastWord, position }
    }

    /// The header as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; REPLY_HEADER_BYTES] {
        zerocopy::transmute!(ReplyHeaderLayout {
            id: self.id.into(),
            operation: self.operation.into(),
            outcome: self.outcome.number(),
            flags: 0,
            reserved: U32::ZERO,
            lsn: self.position.lsn.0.into(),
            epoch: self.position.epoch.into(),
        })
    }

    /// The header at the start of a payload.
    ///
    /// # Errors
    /// If the payload is shorter, the outcome is unknown or reserved bytes are set.
    pub fn decode(payload: &[u8]) -> Result<ReplyHeader, DecodeError> {
        let Ok((layout, _)) = ReplyHeaderLayout::ref_from_prefix(payload) else {
            return Err(DecodeError::new(payload.len(), Reason::TooShort));
        };
        let Some(outcome) = Outcome::from_number(layout.outcome) else {
            return Err(DecodeError::new(10, Reason::Unknown));
        };
        if layout.flags != 0 {
            return Err(DecodeError::new(11, Reason::NotZero));
        }
        if layout.reserved != U32::ZERO {
            return Err(DecodeError::new(12, Reason::NotZero));
        }
        Ok(ReplyHeader {
            id: layout.id.get(),
            operation: layout.operation.get(),
            outcome,
            position: Position { epoch: layout.epoch.get(), lsn: Lsn(layout.lsn.get()) },
        })
    }
}

impl Outcome {
    const fn number(self) -> u8 {
        match self {
            Outcome::Answered => 0,
            Outcome::Refused => 1,
            Outcome::LastWord => 2,
            Outcome::Batch => 3,
        }
    }

    const fn from_number(number: u8) -> Option<Outcome> {
        match number {
            0 => Some(Outcome::Answered),
            1 => Some(Outcome::Refused),
            2 => Some(Outcome::LastWord),
            3 => Some(Outcome::Batch),
            _ => None,
        }
    }
}

/// The length prefix of a payload of so many bytes.
///
/// # Panics
/// If a payload would be longer than [`FRAME_BYTES_MAX`]: the limits of what goes into one make
/// that impossible.
#[must_use]
pub fn length_prefix(payload_bytes: usize) -> [u8; LENGTH_BYTES] {
    assert!(payload_bytes <= FRAME_BYTES_MAX, "a payload of {payload_bytes} bytes fits no frame");
    u32::try_from(payload_bytes).expect("a frame's limit fits 32 bits").to_le_bytes()
}

/// Appends a whole frame: its length, a header, and whatever `body` appends.
///
/// # Panics
/// See [`length_prefix`].
pub fn write(out: &mut BytesMut, header: &[u8], body: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_bytes(0, LENGTH_BYTES);
    out.put_slice(header);
    body(out);
    let prefix = length_prefix(out.len() - start - LENGTH_BYTES);
    out[start..start + LENGTH_BYTES].copy_from_slice(&prefix);
}
