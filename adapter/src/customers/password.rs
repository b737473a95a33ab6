//! Passwords: hashed by Argon2id, with a key of the bank mixed in that no copy of the ledger has, in a few
//! threads of their own, so that a flood of logins slows down logins alone.

use crate::error::BankError;
use crate::vault::{Purpose, Vault};
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

/// Characters of a password.
const CHARACTERS_MIN: usize = 12;
/// More bytes than this are not hashed: they are no password.
pub(super) const PASSWORD_BYTES_MAX: usize = 512;
/// OWASP's minimum: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1_024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Logins that wait for a thread; more are told to come again later.
const WAITING_MAX: usize = 64;

/// Why a password can't be taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too short.
    #[error("a password has at least {CHARACTERS_MIN} characters")]
    TooShort,
    /// Too long.
    #[error("a password has at most {PASSWORD_BYTES_MAX} bytes")]
    TooLong,
}

/// A password that may be chosen.
pub struct Password(Zeroizing<String>);

impl Password {
    /// What somebody wants as a password.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub fn new(password: String) -> Result<Password, PasswordError> {
        let password = Zeroizing::new(password);
        if PASSWORD_BYTES_MAX < password.len() {
            return Err(PasswordError::TooLong);
        }
        if password.chars().count() < CHARACTERS_MIN {
            return Err(PasswordError::TooShort);
        }
        Ok(Password(password))
    }
}

/// Nothing: it is a secret.
impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// A hash as it is stored: with which version of the bank's key, and in the PHC's format.
#[derive(Clone, Serialize, Deserialize)]
pub struct HashedPassword {
    key: u8,
    hash: String,
}

/// Hashes passwords, and checks them.
#[derive(Clone)]
pub struct Passwords(Arc<Inner>);

struct Inner {
    vault: Vault,
    params: Params,
    /// What is checked where there is nothing to check, so that it takes as long.
    nobodys: HashedPassword,
    threads: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    hashed_count: AtomicU64,
}

/// A place among those whose password is looked at.
pub struct Waiting {
    _place: OwnedSemaphorePermit,
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passwords(..)")
    }
}

impl Passwords {
    /// Hashing with the bank's key, on so many threads.
    ///
    /// # Panics
    /// If the costs above are unsound.
    #[must_use]
    pub fn new(vault: Vault, threads_count: usize) -> Passwords {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("they are sound");
        let nobodys = hashed(&vault, &params, b"nobody has this password");
        Passwords(Arc::new(Inner {
            vault,
            params,
            nobodys,
            threads: Arc::new(Semaphore::new(threads_count.max(1))),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            hashed_count: AtomicU64::new(0),
        }))
    }

    /// How often something was hashed since the adapter started: as often for strangers as for customers.
    #[must_use]
    pub fn hashed_count(&self) -> u64 {
        self.0.hashed_count.load(Ordering::SeqCst)
    }

    /// How many are being looked at, or wait for it.
    #[must_use]
    pub fn waiting_count(&self) -> u64 {
        let waiting = WAITING_MAX.saturating_sub(self.0.waiting.available_permits());
        u64::try_from(waiting).unwrap_or(u64::MAX)
    }

    /// A place in the queue: had before anything is counted, so that a flood locks nobody out.
    ///
    /// # Errors
    /// [`BankError::Busy`].
    pub fn queue(&self) -> Result<Waiting, BankError> {
        let waiting = Arc::clone(&self.0.waiting).try_acquire_owned();
        waiting.map(|place| Waiting { _place: place }).map_err(|_| BankError::Busy)
    }

    /// The hash of a new password.
    ///
    /// # Errors
    /// [`BankError::Busy`].
    pub async fn hash(&self, Password(password): Password) -> Result<HashedPassword, BankError> {
        let inner = Arc::clone(&self.0);
        let waiting = self.queue()?;
        self.on_a_thread(waiting, move || hashed(&inner.vault, &inner.params, password.as_bytes()))
            .await
    }

    /// Whether a password is that of a hash; without a hash it is not, which takes as long.
    ///
    /// # Errors
    /// [`BankError::Busy`].
    pub async fn is_of(
        &self,
        waiting: Waiting,
        password: Zeroizing<String>,
        hash: Option<HashedPassword>,
    ) -> Result<bool, BankError> {
        let inner = Arc::clone(&self.0);
        self.on_a_thread(waiting, move || {
            let is_somebodys = hash.is_some();
            let HashedPassword { key, hash } = hash.as_ref().unwrap_or(&inner.nobodys);
            let pepper = inner.vault.tree().version(Purpose::Passwords, *key);
            let (Some(pepper), Ok(hash)) = (pepper, PasswordHash::new(hash)) else { return false };
            let argon2 = argon2(&pepper, &inner.params);
            argon2.verify_password(password.as_bytes(), &hash).is_ok() && is_somebodys
        })
        .await
    }

    async fn on_a_thread<T: Send + 'static>(
        &self,
        waiting: Waiting,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, BankError> {
        let thread = Arc::clone(&self.0.threads).acquire_owned().await;
        let thread = thread.map_err(|_| BankError::Busy)?;
        self.0.hashed_count.fetch_add(1, Ordering::SeqCst);
        let hashing = tokio::task::spawn_blocking(move || {
            let done = work();
            drop((thread, waiting));
            done
        });
        hashing.await.map_err(|_| BankError::Busy)
    }
}

fn argon2<'a>(pepper: &'a [u8; 32], params: &Params) -> Argon2<'a> {
    Argon2::new_with_secret(pepper, Algorithm::Argon2id, Version::V0x13, params.clone())
        .expect("a key of 32 bytes is sound")
}

fn hashed(vault: &Vault, params: &Params, password: &[u8]) -> HashedPassword {
    let (key, pepper) = vault.tree().newest(Purpose::Passwords);
    let salt: [u8; 16] = crate::random::bytes();
    let hash = argon2(&pepper, params).hash_password_with_salt(password, &salt);
    HashedPassword { key, hash: hash.expect("salt and costs are sound").to_string() }
}
