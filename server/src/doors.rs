//! How the server is closed to those who have no business in it.

use crate::directory::KeyDirectory;
use crate::error::ServerError;
use crate::refusal_sink::{CountedRefusals, RefusalSink};
use crate::tls::Certificates;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// How the server is closed to those who have no business in it.
#[derive(Clone)]
pub struct Doors {
    /// What keeps others from reading and changing what travels.
    pub transport: Transport,
    /// Who may come in; `None`: everyone who reaches the address, which must be loopback then.
    pub keys: Option<Arc<dyn KeyDirectory>>,
    /// Hears of what keys were not allowed.
    pub refusals: Arc<dyn RefusalSink>,
}

/// What keeps others from reading and changing what travels.
#[derive(Clone, Debug)]
pub enum Transport {
    /// Nothing: whoever may use the machine's network may listen in and talk.
    InsecureLoopback,
    /// TLS 1.3.
    Tls(Arc<Certificates>),
}

impl Doors {
    /// Open to everyone on this machine.
    #[must_use]
    pub fn insecure_loopback() -> Doors {
        let refusals = Arc::new(CountedRefusals::default());
        Doors { transport: Transport::InsecureLoopback, keys: None, refusals }
    }

    /// TLS, and known keys only.
    #[must_use]
    pub fn closed(certificates: Arc<Certificates>, keys: Arc<dyn KeyDirectory>) -> Doors {
        let refusals = Arc::new(CountedRefusals::default());
        Doors { transport: Transport::Tls(certificates), keys: Some(keys), refusals }
    }

    /// Whether a server with these doors would listen there: to be asked before anything is opened
    /// for it.
    ///
    /// # Errors
    /// [`ServerError::NotLoopback`] without TLS, [`ServerError::NoKeys`] without keys, unless the
    /// address is loopback.
    pub fn check_address(&self, address: SocketAddr) -> Result<(), ServerError> {
        if address.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        match (&self.transport, &self.keys) {
            (Transport::InsecureLoopback, _) => Err(ServerError::NotLoopback { address }),
            (Transport::Tls(_), None) => Err(ServerError::NoKeys { address }),
            (Transport::Tls(_), Some(_)) => Ok(()),
        }
    }
}

impl fmt::Debug for Doors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doors")
            .field("transport", &self.transport)
            .field("keys", &self.keys.is_some())
            .finish_non_exhaustive()
    }
}
