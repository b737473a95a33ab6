//! Writes a run from keys in order, in bounded memory: one block, the index (some ten bytes a block)
//! and the filter. The file has its name only when it is whole and durable.

use super::block::BlockBuilder;
use super::footer::DocumentFooter;
use super::separators::Separators;
use super::{DocumentEntry, DocumentRun, KeyProbe};
use crate::disk::Disk;
use crate::runs::filter::Filter;
use crate::runs::pages::PageWriter;
use crate::runs::{RunError, RunName};
use florin_ledger::Lsn;
use std::sync::Arc;

/// What part of the log a run reflects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LogSpan {
    /// From here on.
    pub(super) from: Lsn,
    /// Before this.
    pub(super) position: Lsn,
}

/// A run being written. Protocol: [`DocumentRunWriter::push`] keys in rising order, then
/// [`DocumentRunWriter::finish`].
pub(super) struct DocumentRunWriter {
    disk: Arc<dyn Disk>,
    pages: PageWriter,
    span: LogSpan,
    block: BlockBuilder,
    separators: Separators,
    /// The last key of the block before the open one.
    block_last: Vec<u8>,
    filter: Filter,
    entries_count: u64,
    entries_max: u64,
}

impl DocumentRunWriter {
    /// Begins a run of at most `entries_max` entries.
    ///
    /// # Errors
    /// [`RunError::Io`] if the file can't be made.
    pub(super) fn create(
        disk: &Arc<dyn Disk>,
        name: RunName,
        span: LogSpan,
        entries_max: u64,
    ) -> Result<DocumentRunWriter, RunError> {
        assert!(span.from < span.position);
        let pages = PageWriter::create(disk, name)?;
        let filter = Filter::of_byte_keys(entries_max, pages.seed());
        Ok(DocumentRunWriter {
            disk: Arc::clone(disk),
            pages,
            span,
            block: BlockBuilder::default(),
            separators: Separators::default(),
            block_last: Vec::new(),
            filter,
            entries_count: 0,
            entries_max,
        })
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// [`RunError::Io`]: nothing more may be written.
    ///
    /// # Panics
    /// If its key is not above the one before, or if there are more than was said.
    pub(super) fn push(&mut self, key: &[u8], entry: DocumentEntry) -> Result<(), RunError> {
        assert!(self.entries_count < self.entries_max);
        if !self.block.push(key, entry) {
            self.end_block()?;
            let fits = self.block.push(key, entry);
            assert!(fits);
        }
        if self.separators.len() == self.blocks_count() {
            assert!(self.separators.len() == 0 || *self.block_last < *key);
            self.separators.push_between(&self.block_last, key);
        }
        self.filter.insert(KeyProbe::of(key).hash);
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
    /// If the run is ahead of the durable log.
    pub(super) fn finish(mut self, durable: Lsn) -> Result<Arc<DocumentRun>, RunError> {
        assert!(self.span.position <= durable, "a projection is never ahead of the log");
        if !self.block.is_empty() {
            self.end_block()?;
        }
        self.filter.fold(self.entries_count);
        let index = self.separators.pages();
        let count = |count| u64::try_from(count).expect("fits memory");
        let footer = DocumentFooter {
            entries_count: self.entries_count,
            blocks_count: count(self.separators.len()),
            index_pages_count: count(index.len()),
            lines_count: count(self.filter.lines_count()),
            from: self.span.from,
            position: self.span.position,
            key_max: self.block_last,
        };
        for page in index.into_iter().chain(self.filter.pages()).chain([footer.page()]) {
            self.pages.put(page)?;
        }
        assert_eq!(self.pages.pages_count(), footer.pages_count());
        let name = self.pages.name();
        self.pages.publish()?;
        DocumentRun::open(&*self.disk, name).map(Arc::new)
    }

    fn end_block(&mut self) -> Result<(), RunError> {
        self.block_last.clear();
        self.block_last.extend_from_slice(self.block.last_key());
        let page = self.block.finish();
        self.pages.put(page)
    }

    /// Blocks that have ended: the header is the page before them.
    fn blocks_count(&self) -> usize {
        usize::try_from(self.pages.pages_count() - 1).expect("fits memory")
    }
}
