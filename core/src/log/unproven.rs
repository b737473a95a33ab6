//! The file `copying`: frames of a copy that were written with one sync, although they say of each other that
//! they were durable.
//!
//! ```text
//! offset  bytes  field
//!      0      8  magic, "FLORINUP"
//!      8      4  version, 1
//!     12      4  zero
//!     16      8  from: everything before this log position is durable
//!     24      8  to: blocks between the two prove nothing
//!     32     32  BLAKE3 of bytes 0..32
//! ```
//! All little-endian. It is synced before the first byte of such frames is written, and is one sector, so it is
//! there whole or as it was. A power cut may then leave any of these frames; what those that are left say of
//! the others is not believed when the end is judged, if the end lies among them. That everything before `from`
//! was durable is.
//!
//! Whoever goes on writing after a judged end removes it first: the positions are used again.

use crate::disk::{Access, Disk};
use florin_ledger::Lsn;
use std::io;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The file's name in the data directory.
pub(crate) const FILE_NAME: &str = "copying";

const MAGIC: [u8; 8] = *b"FLORINUP";
const VERSION: u32 = 1;
const CHECKED_BYTES: usize = 32;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Layout {
    magic: [u8; 8],
    version: U32,
    zero: U32,
    from: U64,
    to: U64,
    checksum: [u8; 32],
}

const _: () = assert!(size_of::<Layout>() == 64);
const _: () = assert!(std::mem::offset_of!(Layout, checksum) == CHECKED_BYTES);

/// Blocks from one position to another that prove nothing of each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Unproven {
    pub(super) from: Lsn,
    pub(super) to: Lsn,
}

impl Unproven {
    /// What a directory says; `None` without the file. One that is damaged says nothing either: then every
    /// block is believed.
    pub(super) fn read(disk: &dyn Disk) -> io::Result<Option<Unproven>> {
        let file = match disk.open(FILE_NAME, Access::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = [0; size_of::<Layout>()];
        match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let layout: Layout = zerocopy::transmute!(bytes);
        let is_whole = layout.magic == MAGIC
            && layout.version.get() == VERSION
            && layout.zero == U32::ZERO
            && layout.checksum == checksum(&layout);
        let said = Unproven { from: Lsn(layout.from.get()), to: Lsn(layout.to.get()) };
        Ok(is_whole.then_some(said))
    }

    /// Says so, durably, before the frames are written.
    pub(super) fn write(self, disk: &dyn Disk) -> io::Result<()> {
        let mut layout = Layout {
            magic: MAGIC,
            version: VERSION.into(),
            zero: U32::ZERO,
            from: self.from.0.into(),
            to: self.to.0.into(),
            checksum: [0; 32],
        };
        layout.checksum = checksum(&layout);
        let (file, is_new) = match disk.open(FILE_NAME, Access::Buffered) {
            Ok(file) => (file, false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                (disk.create(FILE_NAME, Access::Buffered)?, true)
            }
            Err(error) => return Err(error),
        };
        file.write_all_at(layout.as_bytes(), 0)?;
        file.sync()?;
        if is_new {
            disk.sync_directory("")?;
        }
        Ok(())
    }

    /// Forgets it, durably.
    pub(super) fn remove(disk: &dyn Disk) -> io::Result<()> {
        match disk.remove(FILE_NAME) {
            Ok(()) => disk.sync_directory(""),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether what the block at `lsn` says proves nothing of a log that ends at `end`.
    pub(super) fn covers(self, lsn: Lsn, end: Lsn) -> bool {
        self.from <= end && end < self.to && self.from <= lsn && lsn < self.to
    }
}

fn checksum(layout: &Layout) -> [u8; 32] {
    let (checked, _) = layout.as_bytes().split_at(CHECKED_BYTES);
    *blake3::hash(checked).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::simulated::SimulatedDisk;

    /// Prevents: a file that is believed although it is not what was written.
    #[test]
    fn what_is_not_whole_says_nothing() {
        let disk = SimulatedDisk::new();
        assert_eq!(Unproven::read(&disk).unwrap(), None);
        let said = Unproven { from: Lsn(4_096), to: Lsn(8_192) };
        said.write(&disk).unwrap();
        assert_eq!(Unproven::read(&disk).unwrap(), Some(said));
        assert_eq!(&disk.contents(FILE_NAME).unwrap()[..12], b"FLORINUP\x01\0\0\0");
        for at in 0..64 {
            let altered = disk.copy();
            altered.corrupt(FILE_NAME, at, 3);
            assert_eq!(Unproven::read(&altered).unwrap(), None, "byte {at}");
        }
        Unproven::remove(&disk).unwrap();
        assert_eq!(Unproven::read(&disk).unwrap(), None);
    }

    /// Prevents: damage further on, or before, that is taken for a torn end.
    #[test]
    fn only_blocks_among_them_prove_nothing_and_only_of_an_end_among_them() {
        let said = Unproven { from: Lsn(100), to: Lsn(200) };
        for (lsn, end, covers) in [
            (150, 100, true),
            (199, 199, true),
            (200, 150, false),
            (150, 99, false),
            (150, 200, false),
        ] {
            assert_eq!(said.covers(Lsn(lsn), Lsn(end)), covers, "{lsn} of {end}");
        }
    }
}
