//! A batch of items as bytes, the same in memory and on the wire.
//!
//! ```text
//! batch: offset  bytes  field
//!             0     48  cursor: everything up to here was looked at
//!            48      8  recorded time of what the cursor names; zero if nothing was looked at
//!            56      8  end of the log that was durable then
//!            64      4  items in all
//!            68      4  1: nothing more was durable then; 0: more is to come at once
//!            72         sections
//!
//! cursor:     0      8  epoch
//!             8      8  lsn
//!            16     32  hash
//!
//! section:    0      8  epoch                              of all its items
//!             8     32  hash                               of all its items
//!            40      4  bytes of the section, this head included
//!            44      4  items in it, at least one
//!            48         items
//!
//! item:       0      4  bytes of the item, this head included
//!             4      1  kind
//!             5      1  1: nothing of its commit follows in this stream; 0: more does
//!             6      2  reserved, zero
//!             8      8  lsn
//!            16      8  recorded time
//!            24         content, see `content.rs`
//! ```
//! All little-endian. A section holds the items of one block of the log: those of adjacent sections
//! have another hash. The same items always give the same bytes, and other bytes are refused.

use super::content::{self, bytes_u32};
use super::cursor::StreamCursor;
use super::item::{ItemKind, StreamItem};
use crate::document::{DOCUMENT_KEY_BYTES_MAX, DOCUMENT_VALUE_BYTES_MAX};
use crate::id::{Lsn, Timestamp};
use alloc::vec::Vec;
use core::fmt;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes before the sections.
pub const BATCH_HEAD_BYTES: usize = 72;
/// Bytes of the largest item in a section of its own: a document with the longest key and value.
pub const ITEM_BYTES_MAX: usize =
    SECTION_HEAD_BYTES + ITEM_HEAD_BYTES + 16 + DOCUMENT_KEY_BYTES_MAX + DOCUMENT_VALUE_BYTES_MAX;
