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
//!     40      …  sealed under the bucket's key: for each name, rising, its length (1), state (1: 1 a key,
//!                2 destroyed), the key (32, zeros if it is destroyed) and the name
//!      …     16  seal of that, which covers the head, too
//! ```
//! All little-endian. A bucket key seals once, as number 0.

use super::root::BucketPlace;
use super::{BUCKETS, Held, NAME_BYTES_MAX};
use crate::sealing::{SEAL_BYTES, SealingKey};
use florin_keys::{Secret, Zeroizing};
use std::collections::BTreeMap;
use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

const MAGIC: [u8; 8] = *b"FLORINKB";
const VERSION: u32 = 1;
const KEY: u8 = 1;
const DESTROYED: u8 = 2;
/// Bytes of an entry before its name.
const ENTRY_HEAD_BYTES: usize = 34;

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
const _: () = assert!(NAME_BYTES_MAX <= 255);

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
    entries: BTreeMap<Vec<u8>, Entry>,
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
    pub(super) fn get(&self, name: &[u8]) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// # Panics
    /// If the name's key is destroyed: it gets no other.
    pub(super) fn set(&mut self, name: &[u8], entry: Entry) {
        let before = self.entries.insert(name.to_vec(), entry);
        assert!(!matches!(before, Some(Entry::Destroyed)), "what is destroyed stays so");
    }

    /// The file.
    pub(super) fn sealed(&self, incarnation: u128, bucket: u16, place: &BucketPlace) -> Vec<u8> {
        let head = head(incarnation, bucket, place.number);
        // Reserved at once: a buffer that grew would leave copies of keys behind.
        let bytes = self.entries.keys().map(|name| ENTRY_HEAD_BYTES + name.len()).sum();
        let mut entries = Vec::with_capacity(bytes);
        for (name, entry) in &self.entries {
            let (state, key) = match entry {
                Entry::Key(key) => (KEY, key.as_slice()),
                Entry::Destroyed => (DESTROYED, &[0; 32][..]),
            };
            entries.push(u8::try_from(name.len()).expect("names are short"));
            entries.push(state);
            entries.extend_from_slice(key);
            entries.extend_from_slice(name);
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

    fn decoded(mut bytes: &[u8]) -> Option<Bucket> {
        let mut bucket = Bucket::default();
        while !bytes.is_empty() {
            let (head, rest) = bytes.split_first_chunk::<ENTRY_HEAD_BYTES>()?;
            let (&length, head) = head.split_first()?;
            let (&state, key) = head.split_first()?;
            let (name, rest) = rest.split_at_checked(usize::from(length))?;
            let entry = match state {
                KEY => Entry::Key(Zeroizing::new(*key.as_array::<32>()?)),
                DESTROYED => Entry::Destroyed,
                _ => return None,
            };
            bucket.entries.insert(name.to_vec(), entry);
            bytes = rest;
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
