//! Florin's TCP server.
#![forbid(unsafe_code)]
#![allow(clippy::todo, clippy::unused_async)]

use florin_core::Database;
use std::net::SocketAddr;

mod options;
pub use options::ServerOptions;

/// A server that is listening.
#[derive(Debug)]
pub struct Server {}

impl Server {
    /// Listens on an address; port 0 picks one.
    ///
    /// # Errors
    /// If the address is not loopback (there is no TLS), or can't be listened on.
    pub async fn bind(
        _address: SocketAddr,
        _options: ServerOptions,
        _database: Database,
    ) -> Result<Server, ServerError> {
        todo!()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        todo!()
    }

    /// Serves until `shutdown` completes; then stops accepting, finishes and answers what was
    /// accepted, and returns. The caller closes the database.
    pub async fn serve(self, _shutdown: impl Future<Output = ()>) {
        todo!()
    }
}

/// Why a server does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Without TLS the server listens on loopback only.
    #[error(
        "{address} is not a loopback address, and without TLS anyone on the network could read and post: listen on 127.0.0.1 or [::1]"
    )]
    NotLoopback {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The operating system refused.
    #[error("can't listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}
