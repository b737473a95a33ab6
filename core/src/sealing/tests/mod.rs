//! Encryption at rest, from the inside.

mod file;
mod history;
pub(super) mod numbers;
