//! How long anybody may take, how much they may send, and how many may be here.

use std::time::Duration;

/// The limits of a listener. The defaults are the bank's; tests that must not wait give others.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A handshake may take so long.
    pub handshake: Duration,
    /// The head of a request may take so long from its first byte, and the first request after the handshake.
    pub head: Duration,
    /// A connection on which nothing is asked is closed after this.
    pub idle: Duration,
    /// The body of a request may take so long.
    pub body: Duration,
    /// A peer may leave so long what it is sent.
    pub stall: Duration,
    /// A connection lives so long; what is under way then is answered.
    pub connection: Duration,
    /// Connections of one address. Many customers may be behind one.
    pub connections_per_address: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            handshake: Duration::from_secs(5),
            head: Duration::from_secs(5),
            idle: Duration::from_secs(30),
            body: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            connection: Duration::from_secs(600),
            connections_per_address: 1_000,
        }
    }
}

/// Connections of all addresses.
pub(super) const CONNECTIONS_MAX: usize = 10_000;
/// Requests under way on one connection of HTTP/2.
pub(super) const STREAMS_MAX: u32 = 64;
/// Requests of a connection that were taken back before their answer was out: whoever does it more often makes
/// work for the bank and wants none of it.
pub(super) const GIVEN_UP_MAX: u32 = 100;
/// Streams that are taken back before they were looked at, or that break the protocol, before a connection of
/// HTTP/2 is told to calm down.
pub(super) const STREAMS_RESET_MAX: usize = 20;

/// Bytes of a request's head.
pub(super) const HEAD_BYTES_MAX: usize = 16 << 10;
/// Bytes of its first line over HTTP/1.1, and of its path and query.
pub(super) const TARGET_BYTES_MAX: usize = 8 << 10;
/// Letters of a method.
pub(super) const METHOD_BYTES_MAX: usize = 32;
/// Headers of a request.
pub(super) const HEADERS_COUNT_MAX: usize = 64;
/// Cookies of a request: browsers send those of neighbours too, so it is more than the bank sets.
pub(super) const COOKIES_COUNT_MAX: usize = 100;
/// Parameters in the query of a request.
pub(super) const PARAMETERS_COUNT_MAX: usize = 32;
/// Bytes of requests' bodies that a peer may send ahead.
pub(super) const WINDOW_BYTES: u32 = 64 << 10;

/// Bytes of a body that must come in a second, on average, once it had [`PACE_GRACE`].
pub(super) const PACE_BYTES_PER_SECOND: u64 = 1_000;
/// How long a body may stall at first: radio links do.
pub(super) const PACE_GRACE: Duration = Duration::from_secs(3);
