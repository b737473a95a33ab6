//! How a server behaves.

use crate::doors::Doors;
use crate::limits::{CONNECTIONS_MAX, HANDSHAKE_TIMEOUT, WRITE_TIMEOUT};
use std::time::Duration;

/// How a server behaves.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Whom it lets in, and over what.
    pub doors: Doors,
    /// Connections at the same time; one more is refused and closed.
    pub connections_max: usize,
    /// How long a new connection may take for everything before its first request.
    pub handshake_timeout: Duration,
    /// How long a peer may leave bytes unread that wait for it.
    pub write_timeout: Duration,
    /// How long a connection may be without requests; `None`: as long as it likes.
    pub idle_timeout: Option<Duration>,
}

impl ServerOptions {
    /// The usual behaviour behind these doors: there is none that a server could have by itself.
    #[must_use]
    pub fn behind(doors: Doors) -> ServerOptions {
        ServerOptions {
            doors,
            connections_max: CONNECTIONS_MAX,
            handshake_timeout: HANDSHAKE_TIMEOUT,
            write_timeout: WRITE_TIMEOUT,
            idle_timeout: None,
        }
    }
}
