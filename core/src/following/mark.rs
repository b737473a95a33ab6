//! The file `standby`: it says that a directory's log is a copy that follows, or followed.
//!
//! ```text
//! offset  bytes  field
//!      0      8  magic, "FLORINST"
//!      8      4  version, 1
//!     12      1  state: 1 follows, 2 was promoted, 3 differs
//!     13      1  zero
//!     14      2  bytes of the primary's address
//!     16     16  node: random, names the directory
//!     32      8  lsn at which the state was found not to be the primary's; zero unless it differs
//!     40     32  BLAKE3 of bytes 0..40 and of all from 72 on
//!     72         the primary's address, UTF-8
//! ```
//! All little-endian. Written as `standby.partial`, synced, and renamed, so it is there whole or as it was.
//!
//! A directory that follows is not opened for deciding: an epoch that is begun there by mistake would be
//! a fork. Promoting writes *was promoted* first, and the epoch then. One whose state was once found to differ
//! from its primary's neither follows nor is promoted any more.

use crate::disk::{Access, Disk};
use crate::error::{Error, ErrorKind};
use florin_ledger::Lsn;
use std::io;
use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The file's name in the data directory.
pub(crate) const FILE_NAME: &str = "standby";
/// Its name while it is being written.
pub(crate) const PARTIAL_NAME: &str = "standby.partial";

const MAGIC: [u8; 8] = *b"FLORINST";
const VERSION: u32 = 1;
const HEAD_BYTES: usize = 72;
const CHECKED_BYTES: usize = 40;
/// Bytes of an address: that of a name in DNS and a port.
const ADDRESS_BYTES_MAX: usize = 512;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct HeadLayout {
    magic: [u8; 8],
    version: U32,
    state: u8,
    zero: u8,
    address_bytes: U16,
    node: U128,
    differs_at: U64,
    checksum: [u8; 32],
}

const _: () = assert!(size_of::<HeadLayout>() == HEAD_BYTES);
const _: () = assert!(std::mem::offset_of!(HeadLayout, checksum) == CHECKED_BYTES);

/// What a copy is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MarkState {
    Follows,
    Promoted,
    /// Its state was not the primary's at this position.
    Differs(Lsn),
}

/// What the file says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct StandbyMark {
    pub(crate) state: MarkState,
    /// Names the directory.
    pub(crate) node: u128,
    /// Where the primary is, or was.
    pub(crate) primary: String,
}

impl StandbyMark {
    /// That of a directory, if it has one.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if it is damaged, [`ErrorKind::Unusable`] if a newer version wrote it,
    /// [`ErrorKind::Io`].
    pub(crate) fn read(disk: &dyn Disk) -> Result<Option<StandbyMark>, Error> {
        let file = match disk.open(FILE_NAME, Access::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("opening", &error)),
        };
        let bytes = file.bytes().map_err(|error| failed("reading", &error))?;
        let bytes =
            usize::try_from(bytes).unwrap_or(usize::MAX).min(HEAD_BYTES + ADDRESS_BYTES_MAX + 1);
        let mut content = vec![0; bytes];
        file.read_exact_at(&mut content, 0).map_err(|error| failed("reading", &error))?;
        decoded(&content).map(Some)
    }

    /// Puts it in the place of the one that is there. Returns when that is durable.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for an address that is too long; [`ErrorKind::DiskFull`],
    /// [`ErrorKind::Io`].
    pub(crate) fn write(&self, disk: &dyn Disk) -> Result<(), Error> {
        if ADDRESS_BYTES_MAX < self.primary.len() {
            let message = format!("an address has at most {ADDRESS_BYTES_MAX} bytes");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let content = self.encoded();
        let written = || {
            match disk.remove(PARTIAL_NAME) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let file = disk.create(PARTIAL_NAME, Access::Buffered)?;
            file.write_all_at(&content, 0)?;
            file.sync()?;
            disk.rename(PARTIAL_NAME, FILE_NAME)?;
            disk.sync_directory("")
        };
        written().map_err(|error| failed("writing", &error))
    }

    fn encoded(&self) -> Vec<u8> {
        let mut head = HeadLayout {
            magic: MAGIC,
            version: VERSION.into(),
            state: match self.state {
                MarkState::Follows => 1,
                MarkState::Promoted => 2,
                MarkState::Differs(_) => 3,
            },
            zero: 0,
            address_bytes: u16::try_from(self.primary.len()).expect("an address is short").into(),
            node: self.node.into(),
            differs_at: match self.state {
                MarkState::Differs(at) => at.0,
                MarkState::Follows | MarkState::Promoted => 0,
            }
            .into(),
            checksum: [0; 32],
        };
        head.checksum = checksum(&head, self.primary.as_bytes());
        [head.as_bytes(), self.primary.as_bytes()].concat()
    }
}

