//! Why a server does not listen.

use std::io;
use std::net::SocketAddr;

/// Why a server does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Without TLS the server listens on loopback only (fault 67).
    #[error(
        "{address} is not a loopback address, and without tls everyone on the network could read \
         and post: give it a certificate (--tls-certificate, --tls-key), or listen on 127.0.0.1 or \
         [::1]"
    )]
    NotLoopback {
        /// The address asked for.
        address: SocketAddr,
    },
    /// Without keys the server listens on loopback only.
    #[error(
        "{address} is not a loopback address, and without keys everyone who can reach it could \
         read and post: let in known keys only, or listen on 127.0.0.1 or [::1]"
    )]
    NoKeys {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The operating system refused.
    #[error("can't listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The engine does not answer.
    #[error("the engine does not answer: {0}")]
    Engine(florin_core::Error),
}
