//! Bodies of the questions for proofs. What is answered is a file of `florin-proof`, as it is: whoever
//! asked keeps the bytes.
//!
//! ```text
//! head:         0  8 leaves of the tree; zero: the newest                         = 8
//! consistency:  0  8 leaves of the older tree | 8  8 of the newer, zero: the newest = 16
//! inclusion:    0  8 leaves of the tree; zero: the newest | 8    subject
//! receipt:      0    subject
//! balance:      0 16 account | 16  8 epoch | 24  8 lsn; both zero: of the newest capture = 32
//! captured:     0  8 position | 8  8 accounts | 16 32 root                              = 48
//!
//! subject:      0  1 kind | 1  1 reserved, zero | 2  2 table | 4  4 reserved, zero
//!               8 16 id, or position: 8 epoch, 8 lsn | 24    key             = 24 + ..
//!               kind 1: a transfer's id, 2: a commit's id, 3: table and key of a document,
//!               4: a position; what a kind does not use is zero, or empty
//! ```
//! All little-endian.

use crate::error::{DecodeError, Reason};
use bytes::{BufMut, Bytes, BytesMut};
use florin_ledger::{
    AccountId, CommitId, DocumentKey, Lsn, Position, Subject, TableId, TransferId,
};
use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct SubjectLayout {
    kind: u8,
    reserved: u8,
    table: U16,
    reserved_too: U32,
    id: U128,
}

const _: () = assert!(size_of::<SubjectLayout>() == 24);

const TRANSFER: u8 = 1;
const COMMIT: u8 = 2;
const DOCUMENT: u8 = 3;
const POSITION: u8 = 4;

/// The question of [`crate::Operation::ProveInclusion`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InclusionOf {
    /// What is to be proved.
    pub subject: Subject,
    /// Leaves of the tree; `None`: of the newest.
    pub size: Option<u64>,
}

/// The question of [`crate::Operation::ProveConsistency`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConsistencyOf {
    /// Leaves of the older tree.
    pub first: u64,
    /// Leaves of the newer one; `None`: of the newest.
    pub second: Option<u64>,
}

/// The question of [`crate::Operation::ProveBalance`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BalanceOf {
    /// Whose.
    pub account: AccountId,
    /// Of the newest capture at or before it; [`Position::NONE`]: of the newest.
    pub at: Position,
}