/// Notes durably that the state at a position is not the primary's.
///
/// # Errors
/// As reading and writing it; [`ErrorKind::Unusable`] if there is none.
pub(crate) fn note_difference(disk: &dyn Disk, at: Lsn) -> Result<(), Error> {
    let Some(mark) = StandbyMark::read(disk)? else {
        let message = format!("the file `{FILE_NAME}` is gone");
        return Err(Error::new(ErrorKind::Unusable, message));
    };
    StandbyMark { state: MarkState::Differs(at), ..mark }.write(disk)
}

/// What there is to say of a copy that differs, and the way out.
pub(crate) fn difference(at: Lsn) -> Error {
    Error::corrupt(format!(
        "the state at log position {at} is not the primary's: keep this directory for whoever finds out \
         why, and copy the log anew into an empty one"
    ))
}

fn decoded(content: &[u8]) -> Result<StandbyMark, Error> {
    let damaged = || {
        Error::corrupt(format!(
            "the file `{FILE_NAME}` is damaged: if this copy shall go on following, remove it and give \
             --follow again; if it was promoted, remove it"
        ))
    };
    let (head, address) = HeadLayout::ref_from_prefix(content).map_err(|_| damaged())?;
    if head.magic != MAGIC || head.checksum != checksum(head, address) {
        return Err(damaged());
    }
    if head.version.get() != VERSION {
        let message =
            format!("the file `{FILE_NAME}` has version {}, this program reads 1", head.version);
        return Err(Error::new(ErrorKind::Unusable, message));
    }
    let state = match (head.state, head.differs_at.get()) {
        (1, 0) => MarkState::Follows,
        (2, 0) => MarkState::Promoted,
        (3, at) => MarkState::Differs(Lsn(at)),
        _ => return Err(damaged()),
    };
    if head.zero != 0 || usize::from(head.address_bytes.get()) != address.len() {
        return Err(damaged());
    }
    let primary = std::str::from_utf8(address).map_err(|_| damaged())?.to_owned();
    Ok(StandbyMark { state, node: head.node.get(), primary })
}

fn checksum(head: &HeadLayout, address: &[u8]) -> [u8; 32] {
    let (checked, _) = head.as_bytes().split_at(CHECKED_BYTES);
    let mut hasher = blake3::Hasher::new();
    hasher.update(checked);
    hasher.update(address);
    hasher.finalize().into()
}

fn failed(what: &str, error: &io::Error) -> Error {
    Error::new(ErrorKind::of_io(error), format!("{what} the file `{FILE_NAME}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::simulated::SimulatedDisk;

    fn mark(state: MarkState) -> StandbyMark {
        StandbyMark { state, node: 7, primary: "ledger.bank.example:3000".to_owned() }
    }

    /// Prevents: a file of a format that nobody meant to change.
    #[test]
    fn the_file_lies_as_it_is_drawn() {
        let bytes = mark(MarkState::Follows).encoded();
        assert_eq!(&bytes[..16], b"FLORINST\x01\0\0\0\x01\0\x18\0");
        assert_eq!(bytes[16], 7);
        assert_eq!(bytes[32..40], [0; 8]);
        assert_eq!(&bytes[72..], b"ledger.bank.example:3000");
        assert_eq!(decoded(&bytes), Ok(mark(MarkState::Follows)));
        let differs = mark(MarkState::Differs(Lsn(0x1234)));
        let bytes = differs.encoded();
        assert_eq!((bytes[12], &bytes[32..40]), (3, &[0x34, 0x12, 0, 0, 0, 0, 0, 0][..]));
        assert_eq!(decoded(&bytes), Ok(differs));
    }

    /// Prevents: a damaged file that is taken for none, and an epoch begun on a standby.
    #[test]
    fn every_flipped_byte_and_every_cut_is_noticed() {
        let bytes = mark(MarkState::Promoted).encoded();
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(decoded(&flipped).is_err(), "byte {at}");
            assert!(decoded(&bytes[..at]).is_err(), "cut to {at}");
        }
    }

    /// Fault 45: a power cut at any operation leaves what was there before or what was written.
    #[test]
    fn a_power_cut_leaves_the_old_one_or_the_new_one() {
        let disk = SimulatedDisk::new();
        mark(MarkState::Follows).write(&disk).unwrap();
        let before = disk.operations_count();
        mark(MarkState::Promoted).write(&disk).unwrap();
        for at in before..=disk.operations_count() {
            for seed in 0..8 {
                let state = StandbyMark::read(&disk.crash_image(at, seed)).unwrap().unwrap().state;
                let is_done = at == disk.operations_count();
                assert!(state == MarkState::Promoted || !is_done, "{at}, seed {seed}");
            }
        }
    }
}
