//! The server as a peer on a socket meets it, with an engine that the test holds in its hand.
#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod closed;
mod hand_log;
mod hand_shipment;
mod harness;

mod admission;
mod deadlines;
mod documents;
mod forbidden;
mod handshake;
mod key_documents;
mod keyring;
mod malformed;
mod pipelining;
mod positions;
mod shipping;
mod shutdown;
mod streams;