const SECTION_HEAD_BYTES: usize = 48;
const ITEM_HEAD_BYTES: usize = 24;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct CursorLayout {
    epoch: U64,
    lsn: U64,
    hash: [u8; 32],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct BatchHeadLayout {
    cursor: CursorLayout,
    time: U64,
    durable: U64,
    items: U32,
    is_live: U32,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct SectionHeadLayout {
    epoch: U64,
    hash: [u8; 32],
    section_bytes: U32,
    items: U32,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ItemHeadLayout {
    item_bytes: U32,
    kind: u8,
    ends_commit: u8,
    reserved: U16,
    lsn: U64,
    time: U64,
}

const _: () = assert!(size_of::<BatchHeadLayout>() == BATCH_HEAD_BYTES);
const _: () = assert!(size_of::<SectionHeadLayout>() == SECTION_HEAD_BYTES);
const _: () = assert!(size_of::<ItemHeadLayout>() == ITEM_HEAD_BYTES);
/// How far a batch has looked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchEnd {
    /// Everything up to here was looked at, wanted or not: where to go on.
    pub cursor: StreamCursor,
    /// The recorded time of what the cursor names; [`Timestamp::NONE`] if nothing was looked at.
    pub time: Timestamp,
    /// The end of the log that was durable when the batch was made.
    pub durable: Lsn,
    /// Nothing more was durable then.
    pub is_live: bool,
}

/// A batch being written. Items that do not fit its bounds are not taken.
#[derive(Debug)]
pub struct BatchWriter {
    bytes: Vec<u8>,
    bytes_max: usize,
    items_count: u32,
    /// Where the open section begins, and whose items it holds.
    section: Option<(usize, u64, [u8; 32])>,
    /// Where the last item begins.
    last_item: usize,
}

impl BatchWriter {
    /// An empty batch of at most so many bytes, its head not counted. `bytes` is memory to write to;
    /// what it holds is lost.
    #[must_use]
    pub fn new(mut bytes: Vec<u8>, bytes_max: usize) -> BatchWriter {
        bytes.clear();
        bytes.resize(BATCH_HEAD_BYTES, 0);
        BatchWriter { bytes, bytes_max, items_count: 0, section: None, last_item: 0 }
    }

    /// Adds an item; `false` if it does not fit any more.
    ///
    /// # Panics
    /// If a key, value or actor is longer than one may be.
    #[must_use]
    pub fn push(&mut self, item: &StreamItem<'_>) -> bool {
        let StreamCursor { epoch, lsn, hash } = item.cursor;
        let length = self.bytes.len();
        let open = self.section.filter(|(_, of, hashed)| *of == epoch && *hashed == hash);
        let section = open.map_or(length, |(start, ..)| start);
        if open.is_none() {
            let head = SectionHeadLayout {
                epoch: epoch.into(),
                hash,
                section_bytes: U32::ZERO,
                items: U32::ZERO,
            };
            self.bytes.extend_from_slice(head.as_bytes());
        }
        let start = self.bytes.len();
        let head = ItemHeadLayout {
            item_bytes: U32::ZERO,
            kind: item.content.kind().number(),
            ends_commit: u8::from(item.ends_commit),
            reserved: U16::ZERO,
            lsn: lsn.0.into(),
            time: item.time.0.into(),
        };
        self.bytes.extend_from_slice(head.as_bytes());
        content::write(&item.content, &mut self.bytes);
        if self.bytes_max < self.bytes.len() - BATCH_HEAD_BYTES {
            self.bytes.truncate(length);
            return false;
        }
        let end = self.bytes.len();
        let item_head = head_at::<ItemHeadLayout>(&mut self.bytes, start);
        item_head.item_bytes = bytes_u32(end - start);
        let section_head = head_at::<SectionHeadLayout>(&mut self.bytes, section);
        section_head.section_bytes = bytes_u32(end - section);
        section_head.items += 1;
        self.section = Some((section, epoch, hash));
        self.items_count += 1;
        self.last_item = start;
        true
    }

    /// Says of the last item, if there is one, that nothing of its commit follows.
    pub fn end_commit(&mut self) {
        if 0 < self.items_count {
            head_at::<ItemHeadLayout>(&mut self.bytes, self.last_item).ends_commit = 1;
        }
    }

    /// Items so far.
    #[must_use]
    pub fn items_count(&self) -> u32 {
        self.items_count
    }

    /// This moment.
    #[must_use]
    pub fn mark(&mut self) -> BatchMark {
        let section_items = match self.section {
            Some((start, ..)) => head_at::<SectionHeadLayout>(&mut self.bytes, start).items,
            None => U32::ZERO,
        };
        let BatchWriter { ref bytes, items_count, section, last_item, .. } = *self;
        BatchMark { length: bytes.len(), items_count, section, section_items, last_item }
    }

    /// Takes back all items since a mark of this batch. What [`BatchWriter::end_commit`] said of an item
    /// before it stays said.
    pub fn undo(&mut self, mark: BatchMark) {
        self.bytes.truncate(mark.length);
        (self.items_count, self.last_item) = (mark.items_count, mark.last_item);
        self.section = mark.section;
        if let Some((start, ..)) = self.section {
            let head = head_at::<SectionHeadLayout>(&mut self.bytes, start);
            head.section_bytes = bytes_u32(mark.length - start);
            head.items = mark.section_items;
        }
    }

    /// The batch.
    #[must_use]
    pub fn finish(mut self, end: BatchEnd) -> Vec<u8> {
        let head = BatchHeadLayout {
            cursor: CursorLayout {
                epoch: end.cursor.epoch.into(),
                lsn: end.cursor.lsn.0.into(),
                hash: end.cursor.hash,
            },
            time: end.time.0.into(),
            durable: end.durable.0.into(),
            items: self.items_count.into(),
            is_live: u32::from(end.is_live).into(),
        };
        *head_at::<BatchHeadLayout>(&mut self.bytes, 0) = head;
        self.bytes
    }
}

/// A moment of a batch, to go back to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchMark {
    length: usize,
    items_count: u32,
    section: Option<(usize, u64, [u8; 32])>,
    /// Items of the open section.
    section_items: U32,
    last_item: usize,
}

/// A head that was written before.
fn head_at<T: FromBytes + IntoBytes + KnownLayout + Unaligned>(
    bytes: &mut [u8],
    start: usize,
) -> &mut T {
    let (head, _) = T::mut_from_prefix(&mut bytes[start..]).expect("the head was written");
    head
}

/// Bytes that are no batch, and where they stop being one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchError {
    /// The byte that is wrong, or the first of the head that is.
    pub offset: usize,
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a batch of a stream at offset {}", self.offset)
    }
}

