//! What became of a commit, and the receipt of it: the answer to a commit that asks for one.
//!
//! ```text
//! offset  bytes  field
//!      0      4  bytes of the outcome
//!      4      4  reserved, zero
//!      8         outcome ([`crate::outcome`])
//!      …         receipt, as a file of its own has it; nothing if there is none
//! ```
//! All little-endian. The receipt is the rest of the body.

use crate::error::{DecodeError, Reason};
use crate::outcome;
use bytes::{BufMut, BytesMut};
use florin_ledger::CommitOutcome;
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ReceiptedLayout {
    outcome_bytes: U32,
    reserved: U32,
}

const HEAD_BYTES: usize = 8;
const _: () = assert!(size_of::<ReceiptedLayout>() == HEAD_BYTES);

/// Appends an outcome and the bytes of its receipt, none if there is none.
///
/// # Panics
/// If the outcome is longer than a frame.
pub fn write(outcome: &CommitOutcome, receipt: &[u8], out: &mut BytesMut) {
    let at = out.len();
    out.put_bytes(0, HEAD_BYTES);
    outcome::write(outcome, out);
    let outcome_bytes = u32::try_from(out.len() - at - HEAD_BYTES).expect("it fits a frame");
    let head = ReceiptedLayout { outcome_bytes: outcome_bytes.into(), reserved: U32::ZERO };
    out[at..at + HEAD_BYTES].copy_from_slice(head.as_bytes());
    out.put_slice(receipt);
}

/// The outcome and the bytes of the receipt; they are for whoever trusts a key to read.
///
/// # Errors
/// If they are not what [`write`] gives.
pub fn decode(body: &[u8]) -> Result<(CommitOutcome, &[u8]), DecodeError> {
    let too_short = DecodeError::new(body.len(), Reason::TooShort);
    let (head, rest) = ReceiptedLayout::ref_from_prefix(body).map_err(|_| too_short)?;
    if head.reserved != U32::ZERO {
        return Err(DecodeError::new(4, Reason::NotZero));
    }
    let outcome_bytes = usize::try_from(head.outcome_bytes.get()).unwrap_or(usize::MAX);
    let (outcome, receipt) = rest.split_at_checked(outcome_bytes).ok_or(too_short)?;
    let outcome = outcome::decode(outcome).map_err(|error| error.after(HEAD_BYTES))?;
    Ok((outcome, receipt))
}
