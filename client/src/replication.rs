//! Questions about replication, and promoting a standby.

use crate::call::Call;
use crate::client::Client;
#[cfg(feature = "embedded")]
use crate::embedded::Task;
use crate::error::ClientError;
use bytes::Bytes;
use florin_wire::replication::ReplicationStatus;
use florin_wire::{DecodeError, Operation};

impl Client {
    /// How replication stands: who follows the server and how far, or whom it follows.
    ///
    /// # Errors
    /// [`ClientError::Refused`] by an engine in this process; see [`ClientError`].
    pub async fn replication(&self) -> Result<ReplicationStatus, ClientError> {
        self.ask(&AskReplication).await
    }

    /// Begins to promote the standby that serves: it stops, and serves again as a primary. Its old primary
    /// must never decide again; nobody here can know whether it does.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if it is a primary already; see [`ClientError`].
    pub async fn promote(&self) -> Result<(), ClientError> {
        self.ask(&AskPromotion).await
    }

    /// The header of the log's first segment: what a copy of it begins with.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn log_origin(&self) -> Result<Bytes, ClientError> {
        self.ask(&AskOrigin).await
    }
}

struct AskReplication;

impl Call for AskReplication {
    type Answer = ReplicationStatus;
    const OPERATION: Operation = Operation::ReplicationStatus;

    fn body(&self) -> Bytes {
        Bytes::new()
    }

    fn decode(&self, body: &[u8]) -> Result<ReplicationStatus, DecodeError> {
        ReplicationStatus::decode(body)
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<ReplicationStatus>, florin_core::Error> {
        Err(in_this_process())
    }
}

struct AskPromotion;

impl Call for AskPromotion {
    type Answer = ();
    const OPERATION: Operation = Operation::Promote;

    fn body(&self) -> Bytes {
        Bytes::new()
    }

    fn decode(&self, _: &[u8]) -> Result<(), DecodeError> {
        Ok(())
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<()>, florin_core::Error> {
        Err(in_this_process())
    }
}

struct AskOrigin;

impl Call for AskOrigin {
    type Answer = Bytes;
    const OPERATION: Operation = Operation::LogOrigin;

    fn body(&self) -> Bytes {
        Bytes::new()
    }

    fn decode(&self, body: &[u8]) -> Result<Bytes, DecodeError> {
        Ok(Bytes::copy_from_slice(body))
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<Bytes>, florin_core::Error> {
        Err(in_this_process())
    }
}

/// Nobody follows a database that no server serves.
#[cfg(feature = "embedded")]
fn in_this_process() -> florin_core::Error {
    florin_core::Error::new(
        florin_core::ErrorKind::Invalid,
        "replication is a matter of servers: ask one",
    )
}
