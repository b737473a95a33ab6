//! A whole frame as a scan hands it out: checked, with its bodies opened, its records read from where
//! they lie.

use crate::log::FramePosition;
use crate::log::block::BlockHeader;
use crate::log::error::{Corruption, Damage, ReadError};
use crate::log::reader::{BlockRecords, StoredRecord};
use florin_ledger::record::Record;
use florin_ledger::{Lsn, Timestamp};
use std::borrow::Cow;
use std::ops::{ControlFlow, Range};
use std::slice;

/// A whole frame, in the scan's memory.
#[derive(Debug)]
pub struct FrameView<'a> {
    /// Its bytes with the bodies of its blocks opened. Their headers are looked at no more.
    pub(super) opened: &'a [u8],
    pub(super) blocks: &'a [ViewBlock],
    pub(super) after: FramePosition,
}

/// A block of a whole frame.
#[derive(Debug)]
pub struct BlockView<'a> {
    header: &'a BlockHeader,
    hash: [u8; 32],
}

/// Where in a frame a block lies.
#[derive(Debug)]
pub(super) struct ViewBlock {
    pub(super) header: BlockHeader,
    pub(super) range: Range<usize>,
    /// Whether its body could be opened.
    pub(super) readable: Result<(), Damage>,
}

impl<'a> FrameView<'a> {
    /// A frame in memory.
    pub(super) fn new(
        opened: &'a [u8],
        blocks: &'a [ViewBlock],
        after: FramePosition,
    ) -> FrameView<'a> {
        FrameView { opened, blocks, after }
    }

    /// Where it starts.
    #[must_use]
    pub fn start(&self) -> Lsn {
        self.first().lsn
    }

    /// The position after it.
    #[must_use]
    pub fn after(&self) -> FramePosition {
        self.after
    }

    /// Its place among all frames, from 1.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.first().sequence
    }

    /// The opening that wrote it.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.first().epoch
    }

    /// What the ticks of its records count from.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        self.first().timestamp
    }

    /// The position that was known durable when it was written.
    #[must_use]
    pub fn durable(&self) -> Lsn {
        self.first().durable
    }

    /// How many records, as its blocks say.
    #[must_use]
    pub fn records_count(&self) -> u64 {
        self.blocks.iter().map(|block| u64::from(block.header.records_count)).sum()
    }

    /// How many blocks.
    #[must_use]
    pub fn blocks_count(&self) -> usize {
        self.blocks.len()
    }

    /// How many bytes it takes in the log, headers included.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        u64::try_from(self.opened.len()).expect("a frame is in memory")
    }

    /// Its records, in order of effect.
    ///
    /// # Errors
    /// A record that cannot be read ends its block's records: the log is corrupt, or it is sealed
    /// and nobody gave its key ([`Damage::Sealed`]).
    pub fn records(&self) -> impl Iterator<Item = Result<StoredRecord, Corruption>> + 'a {
        self.parts().map(|part| part.map(|(stored, _)| stored))
    }

    /// Its records with their payloads, in order of effect; a payload in parts is put together.
    ///
    /// # Errors
    /// As [`FrameView::records`]; and a payload that is not whole.
    pub fn records_with_payloads(
        &self,
    ) -> impl Iterator<Item = Result<(StoredRecord, Cow<'a, [u8]>), Corruption>> + 'a {
        let mut parts = self.parts();
        std::iter::from_fn(move || {
            let (stored, here) = match parts.next()? {
                Ok(first) => first,
                Err(damage) => return Some(Err(damage)),
            };
            if here.len() == stored.record.payload_bytes() {
                return Some(Ok((stored, Cow::Borrowed(here))));
            }
            Some(whole_payload(&stored, here, &mut parts).map(|payload| (stored, payload.into())))
        })
    }

    /// Gives each record behind a position to `visit`, with its whole payload, until that breaks off.
    /// What lies before is passed over by its length, and not looked at. Unlike
    /// [`FrameView::records_with_payloads`] it hands records out where they were decoded: a stream reads
    /// millions a second.
    ///
    /// # Errors
    /// Those of `visit`, and as [`FrameView::records_with_payloads`].
    pub fn visit_after<B, E: From<ReadError>>(
        &self,
        lsn: Lsn,
        mut visit: impl FnMut(&StoredRecord, &[u8]) -> Result<ControlFlow<B>, E>,
    ) -> Result<ControlFlow<B>, E> {
        let mut parts = self.parts();
        parts.pass_over(lsn).map_err(ReadError::from)?;
        while let Some(next) = &parts.next() {
            let (stored, here) = next.as_ref().map_err(|damage| ReadError::from(*damage))?;
            if matches!(stored.record, Record::Part(_)) {
                // Of a payload whose record was passed over: those of others are taken with theirs.
                continue;
            }
            let flow = if here.len() == stored.record.payload_bytes() {
                visit(stored, here)?
            } else {
                let payload = whole_payload(stored, here, &mut parts).map_err(ReadError::from)?;
                visit(stored, &payload)?
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Its commits: the first record that may be each one's, and its own. All else is passed over by its
    /// length. What can't be read ends its block's: whoever reads the records meets it again.
    pub fn commits(&self) -> impl Iterator<Item = (Lsn, Lsn)> + 'a {
        let FrameView { opened, blocks, .. } = *self;
        let readable = blocks.iter().take_while(|block| block.readable.is_ok());
        readable.flat_map(|block| {
            let mut records = BlockRecords::new(&block.header, &opened[block.range.clone()]);
            std::iter::from_fn(move || records.next_commit())
        })
    }

    fn parts(&self) -> FrameParts<'a> {
        FrameParts { opened: self.opened, blocks: self.blocks.iter(), records: None }
    }

    /// Its blocks, in order.
    pub fn blocks(&self) -> impl Iterator<Item = BlockView<'a>> + use<'a> {
        let FrameView { blocks, after, .. } = *self;
        blocks.iter().enumerate().map(move |(index, block)| BlockView {
            header: &block.header,
            hash: blocks.get(index + 1).map_or(after.chain, |next| next.header.chain),
        })
    }

    fn first(&self) -> &BlockHeader {
        &self.blocks.first().expect("a frame has a block").header
    }
}

/// The records of a frame, each with as much of its payload as is in it. Every reader of the log
/// comes through here, so a record is decoded into its place and not handed through adapters.
struct FrameParts<'a> {
    opened: &'a [u8],
    blocks: slice::Iter<'a, ViewBlock>,
    /// What is left of the block under way.
    records: Option<BlockRecords<'a>>,
}

