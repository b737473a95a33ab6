//! What a backup is: the objects that it is made of, what they add up to, and a signature.
//!
//! ```text
//! offset  bytes  field
//!      0      8  magic, "FLORINBM"
//!      8      4  version, 1
//!     12      4  objects, from 1
//!     16     16  birth: the name that the segments have
//!     32     16  incarnation of the life that was backed up
//!     48      8  epoch that wrote the end
//!     56      8  bytes of a segment
//!     64      8  end: position after the last frame
//!     72      8  sequence number of the next frame
//!     80     32  chain hash there
//!    112      8  recorded time of the last frame
//!    120      8  created: by the clock of whoever made the backup
//!    128      2  flags: 1 = the log is encrypted, 2 = the objects are sealed under a key of the backup
//!    130      2  bytes of the wrapped key, 0 without either
//!    132      4  zero
//!    136      …  wrapped key, as the file `database_key`: of the database, or of the backup
//!      …    112  for each object: segment (8), epoch (8), bytes of the contents (8), bytes stored (8),
//!                BLAKE3 of what is stored (32), then of its end: position (8), sequence number of the
//!                next frame (8), chain hash (32)
//!      …     32  public key
//!      …     64  signature over everything before
//! ```
//! All little-endian. Bytes are a manifest if and only if
//!
//! 1. they are as many as the fields above say, magic, version and zeros are as above, no other flag is
//!    set and not both are, and there is a wrapped key just when one is;
//! 2. objects are of the segments 0, 1, 2 and so on; epochs do not fall; each ends in its own segment,
//!    behind its header, with as many bytes as its end is from the segment's start; sequence numbers rise;
//! 3. the last object's end is the manifest's;
//! 4. the signature is right under the public key.

use super::name;
use super::signature::{NotSigned, PublicKey, Signer, unsealed};
use crate::limits::BACKUP_OBJECTS_MAX;
use crate::log::geometry::SEGMENT_HEADER_BYTES;
use crate::log::{FramePosition, Geometry};
use florin_ledger::{Lsn, Timestamp};
use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

const MAGIC: [u8; 8] = *b"FLORINBM";
const VERSION: u32 = 1;
const FLAG_LOG_SEALED: u16 = 1;
const FLAG_OBJECTS_SEALED: u16 = 2;
const WRAPPED_BYTES_MAX: usize = 2_048;

/// What a backup is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Manifest {
    /// The name that the segments have.
    pub birth: u128,
    /// The life that was backed up.
    pub incarnation: u128,
    /// The opening that wrote the end.
    pub epoch: u64,
    /// How the log is divided.
    pub geometry: Geometry,
    /// The end of the log as it is in this backup.
    pub end: FramePosition,
    /// The recorded time of the last frame: all that was recorded before is in this backup.
    pub time: Timestamp,
    /// When it was made, by the clock of whoever did.
    pub created: Timestamp,
    /// What the objects are sealed under, and what opens it.
    pub sealing: Sealed,
    /// One for each segment, in order.
    pub objects: Vec<ObjectEntry>,
}

/// What the contents of a backup are sealed under.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Sealed {
    /// Nothing: whoever has the objects reads them.
    No,
    /// The database's own key, as the file `database_key` has it.
    ByDatabase(Vec<u8>),
    /// A key of the backup, wrapped the same way.
    ByBackup(Vec<u8>),
}

impl Sealed {
    /// Whether what was stored under this can lie beside what is stored under the other. The database's
    /// key stays the same, whatever wraps it.
    pub(super) fn is_same_key(&self, other: &Sealed) -> bool {
        match (self, other) {
            (Sealed::ByDatabase(_), Sealed::ByDatabase(_)) => true,
            (this, other) => this == other,
        }
    }
}

/// A segment, or the part of it that was durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ObjectEntry {
    /// Its number.
    pub number: u64,
    /// The opening that wrote it.
    pub epoch: u64,
    /// From the segment's start to the end of its last frame.
    pub content_bytes: u64,
    /// Bytes of the object.
    pub stored_bytes: u64,
    /// BLAKE3 of the object.
    pub hash: [u8; 32],
    /// The end of its last frame.
    pub end: FramePosition,
}

