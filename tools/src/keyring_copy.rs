//! Which copy of a keyring is restored, and what opens it.

use crate::backup::failure;
use crate::exit::Failure;
use crate::key::{KeyArguments, KeyringKeyArguments};
use crate::store;
use clap::Args;
use florin_core::backup::PublicKey;
use florin_core::backup::keyring::{self, KeyringCopy};
use florin_core::clock::{Clock, SystemClock};
use florin_keys::KeyEncryptionKey;
use std::sync::Arc;

/// Where the copy of a keyring comes from.
#[derive(Args, Clone, Debug)]
pub(crate) struct KeyringFrom {
    /// Where copies of the keyring lie, a directory or s3://BUCKET/PREFIX: the newest of the life that is restored is taken
    #[arg(long, value_name = "LOCATION")]
    pub(crate) keyring: Option<String>,

    /// The copy to take: where another life of the bank has a newer one, or a clock was wrong
    #[arg(long, value_name = "NAME", requires = "keyring")]
    keyring_copy: Option<String>,

    #[command(flatten)]
    keyring_key: KeyringKeyArguments,
}

/// A copy, and the key that it was made under if it was named.
pub(crate) struct ChosenKeyring {
    pub(crate) copy: Option<KeyringCopy>,
    pub(crate) key: Option<Arc<dyn KeyEncryptionKey>>,
}

impl KeyringFrom {
    /// Reads the copy for a life of a bank; none if no location is named.
    pub(crate) fn choose(
        &self,
        (birth, incarnation): (u128, u128),
        signers: &[PublicKey],
    ) -> Result<ChosenKeyring, Failure> {
        let copy = match &self.keyring {
            Some(location) => {
                Some(chosen(location, &self.keyring_copy, (birth, incarnation), signers)?)
            }
            None => None,
        };
        let key = KeyArguments::from(&self.keyring_key).open()?;
        if copy.is_none() && key.is_some() {
            return Err(Failure::usage(
                "the key of a copy was given, and no copy: name it with --keyring",
            ));
        }
        Ok(ChosenKeyring { copy, key })
    }
}

/// The copy of this name, or the newest of a life.
pub(crate) fn chosen(
    location: &str,
    name: &Option<String>,
    (birth, incarnation): (u128, u128),
    signers: &[PublicKey],
) -> Result<KeyringCopy, Failure> {
    let store = store::open(location)?;
    let found = match name {
        Some(name) => keyring::read(store.as_ref(), name, signers).map(Some),
        None => {
            let now = SystemClock::new().now();
            keyring::newest(store.as_ref(), birth, incarnation, signers, now)
        }
    };
    match found.map_err(failure)? {
        Some((_, copy)) => Ok(copy),
        None => {
            Err(Failure::unavailable(format!("there is no copy of this keyring in {location}")))
        }
    }
}
