//! Bodies of the keyring: names, and what becomes of their keys.
//!
//! ```text
//! name      0  1 bytes of the name | 1    name; a request holds names on end
//! held      0  1 what | 1 32 key, zeros unless there is one               = 33 a name
//!           what 0: there never was a key, 1: a key, 2: it is destroyed
//! result    0  1 what                                                      = 1 a name
//!           what 1: destroyed now, 2: destroyed before, 3: there never was one
//! status    0  8 names with a key | 8  8 names whose key is destroyed      = 16
//! ```
//! All little-endian. Answers hold as many items as the request has names, in its order.
//!
//! Keys are wiped from memory when they are dropped, and nothing here prints a key or a name.

use crate::error::{DecodeError, Reason};
use crate::frame::HEADER_BYTES;
use crate::limits::{FRAME_BYTES_MAX, KEYRING_NAME_BYTES_MAX, KEYRING_NAMES_MAX};
use bytes::{BufMut, Bytes, BytesMut};
use core::fmt;
use zeroize::Zeroizing;

/// Bytes of what a name holds in an answer.
pub const HELD_BYTES: usize = 33;
/// Bytes of a status.
const STATUS_BYTES: usize = 16;

const _: () = assert!(KEYRING_NAME_BYTES_MAX <= 255);
const _: () = assert!(
    HEADER_BYTES + KEYRING_NAMES_MAX * (1 + KEYRING_NAME_BYTES_MAX) <= FRAME_BYTES_MAX,
    "as many names as a request may have fit a frame"
);

const NONE: u8 = 0;
const KEY: u8 = 1;
const DESTROYED: u8 = 2;

/// Names of keys. They are customers' numbers, as a rule: `Debug` tells how many.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyNames(pub Vec<Vec<u8>>);

impl fmt::Debug for KeyNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} names", self.0.len())
    }
}

impl KeyNames {
    /// The names as the engine takes them.
    #[must_use]
    pub fn as_slices(&self) -> Vec<&[u8]> {
        self.0.iter().map(Vec::as_slice).collect()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What there is under a name.
#[derive(Clone, PartialEq, Eq)]
pub enum HeldKey {
    /// There never was a key.
    Unknown,
    /// A key.
    Key(Zeroizing<[u8; 32]>),
    /// Its key is destroyed, and it gets no other.
    Destroyed,
}

impl fmt::Debug for HeldKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HeldKey::Unknown => "Unknown",
            HeldKey::Key(_) => "Key(secret)",
            HeldKey::Destroyed => "Destroyed",
        })
    }
}

/// What became of the wish to destroy a name's key. In every case there is none now, and never will
/// be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DestroyResult {
    /// There was a key.
    Destroyed,
    /// It was destroyed before.
    AlreadyDestroyed,
    /// There never was one.
    Unknown,
}

impl DestroyResult {
    /// Every result, in order of numbers.
    pub const ALL: &'static [DestroyResult] =
        &[DestroyResult::Destroyed, DestroyResult::AlreadyDestroyed, DestroyResult::Unknown];

    /// The number that the wire uses; it never changes.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            DestroyResult::Destroyed => 1,
            DestroyResult::AlreadyDestroyed => 2,
            DestroyResult::Unknown => 3,
        }
    }

    /// The name that messages use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            DestroyResult::Destroyed => "destroyed",
            DestroyResult::AlreadyDestroyed => "already_destroyed",
            DestroyResult::Unknown => "unknown",
        }
    }
}

/// How many names a keyring has.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct KeyringStatus {
    /// Those that have a key.
    pub keys_count: u64,
    /// Those whose keys are destroyed.
    pub destroyed_count: u64,
}

/// Appends names.
///
/// # Panics
/// If one is longer than 255 bytes: whoever asks has been told so before.
pub fn write_names(names: &KeyNames, out: &mut BytesMut) {
    for name in &names.0 {
        out.put_u8(u8::try_from(name.len()).expect("names are short"));
        out.put_slice(name);
    }
}

