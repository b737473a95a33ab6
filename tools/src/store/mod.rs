//! Where backups lie: what a location on the command line names.

mod directory;

pub(crate) use directory::name_if_free;

use crate::exit::Failure;
use directory::DirectoryStore;
use florin_core::backup::Store;
use std::path::Path;
use std::sync::Arc;

/// Opens the store at a location: a directory, which is made if it is to be written to.
///
/// # Errors
/// If there is none, or it can't be used.
pub(crate) fn open(location: &str) -> Result<Arc<dyn Store>, Failure> {
    let store = DirectoryStore::open(Path::new(location))
        .map_err(|error| Failure::unavailable(format!("can't use {location}: {error}")))?;
    Ok(Arc::new(store))
}

/// The same, made if it is not there.
///
/// # Errors
/// If it can't be made.
pub(crate) fn make(location: &str) -> Result<Arc<dyn Store>, Failure> {
    DirectoryStore::make(Path::new(location))
        .map_err(|error| Failure::unavailable(format!("can't make {location}: {error}")))?;
    open(location)
}
