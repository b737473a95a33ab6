//! The key that a server signs with.

use core::fmt;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use ed25519_dalek::{Signer, VerifyingKey};

/// An ed25519 key pair. Its memory is overwritten when it is dropped, and nothing prints it.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

/// The half that everybody may have.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey(pub [u8; 32]);

/// A signature.
pub type Signature = [u8; 64];

/// Why a file holds no key, in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyFileError(String);

impl SigningKey {
    /// The key of a random seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> SigningKey {
        SigningKey(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The key of a PEM file (PKCS #8).
    ///
    /// # Errors
    /// If it holds no ed25519 key.
    pub fn from_pem(pem: &str) -> Result<SigningKey, KeyFileError> {
        let key = ed25519_dalek::SigningKey::from_pkcs8_pem(pem);
        key.map(SigningKey).map_err(|error| KeyFileError(error.to_string()))
    }

    /// The key as [`SigningKey::from_pem`] reads it. Whoever reads it signs for the bank.
    ///
    /// # Errors
    /// If it can't be written so.
    pub fn to_pem(&self) -> Result<String, KeyFileError> {
        let pem = self.0.to_pkcs8_pem(LineEnding::LF);
        pem.map(|pem| String::from(pem.as_str())).map_err(|error| KeyFileError(error.to_string()))
    }

    /// The half that verifies.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs a message. The same message is always signed alike.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        self.0.sign(message).to_bytes()
    }
}

impl PublicKey {
    /// Whether a message was signed so with this key.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &Signature) -> bool {
        let Ok(key) = VerifyingKey::from_bytes(&self.0) else { return false };
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        key.verify_strict(message, &signature).is_ok()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {})", self.public())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for KeyFileError {}
