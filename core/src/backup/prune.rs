//! Removing old backups. An object is removed only if a manifest that goes had named it and none that stays
//! names it; manifests go first. So whatever is interrupted or made meanwhile, no manifest names an object
//! that is gone: a backup that is being made goes on from the newest one, which always stays. One that was
//! made meanwhile is looked for before objects go, and looks itself for its objects before it is there
//! ([`super::create`]).
//!
//! What was interrupted leaves objects that no manifest names: [`prune_orphans`] removes those.

use super::check::{manifest_names, read_manifest};
use super::{PublicKey, Store, failed};
use crate::error::{Error, ErrorKind};
use florin_ledger::Timestamp;
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
    /// Manifests that went and could not be read, so that their objects stay until orphans go.
    pub unread: Vec<String>,
}

/// What was removed that no manifest names.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Orphans {
    /// Objects that were whole.
    pub objects_count: usize,
    /// What creations have left in part.
    pub partials_count: usize,
}

/// Removes all backups of an incarnation but the newest `keep`, at least one.
///
/// # Errors
/// [`ErrorKind::Corrupt`] if one that stays can't be read, since nobody knows then what it names: nothing
/// was removed, or, if it came meanwhile, no object. The store's.
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
    let mut kept = removed.split_off(removed.len().saturating_sub(keep));
    let mut named = BTreeSet::new();
    for name in &kept {
        named.extend(named_by(store, name, signers)?);
    }
    let mut unnamed = BTreeSet::new();
    let mut unread = Vec::new();
    for name in &removed {
        match named_by(store, name, signers) {
            Ok(objects) => unnamed.extend(objects),
            Err(error) if error.kind() == ErrorKind::Io => return Err(error),
            Err(error) => unread.push(error.to_string()),
        }
    }
    let remove = |name: &String| store.remove(name).map_err(|error| failed(name, &error));
    removed.iter().try_for_each(remove)?;
    for name in manifest_names(store, incarnation)? {
        if !kept.contains(&name) {
            named.extend(named_by(store, &name, signers)?);
            kept.push(name);
        }
    }
    let unnamed: Vec<&String> = unnamed.difference(&named).collect();
    unnamed.iter().copied().try_for_each(remove)?;
    Ok(Pruned { kept, removed, removed_objects_count: unnamed.len(), unread })
}

/// Removes the objects of an incarnation that were stored before a time and that no manifest names, and
/// what creations have left in part since before then, of whatever incarnation. Give a backup that is
/// being made the time to come to its end.
///
/// # Errors
/// [`ErrorKind::Corrupt`] if a manifest can't be read, since nobody knows then what it names: nothing was
/// removed. The store's.
pub fn prune_orphans(
    store: &dyn Store,
    incarnation: u128,
    before: Timestamp,
    signers: &[PublicKey],
) -> Result<Orphans, Error> {
    let prefix = format!("{incarnation:032x}/");
    let listed = store.list(&prefix).map_err(|error| failed(&prefix, &error))?;
    let manifests = super::name::manifests(incarnation);
    // Listed after the objects: what a manifest names that is not in this list was there before it.
    let mut named = BTreeSet::new();
    for name in manifest_names(store, incarnation)? {
        named.extend(named_by(store, &name, signers)?);
    }
    let mut orphans = Orphans::default();
    for object in listed {
        let is_named = named.contains(&object.name) || object.name.starts_with(&manifests);
        if !is_named && object.stored < before {
            store.remove(&object.name).map_err(|error| failed(&object.name, &error))?;
            orphans.objects_count += 1;
        }
    }
    let partials = store.remove_partials(before);
    orphans.partials_count = partials.map_err(|error| failed(&prefix, &error))?;
    Ok(orphans)
}

/// The objects that a manifest names.
fn named_by(store: &dyn Store, name: &str, signers: &[PublicKey]) -> Result<Vec<String>, Error> {
    let manifest = read_manifest(store, name, signers)?;
    Ok(manifest.objects.iter().map(|entry| manifest.object_name(entry)).collect())
}
