//! Values as they are stored: with a tag over what is stored, and sealed in an encrypted database.
//!
//! ```text
//! sealed: offset  bytes  field
//!              0     16  tag: the first 16 bytes of BLAKE3(table u8, key u64, rest of the value)
//!             16     16  salt: random, drawn at the opening of the file that wrote the value
//!             32      8  number of the sealing under that salt
//!             40     16  tag of AES-256-GCM
//!             56      …  the rest: of account pages and holds encrypted; of metadata as it is
//! ```
//! The seal also covers table and key, and metadata whole: positions and names of runs are needed
//! to check what there is by who must not read it.

use super::CheckpointError;
use super::rows::Table;
use crate::disk::Disk;
use crate::sealing::{DatabaseKey, SEAL_BYTES, Seal, SealingKey};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

const SALT_BYTES: usize = 16;
const HEAD_BYTES: usize = SALT_BYTES + 8 + SEAL_BYTES;
/// What the keys of openings of the checkpoint file are derived for.
const PURPOSE: &[u8] = b"florin checkpoint";
/// Sealing keys of earlier openings kept at hand while values are read.
const KEYS_MAX: usize = 256;

type Salt = [u8; SALT_BYTES];

/// Whether and how values are sealed.
pub(super) enum Values {
    /// The database is not encrypted.
    Plain,
    /// It is, and nobody gave its key.
    Locked,
    /// It is.
    Sealed(Box<Sealer>),
}

/// Seals what this opening writes, opens what any has written.
pub(super) struct Sealer {
    database_key: DatabaseKey,
    salt: Salt,
    key: SealingKey,
    /// Counts sealings under `salt`, through checkpoints that are given up.
    number_next: AtomicU64,
    keys: Mutex<BTreeMap<Salt, SealingKey>>,
}

impl Values {
    /// Of a file on this disk, which nobody seals values for under the same salt.
    ///
    /// # Errors
    /// The operating system has no random numbers.
    pub(super) fn of(disk: &dyn Disk) -> io::Result<Values> {
        let Some(database_key) = disk.database_key() else { return Ok(Values::Plain) };
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(io::Error::other)?;
        Ok(Values::Sealed(Box::new(Sealer {
            database_key: database_key.clone(),
            salt,
            key: database_key.sealing_key(PURPOSE, &salt),
            number_next: AtomicU64::new(0),
            keys: Mutex::default(),
        })))
    }

    /// A value whose rest is `rest`.
    ///
    /// # Panics
    /// Without the key of an encrypted database: nothing is ever stored that others could read.
    pub(super) fn stored(&self, table: Table, key: u64, rest: &[u8]) -> Vec<u8> {
        match self {
            Values::Plain => table.tagged(key, rest),
            Values::Locked => panic!("nothing is written without the database key"),
            Values::Sealed(sealer) => table.tagged(key, &sealer.sealed(table, key, rest)),
        }
    }

    /// The rest of a value, if it is what was written here.
    pub(super) fn read<'a>(
        &self,
        table: Table,
        key: u64,
        value: &'a [u8],
    ) -> Result<Cow<'a, [u8]>, CheckpointError> {
        let rest = table.verified(key, value)?;
        match self {
            Values::Plain => Ok(rest.into()),
            Values::Locked if table != Table::Metadata => Err(CheckpointError::Sealed),
            Values::Locked => match rest.split_at_checked(HEAD_BYTES) {
                Some((_, rest)) => Ok(rest.into()),
                None => Err(table.damaged(key)),
            },
            Values::Sealed(sealer) => match sealer.opened(table, key, rest) {
                Some(opened) => Ok(opened.into()),
                None => Err(table.unopened(key)),
            },
        }
    }
}

impl Sealer {
    fn sealed(&self, table: Table, key: u64, rest: &[u8]) -> Vec<u8> {
        let number = self.number_next.fetch_add(1, Ordering::Relaxed);
        assert!(number < u64::MAX, "fewer values than that are ever written");
        let mut sealed = Vec::with_capacity(HEAD_BYTES + rest.len());
        sealed.extend_from_slice(&self.salt);
        sealed.extend_from_slice(&number.to_le_bytes());
        sealed.extend_from_slice(&[0; SEAL_BYTES]);
        sealed.extend_from_slice(rest);
        let (head, body) = sealed.split_at_mut(HEAD_BYTES);
        let seal = if table == Table::Metadata {
            self.key.seal(number, &context(table, key, body), &mut [])
        } else {
            self.key.seal(number, &context(table, key, &[]), body)
        };
        head[HEAD_BYTES - SEAL_BYTES..].copy_from_slice(&seal);
        sealed
    }

    fn opened(&self, table: Table, key: u64, sealed: &[u8]) -> Option<Vec<u8>> {
        let (salt, sealed) = sealed.split_first_chunk::<SALT_BYTES>()?;
        let (number, sealed) = sealed.split_first_chunk::<8>()?;
        let (seal, body) = sealed.split_first_chunk::<SEAL_BYTES>()?;
        let (number, seal): (u64, &Seal) = (u64::from_le_bytes(*number), seal);
        let sealing = self.key_of(salt);
        let mut body = body.to_vec();
        let is_open = if table == Table::Metadata {
            sealing.open(number, &context(table, key, &body), seal, &mut [])
        } else {
            sealing.open(number, &context(table, key, &[]), seal, &mut body)
        };
        is_open.then_some(body)
    }

    /// The sealing key of an opening. Values of few openings are in a file: each page is written
    /// again as it changes.
    fn key_of(&self, salt: &Salt) -> SealingKey {
        if *salt == self.salt {
            return self.key.clone();
        }
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if KEYS_MAX <= keys.len() && !keys.contains_key(salt) {
            keys.pop_first();
        }
        let derive = || self.database_key.sealing_key(PURPOSE, salt);
        keys.entry(*salt).or_insert_with(derive).clone()
    }
}

/// What the seal covers beside what it encrypts.
fn context(table: Table, key: u64, more: &[u8]) -> Vec<u8> {
    [&[table.number()], &key.to_le_bytes()[..], more].concat()
}
