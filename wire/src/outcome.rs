//! What became of a commit: the answer to it, and to its dry run.
//!
//! ```text
//! offset  bytes  field
//!      0      1  outcome: 0 done, 1 refused, 2 unmet, 3 exists with different digest
//!      1      1  what: of refused 1 an account, 2 a transfer;
//!                of unmet 1 too late, 2 a document, 3 a balance, 4 the balance of an account that
//!                is not open, 5 a hold, 6 the condition of a write, 7 a write to an append-only
//!                table
//!      2      2  status: of refused, which rule
//!      4      4  index, from 0: of refused and unmet, which account, transfer, precondition or
//!                document
//!      8     16  position (8 epoch, 8 lsn): where the outcome is recorded, if it is; of unmet 2, 6
//!                and 7 the document's present version
//!     24      8  timestamp: when it was decided; of unmet 1, the present time
//!     32     16  of unmet 3, the present balance
//!     48     16  of done, how many follow: accounts, transfers, documents, events, 4 each
//!     64         of done: a timestamp (8) per account, a timestamp (8) per transfer, a position
//!                (16) per document, a position (16) per event
//! ```
//! All little-endian. A field that is not spoken of is zero.

use crate::array::{self, Fixed};
use crate::error::{DecodeError, Reason};
use bytes::{BufMut, Bytes, BytesMut};
use florin_ledger::commit::{BrokenRule, CommitDone, CommitOutcome, CommitRefused, Unmet};
use florin_ledger::{Amount, CreateAccountStatus, CreateTransferStatus, Lsn, Position, Timestamp};
use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct OutcomeLayout {
    outcome: u8,
    what: u8,
    status: U16,
    index: U32,
    epoch: U64,
    lsn: U64,
    timestamp: U64,
    balance: U128,
    accounts_count: U32,
    transfers_count: U32,
    documents_count: U32,
    events_count: U32,
}

/// Bytes of an outcome besides what a done commit lists.
pub const OUTCOME_HEAD_BYTES: usize = 64;

const _: () = assert!(size_of::<OutcomeLayout>() == OUTCOME_HEAD_BYTES);

const DONE: u8 = 0;
const REFUSED: u8 = 1;
const UNMET: u8 = 2;
const EXISTS_WITH_DIFFERENT_DIGEST: u8 = 3;

const ACCOUNT: u8 = 1;
const TRANSFER: u8 = 2;

const TOO_LATE: u8 = 1;
const DOCUMENT: u8 = 2;
const BALANCE: u8 = 3;
const NO_ACCOUNT: u8 = 4;
const HOLD: u8 = 5;
const WRITE: u8 = 6;
const APPEND_ONLY: u8 = 7;

/// Appends an outcome.
pub fn write(outcome: &CommitOutcome, out: &mut BytesMut) {
    out.put_slice(head(outcome).as_bytes());
    if let CommitOutcome::Done(done) = outcome {
        array::write(&done.accounts, out);
        array::write(&done.transfers, out);
        array::write(&done.documents, out);
        array::write(&done.events, out);
    }
}

/// An outcome as a body of its own.
#[must_use]
pub fn to_bytes(outcome: &CommitOutcome) -> Bytes {
    let mut out = BytesMut::new();
    write(outcome, &mut out);
    out.freeze()
}

/// The outcome of a body.
///
/// # Errors
/// If it is longer or shorter than what it speaks of, a number names nothing, or a field is set that
/// is not spoken of.
pub fn decode(body: &[u8]) -> Result<CommitOutcome, DecodeError> {
    let Ok((layout, lists)) = OutcomeLayout::ref_from_prefix(body) else {
        return Err(DecodeError::new(body.len(), Reason::TooShort));
    };
    let (position, timestamp) = (layout.position(), Timestamp(layout.timestamp.get()));
    let outcome = match layout.outcome {
        DONE => CommitOutcome::Done(layout.done(lists)?),
        REFUSED => {
            CommitOutcome::Refused(CommitRefused { position, timestamp, broken: layout.broken()? })
        }
        UNMET => CommitOutcome::Unmet(layout.unmet()?),
        EXISTS_WITH_DIFFERENT_DIGEST => CommitOutcome::ExistsWithDifferentDigest(position),
        _ => return Err(DecodeError::new(0, Reason::Unknown)),
    };
    if layout.outcome != DONE && !lists.is_empty() {
        return Err(DecodeError::new(OUTCOME_HEAD_BYTES, Reason::TooLong));
    }
    let meant = head(&outcome);
    let differs = |(is, meant): (&u8, &u8)| is != meant;
    match layout.as_bytes().iter().zip(meant.as_bytes()).position(differs) {
        None => Ok(outcome),
        Some(offset) => Err(DecodeError::new(offset, Reason::NotZero)),
    }
}