impl core::error::Error for BatchError {}

/// A batch that was checked. Items are read from where they lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchView<'a> {
    bytes: &'a [u8],
    end: BatchEnd,
    items_count: u32,
}

impl<'a> BatchView<'a> {
    /// Checks every head, and that every item says something. Any bytes are answered.
    ///
    /// # Errors
    /// Where the bytes are not what [`BatchWriter::finish`] gives.
    pub fn new(bytes: &'a [u8]) -> Result<BatchView<'a>, BatchError> {
        let view = BatchView::of_own(bytes)?;
        let mut items = BatchItems::new(bytes);
        let mut items_count = 0;
        while items.next_checked()?.is_some() {
            items_count += 1;
        }
        if view.items_count != items_count {
            return Err(BatchError { offset: 64 });
        }
        Ok(view)
    }

    /// A batch that [`BatchWriter::finish`] gave in this very process, or [`BatchView::new`] has checked
    /// here: only its head is looked at.
    ///
    /// # Errors
    /// If that is none. With other bytes, reading the items panics.
    pub fn of_own(bytes: &'a [u8]) -> Result<BatchView<'a>, BatchError> {
        let head = BatchHeadLayout::ref_from_prefix(bytes);
        let (head, _) = head.map_err(|_| BatchError { offset: bytes.len() })?;
        let is_live = match head.is_live.get() {
            0 => false,
            1 => true,
            _ => return Err(BatchError { offset: 68 }),
        };
        let cursor = StreamCursor {
            epoch: head.cursor.epoch.get(),
            lsn: Lsn(head.cursor.lsn.get()),
            hash: head.cursor.hash,
        };
        let (time, durable) = (Timestamp(head.time.get()), Lsn(head.durable.get()));
        let end = BatchEnd { cursor, time, durable, is_live };
        Ok(BatchView { bytes, end, items_count: head.items.get() })
    }

    /// How far it has looked.
    #[must_use]
    pub fn end(&self) -> BatchEnd {
        self.end
    }

    /// How many items.
    #[must_use]
    pub fn items_count(&self) -> u32 {
        self.items_count
    }

    /// Its items, in order of effect.
    #[must_use]
    pub fn items(&self) -> BatchItems<'a> {
        BatchItems::new(self.bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// The items of a batch, in order.
#[derive(Clone, Debug)]
pub struct BatchItems<'a> {
    bytes: &'a [u8],
    at: usize,
    epoch: u64,
    hash: [u8; 32],
    section_end: usize,
    items_left: u32,
}

impl<'a> BatchItems<'a> {
    fn new(bytes: &'a [u8]) -> BatchItems<'a> {
        let at = BATCH_HEAD_BYTES;
        BatchItems { bytes, at, epoch: 0, hash: [0; 32], section_end: at, items_left: 0 }
    }

    fn next_checked(&mut self) -> Result<Option<StreamItem<'a>>, BatchError> {
        if self.items_left == 0 {
            if self.at != self.section_end {
                return Err(self.wrong());
            }
            if self.at == self.bytes.len() {
                return Ok(None);
            }
            self.begin_section()?;
        }
        let rest = self.bytes.get(self.at..self.section_end).unwrap_or_default();
        let (head, _) = ItemHeadLayout::ref_from_prefix(rest).map_err(|_| self.wrong())?;
        let item_bytes = usize::try_from(head.item_bytes.get()).map_err(|_| self.wrong())?;
        let content = rest.get(ITEM_HEAD_BYTES..item_bytes).ok_or(self.wrong())?;
        let kind = ItemKind::from_number(head.kind).ok_or(self.wrong())?;
        let content = content::read(kind, content).ok_or(self.wrong())?;
        if 1 < head.ends_commit || head.reserved != U16::ZERO {
            return Err(self.wrong());
        }
        let lsn = Lsn(head.lsn.get());
        self.at += item_bytes;
        self.items_left -= 1;
        Ok(Some(StreamItem {
            cursor: StreamCursor { epoch: self.epoch, lsn, hash: self.hash },
            time: Timestamp(head.time.get()),
            ends_commit: head.ends_commit == 1,
            content,
        }))
    }

    fn begin_section(&mut self) -> Result<(), BatchError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let (head, _) = SectionHeadLayout::ref_from_prefix(rest).map_err(|_| self.wrong())?;
        let section_bytes = usize::try_from(head.section_bytes.get()).map_err(|_| self.wrong())?;
        let is_first = self.at == BATCH_HEAD_BYTES;
        let is_another = is_first || (head.epoch.get(), head.hash) != (self.epoch, self.hash);
        let fits = (SECTION_HEAD_BYTES..=rest.len()).contains(&section_bytes);
        if !is_another || !fits || head.items == U32::ZERO {
            return Err(self.wrong());
        }
        (self.epoch, self.hash) = (head.epoch.get(), head.hash);
        self.items_left = head.items.get();
        self.section_end = self.at + section_bytes;
        self.at += SECTION_HEAD_BYTES;
        Ok(())
    }

    fn wrong(&self) -> BatchError {
        BatchError { offset: self.at.min(self.bytes.len()) }
    }
}

impl<'a> Iterator for BatchItems<'a> {
    type Item = StreamItem<'a>;

    fn next(&mut self) -> Option<StreamItem<'a>> {
        self.next_checked().expect("a view was checked whole")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Account;
    use crate::amount::Amount;
    use crate::commit::{CommitId, Topic};
    use crate::document::TableId;
    use crate::id::{AccountId, Code, LedgerId, TransferId};
    use crate::record::RefusalReason;
    use crate::status::{CreateAccountStatus, CreateTransferStatus};
    use crate::stream::{BegunLife, ExpiredHold, ItemContent, Refused};
    use crate::transfer::Transfer;
    use alloc::vec;

    fn contents() -> Vec<ItemContent<'static>> {
        let transfer = Transfer { id: TransferId(7), amount: Amount(8), ..Transfer::default() };
        let hold = ExpiredHold {
            hold_id: TransferId(1),
            debit_account_id: AccountId(2),
            credit_account_id: AccountId(3),
            amount: Amount(u128::MAX),
            ledger: LedgerId(978),
            code: Code(5),
            hold_timestamp: Timestamp(6),
        };
        let life = BegunLife { number: 17, incarnation: 18, previous: 19, restored_to: Lsn(20) };
        let (table, expires) = (TableId(16), Timestamp(9));
        vec![
            ItemContent::Epoch { epoch: 3, tag: 4 },
            ItemContent::Account(Account { id: AccountId(2), ..Account::default() }),
            ItemContent::Transfer(transfer),
            ItemContent::Expiry(hold),
            ItemContent::Failed { id: TransferId(7), status: CreateTransferStatus::ExceedsCredits },
            ItemContent::Life(life),
            ItemContent::Refusal(Refused {
                id: 13,
                digest: [14; 32],
                reason: RefusalReason::Account(CreateAccountStatus::Exists),
                index: 15,
                count: 16,
                actor: b"whom",
            }),
            ItemContent::DocumentPut { table, key: b"key", value: b"value", expires },
            ItemContent::DocumentDeleted { table, key: b"key" },
            ItemContent::Commit { id: CommitId(10), digest: [11; 32], actor: b"who" },
            ItemContent::Event { topic: Topic(12), key: b"", value: b"what" },
            ItemContent::DocumentExpired { table, key: b"key", due: expires },
        ]
    }

    /// Two items a block.
    fn items() -> Vec<StreamItem<'static>> {
        let item = |(number, content): (u8, ItemContent<'static>)| StreamItem {
            cursor: StreamCursor {
                epoch: 1,
                lsn: Lsn(4_096 + u64::from(number)),
                hash: [number / 2; 32],
            },
            time: Timestamp(u64::from(number)),
            ends_commit: number % 3 == 0,
            content,
        };
        (0..).zip(contents()).map(item).collect()
    }

