//! Where the objects of backups lie: a directory, an object store, memory.

use bytes::Bytes;
use florin_ledger::Timestamp;
use std::io;

/// A place for objects. Blocking; used from several threads at once.
///
/// Names are parts of letters, digits, `-` and `.`, with `/` between them.
pub trait Store: Send + Sync {
    /// Creates an object, whole and durably, unless there is one of this name; says whether there was
    /// none. It is never there in part under its name.
    ///
    /// # Errors
    /// The store's. The object may or may not be there then.
    fn create(&self, name: &str, bytes: &Bytes) -> io::Result<bool>;

    /// All of an object; `NotFound` if there is none, `FileTooLarge` if it has more than so many bytes:
    /// whoever writes to a store does not choose how much memory its readers need.
    ///
    /// # Errors
    /// The store's.
    fn read(&self, name: &str, bytes_max: u64) -> io::Result<Vec<u8>>;

    /// The objects whose names begin with `prefix`, which ends with `/`, sorted by name; none if nothing
    /// was ever stored there.
    ///
    /// # Errors
    /// The store's.
    fn list(&self, prefix: &str) -> io::Result<Vec<StoredObject>>;

    /// The first parts of names, where more follow: sorted, without the `/`.
    ///
    /// # Errors
    /// The store's.
    fn tops(&self) -> io::Result<Vec<String>>;

    /// Removes an object; one that is not there is removed. A store that keeps versions may have it still
    /// ([`Store::keeps_versions`]).
    ///
    /// # Errors
    /// The store's.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Removes what creations that never came to their end have left since before a time, and says how
    /// much it was.
    ///
    /// # Errors
    /// The store's.
    fn remove_partials(&self, before: Timestamp) -> io::Result<usize>;

    /// Whether it was seen, when something was created, to keep versions: then what is removed can be had
    /// back by whoever may read it.
    fn keeps_versions(&self) -> bool;
}

/// An object in a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredObject {
    /// Its whole name.
    pub name: String,
    /// How much is stored.
    pub bytes: u64,
    /// When it was stored, by the store's clock.
    pub stored: Timestamp,
}
