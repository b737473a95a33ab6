//! Copies of the keyring: apart from the backups of the log, for seven days, and a restore takes the
//! newest. A copy brings keys back that were destroyed since it was made, to whoever has it and the
//! key-encryption key; so the promise that a destroyed key is gone holds once no older copy is kept.
//!
//! ```text
//! keyring/<birth>/<incarnation>/<number of its root, 20 digits>-<made, ns, 20 digits>
//! ```
//! Birth and incarnation have 32 hexadecimal digits. What the name says the copy says too, signed
//! ([`SignedCopy`]). The number of the root rises with every change of the keyring, whatever clocks say:
//! it tells which copy is newest. Each life has its own copies, so that a bank that was restored for a
//! test adds none to those of the real one, and removes none.

pub use super::signed_copy::{SignedCopy, SignedCopyError};
pub use crate::keyring::copy::KeyringCopy;

use super::name::incarnation as life;
use super::{PublicKey, Signer, Store, StoredObject, damaged, failed};
use crate::disk::Disk;
use crate::error::{Error, ErrorKind};
use crate::keyring::{self, DIRECTORY, KeyringStatus};
use crate::limits::KEYRING_COPY_BYTES_MAX;
use crate::sealing;
use bytes::Bytes;
use florin_keys::KeyEncryptionKey;
use florin_ledger::Timestamp;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// How long a copy is kept.
pub const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 3600);
/// How far clocks may be apart.
pub const CLOCKS_APART_MAX: Duration = Duration::from_secs(3600);
const TOP: &str = "keyring";

/// A copy in a store, as its name says.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct StoredCopy {
    /// The life that it was made in.
    pub incarnation: u128,
    /// The number of its newest root.
    pub root_number: u64,
    /// When it was made, by the clock of whoever did.
    pub made: Timestamp,
    /// Its name.
    pub name: String,
}

impl StoredCopy {
    /// How old it is; nothing if it was made later than now.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> Duration {
        Duration::from_nanos(now.0.saturating_sub(self.made.0))
    }

    /// Whether it was made later than now by more than clocks may be apart.
    #[must_use]
    pub fn is_of_the_future(&self, now: Timestamp) -> bool {
        CLOCKS_APART_MAX < Duration::from_nanos(self.made.0.saturating_sub(now.0))
    }

    /// The copy that a name is of; `None` if it is no copy's.
    #[must_use]
    pub fn of_name(name: &str) -> Option<(u128, StoredCopy)> {
        let mut parts = name.split('/');
        if parts.next() != Some(TOP) {
            return None;
        }
        let (birth, incarnation) = (life(parts.next()?)?, life(parts.next()?)?);
        let (root_number, made) = parts.next()?.split_once('-')?;
        let (root_number, made) = (root_number.parse().ok()?, Timestamp(made.parse().ok()?));
        let copy = StoredCopy { incarnation, root_number, made, name: name.to_owned() };
        (name_of(birth, incarnation, root_number, made) == name).then_some((birth, copy))
    }
}

fn name_of(birth: u128, incarnation: u128, root_number: u64, made: Timestamp) -> String {
    format!("{TOP}/{birth:032x}/{incarnation:032x}/{root_number:020}-{:020}", made.0)
}

/// How a copy is kept.
#[derive(Clone, Copy)]
pub struct Keeping<'a> {
    /// The life that the database is in.
    pub incarnation: u128,
    /// Who signs it.
    pub signer: &'a Signer,
    /// Who else may have signed those before.
    pub also_trusted: &'a [PublicKey],
    /// The present time.
    pub now: Timestamp,
}

/// A copy that was kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kept {
    /// Its name.
    pub name: String,
    /// Older ones that were removed.
    pub removed_count: usize,
    /// Why none was removed, if some were not because of what clocks say; and that what is removed is not
    /// gone, if the store keeps it.
    pub findings: Vec<String>,
}

