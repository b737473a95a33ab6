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
    /// Who may come in.
    pub admission: Admission,
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

/// Who may come in.
#[derive(Clone)]
pub enum Admission {
    /// Everyone who reaches the address, which must be loopback then.
    Everyone,
    /// The keys that are documents of the ledger itself, in [`florin_ledger::TableId::CLIENT_KEYS`].
    Documents,
    /// The keys that a directory knows which the caller keeps.
    Directory(Arc<dyn KeyDirectory>),
}

impl Doors {
    /// Open to everyone on this machine.
    #[must_use]
    pub fn insecure_loopback() -> Doors {
        let refusals = Arc::new(CountedRefusals::default());
        Doors { transport: Transport::InsecureLoopback, admission: Admission::Everyone, refusals }
    }

    /// TLS, and the ledger's own keys only.
    #[must_use]
    pub fn closed(certificates: Arc<Certificates>) -> Doors {
        let refusals = Arc::new(CountedRefusals::default());
        let transport = Transport::Tls(certificates);
        Doors { transport, admission: Admission::Documents, refusals }
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
        match (&self.transport, &self.admission) {
            (Transport::InsecureLoopback, _) => Err(ServerError::NotLoopback { address }),
            (Transport::Tls(_), Admission::Everyone) => Err(ServerError::NoKeys { address }),
            (Transport::Tls(_), Admission::Documents | Admission::Directory(_)) => Ok(()),
        }
    }
}

impl fmt::Debug for Doors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doors")
            .field("transport", &self.transport)
            .field("admission", &self.admission)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Admission::Everyone => "Everyone",
            Admission::Documents => "Documents",
            Admission::Directory(_) => "Directory",
        })
    }
}