/// Why bytes are no manifest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ManifestError {
    /// They are not what was written.
    #[error("it is damaged")]
    Damaged,
    /// Another version of this program wrote them.
    #[error("it has version {0}, this program reads version 1: use the version that wrote it")]
    Version(u32),
    /// The signature is another's, or of something else.
    #[error("its signature is not that of the key that it was to be signed by")]
    Signature,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct HeadLayout {
    magic: [u8; 8],
    version: U32,
    objects_count: U32,
    birth: U128,
    incarnation: U128,
    epoch: U64,
    segment_bytes: U64,
    end: U64,
    sequence: U64,
    chain: [u8; 32],
    time: U64,
    created: U64,
    flags: U16,
    wrapped_bytes: U16,
    zero: U32,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct EntryLayout {
    number: U64,
    epoch: U64,
    content_bytes: U64,
    stored_bytes: U64,
    hash: [u8; 32],
    end: U64,
    sequence: U64,
    chain: [u8; 32],
}

const _: () = assert!(size_of::<HeadLayout>() == 136);
const _: () = assert!(size_of::<EntryLayout>() == 112);

impl Manifest {
    /// Until when it knows what was recorded. In a bank where nothing happens that is when it was made; if
    /// the clock of whoever made it was behind, when the last frame was.
    #[must_use]
    pub fn knows_until(&self) -> Timestamp {
        self.time.max(self.created)
    }

    /// Its name, given its bytes.
    #[must_use]
    pub fn name(&self, bytes: &[u8]) -> String {
        let hash = *blake3::hash(bytes).as_bytes();
        name::manifest(self.incarnation, self.end.lsn, self.created, &hash)
    }

    /// The name of one of its objects.
    #[must_use]
    pub fn object_name(&self, entry: &ObjectEntry) -> String {
        name::object(self.incarnation, entry.epoch, entry.number, &entry.hash)
    }

    /// Where the frames of an object begin: at the end of the one before.
    #[must_use]
    pub fn start_of(&self, index: usize) -> FramePosition {
        match index.checked_sub(1).and_then(|before| self.objects.get(before)) {
            Some(before) => before.end,
            None => FramePosition::GENESIS,
        }
    }

    /// Its bytes, signed.
    ///
    /// # Panics
    /// If it is none: see the head of the module.
    #[must_use]
    pub fn encoded(&self, signer: &Signer) -> Vec<u8> {
        assert!(self.is_sound(), "a manifest lists a log");
        let (flags, wrapped): (u16, &[u8]) = match &self.sealing {
            Sealed::No => (0, &[]),
            Sealed::ByDatabase(wrapped) => (FLAG_LOG_SEALED, wrapped),
            Sealed::ByBackup(wrapped) => (FLAG_OBJECTS_SEALED, wrapped),
        };
        let head = HeadLayout {
            magic: MAGIC,
            version: VERSION.into(),
            objects_count: u32::try_from(self.objects.len()).expect("they are few").into(),
            birth: self.birth.into(),
            incarnation: self.incarnation.into(),
            epoch: self.epoch.into(),
            segment_bytes: self.geometry.segment_bytes().into(),
            end: self.end.lsn.0.into(),
            sequence: self.end.sequence.into(),
            chain: self.end.chain,
            time: self.time.0.into(),
            created: self.created.0.into(),
            flags: flags.into(),
            wrapped_bytes: u16::try_from(wrapped.len()).expect("a wrapped key is short").into(),
            zero: 0.into(),
        };
        let mut bytes = [head.as_bytes(), wrapped].concat();
        for entry in &self.objects {
            bytes.extend_from_slice(EntryLayout::of(entry).as_bytes());
        }
        signer.seal(&mut bytes);
        bytes
    }

    /// Reads a manifest that one of these keys must have signed. Any bytes are answered.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn decoded(bytes: &[u8], trusted: &[PublicKey]) -> Result<Manifest, ManifestError> {
        let damaged = ManifestError::Damaged;
        let (head, _) = HeadLayout::ref_from_prefix(bytes).map_err(|_| damaged)?;
        if head.magic != MAGIC {
            return Err(damaged);
        }
        if head.version.get() != VERSION {
            return Err(ManifestError::Version(head.version.get()));
        }
        let content = unsealed(bytes, trusted).map_err(|wrong| match wrong {
            NotSigned::TooShort => damaged,
            NotSigned::Stranger => ManifestError::Signature,
        })?;
        let rest = content.get(size_of::<HeadLayout>()..).ok_or(damaged)?;
        let wrapped_bytes = usize::from(head.wrapped_bytes.get());
        let (wrapped, entries) = rest.split_at_checked(wrapped_bytes).ok_or(damaged)?;
        let entries = <[EntryLayout]>::ref_from_bytes(entries).map_err(|_| damaged)?;
        let manifest = head.manifest(wrapped, entries).ok_or(damaged)?;
        if manifest.is_sound() { Ok(manifest) } else { Err(damaged) }
    }

    pub(super) fn is_sound(&self) -> bool {
        let wrapped_is_sound = match &self.sealing {
            Sealed::No => true,
            Sealed::ByDatabase(wrapped) | Sealed::ByBackup(wrapped) => {
                (1..=WRAPPED_BYTES_MAX).contains(&wrapped.len())
            }
        };
        let Some(last) = self.objects.last() else { return false };
        let mut numbers = 0..;
        let each = self.objects.iter().all(|entry| {
            let start = self.geometry.lsn(entry.number, 0);
            numbers.next() == Some(entry.number)
                && SEGMENT_HEADER_BYTES < entry.content_bytes
                && entry.content_bytes <= self.geometry.segment_bytes()
                && start.0.checked_add(entry.content_bytes) == Some(entry.end.lsn.0)
        });
        let rises = self.objects.windows(2).all(|pair| {
            pair[0].epoch <= pair[1].epoch && pair[0].end.sequence < pair[1].end.sequence
        });
        wrapped_is_sound
            && self.objects.len() <= BACKUP_OBJECTS_MAX
            && each
            && rises
            && last.end == self.end
            && last.epoch == self.epoch
    }
}

