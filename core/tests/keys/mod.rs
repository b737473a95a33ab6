//! A key-encryption key for tests: it wraps, and hides nothing.

use florin_keys::{KeyEncryptionKey, KeyError, Secret};

/// Wraps by turning bits. Another one of the same id unwraps to another database key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TestKey {
    pub(crate) id: &'static str,
    pub(crate) bits: u8,
}

impl TestKey {
    pub(crate) const A: TestKey = TestKey { id: "test:a", bits: 0x55 };
}

impl KeyEncryptionKey for TestKey {
    fn id(&self) -> &str {
        self.id
    }

    fn wrap(&self, secret: &[u8; 32]) -> Result<Vec<u8>, KeyError> {
        Ok(secret.map(|byte| byte ^ self.bits).to_vec())
    }

    fn unwrap(&self, wrapped: &[u8]) -> Result<Secret, KeyError> {
        let wrong = || KeyError::WrongKey { id: self.id.to_owned() };
        let wrapped: [u8; 32] = wrapped.try_into().map_err(|_| wrong())?;
        Ok(wrapped.map(|byte| byte ^ self.bits).into())
    }
}
