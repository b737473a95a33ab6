//! Bodies of what copies a ledger: where its log ends, pieces of the log, of a checkpoint and of the keyring as
//! they are stored.
//!
//! ```text
//! snapshot  0 16 birth: the name of the segments | 16 16 incarnation of the present life | 32  8 epoch
//!          40  8 bytes of a segment | 48  1 1 if the log is encrypted, else 0 | 49  7 zero
//!          56  8 end of the log | 64  8 sequence number of the next frame | 72 32 chain hash there
//!         104  8 recorded time of the last frame | 112   wrapped key, to the end
//! piece     0  8 segment | 8  4 offset | 12  4 bytes                                            = 16
//!          the answer is bytes of the log; fewer only where the segment, or what is durable, ends
//! keyring   0  8 offset | 8 32 hash of the whole copy; zeros in the first request               = 40
//! copied    0  8 bytes of the whole copy | 8 32 its hash | 40    bytes of it, from the offset on
//! offer     0  4 bytes of the snapshot | 4  4 zero | 8    snapshot, then the checkpoint that is offered
//! seed      0  8 what its pieces are asked for by | 8  4 part | 12  4 zero | 16  8 from           = 24
//! ```
//! All little-endian. Pieces of a keyring are of the copy that was made with the first one, whatever
//! changes meanwhile.

use crate::error::{DecodeError, Reason};
use crate::frame::REPLY_HEADER_BYTES;
use crate::limits::{FRAME_BYTES_MAX, PIECE_BYTES_MAX};
use bytes::{BufMut, Bytes, BytesMut};
use florin_ledger::{Lsn, Timestamp};
use zerocopy::little_endian::{U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

const _: () = assert!(REPLY_HEADER_BYTES + 40 + PIECE_BYTES_MAX <= FRAME_BYTES_MAX);

/// A moment of a log: everything before its end is durable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// What the database was born with: the name that its segments have.
    pub birth: u128,
    /// The life that it is in.
    pub incarnation: u128,
    /// The opening that wrote the end.
    pub epoch: u64,
    /// Bytes of a segment.
    pub segment_bytes: u64,
    /// Whether the log is encrypted.
    pub is_sealed: bool,
    /// The end of the last durable frame.
    pub end: Lsn,
    /// The number of the next.
    pub sequence: u64,
    /// The hash of everything before.
    pub chain: [u8; 32],
    /// The recorded time of the last frame.
    pub time: Timestamp,
    /// What the database key is wrapped in; empty unless the log is encrypted.
    pub wrapped_key: Vec<u8>,
}

/// A piece of a segment that is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogPiece {
    /// The segment's number.
    pub segment: u64,
    /// Where in it.
    pub offset: u32,
    /// How much.
    pub bytes: u32,
}

/// A piece of a copy of the keyring that is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct KeyringPiece {
    /// Where in it.
    pub offset: u64,
    /// The hash that the pieces before had; zeros for the first.
    pub hash: [u8; 32],
}

/// A piece of a copy of the keyring.
#[derive(Clone, PartialEq, Eq)]
pub struct CopiedKeyring {
    /// Bytes of the whole copy; 0: there is no keyring.
    pub bytes: u64,
    /// Its hash.
    pub hash: [u8; 32],
    /// From the offset on.
    pub piece: Vec<u8>,
}

/// A checkpoint that a standby may be seeded from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeedOffer {
    /// A moment of the log that has everything that the checkpoint speaks of.
    pub snapshot: Snapshot,
    /// What it says of itself; what it means is the engine's.
    pub checkpoint: Vec<u8>,
}

/// A piece of such a checkpoint that is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SeedPiece {
    /// Names the checkpoint.
    pub id: u64,
    /// Which part of it.
    pub part: u32,
    /// From which key or offset on.
    pub from: u64,
}