/// The answer of [`crate::Operation::CaptureBalances`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Captured {
    /// Records before it are counted.
    pub position: Lsn,
    /// Accounts that were open.
    pub accounts: u64,
    /// Of their tree.
    pub root: [u8; 32],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct BalanceLayout {
    account: U128,
    epoch: U64,
    lsn: U64,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct CapturedLayout {
    position: U64,
    accounts: U64,
    root: [u8; 32],
}

const _: () = assert!(size_of::<BalanceLayout>() == 32);
const _: () = assert!(size_of::<CapturedLayout>() == 48);

impl BalanceOf {
    /// The body of the question.
    #[must_use]
    pub fn to_bytes(self) -> Bytes {
        let BalanceOf { account, at: Position { epoch, lsn } } = self;
        let (account, epoch, lsn) = (account.0.into(), epoch.into(), lsn.0.into());
        Bytes::copy_from_slice(BalanceLayout { account, epoch, lsn }.as_bytes())
    }

    /// The question of a body.
    ///
    /// # Errors
    /// If it has another length.
    pub fn decode(body: &[u8]) -> Result<BalanceOf, DecodeError> {
        let BalanceLayout { account, epoch, lsn } = whole::<BalanceLayout>(body)?;
        let at = Position { epoch: epoch.get(), lsn: Lsn(lsn.get()) };
        Ok(BalanceOf { account: AccountId(account.get()), at })
    }
}

impl Captured {
    /// The body of the answer.
    #[must_use]
    pub fn to_bytes(self) -> Bytes {
        let Captured { position, accounts, root } = self;
        let (position, accounts) = (position.0.into(), accounts.into());
        Bytes::copy_from_slice(CapturedLayout { position, accounts, root }.as_bytes())
    }

    /// The answer of a body.
    ///
    /// # Errors
    /// If it has another length.
    pub fn decode(body: &[u8]) -> Result<Captured, DecodeError> {
        let CapturedLayout { position, accounts, root } = whole::<CapturedLayout>(body)?;
        Ok(Captured { position: Lsn(position.get()), accounts: accounts.get(), root: *root })
    }
}

/// A body that is one layout.
fn whole<T>(body: &[u8]) -> Result<&T, DecodeError>
where
    T: FromBytes + Immutable + KnownLayout + Unaligned,
{
    let too_short = DecodeError::new(body.len(), Reason::TooShort);
    let (layout, rest) = T::ref_from_prefix(body).map_err(|_| too_short)?;
    end(rest, size_of::<T>())?;
    Ok(layout)
}

/// The body of a question for a head.
#[must_use]
pub fn head_to_bytes(size: Option<u64>) -> Bytes {
    Bytes::copy_from_slice(&size.unwrap_or(0).to_le_bytes())
}

/// The size that a question for a head asks for.
///
/// # Errors
/// If the body has another length.
pub fn decode_head(body: &[u8]) -> Result<Option<u64>, DecodeError> {
    let (size, rest) = take_size(body, 0)?;
    end(rest, 8)?;
    Ok(some_unless_zero(size))
}

impl ConsistencyOf {
    /// The body of the question.
    #[must_use]
    pub fn to_bytes(self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u64_le(self.first);
        out.put_u64_le(self.second.unwrap_or(0));
        out.freeze()
    }

    /// The question of a body.
    ///
    /// # Errors
    /// If it has another length.
    pub fn decode(body: &[u8]) -> Result<ConsistencyOf, DecodeError> {
        let (first, rest) = take_size(body, 0)?;
        let (second, rest) = take_size(rest, 8)?;
        end(rest, 16)?;
        Ok(ConsistencyOf { first, second: some_unless_zero(second) })
    }
}

impl InclusionOf {
    /// The body of the question.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u64_le(self.size.unwrap_or(0));
        write_subject(&self.subject, &mut out);
        out.freeze()
    }

    /// The question of a body.
    ///
    /// # Errors
    /// If it is none.
    pub fn decode(body: &[u8]) -> Result<InclusionOf, DecodeError> {
        let (size, rest) = take_size(body, 0)?;
        let subject = decode_subject(rest).map_err(|error| error.after(8))?;
        Ok(InclusionOf { subject, size: some_unless_zero(size) })
    }
}

/// A subject as a body.
#[must_use]
pub fn subject_to_bytes(subject: &Subject) -> Bytes {
    let mut out = BytesMut::new();
    write_subject(subject, &mut out);
    out.freeze()
}

fn write_subject(subject: &Subject, out: &mut BytesMut) {
    let (kind, table, id, key): (u8, u16, u128, &[u8]) = match subject {
        Subject::Transfer(id) => (TRANSFER, 0, id.0, &[]),
        Subject::Commit(id) => (COMMIT, 0, id.0, &[]),
        Subject::Document(DocumentKey { table, key }) => (DOCUMENT, table.0, 0, key),
        Subject::Position(Position { epoch, lsn }) => {
            (POSITION, 0, u128::from(*epoch) | u128::from(lsn.0) << 64, &[])
        }
    };
    let layout = SubjectLayout {
        kind,
        reserved: 0,
        table: table.into(),
        reserved_too: U32::ZERO,
        id: id.into(),
    };
    out.put_slice(layout.as_bytes());
    out.put_slice(key);
}

