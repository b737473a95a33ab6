//! (skeleton)
#![allow(clippy::todo, missing_docs)]
pub mod database;
mod reads;
mod driver;
mod engine;
pub mod checkpoint;
pub mod clock;
pub mod disk;
pub mod error;
pub mod limits;
pub mod log;
pub mod request;
pub mod runs;

pub use database::{Database, Options};
pub use error::{Error, ErrorKind};
