//! Payments between accounts of the bank.
//!
//! A transfer is a saga of commits, each whole or not at all:
//!
//! 1. [`initiate`](transfer::initiate): the money is held, and the TRANSACTIONS row says PENDING;
//! 2. [`settle`](saga): what judges risk decides, and the hold is posted (COMPLETED), or voided (FAILED).
//!
//! The ids of the second step's commit and transfers follow from the transaction, so however many workers
//! try it, however often, it takes effect once. Holds have a timeout: if every worker is dead the money is
//! free again by itself.

mod record;
mod reference;
mod risk;
mod saga;
mod transfer;

pub use record::{
    Copies, CopyOpen, CopySealed, Ended, FraudScore, Started, TransactionOpen, TransactionSealed,
    TransactionStatus, Transactions, step_key,
};
pub use reference::References;
pub use risk::{Decision, decide};
pub use saga::{Worker, end};
pub(crate) use transfer::{Imported, imported_row};
pub use transfer::{
    Initiated, NewTransfer, Orderer, RequestKey, TransferRefused, View, initiate, view,
};
