//! Tests of documents and commits: a whole database on a disk that fails like a real one, against a
//! naive model that keeps every document in a map.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails that should not")]

mod cabinet;
#[expect(dead_code, reason = "no clock jumps here")]
#[path = "../money/clock.rs"]
mod clock;
mod dice;
mod model;

mod as_of;
mod commits;
mod decided;
mod expiries;
mod random;
mod reading;
mod refusals;
mod tables;
mod waiting;
