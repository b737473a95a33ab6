//! Compares the tree's files with the log, while somebody reads it from the first frame to the last.

use super::edge::{BLOCK_LEVEL, Fresh, Peaks, Shape};
use super::number::TileNumber;
use super::scan::{Scanned, life_in, write_leaf};
use super::tile::Tile;
use super::tiles::{self, Tiles};
use crate::disk::{Access, Disk};
use crate::error::Error;
use crate::limits::TREE_HOLDS_MAX;
use crate::log::{FrameView, Identity, LogReader, ReadError};
use crate::stream::holds::RecentHolds;
use crate::stream::items::{Items, slots_of};
use florin_ledger::{AccountId, Ledger, Slot, StreamCursor};
use florin_proof::hash::prefixed_leaf_hash;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The comparison. Protocol: every [`TreeCheck::frame`], then [`TreeCheck::findings`].
pub(crate) struct TreeCheck {
    tiles: Tiles,
    shape: Shape,
    /// Tiles that were not met yet.
    numbers: BTreeSet<TileNumber>,
    peaks: Peaks,
    fresh: Fresh,
    size: u64,
    leaf: Vec<u8>,
    holds: RecentHolds,
    findings: Vec<String>,
}

impl TreeCheck {
    /// Begins; `None` if the tree has no files.
    pub(crate) fn begin(
        disk: &Arc<dyn Disk>,
        identity: Identity,
    ) -> Result<Option<TreeCheck>, Error> {
        let tiles = |shape| Tiles::new(Arc::clone(disk), identity.incarnation, shape);
        let guess = Shape { tile_level: super::TILE_LEVEL_DEFAULT };
        let numbers = BTreeSet::from_iter(tiles(guess).numbers()?);
        if numbers.is_empty() {
            return Ok(None);
        }
        // The files say themselves how large they are; if none does, any size finds all of them damaged.
        let said = numbers.iter().find_map(|number| level_of(disk.as_ref(), *number));
        let shape = said.map_or(guess, |tile_level| Shape { tile_level });
        Ok(Some(TreeCheck {
            tiles: tiles(shape),
            shape,
            numbers,
            peaks: Peaks::default(),
            fresh: Fresh::default(),
            size: 0,
            leaf: Vec::new(),
            holds: RecentHolds::keeping(TREE_HOLDS_MAX),
            findings: Vec::new(),
        }))
    }

    /// Takes the next frame, which was applied to the ledger.
    ///
    /// # Errors
    /// As any read of the log; [`crate::ErrorKind::Io`] of a tile.
    pub(crate) fn frame(
        &mut self,
        frame: &FrameView<'_>,
        log: &LogReader,
        ledger: &Ledger,
    ) -> Result<(), Error> {
        let durable = frame.after().lsn;
        let name = |slot: Slot| ledger.account_at(slot).map_or(AccountId::ZERO, |it| it.id);
        let mut blocks = frame.blocks();
        let mut block = blocks.next().expect("a frame has a block");
        for stored in frame.records_with_payloads() {
            let (stored, payload) = stored.map_err(ReadError::from)?;
            let accounts = slots_of(&stored.record).map_or([AccountId::ZERO; 2], |it| it.map(name));
            let items = Items { log, durable, holds: Some(&self.holds) };
            let is_leaf = write_leaf(&items, &stored, &payload, accounts, &mut self.leaf)?;
            self.holds.note(stored.lsn, &stored.record, stored.time);
            if !is_leaf {
                continue;
            }
            while block.header().end() <= stored.lsn {
                block = blocks.next().expect("a record lies in a block of its frame");
            }
            let cursor = StreamCursor { epoch: stored.epoch, lsn: stored.lsn, hash: block.hash() };
            let hash = prefixed_leaf_hash(&mut self.leaf);
            self.size += 1;
            let life = life_in(&stored.record);
            self.fresh.push(
                &Scanned { cursor, time: stored.time, hash, life },
                self.size,
                self.shape,
            );
            if let Some(last) = self.fresh.tile_ends.pop() {
                self.compare(last)?;
            }
        }
        Ok(())
    }

    /// What does not hold.
    pub(crate) fn findings(mut self) -> Vec<String> {
        if let (Some(TileNumber(first)), Some(TileNumber(last))) =
            (self.numbers.first(), self.numbers.last())
        {
            self.findings.push(format!(
                "the tree of proofs has files {first} to {last}, for which the log has too few records: \
                 run `florin rebuild`"
            ));
        }
        self.findings
    }

    fn compare(&mut self, last: StreamCursor) -> Result<(), Error> {
        let blocks = std::mem::take(&mut self.fresh.blocks);
        let expected = Tile::new(self.peaks.clone(), blocks, last);
        let number = expected.head.number;
        // One that is missing behind all that are there was not written yet.
        let is_owed = self.numbers.last().is_some_and(|last| number <= *last);
        if is_owed && self.tiles.read(number, |_| Ok(true))?.as_deref() != Some(&expected) {
            self.findings.push(format!(
                "file {} of the tree of proofs is not what the log gives: run `florin rebuild`",
                number.0
            ));
        }
        self.numbers.remove(&number);
        self.peaks = expected.head.peaks;
        Ok(())
    }
}

/// The level of a tile's file, as it says itself.
fn level_of(disk: &dyn Disk, number: TileNumber) -> Option<u32> {
    let file = disk.open(&tiles::path(number), Access::Read).ok()?;
    let mut start = [0; 16];
    file.read_exact_at(&mut start, 0).ok()?;
    let level = u32::from(start[12]);
    (BLOCK_LEVEL + 1..=24).contains(&level).then_some(level)
}
