//! The edge over real sockets: what a listener does with peers that are slow, greedy or deceitful. The clock
//! stands still unless everybody waits, so that five seconds take none.
#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod site;

mod crowd;
mod endless;
mod frames;
mod handshakes;
mod sizes;
mod slowness;
mod smuggling;