    fn end() -> BatchEnd {
        let cursor = StreamCursor { epoch: 9, lsn: Lsn(8), hash: [7; 32] };
        BatchEnd { cursor, time: Timestamp(6), durable: Lsn(5), is_live: true }
    }

    fn batch() -> Vec<u8> {
        let mut writer = BatchWriter::new(Vec::new(), usize::MAX);
        assert!(items().iter().all(|item| writer.push(item)));
        writer.finish(end())
    }

    /// Prevents: a consumer is told another thing than what happened.
    #[test]
    fn a_batch_reads_as_it_was_written() {
        let bytes = batch();
        let view = BatchView::new(&bytes).unwrap();
        assert_eq!(view.items().collect::<Vec<_>>(), items());
        assert_eq!((view.items_count(), view.end()), (12, end()));
        let kinds: Vec<ItemKind> = contents().iter().map(ItemContent::kind).collect();
        assert_eq!(kinds, ItemKind::ALL, "every kind is here");
        let empty = BatchWriter::new(Vec::new(), 0).finish(end());
        assert_eq!(BatchView::new(&empty).unwrap().items().next(), None);
    }

    /// Prevents: a server sends more than it was granted, or a part of an item.
    #[test]
    fn an_item_that_does_not_fit_leaves_the_batch_as_it_was() {
        let whole = batch().len();
        for bytes_max in 0..whole - BATCH_HEAD_BYTES {
            let mut writer = BatchWriter::new(Vec::new(), bytes_max);
            let taken = items().iter().take_while(|item| writer.push(item)).count();
            assert!(taken < items().len());
            assert_eq!(usize::try_from(writer.items_count()), Ok(taken));
            let bytes = writer.finish(end());
            assert!(bytes.len() <= BATCH_HEAD_BYTES + bytes_max);
            let view = BatchView::new(&bytes).unwrap();
            assert_eq!(view.items().collect::<Vec<_>>(), items()[..taken]);
        }
    }

