//! The last page of a file of documents, and what makes the file one. Its first page is a run's.
//!
//! ```text
//! page 0                       header, as of every run; kind 4
//! page 1 .. B                  blocks
//! then I pages                 index: blocks of separators, with the numbers of the blocks' pages
//! then ceil(L / 63) pages      filter, as of every run, over the first 16 bytes of BLAKE3(key)
//! last page                    footer
//!
//! footer: offset  bytes  field
//!             16      8  "florinDF"
//!             24      8  entries
//!             32      8  B, blocks
//!             40      8  I, pages of the index
//!             48      8  L, lines of the filter, at least 1
//!             56      8  position in the log from which on it is reflected
//!             64      8  position in the log before which it is reflected
//!             72      2  bytes of the largest key; 0 if there are no entries
//!             74    268  largest key, then zeros
//!            342   3754  zero
//! ```
//!
//! A file is a run of documents if and only if
//! 1. its length is exactly that of the pages above, as many as its footer counts;
//! 2. every page's tag verifies, with the page's own number;
//! 3. header and footer have their magic and the version, and kind and number are those of its name;
//! 4. the separators rise strictly, and name the pages 1 to B in order;
//! 5. every block is valid, has no key below its separator and none at or above the next, and all
//!    together have as many entries as the footer counts; the first key is the first separator, the
//!    last the footer's largest;
//! 6. the first position is before the second.
//!
//! Opening checks 1, 3, 4, 6, and 2 except for blocks; going through all entries checks 2 and 5;
//! looking one up checks 2 for its block.

use super::KeyList;
use crate::disk::PAGE_BYTES;
use crate::limits::INDEX_KEY_BYTES_MAX;
use crate::runs::Damage;
use crate::runs::filter::Filter;
use crate::runs::page::{Page, TAG_BYTES};
use florin_ledger::Lsn;
use zerocopy::little_endian::{U16, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

const MAGIC: [u8; 8] = *b"florinDF";

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct FooterLayout {
    magic: [u8; 8],
    entries_count: U64,
    blocks_count: U64,
    index_pages_count: U64,
    lines_count: U64,
    from: U64,
    position: U64,
    key_max_bytes: U16,
    key_max: [u8; 268],
}

const _: () = assert!(size_of::<FooterLayout>() == 326);
const _: () = assert!(INDEX_KEY_BYTES_MAX == 268);

/// What a run of documents says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct DocumentFooter {
    pub(super) entries_count: u64,
    pub(super) blocks_count: u64,
    pub(super) index_pages_count: u64,
    pub(super) lines_count: u64,
    /// It reflects the log from here on.
    pub(super) from: Lsn,
    /// It reflects the log before this.
    pub(super) position: Lsn,
    /// Empty if there are no entries.
    pub(super) key_max: Vec<u8>,
}

impl DocumentFooter {
    /// The footer page, without its tag.
    pub(super) fn page(&self) -> Page {
        let mut key_max = [0; INDEX_KEY_BYTES_MAX];
        key_max[..self.key_max.len()].copy_from_slice(&self.key_max);
        let layout = FooterLayout {
            magic: MAGIC,
            entries_count: self.entries_count.into(),
            blocks_count: self.blocks_count.into(),
            index_pages_count: self.index_pages_count.into(),
            lines_count: self.lines_count.into(),
            from: self.from.0.into(),
            position: self.position.0.into(),
            key_max_bytes: u16::try_from(self.key_max.len()).expect("a key is short").into(),
            key_max,
        };
        let mut page = [0; PAGE_BYTES];
        page[TAG_BYTES..TAG_BYTES + size_of::<FooterLayout>()].copy_from_slice(layout.as_bytes());
        page
    }

    /// Reads a footer page whose tag was verified, in a file of this many pages.
    pub(super) fn of(page: &Page, pages_count: u64) -> Result<DocumentFooter, Damage> {
        let (layout, _) = FooterLayout::ref_from_prefix(&page[TAG_BYTES..])
            .expect("a page is longer than a footer and has no alignment to keep");
        let key_max = layout.key_max.get(..usize::from(layout.key_max_bytes.get()));
        let footer = DocumentFooter {
            entries_count: layout.entries_count.get(),
            blocks_count: layout.blocks_count.get(),
            index_pages_count: layout.index_pages_count.get(),
            lines_count: layout.lines_count.get(),
            from: Lsn(layout.from.get()),
            position: Lsn(layout.position.get()),
            key_max: key_max.ok_or(Damage::Footer)?.to_vec(),
        };
        let counts = [footer.blocks_count, footer.index_pages_count];
        let is_sound = layout.magic == MAGIC
            && counts.iter().all(|count| *count < pages_count)
            && footer.blocks_count <= footer.entries_count
            && footer.index_pages_count <= footer.blocks_count
            && (footer.entries_count == 0) == (footer.index_pages_count == 0)
            && (footer.entries_count == 0) == footer.key_max.is_empty()
            && 0 < footer.lines_count
            && Filter::pages_count(footer.lines_count) < pages_count
            && footer.pages_count() == pages_count
            && footer.from < footer.position;
        if is_sound && footer.page()[TAG_BYTES..] == page[TAG_BYTES..] {
            Ok(footer)
        } else {
            Err(Damage::Footer)
        }
    }

    /// The number of the first page of the index.
    pub(super) fn index_page(&self) -> u64 {
        1 + self.blocks_count
    }

    /// The number of the first page of the filter.
    pub(super) fn filter_page(&self) -> u64 {
        self.index_page() + self.index_pages_count
    }

    /// Pages of the file.
    pub(super) fn pages_count(&self) -> u64 {
        self.filter_page() + Filter::pages_count(self.lines_count) + 1
    }

    /// Rule 5 for the last block.
    pub(super) fn ends(&self, list: &KeyList) -> bool {
        list.last().is_some_and(|(key, _)| *key == *self.key_max)
    }
}
