//! Going through keys in order, a page at a time, in two parts: [`super::DocumentIndex::scan`]
//! copies what memory has, on the thread that owns the index; [`DocumentScan::page`] reads the runs,
//! on any thread. What memory changes in between is not in the page.

use super::merged::{ListCursor, Merged, Source};
use super::{DocumentRuns, KeyList, KeyOrder, KeyRange};
use crate::limits::DOCUMENT_SCAN_ENTRIES_MAX;
use crate::runs::RunError;
use std::cmp::Ordering;

/// A scan that has seen memory and not yet the runs.
#[derive(Debug)]
pub struct DocumentScan {
    pub(super) range: KeyRange,
    pub(super) order: KeyOrder,
    /// Keys wanted at most; at least one.
    pub(super) limit: usize,
    /// The newest entries in memory of the keys of the range, deletions too, in the scan's order.
    pub(super) memory: KeyList,
    /// The last key up to which `memory` is all there is; `None` if it is for the whole range.
    pub(super) complete_to: Option<Box<[u8]>>,
    pub(super) runs: DocumentRuns,
}

/// Keys that are not deleted, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScanPage {
    /// As many as were asked for, or fewer, even none.
    pub keys: KeyList,
    /// After which key to go on ([`KeyRange::after`]); `None` if the range is done.
    pub next: Option<Box<[u8]>>,
}

impl DocumentScan {
    /// Reads the runs. A page may be shorter than its limit although more follows: where memory
    /// was copied only so far, or where [`DOCUMENT_SCAN_ENTRIES_MAX`] entries were looked at.
    ///
    /// # Errors
    /// [`RunError`] if a block can't be read or does not verify.
    pub fn page(self) -> Result<ScanPage, RunError> {
        let DocumentScan { range, order, limit, memory, complete_to, runs } = self;
        let mut sources = vec![Source::List(ListCursor::new(memory))];
        let cursors = runs.runs().iter().map(|run| run.cursor(&range, order));
        sources.extend(cursors.map(|cursor| Source::Run(Box::new(cursor))));
        let mut merged = Merged::new(order, sources);
        let mut keys = KeyList::default();
        for looked_at in 1.. {
            let Some((key, entry)) = merged.next()? else { break };
            let is_beyond = |end: &[u8]| match order {
                KeyOrder::Rising => end.cmp(key) == Ordering::Less,
                KeyOrder::Falling => key.cmp(end) == Ordering::Less,
            };
            if !range.contains(key) || complete_to.as_deref().is_some_and(is_beyond) {
                break;
            }
            if !entry.is_deleted {
                keys.push(key, entry);
            }
            if keys.len() == limit || looked_at == DOCUMENT_SCAN_ENTRIES_MAX {
                return Ok(ScanPage { keys, next: Some(Box::from(key)) });
            }
        }
        Ok(ScanPage { keys, next: complete_to })
    }
}
