//! The key of one place, and what sealing with it gives.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::fmt;
use std::sync::Arc;

/// Bytes of a seal: the tag of AES-GCM.
pub const SEAL_BYTES: usize = 16;

/// What is stored beside sealed bytes, and opens them only as they were.
pub type Seal = [u8; SEAL_BYTES];

/// The sealing key of one place; clones share it. Whoever seals keeps count: **no number twice**.
#[derive(Clone)]
pub struct SealingKey {
    key: Arc<LessSafeKey>,
    /// Names the key to the tests that look for a number used twice.
    #[cfg(test)]
    name: [u8; 32],
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(secret)")
    }
}

impl SealingKey {
    pub(crate) fn new(secret: &[u8; 32]) -> SealingKey {
        let key = UnboundKey::new(&AES_256_GCM, secret).expect("a key has 32 bytes");
        SealingKey {
            key: Arc::new(LessSafeKey::new(key)),
            #[cfg(test)]
            name: *blake3::hash(secret).as_bytes(),
        }
    }

    /// Seals `bytes` in place. The seal covers `context` too, which is stored elsewhere.
    ///
    /// # Panics
    /// If `bytes` are more than AES-GCM takes, 64 GiB.
    pub fn seal(&self, number: u64, context: &[u8], bytes: &mut [u8]) -> Seal {
        #[cfg(test)]
        super::tests::numbers::used(self.name, number);
        let sealed = self.key.seal_in_place_separate_tag(nonce(number), Aad::from(context), bytes);
        let tag = sealed.expect("what is sealed fits memory");
        tag.as_ref().try_into().expect("a tag of AES-GCM has 16 bytes")
    }

    /// Opens `bytes` in place. `false` if they are not what was sealed under this number, in this
    /// context; `bytes` are of no use then.
    #[must_use]
    pub fn open(&self, number: u64, context: &[u8], seal: &Seal, bytes: &mut [u8]) -> bool {
        self.key.open_in_place_separate_tag(nonce(number), Aad::from(context), seal, bytes).is_ok()
    }
}

fn nonce(number: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}
