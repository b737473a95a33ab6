//! The lease over a real etcd. What would go wrong without: two servers that both decide, and so two
//! histories; a bank that stands still because the lease of a machine that burned is never free; a failover to
//! a server that lacks what was confirmed.
//!
//! Each test has an etcd of its own on loopback, and waits for events, never for time to pass.
#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod alone;
mod cluster;
mod doors;
mod losing;
mod proxy;
mod taking;
