//! Bodies of what nodes of a group ask each other, and of how a primary is changed. The group itself is a document:
//! `docs/FORMAT.md` draws it.
//!
//! ```text
//! promise:       offset  bytes  field
//!                     0     16  incarnation of the database
//!                    16     16  incarnation of its life
//!                    32     16  node that wants to decide in it
//!                    48      8  term
//! its answer:         0      1  1: no lower term is heard from now on; 0: this or a higher one was promised before
//!                     1      7  reserved, zero
//!                     8      8  term that is promised
//!                    16      8  term that the log is of
//!                    24      8  lsn: all that was ever acknowledged lies before it
//!                    32     16  node
//!
//! has_position:       0     16  incarnation of the database
//!                    16      8  end of a frame: lsn
//!                    24      8  sequence number of the next
//!                    32     32  chain hash there
//! its answer:         0      1  1: the log has it, and so all before it; 0: it has not
//!
//! hand_over:          0     16  node that decides next
//!                    16      4  milliseconds until this one goes on, if no other was promised by then
//!                    20      4  reserved, zero
//!
//! promote:            0      1  1: although something that was told may be lost; 0: not then
//! its answer:         0      8  term that it is elected for; zero: none, it is promoted by force
//! ```
//! All little-endian.

use crate::error::{DecodeError, Reason};
use bytes::{BufMut, Bytes, BytesMut};
use florin_ledger::Lsn;
use zerocopy::little_endian::{U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The wish that no lower term is heard any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Promise {
    /// The database.
    pub incarnation: u128,
    /// Its life: what was restored from a backup of a bank has no say in that bank.
    pub life: u128,
    /// Who wants to decide in it.
    pub candidate: u128,
    /// The term.
    pub term: u64,
}

/// The answer to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Promised {
    /// Whether it is promised.
    pub is_granted: bool,
    /// What is promised.
    pub promised: u64,
    /// The log is a beginning of that of this term's primary.
    pub term: u64,
    /// All that was ever acknowledged lies before it.
    pub end: Lsn,
    /// Names the directory.
    pub node: u128,
}

/// The end of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HasPosition {
    /// The database.
    pub incarnation: u128,
    /// Where the frame ends.
    pub lsn: Lsn,
    /// The number of the frame that comes next.
    pub sequence: u64,
    /// The chain hash there.
    pub chain: [u8; 32],
}

/// The wish that another node decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HandOver {
    /// Which.
    pub node: u128,
    /// Milliseconds until this one goes on.
    pub patience_ms: u32,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct PromiseLayout {
    incarnation: U128,
    life: U128,
    candidate: U128,
    term: U64,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct PromisedLayout {
    is_granted: u8,
    reserved: [u8; 7],
    promised: U64,
    term: U64,
    end: U64,
    node: U128,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct HasPositionLayout {
    incarnation: U128,
    lsn: U64,
    sequence: U64,
    chain: [u8; 32],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct HandOverLayout {
    node: U128,
    patience_ms: U32,
    reserved: [u8; 4],
}

const _: () = assert!(size_of::<PromiseLayout>() == 56);
const _: () = assert!(size_of::<PromisedLayout>() == 48);
const _: () = assert!(size_of::<HasPositionLayout>() == 64);
const _: () = assert!(size_of::<HandOverLayout>() == 24);

/// The body, read as a layout of exactly its length.
fn whole<L: FromBytes + KnownLayout + Immutable + Unaligned>(
    body: &[u8],
) -> Result<&L, DecodeError> {
    match L::ref_from_prefix(body) {
        Ok((layout, [])) => Ok(layout),
        Ok(_) => Err(DecodeError::new(size_of::<L>(), Reason::TooLong)),
        Err(_) => Err(DecodeError::new(body.len(), Reason::TooShort)),
    }
}

/// A truth value, one byte.
fn truth(byte: u8, offset: usize) -> Result<bool, DecodeError> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(DecodeError::new(offset, Reason::Unknown)),
    }
}

impl Promise {
    /// The body of the request.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let layout = PromiseLayout {
            incarnation: self.incarnation.into(),
            life: self.life.into(),
            candidate: self.candidate.into(),
            term: self.term.into(),
        };
        Bytes::copy_from_slice(layout.as_bytes())
    }

    /// The request of a body.
    ///
    /// # Errors
    /// If it has another length.
    pub fn decode(body: &[u8]) -> Result<Promise, DecodeError> {
        let layout: &PromiseLayout = whole(body)?;
        Ok(Promise {
            incarnation: layout.incarnation.get(),
            life: layout.life.get(),
            candidate: layout.candidate.get(),
            term: layout.term.get(),
        })
    }
}

