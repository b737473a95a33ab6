//! The keyring: keys that must be destroyable. What was sealed under a key that is destroyed can't be
//! read by anybody any more, in whatever log, checkpoint, standby or backup it still lies.
//!
//! It is the one store that is changed in place of being appended to, and it is no part of the log: a
//! key that was ever in the log could be restored with it. Small files in `keyring/`:
//!
//! ```text
//! key-encryption key --wraps--> root key --seals--> table of bucket keys   keyring/root-<number>
//!                               bucket key --seals--> hashes and keys      keyring/bucket-<bucket>-<number>
//! ```
//!
//! Invariants:
//! - a file is written once, under a name that none had before, with a key that is drawn for it
//!   alone; it has its name only when it is whole and durable;
//! - the newest root says which file of each bucket counts; whatever it does not name is removed;
//! - **every change draws a new root key, and a new key of the bucket**; the old root, and with it
//!   the only copy of the old bucket key, is overwritten and removed before the change is answered.
//!   So who has the data directory afterwards, and the key-encryption key, and every backup of the
//!   log, has nothing that opens the bucket as it was;
//! - a name whose key was destroyed is never given another;
//! - **the log says which names are destroyed before their keys are** (`custody`), and opening
//!   destroys what the log says is destroyed before it hands out any key: an older copy of the keyring
//!   beside a newer log brings nothing back.
//!
//! Not in its power: copies of `keyring/` that were made before. They are backed up apart from the log
//! and must be destroyed within the time that the bank has promised. And a disk that remaps what is
//! overwritten may keep the old root: it is sealed under the key-encryption key, which can be rotated
//! ([`rotate`]) and then destroyed.
//!
//! Cost: a change writes one bucket, the root (164 KiB) and syncs both; many names at once share the
//! root. A look-up reads and opens one bucket; the bucket keys stay in memory while the database is
//! open, so that no token is asked.

mod bucket;
pub mod copy;
pub(crate) mod custody;
mod evidence;
mod files;
mod name;
mod root;

#[cfg(test)]
mod tests;

use crate::disk::Disk;
use crate::error::{Error, ErrorKind};
use crate::sealing::{self, DatabaseKey};
use bucket::{Bucket, Entry};
use copy::KeyringCopy;
use files::Files;
use florin_keys::{KeyEncryptionKey, Secret, Zeroizing};
use name::{DestroyedSum, NameHash, NamingKey, Tally};
use root::{BucketPlace, Root};
use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::sync::Arc;

/// The directory of the keyring, in the data directory.
pub const DIRECTORY: &str = "keyring";
/// Bytes of a name at most; it has at least one.
pub const NAME_BYTES_MAX: usize = 128;
/// Names in one call.
pub const NAMES_MAX: usize = 1_024;
/// Bytes of who destroyed a key; what is beyond is cut.
pub const BY_BYTES_MAX: usize = 256;
/// Buckets that names are spread over.
const BUCKETS: u16 = 4_096;

const _: () = assert!(BY_BYTES_MAX <= florin_ledger::document::DOCUMENT_VALUE_BYTES_MAX);

/// What there is under a name.
#[derive(Clone, PartialEq, Eq)]
pub enum Held {
    /// A key.
    Key(Secret),
    /// Its key is destroyed, and it gets no other.
    Destroyed,
    /// There never was one.
    Unknown,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Held::Key(_) => "Key(secret)",
            Held::Destroyed => "Destroyed",
            Held::Unknown => "Unknown",
        })
    }
}

/// What became of the wish to destroy a name's key. In every case there is none now, and never will
/// be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DestroyResult {
    /// There was a key.
    Destroyed,
    /// It was destroyed before.
    AlreadyDestroyed,
    /// There never was one.
    Unknown,
}

/// How many names a keyring has.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct KeyringStatus {
    /// Those that have a key.
    pub keys_count: u64,
    /// Those whose keys are destroyed.
    pub destroyed_count: u64,
}