impl HeadLayout {
    fn manifest(&self, wrapped: &[u8], entries: &[EntryLayout]) -> Option<Manifest> {
        let sealing = match (self.flags.get(), wrapped) {
            (0, []) => Sealed::No,
            (FLAG_LOG_SEALED, wrapped) => Sealed::ByDatabase(wrapped.to_vec()),
            (FLAG_OBJECTS_SEALED, wrapped) => Sealed::ByBackup(wrapped.to_vec()),
            _ => return None,
        };
        let is_whole =
            usize::try_from(self.objects_count.get()) == Ok(entries.len()) && self.zero.get() == 0;
        is_whole.then_some(())?;
        Some(Manifest {
            birth: self.birth.get(),
            incarnation: self.incarnation.get(),
            epoch: self.epoch.get(),
            geometry: Geometry::new(self.segment_bytes.get())?,
            end: FramePosition {
                lsn: Lsn(self.end.get()),
                sequence: self.sequence.get(),
                chain: self.chain,
            },
            time: Timestamp(self.time.get()),
            created: Timestamp(self.created.get()),
            sealing,
            objects: entries.iter().map(EntryLayout::entry).collect(),
        })
    }
}

impl EntryLayout {
    fn of(entry: &ObjectEntry) -> EntryLayout {
        EntryLayout {
            number: entry.number.into(),
            epoch: entry.epoch.into(),
            content_bytes: entry.content_bytes.into(),
            stored_bytes: entry.stored_bytes.into(),
            hash: entry.hash,
            end: entry.end.lsn.0.into(),
            sequence: entry.end.sequence.into(),
            chain: entry.end.chain,
        }
    }

    fn entry(&self) -> ObjectEntry {
        ObjectEntry {
            number: self.number.get(),
            epoch: self.epoch.get(),
            content_bytes: self.content_bytes.get(),
            stored_bytes: self.stored_bytes.get(),
            hash: self.hash,
            end: FramePosition {
                lsn: Lsn(self.end.get()),
                sequence: self.sequence.get(),
                chain: self.chain,
            },
        }
    }
}
