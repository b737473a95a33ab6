//! The file `standby`: a node's part in replication. It says that a directory's log is a copy that follows, or
//! followed, and what the node has promised.
//!
//! ```text
//! offset  bytes  field
//!      0      8  magic, "FLORINST"
//!      8      4  version, 2
//!     12      1  state: 1 follows, 2 decides, 3 differs, 4 rewinds
//!     13      1  flags: 1 its state must be found the primary's before it acknowledges, 2 its term has not
//!                begun in the log, 4 it was promoted although something that was told may be lost, 8 what lies
//!                behind the position that it goes back to is set aside
//!     14      2  bytes of the primary's address
//!     16     16  node: random, names the directory
//!     32      8  lsn at which the state was found not to be the primary's, or which the log is cut back to; zero
//!                otherwise
//!     40      8  term: the log is a beginning of that of this term's primary; its own, if it decides
//!     48      8  promised: no lower term is heard
//!     56     32  BLAKE3 of bytes 0..56 and of all from 88 on
//!     88         the primary's address, UTF-8
//! ```
//! All little-endian. Written as `standby.partial`, synced, and renamed, so it is there whole or as it was.
//!
//! A directory that follows is not opened for deciding: an epoch that is begun there by mistake would be
//! a fork. Promoting writes *decides* first, and the epoch then. One whose state was once found to differ
//! from its primary's neither follows nor is promoted any more. One that rewinds does nothing before it has.

use crate::disk::{Access, Disk};
use crate::error::{Error, ErrorKind};
use crate::group::Term;
use florin_ledger::Lsn;
use std::io;
use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The file's name in the data directory.
pub(crate) const FILE_NAME: &str = "standby";
/// Its name while it is being written.
pub(crate) const PARTIAL_NAME: &str = "standby.partial";

const MAGIC: [u8; 8] = *b"FLORINST";
const VERSION: u32 = 2;
const HEAD_BYTES: usize = 88;
const CHECKED_BYTES: usize = 56;
/// Bytes of an address: that of a name in DNS and a port.
pub(crate) const ADDRESS_BYTES_MAX: usize = 512;
const FLAG_MUST_COMPARE: u8 = 1;
const FLAG_BEGINS_TERM: u8 = 2;
const FLAG_FORCED: u8 = 4;
const FLAG_IS_ASIDE: u8 = 8;
const FLAGS: u8 = FLAG_MUST_COMPARE | FLAG_BEGINS_TERM | FLAG_FORCED | FLAG_IS_ASIDE;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct HeadLayout {
    magic: [u8; 8],
    version: U32,
    state: u8,
    flags: u8,
    address_bytes: U16,
    node: U128,
    at: U64,
    term: U64,
    promised: U64,
    checksum: [u8; 32],
}

const _: () = assert!(size_of::<HeadLayout>() == HEAD_BYTES);
const _: () = assert!(std::mem::offset_of!(HeadLayout, checksum) == CHECKED_BYTES);

/// What a copy is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MarkState {
    Follows,
    Decides,
    /// Its state was not the primary's at this position.
    Differs(Lsn),
    /// What lies behind this position is not the primary's: it is being set aside, and the log cut back then.
    Rewinds(Lsn),
}

/// What the file says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct StandbyMark {
    pub(crate) state: MarkState,
    /// Names the directory.
    pub(crate) node: u128,
    /// Where the primary is, or was; empty if it never followed any.
    pub(crate) primary: String,
    /// The log is a beginning of that of this term's primary; its own, if it decides.
    pub(crate) term: Term,
    /// No lower one is heard.
    pub(crate) promised: Term,
    /// Whether its state must be found the primary's before it acknowledges anything.
    pub(crate) must_compare: bool,
    /// Whether it decides, and no epoch of its term is in the log yet.
    pub(crate) begins_term: bool,
    /// Whether it was promoted although something that was told may be lost.
    pub(crate) is_forced: bool,
    /// Whether what lies behind the position that it goes back to is set aside.
    pub(crate) is_aside: bool,
}

