//! What a client asks of the keyring: keys that must be destroyable.

use crate::client::Client;
use crate::error::ClientError;
use crate::keyring_call::{AskKeyringStatus, DestroyKeys, MakeKeys, ReadKeys};
use florin_wire::RefusalKind;
use florin_wire::keyring::{DestroyResult, HeldKey, KeyNames, KeyringStatus};
use florin_wire::limits::{KEYRING_NAME_BYTES_MAX, KEYRING_NAMES_MAX};

impl Client {
    /// The key of each name, made now for those that had none, or that it is destroyed: never
    /// [`HeldKey::Unknown`]. Returns when they are durable. Sent again, by this client or its caller, it
    /// gets the same keys.
    ///
    /// # Errors
    /// See [`ClientError`]; names that are too many (1,024), empty or longer than 128 bytes are refused
    /// before they are sent.
    pub async fn make_keys(&self, names: &[&[u8]]) -> Result<Vec<HeldKey>, ClientError> {
        self.ask(&MakeKeys(checked(names)?)).await
    }

    /// What there is under names.
    ///
    /// # Errors
    /// As [`Client::make_keys`].
    pub async fn keys(&self, names: &[&[u8]]) -> Result<Vec<HeldKey>, ClientError> {
        self.ask(&ReadKeys(checked(names)?)).await
    }

    /// Destroys the keys of names, for ever; names that never had one get none any more. Returns when
    /// nothing in the server's data directory opens them any more. Sent again after a lost answer, by
    /// this client or its caller, it is answered [`DestroyResult::AlreadyDestroyed`].
    ///
    /// # Errors
    /// As [`Client::make_keys`].
    pub async fn destroy_keys(&self, names: &[&[u8]]) -> Result<Vec<DestroyResult>, ClientError> {
        self.ask(&DestroyKeys(checked(names)?)).await
    }

    /// How many names the keyring has.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn keyring_status(&self) -> Result<KeyringStatus, ClientError> {
        self.ask(&AskKeyringStatus).await
    }
}

fn checked(names: &[&[u8]]) -> Result<KeyNames, ClientError> {
    let refused = |kind, message| Err(ClientError::Refused { kind, message });
    if KEYRING_NAMES_MAX < names.len() {
        let message = format!(
            "a request takes at most {KEYRING_NAMES_MAX} names, this one has {}: split it",
            names.len()
        );
        return refused(RefusalKind::TooLarge, message);
    }
    let fits = |name: &&[u8]| (1..=KEYRING_NAME_BYTES_MAX).contains(&name.len());
    if !names.iter().all(fits) {
        let message = format!("a name has 1 to {KEYRING_NAME_BYTES_MAX} bytes");
        return refused(RefusalKind::Invalid, message);
    }
    Ok(KeyNames(names.iter().map(|name| name.to_vec()).collect()))
}