impl Promised {
    /// Appends the answer.
    pub fn write(&self, out: &mut BytesMut) {
        let layout = PromisedLayout {
            is_granted: self.is_granted.into(),
            reserved: [0; 7],
            promised: self.promised.into(),
            term: self.term.into(),
            end: self.end.0.into(),
            node: self.node.into(),
        };
        out.put_slice(layout.as_bytes());
    }

    /// The answer of a body.
    ///
    /// # Errors
    /// If it has another length, or says what it can't.
    pub fn decode(body: &[u8]) -> Result<Promised, DecodeError> {
        let layout: &PromisedLayout = whole(body)?;
        if layout.reserved != [0; 7] {
            return Err(DecodeError::new(1, Reason::NotZero));
        }
        Ok(Promised {
            is_granted: truth(layout.is_granted, 0)?,
            promised: layout.promised.get(),
            term: layout.term.get(),
            end: Lsn(layout.end.get()),
            node: layout.node.get(),
        })
    }
}

impl HasPosition {
    /// The body of the request.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let layout = HasPositionLayout {
            incarnation: self.incarnation.into(),
            lsn: self.lsn.0.into(),
            sequence: self.sequence.into(),
            chain: self.chain,
        };
        Bytes::copy_from_slice(layout.as_bytes())
    }

    /// The request of a body.
    ///
    /// # Errors
    /// If it has another length.
    pub fn decode(body: &[u8]) -> Result<HasPosition, DecodeError> {
        let layout: &HasPositionLayout = whole(body)?;
        Ok(HasPosition {
            incarnation: layout.incarnation.get(),
            lsn: Lsn(layout.lsn.get()),
            sequence: layout.sequence.get(),
            chain: layout.chain,
        })
    }
}

impl HandOver {
    /// The body of the request.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let layout = HandOverLayout {
            node: self.node.into(),
            patience_ms: self.patience_ms.into(),
            reserved: [0; 4],
        };
        Bytes::copy_from_slice(layout.as_bytes())
    }

    /// The request of a body.
    ///
    /// # Errors
    /// If it has another length, or says what it can't.
    pub fn decode(body: &[u8]) -> Result<HandOver, DecodeError> {
        let layout: &HandOverLayout = whole(body)?;
        if layout.reserved != [0; 4] {
            return Err(DecodeError::new(20, Reason::NotZero));
        }
        Ok(HandOver { node: layout.node.get(), patience_ms: layout.patience_ms.get() })
    }
}

/// A body that is a truth value.
#[must_use]
pub fn truth_to_bytes(is_so: bool) -> Bytes {
    Bytes::copy_from_slice(&[u8::from(is_so)])
}

/// The body of a term.
#[must_use]
pub fn term_to_bytes(term: u64) -> Bytes {
    Bytes::copy_from_slice(&term.to_le_bytes())
}

/// The term of a body.
///
/// # Errors
/// If it has another length.
pub fn decode_term(body: &[u8]) -> Result<u64, DecodeError> {
    let Some((term, rest)) = body.split_first_chunk() else {
        return Err(DecodeError::new(body.len(), Reason::TooShort));
    };
    let term = u64::from_le_bytes(*term);
    if rest.is_empty() { Ok(term) } else { Err(DecodeError::new(8, Reason::TooLong)) }
}

/// The truth value of a body.
///
/// # Errors
/// If it is none.
pub fn decode_truth(body: &[u8]) -> Result<bool, DecodeError> {
    match body {
        [byte] => truth(*byte, 0),
        [] => Err(DecodeError::new(0, Reason::TooShort)),
        _ => Err(DecodeError::new(1, Reason::TooLong)),
    }
}
