//! Documents: what stands beside postings. A document is a value under a key of a table; its version
//! is the position of the record that wrote it.

use crate::id::Timestamp;
use crate::position::Position;
use alloc::vec::Vec;
use core::fmt;

/// Bytes of a key at most; it has at least one.
pub const DOCUMENT_KEY_BYTES_MAX: usize = 256;
/// Bytes of a value at most.
pub const DOCUMENT_VALUE_BYTES_MAX: usize = 64 << 10;

/// A table of documents.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct TableId(pub u16);

impl TableId {
    /// The declarations of tables: key = number of the table, big-endian; value = [`TableOptions`].
    pub const DECLARATIONS: TableId = TableId(0);
    /// Keys of a server's clients.
    pub const CLIENT_KEYS: TableId = TableId(1);
    /// Cursors of named consumers of a stream.
    pub const CONSUMERS: TableId = TableId(2);
    /// What a server itself may see only once.
    pub const SERVER_ONCE: TableId = TableId(3);
    /// Names whose keys were destroyed: key = keyed hash of the name; value = who destroyed it.
    /// Append-only, without being declared so.
    pub const DESTROYED_KEYS: TableId = TableId(4);
    /// The nodes that hold a copy of the log. Written by the one that decides.
    pub const GROUP: TableId = TableId(5);
    /// Captures of all balances: key = position, value = number of accounts and root of their tree
    /// (`florin-proof`, `capture.rs`). Append-only, without being declared so.
    pub const BALANCES: TableId = TableId(6);
    /// Whether a table keeps what it has, declared so or not: what it says can't be taken back.
    #[must_use]
    pub fn keeps_all(self) -> bool {
        self == TableId::DESTROYED_KEYS || self == TableId::BALANCES
    }

    /// The first table that is free for callers.
    pub const FIRST_FREE: TableId = TableId(16);
    /// Never a caller's: the index keeps the expiries of documents under it.
    pub const EXPIRIES: TableId = TableId(u16::MAX);
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a table promises. A table that was never declared promises nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TableOptions {
    /// A document is written once: overwriting and deleting are refused, for every role. Once
    /// promised it can't be taken back.
    pub append_only: bool,
    /// In memory only: not logged, lost when the database is closed. For replay caches and
    /// counters, never for money, codes or consents.
    pub volatile: bool,
    /// Seconds after which a document expires that is written without an expiry of its own; zero:
    /// never.
    pub time_to_live: u32,
}

impl TableOptions {
    /// Bytes of [`TableOptions::encoded`].
    pub const BYTES: usize = 8;
    const APPEND_ONLY: u8 = 1;
    const VOLATILE: u8 = 2;

    /// The value of a declaration: flags (1 append-only, 2 volatile), three zeros, time to live.
    #[must_use]
    pub fn encoded(self) -> [u8; TableOptions::BYTES] {
        let append_only = if self.append_only { TableOptions::APPEND_ONLY } else { 0 };
        let volatile = if self.volatile { TableOptions::VOLATILE } else { 0 };
        let [a, b, c, d] = self.time_to_live.to_le_bytes();
        [append_only | volatile, 0, 0, 0, a, b, c, d]
    }

    /// What a declaration says; `None` if it is none that this version writes.
    #[must_use]
    pub fn decoded(value: &[u8]) -> Option<TableOptions> {
        let [flags, 0, 0, 0, a, b, c, d] = *value.as_array::<{ TableOptions::BYTES }>()? else {
            return None;
        };
        let options = TableOptions {
            append_only: flags & TableOptions::APPEND_ONLY != 0,
            volatile: flags & TableOptions::VOLATILE != 0,
            time_to_live: u32::from_le_bytes([a, b, c, d]),
        };
        (options.encoded()[0] == flags).then_some(options)
    }
}

/// What a write needs of the document as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DocumentCondition {
    /// Nothing.
    #[default]
    Any,
    /// There is none.
    Absent,
    /// It has this version.
    Version(Position),
}

/// One write of a document.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DocumentWrite {
    /// The table.
    pub table: TableId,
    /// The key: 1 to [`DOCUMENT_KEY_BYTES_MAX`] bytes.
    pub key: Vec<u8>,
    /// The new value, at most [`DOCUMENT_VALUE_BYTES_MAX`] bytes; `None` deletes.
    pub value: Option<Vec<u8>>,
    /// When it expires; [`Timestamp::NONE`]: as the table says.
    pub expires: Timestamp,
    /// What it needs of the document as it is.
    pub condition: DocumentCondition,
}

/// What became of one write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WriteResult {
    /// Written; this is the version now.
    Written(Position),
    /// The condition does not hold; this is the present version, [`Position::NONE`] if there is no
    /// document. Nothing was written.
    Stale(Position),
    /// The table is append-only and has the document, in this version. Nothing was written.
    AppendOnly(Position),
    /// The table is volatile, and there is no more memory for such tables. Nothing was written.
    NoRoom,
}

/// What became of an attempt to be the first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UniqueResult {
    /// Nobody was here before, in living memory: now the caller was.
    Fresh(Position),
    /// Somebody was; this is the version of what is remembered of it.
    Seen(Position),
    /// The table is volatile, and there is no more memory for such tables: it can't be told.
    NoRoom,
}

/// Names a document.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct DocumentKey {
    /// The table.
    pub table: TableId,
    /// The key within it.
    pub key: Vec<u8>,
}

/// A document as it is, or was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Document {
    /// The key within its table.
    pub key: Vec<u8>,
    /// The position of the record that wrote it.
    pub version: Position,
    /// When it was written; [`Timestamp::NONE`] where only keys were asked for.
    pub timestamp: Timestamp,
    /// When it expires; [`Timestamp::NONE`]: never, or only keys were asked for.
    pub expires: Timestamp,
    /// The value. `None` where only keys were asked for, and in a history where it was deleted or
    /// expired.
    pub value: Option<Vec<u8>>,
}

/// Which documents of a table to read, in order of their keys.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DocumentScan {
    /// The table.
    pub table: TableId,
    /// Only keys that begin with this.
    pub prefix: Vec<u8>,
    /// Only keys after this one (before it, if reversed): the last page's `next`.
    pub after: Option<Vec<u8>>,
    /// From the last key to the first.
    pub reversed: bool,
    /// Keys and versions alone: the log is not read.
    pub keys_only: bool,
    /// Documents in a page, at most [`crate::query::PAGE_COUNT_MAX`].
    pub limit: u32,
}

/// A page of a scan.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DocumentPage {
    /// The documents; without values if keys were asked for.
    pub items: Vec<Document>,
    /// The key to go on after, if there may be more.
    pub next: Option<Vec<u8>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: an append-only table that is not, after a restart.
    #[test]
    fn options_read_as_they_were_written_and_others_are_none() {
        for flags in 0..4_u8 {
            for time_to_live in [0, 1, u32::MAX] {
                let options = TableOptions {
                    append_only: flags & 1 != 0,
                    volatile: flags & 2 != 0,
                    time_to_live,
                };
                assert_eq!(TableOptions::decoded(&options.encoded()), Some(options));
            }
        }
        assert_eq!(TableOptions::decoded(&[4, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(TableOptions::decoded(&[0, 1, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(TableOptions::decoded(&[0; 7]), None);
    }
}
