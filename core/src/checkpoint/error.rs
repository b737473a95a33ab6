//! Why a checkpoint can't be used or written.

use crate::error::{Error, ErrorKind};
use florin_ledger::Lsn;
use std::io;

/// Why a checkpoint can't be used or written. At opening: set the file aside and rebuild from the
/// log. While running: no checkpoint was made, and none can be until the file is opened again.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The operating system refused.
    #[error("checkpoint file: {0}")]
    Io(#[from] io::Error),
    /// redb refused: the file is damaged or is none of its files, or the disk refused.
    #[error("checkpoint file: {0}")]
    Store(redb::Error),
    /// A value is not what was written there.
    #[error("checkpoint file is damaged: the value of {table} {key} does not verify")]
    Value {
        /// The table it is in.
        table: &'static str,
        /// Its key.
        key: u64,
    },
    /// A value that the database key does not open: sealed with another one, or by somebody who has
    /// none.
    #[error("checkpoint file: the value of {table} {key} does not open with the database key")]
    Seal {
        /// The table it is in.
        table: &'static str,
        /// Its key.
        key: u64,
    },
    /// Nothing is wrong: the values are sealed, and nobody gave the key.
    #[error("checkpoint file is sealed: give the database's key (--key-file or --pkcs11-module)")]
    Sealed,
    /// The values verify but are not all there.
    #[error("checkpoint at {position} is damaged: it has {found} {table}, expected {expected}")]
    Count {
        /// Which checkpoint.
        position: Lsn,
        /// The table.
        table: &'static str,
        /// As many as there are.
        found: u64,
        /// As many as there should be.
        expected: u64,
    },
    /// Written by another version of this program.
    #[error("checkpoint file has version {version}, this program reads version 1")]
    Version {
        /// The version it has.
        version: u32,
    },
}

impl<E: Into<redb::Error>> From<Redb<E>> for CheckpointError {
    fn from(Redb(error): Redb<E>) -> CheckpointError {
        CheckpointError::Store(error.into())
    }
}

/// Wraps redb's many errors, so that `?` takes each of them.
pub(super) struct Redb<E>(E);

/// `.redb()?` turns any of redb's errors into ours.
pub(super) trait OrRedb<T, E> {
    fn redb(self) -> Result<T, Redb<E>>;
}

impl<T, E: Into<redb::Error>> OrRedb<T, E> for Result<T, E> {
    fn redb(self) -> Result<T, Redb<E>> {
        self.map_err(Redb)
    }
}

impl From<CheckpointError> for Error {
    fn from(error: CheckpointError) -> Error {
        let kind = match &error {
            CheckpointError::Io(source) => ErrorKind::of_io(source),
            CheckpointError::Store(redb::Error::Io(source)) if !is_damage(source) => {
                ErrorKind::of_io(source)
            }
            CheckpointError::Sealed => ErrorKind::Unusable,
            _ => ErrorKind::Corrupt,
        };
        Error::new(kind, error.to_string())
    }
}

/// What redb says of a file that is not one of its own, or that was cut within its header.
fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}
