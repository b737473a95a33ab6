//! Async client of Florin, over TCP or over an engine in the same process.
#![forbid(unsafe_code)]
#![allow(clippy::todo, clippy::unused_async)]

mod client;
mod error;
mod options;

pub use client::Client;
pub use error::ClientError;
pub use florin_wire::{RefusalKind, Status};
pub use options::ClientOptions;
