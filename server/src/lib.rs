//! Florin's TCP server: sockets, admission, deadlines, answers.
//!
//! Every connection has a reader and a writer. The reader decodes a request where it lies in the
//! socket's buffer and hands it to the engine; the engine calls back when the answer may leave;
//! the writer turns answers into bytes and writes all that are ready at once. Nothing queues
//! without a bound: a request has a place in its connection and in the server until its answer is
//! written, and a stream sends what its reader has granted.
//!
//! Nobody comes in unasked: a connection begins in the lobby, proves a key at the entrance, and is
//! told for every request whether its key may ask that.
//!
//! Reading order: [`server`] accepts, [`doors`] says whom, [`entrance`] lets them in,
//! [`connection`] is one peer's life, [`question`] what it asks, [`access`] whether it may,
//! [`answer`] what it is told, `streams` what it is told without asking again, `shipping` what standbys are, [`ledger`] who knows
//! the answer, [`keyring`] who has the keys. [`metrics`] counts, and [`observe`] shows the figures to whoever watches.
#![forbid(unsafe_code)]

mod access;
mod answer;
mod asker;
mod budget;
mod connection;
pub mod copies;
mod directory;
mod documents;
mod doors;
mod entrance;
mod error;
mod frames;
mod group;
mod held_offers;
mod key;
mod key_changes;
mod key_document;
mod key_table;
pub mod keyring;
pub mod ledger;
pub mod limits;
mod lobby;
mod members;
mod metered;
pub mod metrics;
pub mod observe;
mod options;
mod own_tables;
mod positions;
mod question;
mod rate;
mod reads;
mod receipts;
mod refusal;
mod refusal_sink;
mod replication;
mod server;
mod shipping;
mod stream_positions;
mod streams;
mod table_keys;
mod tls;
mod writer;

pub use directory::{KeyDirectory, MemoryKeys};
pub use doors::{Admission, Doors, Transport};
pub use error::ServerError;
pub use key::{ClientKey, KeyLimits};
pub use key_document::{KeyDocument, KeyDocumentError};
pub use key_table::{KeyChange, KeyChangeError, KeyFlaw, KeyTable};
pub use ledger::Ledger;
pub use metrics::ServerMetrics;
pub use observe::Observe;
pub use options::ServerOptions;
pub use refusal_sink::{CountedRefusals, Forbidden, RefusalSink, Resource};
pub use server::Server;
pub use tls::{ALPN, CertificateError, Certificates};