impl FrameParts<'_> {
    /// Passes over all records up to a position.
    fn pass_over(&mut self, lsn: Lsn) -> Result<(), Corruption> {
        while self.blocks.as_slice().first().is_some_and(|block| block.header.end() <= lsn) {
            self.blocks.next();
        }
        let Some(block) = self.blocks.as_slice().first() else { return Ok(()) };
        if lsn < block.header.lsn || block.readable.is_err() {
            return Ok(());
        }
        self.blocks.next();
        let mut records = BlockRecords::new(&block.header, &self.opened[block.range.clone()]);
        records.pass_over_to(lsn)?;
        self.records = Some(records);
        Ok(())
    }
}

impl<'a> Iterator for FrameParts<'a> {
    type Item = Result<(StoredRecord, &'a [u8]), Corruption>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(records) = &mut self.records {
                let next = records.next();
                if next.is_some() {
                    return next;
                }
            }
            let block = self.blocks.next()?;
            self.records = None;
            if let Err(what) = block.readable {
                return Some(Err(Corruption { lsn: block.header.lsn, what }));
            }
            let bytes = &self.opened[block.range.clone()];
            self.records = Some(BlockRecords::new(&block.header, bytes));
        }
    }
}

/// The payload of a record that begins with `here` and goes on in the records that follow.
fn whole_payload<'a>(
    stored: &StoredRecord,
    here: &[u8],
    parts: &mut impl Iterator<Item = Result<(StoredRecord, &'a [u8]), Corruption>>,
) -> Result<Vec<u8>, Corruption> {
    let damaged = Corruption { lsn: stored.lsn, what: Damage::Record };
    let mut payload = here.to_vec();
    while payload.len() < stored.record.payload_bytes() {
        match parts.next().ok_or(damaged)?? {
            (StoredRecord { record: Record::Part(part), .. }, more)
                if part.owner == stored.lsn && !more.is_empty() =>
            {
                payload.extend_from_slice(more);
            }
            _ => return Err(damaged),
        }
    }
    if payload.len() == stored.record.payload_bytes() { Ok(payload) } else { Err(damaged) }
}

impl<'a> BlockView<'a> {
    /// What it says of itself.
    #[must_use]
    pub fn header(&self) -> &'a BlockHeader {
        self.header
    }

    /// The hash of its header: of everything up to its end.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }
}
