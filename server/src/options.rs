//! How a server behaves.

use std::time::Duration;

/// How a server behaves.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Connections at the same time; one more is refused and closed.
    pub connections_max: usize,
    /// How long a new connection may take to say hello.
    pub handshake_timeout: Duration,
    /// How long a peer may leave bytes unread that are waiting for it.
    pub write_timeout: Duration,
}

impl Default for ServerOptions {
    fn default() -> ServerOptions {
        ServerOptions {
            connections_max: 1_024,
            handshake_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(10),
        }
    }
}
