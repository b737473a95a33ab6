//! Removing old backups. An object is removed only if a manifest that goes had named it and none that stays
//! names it; manifests go first. So whatever is interrupted or made meanwhile, no manifest names an object
//! that is gone: a backup that is being made goes on from the newest one, which always stays.

use super::check::{manifest_names, read_manifest};
use super::{PublicKey, Store, failed};
use crate::error::{Error, ErrorKind};
use std::collections::BTreeSet;

/// What was removed.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Pruned {
    /// Manifests that are left.
    pub kept: Vec<String>,
    /// Manifests that are gone.
    pub removed: Vec<String>,
    /// Objects that are gone.
    pub removed_objects_count: usize,
    /// Manifests that went and could not be read, so that their objects stay.
    pub unread: Vec<String>,
}

/// Removes all backups of an incarnation but the newest `keep`, at least one.
///
/// # Errors
/// [`ErrorKind::Corrupt`] if one that stays can't be read, since nobody knows then what it names: nothing
/// was removed. The store's.
pub fn prune(
    store: &dyn Store,
    incarnation: u128,
    keep: usize,
    signers: &[PublicKey],
) -> Result<Pruned, Error> {
    if keep == 0 {
        return Err(Error::new(ErrorKind::Invalid, "at least one backup is kept"));
    }
    let mut removed = manifest_names(store, incarnation)?;
    let kept = removed.split_off(removed.len().saturating_sub(keep));
    let mut named = BTreeSet::new();
    for name in &kept {
        let manifest = read_manifest(store, name, signers)?;
        named.extend(manifest.objects.iter().map(|entry| manifest.object_name(entry)));
    }
    let mut unnamed = BTreeSet::new();
    let mut unread = Vec::new();
    for name in &removed {
        match read_manifest(store, name, signers) {
            Ok(manifest) => {
                unnamed.extend(manifest.objects.iter().map(|entry| manifest.object_name(entry)));
            }
            Err(error) if error.kind() == ErrorKind::Io => return Err(error),
            Err(error) => unread.push(error.to_string()),
        }
    }
    let remove = |name: &String| store.remove(name).map_err(|error| failed(name, &error));
    removed.iter().try_for_each(remove)?;
    let unnamed: Vec<&String> = unnamed.difference(&named).collect();
    unnamed.iter().copied().try_for_each(remove)?;
    Ok(Pruned { kept, removed, removed_objects_count: unnamed.len(), unread })
}
