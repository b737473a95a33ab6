//! An immutable, sorted file of pairs: opened once, read by any thread.

use super::block::BlockEntries;
use super::filter::Filter;
use super::footer::{BlockIndex, Footer};
use super::frontier::is_far_above;
use super::page::Page;
use super::pages::{PAGE_BYTES_U64, PageReader, READ_PAGES};
use super::{Entry, RunName};
use crate::disk::Disk;
use florin_ledger::Lsn;
use std::fmt;
use std::io;
use std::sync::Arc;

/// An open run. Its index and filter are in memory; its blocks are read and verified one by one.
pub struct Run {
    pages: PageReader,
    footer: Footer,
    index: BlockIndex,
    /// `None` where the ranges of the blocks say as much.
    filter: Option<Filter>,
}

/// Why a run can't be used. All that is in a run is in the log too: set it aside and rebuild.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The operating system refused.
    #[error("run {name}: {source}")]
    Io {
        /// The run.
        name: RunName,
        /// What it said.
        source: io::Error,
    },
    /// The file is not what was written.
    #[error("run {name} is damaged: {damage}")]
    Damaged {
        /// The run.
        name: RunName,
        /// What is wrong with it.
        damage: Damage,
    },
}

/// What is wrong with a run file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Damage {
    /// Cut short, or longer than it was.
    #[error("{bytes} bytes are not a run")]
    Size {
        /// Its length.
        bytes: u64,
    },
    /// Not a run's first page.
    #[error("its header does not verify")]
    Header,
    /// Written by another version of this program.
    #[error("its format has version {version}, this program reads version 1")]
    Version {
        /// The version it has.
        version: u32,
    },
    /// Another run under this name.
    #[error("its header names another run")]
    Name,
    /// A page that verifies but contradicts the file.
    #[error("its footer does not fit the file")]
    Footer,
    /// A page that verifies but contradicts the footer.
    #[error("its index is out of order")]
    Index,
    /// A page that is not what was written.
    #[error("page {page} does not verify")]
    Page {
        /// Its number.
        page: u64,
    },
    /// A page that the database key does not open: sealed with another one, or by somebody who has
    /// none.
    #[error("page {page} does not open with the database key")]
    Seal {
        /// Its number.
        page: u64,
    },
    /// Nothing is wrong: it is sealed, and nobody gave the key.
    #[error("it is sealed: give the database's key (--key-file or --pkcs11-module)")]
    Sealed,
    /// A run that is not sealed, in a database that is encrypted.
    #[error("it is not sealed and the database is encrypted")]
    Plain,
    /// A page that verifies but is not a block, or not that of the index.
    #[error("page {page} is not the block that the index names")]
    Block {
        /// Its number.
        page: u64,
    },
    /// The blocks have more or fewer entries than the footer counts.
    #[error("it has {entries_count} entries, not as many as its footer says")]
    Count {
        /// As many as there are.
        entries_count: u64,
    },
    /// Documents of a part of the log are in no run.
    #[error("the run before it, up to position {position}, is missing or another one")]
    Gap {
        /// Where that part ends.
        position: Lsn,
    },
    /// Two runs of one set both have this key.
    #[error("another run has the key {key:#x} too")]
    Twice {
        /// The key.
        key: u128,
    },
}

impl Run {
    /// Opens a run and loads its index and filter.
    ///
    /// # Errors
    /// [`RunError::Damaged`] if anything but the blocks is not what was written;
    /// [`RunError::Io`] if the file is missing or can't be read.
    pub fn open(disk: &dyn Disk, name: RunName) -> Result<Run, RunError> {
        let pages = PageReader::open(disk, name, 4)?;
        let mut footer = Err(pages.damaged(Damage::Footer));
        let pages_count = pages.pages_count();
        pages.read(pages_count - 1, 1, |page| {
            footer = Footer::of(page, pages_count).map_err(|damage| pages.damaged(damage));
        })?;
        let footer = footer?;
        let index = read_index(&pages, &footer)?;
        let filter = match footer.lines_count {
            0 => None,
            lines_count => Some(pages.filter(footer.filter_page(), lines_count)?),
        };
        Ok(Run { pages, footer, index, filter })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> RunName {
        self.pages.name()
    }

    /// It reflects the log before this position.
    #[must_use]
    pub fn position(&self) -> Lsn {
        self.footer.position
    }

    /// How many pairs; at least one.
    #[must_use]
    pub fn entries_count(&self) -> u64 {
        self.footer.entries_count
    }

    /// The smallest key.
    #[must_use]
    pub fn key_min(&self) -> u128 {
        self.footer.key_min
    }

    /// The largest key.
    #[must_use]
    pub fn key_max(&self) -> u128 {
        self.footer.key_max
    }

    /// Bytes of the file.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.footer.pages_count() * PAGE_BYTES_U64
    }

