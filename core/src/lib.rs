//! (skeleton)
#![allow(clippy::todo, missing_docs)]
pub mod database;
pub mod disk;
pub mod error;
pub mod limits;
pub mod request;

pub use database::{Database, Options};
pub use error::{Error, ErrorKind};