impl StandbyMark {
    /// That of a node that nothing is known of yet.
    pub(crate) fn new(state: MarkState, node: u128, primary: &str) -> StandbyMark {
        StandbyMark {
            state,
            node,
            primary: primary.to_owned(),
            term: Term::NONE,
            promised: Term::NONE,
            must_compare: false,
            begins_term: false,
            is_forced: false,
            is_aside: false,
        }
    }

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
        let (state, at) = match self.state {
            MarkState::Follows => (1, 0),
            MarkState::Decides => (2, 0),
            MarkState::Differs(at) => (3, at.0),
            MarkState::Rewinds(to) => (4, to.0),
        };
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let mut head = HeadLayout {
            magic: MAGIC,
            version: VERSION.into(),
            state,
            flags: flag(self.must_compare, FLAG_MUST_COMPARE)
                | flag(self.begins_term, FLAG_BEGINS_TERM)
                | flag(self.is_forced, FLAG_FORCED)
                | flag(self.is_aside, FLAG_IS_ASIDE),
            address_bytes: u16::try_from(self.primary.len()).expect("an address is short").into(),
            node: self.node.into(),
            at: at.into(),
            term: self.term.0.into(),
            promised: self.promised.0.into(),
            checksum: [0; 32],
        };
        head.checksum = checksum(&head, self.primary.as_bytes());
        [head.as_bytes(), self.primary.as_bytes()].concat()
    }
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
            "the file `{FILE_NAME}` is damaged, and nobody knows any more what this node has promised: begin \
             anew in an empty directory, or, if no other node is left, remove it and serve this one"
        ))
    };
    let (head, address) = HeadLayout::ref_from_prefix(content).map_err(|_| damaged())?;
    if head.magic != MAGIC || head.checksum != checksum(head, address) {
        return Err(damaged());
    }
    if head.version.get() != VERSION {
        let message = format!(
            "the file `{FILE_NAME}` has version {}, this program reads {VERSION}",
            head.version
        );
        return Err(Error::new(ErrorKind::Unusable, message));
    }
    let state = match (head.state, head.at.get()) {
        (1, 0) => MarkState::Follows,
        (2, 0) => MarkState::Decides,
        (3, at) => MarkState::Differs(Lsn(at)),
        (4, at) => MarkState::Rewinds(Lsn(at)),
        _ => return Err(damaged()),
    };
    if head.flags & !FLAGS != 0 || usize::from(head.address_bytes.get()) != address.len() {
        return Err(damaged());
    }
    let primary = std::str::from_utf8(address).map_err(|_| damaged())?.to_owned();
    Ok(StandbyMark {
        state,
        node: head.node.get(),
        primary,
        term: Term(head.term.get()),
        promised: Term(head.promised.get()),
        must_compare: head.flags & FLAG_MUST_COMPARE != 0,
        begins_term: head.flags & FLAG_BEGINS_TERM != 0,
        is_forced: head.flags & FLAG_FORCED != 0,
        is_aside: head.flags & FLAG_IS_ASIDE != 0,
    })
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
        StandbyMark {
            term: Term(0x0203),
            promised: Term(0x0405),
            must_compare: true,
            ..StandbyMark::new(state, 7, "ledger.bank.example:3000")
        }
    }

    /// Prevents: a file of a format that nobody meant to change.
    #[test]
    fn the_file_lies_as_it_is_drawn() {
        let bytes = mark(MarkState::Follows).encoded();
        assert_eq!(&bytes[..16], b"FLORINST\x02\0\0\0\x01\x01\x18\0");
        assert_eq!(bytes[16], 7);
        assert_eq!(bytes[32..40], [0; 8]);
        assert_eq!(bytes[40..56], [3, 2, 0, 0, 0, 0, 0, 0, 5, 4, 0, 0, 0, 0, 0, 0]);
        assert_eq!(&bytes[88..], b"ledger.bank.example:3000");
        assert_eq!(decoded(&bytes), Ok(mark(MarkState::Follows)));
        for (state, number) in
            [(MarkState::Differs(Lsn(0x1234)), 3), (MarkState::Rewinds(Lsn(0x1234)), 4)]
        {
            let bytes = mark(state).encoded();
            assert_eq!((bytes[12], &bytes[32..40]), (number, &[0x34, 0x12, 0, 0, 0, 0, 0, 0][..]));
            assert_eq!(decoded(&bytes), Ok(mark(state)));
        }
        let begins = StandbyMark { begins_term: true, ..mark(MarkState::Decides) };
        assert_eq!(begins.encoded()[13], 3);
        assert_eq!(decoded(&begins.encoded()), Ok(begins));
    }

    /// Prevents: a damaged file that is taken for none, and an epoch begun on a standby.
    #[test]
    fn every_flipped_byte_and_every_cut_is_noticed() {
        let bytes = mark(MarkState::Decides).encoded();
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
        mark(MarkState::Decides).write(&disk).unwrap();
        for at in before..=disk.operations_count() {
            for seed in 0..8 {
                let state = StandbyMark::read(&disk.crash_image(at, seed)).unwrap().unwrap().state;
                let is_done = at == disk.operations_count();
                assert!(state == MarkState::Decides || !is_done, "{at}, seed {seed}");
            }
        }
    }
}
