//! The key that a client proves.

use crate::error::ConnectError;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use ed25519_dalek::{Signer, SigningKey};
use florin_wire::{Proof, PublicKey, Transcript};
use std::fmt;

/// An ed25519 key pair. Forgotten (its memory overwritten) when dropped.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// A new key.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn generate() -> Result<SecretKey, ConnectError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| ConnectError::Randomness(error.to_string()))?;
        Ok(SecretKey(SigningKey::from_bytes(&seed)))
    }

    /// The key of a PEM file (PKCS #8), as `florin keys generate` and `openssl genpkey -algorithm
    /// ed25519` write it.
    ///
    /// # Errors
    /// If it holds no ed25519 key.
    pub fn from_pem(pem: &str) -> Result<SecretKey, ConnectError> {
        let key = SigningKey::from_pkcs8_pem(pem)
            .map_err(|error| ConnectError::SecretKey(error.to_string()))?;
        Ok(SecretKey(key))
    }

    /// The key as [`SecretKey::from_pem`] reads it. Whoever reads it is you.
    ///
    /// # Errors
    /// If it can't be written so.
    pub fn to_pem(&self) -> Result<String, ConnectError> {
        let pem = self
            .0
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|error| ConnectError::SecretKey(error.to_string()))?;
        Ok(String::from(pem.as_str()))
    }

    /// The half that the server's operator is given.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    pub(crate) fn prove(&self, transcript: &Transcript<'_>) -> Proof {
        let signature = self.0.sign(&transcript.to_bytes()).to_bytes();
        Proof { key: self.public(), signature }
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::SecretKey;
    use crate::error::ConnectError;

    #[test]
    fn a_key_survives_its_file() {
        let key = SecretKey::generate().unwrap();
        let again = SecretKey::from_pem(&key.to_pem().unwrap()).unwrap();
        assert_eq!(again.public(), key.public());
        assert_ne!(SecretKey::generate().unwrap().public(), key.public());
        let error = SecretKey::from_pem("nonsense").unwrap_err();
        assert!(matches!(error, ConnectError::SecretKey(_)), "{error}");
    }

    /// The key of RFC 8410, 10.3: what other programs write is read, and gives its public key.
    #[test]
    fn what_other_programs_write_is_read() {
        let pem = "-----BEGIN PRIVATE KEY-----\n\
                   MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                   -----END PRIVATE KEY-----\n";
        let key = SecretKey::from_pem(pem).unwrap();
        assert_eq!(
            key.public().to_string(),
            "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"
        );
    }

    /// A log that prints its options must not print the key.
    #[test]
    fn a_key_is_not_printed() {
        let key = SecretKey::generate().unwrap();
        assert_eq!(format!("{key:?}"), format!("SecretKey(of {})", key.public()));
    }
}