impl From<Tally> for KeyringStatus {
    fn from(tally: Tally) -> KeyringStatus {
        let Tally { keys_count, destroyed } = tally;
        KeyringStatus { keys_count, destroyed_count: destroyed.count }
    }
}

/// An open keyring.
pub(crate) struct Keyring {
    files: Files,
    kek: Arc<dyn KeyEncryptionKey>,
    naming: NamingKey,
    /// The newest root; `None` after a change that failed half-way: then only opening the keyring
    /// again says what holds.
    root: Option<Root>,
}

impl Keyring {
    /// Opens the keyring of a database, and removes what a crash left; `None` if there is none.
    ///
    /// # Errors
    /// [`ErrorKind::Unusable`] with another key-encryption key than it was written with, or if it is
    /// another database's; [`ErrorKind::Corrupt`] if it is damaged: restore the newest copy of it.
    /// Nothing was changed then.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        kek: Arc<dyn KeyEncryptionKey>,
        database_key: &DatabaseKey,
    ) -> Result<Option<Keyring>, Error> {
        let files = Files::new(disk, database_key.incarnation());
        let Some(root) = files.newest_root(kek.as_ref())? else { return Ok(None) };
        files.remove_all_but(&root)?;
        let naming = NamingKey::new(database_key.naming_key());
        Ok(Some(Keyring { files, kek, naming, root: Some(root) }))
    }

    /// Makes a keyring without keys where there is none.
    ///
    /// # Errors
    /// [`ErrorKind::Io`], [`ErrorKind::DiskFull`]; [`ErrorKind::Unusable`] if the key-encryption key
    /// can't be used.
    pub(crate) fn begin(
        disk: Arc<dyn Disk>,
        kek: Arc<dyn KeyEncryptionKey>,
        database_key: &DatabaseKey,
    ) -> Result<Keyring, Error> {
        let files = Files::new(disk, database_key.incarnation());
        files.begin()?;
        let root = Root::empty(1);
        files.write_root(&root, kek.as_ref())?;
        let naming = NamingKey::new(database_key.naming_key());
        Ok(Keyring { files, kek, naming, root: Some(root) })
    }

    /// What the names are known by.
    pub(crate) fn hashes(&self, names: &[&[u8]]) -> Vec<NameHash> {
        names.iter().map(|name| self.naming.hash(name)).collect()
    }

    /// Makes a key for each name that has none yet; returns when they are durable, with what there is
    /// now: a key, or that it is destroyed.
    ///
    /// # Errors
    /// [`ErrorKind::Io`], [`ErrorKind::Corrupt`]: nothing happened. [`ErrorKind::Stopped`]: none of them
    /// may be relied on, ask again once the keyring is open again.
    pub(crate) fn make(&mut self, names: &[NameHash]) -> Result<Vec<Held>, Error> {
        self.change(names, |bucket, name, tally| {
            let held = bucket.held(name);
            if held != Held::Unknown {
                return Ok((held, false));
            }
            let key = random_secret()?;
            bucket.set(name, Entry::Key(key.clone()));
            tally.keys_count += 1;
            Ok((Held::Key(key), true))
        })
    }

    /// What there is under names. Reads each of their buckets once.
    ///
    /// # Errors
    /// [`ErrorKind::Io`], [`ErrorKind::Corrupt`].
    pub(crate) fn held(&self, names: &[NameHash]) -> Result<Vec<Held>, Error> {
        let root = self.root()?;
        let mut buckets: BTreeMap<u16, Bucket> = BTreeMap::new();
        let held = names.iter().map(|name| {
            let bucket = match buckets.entry(name.bucket()) {
                btree_map::Entry::Occupied(read) => read.into_mut(),
                btree_map::Entry::Vacant(vacant) => {
                    let at = *vacant.key();
                    vacant.insert(self.files.read_bucket(at, root)?)
                }
            };
            Ok(bucket.held(*name))
        });
        held.collect()
    }

    /// Destroys the keys of names, for ever; a name that never had one gets none any more. Returns
    /// when nothing in the data directory opens them any more.
    ///
    /// # Errors
    /// As [`Keyring::make`].
    pub(crate) fn destroy(&mut self, names: &[NameHash]) -> Result<Vec<DestroyResult>, Error> {
        self.change(names, |bucket, name, tally| {
            let result = match bucket.held(name) {
                Held::Destroyed => return Ok((DestroyResult::AlreadyDestroyed, false)),
                Held::Unknown => DestroyResult::Unknown,
                Held::Key(_) => {
                    tally.keys_count -= 1;
                    DestroyResult::Destroyed
                }
            };
            bucket.set(name, Entry::Destroyed);
            tally.destroyed.add(name);
            Ok((result, true))
        })
    }

    /// How many names there are.
    ///
    /// # Errors
    /// [`ErrorKind::Stopped`] after a change that failed half-way.
    pub(crate) fn status(&self) -> Result<KeyringStatus, Error> {
        Ok(self.root()?.tally.into())
    }

    /// A copy of its files. Nobody changes them meanwhile: who holds it alone may.
    fn copy(&self) -> Result<Option<KeyringCopy>, Error> {
        self.root()?;
        self.files.copy()
    }

    /// Of the names whose keys are destroyed.
    fn destroyed_sum(&self) -> Result<DestroyedSum, Error> {
        Ok(self.root()?.tally.destroyed)
    }

    /// The names whose keys are destroyed. O(keys).
    fn destroyed(&self) -> Result<BTreeSet<NameHash>, Error> {
        let root = self.root()?;
        let mut destroyed = BTreeSet::new();
        for (at, _) in root.places() {
            destroyed.extend(self.files.read_bucket(at, root)?.destroyed());
        }
        Ok(destroyed)
    }

    /// Changes the buckets of some names, and then the root, if anything changed.
    fn change<T>(
        &mut self,
        names: &[NameHash],
        mut act: impl FnMut(&mut Bucket, NameHash, &mut Tally) -> Result<(T, bool), Error>,
    ) -> Result<Vec<T>, Error> {
        let root = self.root()?;
        let mut tally = root.tally;
        let mut buckets: BTreeMap<u16, (Bucket, bool)> = BTreeMap::new();
        let mut answers = Vec::with_capacity(names.len());
        for name in names {
            let (bucket, is_changed) = match buckets.entry(name.bucket()) {
                btree_map::Entry::Occupied(read) => read.into_mut(),
                btree_map::Entry::Vacant(vacant) => {
                    let at = *vacant.key();
                    vacant.insert((self.files.read_bucket(at, root)?, false))
                }
            };
            let (answer, changes) = act(bucket, *name, &mut tally)?;
            *is_changed |= changes;
            answers.push(answer);
        }
        buckets.retain(|_, (_, is_changed)| *is_changed);
        if buckets.is_empty() {
            return Ok(answers);
        }
        // From here on what fails leaves it open which root is the newest.
        let mut root = self.root.take().expect("it was there");
        root.number += 1;
        root.tally = tally;
        let buckets = buckets.into_iter().map(|(at, (bucket, _))| (at, bucket));
        self.write(&mut root, buckets).map_err(|error| half_way(&error.to_string()))?;
        self.root = Some(root);
        Ok(answers)
    }

    /// Writes buckets under new keys, then the root that names them, and destroys the old ones.
    fn write(
        &self,
        root: &mut Root,
        buckets: impl Iterator<Item = (u16, Bucket)>,
    ) -> Result<(), Error> {
        for (at, bucket) in buckets {
            let place = BucketPlace { number: root.number, key: random_secret()? };
            self.files.write_bucket(at, &place, &bucket)?;
            root.set_place(at, place);
        }
        self.files.write_root(root, self.kek.as_ref())?;
        self.files.remove_all_but(root)
    }

    fn root(&self) -> Result<&Root, Error> {
        self.root.as_ref().ok_or_else(|| half_way("before this"))
    }
}

