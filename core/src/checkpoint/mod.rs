//! Checkpoints: what the log says of accounts and live holds up to a position, so that opening
//! replays only what came after.
//!
//! One redb transaction is one checkpoint: the account pages that changed, the holds that changed,
//! and one [`Metadata`] record with the positions and the names of the runs. Everything here can be
//! derived again from the log; a file that fails a check is set aside and rebuilt.
//!
//! Invariants:
//! - a checkpoint is never ahead of the log: [`CheckpointWriter::commit`] takes the durable
//!   position and refuses to go beyond it;
//! - the runs that a checkpoint names were durable before it (only a durable file is a
//!   [`crate::runs::Run`]), and are kept as long as the latest or the previous checkpoint names
//!   them ([`CheckpointStore::named_runs`]);
//! - the latest checkpoint and the one before can be loaded: a redb savepoint keeps the pages of
//!   the one before, and [`CheckpointStore::discard_latest`] goes back to it, for when the latest
//!   turns out to be ahead of the log's judged end;
//! - every value carries a checksum over itself, its table and its key, beside redb's own.

mod backend;
mod error;
mod export;
mod metadata;
mod rows;
mod seal;
mod store;
mod writer;

#[cfg(test)]
mod tests;

pub use error::CheckpointError;
pub use export::{Export, ExportHead, ExportTable, Exports, import, imported_metadata};
pub use metadata::Metadata;
pub use rows::{HoldLayout, RowLayout};
pub use store::{CheckpointStore, FILE_NAME, Loading, set_aside};
pub use writer::CheckpointWriter;
