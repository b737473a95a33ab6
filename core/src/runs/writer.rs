//! Writes a run from pairs in order, in bounded memory: one block, the index (32 bytes a block) and
//! the filter. The file has its name only when it is whole and durable.

use super::block::BlockBuilder;
use super::filter::Filter;
use super::footer::{BlockIndex, Footer};
use super::frontier::is_far_above;
use super::pages::PageWriter;
use super::{Entry, Run, RunError, RunName};
use crate::disk::Disk;
use florin_ledger::Lsn;
use std::sync::Arc;

/// A block is ended early where a key is far above the one before, so that ranges of blocks show
/// outliers apart; so often at most, and once more for every [`ENTRIES_PER_SPLIT`] entries: the
/// lowest of random keys are far apart too, and would take a block each.
const SPLITS_MIN: u64 = 4;
const ENTRIES_PER_SPLIT: u64 = 1024;

/// A run being written. Protocol: [`RunWriter::push`] keys in rising order, then
/// [`RunWriter::finish`]. Dropped before that, or after an error, it leaves a partial file that is
/// removed at the next opening.
pub struct RunWriter {
    disk: Arc<dyn Disk>,
    pages: PageWriter,
    position: Lsn,
    block: BlockBuilder,
    index: BlockIndex,
    /// Begun with the first block after which the keys are not dense: a run of counters needs none.
    filter: Option<Filter>,
    /// Keys of the open block, as long as there is no filter.
    unfiltered: Vec<u128>,
    entries_count: u64,
    entries_max: u64,
    splits_count: u64,
    /// Keys that the blocks' ranges span; compared with the entries it says whether they are dense.
    span: u128,
}

impl RunWriter {
    /// Begins a run of at most `entries_max` pairs that will reflect the log before `position`.
    ///
    /// # Errors
    /// [`RunError::Io`] if the file can't be made.
    pub fn create(
        disk: &Arc<dyn Disk>,
        name: RunName,
        position: Lsn,
        entries_max: u64,
    ) -> Result<RunWriter, RunError> {
        assert!(0 < entries_max);
        let pages = PageWriter::create(disk, name)?;
        Ok(RunWriter {
            disk: Arc::clone(disk),
            pages,
            position,
            block: BlockBuilder::new(),
            index: BlockIndex::default(),
            filter: None,
            unfiltered: Vec::new(),
            entries_count: 0,
            entries_max,
            splits_count: 0,
            span: 0,
        })
    }

    /// Its name when it is finished.
    #[must_use]
    pub fn name(&self) -> RunName {
        self.pages.name()
    }

    /// Adds a pair.
    ///
    /// # Errors
    /// [`RunError::Io`]: nothing more may be written.
    ///
    /// # Panics
    /// If its key is not above the one before, or if there are more than was said.
    pub fn push(&mut self, entry: Entry) -> Result<(), RunError> {
        assert!(self.entries_count < self.entries_max);
        if !self.block.is_empty() && self.splits_before(entry.key) {
            self.splits_count += 1;
            self.end_block()?;
        }
        if !self.block.push(entry) {
            self.end_block()?;
            let fits = self.block.push(entry);
            assert!(fits);
        }
        match &mut self.filter {
            Some(filter) => filter.insert(entry.key),
            None => self.unfiltered.push(entry.key),
        }
        self.entries_count += 1;
        Ok(())
    }

    /// Completes the file, makes it durable, gives it its name, and opens it. `durable`: the log is
    /// durable before this position.
    ///
    /// # Errors
    /// [`RunError::Io`]: the run does not exist. [`RunError::Damaged`] if it does not read back.
    ///
    /// # Panics
    /// If the run is ahead of the durable log, or empty.
    pub fn finish(mut self, durable: Lsn) -> Result<Arc<Run>, RunError> {
        assert!(self.position <= durable, "a projection is never ahead of the log");
        assert!(0 < self.entries_count);
        if !self.block.is_empty() {
            self.end_block()?;
        }
        let footer = self.footer();
        for page in std::mem::take(&mut self.index).pages() {
            self.pages.put(page)?;
        }
        if let Some(filter) = self.filter.take().filter(|_| footer.lines_count != 0) {
            for page in filter.pages() {
                self.pages.put(page)?;
            }
        }
        self.pages.put(footer.page())?;
        assert_eq!(self.pages.pages_count(), footer.pages_count());
        let name = self.name();
        self.pages.publish()?;
        Run::open(&*self.disk, name).map(Arc::new)
    }

    fn footer(&self) -> Footer {
        let (key_min, _) = self.index.range(0);
        let (_, key_max) = self.index.range(self.index.len() - 1);
        let filter = self.filter.as_ref().filter(|_| !self.is_dense());
        let lines_count = filter.map_or(0, Filter::lines_count);
        Footer {
            entries_count: self.entries_count,
            blocks_count: u64::try_from(self.index.len()).expect("fits memory"),
            lines_count: u64::try_from(lines_count).expect("fits memory"),
            position: self.position,
            key_min,
            key_max,
        }
    }

    fn splits_before(&self, key: u128) -> bool {
        let (_, last) = self.block.range();
        is_far_above(last, key)
            && self.splits_count < SPLITS_MIN + self.entries_count / ENTRIES_PER_SPLIT
    }

    fn end_block(&mut self) -> Result<(), RunError> {
        let (first, last) = self.block.range();
        assert!(self.index.is_empty() || self.index.range(self.index.len() - 1).1 < first);
        self.span = self.span.saturating_add((last - first).saturating_add(1));
        if self.filter.is_none() {
            if !self.is_dense() {
                self.begin_filter();
            }
            self.unfiltered.clear();
        }
        self.index.push((first, last));
        let page = self.block.finish();
        self.pages.put(page)
    }

    /// Whether at least half of the keys between the first and last of each block are there: a
    /// filter would deny little that the ranges do not.
    fn is_dense(&self) -> bool {
        self.span / 2 <= u128::from(self.entries_count)
    }

    /// Makes the filter, with the open block's keys and all that the dense blocks before may have.
    fn begin_filter(&mut self) {
        let mut filter = Filter::of_fixed_keys(self.entries_max, self.pages.seed());
        for block in 0..self.index.len() {
            let (first, last) = self.index.range(block);
            (first..=last).for_each(|key| filter.insert(key));
        }
        self.unfiltered.iter().for_each(|key| filter.insert(*key));
        self.filter = Some(filter);
    }
}
