//! A standby is a copy: byte for byte, state for state, answer for answer. What these tests prevent: a copy
//! that differs and says nothing; one that is judged broken after a power cut, or loses what it acknowledged;
//! a fork that is followed; an answer in synchronous mode that only one machine has.
#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod balances;
mod clock;
mod cuts;
#[path = "../documents/dice.rs"]
mod dice;
mod digests;
mod erasure;
mod group;
#[path = "../keys/mod.rs"]
mod keys;
mod killed;
mod lease;
#[path = "../names/mod.rs"]
mod names;
mod pair;
mod promoted;
mod receipts;
mod refused;
mod rewinding;
mod same;
mod seeded;
mod synchronous;
mod terms;
