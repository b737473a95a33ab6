//! Who says that a backup is what it is: ed25519 over the manifest.

use crate::error::{Error, ErrorKind};
use ed25519_dalek::pkcs8::DecodePrivateKey;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use std::fmt;

/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;

/// The half of a key that checks signatures.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(pub [u8; 32]);

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl PublicKey {
    /// Whether its other half has signed this.
    #[must_use]
    pub fn has_signed(&self, bytes: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        let Ok(key) = VerifyingKey::from_bytes(&self.0) else { return false };
        key.verify_strict(bytes, &Signature::from_bytes(signature)).is_ok()
    }
}

/// Why bytes are not what somebody has signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NotSigned {
    /// They are too few for a key and a signature.
    TooShort,
    /// Nobody of those who are trusted has signed them.
    Stranger,
}

/// What one of these keys has signed: the bytes before [`Signer::seal`] put the key and the signature there.
///
/// # Errors
/// [`NotSigned`].
pub(super) fn unsealed<'a>(bytes: &'a [u8], trusted: &[PublicKey]) -> Result<&'a [u8], NotSigned> {
    let (signed, signature) = bytes.split_last_chunk().ok_or(NotSigned::TooShort)?;
    let (content, public) = signed.split_last_chunk().ok_or(NotSigned::TooShort)?;
    let public = PublicKey(*public);
    let is_signed = trusted.contains(&public) && public.has_signed(signed, signature);
    if is_signed { Ok(content) } else { Err(NotSigned::Stranger) }
}

/// The half of a key that signs. Wiped when it is dropped.
#[derive(Clone)]
pub struct Signer(SigningKey);

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer(of {})", self.public())
    }
}

impl Signer {
    /// The key of this seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Signer {
        Signer(SigningKey::from_bytes(seed))
    }

    /// Puts the public key behind what is signed, and the signature of all that behind it.
    pub(super) fn seal(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.public().0);
        let signature = self.sign(bytes);
        bytes.extend_from_slice(&signature);
    }

    /// The key of a PEM file (PKCS #8), as `florin keys generate` writes it.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if it holds no ed25519 key.
    pub fn from_pem(pem: &str) -> Result<Signer, Error> {
        SigningKey::from_pkcs8_pem(pem)
            .map(Signer)
            .map_err(|error| Error::new(ErrorKind::Invalid, format!("no ed25519 key: {error}")))
    }

    /// What its signatures are checked with.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> [u8; SIGNATURE_BYTES] {
        self.0.sign(bytes).to_bytes()
    }
}
