//! Tests of the log as a whole, one file per property.

mod crash;
mod decoding;
mod direct;
mod ends;
mod errors;
mod flips;
mod foreign;
mod golden;
mod layout;
mod payloads;
mod recent;
mod room;
mod sample;
mod sealed;
mod time;
mod writing;
