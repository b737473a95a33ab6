//! The file `database_key`: the database key as the key-encryption key has wrapped it.
//!
//! ```text
//! offset  bytes  field
//!      0      8  magic, "FLORINDK"
//!      8      4  version, 1
//!     12      2  bytes of the id
//!     14      2  bytes of the wrapped key
//!     16     16  incarnation of the database
//!     32     32  check value of the database key
//!     64     32  BLAKE3 of bytes 0..64 and of all from 96 on
//!     96      …  id of the key-encryption key, UTF-8; then the wrapped key
//! ```
//! All little-endian. The file is valid if and only if
//! 1. magic and version are these, its length is 96 and the two lengths that it says;
//! 2. its BLAKE3 is right, and the id is UTF-8.
//!
//! Valid but not to be unwrapped, or unwrapped to something with another check value: the
//! key-encryption key is a wrong one. The check value is derived from the database key by HKDF.

use florin_keys::{ID_BYTES_MAX, WRAPPED_BYTES_MAX};
use zerocopy::little_endian::{U16, U32, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The file's name in the data directory.
pub const FILE_NAME: &str = "database_key";
/// Its name while it is being written.
pub const PARTIAL_NAME: &str = "database_key.partial";
/// Bytes of the file at most.
pub(super) const FILE_BYTES_MAX: usize = HEAD_BYTES + ID_BYTES_MAX + WRAPPED_BYTES_MAX;

const MAGIC: [u8; 8] = *b"FLORINDK";
const VERSION: u32 = 1;
const HEAD_BYTES: usize = 96;
const CHECKED_BYTES: usize = 64;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct HeadLayout {
    magic: [u8; 8],
    version: U32,
    id_bytes: U16,
    wrapped_bytes: U16,
    incarnation: U128,
    check: [u8; 32],
    checksum: [u8; 32],
}

const _: () = assert!(size_of::<HeadLayout>() == HEAD_BYTES);
const _: () = assert!(std::mem::offset_of!(HeadLayout, checksum) == CHECKED_BYTES);

/// What the file says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WrappedKey {
    /// The database that the database key is of.
    pub incarnation: u128,
    /// What [`super::DatabaseKey::check`] gives for the right database key.
    pub check: [u8; 32],
    /// Names the key-encryption key.
    pub id: String,
    /// For the key-encryption key to unwrap.
    pub wrapped: Vec<u8>,
}

/// Why bytes are no such file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WrappedError {
    /// Not what was written.
    #[error("it is damaged")]
    Damaged,
    /// Written by another version of this program.
    #[error("it has version {0}, this program reads version 1")]
    Version(u32),
}

impl WrappedKey {
    /// The file.
    ///
    /// # Panics
    /// If id or wrapped key are longer than a key-encryption key may make them.
    #[must_use]
    pub fn encoded(&self) -> Vec<u8> {
        assert!(self.id.len() <= ID_BYTES_MAX, "an id is short");
        assert!(self.wrapped.len() <= WRAPPED_BYTES_MAX, "a wrapped key is short");
        let length = |bytes: usize| U16::new(u16::try_from(bytes).expect("it is short"));
        let tail = [self.id.as_bytes(), &self.wrapped].concat();
        let mut head = HeadLayout {
            magic: MAGIC,
            version: VERSION.into(),
            id_bytes: length(self.id.len()),
            wrapped_bytes: length(self.wrapped.len()),
            incarnation: self.incarnation.into(),
            check: self.check,
            checksum: [0; 32],
        };
        head.checksum = checksum(&head, &tail);
        [head.as_bytes(), &tail].concat()
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`WrappedError`].
    pub fn decoded(file: &[u8]) -> Result<WrappedKey, WrappedError> {
        let (head, tail) = HeadLayout::ref_from_prefix(file).map_err(|_| WrappedError::Damaged)?;
        if head.magic != MAGIC || head.checksum != checksum(head, tail) {
            return Err(WrappedError::Damaged);
        }
        if head.version.get() != VERSION {
            return Err(WrappedError::Version(head.version.get()));
        }
        let (id_bytes, wrapped_bytes) =
            (usize::from(head.id_bytes.get()), usize::from(head.wrapped_bytes.get()));
        let (id, wrapped) = tail.split_at_checked(id_bytes).ok_or(WrappedError::Damaged)?;
        if wrapped.len() != wrapped_bytes
            || ID_BYTES_MAX < id_bytes
            || WRAPPED_BYTES_MAX < wrapped_bytes
        {
            return Err(WrappedError::Damaged);
        }
        let id = std::str::from_utf8(id).map_err(|_| WrappedError::Damaged)?;
        Ok(WrappedKey {
            incarnation: head.incarnation.get(),
            check: head.check,
            id: id.to_owned(),
            wrapped: wrapped.to_vec(),
        })
    }
}

fn checksum(head: &HeadLayout, tail: &[u8]) -> [u8; 32] {
    let (checked, _) = head.as_bytes().split_at(CHECKED_BYTES);
    let mut hasher = blake3::Hasher::new();
    hasher.update(checked);
    hasher.update(tail);
    hasher.finalize().into()
}
