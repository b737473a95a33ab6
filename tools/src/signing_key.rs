//! The key that a database's proofs are signed with: a file beside the data directory, so that whoever
//! copies the one does not copy the other.

use crate::exit::Failure;
use clap::Args;
use florin_proof::SigningKey;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

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
    /// If the file can't be read or holds no key, or was named and is not there.
    pub(crate) fn open(&self, data: &Path) -> Result<Option<SigningKey>, Failure> {
        let path = self.path(data);
        match fs::read_to_string(&path) {
            Ok(pem) => read(&path, &Zeroizing::new(pem)).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.signing_key.is_none() => {
                Ok(None)
            }
            Err(error) => Err(unavailable(&path, &error.to_string())),
        }
    }

    /// The key, made now if there is none.
    ///
    /// # Errors
    /// If it can't be read, or made.
    pub(crate) fn open_or_make(&self, data: &Path) -> Result<SigningKey, Failure> {
        let path = self.path(data);
        match fs::read_to_string(&path) {
            Ok(pem) => read(&path, &Zeroizing::new(pem)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(&path),
            Err(error) => Err(unavailable(&path, &error.to_string())),
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

fn read(path: &Path, pem: &str) -> Result<SigningKey, Failure> {
    SigningKey::from_pem(pem).map_err(|error| unavailable(path, &error.to_string()))
}

fn make(path: &Path) -> Result<SigningKey, Failure> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(|error| unavailable(path, &error.to_string()))?;
    let key = SigningKey::from_seed(&seed);
    let pem = key.to_pem().map_err(|error| unavailable(path, &error.to_string()))?;
    let pem = Zeroizing::new(pem);
    // Never in the place of another key, and never readable for others, not even for a moment.
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(pem.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| unavailable(path, &error.to_string()))?;
    Ok(key)
}

fn unavailable(path: &Path, error: &str) -> Failure {
    Failure::unavailable(format!("the signing key {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::{SigningKeyArguments, beside};
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
        let made = arguments.open_or_make(&data).unwrap().public();
        assert_eq!(arguments.open_or_make(&data).unwrap().public(), made);
        assert_eq!(arguments.open(&with_slash).unwrap().map(|key| key.public()), Some(made));
        assert!(office.path().join("data.signing-key").exists());
    }
}
