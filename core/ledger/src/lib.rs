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
//! says what is remembered of a decision; [`state`] holds the tables; `decide` and `apply` act.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod account;
pub mod amount;
pub mod id;
pub mod query;
pub mod record;
pub mod status;
pub mod transfer;

pub use account::{Account, AccountFlags, AccountLayout};
pub use amount::Amount;
pub use id::{AccountId, Code, LedgerId, Lsn, Slot, Timestamp, TransferId};
pub use status::{
    AccountResult, CreateAccountStatus, CreateTransferStatus, EventResult, TransferResult,
};
pub use transfer::{Transfer, TransferFlags, TransferLayout};
