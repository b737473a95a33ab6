//! The rules of the ledger, from outside: tables in the business's words, and random histories
//! against a naive model and against their own replay.

mod bank;
mod events;
mod log;
mod model;
mod script;

mod balancing;
mod chains;
mod changes;
mod closing;
mod commit_bytes;
mod holds;
mod idempotence;
mod imported;
mod money;
mod precedence;
mod random;
mod replay;
mod trial;
mod waypoints;