    /// Bytes of memory.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.index.bytes() + self.filter.as_ref().map_or(0, Filter::bytes)
    }

    /// Whether a key may be here; `false` is certain. Touches only memory.
    #[must_use]
    pub fn may_contain(&self, key: u128) -> bool {
        self.block_of(key).is_some()
    }

    /// The value of a key. Reads and verifies at most one block.
    ///
    /// # Errors
    /// [`RunError::Damaged`] if that block is not what was written.
    pub fn get(&self, key: u128) -> Result<Option<u64>, RunError> {
        let Some(block) = self.block_of(key) else { return Ok(None) };
        let mut found = Ok(None);
        self.pages.read(block_page(block), 1, |page| {
            found = self.find_in(page, block, key);
        })?;
        found
    }

    /// All pairs, keys rising, each block verified as it is read.
    #[must_use]
    pub fn entries(self: &Arc<Run>) -> Entries {
        Entries {
            run: Arc::clone(self),
            block_next: 0,
            entries_count: 0,
            ready: Vec::new().into_iter(),
            failed: false,
        }
    }

    /// At most the smallest key above `key`; 2^128-1 if there is none.
    pub(super) fn next_above(&self, key: u128) -> u128 {
        self.index.next_above(key)
    }

    /// The largest key that is not an outlier: the end of the largest part of the run in which no
    /// key is far above the one before.
    pub(super) fn key_max_usual(&self) -> u128 {
        let (mut best_blocks, mut best_end) = (0_u64, 0);
        let (mut blocks, mut end) = (0_u64, None);
        for (first, last) in self.index.ranges() {
            blocks = if end.is_some_and(|end| is_far_above(end, first)) { 1 } else { blocks + 1 };
            end = Some(last);
            if best_blocks <= blocks {
                (best_blocks, best_end) = (blocks, last);
            }
        }
        best_end
    }

    fn block_of(&self, key: u128) -> Option<usize> {
        let block = self.index.find(key)?;
        let passes = self.filter.as_ref().is_none_or(|filter| filter.may_contain(key));
        if passes { Some(block) } else { None }
    }

    fn find_in(&self, page: &Page, block: usize, key: u128) -> Result<Option<u64>, RunError> {
        let mut entries = BlockEntries::new(page);
        let found = entries.find(|entry| key <= entry.key);
        if !entries.is_whole() || found.is_none() {
            return Err(self.pages.damaged(Damage::Block { page: block_page(block) }));
        }
        Ok(found.filter(|entry| entry.key == key).map(|entry| entry.value))
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("name", &self.name())
            .field("footer", &self.footer)
            .finish_non_exhaustive()
    }
}

/// All pairs of a run, in order; ends after the first error.
#[derive(Debug)]
pub struct Entries {
    run: Arc<Run>,
    block_next: usize,
    entries_count: u64,
    ready: std::vec::IntoIter<Entry>,
    failed: bool,
}

impl Entries {
    /// The run that they are from.
    pub(super) fn name(&self) -> RunName {
        self.run.name()
    }

    fn read_blocks(&mut self) -> Result<(), RunError> {
        let run = &*self.run;
        let blocks = READ_PAGES.min(run.index.len() - self.block_next);
        let mut ready = Vec::new();
        let mut block = self.block_next;
        let mut damaged = None;
        run.pages.read(block_page(block), blocks, |page| {
            let before = ready.len();
            let mut entries = BlockEntries::new(page);
            ready.extend(entries.by_ref());
            let range = ready.get(before).zip(ready.last()).map(|(a, b)| (a.key, b.key));
            if !entries.is_whole() || range != Some(run.index.range(block)) {
                damaged = damaged.or(Some(Damage::Block { page: block_page(block) }));
            }
            block += 1;
        })?;
        self.block_next = block;
        self.entries_count += u64::try_from(ready.len()).expect("fits memory");
        self.ready = ready.into_iter();
        let is_last = block == run.index.len();
        if is_last && self.entries_count != run.entries_count() {
            damaged = damaged.or(Some(Damage::Count { entries_count: self.entries_count }));
        }
        match damaged {
            None => Ok(()),
            Some(damage) => Err(run.pages.damaged(damage)),
        }
    }
}

impl Iterator for Entries {
    type Item = Result<Entry, RunError>;

    fn next(&mut self) -> Option<Result<Entry, RunError>> {
        if self.ready.as_slice().is_empty()
            && !self.failed
            && self.block_next < self.run.index.len()
            && let Err(error) = self.read_blocks()
        {
            self.failed = true;
            self.ready = Vec::new().into_iter();
            return Some(Err(error));
        }
        self.ready.next().map(Ok)
    }
}

fn read_index(pages: &PageReader, footer: &Footer) -> Result<BlockIndex, RunError> {
    let blocks_count = pages.count(footer.blocks_count)?;
    let pages_count = pages.count(footer.filter_page() - footer.index_page())?;
    let mut index = BlockIndex::default();
    pages.read(footer.index_page(), pages_count, |page| {
        index.extend_from_page(page, blocks_count);
    })?;
    if index.is_sound(footer) { Ok(index) } else { Err(pages.damaged(Damage::Index)) }
}

fn block_page(block: usize) -> u64 {
    1 + u64::try_from(block).expect("a run has fewer blocks than 2^64")
}
