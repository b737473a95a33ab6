//! The files of the keyring: read whole, written once, overwritten before they are removed.

use super::bucket::{self, Bucket};
use super::copy::KeyringCopy;
use super::name::Tally;
use super::root::{self, BucketPlace, Root};
use super::{DIRECTORY, damaged, random_secret, unusable};
use crate::disk::{Access, Disk};
use crate::error::{Error, ErrorKind};
use florin_keys::{KeyEncryptionKey, KeyError, Zeroizing};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// The files of one database's keyring.
#[derive(Clone)]
pub(super) struct Files {
    disk: Arc<dyn Disk>,
    incarnation: u128,
}

impl Files {
    pub(super) fn new(disk: Arc<dyn Disk>, incarnation: u128) -> Files {
        Files { disk, incarnation }
    }

    /// The newest root, opened, if there is a keyring. Changes nothing.
    pub(super) fn newest_root(&self, kek: &dyn KeyEncryptionKey) -> Result<Option<Root>, Error> {
        let files = match self.disk.list(DIRECTORY) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            files => files.map_err(|error| failed(&error))?,
        };
        let newest = files.iter().filter_map(|file| root::number_of(file)).max();
        let has_buckets = files.iter().any(|file| bucket::place_of(file).is_some());
        match newest {
            Some(number) => self.read_root(number, kek).map(Some),
            None if has_buckets => Err(damaged("the root is missing")),
            None => Ok(None),
        }
    }

    /// All of them as they are.
    pub(super) fn copy(&self) -> Result<Option<KeyringCopy>, Error> {
        KeyringCopy::read(self.disk.as_ref(), self.incarnation)
    }

    /// Makes the directory.
    pub(super) fn begin(&self) -> Result<(), Error> {
        let begun = self.disk.create_directory(DIRECTORY);
        begun.and_then(|()| self.disk.sync_directory("")).map_err(|error| failed(&error))
    }

    fn read_root(&self, number: u64, kek: &dyn KeyEncryptionKey) -> Result<Root, Error> {
        let bytes = self.read(&root::path(number))?;
        let (head, sealed) = root::split(&bytes).ok_or_else(|| damaged("its root"))?;
        if head.incarnation() != self.incarnation {
            return Err(unusable("the keyring is another database's: restore the one of this"));
        }
        let id = head.kek_id(sealed).ok_or_else(|| damaged("its root"))?;
        let wrapped = head.wrapped(sealed).ok_or_else(|| damaged("its root"))?;
        let another = || {
            unusable(format!(
                "the keyring was written with another key-encryption key ({id}) than this one ({}): \
                 if `florin kek rotate` was interrupted, or this copy is older, run it again",
                kek.id()
            ))
        };
        if id != kek.id() {
            return Err(another());
        }
        let key = kek.unwrap(wrapped).map_err(|error| match error {
            KeyError::WrongKey { .. } => another(),
            other => unusable(format!("the key-encryption key can't be used: {other}")),
        })?;
        Root::opened(&bytes, number, &key).ok_or_else(|| damaged("its root"))
    }

    pub(super) fn write_root(&self, root: &Root, kek: &dyn KeyEncryptionKey) -> Result<(), Error> {
        let key = random_secret()?;
        let wrapped = kek
            .wrap(&key)
            .map_err(|error| unusable(format!("the key-encryption key can't be used: {error}")))?;
        let bytes = root.sealed(self.incarnation, kek.id(), &wrapped, &key);
        self.write(&root::path(root.number), &bytes)
    }

    /// The bucket that a root names; an empty one if it names none.
    pub(super) fn read_bucket(&self, at: u16, root: &Root) -> Result<Bucket, Error> {
        let Some(place) = root.place(at) else { return Ok(Bucket::default()) };
        let bytes = self.read(&bucket::path(at, place.number))?;
        let bucket = Bucket::opened(&bytes, self.incarnation, at, place);
        bucket.ok_or_else(|| damaged(&format!("bucket {at}")))
    }

    pub(super) fn write_bucket(
        &self,
        at: u16,
        place: &BucketPlace,
        bucket: &Bucket,
    ) -> Result<(), Error> {
        let bytes = bucket.sealed(self.incarnation, at, place);
        self.write(&bucket::path(at, place.number), &bytes)
    }

    /// Counts what is in all buckets that a root names. O(keys).
    pub(super) fn counted(&self, root: &Root) -> Result<Tally, Error> {
        let mut tally = Tally::default();
        for (at, _) in root.places() {
            self.read_bucket(at, root)?.add_to(&mut tally);
        }
        Ok(tally)
    }

    /// Overwrites and removes whatever a root does not name.
    pub(super) fn remove_all_but(&self, root: &Root) -> Result<(), Error> {
        let named = root.places().collect();
        self.remove_unnamed(root.number, &named).map_err(|error| failed(&error))
    }

    fn remove_unnamed(&self, root: u64, named: &BTreeMap<u16, u64>) -> io::Result<()> {
        let mut removed = false;
        for file in self.disk.list(DIRECTORY)? {
            let is_kept = match bucket::place_of(&file) {
                Some((at, number)) => named.get(&at) == Some(&number),
                None => root::number_of(&file) == Some(root),
            };
            if !is_kept {
                // Whoever named the root may have been killed before the name was durable: until it
                // is, a power cut brings back the old one, which must still be whole.
                if !removed {
                    self.disk.sync_directory(DIRECTORY)?;
                }
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
            _ => failed(&error),
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
        write().map_err(|error| failed(&error))
    }
}

fn failed(error: &io::Error) -> Error {
    Error::new(ErrorKind::of_io(error), format!("the keyring: {error}"))
}
