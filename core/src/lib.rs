//! The ledger database engine: one log, everything else derived from it, an embeddable API.
//!
//! Reading order: [`database`] is what callers see; [`request`] what can be asked. `engine` makes
//! the order (pure), `driver` runs it on threads, [`log`] is the store of record; `derived` is what
//! follows from it, with [`runs`], [`documents`] and [`checkpoint`] so that opening is quick;
//! `opening` puts it together after a crash; `reads` answers questions about the past; [`stream`]
//! tells what happened as it happens, and [`tree`] proves it; [`metrics`] counts it, [`scrub`] reads again what is
//! stored, and [`repair`] puts back from another copy what is not there any more. [`shipping`] sends the log to standbys, [`following`] is a database that is one, [`seeding`] how it comes by what is there already, and [`group`] says which of them decides.
//! [`disk`] is all that touches files, [`sealing`] what they are encrypted with; [`keyring`] holds the
//! keys that must be destroyable, and keeps the log and itself saying the same of them.
//! docs/ARCHITECTURE.md walks one transfer through all of it.

pub mod backup;
pub mod commits;
pub mod database;
pub mod error;
pub mod limits;
pub mod request;

pub mod checkpoint;
mod derived;
pub mod documents;
mod driver;
mod engine;
pub mod event;
pub mod following;
pub mod group;
pub mod keyring;
pub mod log;
pub mod metrics;
mod opening;
mod options;
mod reads;
pub mod rebuild;
pub mod repair;
pub mod runs;
pub mod scrub;
pub mod seeding;
pub mod shipping;
pub mod snapshot;
pub mod stream;
pub mod tree;
pub mod verify;

pub mod sealing;

pub mod clock;
pub mod disk;

pub use database::Database;
pub use error::{Error, ErrorKind};
/// What [`Options::key`] takes.
pub use florin_keys as keys;
/// What [`Options::proving`] takes, and what comes of it.
pub use florin_proof as proof;
pub use metrics::MetricsSnapshot;
pub use options::{Options, SEGMENT_BYTES_MIN};
pub use reads::{DocumentsFound, DocumentsToRead};

/// The README's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
