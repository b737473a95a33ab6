//! A leaf: a record as whoever holds a proof sees it, with full ids where the log has slots and
//! positions.
//!
//! ```text
//! leaf: offset  bytes  field
//!            0      8  epoch: the opening that wrote the record
//!            8      8  lsn: where it lies in the log
//!           16      8  recorded time
//!           24      1  kind
//!           25      7  reserved, zero
//!           32         what it says, as an item of a stream does (core/ledger/src/stream/content.rs)
//! ```
//! All little-endian. One encoding only. A leaf is hashed behind a byte 0.

use crate::error::{Flaw, ProofError};
use crate::hash::{Hash, LEAF_PREFIX, leaf_hash};
use crate::reader::Reader;
use florin_ledger::stream::{ITEM_BYTES_MAX, ItemContent, ItemKind};
use florin_ledger::{Lsn, Position, Subject, Timestamp, Transfer};
use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes before what a leaf says.
pub const LEAF_HEAD_BYTES: usize = 32;
/// Bytes of a leaf at most: an item of a stream is longer by what it says of its block.
pub const LEAF_BYTES_MAX: usize = ITEM_BYTES_MAX;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct LeafLayout {
    epoch: U64,
    lsn: U64,
    time: U64,
    kind: u8,
    reserved: [u8; 7],
}

const _: () = assert!(size_of::<LeafLayout>() == LEAF_HEAD_BYTES);

/// A record as it is proved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leaf<'a> {
    /// Where it is recorded.
    pub position: Position,
    /// When.
    pub time: Timestamp,
    /// What.
    pub content: ItemContent<'a>,
}

impl<'a> Leaf<'a> {
    /// Appends its bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        let layout = LeafLayout {
            epoch: self.position.epoch.into(),
            lsn: self.position.lsn.0.into(),
            time: self.time.0.into(),
            kind: self.content.kind().number(),
            reserved: [0; 7],
        };
        out.extend_from_slice(layout.as_bytes());
        self.content.write(out);
    }

    /// Its bytes behind the byte 0 that they are hashed with, in the place of what `out` holds.
    pub fn write_prefixed(&self, out: &mut Vec<u8>) {
        out.clear();
        out.push(LEAF_PREFIX);
        self.write(out);
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        bytes
    }

    /// Whether it is the record that was asked about.
    #[must_use]
    pub fn is_of(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Transfer(wanted) => match self.content {
                ItemContent::Transfer(Transfer { id, .. }) | ItemContent::Failed { id, .. } => {
                    id == *wanted
                }
                _ => false,
            },
            Subject::Commit(wanted) => match self.content {
                ItemContent::Commit { id, .. } => id == *wanted,
                ItemContent::Refusal(refusal) => {
                    refusal.id == wanted.0 && refusal.reason.is_final()
                }
                _ => false,
            },
            Subject::Document(wanted) => match self.content {
                ItemContent::DocumentPut { table, key, .. }
                | ItemContent::DocumentDeleted { table, key }
                | ItemContent::DocumentExpired { table, key, .. } => {
                    table == wanted.table && key == wanted.key
                }
                _ => false,
            },
            Subject::Position(wanted) => self.position == *wanted,
        }
    }

    /// The leaf of some bytes.
    ///
    /// # Errors
    /// Where they are not what [`Leaf::write`] gives.
    pub fn read(bytes: &'a [u8]) -> Result<Leaf<'a>, ProofError> {
        let mut reader = Reader::new(bytes);
        let layout = reader.take::<LeafLayout>()?;
        if layout.reserved != [0; 7] {
            return Err(ProofError::new(25, Flaw::NotZero));
        }
        let kind = ItemKind::from_number(layout.kind).ok_or(ProofError::new(24, Flaw::Number))?;
        let content = reader.bytes(bytes.len() - LEAF_HEAD_BYTES)?;
        let content = ItemContent::read(kind, content);
        Ok(Leaf {
            position: Position { epoch: layout.epoch.get(), lsn: Lsn(layout.lsn.get()) },
            time: Timestamp(layout.time.get()),
            content: content.ok_or(ProofError::new(LEAF_HEAD_BYTES, Flaw::Number))?,
        })
    }
}

/// The hash of a leaf's bytes, if they are a leaf: what is no record proves nothing, whatever tree it
/// is in.
pub(crate) fn checked_hash(leaf: &[u8]) -> Result<Hash, ProofError> {
    Leaf::read(leaf)?;
    Ok(leaf_hash(leaf))
}