/// Stores a copy, and then removes those of its life that are older than [`KEPT_FOR`]. None is removed
/// if a copy says that it was made later than now, or if there was none for so long that all would go: a
/// clock that is wrong once takes nothing with it. The next call removes them.
///
/// # Errors
/// [`ErrorKind::Fork`] if there is a copy of a later state of the keyring: it was put back or begun anew;
/// [`ErrorKind::Corrupt`] if what is named so is none; the store's. Nothing was stored or removed then.
pub fn keep(store: &dyn Store, copy: &KeyringCopy, keeping: &Keeping<'_>) -> Result<Kept, Error> {
    let Keeping { incarnation, signer, also_trusted, now } = *keeping;
    let mut before = copies(store, copy.birth())?;
    before.retain(|stored| stored.incarnation == incarnation);
    if let Some(later) = before.last().filter(|last| copy.root_number() < last.root_number) {
        let trusted = [&[signer.public()], also_trusted].concat();
        read(store, &later.name, &trusted)?;
        return Err(Error::new(
            ErrorKind::Fork,
            format!(
                "{} is a copy of this keyring in a later state (root {}, this has {}): an older copy was \
                 put back, or it was begun anew; keep its copies at another location from now on",
                later.name,
                later.root_number,
                copy.root_number()
            ),
        ));
    }
    let name = name_of(copy.birth(), incarnation, copy.root_number(), now);
    let signed = SignedCopy { incarnation, made: now, copy: copy.clone() }.encoded(signer);
    let signed = Bytes::from(signed);
    if KEYRING_COPY_BYTES_MAX < u64::try_from(signed.len()).expect("it is in memory") {
        return Err(Error::new(
            ErrorKind::Invalid,
            format!("a copy of a keyring has at most {KEYRING_COPY_BYTES_MAX} bytes"),
        ));
    }
    let is_new = store.create(&name, &signed).map_err(|error| failed(&name, &error))?;
    if !is_new {
        return Err(damaged(&name, "there is a copy of this very moment already"));
    }
    let mut findings = doubts(&before, now);
    let is_sure = findings.is_empty();
    let mut removed_count = 0;
    for old in before.iter().filter(|old| is_sure && KEPT_FOR <= old.age(now)) {
        store.remove(&old.name).map_err(|error| failed(&old.name, &error))?;
        removed_count += 1;
    }
    if store.keeps_versions() {
        findings.push(String::from(KEEPS_VERSIONS));
    }
    Ok(Kept { name, removed_count, findings })
}

const KEEPS_VERSIONS: &str = "the store keeps versions: copies that are removed can be had back, and with them keys \
                              that were destroyed since; keep copies of a keyring where nothing is kept of \
                              what is removed, or let the store delete old versions within seven days";

/// What speaks against believing the clocks.
fn doubts(before: &[StoredCopy], now: Timestamp) -> Vec<String> {
    let mut doubts = Vec::new();
    if let Some(copy) = before.iter().find(|copy| copy.is_of_the_future(now)) {
        doubts.push(format!(
            "{} says that it was made later than now: no older copy is removed before that one is; see \
             to the clocks",
            copy.name
        ));
    }
    let newest = before.iter().map(|copy| copy.age(now)).min();
    if newest.is_some_and(|age| KEPT_FOR <= age) {
        doubts.push(String::from(
            "there was no copy for seven days, or the clock is wrong: no older copy is removed this \
             time, the next one removes them",
        ));
    }
    doubts
}

/// The copies of a database's keyring: of each life, from the oldest state of it to the newest.
///
/// # Errors
/// The store's.
pub fn copies(store: &dyn Store, birth: u128) -> Result<Vec<StoredCopy>, Error> {
    let prefix = format!("{TOP}/{birth:032x}/");
    let listed = store.list(&prefix).map_err(|error| failed(&prefix, &error))?;
    let copy = |object: StoredObject| Some(StoredCopy::of_name(&object.name)?.1);
    let mut copies: Vec<StoredCopy> = listed.into_iter().filter_map(copy).collect();
    copies.sort_unstable();
    Ok(copies)
}

