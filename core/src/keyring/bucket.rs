//! A bucket of the keyring: some names, and their keys or that they are destroyed.
//!
//! ```text
//! offset  bytes  field
//!      0      8  magic, "FLORINKB"
//!      8      4  version, 1
//!     12      2  bucket
//!     14      2  zero
//!     16      8  number, as in the file's name
//!     24     16  incarnation of the database
//!     40      …  sealed under the bucket's key: for each name, rising, its hash (32), state (1: 1 a key,
//!                2 destroyed) and the key (32, zeros if it is destroyed)
//!      …     16  seal of that, which covers the head, too
//! ```
//! All little-endian. A bucket key seals once, as number 0.

use super::name::{NameHash, Tally};
use super::root::BucketPlace;
use super::{BUCKETS, Held};
use crate::sealing::{SEAL_BYTES, SealingKey};
use florin_keys::{Secret, Zeroizing};
use std::collections::BTreeMap;
use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

const MAGIC: [u8; 8] = *b"FLORINKB";
const VERSION: u32 = 1;
const KEY: u8 = 1;
const DESTROYED: u8 = 2;
/// Bytes of an entry.
const ENTRY_BYTES: usize = 65;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Head {
    magic: [u8; 8],
    version: U32,
    bucket: U16,
    reserved: U16,
    number: U64,
    incarnation: U128,
}

const _: () = assert!(size_of::<Head>() == 40);

/// What there is under a name.
pub(super) enum Entry {
    Key(Secret),
    Destroyed,
}

impl Entry {
    pub(super) fn held(&self) -> Held {
        match self {
            Entry::Key(key) => Held::Key(key.clone()),
            Entry::Destroyed => Held::Destroyed,
        }
    }
}

/// A bucket that was opened.
#[derive(Default)]
pub(super) struct Bucket {
    entries: BTreeMap<NameHash, Entry>,
}

/// The path of a bucket's file with this number.
pub(super) fn path(bucket: u16, number: u64) -> String {
    format!("{}/bucket-{bucket:04}-{number:020}", super::DIRECTORY)
}

/// Bucket and number of the file that a name is, if it is one.
pub(super) fn place_of(file: &str) -> Option<(u16, u64)> {
    let (bucket, number) = file.strip_prefix("bucket-")?.split_once('-')?;
    let (bucket, number) = (bucket.parse().ok()?, number.parse().ok()?);
    let is_name = bucket < BUCKETS && path(bucket, number).ends_with(&format!("/{file}"));
    is_name.then_some((bucket, number))
}

impl Bucket {
    pub(super) fn held(&self, name: NameHash) -> Held {
        self.entries.get(&name).map_or(Held::Unknown, Entry::held)
    }

    /// # Panics
    /// If the name's key is destroyed: it gets no other.
    pub(super) fn set(&mut self, name: NameHash, entry: Entry) {
        let before = self.entries.insert(name, entry);
        assert!(!matches!(before, Some(Entry::Destroyed)), "what is destroyed stays so");
    }

    /// Counts what is in it.
    pub(super) fn add_to(&self, tally: &mut Tally) {
        for (name, entry) in &self.entries {
            match entry {
                Entry::Key(_) => tally.keys_count += 1,
                Entry::Destroyed => tally.destroyed.add(*name),
            }
        }
    }

    /// The names whose keys are destroyed.
    pub(super) fn destroyed(&self) -> impl Iterator<Item = NameHash> + '_ {
        let is_destroyed =
            |(name, entry): (&NameHash, &Entry)| matches!(entry, Entry::Destroyed).then_some(*name);
        self.entries.iter().filter_map(is_destroyed)
    }

    /// The file.
    pub(super) fn sealed(&self, incarnation: u128, bucket: u16, place: &BucketPlace) -> Vec<u8> {
        let head = head(incarnation, bucket, place.number);
        // Reserved at once: a buffer that grew would leave copies of keys behind.
        let mut entries = Vec::with_capacity(self.entries.len() * ENTRY_BYTES);
        for (name, entry) in &self.entries {
            let (state, key) = match entry {
                Entry::Key(key) => (KEY, key.as_slice()),
                Entry::Destroyed => (DESTROYED, &[0; 32][..]),
            };
            entries.extend_from_slice(&name.0);
            entries.push(state);
            entries.extend_from_slice(key);
        }
        // Sealing is in place: no key is left in this buffer.
        let seal = SealingKey::new(&place.key).seal(0, head.as_bytes(), &mut entries);
        [head.as_bytes(), &entries, &seal].concat()
    }

    /// Opens a file; `None` if it is not what was sealed for this place.
    pub(super) fn opened(
        bytes: &[u8],
        incarnation: u128,
        bucket: u16,
        place: &BucketPlace,
    ) -> Option<Bucket> {
        let (clear, rest) = bytes.split_at_checked(size_of::<Head>())?;
        let (entries, seal) = rest.split_last_chunk::<SEAL_BYTES>()?;
        let mut entries = Zeroizing::new(entries.to_vec());
        let is_whole = *clear == *head(incarnation, bucket, place.number).as_bytes()
            && SealingKey::new(&place.key).open(0, clear, seal, &mut entries);
        if is_whole { Bucket::decoded(&entries) } else { None }
    }

    fn decoded(bytes: &[u8]) -> Option<Bucket> {
        let (entries, []) = bytes.as_chunks::<ENTRY_BYTES>() else { return None };
        let mut bucket = Bucket::default();
        for entry in entries {
            let (name, rest) = entry.split_first_chunk::<32>()?;
            let (&state, key) = rest.split_first()?;
            let entry = match state {
                KEY => Entry::Key(Zeroizing::new(*key.as_array::<32>()?)),
                DESTROYED => Entry::Destroyed,
                _ => return None,
            };
            bucket.entries.insert(NameHash(*name), entry);
        }
        Some(bucket)
    }
}

fn head(incarnation: u128, bucket: u16, number: u64) -> Head {
    Head {
        magic: MAGIC,
        version: VERSION.into(),
        bucket: bucket.into(),
        reserved: U16::ZERO,
        number: number.into(),
        incarnation: incarnation.into(),
    }
}
