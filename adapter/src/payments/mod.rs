//! Payments between accounts of the bank.
//!
//! A transfer is a saga of commits, each whole or not at all:
//!
//! 1. [`initiate`]: the money is held and counted against the limits of its account ([`limits`]), and the TRANSACTIONS
//!    row says PENDING;
//! 2. [`end`]: it is judged ([`crate::risk`]), and the holds are posted (COMPLETED), voided (FAILED), or placed anew
//!    for a person to look at it ([`review`]), whose decision ends it in the same way.
//!
//! The ids of the second step's commit and transfers follow from the transaction, so however many workers
//! try it, however often, it takes effect once. Holds have a timeout: if every worker is dead the money is
//! free again by itself.

mod challenge;
mod hold;
mod imported;
mod limits;
mod names;
mod order;
pub mod parked;
mod parties;
pub mod payee;
mod record;
mod reference;
mod request;
mod reversal;
pub mod review;
mod saga;
mod transfer;
mod view;
mod worker;

pub use challenge::{ProveRefused, SendCodeRefused, prove, send_code};
pub(crate) use imported::{Imported, imported_row};
pub use names::NameCheck;
pub(crate) use order::KEPT_FOR;
pub use order::{
    Answered, Destination, Initiated, NewTransfer, Orderer, RequestKey, TransferRefused,
};
pub use record::{
    Copies, CopyOpen, CopySealed, Ended, InReview, Started, TransactionOpen, TransactionSealed,
    TransactionStatus, TransactionType, Transactions, step, step_key,
};
pub use reference::References;
pub use request::{Refusal, once, ordered_before};
pub use reversal::{ReversalRefused, approve_reversal, request_reversal};
pub use saga::end;
pub use transfer::initiate;
pub use view::{View, standing, view};
pub use worker::{Expiries, Worker};