/// The newest copy of a life's keyring; `None` if there is no copy of any life.
///
/// # Errors
/// The store's; [`ErrorKind::Corrupt`] names it if it is damaged: no older one is taken for it.
/// [`ErrorKind::Invalid`] if it says that it was made later than now, or if another life has a newer one,
/// in which more may be destroyed: somebody must choose, and [`read`] it.
pub fn newest(
    store: &dyn Store,
    birth: u128,
    incarnation: u128,
    signers: &[PublicKey],
    now: Timestamp,
) -> Result<Option<(StoredCopy, KeyringCopy)>, Error> {
    let (own, others): (Vec<_>, Vec<_>) =
        copies(store, birth)?.into_iter().partition(|copy| copy.incarnation == incarnation);
    let newest = own.last();
    let is_newer = |other: &&StoredCopy| {
        newest.is_none_or(|own| own.root_number < other.root_number || own.made < other.made)
    };
    if let Some(other) = others.iter().filter(is_newer).max_by_key(|other| other.made) {
        let own = newest.map_or("none", |own| &own.name);
        return Err(Error::new(
            ErrorKind::Invalid,
            format!(
                "another life of the bank has a newer copy, in which more keys may be destroyed: of the \
                 life that is restored there is {own}, of the other {}; name the copy to take \
                 (--keyring-copy)",
                other.name
            ),
        ));
    }
    let Some(newest) = newest else { return Ok(None) };
    // Of copies of one state any will do: rather one that no clock was wrong for.
    let is_same =
        |copy: &&StoredCopy| copy.root_number == newest.root_number && !copy.is_of_the_future(now);
    let Some(newest) = own.iter().rfind(is_same) else {
        return Err(Error::new(
            ErrorKind::Invalid,
            format!(
                "{} says that it was made later than now: see to the clocks, or name the copy to take \
                 (--keyring-copy)",
                newest.name
            ),
        ));
    };
    read(store, &newest.name, signers).map(Some)
}

/// Reads a copy: it must be what its name says, and signed by one of these.
///
/// # Errors
/// [`ErrorKind::Invalid`] if no copy has such a name; [`ErrorKind::Corrupt`] names it if it is another, or
/// damaged; [`ErrorKind::Unusable`] for one of another version; the store's.
pub fn read(
    store: &dyn Store,
    name: &str,
    signers: &[PublicKey],
) -> Result<(StoredCopy, KeyringCopy), Error> {
    let (birth, stored) = StoredCopy::of_name(name).ok_or_else(|| {
        Error::new(ErrorKind::Invalid, format!("no copy of a keyring is named {name}"))
    })?;
    let bytes = store.read(name, KEYRING_COPY_BYTES_MAX).map_err(|error| failed(name, &error))?;
    let signed = SignedCopy::decoded(&bytes, signers).map_err(|error| match error {
        SignedCopyError::Version(_) => {
            Error::new(ErrorKind::Unusable, format!("object {name}: {error}"))
        }
        SignedCopyError::Damaged | SignedCopyError::Signature => damaged(name, &error.to_string()),
    })?;
    let SignedCopy { incarnation, made, copy } = signed;
    // Signed, and another copy: an old one that was put in the place of this.
    if name_of(copy.birth(), incarnation, copy.root_number(), made) != name || copy.birth() != birth
    {
        return Err(damaged(name, "it is another copy"));
    }
    Ok((stored, copy))
}

/// Puts a copy into a directory that has the log of its database and no keyring, under the key that opens
/// the directory, and reads all of it. `copied_under` is the key that the copy was made under, if that is
/// another.
///
/// # Errors
/// [`ErrorKind::Unusable`] if there is a keyring, if the directory is another database's or has none, or
/// for a wrong key; [`ErrorKind::Corrupt`] if the copy is damaged; [`ErrorKind::Io`],
/// [`ErrorKind::DiskFull`]. What was begun is no keyring then: remove the directory `keyring`.
pub fn put_back(
    disk: &Arc<dyn Disk>,
    copy: &KeyringCopy,
    key: &dyn KeyEncryptionKey,
    copied_under: Option<&dyn KeyEncryptionKey>,
) -> Result<KeyringStatus, Error> {
    let unusable = |message: &str| Error::new(ErrorKind::Unusable, message);
    let unlocked = sealing::unlock(disk.clone(), Some(key))?;
    let database_key = unlocked.database_key().expect("a key has opened it");
    if copy.birth() != database_key.incarnation() {
        return Err(unusable("the copy is of another database's keyring"));
    }
    match disk.list(DIRECTORY) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        listed => {
            let listed = listed.map_err(|error| failed(DIRECTORY, &error))?;
            if !listed.is_empty() {
                return Err(unusable(
                    "there are files in the directory `keyring`: move them away before a copy is put there",
                ));
            }
        }
    }
    copy.write(disk.as_ref())?;
    let put = || {
        if let Some(copied_under) = copied_under {
            keyring::rotate(unlocked.clone(), copied_under, key)?;
        }
        keyring::verify(unlocked.clone(), key, database_key)
    };
    let put = put().map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::Unusable => "; the key that the copy was made under is --keyring-key-file",
            _ => "",
        };
        Error::new(error.kind(), format!("the copy of the keyring: {error}{hint}"))
    })?;
    put.ok_or_else(|| Error::corrupt("the copy has no keyring"))
}
