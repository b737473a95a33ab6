//! How Florin's requests and replies look as bytes. No sockets, no runtime: bytes in, values out.
//!
//! Decoders are total: whatever the bytes, they return a value or a small error that names an
//! offset; they never panic and never allocate by a length that they have not checked.
//!
//! Reading order: [`frame`] is the envelope, [`hello`] the first frame of each side, [`proof`] how
//! a client shows its key, [`operation`] what can be asked, [`role`] by whom, [`array`], [`page`],
//! [`documents`] and [`outcome`] the bodies on the hot path, [`stream`] those that open a stream,
//! [`replication`] those of standbys, [`keyring`] those of keys that must be destroyable, [`snapshot`] those of
//! backups, [`tree`] those for proofs, [`cold`] all others, [`refusal`] what is said instead of an answer.
//! docs/PROTOCOL.md says the
//! same without Rust.
#![forbid(unsafe_code)]

pub mod array;
pub mod cold;
pub mod documents;
pub mod error;
pub mod frame;
pub mod group;
pub mod hello;
pub mod keyring;
pub mod limits;
pub mod operation;
pub mod outcome;
pub mod page;
pub mod proof;
pub mod receipted;
pub mod refusal;
pub mod replication;
pub mod role;
pub mod snapshot;
pub mod status;
pub mod stream;
pub mod tree;

pub use error::{DecodeError, Reason};
pub use frame::{Outcome, ReplyHeader, RequestHeader};
pub use hello::{ClientHello, Farewell, ServerHello, Versions, Welcome};
pub use operation::Operation;
pub use proof::{AddressRole, Binding, Challenge, Proof, PublicKey, Transcript, Verdict};
pub use refusal::{Effect, Refusal, RefusalKind};
pub use role::{Role, Roles};
pub use snapshot::{CopiedKeyring, KeyringPiece, LogPiece, SeedOffer, SeedPiece, Snapshot};
pub use status::Status;
