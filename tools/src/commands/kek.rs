//! `florin kek`: the key-encryption keys of encrypted databases.

use super::verify;
use crate::exit::{Exit, Failure};
use crate::key::{KeyArguments, NewKeyArguments, unavailable};
use clap::{Args, Subcommand};
use florin_core::disk::os::OsDisk;
use florin_core::{Error, keyring, sealing};
use florin_keys::{FileKey, KeyEncryptionKey, TokenKey};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// Make and change the keys that encrypted databases are opened with
#[derive(Args, Debug)]
pub(crate) struct Kek {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Make a random key: a file that only its owner can read, or a key in a token
    Generate {
        /// The file to make [or name a token with --pkcs11-module]
        #[arg(value_name = "FILE", conflicts_with = "pkcs11_module")]
        file: Option<PathBuf>,
        #[command(flatten)]
        token: KeyArguments,
    },
    /// Wrap a database's key, and its keyring, with another key from now on; what is stored stays as it is
    #[command(
        after_help = "No process may have the directory open. Interrupted, either the old key \
opens it or the new one; if the old one does, run it again. The old key still opens copies and backups \
from before."
    )]
    Rotate {
        /// The data directory
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        #[command(flatten)]
        old: KeyArguments,
        #[command(flatten)]
        new: NewKeyArguments,
    },
}

impl Kek {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let said = match &self.action {
            Action::Generate { file: Some(path), .. } => {
                let key = FileKey::generate(path).map_err(unavailable)?;
                format!(
                    "made {} in {}: keep a copy where the data is not",
                    key.id(),
                    path.display()
                )
            }
            Action::Generate { file: None, token } => {
                let missing = || Failure::usage("name a FILE, or a token: --pkcs11-module SO");
                let options = token.token().ok_or_else(missing)?;
                let key = TokenKey::generate(options).map_err(unavailable)?;
                format!("made {}", key.id())
            }
            Action::Rotate { data, old, new } => {
                let (old, new) = (old.required()?, KeyArguments::from(new).required()?);
                if !data.is_dir() {
                    let message = format!("there is no directory {}", data.display());
                    return Err(Failure::unavailable(message));
                }
                let failed = |error: Error| verify::failure(data, &error);
                let disk = Arc::new(OsDisk::open(data).map_err(failed)?);
                // The keyring first: interrupted in between, the old key opens the directory still,
                // and running it again ends it. What the new key opens already stays as it is: then a
                // copy of the keyring was put in that is older than the rotation.
                keyring::rotate(disk.clone(), old.as_ref(), new.as_ref()).map_err(failed)?;
                if sealing::unlock(disk.clone(), Some(new.as_ref())).is_err() {
                    sealing::rotate(disk.as_ref(), old.as_ref(), new.as_ref()).map_err(failed)?;
                }
                format!("{} opens {} from now on", new.id(), data.display())
            }
        };
        writeln!(io::stdout().lock(), "{said}")?;
        Ok(Exit::Done)
    }
}
