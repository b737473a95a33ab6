//! How far the tree is behind the log.

use super::Tree;
use florin_ledger::{Lsn, Timestamp};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The tree of proofs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TreeFigures {
    /// Leaves so far.
    pub leaves: u64,
    /// Leaves that were hashed since the opening.
    pub hashed: u64,
    /// The log was read up to here.
    pub position: Lsn,
    /// Bytes of durable log behind it.
    pub behind_bytes: u64,
    /// Records in these bytes, judged by how many there were in those before.
    pub behind_records: u64,
    /// Between the recorded times of the last leaf and of the last event; zero if nothing is behind.
    pub behind: Duration,
    /// Files that were found missing or damaged and derived again.
    pub derived_tiles: u64,
    /// Whether it stands still, because the disk refuses: tried again every second.
    pub is_stuck: bool,
}

impl Tree {
    /// As it is now; `last_event`: the recorded time of the last event of the engine.
    pub(crate) fn figures(&self, last_event: Timestamp) -> TreeFigures {
        let durable = self.reads.durable().get();
        let edge = self.edge();
        let (leaves, position, last) = (edge.size(), edge.scanned, edge.last);
        drop(edge);
        let behind_bytes = durable.0.saturating_sub(position.0);
        let read_bytes = u128::from(position.0).max(1);
        let behind_records = u128::from(behind_bytes) * u128::from(leaves) / read_bytes;
        let last = last.map_or(last_event, |last| last.time);
        let behind_ns = if behind_bytes == 0 { 0 } else { last_event.0.saturating_sub(last.0) };
        TreeFigures {
            leaves,
            hashed: self.hashed_count.load(Ordering::Relaxed),
            position,
            behind_bytes,
            behind_records: u64::try_from(behind_records).unwrap_or(u64::MAX),
            behind: Duration::from_nanos(behind_ns),
            derived_tiles: self.derived_count.load(Ordering::Relaxed),
            is_stuck: self.is_stuck.load(Ordering::Relaxed),
        }
    }
}