/// Writes the root of a database's keyring, if there is one, under another key-encryption key. The old
/// one is of no use for it afterwards. Interrupted, one of the two opens it; it may be called again
/// with both. Call it before [`sealing::rotate`]; after it, for an older copy of the keyring, it does as
/// well.
///
/// # Errors
/// As [`sealing::unlock`], and as for opening a keyring, with what was the matter with each of the two
/// keys; [`ErrorKind::DiskFull`].
pub fn rotate(
    disk: Arc<dyn Disk>,
    old: &dyn KeyEncryptionKey,
    new: &dyn KeyEncryptionKey,
) -> Result<(), Error> {
    let disk = one_of(new, old, |key| sealing::unlock(disk.clone(), Some(key)))?.0;
    let Some(database_key) = disk.database_key() else { return Ok(()) };
    let files = Files::new(disk.clone(), database_key.incarnation());
    let (root, opened_by_new) = one_of(new, old, |key| files.newest_root(key))?;
    let Some(mut root) = root else { return Ok(()) };
    // An attempt before this one may have come so far.
    if !opened_by_new {
        root.number += 1;
        files.write_root(&root, new)?;
    }
    files.remove_all_but(&root)
}

/// What the new key opens, or else the old one, and whether it was the new one. Only a key that can't
/// be used is a reason to try the other: what a disk says would be lost behind what the old key says.
fn one_of<T>(
    new: &dyn KeyEncryptionKey,
    old: &dyn KeyEncryptionKey,
    open: impl Fn(&dyn KeyEncryptionKey) -> Result<T, Error>,
) -> Result<(T, bool), Error> {
    let with_new = match open(new) {
        Err(error) if error.kind() == ErrorKind::Unusable => error,
        opened => return Ok((opened?, true)),
    };
    let opened = open(old).map_err(|with_old| {
        let message = format!("with the old key: {with_old}; with the new key: {with_new}");
        Error::new(with_old.kind(), message)
    });
    Ok((opened?, false))
}

