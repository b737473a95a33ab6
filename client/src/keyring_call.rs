//! Questions to the keyring, over both paths as those in [`crate::call`].

use crate::call::Call;
#[cfg(feature = "embedded")]
use crate::embedded::Task;
use bytes::Bytes;
#[cfg(feature = "embedded")]
use florin_core::keyring as core;
use florin_wire::keyring::{self, DestroyResult, HeldKey, KeyNames, KeyringStatus};
use florin_wire::{DecodeError, Operation, Reason};

/// Who destroys keys through an engine in this process.
#[cfg(feature = "embedded")]
const IN_PROCESS: &str = "in process";

pub(crate) struct MakeKeys(pub(crate) KeyNames);

impl Call for MakeKeys {
    type Answer = Vec<HeldKey>;
    const OPERATION: Operation = Operation::MakeKeys;

    fn body(&self) -> Bytes {
        keyring::names_to_bytes(&self.0)
    }

    fn decode(&self, body: &[u8]) -> Result<Vec<HeldKey>, DecodeError> {
        let held = exactly(self.0.len(), keyring::decode_held(body)?)?;
        // A name that was to get a key has one, or had.
        match held.iter().position(|held| *held == HeldKey::Unknown) {
            Some(index) => Err(DecodeError::new(index * keyring::HELD_BYTES, Reason::Unknown)),
            None => Ok(held),
        }
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<Vec<HeldKey>>, florin_core::Error> {
        let names = self.0.clone();
        Ok(Task::Read(Box::new(move |database| Ok(held(database.make_keys(&names.as_slices())?)))))
    }
}

pub(crate) struct ReadKeys(pub(crate) KeyNames);

impl Call for ReadKeys {
    type Answer = Vec<HeldKey>;
    const OPERATION: Operation = Operation::ReadKeys;

    fn body(&self) -> Bytes {
        keyring::names_to_bytes(&self.0)
    }

    fn decode(&self, body: &[u8]) -> Result<Vec<HeldKey>, DecodeError> {
        exactly(self.0.len(), keyring::decode_held(body)?)
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<Vec<HeldKey>>, florin_core::Error> {
        let names = self.0.clone();
        Ok(Task::Read(Box::new(move |database| Ok(held(database.keys(&names.as_slices())?)))))
    }
}

pub(crate) struct DestroyKeys(pub(crate) KeyNames);

impl Call for DestroyKeys {
    type Answer = Vec<DestroyResult>;
    const OPERATION: Operation = Operation::DestroyKeys;

    fn body(&self) -> Bytes {
        keyring::names_to_bytes(&self.0)
    }

    fn decode(&self, body: &[u8]) -> Result<Vec<DestroyResult>, DecodeError> {
        exactly(self.0.len(), keyring::decode_results(body)?)
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<Vec<DestroyResult>>, florin_core::Error> {
        let names = self.0.clone();
        Ok(Task::Read(Box::new(move |database| {
            let results = database.destroy_keys(&names.as_slices(), IN_PROCESS)?;
            Ok(results.into_iter().map(destroyed).collect())
        })))
    }
}

pub(crate) struct AskKeyringStatus;

impl Call for AskKeyringStatus {
    type Answer = KeyringStatus;
    const OPERATION: Operation = Operation::KeyringStatus;

    fn body(&self) -> Bytes {
        Bytes::new()
    }

    fn decode(&self, body: &[u8]) -> Result<KeyringStatus, DecodeError> {
        keyring::decode_status(body)
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<KeyringStatus>, florin_core::Error> {
        Ok(Task::Read(Box::new(|database| {
            let core::KeyringStatus { keys_count, destroyed_count } = database.keyring_status()?;
            Ok(KeyringStatus { keys_count, destroyed_count })
        })))
    }
}

fn exactly<T>(expected: usize, items: Vec<T>) -> Result<Vec<T>, DecodeError> {
    if items.len() == expected {
        return Ok(items);
    }
    Err(DecodeError::new(0, Reason::WrongCount { expected }))
}

#[cfg(feature = "embedded")]
fn held(held: Vec<core::Held>) -> Vec<HeldKey> {
    let held = held.into_iter().map(|held| match held {
        core::Held::Key(key) => HeldKey::Key(key),
        core::Held::Destroyed => HeldKey::Destroyed,
        core::Held::Unknown => HeldKey::Unknown,
    });
    held.collect()
}

#[cfg(feature = "embedded")]
fn destroyed(result: core::DestroyResult) -> DestroyResult {
    match result {
        core::DestroyResult::Destroyed => DestroyResult::Destroyed,
        core::DestroyResult::AlreadyDestroyed => DestroyResult::AlreadyDestroyed,
        core::DestroyResult::Unknown => DestroyResult::Unknown,
    }
}
