//! The keyring: keys that must be destroyable. What was sealed under a key that is destroyed can't be
//! read by anybody any more, in whatever log, checkpoint, standby or backup it still lies.
//!
//! It is the one store that is changed in place of being appended to, and it is no part of the log: a
//! key that was ever in the log could be restored with it. Small files in `keyring/`:
//!
//! ```text
//! key-encryption key --wraps--> root key --seals--> table of bucket keys   keyring/root-<number>
//!                               bucket key --seals--> names and keys       keyring/bucket-<bucket>-<number>
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
//! - a name whose key was destroyed is never given another.
//!
//! Not in its power: copies of `keyring/` that were made before. They are backed up apart from the log
//! and must be destroyed within the time that the bank has promised. And a disk that remaps what is
//! overwritten may keep the old root: it is sealed under the key-encryption key, which can be rotated
//! ([`Keyring::rotate`]) and then destroyed.
//!
//! Cost: a change writes one bucket, the root (164 KiB) and syncs both; many names at once share the
//! root. A look-up reads and opens one bucket. Nothing secret stays in memory.

mod bucket;
mod root;

#[cfg(test)]
mod tests;

use crate::disk::{Access, Disk};
use crate::error::{Error, ErrorKind};
use bucket::{Bucket, Entry};
use florin_keys::{KeyEncryptionKey, KeyError, Secret, Zeroizing};
use root::{BucketPlace, Root};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// The directory of the keyring, in the data directory.
pub const DIRECTORY: &str = "keyring";
/// Bytes of a name at most; it has at least one.
pub const NAME_BYTES_MAX: usize = 128;
/// Names in one call.
pub const NAMES_MAX: usize = 1_024;
/// Buckets that names are spread over.
const BUCKETS: u16 = 4_096;

/// An open keyring. Any thread may ask; changes wait for each other.
pub struct Keyring {
    disk: Arc<dyn Disk>,
    kek: Arc<dyn KeyEncryptionKey>,
    incarnation: u128,
    /// The number of the newest root; `None` after a change that failed half-way: then only opening
    /// the keyring again says what holds.
    number: Mutex<Option<u64>>,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring").field("kek", &self.kek.id()).finish_non_exhaustive()
    }
}

/// What there is under a name.
#[derive(Clone, PartialEq, Eq)]
pub enum Held {
    /// A key.
    Key(Secret),
    /// There was one, and it is destroyed.
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

impl Keyring {
    /// Opens the keyring of a database, making it if there is none, and removes what a crash left.
    ///
    /// # Errors
    /// [`ErrorKind::Unusable`] with another key-encryption key than it was written with, or if it is
    /// another database's; [`ErrorKind::Corrupt`] if it is damaged: restore the newest copy of it.
    /// Nothing was changed then.
    pub fn open(
        disk: Arc<dyn Disk>,
        kek: Arc<dyn KeyEncryptionKey>,
        incarnation: u128,
    ) -> Result<Keyring, Error> {
        let keyring = Keyring { disk, kek, incarnation, number: Mutex::new(None) };
        let newest = keyring.newest_root()?;
        let (number, named) = match newest {
            Some(number) => (number, keyring.read_root(number)?.places().collect()),
            None => {
                keyring.begin().map_err(|error| keyring.io_error(&error))?;
                let number = keyring.write_root(&Root::empty(1))?;
                (number, BTreeMap::new())
            }
        };
        keyring.remove_all_but(number, &named).map_err(|error| keyring.io_error(&error))?;
        *keyring.number.lock().unwrap_or_else(PoisonError::into_inner) = Some(number);
        Ok(keyring)
    }

    /// Makes a key for each name that has none yet; returns when they are durable. What there was
    /// before, for each: with [`Held::Unknown`] the key was made now.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for names that are too many, empty or too long; [`ErrorKind::Io`],
    /// [`ErrorKind::Corrupt`]: none of them may be relied on, ask again once the keyring is open
    /// again.
    pub fn create(&self, names: &[&[u8]]) -> Result<Vec<Held>, Error> {
        check_names(names)?;
        self.change(names, |bucket, name| match bucket.get(name) {
            Some(entry) => Ok((entry.held(), false)),
            None => {
                bucket.set(name, Entry::Key(random_secret()?));
                Ok((Held::Unknown, true))
            }
        })
    }

