//! Tests that try to lose money: a whole database on a disk that fails like a real one, against a
//! naive model of the rules and a book of what was acknowledged.
//!
//! The workload and every answer to it follow from a seed. The threads of the engine do not: which
//! frames share a sync differs from run to run, so each run cuts the power at other moments, and a
//! failure prints what is needed to look for it again.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails that should not")]

mod audit;
mod bank;
mod book;
mod clock;
mod days;
#[expect(dead_code, reason = "the rules' own tests expire some holds and leave others")]
#[path = "../../ledger/tests/rules/events.rs"]
mod events;
mod forms;
#[path = "../keys/mod.rs"]
mod keys;
#[path = "../../ledger/tests/rules/model.rs"]
mod model;

mod recovery;

mod chains;
mod crashes;
mod damage;
mod expiries;
mod faults;
mod full;
mod gate;
mod ids;
mod positions;
mod restarts;
mod streams;
mod streams_resumed;
mod time;
