//! Which key-encryption key opens an encrypted data directory: the flags that all commands share.

use crate::exit::Failure;
use clap::Args;
use florin_keys::{FileKey, KeyEncryptionKey, KeyError, TokenKey, TokenOptions};
use std::path::PathBuf;
use std::sync::Arc;

/// The flags that name a key: a file, or a key in a token.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct KeyArguments {
    /// The key file of an encrypted database
    #[arg(long, value_name = "FILE", conflicts_with = "pkcs11_module")]
    key_file: Option<PathBuf>,

    /// The PKCS#11 library of the token that has the key of an encrypted database
    #[arg(long, value_name = "SO", requires_all = ["pkcs11_token", "pkcs11_key", "pkcs11_pin_file"])]
    pkcs11_module: Option<PathBuf>,

    /// The token's label
    #[arg(long, value_name = "LABEL", requires = "pkcs11_module")]
    pkcs11_token: Option<String>,

    /// The key's label in the token
    #[arg(long, value_name = "LABEL", requires = "pkcs11_module")]
    pkcs11_key: Option<String>,

    /// A file with the token's PIN, which only its owner can read
    #[arg(long, value_name = "FILE", requires = "pkcs11_module")]
    pkcs11_pin_file: Option<PathBuf>,
}

/// The same for the key that is to be used from now on.
#[derive(Args, Clone, Debug)]
pub(crate) struct NewKeyArguments {
    /// The key file to wrap with from now on
    #[arg(long, value_name = "FILE", conflicts_with = "new_pkcs11_module")]
    new_key_file: Option<PathBuf>,

    /// The PKCS#11 library of the token whose key is to wrap from now on
    #[arg(long, value_name = "SO", requires_all = ["new_pkcs11_token", "new_pkcs11_key", "new_pkcs11_pin_file"])]
    new_pkcs11_module: Option<PathBuf>,

    /// That token's label
    #[arg(long, value_name = "LABEL", requires = "new_pkcs11_module")]
    new_pkcs11_token: Option<String>,

    /// That key's label
    #[arg(long, value_name = "LABEL", requires = "new_pkcs11_module")]
    new_pkcs11_key: Option<String>,

    /// A file with that token's PIN
    #[arg(long, value_name = "FILE", requires = "new_pkcs11_module")]
    new_pkcs11_pin_file: Option<PathBuf>,
}

/// The same for the key that a copy of a keyring was made under.
#[derive(Args, Clone, Debug)]
pub(crate) struct KeyringKeyArguments {
    /// The key file that the copy of the keyring was made under, if it is another than the backup's
    #[arg(long, value_name = "FILE", conflicts_with = "keyring_pkcs11_module")]
    keyring_key_file: Option<PathBuf>,

    /// The PKCS#11 library of the token that has that key
    #[arg(long, value_name = "SO", requires_all = ["keyring_pkcs11_token", "keyring_pkcs11_key", "keyring_pkcs11_pin_file"])]
    keyring_pkcs11_module: Option<PathBuf>,

    /// That token's label
    #[arg(long, value_name = "LABEL", requires = "keyring_pkcs11_module")]
    keyring_pkcs11_token: Option<String>,

    /// That key's label
    #[arg(long, value_name = "LABEL", requires = "keyring_pkcs11_module")]
    keyring_pkcs11_key: Option<String>,

    /// A file with that token's PIN
    #[arg(long, value_name = "FILE", requires = "keyring_pkcs11_module")]
    keyring_pkcs11_pin_file: Option<PathBuf>,
}

impl From<&KeyringKeyArguments> for KeyArguments {
    fn from(keyring: &KeyringKeyArguments) -> KeyArguments {
        KeyArguments {
            key_file: keyring.keyring_key_file.clone(),
            pkcs11_module: keyring.keyring_pkcs11_module.clone(),
            pkcs11_token: keyring.keyring_pkcs11_token.clone(),
            pkcs11_key: keyring.keyring_pkcs11_key.clone(),
            pkcs11_pin_file: keyring.keyring_pkcs11_pin_file.clone(),
        }
    }
}