    /// The key of a name.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a name that none can have; [`ErrorKind::Io`],
    /// [`ErrorKind::Corrupt`].
    pub fn key(&self, name: &[u8]) -> Result<Held, Error> {
        check_names(&[name])?;
        let number = self.number.lock().unwrap_or_else(PoisonError::into_inner);
        let root = self.read_root(number.ok_or_else(failed_before)?)?;
        let place = root.place(bucket_of(name));
        let held = match self.read_bucket(bucket_of(name), place)? {
            None => Held::Unknown,
            Some(bucket) => bucket.get(name).map_or(Held::Unknown, Entry::held),
        };
        Ok(held)
    }

    /// Destroys the key of a name, for ever; a name that never had one gets none any more. Returns,
    /// with what there was before, when nothing in the data directory opens it any more.
    ///
    /// # Errors
    /// As [`Keyring::create`]: after an error the key may or may not be destroyed, ask again.
    pub fn destroy(&self, name: &[u8]) -> Result<Held, Error> {
        check_names(&[name])?;
        let before = self.change(&[name], |bucket, name| {
            let before = bucket.get(name).map_or(Held::Unknown, Entry::held);
            let changes = before != Held::Destroyed;
            if changes {
                bucket.set(name, Entry::Destroyed);
            }
            Ok((before, changes))
        })?;
        Ok(before.into_iter().next().expect("one name has one answer"))
    }

    /// Writes the root anew under another key-encryption key, and returns the keyring that it opens.
    /// The old one is of no use for this keyring afterwards.
    ///
    /// # Errors
    /// As [`Keyring::create`].
    pub fn rotate(self, kek: Arc<dyn KeyEncryptionKey>) -> Result<Keyring, Error> {
        let number = self.number.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut root = self.read_root(number.ok_or_else(failed_before)?)?;
        let Keyring { disk, incarnation, .. } = self;
        let rotated = Keyring { disk, kek, incarnation, number: Mutex::new(None) };
        root.number += 1;
        let number = rotated.write_root(&root)?;
        let named = root.places().collect();
        rotated.remove_all_but(number, &named).map_err(|error| rotated.io_error(&error))?;
        *rotated.number.lock().unwrap_or_else(PoisonError::into_inner) = Some(number);
        Ok(rotated)
    }

    /// Changes the buckets of some names, and then the root, if anything changed.
    fn change(
        &self,
        names: &[&[u8]],
        mut act: impl FnMut(&mut Bucket, &[u8]) -> Result<(Held, bool), Error>,
    ) -> Result<Vec<Held>, Error> {
        let mut number = self.number.lock().unwrap_or_else(PoisonError::into_inner);
        let mut root = self.read_root(number.ok_or_else(failed_before)?)?;
        let mut buckets: BTreeMap<u16, (Bucket, bool)> = BTreeMap::new();
        let mut answers = Vec::with_capacity(names.len());
        for name in names {
            let at = bucket_of(name);
            if let std::collections::btree_map::Entry::Vacant(vacant) = buckets.entry(at) {
                let bucket = self.read_bucket(at, root.place(at))?.unwrap_or_default();
                vacant.insert((bucket, false));
            }
            let (bucket, is_changed) = buckets.get_mut(&at).expect("it was read");
            let (answer, changes) = act(bucket, name)?;
            *is_changed |= changes;
            answers.push(answer);
        }
        buckets.retain(|_, (_, is_changed)| *is_changed);
        if buckets.is_empty() {
            return Ok(answers);
        }
        // From here on what fails leaves it open which root is the newest.
        *number = None;
        root.number += 1;
        for (at, (bucket, _)) in &buckets {
            let place = BucketPlace { number: root.number, key: random_secret()? };
            self.write_bucket(*at, &place, bucket)?;
            root.set_place(*at, place);
        }
        let written = self.write_root(&root)?;
        let named = root.places().collect();
        self.remove_all_but(written, &named).map_err(|error| self.io_error(&error))?;
        *number = Some(written);
        Ok(answers)
    }

    /// Makes the directory.
    fn begin(&self) -> io::Result<()> {
        self.disk.create_directory(DIRECTORY)?;
        self.disk.sync_directory("")
    }

    /// The number of the newest root, if there is a keyring.
    fn newest_root(&self) -> Result<Option<u64>, Error> {
        let files = match self.disk.list(DIRECTORY) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            files => files.map_err(|error| self.io_error(&error))?,
        };
        let newest = files.iter().filter_map(|file| root::number_of(file)).max();
        let has_buckets = files.iter().any(|file| bucket::place_of(file).is_some());
        if newest.is_none() && has_buckets {
            return Err(damaged("the root is missing"));
        }
        Ok(newest)
    }

