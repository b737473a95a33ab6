//! Copies of the keyring: apart from the backups of the log, for seven days, and a restore takes the
//! newest. A copy brings keys back that were destroyed since it was made, to whoever has it and the
//! key-encryption key; so the promise that a destroyed key is gone holds once no older copy is kept.
//!
//! ```text
//! keyring/<birth, 32 hexadecimal digits>/<made, ns, 20 digits>
//! ```

pub use crate::keyring::copy::KeyringCopy;

use super::{Store, StoredObject, damaged, failed};
use crate::error::Error;
use florin_ledger::Timestamp;
use std::time::Duration;

/// How long a copy is kept.
pub const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 3600);
const TOP: &str = "keyring";

/// A copy in a store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredCopy {
    /// Its name.
    pub name: String,
    /// When it was made, by the clock of whoever did.
    pub made: Timestamp,
}

impl StoredCopy {
    /// How old it is; nothing if it was made later than now.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> Duration {
        Duration::from_nanos(now.0.saturating_sub(self.made.0))
    }
}

/// Stores a copy, and then removes those that are older than [`KEPT_FOR`]. Returns its name and how many
/// were removed.
///
/// # Errors
/// The store's.
pub fn keep(
    store: &dyn Store,
    copy: &KeyringCopy,
    now: Timestamp,
) -> Result<(String, usize), Error> {
    let name = format!("{TOP}/{:032x}/{:020}", copy.birth(), now.0);
    let is_new = store.create(&name, &copy.to_bytes()).map_err(|error| failed(&name, &error))?;
    if !is_new {
        return Err(damaged(&name, "there is a copy of this very moment already"));
    }
    let mut removed = 0;
    for old in copies(store, copy.birth())? {
        if KEPT_FOR <= old.age(now) {
            store.remove(&old.name).map_err(|error| failed(&old.name, &error))?;
            removed += 1;
        }
    }
    Ok((name, removed))
}

/// The copies of a database's keyring, from the oldest to the newest.
///
/// # Errors
/// The store's.
pub fn copies(store: &dyn Store, birth: u128) -> Result<Vec<StoredCopy>, Error> {
    let prefix = format!("{TOP}/{birth:032x}/");
    let listed = store.list(&prefix).map_err(|error| failed(&prefix, &error))?;
    let copy = |StoredObject { name, .. }: StoredObject| {
        let made = name.strip_prefix(&prefix)?.parse().ok()?;
        Some(StoredCopy { made: Timestamp(made), name })
    };
    let mut copies: Vec<StoredCopy> = listed.into_iter().filter_map(copy).collect();
    copies.sort_unstable_by_key(|copy| copy.made);
    Ok(copies)
}

/// The newest copy of a database's keyring; `None` if there is none.
///
/// # Errors
/// The store's; [`crate::ErrorKind::Corrupt`] names it if it is damaged: no older one is taken for it.
pub fn newest(store: &dyn Store, birth: u128) -> Result<Option<(StoredCopy, KeyringCopy)>, Error> {
    let Some(stored) = copies(store, birth)?.pop() else { return Ok(None) };
    let bytes = store.read(&stored.name).map_err(|error| failed(&stored.name, &error))?;
    let copy = KeyringCopy::from_bytes(&bytes)
        .map_err(|error| damaged(&stored.name, &error.to_string()))?;
    if copy.birth() != birth {
        return Err(damaged(&stored.name, "it is another database's"));
    }
    Ok(Some((stored, copy)))
}
