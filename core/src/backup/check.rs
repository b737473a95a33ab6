//! Checking a backup where it lies: the signature, every object, every hash, and the chain of the log from
//! the first frame to the last.

use super::manifest::{Manifest, ManifestError, ObjectEntry, Sealed};
use super::segments::check_entry;
use super::{Progress, PublicKey, Store, damaged, failed, name, object};
use crate::error::{Error, ErrorKind};
use crate::limits::{BACKUP_AT_ONCE_MAX, MANIFEST_BYTES_MAX};
use crate::log::Identity;
use crate::sealing::{self, DatabaseKey};
use florin_keys::KeyEncryptionKey;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

/// What a backup is believed by.
#[derive(Clone, Copy)]
pub struct Trust<'a> {
    /// One of these must have signed it.
    pub signers: &'a [PublicKey],
    /// Opens the database, or the backup of one that is not encrypted.
    pub key: Option<&'a dyn KeyEncryptionKey>,
}

/// What was checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    /// What the backup is.
    pub manifest: Manifest,
    /// Whether the key of its objects was not given: signature and hashes were checked, and what is in
    /// the objects was not.
    pub is_locked: bool,
    /// What does not hold: each names an object. Empty: everything holds.
    pub findings: Vec<String>,
}

/// The names of the manifests of an incarnation, from the least to the most of its log. What else lies
/// there, under names that no manifest has, is passed over.
///
/// # Errors
/// [`ErrorKind::Io`].
pub fn manifest_names(store: &dyn Store, incarnation: u128) -> Result<Vec<String>, Error> {
    let prefix = name::manifests(incarnation);
    let listed = store.list(&prefix).map_err(|error| failed(&prefix, &error))?;
    let mut names: Vec<String> = listed.into_iter().map(|object| object.name).collect();
    names.retain(|name| name::manifest_incarnation(name) == Some(incarnation));
    names.sort_unstable();
    Ok(names)
}

/// The incarnations of which there are backups.
///
/// # Errors
/// [`ErrorKind::Io`].
pub fn incarnations(store: &dyn Store) -> Result<Vec<u128>, Error> {
    let tops = store.tops().map_err(|error| failed("", &error))?;
    Ok(tops.iter().filter_map(|top| name::incarnation(top)).collect())
}

/// The name of the newest backup: of this incarnation, or of the only one that there is.
///
/// # Errors
/// [`ErrorKind::Invalid`] if there is none, or if there are several incarnations and none is named.
pub fn newest(store: &dyn Store, incarnation: Option<u128>) -> Result<String, Error> {
    let incarnation = match (incarnation, incarnations(store)?.as_slice()) {
        (Some(incarnation), _) => incarnation,
        (None, [one]) => *one,
        (None, []) => return Err(Error::new(ErrorKind::Invalid, "there is no backup here")),
        (None, several) => {
            let named: Vec<String> = several.iter().map(|one| format!("{one:032x}")).collect();
            return Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "there are backups of several incarnations, name one: {}",
                    named.join(", ")
                ),
            ));
        }
    };
    manifest_names(store, incarnation)?.pop().ok_or_else(|| {
        Error::new(ErrorKind::Invalid, format!("there is no backup of {incarnation:032x} here"))
    })
}

/// The same, if it can be read.
///
/// # Errors
/// As [`newest`] and [`read_manifest`]: no older one is taken for it; the message names the next one that
/// can be read.
pub fn newest_that_reads(
    store: &dyn Store,
    incarnation: Option<u128>,
    signers: &[PublicKey],
) -> Result<String, Error> {
    let name = newest(store, incarnation)?;
    let error = match read_manifest(store, &name, signers) {
        Ok(_) => return Ok(name),
        Err(error) if error.kind() == ErrorKind::Io => return Err(error),
        Err(error) => error,
    };
    let life = name::manifest_incarnation(&name).expect("it is a manifest's");
    let mut older = manifest_names(store, life)?;
    older.retain(|older| older < &name);
    let next = older.iter().rev().find(|older| read_manifest(store, older, signers).is_ok());
    let hint = next.map_or_else(
        || String::from("no older one can be read"),
        |next| format!("the next that can be read is --backup {next}"),
    );
    Err(Error::new(error.kind(), format!("{error}; {hint}")))
}

/// Reads a manifest: it must be what its name says, and signed by one of these.
///
/// # Errors
/// [`ErrorKind::Corrupt`], [`ErrorKind::Io`]: the message names it. [`ErrorKind::Unusable`] for one of
/// another version.
pub fn read_manifest(
    store: &dyn Store,
    name: &str,
    signers: &[PublicKey],
) -> Result<Manifest, Error> {
    let bytes = store.read(name, MANIFEST_BYTES_MAX).map_err(|error| failed(name, &error))?;
    let manifest = Manifest::decoded(&bytes, signers).map_err(|error| match error {
        ManifestError::Version(_) => {
            Error::new(ErrorKind::Unusable, format!("object {name}: {error}"))
        }
        ManifestError::Damaged | ManifestError::Signature => damaged(name, &error.to_string()),
    })?;
    // Signed, and another backup: an old one that was put in the place of this.
    if manifest.name(&bytes) != name {
        return Err(damaged(name, "it is another backup's manifest"));
    }
    Ok(manifest)
}

