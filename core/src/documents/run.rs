//! An immutable, sorted file of keys and entries: opened once, read by any thread.

use super::block::{decode, find};
use super::cursor::RunCursor;
use super::footer::DocumentFooter;
use super::key::{KeyProbe, prefix};
use super::separators::Separators;
use super::{DocumentEntry, KeyList, KeyOrder, KeyRange};
use crate::disk::Disk;
use crate::runs::filter::Filter;
use crate::runs::pages::{PAGE_BYTES_U64, PageReader};
use crate::runs::{Damage, RunError, RunName};
use florin_ledger::Lsn;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// An open run. Separators and filter are in memory; blocks are read and verified one by one.
pub struct DocumentRun {
    pages: PageReader,
    footer: DocumentFooter,
    /// Of the largest key: keys that begin with more are beyond all that are here.
    prefix_max: u128,
    separators: Separators,
    filter: Filter,
}

impl DocumentRun {
    /// Opens a run and loads its index and filter.
    ///
    /// # Errors
    /// [`RunError::Damaged`] if anything but the blocks is not what was written;
    /// [`RunError::Io`] if the file is missing or can't be read.
    pub fn open(disk: &dyn Disk, name: RunName) -> Result<DocumentRun, RunError> {
        let pages = PageReader::open(disk, name, 3)?;
        let pages_count = pages.pages_count();
        let mut footer = Err(Damage::Footer);
        pages.read(pages_count - 1, 1, |page| footer = DocumentFooter::of(page, pages_count))?;
        let footer = footer.map_err(|damage| pages.damaged(damage))?;
        let separators = read_separators(&pages, &footer)?;
        let filter = pages.filter(footer.filter_page(), footer.lines_count)?;
        let prefix_max = prefix(&footer.key_max);
        Ok(DocumentRun { pages, footer, prefix_max, separators, filter })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> RunName {
        self.pages.name()
    }

    /// It reflects the log from here on; [`Lsn::NONE`] if there is nothing older.
    #[must_use]
    pub fn from(&self) -> Lsn {
        self.footer.from
    }

    /// It reflects the log before this position.
    #[must_use]
    pub fn position(&self) -> Lsn {
        self.footer.position
    }

    /// How many entries; none if all that was merged into it is deleted.
    #[must_use]
    pub fn entries_count(&self) -> u64 {
        self.footer.entries_count
    }

    /// Bytes of the file.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.footer.pages_count() * PAGE_BYTES_U64
    }

    /// Bytes of memory.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.separators.memory_bytes() + self.filter.bytes()
    }

    /// Whether a key may be here; `false` is certain. Touches only memory.
    #[must_use]
    pub fn may_contain(&self, probe: KeyProbe) -> bool {
        probe.prefix <= self.prefix_max && self.filter.may_contain(probe.hash)
    }

    /// Bits of the memory that [`DocumentRun::may_contain`] looks at, to have it in the cache.
    pub(super) fn touch(&self, probe: KeyProbe) -> u64 {
        if probe.prefix <= self.prefix_max { self.filter.touch(probe.hash) } else { 0 }
    }

    /// The entry of a key that [may be here](DocumentRun::may_contain). Reads and verifies at most
    /// one block.
    ///
    /// # Errors
    /// [`RunError::Damaged`] if that block is not what was written.
    pub fn get(&self, key: &[u8]) -> Result<Option<DocumentEntry>, RunError> {
        let Some(block) = self.separators.up_to(key).checked_sub(1) else { return Ok(None) };
        let mut found = Ok(None);
        self.pages.read(block_page(block), 1, |page| found = find(page, key))?;
        found.map_err(|_| self.pages.damaged(Damage::Block { page: block_page(block) }))
    }

    /// Goes through the entries of a range, each block verified as it is read. It may go on past the
    /// range's far end.
    pub(crate) fn cursor(self: &Arc<DocumentRun>, range: &KeyRange, order: KeyOrder) -> RunCursor {
        RunCursor::new(Arc::clone(self), range, order)
    }

    /// The blocks that may have keys of a range.
    pub(super) fn blocks_of(&self, range: &KeyRange) -> Range<usize> {
        let first = self.separators.up_to(range.start()).saturating_sub(1);
        let end = range.end().map_or(self.separators.len(), |end| self.separators.below(end));
        first..end.max(first)
    }

    /// How many blocks.
    pub(super) fn blocks_count(&self) -> usize {
        self.separators.len()
    }

    /// Reads blocks into a list, in rising order, and checks each against the index.
    pub(super) fn read_blocks(
        &self,
        blocks: Range<usize>,
        list: &mut KeyList,
    ) -> Result<(), RunError> {
        let mut block = blocks.start;
        let mut damaged = None;
        self.pages.read(block_page(block), blocks.len(), |page| {
            let first = list.len();
            let is_whole = decode(page, list).is_ok() && self.is_block(block, first, list);
            if !is_whole {
                damaged = damaged.or(Some(Damage::Block { page: block_page(block) }));
            }
            block += 1;
        })?;
        match damaged {
            None => Ok(()),
            Some(damage) => Err(self.pages.damaged(damage)),
        }
    }

    /// An error that names this run.
    pub(super) fn damaged(&self, damage: Damage) -> RunError {
        self.pages.damaged(damage)
    }

    /// Rule 5 for a block whose keys are at the end of a list, from `first` on.
    fn is_block(&self, block: usize, first: usize, list: &KeyList) -> bool {
        let separator = self.separators.get(block);
        let (first, _) = list.get(first);
        let begins = if block == 0 { separator == first } else { separator <= first };
        let ends = if block + 1 == self.blocks_count() {
            self.footer.ends(list)
        } else {
            list.last().is_some_and(|(last, _)| last < self.separators.get(block + 1))
        };
        begins && ends
    }
}

impl fmt::Debug for DocumentRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DocumentRun")
            .field("name", &self.name())
            .field("footer", &self.footer)
            .finish_non_exhaustive()
    }
}

/// Rule 4.
fn read_separators(pages: &PageReader, footer: &DocumentFooter) -> Result<Separators, RunError> {
    let blocks_count = pages.count(footer.blocks_count)?;
    let pages_count = pages.count(footer.index_pages_count)?;
    let mut separators = Separators::default();
    let mut is_sound = true;
    pages.read(footer.index_page(), pages_count, |page| {
        is_sound &= separators.extend_from_page(page).is_some();
    })?;
    separators.shrink();
    if is_sound && separators.len() == blocks_count {
        Ok(separators)
    } else {
        Err(pages.damaged(Damage::Index))
    }
}

fn block_page(block: usize) -> u64 {
    1 + u64::try_from(block).expect("a run has fewer blocks than 2^64")
}