/// Reads the whole keyring of a database and counts it; `None` if there is none. Changes nothing.
///
/// # Errors
/// As for opening a keyring; [`ErrorKind::Corrupt`] for damage anywhere in it.
pub(crate) fn verify(
    disk: Arc<dyn Disk>,
    kek: &dyn KeyEncryptionKey,
    database_key: &DatabaseKey,
) -> Result<Option<KeyringStatus>, Error> {
    let files = Files::new(disk, database_key.incarnation());
    let Some(root) = files.newest_root(kek)? else { return Ok(None) };
    if files.counted(&root)? != root.tally {
        return Err(damaged("its root counts other keys than there are"));
    }
    Ok(Some(root.tally.into()))
}

fn check_names(names: &[&[u8]]) -> Result<(), Error> {
    let fits = |name: &&[u8]| (1..=NAME_BYTES_MAX).contains(&name.len());
    if names.len() <= NAMES_MAX && names.iter().all(fits) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Invalid,
        format!("at most {NAMES_MAX} names at once, of 1 to {NAME_BYTES_MAX} bytes each"),
    ))
}

fn random_secret() -> Result<Secret, Error> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(secret.as_mut_slice())
        .map_err(|error| Error::new(ErrorKind::Io, format!("random bytes: {error}")))?;
    Ok(secret)
}

fn damaged(what: &str) -> Error {
    Error::corrupt(format!("the keyring is damaged ({what}): restore the newest copy of it"))
}

fn half_way(when: &str) -> Error {
    Error::new(
        ErrorKind::Stopped,
        format!(
            "a change of the keyring failed half-way ({when}): open the database again to know what \
             holds"
        ),
    )
}

fn unusable(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unusable, message)
}
