//! Repairing, on disks and stores in memory. What would go wrong without: a bank that could be put right
//! from a copy and is not, and worse, one that is put together of two histories, or loses at repairing what
//! was durable.
#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

#[path = "../keys/mod.rs"]
mod keys;

mod bank;
mod crashes;
mod damage;
mod ends;
mod refused;