/// The subject of a body.
///
/// # Errors
/// If it is none. Whether a document can have the key is for whoever is asked to judge.
pub fn decode_subject(body: &[u8]) -> Result<Subject, DecodeError> {
    let (layout, key) = SubjectLayout::ref_from_prefix(body)
        .map_err(|_| DecodeError::new(body.len(), Reason::TooShort))?;
    let (table, id) = (layout.table.get(), layout.id.get());
    if layout.reserved != 0 || (layout.kind != DOCUMENT && table != 0) {
        return Err(DecodeError::new(1, Reason::NotZero));
    }
    if layout.reserved_too != U32::ZERO {
        return Err(DecodeError::new(4, Reason::NotZero));
    }
    if layout.kind == DOCUMENT && id != 0 {
        return Err(DecodeError::new(8, Reason::NotZero));
    }
    if layout.kind != DOCUMENT && !key.is_empty() {
        return Err(DecodeError::new(24, Reason::TooLong));
    }
    match layout.kind {
        TRANSFER => Ok(Subject::Transfer(TransferId(id))),
        COMMIT => Ok(Subject::Commit(CommitId(id))),
        DOCUMENT => Ok(Subject::Document(DocumentKey { table: TableId(table), key: key.to_vec() })),
        POSITION => {
            let half = |half: u128| u64::try_from(half & u128::from(u64::MAX)).expect("64 bits");
            Ok(Subject::Position(Position { epoch: half(id), lsn: Lsn(half(id >> 64)) }))
        }
        _ => Err(DecodeError::new(0, Reason::Unknown)),
    }
}

fn take_size(body: &[u8], offset: usize) -> Result<(u64, &[u8]), DecodeError> {
    let too_short = DecodeError::new(offset + body.len(), Reason::TooShort);
    let (size, rest) = body.split_first_chunk::<8>().ok_or(too_short)?;
    Ok((u64::from_le_bytes(*size), rest))
}

fn end(rest: &[u8], offset: usize) -> Result<(), DecodeError> {
    if rest.is_empty() { Ok(()) } else { Err(DecodeError::new(offset, Reason::TooLong)) }
}

fn some_unless_zero(size: u64) -> Option<u64> {
    (size != 0).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: a proof of another record than was asked for.
    #[test]
    fn questions_read_as_they_were_written_and_nothing_else_is_one() {
        let key = DocumentKey { table: TableId(300), key: b"key".to_vec() };
        let subjects = [
            Subject::Transfer(TransferId(u128::MAX)),
            Subject::Commit(CommitId(7)),
            Subject::Document(key),
            Subject::Position(Position { epoch: 2, lsn: Lsn(1 << 40) }),
        ];
        for subject in subjects {
            let body = subject_to_bytes(&subject);
            assert_eq!(decode_subject(&body), Ok(subject.clone()));
            for at in 0..body.len() {
                assert!(decode_subject(&body[..at]).is_err() || at == 24 || 24 < at);
                let mut changed = body.to_vec();
                changed[at] ^= 0x40;
                if let Ok(read) = decode_subject(&changed) {
                    assert_ne!(read, subject);
                    assert_eq!(subject_to_bytes(&read), changed);
                }
            }
            for size in [None, Some(9)] {
                let asked = InclusionOf { subject: subject.clone(), size };
                assert_eq!(InclusionOf::decode(&asked.to_bytes()), Ok(asked));
            }
        }
        for second in [None, Some(3)] {
            let asked = ConsistencyOf { first: 2, second };
            assert_eq!(ConsistencyOf::decode(&asked.to_bytes()), Ok(asked));
            assert_eq!(decode_head(&head_to_bytes(second)), Ok(second));
        }
        for at in [Position::NONE, Position { epoch: 3, lsn: Lsn(1 << 40) }] {
            let asked = BalanceOf { account: AccountId(u128::MAX - 1), at };
            assert_eq!(BalanceOf::decode(&asked.to_bytes()), Ok(asked));
        }
        let captured = Captured { position: Lsn(7), accounts: 8, root: [9; 32] };
        assert_eq!(Captured::decode(&captured.to_bytes()), Ok(captured));
        for length in [0, 31, 33, 47, 49] {
            assert!(BalanceOf::decode(&vec![0; length]).is_err());
            assert!(Captured::decode(&vec![0; length]).is_err());
        }
        assert!(ConsistencyOf::decode(&[0; 17]).is_err());
        assert!(decode_head(&[0; 7]).is_err());
    }
}
