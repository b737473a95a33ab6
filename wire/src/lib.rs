//! How Florin's requests and replies look as bytes.
#![forbid(unsafe_code)]

pub mod refusal;
pub mod status;

pub use refusal::{Effect, RefusalKind};
pub use status::Status;
