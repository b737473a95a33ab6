//! Async client of Florin, over TCP or over an engine in the same process.
//!
//! Every call ends in an answer or in a [`ClientError`] that says whether it may have taken
//! effect: *not sent*, *refused*, or *unknown*. Calls are tried again by themselves, within their
//! deadline and a number of attempts, where that may help. That is safe where ids make a request
//! idempotent: a transfer that was created by an attempt whose answer was lost is answered `exists`,
//! with the timestamp of its creation, and a commit what the lost attempt was answered. Writes of
//! documents outside a commit have no id, nor have being the first and declarations of tables: they
//! are not tried again once they may have taken effect.
//!
//! A chain of linked events that answers `exists` for its members took effect whole. Sent again by
//! the client itself, it is answered so; sent again by the caller, it answers `exists` for the
//! first and `linked_event_failed` for the others: look its members up, it took effect if all are
//! there. A transfer that failed for a reason that may pass is answered `id_already_failed` when an
//! attempt before this one, heard of or not, was told the reason itself.
//!
//! A server that is not on this machine is spoken to over TLS 1.3 alone ([`ClientTls`]), and lets
//! in those whose key it knows ([`SecretKey`]).
//!
//! A client that is told several addresses finds the primary among them, and the next one after a failover.
//!
//! Clones of a [`Client`] share one connection, on which many requests are in flight at the same
//! time.
//!
//! ```no_run
//! use florin_client::{Client, ClientOptions};
//! use florin_ledger::{AccountId, Amount, Code, LedgerId, Transfer, TransferId};
//!
//! # async fn example() -> Result<(), florin_client::ClientError> {
//! let client = Client::connect("127.0.0.1:3000", ClientOptions::default()).await?;
//! let result = client
//!     .create_transfer(Transfer {
//!         id: TransferId(1_000),
//!         debit_account_id: AccountId(1),
//!         credit_account_id: AccountId(2),
//!         amount: Amount(12_50),
//!         ledger: LedgerId(840),
//!         code: Code(1),
//!         ..Transfer::default()
//!     })
//!     .await?;
//! println!("{} at {}", result.status.name(), result.timestamp);
//! # Ok(())
//! # }
//! ```
//!
//! Reading order: [`Client`] is what callers hold; `path` decides how often a call is tried, `link`
//! holds the connection, `roll_call` and `choice` find the server that decides among several, `dial` connects,
//! `entrance` proves the key, `connection` sends and receives, `call`, `document_call`,
//! `keyring_call`, `copy_call` and `proof_call` say how each question looks, `stream` reads the log, `consumer` keeps
//! how far it was read; `follower` feeds a standby in this process.
#![forbid(unsafe_code)]

mod addresses;
mod backoff;
mod call;
mod calls;
mod chains;
mod choice;
mod client;
mod connection;
mod consumer;
mod copy;
mod copy_call;
mod dial;
mod document_call;
mod documents;
#[cfg(feature = "embedded")]
mod embedded;
mod entrance;
mod error;
mod failure;
mod flights;
#[cfg(feature = "embedded")]
mod follower;
mod key;
mod keyring;
mod keyring_call;
mod limits;
mod link;
mod options;
mod path;
mod proof_call;
mod proofs;
mod reached;
mod replication;
mod roll_call;
mod singles;
mod stream;
mod tls;

pub use calls::CallsNow;
pub use client::Client;
pub use consumer::Consumer;
pub use error::{ClientError, ConnectError, ConsumerError};
pub use florin_wire::group;
pub use florin_wire::keyring::{DestroyResult, HeldKey, KeyringStatus};
/// Bytes of one piece of a log.
pub use florin_wire::limits::PIECE_BYTES_MAX;
pub use florin_wire::replication::{ReplicaStatus, ReplicationStatus, StandbyStatus};
pub use florin_wire::{LogPiece, PublicKey, RefusalKind, SeedOffer, SeedPiece, Snapshot, Status};
#[cfg(feature = "embedded")]
pub use follower::{Course, Parted, follow};
pub use key::SecretKey;
pub use options::ClientOptions;
pub use stream::{StreamBatch, Subscription};
pub use tls::ClientTls;
