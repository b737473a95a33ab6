//! A filter: says of most keys that are not in a run that they are not, from memory.
//!
//! A blocked Bloom filter: each key sets [`PROBES`] bits in one line of 64 bytes, so that a test
//! touches one cache line. Ten bits a key give about one wrong "perhaps" in a hundred, fourteen about
//! one in four hundred.
//!
//! ```text
//! spread(x): x ^= x >> 30; x *= 0xbf58476d1ce4e5b9; x ^= x >> 27; x *= 0x94d049bb133111eb;
//!            x ^= x >> 31                                                  (64 bits, wrapping)
//! a = spread(low half of the key ^ seed); b = spread(high half of the key ^ a)
//! line = (b * lines) >> 64; c = spread(b)
//! bit i = (c >> 9 i) & 511, for i = 0 .. 6: bit (bit & 63) of the line's word (bit >> 6)
//! ```
//! `seed` is the first 8 bytes of the file's page key. In the file, a page carries 63 lines.

use super::page::{Page, TAG_BYTES};
use crate::disk::PAGE_BYTES;
use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bits that a key sets.
pub const PROBES: u32 = 7;
/// Bits of filter for each key of a fixed size, of which there may be billions.
const FIXED_KEY_BITS: u64 = 10;
/// Bits of filter for each key of bytes. Every new document is looked for in every run, some two
/// dozen, and each wrong "perhaps" reads a block.
const BYTE_KEY_BITS: u64 = 14;
/// Lines in one page.
pub const LINES_PER_PAGE: usize = (PAGE_BYTES - TAG_BYTES) / LINE_BYTES;

/// How often a filter that was made for too many keys can be halved at most.
const FOLDS_MAX: u32 = 4;
const LINE_BYTES: usize = 64;
const LINE_BITS: u64 = 512;

const _: () = assert!(LINES_PER_PAGE == 63);
const _: () = assert!(size_of::<Line>() == LINE_BYTES);
const _: () = assert!(PROBES * 9 <= u64::BITS);

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(64))]
struct Line([U64; 8]);

/// A filter in memory.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    seed: u64,
    lines: Vec<Line>,
}

impl Filter {
    /// An empty filter for this many keys of a fixed size.
    pub(crate) fn of_fixed_keys(keys_count: u64, seed: u64) -> Filter {
        Filter::empty(lines_for(keys_count, FIXED_KEY_BITS), seed)
    }

    /// An empty filter for at most this many keys of bytes, that can be [folded](Filter::fold) if they
    /// turn out to be fewer.
    pub(crate) fn of_byte_keys(keys_max: u64, seed: u64) -> Filter {
        let lines_count = lines_for(keys_max, BYTE_KEY_BITS);
        let doublings = lines_count.ilog2().min(FOLDS_MAX);
        Filter::empty(lines_count.next_multiple_of(1 << doublings), seed)
    }

    fn empty(lines_count: u64, seed: u64) -> Filter {
        let lines_count = usize::try_from(lines_count).expect("memory is addressed by usize");
        Filter { seed, lines: vec![Line([U64::ZERO; 8]); lines_count] }
    }

    /// Halves the filter as long as it is at least twice as large as so many keys of bytes need. Two
    /// neighbouring lines become one: that is where their keys fall with half as many lines.
    pub(crate) fn fold(&mut self, keys_count: u64) {
        let needed = lines_for(keys_count, BYTE_KEY_BITS);
        let needed = usize::try_from(needed).expect("there are more lines here");
        while needed <= self.lines.len() / 2 && self.lines.len().is_multiple_of(2) {
            let (pairs, _) = self.lines.as_chunks::<2>();
            let fold = |[left, right]: &[Line; 2]| {
                let mut line = *left;
                for (word, other) in line.0.iter_mut().zip(right.0) {
                    *word |= other;
                }
                line
            };
            self.lines = pairs.iter().map(fold).collect();
        }
    }

    pub(crate) fn insert(&mut self, key: u128) {
        let (line, bits) = self.place(key);
        for (word, bit) in bits {
            self.lines[line].0[word] |= U64::new(1 << bit);
        }
    }

    /// Looks at all bits without a branch between them: the line is mostly not in a cache, and a wrong
    /// guess of the processor's would keep it from asking for the lines of the next filters meanwhile.
    #[inline]
    pub(crate) fn may_contain(&self, key: u128) -> bool {
        let (line, bits) = self.place(key);
        let words = &self.lines[line].0;
        bits.fold(1, |all, (word, bit)| all & words[word].get() >> bit) == 1
    }

    /// Bits of the line that [`Filter::may_contain`] looks at.
    #[inline]
    pub(crate) fn touch(&self, key: u128) -> u64 {
        let (line, _) = self.place(key);
        self.lines[line].0[0].get()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.lines.len() * LINE_BYTES
    }

    pub(crate) fn lines_count(&self) -> usize {
        self.lines.len()
    }

