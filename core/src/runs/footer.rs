//! The first and the last page of a run file, and the index between blocks and filter.
//!
//! ```text
//! page 0                       header
//! page 1 .. B                  blocks
//! then ceil(B / 127) pages     index: first and last key (16 bytes each) of each block
//! then ceil(L / 63) pages      filter: L lines of 64 bytes
//! last page                    footer
//!
//! header: offset  bytes  field            footer: offset  bytes  field
//!             16      8  "florinRU"                   16      8  "florinRF"
//!             24      4  version, 1                   24      8  entries
//!             28      1  kind                         32      8  B, blocks
//!             29      1  1 if sealed, else 0          40      8  L, lines of the filter
//!             30      2  zero
//!             32      8  number                       48      8  position in the log
//!             40     32  salt: random if                 56     16  smallest key
//!             72   4024  zero                         72     16  largest key
//!                                                     88   4008  zero
//! ```
//! A sealed file's key is derived from the database key and the salt, which is zero in others.
//!
//! A file is a run if and only if
//! 1. its length is exactly that of the pages above, as many as its footer counts;
//! 2. every page's tag verifies, with the page's own number;
//! 3. header and footer have their magic and the version, and kind and number are those of its name;
//! 4. the index rises strictly, from the footer's smallest to its largest key;
//! 5. every block is valid, has the index's first and last key, and all together have as many
//!    entries as the footer counts.
//!
//! Opening checks 1, 3, 4, and 2 except for blocks; reading a block checks 2 and 5 for that block.

