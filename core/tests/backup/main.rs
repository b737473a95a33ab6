//! Backups, on disks and stores in memory. What would go wrong without: a backup that can't be restored, one
//! that was altered and is, and a restored bank that is taken for the old one.
#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

#[path = "../keys/mod.rs"]
mod keys;
#[path = "../names/mod.rs"]
mod names;

mod altered;
mod bank;
mod crashes;
mod cuts;
mod drills;
mod erasure;
mod heads;
mod interference;
mod keeping;
mod keyrings;
mod lives;