    /// Prevents: a batch that went back counts items that are gone, or a section that nobody can read.
    #[test]
    fn what_is_taken_back_was_never_there() {
        let items = items();
        for kept in 0..=items.len() {
            for pushed in kept..=items.len() {
                let mut writer = BatchWriter::new(Vec::new(), usize::MAX);
                assert!(items[..kept].iter().all(|item| writer.push(item)));
                let mark = writer.mark();
                assert!(items[kept..pushed].iter().all(|item| writer.push(item)));
                writer.undo(mark);
                let mut plain = BatchWriter::new(Vec::new(), usize::MAX);
                assert!(items[..kept].iter().all(|item| plain.push(item)));
                for item in &items[kept..] {
                    assert!(writer.push(item) && plain.push(item));
                }
                assert_eq!(writer.finish(end()), plain.finish(end()), "{kept} of {pushed}");
            }
        }
    }

    /// Prevents: a commit whose last items were filtered out never ends for its consumer.
    #[test]
    fn the_end_of_a_commit_is_said_of_the_last_item() {
        let mut writer = BatchWriter::new(Vec::new(), usize::MAX);
        writer.end_commit();
        for item in &items()[..2] {
            assert!(writer.push(&StreamItem { ends_commit: false, ..*item }));
        }
        writer.end_commit();
        let bytes = writer.finish(end());
        let view = BatchView::new(&bytes).unwrap();
        let ends: Vec<bool> = view.items().map(|item| item.ends_commit).collect();
        assert_eq!(ends, [false, true]);
    }

    /// Prevents: bytes of a stranger, or a line that flips a bit, are taken for money.
    #[test]
    fn whatever_is_cut_or_changed_is_refused_or_says_what_it_is_written_as() {
        let whole = batch();
        for length in 0..whole.len() {
            assert!(BatchView::new(&whole[..length]).is_err(), "cut at {length}");
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            let Ok(view) = BatchView::new(&changed) else { continue };
            let mut writer = BatchWriter::new(Vec::new(), usize::MAX);
            assert!(view.items().all(|item| writer.push(&item)));
            assert_eq!(writer.finish(view.end()), changed, "byte {at}");
        }
    }
}
