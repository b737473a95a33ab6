//! Where backups lie: what a location on the command line names, a directory or a bucket of an object store.

mod access;
mod bucket;
mod directory;
mod https;
mod patience;
mod trouble;

pub(crate) use directory::name_if_free;

use crate::exit::Failure;
use bucket::BucketStore;
use directory::DirectoryStore;
use florin_core::backup::Store;
use std::path::Path;
use std::sync::Arc;

/// Opens the store at a location. Of a bucket nothing is asked yet.
///
/// # Errors
/// If there is none, or it can't be used.
pub(crate) fn open(location: &str) -> Result<Arc<dyn Store>, Failure> {
    if is_bucket(location)? {
        return Ok(Arc::new(BucketStore::open(location)?));
    }
    let store = DirectoryStore::open(Path::new(location))
        .map_err(|error| Failure::unavailable(format!("can't use {location}: {error}")))?;
    Ok(Arc::new(store))
}

/// The same, made if it is a directory that is not there. Buckets are made by whoever pays for them.
///
/// # Errors
/// If it can't be made.
pub(crate) fn make(location: &str) -> Result<Arc<dyn Store>, Failure> {
    if !is_bucket(location)? {
        DirectoryStore::make(Path::new(location))
            .map_err(|error| Failure::unavailable(format!("can't make {location}: {error}")))?;
    }
    open(location)
}

/// Whether a location is a bucket's. What looks like another kind of address is no directory.
fn is_bucket(location: &str) -> Result<bool, Failure> {
    match location.split_once("://") {
        None => Ok(false),
        Some(_) if location.starts_with(access::SCHEME) => Ok(true),
        Some((scheme, _)) => Err(Failure::usage(format!(
            "a location is a directory or {}BUCKET/PREFIX, and {scheme}:// is neither",
            access::SCHEME
        ))),
    }
}
