//! The stream: the log as its readers see it, in the terms of the API. Records name accounts by slot
//! and holds by position; items name both by id.
//!
//! One encoding serves every reader. The engine writes [`BatchWriter`]s, a server passes their bytes
//! on, and whoever reads them, in the engine's process or far away, sees the same [`BatchView`].
//!
//! - Items come in the order of effect, none twice and none left out.
//! - Items of one commit stay together, and the last that a reader gets of it says so.
//! - A [`StreamCursor`] names a record *and all that came before it*, so a reader that comes back
//!   is either given what follows or told that this is another history.

mod batch;
mod content;
mod cursor;
mod filter;
mod item;

pub use batch::{
    BATCH_HEAD_BYTES, BatchEnd, BatchError, BatchItems, BatchView, BatchWriter, ITEM_BYTES_MAX,
};
pub use cursor::{CURSOR_TEXT_BYTES_MAX, NotACursor, StreamCursor, StreamStart};
pub use filter::{
    FILTER_ACCOUNTS_MAX, FILTER_LEDGERS_MAX, FILTER_PREFIX_BYTES_MAX, FILTER_TABLES_MAX,
    FILTER_TOPICS_MAX, FilterTooLarge, StreamFilter, TableFilter,
};
pub use item::{BegunLife, ExpiredHold, ItemContent, ItemKind, ItemKinds, Refused, StreamItem};
