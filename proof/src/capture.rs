//! The record of a capture: the root of the tree of all accounts as they were at a position of the log. It is a
//! document of table 6, which nobody but the ledger itself writes.
//!
//! ```text
//! key:   offset  bytes  field
//!             0      8  position: records before it are counted, others are not; big-endian
//!
//! value: offset  bytes  field
//!             0      4  version, 1
//!             4      4  reserved, zero
//!             8      8  accounts: leaves of the tree
//!            16     32  root of the tree
//! ```
//! The value is little-endian; the key is not, so that keys are in order of positions.

use crate::hash::Hash;
use crate::leaf::Leaf;
use florin_ledger::stream::ItemContent;
use florin_ledger::{DocumentKey, Lsn, TableId, Timestamp};
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of the value.
pub const CAPTURE_BYTES: usize = 48;
const VERSION: u32 = 1;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct CaptureLayout {
    version: U32,
    reserved: U32,
    accounts: U64,
    root: [u8; 32],
}

const _: () = assert!(size_of::<CaptureLayout>() == CAPTURE_BYTES);

/// What a capture says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capture {
    /// Records before it are counted.
    pub position: Lsn,
    /// Accounts that were open.
    pub accounts: u64,
    /// Of their tree.
    pub root: Hash,
}

impl Capture {
    /// The key of the document of a capture at a position.
    #[must_use]
    pub fn key_of(position: Lsn) -> DocumentKey {
        DocumentKey { table: TableId::BALANCES, key: position.0.to_be_bytes().to_vec() }
    }

    /// The value of its document.
    #[must_use]
    pub fn value(&self) -> [u8; CAPTURE_BYTES] {
        zerocopy::transmute!(CaptureLayout {
            version: VERSION.into(),
            reserved: U32::ZERO,
            accounts: self.accounts.into(),
            root: self.root.0,
        })
    }

    /// The capture that a document of the table is; `None` if it is none.
    #[must_use]
    pub fn of_document(key: &[u8], value: &[u8]) -> Option<Capture> {
        let layout = CaptureLayout::ref_from_bytes(value).ok()?;
        if layout.version != VERSION || layout.reserved != U32::ZERO {
            return None;
        }
        let position = Lsn(u64::from_be_bytes(*key.as_array()?));
        // Nothing is before the first position.
        position.is_some().then_some(Capture {
            position,
            accounts: layout.accounts.get(),
            root: Hash(layout.root),
        })
    }

    /// The capture that a leaf records; `None` if it records none, or one of records behind itself.
    #[must_use]
    pub fn of_leaf(leaf: &Leaf<'_>) -> Option<Capture> {
        match leaf.content {
            ItemContent::DocumentPut { table: TableId::BALANCES, key, value, expires } => {
                let capture = Capture::of_document(key, value)?;
                let is_past = capture.position <= leaf.position.lsn;
                (is_past && expires == Timestamp::NONE).then_some(capture)
            }
            _ => None,
        }
    }
}
