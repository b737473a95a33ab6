//! What the keyring knows a name by: its hash under a key that follows from the database key.
//!
//! The same name has the same hash in every copy of the keyring and in the log, so that what the log
//! says is destroyed is found in a copy that does not know it yet. Who has not the database key can't
//! try names: they are customers' numbers, and there are not many.

use florin_keys::Zeroizing;
use std::fmt;

/// The hash of a name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NameHash(pub(crate) [u8; 32]);

impl fmt::Debug for NameHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NameHash")
    }
}

/// What names are hashed under.
pub(super) struct NamingKey(Zeroizing<[u8; 32]>);

impl NamingKey {
    pub(super) fn new(key: Zeroizing<[u8; 32]>) -> NamingKey {
        NamingKey(key)
    }

    pub(super) fn hash(&self, name: &[u8]) -> NameHash {
        NameHash(blake3::keyed_hash(&self.0, name).into())
    }
}

impl NameHash {
    /// The bucket that the name is in, the same in every copy.
    pub(super) fn bucket(self) -> u16 {
        let [low, high, ..] = self.0;
        u16::from_le_bytes([low, high]) % super::BUCKETS
    }
}

/// How many keys there are, and which names are destroyed: of those their number and the sum of the
/// first halves of their hashes, so that two sets can be compared in whatever order they come.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Tally {
    pub(super) keys_count: u64,
    pub(super) destroyed: DestroyedSum,
}

/// Of a set of destroyed names.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct DestroyedSum {
    pub(super) count: u64,
    pub(super) sum: u128,
}

impl DestroyedSum {
    pub(super) fn add(&mut self, name: NameHash) {
        let (half, _) = name.0.split_first_chunk::<16>().expect("a hash has 32 bytes");
        self.count += 1;
        self.sum = self.sum.wrapping_add(u128::from_le_bytes(*half));
    }
}
