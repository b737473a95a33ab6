//! Where documents stand: from a table and key to the position of its newest record.
//!
//! The values of documents stay in the log. What is kept here is a key of bytes (the table's number,
//! big-endian, and the document's own key) and a [`DocumentEntry`]. The shape is that of
//! [`crate::runs`], and so are pages, names and orphans: recent keys in memory, frozen from time to
//! time and written to immutable sorted files, which are merged in the background. What differs is
//! that a key may be written again, and that its neighbours matter.
//!
//! ```text
//! insert -> Recent --freeze--> Frozen --DocumentRunWriter--> DocumentRun --+
//!                                                                          +-> DocumentRuns
//!              merged by age:  newest  [ ][ ][    ][    ][          ]  oldest
//! ```
//!
//! Invariants:
//! - the newest entry of a key wins: recent before frozen, frozen before runs, newer before older;
//! - each run says from which position of the log to which it reflects it, and the runs of a set
//!   tile the log from its beginning, so a missing one is noticed;
//! - so only runs that are neighbours in age are merged, into one that spans what they spanned;
//! - a deletion is an entry like any other until it is merged with the oldest run, beneath which
//!   nothing can come to light again;
//! - a run file has its name only when it is whole and durable, and never changes afterwards.
//!
//! `docs/FORMAT.md`, [`block`] and [`footer`] draw a file.

mod key;

mod keys;
mod list;
mod recent;

pub mod block;
mod cursor;
pub mod footer;
mod merged;
mod run;
mod separators;
mod writer;

mod index;
mod merge;
mod scan;
mod set;

#[cfg(test)]
mod tests;

pub(crate) use cursor::RunCursor;
pub use index::{DocumentIndex, DocumentLookup, DocumentMergePlan, DocumentRunPlan};
pub use key::{KeyOrder, KeyProbe, KeyRange};
pub use list::KeyList;
pub use merge::DocumentMerge;
pub use recent::Mark;
pub use run::DocumentRun;
pub use scan::{DocumentScan, ScanPage};
pub use set::DocumentRuns;

use florin_ledger::Lsn;

/// What is known of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DocumentEntry {
    /// Where its newest record is; at most [`block::LSN_MAX`].
    pub lsn: Lsn,
    /// Whether that record deleted it. Such an entry may be gone after a merge: no entry and this
    /// one mean the same.
    pub is_deleted: bool,
}
