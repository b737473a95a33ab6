//! The key that a database's proofs are signed with: a file beside the data directory, so that whoever
//! copies the one does not copy the other.

use crate::exit::Failure;
use clap::Args;
use florin_proof::SigningKey;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const OWNER_FILE: u32 = 0o600;
const OTHERS: u32 = 0o077;
/// What is longer is no key.
const PEM_BYTES_MAX: u64 = 16 << 10;

/// The flag that names it.
#[derive(Args, Clone, Debug)]
pub(crate) struct SigningKeyArguments {
    /// The key that proofs are signed with (PEM); without it DIR.signing-key, beside the data directory, if
    /// that is there
    #[arg(long, value_name = "FILE")]
    signing_key: Option<PathBuf>,
}

impl SigningKeyArguments {
    /// Its file.
    pub(crate) fn path(&self, data: &Path) -> PathBuf {
        self.signing_key.clone().unwrap_or_else(|| beside(data))
    }

    /// The key; `None` if there is none and none was named.
    ///
    /// # Errors
    /// If the file can't be read, holds no key or may be used by others, or was named and is not there.
    pub(crate) fn open(&self, data: &Path) -> Result<Option<SigningKey>, Failure> {
        let path = self.path(data);
        match read(&path) {
            Err(Unread::Missing) if self.signing_key.is_none() => Ok(None),
            read => read.map(Some).map_err(|unread| unavailable(&path, &unread.to_string())),
        }
    }

    /// The key.
    ///
    /// # Errors
    /// As [`SigningKeyArguments::open`], and if there is none: a second one would be another signature of the
    /// bank, which nobody has agreed to.
    pub(crate) fn required(&self, data: &Path) -> Result<SigningKey, Failure> {
        let path = self.path(data);
        read(&path).map_err(|unread| match unread {
            Unread::Missing => unavailable(
                &path,
                "there is none: name it with --signing-key if it lies elsewhere, or make one with \
                 `florin proof key`",
            ),
            unread => unavailable(&path, &unread.to_string()),
        })
    }

    /// The key, made now if there is none.
    ///
    /// # Errors
    /// As [`SigningKeyArguments::open`], and if it can't be made.
    pub(crate) fn open_or_make(&self, data: &Path) -> Result<SigningKey, Failure> {
        let path = self.path(data);
        match read(&path) {
            Err(Unread::Missing) => make(&path),
            read => read.map_err(|unread| unavailable(&path, &unread.to_string())),
        }
    }
}

/// `DIR.signing-key`, whatever way the directory is named.
fn beside(data: &Path) -> PathBuf {
    let whole = fs::canonicalize(data).or_else(|_| std::path::absolute(data));
    let whole = whole.unwrap_or_else(|_| data.to_path_buf());
    let mut name = whole.file_name().unwrap_or_default().to_owned();
    name.push(".signing-key");
    whole.with_file_name(name)
}

/// Why there is no key.
enum Unread {
    Missing,
    Because(String),
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unread::Missing => f.write_str("there is no such file"),
            Unread::Because(why) => f.write_str(why),
        }
    }
}

/// Whoever reads the file signs for the bank: as a key-encryption key, it must be its owner's alone.
fn read(path: &Path) -> Result<SigningKey, Unread> {
    let because = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Unread::Missing,
        _ => Unread::Because(error.to_string()),
    };
    let mut file = File::open(path).map_err(because)?;
    let mode = file.metadata().map_err(because)?.mode();
    if mode & OTHERS != 0 {
        let mode = mode & 0o777;
        return Err(Unread::Because(format!(
            "others than its owner may use it (mode {mode:o}): chmod 600"
        )));
    }
    let mut pem = Zeroizing::new(String::new());
    (&mut file).take(PEM_BYTES_MAX).read_to_string(&mut pem).map_err(because)?;
    SigningKey::from_pem(&pem).map_err(|error| Unread::Because(error.to_string()))
}

fn make(path: &Path) -> Result<SigningKey, Failure> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(|error| unavailable(path, &error.to_string()))?;
    let key = SigningKey::from_seed(&seed);
    let pem = key.to_pem().map_err(|error| unavailable(path, &error.to_string()))?;
    write_new(path, Zeroizing::new(pem).as_bytes())
        .map_err(|error| unavailable(path, &error.to_string()))?;
    Ok(key)
}

/// Never in the place of another key, never readable for others, not even for a moment, and under its name
/// only when it is whole: whoever finds it signs with it for years.
fn write_new(path: &Path, pem: &[u8]) -> io::Result<()> {
    let mut partial = path.file_name().unwrap_or_default().to_owned();
    partial.push(".partial");
    let partial = path.with_file_name(partial);
    match fs::remove_file(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(OWNER_FILE).open(&partial)?;
    file.write_all(pem)?;
    file.sync_all()?;
    // A link, unlike a rename, is refused if somebody else has made a key meanwhile.
    let linked = fs::hard_link(&partial, path);
    fs::remove_file(&partial)?;
    linked?;
    match path.parent() {
        Some(above) if !above.as_os_str().is_empty() => File::open(above)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

fn unavailable(path: &Path, error: &str) -> Failure {
    Failure::unavailable(format!("the signing key {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::{SigningKeyArguments, beside, write_new};
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    /// Prevents: a key within the directory that backups copy, or another for `data/` than for `data`.
    #[test]
    fn a_key_lies_beside_its_directory_and_is_made_once() {
        let office = tempfile::tempdir().unwrap();
        let data = office.path().join("data");
        let with_slash = office.path().join("data/");
        assert_eq!(beside(&data), beside(&with_slash));
        std::fs::create_dir(&data).unwrap();
        assert_eq!(beside(&data), beside(&data.join("../data/.")));
        assert!(beside(Path::new("/")).file_name().is_none_or(|name| name != "data"));
        let arguments = SigningKeyArguments { signing_key: None };
        assert!(arguments.open(&data).unwrap().is_none());
        let refused = arguments.required(&data).unwrap_err().to_string();
        assert!(refused.contains("florin proof key"), "{refused}");
        let path = office.path().join("data.signing-key");
        assert!(!path.exists(), "a question has made a key");
        std::fs::write(office.path().join("data.signing-key.partial"), "half of a ke").unwrap();
        let made = arguments.open_or_make(&data).unwrap().public();
        assert_eq!(arguments.open_or_make(&data).unwrap().public(), made);
        assert_eq!(arguments.open(&with_slash).unwrap().map(|key| key.public()), Some(made));
        assert_eq!(arguments.required(&data).unwrap().public(), made);
        let names = std::fs::read_dir(office.path()).unwrap().map(|it| it.unwrap().file_name());
        assert_eq!(names.filter(|name| name.to_string_lossy().contains("signing")).count(), 1);
        let before = std::fs::read(&path).unwrap();
        assert!(write_new(&path, b"another").is_err(), "a key is never replaced");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    /// As other secrets are refused.
    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let office = tempfile::tempdir().unwrap();
        let data = office.path().join("data");
        let arguments = SigningKeyArguments { signing_key: None };
        arguments.open_or_make(&data).unwrap();
        let path = office.path().join("data.signing-key");
        for mode in [0o640, 0o604, 0o660, 0o601] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            for refused in [
                arguments.open(&data).map(drop).unwrap_err(),
                arguments.required(&data).map(drop).unwrap_err(),
                arguments.open_or_make(&data).map(drop).unwrap_err(),
            ] {
                assert!(refused.to_string().contains("chmod 600"), "{refused}");
            }
        }
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert!(arguments.open(&data).unwrap().is_some());
    }
}
