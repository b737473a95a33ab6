//! A key as JSON, the value of its document. Its key in the table is the public key's 32 bytes.
//!
//! ```json
//! {"version": 1, "name": "shop", "roles": ["read", "write"], "ledgers": [840]}
//! ```

use crate::key::{ClientKey, KeyLimits};
use crate::limits::{KEY_NAME_BYTES_MAX, KEY_SCOPE_MAX};
use florin_ledger::LedgerId;
use florin_wire::{PublicKey, Role, Roles};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::num::{NonZeroU32, NonZeroU64};

/// What a key's document says. A field that this version does not know makes it unreadable, because
/// it may be a limit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyDocument {
    /// Of this form: 1.
    pub version: u32,
    /// For people; unique among the keys that are not revoked.
    pub name: String,
    /// Names of roles.
    pub roles: Vec<String>,
    /// See [`KeyLimits::ledgers`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledgers: Option<BTreeSet<u32>>,
    /// See [`KeyLimits::tables`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tables: Option<BTreeSet<u16>>,
    /// See [`KeyLimits::requests_per_second`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_second: Option<NonZeroU32>,
    /// See [`KeyLimits::bytes_per_second`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<NonZeroU64>,
    /// See [`KeyLimits::connections_max`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<u32>,
    /// A key that may not come in any more. It stays, so that its name in old records means
    /// something, and so that nobody lets it in again by mistake.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
}

/// Why a key's document can't be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyDocumentError {
    /// Not the JSON of a key.
    #[error("not the document of a key: {0}")]
    Json(String),
    /// Written by a later version.
    #[error("the document has version {0}, this server reads version 1: use a newer server")]
    Version(u32),
    /// A name that is empty, too long, or would break a line of a log.
    #[error("a key's name has 1 to {KEY_NAME_BYTES_MAX} bytes and no control characters")]
    Name,
    /// A role that there is not.
    #[error(
        "there is no role `{0}`: the roles are read, write, stream, replicate, operate, audit, keyring"
    )]
    Role(String),
    /// A list longer than a request could ever need.
    #[error("a key is limited to at most {KEY_SCOPE_MAX} ledgers and tables")]
    Scope,
}

impl KeyDocument {
    /// Of a key that may operate a server, and nothing else.
    #[must_use]
    pub fn operator(name: &str) -> KeyDocument {
        KeyDocument {
            version: 1,
            name: String::from(name),
            roles: vec![String::from(Role::Operate.name())],
            ledgers: None,
            tables: None,
            requests_per_second: None,
            bytes_per_second: None,
            connections: None,
            revoked: false,
        }
    }

    /// The document of a value.
    ///
    /// # Errors
    /// If it is none, or says what can't be.
    pub fn decode(value: &[u8]) -> Result<KeyDocument, KeyDocumentError> {
        let document: KeyDocument = serde_json::from_slice(value)
            .map_err(|error| KeyDocumentError::Json(error.to_string()))?;
        document.check()?;
        Ok(document)
    }

    /// The value of the document.
    ///
    /// # Panics
    /// Never: what it consists of can always be written.
    #[must_use]
    pub fn encode(&self) -> String {
        serde_json::to_string(self).expect("texts, numbers and lists can be written")
    }

    /// Whether everything in it can be.
    ///
    /// # Errors
    /// The first thing that can't.
    pub fn check(&self) -> Result<(), KeyDocumentError> {
        if self.version != 1 {
            return Err(KeyDocumentError::Version(self.version));
        }
        let name = &self.name;
        let fits = !name.is_empty() && name.len() <= KEY_NAME_BYTES_MAX;
        if !fits || name.chars().any(char::is_control) {
            return Err(KeyDocumentError::Name);
        }
        self.roles()?;
        let ledgers = self.ledgers.as_ref().map_or(0, BTreeSet::len);
        let tables = self.tables.as_ref().map_or(0, BTreeSet::len);
        if KEY_SCOPE_MAX < ledgers.max(tables) {
            return Err(KeyDocumentError::Scope);
        }
        Ok(())
    }

    /// The key that may come in; `None` if it is revoked.
    ///
    /// # Errors
    /// If the document says what can't be.
    pub fn client_key(&self, key: PublicKey) -> Result<Option<ClientKey>, KeyDocumentError> {
        self.check()?;
        if self.revoked {
            return Ok(None);
        }
        let ledgers = self.ledgers.as_ref().map(|ids| ids.iter().copied().map(LedgerId).collect());
        Ok(Some(ClientKey {
            key,
            name: self.name.clone(),
            roles: self.roles()?,
            limits: KeyLimits {
                ledgers,
                tables: self.tables.clone(),
                requests_per_second: self.requests_per_second,
                bytes_per_second: self.bytes_per_second,
                connections_max: self.connections,
            },
        }))
    }

    fn roles(&self) -> Result<Roles, KeyDocumentError> {
        let role = |name: &String| {
            Role::from_name(name).ok_or_else(|| KeyDocumentError::Role(name.clone()))
        };
        self.roles.iter().map(role).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyDocument, KeyDocumentError};
    use florin_wire::{PublicKey, Role};

    /// A limit that is passed over because nobody reads it lets a key do what it must not.
    #[test]
    fn what_is_not_understood_lets_nobody_in() {
        let decode = |text: &str| KeyDocument::decode(text.as_bytes()).unwrap_err();
        let json = |error| matches!(error, KeyDocumentError::Json(_));
        assert!(json(decode("nonsense")));
        assert!(json(decode(r#"{"version":1,"name":"a","roles":[],"only_on_mondays":true}"#)));
        assert!(json(decode(r#"{"version":1,"name":"a","roles":[],"requests_per_second":0}"#)));
        assert_eq!(decode(r#"{"version":2,"name":"a","roles":[]}"#), KeyDocumentError::Version(2));
        assert_eq!(decode(r#"{"version":1,"name":"","roles":[]}"#), KeyDocumentError::Name);
        assert_eq!(decode(r#"{"version":1,"name":"a\nb","roles":[]}"#), KeyDocumentError::Name);
        assert_eq!(
            decode(r#"{"version":1,"name":"a","roles":["root"]}"#),
            KeyDocumentError::Role(String::from("root"))
        );
    }

    #[test]
    fn a_document_says_who_may_come_in() {
        let text = r#"{"version":1,"name":"shop","roles":["write"],"ledgers":[840]}"#;
        let mut document = KeyDocument::decode(text.as_bytes()).unwrap();
        assert_eq!(document.encode(), text);
        let key = document.client_key(PublicKey([1; 32])).unwrap().unwrap();
        assert!(key.roles.contains(Role::Write) && !key.roles.contains(Role::Read));
        assert!(key.reaches_ledger(florin_ledger::LedgerId(840)));
        assert!(!key.reaches_ledger(florin_ledger::LedgerId(978)));
        assert!(key.reaches_table(7));
        document.revoked = true;
        assert_eq!(document.client_key(PublicKey([1; 32])), Ok(None));
    }
}