impl core::fmt::Debug for CopiedKeyring {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} of {} bytes", self.piece.len(), self.bytes)
    }
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct SnapshotLayout {
    birth: U128,
    incarnation: U128,
    epoch: U64,
    segment_bytes: U64,
    is_sealed: u8,
    zero: [u8; 7],
    end: U64,
    sequence: U64,
    chain: [u8; 32],
    time: U64,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct PieceLayout {
    segment: U64,
    offset: U32,
    bytes: U32,
}

/// Of a keyring, as it is asked for and as it is answered.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct KeyringLayout {
    number: U64,
    hash: [u8; 32],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct OfferLayout {
    snapshot_bytes: U32,
    zero: U32,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct SeedLayout {
    id: U64,
    part: U32,
    zero: U32,
    from: U64,
}

const _: () = assert!(size_of::<OfferLayout>() == 8);
const _: () = assert!(size_of::<SeedLayout>() == 24);
const _: () = assert!(size_of::<SnapshotLayout>() == 112);
const _: () = assert!(size_of::<PieceLayout>() == 16);
const _: () = assert!(size_of::<KeyringLayout>() == 40);

impl Snapshot {
    /// Appends the body.
    pub fn write(&self, out: &mut BytesMut) {
        let layout = SnapshotLayout {
            birth: self.birth.into(),
            incarnation: self.incarnation.into(),
            epoch: self.epoch.into(),
            segment_bytes: self.segment_bytes.into(),
            is_sealed: u8::from(self.is_sealed),
            zero: [0; 7],
            end: self.end.0.into(),
            sequence: self.sequence.into(),
            chain: self.chain,
            time: self.time.0.into(),
        };
        out.put_slice(layout.as_bytes());
        out.put_slice(&self.wrapped_key);
    }

    /// The snapshot of a body.
    ///
    /// # Errors
    /// If it ends too soon, or a field has no meaning.
    pub fn decode(body: &[u8]) -> Result<Snapshot, DecodeError> {
        let too_short = DecodeError::new(body.len(), Reason::TooShort);
        let (layout, wrapped_key) = SnapshotLayout::ref_from_prefix(body).map_err(|_| too_short)?;
        if 1 < layout.is_sealed {
            return Err(DecodeError::new(48, Reason::Unknown));
        }
        if layout.zero != [0; 7] {
            return Err(DecodeError::new(49, Reason::NotZero));
        }
        Ok(Snapshot {
            birth: layout.birth.get(),
            incarnation: layout.incarnation.get(),
            epoch: layout.epoch.get(),
            segment_bytes: layout.segment_bytes.get(),
            is_sealed: layout.is_sealed == 1,
            end: Lsn(layout.end.get()),
            sequence: layout.sequence.get(),
            chain: layout.chain,
            time: Timestamp(layout.time.get()),
            wrapped_key: wrapped_key.to_vec(),
        })
    }
}

impl LogPiece {
    /// The body.
    #[must_use]
    pub fn to_bytes(self) -> Bytes {
        let LogPiece { segment, offset, bytes } = self;
        let layout =
            PieceLayout { segment: segment.into(), offset: offset.into(), bytes: bytes.into() };
        Bytes::copy_from_slice(layout.as_bytes())
    }

    /// The piece that a body asks for.
    ///
    /// # Errors
    /// If it has another length.
    pub fn decode(body: &[u8]) -> Result<LogPiece, DecodeError> {
        let layout: &PieceLayout = exactly(body)?;
        Ok(LogPiece {
            segment: layout.segment.get(),
            offset: layout.offset.get(),
            bytes: layout.bytes.get(),
        })
    }
}

impl KeyringPiece {
    /// The body.
    #[must_use]
    pub fn to_bytes(self) -> Bytes {
        let layout = KeyringLayout { number: self.offset.into(), hash: self.hash };
        Bytes::copy_from_slice(layout.as_bytes())
    }

    /// The piece that a body asks for.
    ///
    /// # Errors
    /// If it has another length.
    pub fn decode(body: &[u8]) -> Result<KeyringPiece, DecodeError> {
        let layout: &KeyringLayout = exactly(body)?;
        Ok(KeyringPiece { offset: layout.number.get(), hash: layout.hash })
    }
}

impl CopiedKeyring {
    /// Appends the body.
    pub fn write(&self, out: &mut BytesMut) {
        let layout = KeyringLayout { number: self.bytes.into(), hash: self.hash };
        out.put_slice(layout.as_bytes());
        out.put_slice(&self.piece);
    }

    /// The piece of a body.
    ///
    /// # Errors
    /// If it ends too soon.
    pub fn decode(body: &[u8]) -> Result<CopiedKeyring, DecodeError> {
        let too_short = DecodeError::new(body.len(), Reason::TooShort);
        let (layout, piece) = KeyringLayout::ref_from_prefix(body).map_err(|_| too_short)?;
        Ok(CopiedKeyring { bytes: layout.number.get(), hash: layout.hash, piece: piece.to_vec() })
    }
}

impl SeedOffer {
    /// Appends the body.
    pub fn write(&self, out: &mut BytesMut) {
        let mut snapshot = BytesMut::new();
        self.snapshot.write(&mut snapshot);
        let bytes = u32::try_from(snapshot.len()).expect("a snapshot is small");
        let layout = OfferLayout { snapshot_bytes: bytes.into(), zero: U32::ZERO };
        out.put_slice(layout.as_bytes());
        out.put_slice(&snapshot);
        out.put_slice(&self.checkpoint);
    }

    /// The offer of a body.
    ///
    /// # Errors
    /// If it ends too soon, or a field has no meaning.
    pub fn decode(body: &[u8]) -> Result<SeedOffer, DecodeError> {
        let too_short = DecodeError::new(body.len(), Reason::TooShort);
        let (layout, rest) = OfferLayout::ref_from_prefix(body).map_err(|_| too_short)?;
        if layout.zero != U32::ZERO {
            return Err(DecodeError::new(4, Reason::NotZero));
        }
        let snapshot_bytes = usize::try_from(layout.snapshot_bytes.get()).unwrap_or(usize::MAX);
        let (snapshot, checkpoint) = rest.split_at_checked(snapshot_bytes).ok_or(too_short)?;
        let snapshot =
            Snapshot::decode(snapshot).map_err(|error| error.after(size_of::<OfferLayout>()))?;
        Ok(SeedOffer { snapshot, checkpoint: checkpoint.to_vec() })
    }
}

impl SeedPiece {
    /// The body.
    #[must_use]
    pub fn to_bytes(self) -> Bytes {
        let SeedPiece { id, part, from } = self;
        let layout =
            SeedLayout { id: id.into(), part: part.into(), zero: U32::ZERO, from: from.into() };
        Bytes::copy_from_slice(layout.as_bytes())
    }

    /// The piece that a body asks for.
    ///
    /// # Errors
    /// If it has another length, or a field has no meaning.
    pub fn decode(body: &[u8]) -> Result<SeedPiece, DecodeError> {
        let layout: &SeedLayout = exactly(body)?;
        if layout.zero != U32::ZERO {
            return Err(DecodeError::new(12, Reason::NotZero));
        }
        let SeedLayout { id, part, from, .. } = layout;
        Ok(SeedPiece { id: id.get(), part: part.get(), from: from.get() })
    }
}

fn exactly<T: FromBytes + KnownLayout + Immutable + Unaligned>(
    body: &[u8],
) -> Result<&T, DecodeError> {
    match T::ref_from_prefix(body) {
        Ok((layout, [])) => Ok(layout),
        Ok(_) => Err(DecodeError::new(size_of::<T>(), Reason::TooLong)),
        Err(_) => Err(DecodeError::new(body.len(), Reason::TooShort)),
    }
}
