//! Keys in a file: a JSON object that gives each public key its document. For an operator to keep
//! beside the certificate; the server reads it again when it changes.

use crate::key::ClientKey;
use crate::key_document::{KeyDocument, KeyDocumentError};
use crate::limits::{KEY_FILE_BYTES_MAX, KEYS_MAX};
use florin_wire::PublicKey;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The documents of a file of keys.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct KeyFile(BTreeMap<PublicKey, KeyDocument>);

/// Why a file of keys can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It can't be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds something else.
    #[error("{} is no file of keys: {reason}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// One of the documents says what can't be.
    #[error("{}: the key {key}: {source}", path.display())]
    Document {
        /// Which file.
        path: PathBuf,
        /// Which key.
        key: PublicKey,
        /// Why.
        source: KeyDocumentError,
    },
}

impl KeyFile {
    /// Reads a file.
    ///
    /// # Errors
    /// If it can't be read, or anything in it can't be used: a file that is understood in part may
    /// let in whom it should not.
    pub fn read(path: &Path) -> Result<KeyFile, KeyFileError> {
        let content = |reason: String| KeyFileError::Content { path: path.to_path_buf(), reason };
        let io = |source| KeyFileError::Io { path: path.to_path_buf(), source };
        let file = File::open(path).map_err(io)?;
        let mut text = String::new();
        file.take(KEY_FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(io)?;
        if KEY_FILE_BYTES_MAX < u64::try_from(text.len()).expect("lengths fit 64 bits") {
            return Err(content(format!("it is longer than {KEY_FILE_BYTES_MAX} bytes")));
        }
        let named: BTreeMap<String, KeyDocument> =
            serde_json::from_str(&text).map_err(|error| content(error.to_string()))?;
        if KEYS_MAX < named.len() {
            return Err(content(format!("it has more than {KEYS_MAX} keys")));
        }
        let mut keys = BTreeMap::new();
        for (key, document) in named {
            let key: PublicKey = key.parse().map_err(|error| content(format!("{key}: {error}")))?;
            document.check().map_err(|source| KeyFileError::Document {
                path: path.to_path_buf(),
                key,
                source,
            })?;
            keys.insert(key, document);
        }
        Ok(KeyFile(keys))
    }

    /// Writes a file in the place of what was there, whole or not at all.
    ///
    /// # Errors
    /// If it can't be written; what was there stays.
    pub fn write(&self, path: &Path) -> Result<(), KeyFileError> {
        let io = |source| KeyFileError::Io { path: path.to_path_buf(), source };
        let named: BTreeMap<String, &KeyDocument> =
            self.0.iter().map(|(key, document)| (key.to_string(), document)).collect();
        let mut text =
            serde_json::to_string_pretty(&named).expect("texts, numbers and lists can be written");
        text.push('\n');
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let mut file = File::create(&partial).map_err(io)?;
        file.write_all(text.as_bytes()).map_err(io)?;
        file.sync_all().map_err(io)?;
        fs::rename(&partial, path).map_err(io)
    }

    /// Every key with its document, in order of keys.
    pub fn iter(&self) -> impl Iterator<Item = (PublicKey, &KeyDocument)> {
        self.0.iter().map(|(key, document)| (*key, document))
    }

    /// The document of a key, `None` if there is none.
    #[must_use]
    pub fn document(&self, key: PublicKey) -> Option<&KeyDocument> {
        self.0.get(&key)
    }

    /// Gives a key a document.
    pub fn put(&mut self, key: PublicKey, document: KeyDocument) {
        self.0.insert(key, document);
    }

    /// The keys that may come in.
    ///
    /// # Panics
    /// If a document was put that [`KeyDocument::check`] refuses.
    #[must_use]
    pub fn client_keys(&self) -> Vec<ClientKey> {
        let key = |(key, document): (&PublicKey, &KeyDocument)| {
            document.client_key(*key).expect("every document was checked")
        };
        self.0.iter().filter_map(key).collect()
    }
}
