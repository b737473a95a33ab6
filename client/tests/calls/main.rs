//! The client as a server on a socket meets it, with a server that says exactly what the test says.
#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod harness;

mod addresses;
mod documents;
mod endings;
mod flights;
mod keyring;
mod keys;
mod positions;
mod singles;
mod traces;