use super::filter::{Filter, LINES_PER_PAGE};
use super::page::{PAYLOAD_BYTES, Page, PageKey, TAG_BYTES, header_verifies, seal_header};
use super::{Damage, RunKind, RunName};
use crate::disk::PAGE_BYTES;
use crate::sealing::DatabaseKey;
use florin_ledger::Lsn;
use std::io;
use zerocopy::little_endian::{U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The version of the format that this code writes and reads.
pub const VERSION: u32 = 1;
/// Blocks named in one page of the index.
pub const RANGES_PER_PAGE: usize = PAYLOAD_BYTES / RANGE_BYTES;

const HEADER_MAGIC: [u8; 8] = *b"florinRU";
const FOOTER_MAGIC: [u8; 8] = *b"florinRF";
const RANGE_BYTES: usize = 32;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct HeaderLayout {
    magic: [u8; 8],
    version: U32,
    kind: u8,
    is_sealed: u8,
    reserved: [u8; 2],
    number: U64,
    salt: [u8; 32],
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct FooterLayout {
    magic: [u8; 8],
    entries_count: U64,
    blocks_count: U64,
    lines_count: U64,
    position: U64,
    key_min: U128,
    key_max: U128,
}

const _: () = assert!(size_of::<HeaderLayout>() == 56);
const _: () = assert!(size_of::<FooterLayout>() == 72);

/// The header page of a run, tagged, and the key of its other pages. `database_key`: if they are to
/// be sealed.
///
/// # Errors
/// The operating system has no random numbers.
pub(super) fn header(
    name: RunName,
    database_key: Option<&DatabaseKey>,
) -> io::Result<(Page, PageKey)> {
    let mut salt = [0; 32];
    if database_key.is_some() {
        getrandom::fill(&mut salt).map_err(io::Error::other)?;
    }
    let layout = HeaderLayout {
        magic: HEADER_MAGIC,
        version: VERSION.into(),
        kind: name.kind.number(),
        is_sealed: database_key.is_some().into(),
        reserved: [0; 2],
        number: name.number.into(),
        salt,
    };
    let mut page = [0; PAGE_BYTES];
    page[TAG_BYTES..TAG_BYTES + size_of::<HeaderLayout>()].copy_from_slice(layout.as_bytes());
    seal_header(&mut page);
    let key = PageKey::of(&page, name.kind);
    let key = if database_key.is_some() { key.sealed(database_key, &salt) } else { key };
    Ok((page, key))
}

/// Checks a header page; returns the key of the file's other pages.
pub(super) fn check_header(
    page: &Page,
    name: RunName,
    database_key: Option<&DatabaseKey>,
) -> Result<PageKey, Damage> {
    let (layout, _) = HeaderLayout::ref_from_prefix(&page[TAG_BYTES..])
        .expect("a page is longer than a header and has no alignment to keep");
    if !header_verifies(page) || layout.magic != HEADER_MAGIC {
        return Err(Damage::Header);
    }
    if layout.version.get() != VERSION {
        return Err(Damage::Version { version: layout.version.get() });
    }
    if RunKind::from_number(layout.kind) != Some(name.kind) || layout.number.get() != name.number {
        return Err(Damage::Name);
    }
    let key = PageKey::of(page, name.kind);
    match (layout.is_sealed, database_key) {
        (0, None) => Ok(key),
        (0, Some(_)) => Err(Damage::Plain),
        (1, database_key) => Ok(key.sealed(database_key, &layout.salt)),
        _ => Err(Damage::Header),
    }
}

/// What a run says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Footer {
    pub(super) entries_count: u64,
    pub(super) blocks_count: u64,
    /// Lines of the filter; zero if there is none.
    pub(super) lines_count: u64,
    pub(super) position: Lsn,
    pub(super) key_min: u128,
    pub(super) key_max: u128,
}

impl Footer {
    /// The footer page, without its tag.
    pub(super) fn page(self) -> Page {
        let layout = FooterLayout {
            magic: FOOTER_MAGIC,
            entries_count: self.entries_count.into(),
            blocks_count: self.blocks_count.into(),
            lines_count: self.lines_count.into(),
            position: self.position.0.into(),
            key_min: self.key_min.into(),
            key_max: self.key_max.into(),
        };
        let mut page = [0; PAGE_BYTES];
        page[TAG_BYTES..TAG_BYTES + size_of::<FooterLayout>()].copy_from_slice(layout.as_bytes());
        page
    }

    /// Reads a footer page whose tag was verified, in a file of this many pages.
    pub(super) fn of(page: &Page, pages_count: u64) -> Result<Footer, Damage> {
        let (layout, _) = FooterLayout::ref_from_prefix(&page[TAG_BYTES..])
            .expect("a page is longer than a footer and has no alignment to keep");
        let footer = Footer {
            entries_count: layout.entries_count.get(),
            blocks_count: layout.blocks_count.get(),
            lines_count: layout.lines_count.get(),
            position: Lsn(layout.position.get()),
            key_min: layout.key_min.get(),
            key_max: layout.key_max.get(),
        };
        let is_sound = layout.magic == FOOTER_MAGIC
            && 0 < footer.blocks_count
            && footer.blocks_count <= footer.entries_count
            && footer.blocks_count < pages_count
            && footer.lines_count / u64::try_from(LINES_PER_PAGE).unwrap_or(1) < pages_count
            && footer.pages_count() == pages_count
            && footer.key_min <= footer.key_max;
        if is_sound { Ok(footer) } else { Err(Damage::Footer) }
    }

    /// The number of the first page of the index.
    pub(super) fn index_page(self) -> u64 {
        1 + self.blocks_count
    }

    /// The number of the first page of the filter.
    pub(super) fn filter_page(self) -> u64 {
        self.index_page() + self.blocks_count.div_ceil(127)
    }

    /// The number of the footer's own page.
    pub(super) fn footer_page(self) -> u64 {
        self.filter_page() + Filter::pages_count(self.lines_count)
    }

    /// Pages of the file.
    pub(super) fn pages_count(self) -> u64 {
        self.footer_page() + 1
    }
}

const _: () = assert!(RANGES_PER_PAGE == 127);

/// The first and the last key of each block, in memory.
#[derive(Debug, Default)]
pub(super) struct BlockIndex {
    /// Strictly rising, each at most the same block's last.
    firsts: Vec<u128>,
    /// Strictly rising, each below the next block's first.
    lasts: Vec<u128>,
}

impl BlockIndex {
    pub(super) fn push(&mut self, (first, last): (u128, u128)) {
        self.firsts.push(first);
        self.lasts.push(last);
    }

    pub(super) fn len(&self) -> usize {
        self.firsts.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.firsts.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        (self.firsts.capacity() + self.lasts.capacity()) * size_of::<u128>()
    }

    /// The block whose range a key is in.
    pub(super) fn find(&self, key: u128) -> Option<usize> {
        let place = self.firsts.partition_point(|first| *first <= key).checked_sub(1)?;
        if key <= self.lasts[place] { Some(place) } else { None }
    }

    pub(super) fn range(&self, block: usize) -> (u128, u128) {
        (self.firsts[block], self.lasts[block])
    }

    pub(super) fn ranges(&self) -> impl DoubleEndedIterator<Item = (u128, u128)> + '_ {
        self.firsts.iter().copied().zip(self.lasts.iter().copied())
    }

    /// At most the smallest key above `key`; 2^128-1 if there is none.
    pub(super) fn next_above(&self, key: u128) -> u128 {
        let place = self.lasts.partition_point(|last| *last <= key);
        match self.firsts.get(place) {
            None => u128::MAX,
            Some(first) => (*first).max(key + 1),
        }
    }

    /// The pages that carry this index, without their tags.
    pub(super) fn pages(&self) -> impl Iterator<Item = Page> + '_ {
        let chunks = self.firsts.chunks(RANGES_PER_PAGE).zip(self.lasts.chunks(RANGES_PER_PAGE));
        chunks.map(|(firsts, lasts)| {
            let mut page = [0; PAGE_BYTES];
            let (slots, _) = page[TAG_BYTES..].as_chunks_mut::<RANGE_BYTES>();
            for (slot, (first, last)) in slots.iter_mut().zip(firsts.iter().zip(lasts)) {
                slot[..16].copy_from_slice(&first.to_le_bytes());
                slot[16..].copy_from_slice(&last.to_le_bytes());
            }
            page
        })
    }

    /// Adds the ranges of the next page, `blocks_count` in all.
    pub(super) fn extend_from_page(&mut self, page: &Page, blocks_count: usize) {
        let count = RANGES_PER_PAGE.min(blocks_count - self.len());
        let (slots, _) = page[TAG_BYTES..].as_chunks::<16>();
        let (pairs, _) = slots.as_chunks::<2>();
        for [first, last] in &pairs[..count] {
            self.push((u128::from_le_bytes(*first), u128::from_le_bytes(*last)));
        }
    }

    /// Rule 4.
    pub(super) fn is_sound(&self, footer: &Footer) -> bool {
        let mut above = None;
        let rises = self.ranges().all(|(first, last)| {
            let rises = above < Some(first) && first <= last;
            above = Some(last);
            rises
        });
        rises && self.firsts.first() == Some(&footer.key_min) && above == Some(footer.key_max)
    }
}
