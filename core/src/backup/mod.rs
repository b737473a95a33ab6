//! Backups: the log's segments as objects, and a signed manifest that names them. Restoring, checking,
//! pruning and trying them.
//!
//! Invariants:
//! - an object is created if there is none of its name, and never written again; its name ends with the
//!   hash of what is stored, so it says itself what it must be;
//! - what is stored was read as recovery reads it: whole frames, on the chain of those before;
//! - a manifest is written last, when every object that it names is there, and is signed;
//! - a manifest is believed only under a public key that the caller names;
//! - no key that must be destroyable is in it: the keyring is copied apart ([`keyring`]);
//! - nothing that was restored opens before all of it was proved ([`restore`]), and then it is another
//!   bank than the one that was backed up.
//!
//! Reading order: [`store`] is where objects lie, [`name`] how they are named, [`manifest`] what a backup
//! is, [`signature`] who says so, [`object`] how contents are stored, [`source`] what is backed up;
//! [`create`], [`check`], [`restore`], [`drill`] and [`prune`] are what is done with it. `segments` is a
//! disk over objects, so that the readers of the log read a backup, `cut` finds where history ends.
//! docs/FORMAT.md draws the bytes.

pub mod check;
pub mod create;
mod cut;
pub mod drill;
pub mod keyring;
pub mod manifest;
pub mod memory;
pub mod name;
pub mod object;
pub mod prune;
pub mod restore;
pub(crate) mod segments;
pub mod signature;
mod signed_copy;
pub mod source;
pub mod store;
mod uploads;

pub use check::{Checked, Trust, check, newest, newest_that_reads, read_manifest};
pub use create::{Created, Creation, create};
pub use cut::{Lost, Target};
pub use drill::{DrillReport, drill};
pub use manifest::{Manifest, ObjectEntry};
pub use prune::{Orphans, Pruned, prune, prune_orphans};
pub use restore::{Preview, Restored, Restoring, preview, restore};
pub use signature::{PublicKey, Signer};
pub use source::Source;
pub use store::{Store, StoredObject};

use crate::error::{Error, ErrorKind};
use std::io;

/// How far it has come, in bytes of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Done so far.
    pub done_bytes: u64,
    /// In all.
    pub total_bytes: u64,
}

/// An object that is not what its name or its manifest says.
fn damaged(name: &str, what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("object {name}: {what}"))
}

/// What a store said of an object. One that should be there and is not is damage.
fn failed(name: &str, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => damaged(name, "it is missing"),
        io::ErrorKind::FileTooLarge => damaged(name, "it is larger than it may be"),
        _ => Error::new(ErrorKind::of_io(error), format!("object {name}: {error}")),
    }
}
