//! Looking at a log without touching it: beside a running server, or when it won't open.

mod directory;
mod log;
mod row;

pub(crate) use directory::ReadOnly;
pub(crate) use log::Log;
pub(crate) use row::{json, text};
