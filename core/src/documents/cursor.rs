//! Going through the entries of a run, either way.

use super::{DocumentEntry, DocumentRun, KeyList, KeyOrder, KeyRange};
use crate::runs::pages::READ_PAGES;
use crate::runs::{Damage, RunError};
use std::ops::Range;
use std::sync::Arc;

/// Where somebody stands in a run. Protocol: [`RunCursor::load`] once, then
/// [`RunCursor::current`] and [`RunCursor::advance`]; after an error it stands nowhere.
#[derive(Debug)]
pub(crate) struct RunCursor {
    run: Arc<DocumentRun>,
    order: KeyOrder,
    range: KeyRange,
    /// Blocks not read yet.
    blocks: Range<usize>,
    /// Blocks to read at once next: one for a short scan, more and more for a long one.
    window: usize,
    /// Keys of the blocks read last, rising.
    list: KeyList,
    /// Places in the list to go through, the next one at the front or, falling, at the back.
    places: Range<usize>,
    /// Entries read so far, if all are being read.
    entries_count: Option<u64>,
}

impl RunCursor {
    pub(super) fn new(run: Arc<DocumentRun>, range: &KeyRange, order: KeyOrder) -> RunCursor {
        let blocks = run.blocks_of(range);
        let is_all = blocks == (0..run.blocks_count());
        RunCursor {
            run,
            order,
            range: range.clone(),
            blocks,
            window: 1,
            list: KeyList::default(),
            places: 0..0,
            entries_count: if is_all { Some(0) } else { None },
        }
    }

    /// Where it stands; `None` when all is done.
    #[inline]
    pub(crate) fn current(&self) -> Option<(&[u8], DocumentEntry)> {
        if self.places.is_empty() {
            return None;
        }
        Some(self.list.get(match self.order {
            KeyOrder::Rising => self.places.start,
            KeyOrder::Falling => self.places.end - 1,
        }))
    }

    /// Moves on.
    ///
    /// # Errors
    /// See [`RunCursor::load`].
    #[inline]
    pub(crate) fn advance(&mut self) -> Result<(), RunError> {
        match self.order {
            KeyOrder::Rising => self.places.start += 1,
            KeyOrder::Falling => self.places.end -= 1,
        }
        if self.places.is_empty() { self.load() } else { Ok(()) }
    }

    /// Reads the next blocks that have keys to go through.
    ///
    /// # Errors
    /// [`RunError`] if a block can't be read or is not what was written.
    pub(crate) fn load(&mut self) -> Result<(), RunError> {
        while self.places.is_empty() && !self.blocks.is_empty() {
            let window = self.window.min(self.blocks.len());
            self.window = READ_PAGES.min(2 * self.window);
            let blocks = match self.order {
                KeyOrder::Rising => {
                    self.blocks.start += window;
                    self.blocks.start - window..self.blocks.start
                }
                KeyOrder::Falling => {
                    self.blocks.end -= window;
                    self.blocks.end..self.blocks.end + window
                }
            };
            self.list.clear();
            self.run.read_blocks(blocks, &mut self.list)?;
            self.count()?;
            // Only the first and the last block read can have keys out of the range.
            let start = self.list.lower_bound(self.range.start());
            let end = self.range.end().map_or(self.list.len(), |end| self.list.lower_bound(end));
            self.places = start..end.max(start);
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), RunError> {
        let Some(entries_count) = &mut self.entries_count else { return Ok(()) };
        *entries_count += u64::try_from(self.list.len()).expect("fits memory");
        if self.blocks.is_empty() && *entries_count != self.run.entries_count() {
            return Err(self.run.damaged(Damage::Count { entries_count: *entries_count }));
        }
        Ok(())
    }
}