    /// How many pages carry a filter of so many lines.
    pub(crate) fn pages_count(lines_count: u64) -> u64 {
        lines_count.div_ceil(63)
    }

    /// The pages that carry this filter, without their tags.
    pub(crate) fn pages(&self) -> impl Iterator<Item = Page> + '_ {
        self.lines.chunks(LINES_PER_PAGE).map(|lines| {
            let mut page = [0; PAGE_BYTES];
            let bytes = lines.as_bytes();
            page[TAG_BYTES..TAG_BYTES + bytes.len()].copy_from_slice(bytes);
            page
        })
    }

    /// A filter of `lines_count` lines, to be filled from its pages.
    pub(crate) fn with_lines(lines_count: usize, seed: u64) -> Filter {
        assert!(lines_count != 0);
        Filter { seed, lines: Vec::with_capacity(lines_count) }
    }

    /// Adds the lines of the next page, `lines_count` in all.
    pub(crate) fn extend_from_page(&mut self, page: &Page, lines_count: usize) {
        let count = LINES_PER_PAGE.min(lines_count - self.lines.len());
        let (lines, _) = page[TAG_BYTES..].as_chunks::<LINE_BYTES>();
        self.lines.extend(
            lines[..count]
                .iter()
                .map(|bytes| Line::read_from_bytes(bytes).expect("a line has 64 bytes")),
        );
    }

    #[inline]
    fn place(&self, key: u128) -> (usize, impl Iterator<Item = (usize, u32)> + use<>) {
        let [low, high] = halves(key);
        let line = spread(high ^ spread(low ^ self.seed));
        let bits = spread(line);
        // Below the number of lines, which is a usize.
        let lines_count = u128::try_from(self.lines.len()).unwrap_or(u128::MAX);
        let line = usize::try_from((u128::from(line) * lines_count) >> 64).unwrap_or(0);
        let places = (0..PROBES).map(move |probe| {
            let [low, high, ..] = (bits >> (9 * probe)).to_le_bytes();
            // Bits 6 to 8 name the word, bits 0 to 5 the bit.
            (usize::from(low >> 6 | (high & 1) << 2), u32::from(low & 63))
        });
        (line, places)
    }
}

/// Lines that so many keys need.
fn lines_for(keys_count: u64, bits_per_key: u64) -> u64 {
    (keys_count * bits_per_key).div_ceil(LINE_BITS).max(1)
}

#[inline]
fn halves(key: u128) -> [u64; 2] {
    let halves: [[u8; 8]; 2] = zerocopy::transmute!(key.to_le_bytes());
    halves.map(u64::from_le_bytes)
}

#[inline]
fn spread(mut x: u64) -> u64 {
    x ^= x >> 30;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 27;
    x = x.wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: u64 = 20_000;

    fn check(key: impl Fn(u128) -> u128) {
        let mut filter = Filter::of_fixed_keys(COUNT, 0x5eed);
        let count = u128::from(COUNT);
        (0..count).for_each(|number| filter.insert(key(number)));
        let mut read = Filter::with_lines(filter.lines_count(), 0x5eed);
        filter.pages().for_each(|page| read.extend_from_page(&page, filter.lines_count()));
        assert!((0..count).all(|number| read.may_contain(key(number))));
        let wrong = (count..2 * count).filter(|number| read.may_contain(key(*number))).count();
        assert!(wrong < 600, "{wrong} of {COUNT} absent keys pass");
    }

    /// Prevents: a key denied after its filter was made smaller, or a filter that stays too large.
    #[test]
    fn a_folded_filter_is_one_of_the_smaller_size() {
        for (keys_max, keys_count) in [(80_000, 9_000), (80_000, 80_000), (5_000, 1), (40, 3)] {
            let mut filter = Filter::of_byte_keys(keys_max, 7);
            (0..keys_count).for_each(|key| filter.insert(u128::from(key) << 64 | 5));
            filter.fold(keys_count);
            assert!((0..keys_count).all(|key| filter.may_contain(u128::from(key) << 64 | 5)));
            let absent = keys_count..2 * keys_count.max(1_000);
            let wrong = absent.clone().filter(|key| filter.may_contain(u128::from(*key) << 64 | 5));
            let (wrong, absent) = (wrong.count(), absent.count());
            assert!(wrong <= absent / 250, "{wrong} of {absent}");
        }
        let mut filter = Filter::of_byte_keys(80_000, 7);
        filter.fold(10_000);
        let exact = usize::try_from(lines_for(10_000, BYTE_KEY_BITS)).unwrap();
        assert!(filter.lines_count() <= exact + 2, "{} {exact}", filter.lines_count());
    }

    /// Prevents: a key in the run that the filter denies; a filter that filters nothing for keys
    /// that differ in few bits only.
    #[test]
    fn keys_pass_and_others_mostly_do_not() {
        check(|number| number + 1);
        check(|number| (number + 1) << 100);
        check(|number| (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
    }
}
