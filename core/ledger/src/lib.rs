//! The rules of double entry: what may be posted, and what a posting does.
//!
//! This crate is pure. It has no I/O, no threads, no clock and no randomness that anything
//! observable depends on: time, log positions and what happened long ago arrive as arguments.
//! It does two things and keeps them apart:
//!
//! - **decide** looks at an event and says either which record it becomes or which rule it breaks;
//! - **apply** moves balances by a record, without asking any rule. Recovery, standbys and `verify`
//!   use apply alone, so an old log stays readable when rules change.
//!
//! Reading order: [`id`], [`amount`], [`account`], [`transfer`], [`status`] name things; [`record`]
//! says what is remembered of a decision; [`state`] holds the tables, made of [`accounts`] and
//! [`holds`]; `batch` runs events through the rules (`decide_*`, `exists`, `expire`, `undo`) and
//! asks the world through [`journal`]; [`apply`] moves balances; [`trial`] and `digest` check;
//! [`stream`] is how readers of the log see it.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod account;
pub mod accounts;
pub mod amount;
pub mod apply;
mod batch;
pub mod chain;
pub mod commit;
pub mod commit_bytes;
mod commit_encode;
mod conservation;
mod decide_account;
mod decide_resolve;
mod decide_transfer;
mod digest;
pub mod document;
mod event;
mod exists;
mod expire;
pub mod holds;
pub mod id;
mod index;
pub mod journal;
pub mod position;
pub mod query;
pub mod record;
pub mod state;
pub mod status;
pub mod stream;
pub mod subject;
pub mod ticks;
pub mod transfer;
pub mod trial;
mod undo;

pub use account::{Account, AccountFlags, AccountLayout};
pub use accounts::{AccountReferences, AccountRow, PAGE_ROWS};
pub use amount::Amount;
pub use apply::Inconsistent;
pub use commit::{Commit, CommitId, CommitOutcome, Precondition};
pub use conservation::Moved;
pub use document::{Document, DocumentKey, DocumentWrite, TableId, TableOptions};
pub use holds::Hold;
pub use id::{AccountId, Code, LedgerId, Lsn, Slot, Timestamp, TransferId};
pub use journal::{HoldOutcome, Journal, PastHold, PastTransfer};
pub use position::Position;
pub use state::{Ledger, Totals};
pub use status::{
    AccountResult, CreateAccountStatus, CreateTransferStatus, EventResult, TransferResult,
};
pub use stream::{StreamCursor, StreamFilter, StreamItem, StreamStart};
pub use subject::Subject;
pub use ticks::Ticks;
pub use transfer::{Transfer, TransferFlags, TransferLayout};
pub use trial::Unbalanced;