fn head(outcome: &CommitOutcome) -> OutcomeLayout {
    let mut layout = OutcomeLayout::new_zeroed();
    match outcome {
        CommitOutcome::Done(done) => {
            layout.outcome = DONE;
            layout.set_position(done.position);
            layout.timestamp = done.timestamp.0.into();
            layout.accounts_count = count(done.accounts.len());
            layout.transfers_count = count(done.transfers.len());
            layout.documents_count = count(done.documents.len());
            layout.events_count = count(done.events.len());
        }
        CommitOutcome::Refused(refused) => {
            layout.outcome = REFUSED;
            layout.set_position(refused.position);
            layout.timestamp = refused.timestamp.0.into();
            let (what, index, status) = match refused.broken {
                BrokenRule::Account { index, status } => (ACCOUNT, index, status.number()),
                BrokenRule::Transfer { index, status } => (TRANSFER, index, status.number()),
            };
            layout.what = what;
            layout.index = index.into();
            layout.status = u16::from(status).into();
        }
        CommitOutcome::Unmet(unmet) => {
            layout.outcome = UNMET;
            layout.set_unmet(*unmet);
        }
        CommitOutcome::ExistsWithDifferentDigest(position) => {
            layout.outcome = EXISTS_WITH_DIFFERENT_DIGEST;
            layout.set_position(*position);
        }
    }
    layout
}

fn count(items: usize) -> U32 {
    u32::try_from(items).expect("a commit's limits fit 32 bits").into()
}

impl OutcomeLayout {
    fn position(&self) -> Position {
        Position { epoch: self.epoch.get(), lsn: Lsn(self.lsn.get()) }
    }

    fn set_position(&mut self, position: Position) {
        self.epoch = position.epoch.into();
        self.lsn = position.lsn.0.into();
    }

    fn done(&self, lists: &[u8]) -> Result<CommitDone, DecodeError> {
        let mut rest = Lists { bytes: lists, offset: 0 };
        let done = CommitDone {
            position: self.position(),
            timestamp: Timestamp(self.timestamp.get()),
            accounts: rest.next(self.accounts_count)?,
            transfers: rest.next(self.transfers_count)?,
            documents: rest.next(self.documents_count)?,
            events: rest.next(self.events_count)?,
        };
        if rest.offset != lists.len() {
            return Err(DecodeError::new(OUTCOME_HEAD_BYTES + rest.offset, Reason::TooLong));
        }
        Ok(done)
    }

    fn broken(&self) -> Result<BrokenRule, DecodeError> {
        let index = self.index.get();
        let number = u8::try_from(self.status.get()).ok();
        let unknown = |offset| DecodeError::new(offset, Reason::Unknown);
        match self.what {
            ACCOUNT => {
                let status = number.and_then(CreateAccountStatus::from_number);
                Ok(BrokenRule::Account { index, status: status.ok_or(unknown(2))? })
            }
            TRANSFER => {
                let status = number.and_then(CreateTransferStatus::from_number);
                Ok(BrokenRule::Transfer { index, status: status.ok_or(unknown(2))? })
            }
            _ => Err(unknown(1)),
        }
    }

    fn unmet(&self) -> Result<Unmet, DecodeError> {
        let (index, version) = (self.index.get(), self.position());
        Ok(match self.what {
            TOO_LATE => Unmet::TooLate(Timestamp(self.timestamp.get())),
            DOCUMENT => Unmet::Document { index, version },
            BALANCE => Unmet::Balance { index, balance: Some(Amount(self.balance.get())) },
            NO_ACCOUNT => Unmet::Balance { index, balance: None },
            HOLD => Unmet::Hold { index },
            WRITE => Unmet::Write { index, version },
            APPEND_ONLY => Unmet::AppendOnly { index, version },
            _ => return Err(DecodeError::new(1, Reason::Unknown)),
        })
    }

    fn set_unmet(&mut self, unmet: Unmet) {
        let (what, index, version) = match unmet {
            Unmet::TooLate(now) => {
                self.timestamp = now.0.into();
                (TOO_LATE, 0, Position::NONE)
            }
            Unmet::Document { index, version } => (DOCUMENT, index, version),
            Unmet::Balance { index, balance: Some(balance) } => {
                self.balance = balance.0.into();
                (BALANCE, index, Position::NONE)
            }
            Unmet::Balance { index, balance: None } => (NO_ACCOUNT, index, Position::NONE),
            Unmet::Hold { index } => (HOLD, index, Position::NONE),
            Unmet::Write { index, version } => (WRITE, index, version),
            Unmet::AppendOnly { index, version } => (APPEND_ONLY, index, version),
        };
        self.what = what;
        self.index = index.into();
        self.set_position(version);
    }
}

/// What a done commit lists, being read.
struct Lists<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl Lists<'_> {
    fn next<T: Fixed>(&mut self, count: U32) -> Result<Vec<T>, DecodeError> {
        let at = OUTCOME_HEAD_BYTES + self.offset;
        let count = usize::try_from(count.get()).unwrap_or(usize::MAX);
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        let length = count.checked_mul(size_of::<T::Layout>());
        let Some(list) = length.and_then(|length| rest.get(..length)) else {
            return Err(DecodeError::new(OUTCOME_HEAD_BYTES + self.bytes.len(), Reason::TooShort));
        };
        self.offset += list.len();
        array::decode(list).map_err(|error| error.after(at))
    }
}
