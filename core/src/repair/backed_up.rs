//! A backup as the copy that a repair takes segments from.

use crate::backup::check::Contents;
use crate::backup::manifest::Sealed;
use crate::backup::{Source, Store, Trust, read_manifest};
use crate::error::{Error, ErrorKind};
use crate::snapshot::Snapshot;
use std::sync::Arc;

/// A backup that is believed. Each object is read when it is asked for, and checked against the manifest
/// and the chain before a byte of it is handed out.
pub struct BackedUp {
    contents: Contents,
}

impl BackedUp {
    /// The backup of this name ([`crate::backup::newest`]).
    ///
    /// # Errors
    /// Of the manifest, as [`read_manifest`]; [`ErrorKind::Unusable`] if a key is missing or wrong.
    pub fn open(store: &Arc<dyn Store>, name: &str, trust: Trust<'_>) -> Result<BackedUp, Error> {
        let manifest = Arc::new(read_manifest(store.as_ref(), name, trust.signers)?);
        let contents = Contents::new(store.clone(), manifest, trust.key)?;
        if contents.is_locked() {
            return Err(Error::new(
                ErrorKind::Unusable,
                "the backup is encrypted under a key of its own: give its key (--key-file or \
                 --pkcs11-module)",
            ));
        }
        Ok(BackedUp { contents })
    }
}

impl Source for BackedUp {
    fn snapshot(&self) -> Result<Snapshot, Error> {
        let manifest = &self.contents.manifest;
        Ok(Snapshot {
            birth: manifest.birth,
            incarnation: manifest.incarnation,
            epoch: manifest.epoch,
            segment_bytes: manifest.geometry.segment_bytes(),
            is_sealed: self.contents.identity().is_sealed,
            end: manifest.end,
            time: manifest.time,
            wrapped_key: match &manifest.sealing {
                Sealed::ByDatabase(wrapped) => wrapped.clone(),
                Sealed::No | Sealed::ByBackup(_) => Vec::new(),
            },
        })
    }

    fn segment(&self, number: u64, bytes: usize) -> Result<Vec<u8>, Error> {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        let entry = self.contents.manifest.objects.get(index).ok_or_else(|| {
            Error::new(ErrorKind::Invalid, format!("the backup has no segment {number}"))
        })?;
        let content = self.contents.checked(index, entry)?.expect("its key was given");
        let mut content = Arc::unwrap_or_clone(content);
        content.truncate(bytes);
        Ok(content)
    }
}