/// Names as a body.
#[must_use]
pub fn names_to_bytes(names: &KeyNames) -> Bytes {
    let mut out = BytesMut::new();
    write_names(names, &mut out);
    out.freeze()
}

/// The names of a body.
///
/// # Errors
/// If the last one ends too soon. Their lengths are for whoever is asked to judge.
pub fn decode_names(body: &[u8]) -> Result<KeyNames, DecodeError> {
    let mut names = Vec::new();
    let mut rest = body;
    while let Some((length, behind)) = rest.split_first() {
        let too_short = DecodeError::new(body.len(), Reason::TooShort);
        let (name, behind) = behind.split_at_checked(usize::from(*length)).ok_or(too_short)?;
        names.push(name.to_vec());
        rest = behind;
    }
    Ok(KeyNames(names))
}

/// Appends what names hold.
pub fn write_held(held: &[HeldKey], out: &mut BytesMut) {
    // Reserved at once: a buffer that grew would leave copies of keys behind.
    out.reserve(held.len() * HELD_BYTES);
    for held in held {
        let (what, key) = match held {
            HeldKey::Unknown => (NONE, &[0; 32]),
            HeldKey::Key(key) => (KEY, &**key),
            HeldKey::Destroyed => (DESTROYED, &[0; 32]),
        };
        out.put_u8(what);
        out.put_slice(key);
    }
}

/// What a body says names hold.
///
/// # Errors
/// If it is ragged, a number names nothing, or a key is where there is none.
pub fn decode_held(body: &[u8]) -> Result<Vec<HeldKey>, DecodeError> {
    let (items, rest) = body.as_chunks::<HELD_BYTES>();
    if !rest.is_empty() {
        let reason = Reason::Ragged { item_bytes: HELD_BYTES };
        return Err(DecodeError::new(body.len() - rest.len(), reason));
    }
    let held = items.iter().enumerate().map(|(index, [what, key @ ..])| {
        let offset = index * HELD_BYTES;
        match *what {
            KEY => Ok(HeldKey::Key(Zeroizing::new(*key))),
            NONE | DESTROYED if *key != [0; 32] => {
                Err(DecodeError::new(offset + 1, Reason::NotZero))
            }
            NONE => Ok(HeldKey::Unknown),
            DESTROYED => Ok(HeldKey::Destroyed),
            _ => Err(DecodeError::new(offset, Reason::Unknown)),
        }
    });
    held.collect()
}

/// Appends results.
pub fn write_results(results: &[DestroyResult], out: &mut BytesMut) {
    results.iter().for_each(|result| out.put_u8(result.number()));
}

/// The results of a body.
///
/// # Errors
/// If a number names nothing.
pub fn decode_results(body: &[u8]) -> Result<Vec<DestroyResult>, DecodeError> {
    let result = |(offset, number): (usize, &u8)| {
        let known = DestroyResult::ALL.iter().find(|result| result.number() == *number);
        known.copied().ok_or(DecodeError::new(offset, Reason::Unknown))
    };
    body.iter().enumerate().map(result).collect()
}

/// Appends a status.
pub fn write_status(status: &KeyringStatus, out: &mut BytesMut) {
    out.put_u64_le(status.keys_count);
    out.put_u64_le(status.destroyed_count);
}

/// The status of a body.
///
/// # Errors
/// If it has another length.
pub fn decode_status(body: &[u8]) -> Result<KeyringStatus, DecodeError> {
    let too_short = DecodeError::new(body.len(), Reason::TooShort);
    let (keys_count, rest) = body.split_first_chunk::<8>().ok_or(too_short)?;
    let (destroyed_count, rest) = rest.split_first_chunk::<8>().ok_or(too_short)?;
    if !rest.is_empty() {
        return Err(DecodeError::new(STATUS_BYTES, Reason::TooLong));
    }
    Ok(KeyringStatus {
        keys_count: u64::from_le_bytes(*keys_count),
        destroyed_count: u64::from_le_bytes(*destroyed_count),
    })
}