    fn read_root(&self, number: u64) -> Result<Root, Error> {
        let bytes = self.read(&root::path(number))?;
        let (head, sealed) = root::split(&bytes).ok_or_else(|| damaged("its root"))?;
        if head.incarnation() != self.incarnation {
            return Err(unusable("the keyring is another database's: restore the one of this"));
        }
        let wrapped = head.wrapped(sealed).ok_or_else(|| damaged("its root"))?;
        let key = self.kek.unwrap(wrapped).map_err(|error| match error {
            KeyError::WrongKey { .. } => unusable(format!(
                "the keyring was written with another key-encryption key ({}) than this one ({})",
                head.kek_id(sealed).unwrap_or("unnamed"),
                self.kek.id()
            )),
            other => unusable(format!("the key-encryption key can't be used: {other}")),
        })?;
        Root::opened(&bytes, number, &key).ok_or_else(|| damaged("its root"))
    }

    fn write_root(&self, root: &Root) -> Result<u64, Error> {
        let key = random_secret()?;
        let wrapped = self
            .kek
            .wrap(&key)
            .map_err(|error| unusable(format!("the key-encryption key can't be used: {error}")))?;
        let bytes = root.sealed(self.incarnation, self.kek.id(), &wrapped, &key);
        self.write(&root::path(root.number), &bytes)?;
        Ok(root.number)
    }

    fn read_bucket(&self, at: u16, place: Option<&BucketPlace>) -> Result<Option<Bucket>, Error> {
        let Some(place) = place else { return Ok(None) };
        let bytes = self.read(&bucket::path(at, place.number))?;
        let bucket = Bucket::opened(&bytes, self.incarnation, at, place);
        bucket.map(Some).ok_or_else(|| damaged(&format!("bucket {at}")))
    }

    fn write_bucket(&self, at: u16, place: &BucketPlace, bucket: &Bucket) -> Result<(), Error> {
        let bytes = bucket.sealed(self.incarnation, at, place);
        self.write(&bucket::path(at, place.number), &bytes)
    }

    /// The whole of a file; wiped when it is dropped, since what is opened in place is secret.
    fn read(&self, path: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
        let read = || {
            let file = self.disk.open(path, Access::Read)?;
            let length = usize::try_from(file.bytes()?).map_err(io::Error::other)?;
            let mut bytes = Zeroizing::new(vec![0; length]);
            file.read_exact_at(&mut bytes, 0)?;
            Ok(bytes)
        };
        read().map_err(|error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => damaged(&format!("{path} is missing: it")),
            _ => self.io_error(&error),
        })
    }

    /// Writes a file that none had before; it has its name when it is whole and durable.
    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        let partial = format!("{path}.partial");
        let write = || {
            match self.disk.remove(&partial) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let file = self.disk.create(&partial, Access::Buffered)?;
            file.write_all_at(bytes, 0)?;
            file.sync()?;
            self.disk.rename(&partial, path)?;
            self.disk.sync_directory(DIRECTORY)
        };
        write().map_err(|error| self.io_error(&error))
    }

    /// Overwrites and removes whatever the newest root does not name.
    fn remove_all_but(&self, root: u64, named: &BTreeMap<u16, u64>) -> io::Result<()> {
        let mut removed = false;
        for file in self.disk.list(DIRECTORY)? {
            let is_kept = match bucket::place_of(&file) {
                Some((at, number)) => named.get(&at) == Some(&number),
                None => root::number_of(&file) == Some(root),
            };
            if !is_kept {
                let path = format!("{DIRECTORY}/{file}");
                let old = self.disk.open(&path, Access::Buffered)?;
                let length = usize::try_from(old.bytes()?).map_err(io::Error::other)?;
                old.write_all_at(&vec![0; length], 0)?;
                old.sync()?;
                self.disk.remove(&path)?;
                removed = true;
            }
        }
        if removed { self.disk.sync_directory(DIRECTORY) } else { Ok(()) }
    }

    fn io_error(&self, error: &io::Error) -> Error {
        Error::new(ErrorKind::of_io(error), format!("the keyring: {error}"))
    }
}

/// Spreads names over the buckets, the same in every copy.
fn bucket_of(name: &[u8]) -> u16 {
    let [low, high, ..] = *blake3::hash(name).as_bytes();
    u16::from_le_bytes([low, high]) % BUCKETS
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

fn unusable(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unusable, message)
}

fn failed_before() -> Error {
    Error::new(
        ErrorKind::Stopped,
        "a change of the keyring failed half-way: open it again to know what holds",
    )
}
