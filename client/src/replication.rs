//! Questions about replication, and promoting a standby.

use crate::call::Call;
use crate::client::Client;
#[cfg(feature = "embedded")]
use crate::embedded::Task;
use crate::error::ClientError;
use bytes::Bytes;
use florin_wire::group::{self, Promised, decode_term, decode_truth, truth_to_bytes};
use florin_wire::{DecodeError, Operation};

impl Client {
    /// How replication stands: who follows the server and how far, or whom it follows.
    ///
    /// # Errors
    /// [`ClientError::Refused`] by an engine in this process; see [`ClientError`].
    pub async fn replication(
        &self,
    ) -> Result<florin_wire::replication::ReplicationStatus, ClientError> {
        self.ask(&ReplicationStatus(Bytes::new())).await
    }

    /// Has the standby that serves become the primary: it stops, and serves again. Returns when it is elected, with
    /// the term, which counts unless a later one is promised before it begins; by force, although something that was
    /// confirmed may be lost, with zero.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with why it is not promoted; see [`ClientError`].
    pub async fn promote(&self, is_forced: bool) -> Result<u64, ClientError> {
        self.ask(&Promote(truth_to_bytes(is_forced))).await
    }

    /// Has the server hear no lower term any more. One that decides ceases to.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn promise(&self, promise: group::Promise) -> Result<Promised, ClientError> {
        self.ask(&Promise(promise.to_bytes())).await
    }

    /// Whether the server's log has the end of a frame, and so all before it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn has_position(&self, position: group::HasPosition) -> Result<bool, ClientError> {
        self.ask(&HasPosition(position.to_bytes())).await
    }

    /// The group as it is stored; empty if there is none.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn group(&self) -> Result<Bytes, ClientError> {
        self.ask(&ReadGroup(Bytes::new())).await
    }

    /// Changes the group to this one, as it is stored; returns when nodes of the old one and of the new have the
    /// change.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn change_group(&self, group: Bytes) -> Result<(), ClientError> {
        self.ask(&ChangeGroup(group)).await
    }

    /// Has the primary decide nothing for a while; returns when another node has everything.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn hand_over(&self, over: group::HandOver) -> Result<(), ClientError> {
        self.ask(&HandOver(over.to_bytes())).await
    }

    /// The header of the log's first segment: what a copy of it begins with.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn log_origin(&self) -> Result<Bytes, ClientError> {
        self.ask(&LogOrigin(Bytes::new())).await
    }
}

/// Questions, each with the body that asks it, and how its answer is read.
macro_rules! questions {
    ($($name:ident: $answer:ty, $decode:expr;)*) => {
        $(
            struct $name(Bytes);

            impl Call for $name {
                type Answer = $answer;
                const OPERATION: Operation = Operation::$name;

                fn body(&self) -> Bytes {
                    self.0.clone()
                }

                fn decode(&self, body: &[u8]) -> Result<$answer, DecodeError> {
                    let decode: fn(&[u8]) -> Result<$answer, DecodeError> = $decode;
                    decode(body)
                }

                #[cfg(feature = "embedded")]
                fn task(&self) -> Result<Task<$answer>, florin_core::Error> {
                    Err(in_this_process())
                }
            }
        )*
    };
}

questions! {
    ReplicationStatus: florin_wire::replication::ReplicationStatus,
        florin_wire::replication::ReplicationStatus::decode;
    LogOrigin: Bytes, as_it_is;
    Promote: u64, decode_term;
    Promise: Promised, Promised::decode;
    HasPosition: bool, decode_truth;
    HandOver: (), |_| Ok(());
    ReadGroup: Bytes, as_it_is;
    ChangeGroup: (), |_| Ok(());
}

fn as_it_is(body: &[u8]) -> Result<Bytes, DecodeError> {
    Ok(Bytes::copy_from_slice(body))
}

/// Nobody follows a database that no server serves.
#[cfg(feature = "embedded")]
fn in_this_process() -> florin_core::Error {
    florin_core::Error::new(
        florin_core::ErrorKind::Invalid,
        "replication is a matter of servers: ask one",
    )
}
