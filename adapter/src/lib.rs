//! The HTTP adapter of Florin: a bank over a ledger.
//!
//! It is stateless. Whatever it knows is in the ledger: money as postings, everything else as
//! documents, each written in the commit that decided it. What is personal is sealed under keys of
//! its subject ([`vault`]), so that erasing a customer is destroying a key.
//!
//! Reading order: [`tables`] says what is stored, [`store`] how, [`vault`] how it is sealed; [`customers`],
//! [`accounts`] and [`payments`] are what a banker would call them; [`notify`] writes to customers, [`alerts`] what they
//! asked to be told of; [`web`] shows
//! them to browsers and [`api`] to programs, [`live`] tells both what happens, behind the [`edge`]; [`bank`] puts
//! them together, [`demo`] fills one with a year of history.
#![forbid(unsafe_code)]

pub mod accounts;
pub mod activation;
pub mod alerts;
pub mod api;
pub mod audit;
pub mod bank;
mod budget;
pub mod clock;
pub mod customers;
pub mod demo;
pub mod edge;
pub mod email;
mod entry;
mod error;
pub mod figures;
pub mod id;
pub mod line;
pub mod live;
pub mod money;
pub mod notify;
pub mod packed;
pub mod payments;
pub mod phone;
pub mod random;
pub mod rekeying;
pub mod risk;
pub mod staff;
pub mod store;
pub mod tables;
pub mod test_clock;
pub mod timekeeping;
pub mod topics;
pub mod vault;
pub mod web;

pub use bank::{Bank, BankOptions};
pub use error::BankError;
