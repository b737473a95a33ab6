//! What is asked of the keyring, and by whom: on threads that may block, since every change is some
//! milliseconds of disk, and apart from reads of history, which must not wait for that.

use florin_core::keyring::{self, Held};
use florin_core::{Database, Error};
use florin_wire::keyring::{DestroyResult, HeldKey, KeyNames, KeyringStatus};

/// A question to the keyring.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyringQuestion {
    /// A key for each name, made now if it had none.
    Make(KeyNames),
    /// What there is under names.
    Read(KeyNames),
    /// Destroys the keys of names.
    Destroy(KeyNames),
    /// How many names there are.
    Status,
}

/// The answer to a [`KeyringQuestion`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyringAnswer {
    /// One entry per name.
    Held(Vec<HeldKey>),
    /// One entry per name.
    Destroyed(Vec<DestroyResult>),
    /// How many names there are.
    Status(KeyringStatus),
}

/// Asks the keyring of a database; `by` is who asks, on record if it destroys a key.
///
/// # Errors
/// Those of the keyring.
pub(crate) fn ask(
    database: &Database,
    question: &KeyringQuestion,
    by: &str,
) -> Result<KeyringAnswer, Error> {
    Ok(match question {
        KeyringQuestion::Make(names) => {
            KeyringAnswer::Held(held(database.make_keys(&names.as_slices())?))
        }
        KeyringQuestion::Read(names) => {
            KeyringAnswer::Held(held(database.keys(&names.as_slices())?))
        }
        KeyringQuestion::Destroy(names) => {
            let results = database.destroy_keys(&names.as_slices(), by)?;
            KeyringAnswer::Destroyed(results.into_iter().map(destroyed).collect())
        }
        KeyringQuestion::Status => {
            let keyring::KeyringStatus { keys_count, destroyed_count } =
                database.keyring_status()?;
            KeyringAnswer::Status(KeyringStatus { keys_count, destroyed_count })
        }
    })
}

fn held(held: Vec<Held>) -> Vec<HeldKey> {
    let held = held.into_iter().map(|held| match held {
        Held::Key(key) => HeldKey::Key(key),
        Held::Destroyed => HeldKey::Destroyed,
        Held::Unknown => HeldKey::Unknown,
    });
    held.collect()
}

fn destroyed(result: keyring::DestroyResult) -> DestroyResult {
    match result {
        keyring::DestroyResult::Destroyed => DestroyResult::Destroyed,
        keyring::DestroyResult::AlreadyDestroyed => DestroyResult::AlreadyDestroyed,
        keyring::DestroyResult::Unknown => DestroyResult::Unknown,
    }
}
