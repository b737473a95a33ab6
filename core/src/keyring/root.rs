//! The root of the keyring: which file of each bucket counts, the key that opens it, and how many
//! names there are.
//!
//! ```text
//! offset  bytes  field
//!      0      8  magic, "FLORINKR"
//!      8      4  version, 1
//!     12      2  bytes of the id of the key-encryption key
//!     14      2  bytes of the wrapped root key
//!     16      8  number, as in the file's name
//!     24     16  incarnation of the database
//!     40     24  zero
//!     64      …  id, UTF-8; then the wrapped root key
//!      …      …  sealed under the root key: number of keys (8), number of destroyed names (8), sum of
//!                the first halves of their hashes (16); then for each of 4096 buckets the number of
//!                its file (8, 0 for none) and its key (32)
//!      …     16  seal of that, which covers everything before, too
//! ```
//! All little-endian. A root key seals once, as number 0.

use super::BUCKETS;
use super::name::{DestroyedSum, Tally};
use crate::sealing::{SEAL_BYTES, SealingKey};
use florin_keys::{Secret, Zeroizing};
use std::collections::BTreeMap;
use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

const MAGIC: [u8; 8] = *b"FLORINKR";
const VERSION: u32 = 1;
const PLACE_BYTES: usize = 8 + 32;
const SEALED_BYTES: usize = size_of::<TallyLayout>() + 4_096 * PLACE_BYTES;

/// What a root says in clear.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct Head {
    magic: [u8; 8],
    version: U32,
    id_bytes: U16,
    wrapped_bytes: U16,
    number: U64,
    incarnation: U128,
    reserved: [u8; 24],
}

/// What comes first of what it seals.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct TallyLayout {
    keys_count: U64,
    destroyed_count: U64,
    destroyed_sum: U128,
}

const _: () = assert!(size_of::<Head>() == 64);
const _: () = assert!(size_of::<TallyLayout>() == 32);
const _: () = assert!(BUCKETS == 4_096, "as many as the layout has");

/// Which file of a bucket counts, and what opens it.
pub(super) struct BucketPlace {
    pub(super) number: u64,
    pub(super) key: Secret,
}

/// A root that was opened.
pub(super) struct Root {
    pub(super) number: u64,
    /// Of all buckets.
    pub(super) tally: Tally,
    places: BTreeMap<u16, BucketPlace>,
}

/// The path of the root with this number.
pub(super) fn path(number: u64) -> String {
    format!("{}/root-{number:020}", super::DIRECTORY)
}

/// The number of the root that a file is, if it is one.
pub(super) fn number_of(file: &str) -> Option<u64> {
    let number = file.strip_prefix("root-")?.parse().ok()?;
    (path(number).ends_with(&format!("/{file}"))).then_some(number)
}

/// What stands in clear, and what follows; `None` if it is no root of this version.
pub(super) fn split(bytes: &[u8]) -> Option<(&Head, &[u8])> {
    let (head, rest) = Head::ref_from_prefix(bytes).ok()?;
    let is_root = head.magic == MAGIC && head.version.get() == VERSION && head.reserved == [0; 24];
    is_root.then_some((head, rest))
}

impl Head {
    pub(super) fn incarnation(&self) -> u128 {
        self.incarnation.get()
    }

    /// Names the key-encryption key.
    pub(super) fn kek_id<'a>(&self, rest: &'a [u8]) -> Option<&'a str> {
        std::str::from_utf8(rest.get(..usize::from(self.id_bytes.get()))?).ok()
    }

    /// For the key-encryption key to unwrap.
    pub(super) fn wrapped<'a>(&self, rest: &'a [u8]) -> Option<&'a [u8]> {
        let start = usize::from(self.id_bytes.get());
        rest.get(start..start + usize::from(self.wrapped_bytes.get()))
    }

    fn clear_bytes(&self) -> usize {
        size_of::<Head>() + usize::from(self.id_bytes.get()) + usize::from(self.wrapped_bytes.get())
    }
}

impl Root {
    /// No bucket yet.
    pub(super) fn empty(number: u64) -> Root {
        Root { number, tally: Tally::default(), places: BTreeMap::new() }
    }

    pub(super) fn place(&self, bucket: u16) -> Option<&BucketPlace> {
        self.places.get(&bucket)
    }

    pub(super) fn set_place(&mut self, bucket: u16, place: BucketPlace) {
        assert!(bucket < BUCKETS && place.number == self.number);
        self.places.insert(bucket, place);
    }

    /// The files that count.
    pub(super) fn places(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        self.places.iter().map(|(bucket, place)| (*bucket, place.number))
    }

    /// The file.
    pub(super) fn sealed(
        &self,
        incarnation: u128,
        id: &str,
        wrapped: &[u8],
        key: &Secret,
    ) -> Vec<u8> {
        let length = |bytes: usize| U16::new(u16::try_from(bytes).expect("it is short"));
        let head = Head {
            magic: MAGIC,
            version: VERSION.into(),
            id_bytes: length(id.len()),
            wrapped_bytes: length(wrapped.len()),
            number: self.number.into(),
            incarnation: incarnation.into(),
            reserved: [0; 24],
        };
        let clear = [head.as_bytes(), id.as_bytes(), wrapped].concat();
        let tally = TallyLayout {
            keys_count: self.tally.keys_count.into(),
            destroyed_count: self.tally.destroyed.count.into(),
            destroyed_sum: self.tally.destroyed.sum.into(),
        };
        let mut table = vec![0; SEALED_BYTES];
        let (counts, places) = table.split_at_mut(size_of::<TallyLayout>());
        counts.copy_from_slice(tally.as_bytes());
        let (slots, _) = places.as_chunks_mut::<PLACE_BYTES>();
        for (bucket, place) in &self.places {
            let slot = &mut slots[usize::from(*bucket)];
            slot[..8].copy_from_slice(&place.number.to_le_bytes());
            slot[8..].copy_from_slice(place.key.as_slice());
        }
        let seal = SealingKey::new(key).seal(0, &clear, &mut table);
        [&clear[..], &table, &seal].concat()
    }

    /// Opens the file with this number; `None` if it is not what was sealed under this key.
    pub(super) fn opened(bytes: &[u8], number: u64, key: &Secret) -> Option<Root> {
        let (head, _) = split(bytes)?;
        let (clear, rest) = bytes.split_at_checked(head.clear_bytes())?;
        let (table, seal) = rest.split_last_chunk::<SEAL_BYTES>()?;
        let mut table = Zeroizing::new(table.to_vec());
        let is_whole = table.len() == SEALED_BYTES
            && head.number.get() == number
            && SealingKey::new(key).open(0, clear, seal, &mut table);
        if !is_whole {
            return None;
        }
        let mut root = Root::empty(number);
        let (tally, places) = TallyLayout::ref_from_prefix(&table).ok()?;
        root.tally.keys_count = tally.keys_count.get();
        root.tally.destroyed =
            DestroyedSum { count: tally.destroyed_count.get(), sum: tally.destroyed_sum.get() };
        let (slots, _) = places.as_chunks::<PLACE_BYTES>();
        for (bucket, slot) in (0..).zip(slots) {
            let (file, secret) = slot.split_first_chunk::<8>()?;
            let file = u64::from_le_bytes(*file);
            if file != 0 {
                let key = Zeroizing::new(*secret.as_array::<32>()?);
                root.places.insert(bucket, BucketPlace { number: file, key });
            }
        }
        Some(root)
    }
}