/// Checks a backup. Reads all of it; changes nothing.
///
/// # Errors
/// Of the manifest, as [`read_manifest`]; [`ErrorKind::Unusable`] for a wrong key; [`ErrorKind::Io`].
/// What is wrong with objects is a finding.
pub fn check(
    store: &Arc<dyn Store>,
    name: &str,
    trust: Trust<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Checked, Error> {
    let manifest = Arc::new(read_manifest(store.as_ref(), name, trust.signers)?);
    let contents = Contents::new(store.clone(), manifest.clone(), trust.key)?;
    let total_bytes = manifest.end.lsn.0;
    let (sender, receiver) = mpsc::channel();
    let next = AtomicUsize::new(0);
    let mut findings = Vec::new();
    thread::scope(|scope| {
        for _ in 0..BACKUP_AT_ONCE_MAX {
            let (sender, contents, next) = (sender.clone(), &contents, &next);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(entry) = contents.manifest.objects.get(index) else { return };
                    if sender.send((index, contents.checked(index, entry).map(drop))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut done_bytes = 0;
        for (index, checked) in &receiver {
            done_bytes += manifest.objects[index].content_bytes;
            progress(Progress { done_bytes, total_bytes });
            match checked {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    findings.push((index, error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    })?;
    findings.sort_unstable();
    let findings = findings.into_iter().map(|(_, finding)| finding).collect();
    let is_locked = contents.is_locked();
    Ok(Checked { manifest: Manifest::clone(&manifest), is_locked, findings })
}

/// The contents of the objects of a backup.
pub(crate) struct Contents {
    store: Arc<dyn Store>,
    pub(crate) manifest: Arc<Manifest>,
    identity: Identity,
    /// What objects are sealed under, if they are and their key was given.
    object_key: Option<DatabaseKey>,
    /// What the log is sealed under, if it is and its key was given.
    pub(super) log_key: Option<DatabaseKey>,
}

impl Contents {
    /// Of a manifest that is believed.
    ///
    /// # Errors
    /// [`ErrorKind::Unusable`] if the key does not open it, or there is nothing to open.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        manifest: Arc<Manifest>,
        key: Option<&dyn KeyEncryptionKey>,
    ) -> Result<Contents, Error> {
        let is_sealed = matches!(manifest.sealing, Sealed::ByDatabase(_));
        let (mut object_key, mut log_key) = (None, None);
        match (&manifest.sealing, key) {
            (Sealed::ByDatabase(wrapped), Some(key)) => {
                log_key = Some(sealing::unwrap(wrapped, key)?);
            }
            (Sealed::ByBackup(wrapped), Some(key)) => {
                object_key = Some(sealing::unwrap(wrapped, key)?);
            }
            (Sealed::No, Some(key)) => {
                return Err(Error::new(
                    ErrorKind::Unusable,
                    format!(
                        "{} was given, and this backup is not encrypted: leave it out",
                        key.id()
                    ),
                ));
            }
            (_, None) => {}
        }
        let identity =
            Identity { incarnation: manifest.birth, geometry: manifest.geometry, is_sealed };
        Ok(Contents { store, manifest, identity, object_key, log_key })
    }

    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    /// Whether the objects can't be opened.
    pub(crate) fn is_locked(&self) -> bool {
        matches!(self.manifest.sealing, Sealed::ByBackup(_)) && self.object_key.is_none()
    }

    /// An object as it is stored: what its name and the manifest say.
    pub(super) fn stored(&self, entry: &ObjectEntry) -> Result<Vec<u8>, Error> {
        let name = self.manifest.object_name(entry);
        let stored =
            self.store.read(&name, entry.stored_bytes).map_err(|error| failed(&name, &error))?;
        let bytes = stored.len();
        if u64::try_from(bytes) != Ok(entry.stored_bytes) {
            return Err(damaged(
                &name,
                &format!("it has {bytes} bytes, not {}", entry.stored_bytes),
            ));
        }
        if *blake3::hash(&stored).as_bytes() != entry.hash {
            return Err(damaged(&name, "it is not what was stored"));
        }
        Ok(stored)
    }

    /// The contents of an object whose hash was right.
    pub(super) fn content(&self, entry: &ObjectEntry) -> Result<Vec<u8>, Error> {
        let stored = self.stored(entry)?;
        let Some(key) = &self.object_key else { return Ok(stored) };
        let name = self.manifest.object_name(entry);
        object::opened(&stored, key).ok_or_else(|| damaged(&name, "its seal does not open"))
    }

    /// The contents of an object that were found to be the part of the log that the manifest says; `None`
    /// if they can't be opened.
    pub(crate) fn checked(
        &self,
        index: usize,
        entry: &ObjectEntry,
    ) -> Result<Option<Arc<Vec<u8>>>, Error> {
        if self.is_locked() {
            return self.stored(entry).map(|_| None);
        }
        let content = Arc::new(self.content(entry)?);
        let from = self.manifest.start_of(index);
        check_entry(self.identity, entry, &content, from)
            .map_err(|what| damaged(&self.manifest.object_name(entry), &what))?;
        Ok(Some(content))
    }
}
