//! The run of items that a primary ships ([`crate::shipping`]), put together from batches that cut it
//! anywhere. Nothing of it is trusted: an item says at most so many bytes as a segment has.

use crate::disk::PAGE_BYTES;
use crate::error::Error;
use crate::group::Term;
use crate::shipping::{BATCH_CHECKED_BYTES, BATCH_HEAD_BYTES, ITEM_HEAD_BYTES, ItemKind};
use florin_ledger::Lsn;
use std::ops::Range;

/// Where a batch says the term.
const TERM_OFFSET: usize = 16;

/// What a batch begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct BatchHead {
    /// Everything before it is durable at the primary.
    pub(super) primary_end: Lsn,
    /// The primary's, that its log is of.
    pub(super) term: Term,
}

/// Something that was shipped, whole.
#[derive(Debug)]
pub(super) enum Item<'a> {
    Segment(&'a [u8; PAGE_BYTES]),
    Frame(Lsn, &'a [u8]),
    Digest(Lsn, [u8; 32]),
}

/// What has arrived and was not taken.
#[derive(Debug)]
pub(super) struct Run {
    bytes: Vec<u8>,
    taken: usize,
    item_bytes_max: usize,
}

impl Run {
    pub(super) fn new(segment_bytes: u64) -> Run {
        let item_bytes_max = usize::try_from(segment_bytes).expect("a segment fits into memory");
        Run { bytes: Vec::new(), taken: 0, item_bytes_max }
    }

    /// Forgets an item that did not arrive whole: the connection is gone.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.taken = 0;
    }

    /// Takes a batch.
    ///
    /// # Errors
    /// If it has no head, or an altered one.
    pub(super) fn extend(&mut self, batch: &[u8]) -> Result<BatchHead, Error> {
        let (head, rest) =
            batch.split_at_checked(BATCH_HEAD_BYTES).ok_or_else(|| malformed("has no head"))?;
        let (checked, checksum) = head.split_at(BATCH_CHECKED_BYTES);
        if number(checksum) != u64::from(crc32fast::hash(checked)) {
            return Err(malformed("has an altered head"));
        }
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(rest);
        let (_, term) = head.split_at(TERM_OFFSET);
        Ok(BatchHead { primary_end: Lsn(number(head)), term: Term(number(term)) })
    }

    /// The next item that is whole.
    ///
    /// # Errors
    /// If what arrived is none.
    pub(super) fn next(&mut self) -> Result<Option<Item<'_>>, Error> {
        let Some((lsn, kind, body)) = self.next_body()? else { return Ok(None) };
        self.taken = body.end;
        let body = &self.bytes[body];
        let item = match kind {
            ItemKind::Frame => Item::Frame(lsn, body),
            ItemKind::Segment => {
                let page =
                    body.try_into().map_err(|_| malformed("has a header of another length"))?;
                Item::Segment(page)
            }
            ItemKind::Digest => {
                let digest =
                    body.try_into().map_err(|_| malformed("has a digest of another length"))?;
                Item::Digest(lsn, digest)
            }
        };
        Ok(Some(item))
    }

    fn next_body(&self) -> Result<Option<(Lsn, ItemKind, Range<usize>)>, Error> {
        let start = self.taken + ITEM_HEAD_BYTES;
        let Some(head) = self.bytes.get(self.taken..start) else { return Ok(None) };
        let (lsn, rest) = head.split_at(8);
        let (kind, length) = rest.split_at(4);
        let small = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
        let kind =
            ItemKind::from_number(small(kind)).ok_or_else(|| malformed("has an unknown item"))?;
        let length = usize::try_from(small(length)).unwrap_or(usize::MAX);
        if self.item_bytes_max < length {
            return Err(malformed("has an item larger than a segment"));
        }
        let body = start..start + length;
        if self.bytes.len() < body.end {
            return Ok(None);
        }
        Ok(Some((Lsn(number(lsn)), kind, body)))
    }
}

fn number(bytes: &[u8]) -> u64 {
    let (first, _) = bytes.split_first_chunk().expect("a head was cut to its length");
    u64::from_le_bytes(*first)
}

fn malformed(what: &str) -> Error {
    Error::corrupt(format!(
        "what the primary ships {what}: it is another version, or none of florin"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A batch of these items.
    fn batch(items: &[u8]) -> Vec<u8> {
        let head = [0; BATCH_CHECKED_BYTES];
        let checksum = u64::from(crc32fast::hash(&head)).to_le_bytes();
        [&head[..], &checksum, items].concat()
    }

    fn item(kind: u32, lsn: u64, body: &[u8]) -> Vec<u8> {
        let mut out = lsn.to_le_bytes().to_vec();
        out.extend(kind.to_le_bytes());
        out.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
        out.extend(body);
        out
    }

    /// Prevents: an item that is lost, or taken twice, where a batch ends.
    #[test]
    fn items_are_the_same_wherever_batches_cut_them() {
        let items = [item(2, 4096, &[7; 300]), item(3, 4396, &[9; 32]), item(2, 5000, &[1; 5])];
        let bytes = items.concat();
        for cut in 0..=bytes.len() {
            let mut run = Run::new(1 << 20);
            let mut seen = Vec::new();
            for part in [&bytes[..cut], &bytes[cut..]] {
                run.extend(&batch(part)).unwrap();
                while let Some(item) = run.next().unwrap() {
                    seen.push(match item {
                        Item::Frame(lsn, bytes) => (lsn.0, bytes.len()),
                        Item::Digest(lsn, digest) => (lsn.0, digest.len()),
                        Item::Segment(page) => (0, page.len()),
                    });
                }
            }
            assert_eq!(seen, [(4096, 300), (4396, 32), (5000, 5)], "cut at {cut}");
        }
    }

    /// Prevents: memory that is taken because a peer says a number.
    #[test]
    fn what_is_no_item_is_refused_before_it_is_waited_for() {
        let refused = |item: &[u8]| {
            let mut run = Run::new(1 << 20);
            run.extend(&batch(item)).unwrap();
            run.next().is_err()
        };
        let mut huge = item(2, 4096, &[]);
        huge[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(refused(&huge));
        assert!(refused(&item(4, 4096, &[])));
        assert!(refused(&item(1, 0, &[0; 10])));
        assert!(refused(&item(3, 0, &[0; 31])));
        assert!(Run::new(1 << 20).extend(&batch(&[])[1..]).is_err());
    }

    /// Prevents: a term that a wire has altered, and a primary that nobody hears any more.
    #[test]
    fn an_altered_head_is_refused() {
        let whole = batch(&[]);
        for bit in 0..whole.len() * 8 {
            let mut altered = whole.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(Run::new(1 << 20).extend(&altered).is_err(), "bit {bit}");
        }
    }
}
