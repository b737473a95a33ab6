//! Whom something is about, and the keys that what is about them is sealed under.
//!
//! A customer's keys are in the ledger's keyring, under `customer ID profile` and `customer ID statutory`.
//! What seals is derived from such a key and the bank's own sealing key, so that a copy of the keyring opens
//! nothing by itself. Keys are kept in memory for a minute at most: after an erasure no adapter goes on
//! longer than that.

use super::Part;
use crate::error::BankError;
use crate::id::{Customer, Id};
use florin_client::{Client, HeldKey};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// How long a key is kept in memory.
pub(super) const KEPT_MAX: Duration = Duration::from_secs(60);
/// Keys that are kept at most; when there are more, some are forgotten.
const KEYS_MAX: usize = 400_000;
const CONTEXT: &str = "florin bank 1 key of a subject";

/// Whom something is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Subject {
    /// Nobody: the bank's own.
    Bank,
    /// A customer.
    Customer(Id<Customer>),
}

pub(super) type Secret = Zeroizing<[u8; 32]>;

/// The keys of subjects.
pub struct SubjectKeys {
    client: Client,
    kept: Mutex<HashMap<(Id<Customer>, Part), Kept>>,
}

struct Kept {
    /// `None`: it is destroyed, or there never was one.
    secret: Option<Secret>,
    until: Instant,
}

impl fmt::Debug for SubjectKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectKeys(..)")
    }
}

impl SubjectKeys {
    pub(super) fn new(client: Client) -> SubjectKeys {
        SubjectKeys { client, kept: Mutex::default() }
    }

    /// A customer's key; `None` if it is destroyed, or was never made. Asks the ledger if it is not in
    /// memory.
    pub(super) async fn key(
        &self,
        subject: Subject,
        part: Part,
    ) -> Result<Option<Secret>, BankError> {
        let Subject::Customer(customer) = subject else {
            unreachable!("the bank's is in the tree")
        };
        let now = Instant::now();
        if let Some(kept) = self.kept().get(&(customer, part)).filter(|kept| now < kept.until) {
            return Ok(kept.secret.clone());
        }
        let name = name_of(customer, part);
        let held = self.client.keys(&[name.as_bytes()]).await?.pop();
        let secret = held.map_or(Err(BankError::KeyMissing), secret_of)?;
        self.keep(customer, part, secret.clone(), now);
        Ok(secret)
    }

    pub(super) async fn make(&self, subject: Subject) -> Result<(), BankError> {
        let Subject::Customer(customer) = subject else { return Ok(()) };
        let names = [Part::Profile, Part::Statutory].map(|part| name_of(customer, part));
        let held = self.client.make_keys(&[names[0].as_bytes(), names[1].as_bytes()]).await?;
        let now = Instant::now();
        for (part, held) in [Part::Profile, Part::Statutory].into_iter().zip(held) {
            self.keep(customer, part, secret_of(held)?, now);
        }
        Ok(())
    }

    pub(super) async fn destroy(&self, subject: Subject, part: Part) -> Result<(), BankError> {
        let Subject::Customer(customer) = subject else { unreachable!("the bank's key stays") };
        let name = name_of(customer, part);
        self.client.destroy_keys(&[name.as_bytes()]).await?;
        self.kept().remove(&(customer, part));
        Ok(())
    }

    /// Asks the ledger for a customer's keys the next time.
    pub(super) fn forget(&self, customer: Id<Customer>) {
        let mut kept = self.kept();
        kept.remove(&(customer, Part::Profile));
        kept.remove(&(customer, Part::Statutory));
    }

    fn keep(&self, customer: Id<Customer>, part: Part, secret: Option<Secret>, now: Instant) {
        let mut kept = self.kept();
        if KEYS_MAX <= kept.len() {
            kept.retain(|_, kept| now < kept.until);
            let surplus: Vec<_> = kept.keys().take(kept.len() / 8).copied().collect();
            if KEYS_MAX <= kept.len() {
                surplus.iter().for_each(|key| drop(kept.remove(key)));
            }
        }
        kept.insert((customer, part), Kept { secret, until: now + KEPT_MAX });
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<(Id<Customer>, Part), Kept>> {
        // Every change under the lock is whole.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What seals for a subject: its key under a version of the bank's own, so that neither does by itself.
pub(super) fn derived(sealing: &[u8; 32], key: &[u8; 32]) -> Secret {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher.update(sealing).update(key);
    Zeroizing::new(*hasher.finalize().as_bytes())
}

/// A key; `None` if it is destroyed. One that never was, of a subject of whom something is sealed, is a keyring that
/// is not this bank's, or an older copy: nothing may be taken for erased because of it.
fn secret_of(held: HeldKey) -> Result<Option<Secret>, BankError> {
    match held {
        HeldKey::Key(key) => Ok(Some(key)),
        HeldKey::Destroyed => Ok(None),
        HeldKey::Unknown => Err(BankError::KeyMissing),
    }
}

fn name_of(customer: Id<Customer>, part: Part) -> String {
    format!("customer {customer} {}", part.name())
}