/// The same for the root key of a bank.
#[derive(Args, Clone, Debug)]
pub(crate) struct RootKeyArguments {
    /// The bank's root key, in a file that `florin kek generate` made
    #[arg(long, value_name = "FILE", conflicts_with = "root_pkcs11_module")]
    root_key_file: Option<PathBuf>,

    /// The PKCS#11 library of the token that has the bank's root key
    #[arg(long, value_name = "SO", requires_all = ["root_pkcs11_token", "root_pkcs11_key", "root_pkcs11_pin_file"])]
    root_pkcs11_module: Option<PathBuf>,

    /// That token's label
    #[arg(long, value_name = "LABEL", requires = "root_pkcs11_module")]
    root_pkcs11_token: Option<String>,

    /// That key's label
    #[arg(long, value_name = "LABEL", requires = "root_pkcs11_module")]
    root_pkcs11_key: Option<String>,

    /// A file with that token's PIN
    #[arg(long, value_name = "FILE", requires = "root_pkcs11_module")]
    root_pkcs11_pin_file: Option<PathBuf>,
}

impl RootKeyArguments {
    /// The key.
    ///
    /// # Errors
    /// If none is named, or it can't be used.
    pub(crate) fn required(&self) -> Result<Arc<dyn KeyEncryptionKey>, Failure> {
        let arguments = KeyArguments {
            key_file: self.root_key_file.clone(),
            pkcs11_module: self.root_pkcs11_module.clone(),
            pkcs11_token: self.root_pkcs11_token.clone(),
            pkcs11_key: self.root_pkcs11_key.clone(),
            pkcs11_pin_file: self.root_pkcs11_pin_file.clone(),
        };
        arguments.open()?.ok_or_else(|| {
            let message = "name the bank's root key: --root-key-file FILE, or --root-pkcs11-module \
                           SO and its labels";
            Failure::usage(message)
        })
    }
}

impl KeyArguments {
    /// The key; `None` if none is named.
    ///
    /// # Errors
    /// If it can't be used.
    pub(crate) fn open(&self) -> Result<Option<Arc<dyn KeyEncryptionKey>>, Failure> {
        if let Some(path) = &self.key_file {
            return Ok(Some(Arc::new(FileKey::open(path).map_err(unavailable)?)));
        }
        match self.token() {
            Some(options) => Ok(Some(Arc::new(TokenKey::open(options).map_err(unavailable)?))),
            None => Ok(None),
        }
    }

    /// The key that a command can't do without.
    ///
    /// # Errors
    /// If none is named, or it can't be used.
    pub(crate) fn required(&self) -> Result<Arc<dyn KeyEncryptionKey>, Failure> {
        self.open()?.ok_or_else(|| {
            Failure::usage("name the key: --key-file FILE, or --pkcs11-module SO and its labels")
        })
    }

    /// A server has opened its directory already.
    ///
    /// # Errors
    /// If a key is named.
    pub(crate) fn check_absent(&self) -> Result<(), Failure> {
        if self.key_file.is_none() && self.pkcs11_module.is_none() {
            return Ok(());
        }
        Err(Failure::usage("a key opens a directory: name it with --data, or leave the key out"))
    }

    /// The key in a token, if one is named.
    pub(crate) fn token(&self) -> Option<TokenOptions> {
        Some(TokenOptions {
            module: self.pkcs11_module.clone()?,
            token: self.pkcs11_token.clone()?,
            key: self.pkcs11_key.clone()?,
            pin_file: self.pkcs11_pin_file.clone()?,
        })
    }
}

impl From<&NewKeyArguments> for KeyArguments {
    fn from(new: &NewKeyArguments) -> KeyArguments {
        KeyArguments {
            key_file: new.new_key_file.clone(),
            pkcs11_module: new.new_pkcs11_module.clone(),
            pkcs11_token: new.new_pkcs11_token.clone(),
            pkcs11_key: new.new_pkcs11_key.clone(),
            pkcs11_pin_file: new.new_pkcs11_pin_file.clone(),
        }
    }
}

/// A key that can't be used is in the way of whatever was asked.
pub(crate) fn unavailable(error: KeyError) -> Failure {
    Failure::unavailable(error.to_string())
}
