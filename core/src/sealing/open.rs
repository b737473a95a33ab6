//! Making, opening and rewrapping the database key of a directory. Opening changes nothing.

use super::database_key::DatabaseKey;
use super::wrapped::{FILE_BYTES_MAX, FILE_NAME, PARTIAL_NAME, WrappedKey};
use crate::disk::keyed::KeyedDisk;
use crate::disk::{Access, Disk};
use crate::error::{Error, ErrorKind};
use florin_keys::{KeyEncryptionKey, KeyError};
use std::io;
use std::sync::Arc;

/// Files that a directory without a database may have: what an attempt to make one left.
const LEFT_BY_AN_ATTEMPT: [&str; 2] = ["lock", PARTIAL_NAME];

/// Gives a new database in an empty directory a random database key, wrapped. Returns when the file
/// is durable; opening the directory with the same key makes the database.
///
/// # Errors
/// [`ErrorKind::Unusable`] if the directory is not empty or the key can't be used;
/// [`ErrorKind::Io`], [`ErrorKind::DiskFull`].
pub fn create(disk: &dyn Disk, key: &dyn KeyEncryptionKey) -> Result<(), Error> {
    let mut files = listed(disk, "")?;
    files.extend(listed(disk, crate::log::segment::DIRECTORY)?);
    if let Some(file) = files.iter().find(|name| !LEFT_BY_AN_ATTEMPT.contains(&name.as_str())) {
        return Err(unusable(format!(
            "the directory has a file `{file}`: only a new database in an empty directory can be \
             encrypted"
        )));
    }
    let mut incarnation = [0; 16];
    let random = getrandom::fill(&mut incarnation).map_err(io::Error::other);
    let database_key = random.and_then(|()| DatabaseKey::random(u128::from_le_bytes(incarnation)));
    store(disk, &database_key.map_err(|error| failed("making", &error))?, key)
}

/// The disk of a database, able to open what is sealed if the database is encrypted. A disk that
/// has a database key already is given back as it is. Changes nothing.
///
/// # Errors
/// [`ErrorKind::Unusable`] if the database is encrypted and no key or a wrong one was given, or if
/// one was given and it is not; [`ErrorKind::Corrupt`] if `database_key` is damaged;
/// [`ErrorKind::Io`].
pub fn unlock(
    disk: Arc<dyn Disk>,
    key: Option<&dyn KeyEncryptionKey>,
) -> Result<Arc<dyn Disk>, Error> {
    if disk.database_key().is_some() {
        return Ok(disk);
    }
    match (read(disk.as_ref())?, key) {
        (None, None) => Ok(disk),
        (None, Some(key)) => Err(unusable(format!(
            "{} was given and there is no encrypted database here (no file `{FILE_NAME}`): leave \
             the key out, make one with `florin init --encrypt`, or put the file back",
            key.id()
        ))),
        (Some(wrapped), None) => Err(unusable(format!(
            "the database is encrypted: give its key {} (--key-file or --pkcs11-module)",
            wrapped.id
        ))),
        (Some(wrapped), Some(key)) => {
            let database_key = unwrapped(&wrapped, key)?;
            Ok(Arc::new(KeyedDisk::new(disk, database_key)))
        }
    }
}

/// Wraps the database key with another key-encryption key, and nothing else: what is stored stays
/// as it is. Returns when that is durable; interrupted before, the old key opens the database
/// still.
///
/// # Errors
/// As [`unlock`], and [`ErrorKind::DiskFull`].
pub fn rotate(
    disk: &dyn Disk,
    old: &dyn KeyEncryptionKey,
    new: &dyn KeyEncryptionKey,
) -> Result<(), Error> {
    let Some(wrapped) = read(disk)? else {
        return Err(unusable(format!(
            "there is no encrypted database here (no file `{FILE_NAME}`): nothing is wrapped"
        )));
    };
    let database_key = unwrapped(&wrapped, old)?;
    store(disk, &database_key, new)
}

