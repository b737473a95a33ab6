//! How a server behaves.

use crate::limits::{CONNECTIONS_MAX, HANDSHAKE_TIMEOUT, WRITE_TIMEOUT};
use std::time::Duration;

/// How a server behaves.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Connections at the same time; one more is refused and closed.
    pub connections_max: usize,
    /// How long a new connection may take to say hello.
    pub handshake_timeout: Duration,
    /// How long a peer may leave bytes unread that wait for it.
    pub write_timeout: Duration,
}

impl Default for ServerOptions {
    fn default() -> ServerOptions {
        ServerOptions {
            connections_max: CONNECTIONS_MAX,
            handshake_timeout: HANDSHAKE_TIMEOUT,
            write_timeout: WRITE_TIMEOUT,
        }
    }
}
