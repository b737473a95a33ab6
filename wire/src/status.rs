//! How a server's engine is doing, as told to clients.

use florin_ledger::{Lsn, Timestamp};

/// How the engine is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status {
    /// Names this database; a restored copy has another.
    pub incarnation: u128,
    /// Openings for writing so far, this one included.
    pub epoch: u64,
    /// The end of the log as decided.
    pub applied: Lsn,
    /// Everything before it is durable.
    pub durable: Lsn,
    /// The recorded time of the last event.
    pub timestamp: Timestamp,
    /// Accounts ever opened.
    pub accounts_count: u64,
    /// Transfers ever created.
    pub transfers_count: u64,
    /// Holds neither posted, voided nor expired.
    pub holds_count: u64,
    /// Documents that have a value, those of volatile tables not counted.
    pub documents_count: u64,
    /// Since when volatile tables have been kept: what they do not know may have happened before.
    pub serving_since: Timestamp,
    /// The position of the last checkpoint.
    pub checkpoint: Lsn,
    /// Whether writes are refused until there is room on the disk.
    pub disk_full: bool,
}