/// The file of a directory; `None` if there is none.
pub(crate) fn read(disk: &dyn Disk) -> Result<Option<WrappedKey>, Error> {
    let file = match disk.open(FILE_NAME, Access::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|error| failed("opening", &error))?,
    };
    let damaged = |why: &dyn std::fmt::Display| {
        Error::new(
            ErrorKind::Corrupt,
            format!("`{FILE_NAME}`: {why}: put back a copy of it, from a backup or a standby"),
        )
    };
    let length = file.bytes().map_err(|error| failed("reading", &error))?;
    let length = usize::try_from(length).ok().filter(|length| *length <= FILE_BYTES_MAX);
    let mut bytes = vec![0; length.ok_or_else(|| damaged(&"it is damaged"))?];
    file.read_exact_at(&mut bytes, 0).map_err(|error| failed("reading", &error))?;
    WrappedKey::decoded(&bytes).map(Some).map_err(|error| damaged(&error))
}

/// The database key that a file `database_key` holds.
///
/// # Errors
/// [`ErrorKind::Unusable`] for another key-encryption key; [`ErrorKind::Corrupt`] for damage.
pub(crate) fn unwrap(file: &[u8], key: &dyn KeyEncryptionKey) -> Result<DatabaseKey, Error> {
    let wrapped = WrappedKey::decoded(file)
        .map_err(|error| Error::corrupt(format!("a wrapped key: {error}")))?;
    unwrapped(&wrapped, key)
}

/// A key as a key-encryption key wraps it, once that has been seen to unwrap it.
///
/// # Errors
/// [`ErrorKind::Unusable`] if it can't be used.
pub(crate) fn wrap(
    database_key: &DatabaseKey,
    key: &dyn KeyEncryptionKey,
) -> Result<WrappedKey, Error> {
    let wrapped = WrappedKey {
        incarnation: database_key.incarnation(),
        check: database_key.check(),
        id: key.id().to_owned(),
        wrapped: key.wrap(database_key.secret()).map_err(refused)?,
    };
    // A token that wraps what it can't unwrap again would take the database with it.
    unwrapped(&wrapped, key)?;
    Ok(wrapped)
}

fn unwrapped(wrapped: &WrappedKey, key: &dyn KeyEncryptionKey) -> Result<DatabaseKey, Error> {
    if wrapped.id != key.id() {
        return Err(unusable(format!(
            "the database is encrypted under {}, the key given is {}: give the right one",
            wrapped.id,
            key.id()
        )));
    }
    let database_key = key
        .unwrap(&wrapped.wrapped)
        .map(|secret| DatabaseKey::new(secret, wrapped.incarnation))
        .map_err(refused)?;
    if database_key.check() != wrapped.check {
        return Err(refused(KeyError::WrongKey { id: key.id().to_owned() }));
    }
    Ok(database_key)
}

/// Wraps, and writes the file beside the one there is, then over it: a crash leaves one of the two,
/// whole.
fn store(
    disk: &dyn Disk,
    database_key: &DatabaseKey,
    key: &dyn KeyEncryptionKey,
) -> Result<(), Error> {
    let wrapped = wrap(database_key, key)?;
    write(disk, &wrapped.encoded()).map_err(|error| failed("writing", &error))
}

/// Puts a file `database_key` there, whole or not at all.
pub(crate) fn write(disk: &dyn Disk, bytes: &[u8]) -> io::Result<()> {
    match disk.remove(PARTIAL_NAME) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk.create(PARTIAL_NAME, Access::Buffered)?;
    file.write_all_at(bytes, 0)?;
    file.sync()?;
    disk.rename(PARTIAL_NAME, FILE_NAME)?;
    disk.sync_directory("")
}

fn listed(disk: &dyn Disk, directory: &str) -> Result<Vec<String>, Error> {
    match disk.list(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        names => names.map_err(|error| failed("looking for", &error)),
    }
}

fn unusable(message: String) -> Error {
    Error::new(ErrorKind::Unusable, message)
}

fn refused(error: KeyError) -> Error {
    let message = match error {
        KeyError::WrongKey { id } => format!(
            "{id} has the name of the key that wrapped the database key and is another one: give the \
             right one"
        ),
        error @ KeyError::Unavailable(_) => error.to_string(),
    };
    unusable(message)
}

fn failed(what: &str, error: &io::Error) -> Error {
    Error::new(ErrorKind::of_io(error), format!("{what} `{FILE_NAME}`: {error}"))
}
