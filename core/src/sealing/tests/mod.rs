//! Encryption at rest, from the inside.

pub(super) mod numbers;
