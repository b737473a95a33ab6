//! Seeding: a standby that has nothing is given its primary's newest checkpoint and runs, and the log in large
//! pieces, instead of applying all of it frame by frame.
//!
//! Invariants:
//! - the log is the truth, and comes whole: every frame of it is checked on the chain, from the first to the last, and
//!   the checkpoint must stand on it;
//! - a checkpoint is believed as its primary believes it: every value and page of it has its tag, and no more than
//!   that. So a seeded standby acknowledges nothing, and is promoted by force alone, before its whole state was found
//!   the same as the primary's ([`crate::following`]); whoever would rather derive it from the log lets it be copied
//!   as before;
//! - a directory is not opened by anybody before all of it is there ([`plant`]); cut off anywhere, it goes on.
//!
//! [`offer`] is the primary's side, [`plant`] the standby's.

pub mod offer;
pub mod plant;

pub use offer::Offer;
pub use plant::{Seeded, is_begun, is_wanted, seed, seed_on};

use crate::backup::Source;
use crate::checkpoint::ExportHead;
use crate::error::Error;
use crate::snapshot::Snapshot;

/// Who has what a standby is seeded from. Several threads ask it at the same time.
pub trait SeedSource: Source {
    /// Its newest checkpoint, and a moment of its log that has everything that it speaks of; `None` if there is none
    /// yet. Pieces of it can be asked for for a while.
    ///
    /// # Errors
    /// The checkpoint's, and of the way there.
    fn offer(&self) -> Result<Option<(Snapshot, Offered)>, Error>;

    /// A piece of what was offered under this number ([`Offer::piece`]).
    ///
    /// # Errors
    /// [`crate::ErrorKind::Busy`] if it is not held any more; likewise.
    fn piece(&self, id: u64, part: u32, from: u64) -> Result<Vec<u8>, Error>;
}

/// What a checkpoint that is offered says of itself.
///
/// ```text
///     0  8 key of its metadata | 8  4 bytes of that | 12  4 runs | 16   metadata as they are stored
///       8 for each run that the metadata name, in that order: bytes of its file
/// ```
/// All little-endian.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offered {
    /// What its pieces are asked for by: follows from the checkpoint.
    pub id: u64,
    /// Its metadata.
    pub head: ExportHead,
    /// Bytes of the files of the runs that the metadata name.
    pub runs_bytes: Vec<u64>,
}

/// The account pages, as a part.
pub const PART_PAGES: u32 = 0;
/// The holds.
pub const PART_HOLDS: u32 = 1;
/// The first run; the others follow.
pub const PART_RUNS: u32 = 2;

impl Offered {
    fn new(head: ExportHead, runs_bytes: Vec<u64>) -> Offered {
        let mut offered = Offered { id: 0, head, runs_bytes };
        let hash = blake3::hash(&offered.to_bytes());
        let first = hash.as_bytes().first_chunk().expect("a hash has 32 bytes");
        offered.id = u64::from_le_bytes(*first);
        offered
    }

    /// As it travels.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let count = |number: usize| u32::try_from(number).expect("runs and metadata are small");
        let mut out = self.head.number.to_le_bytes().to_vec();
        out.extend_from_slice(&count(self.head.value.len()).to_le_bytes());
        out.extend_from_slice(&count(self.runs_bytes.len()).to_le_bytes());
        out.extend_from_slice(&self.head.value);
        for bytes in &self.runs_bytes {
            out.extend_from_slice(&bytes.to_le_bytes());
        }
        out
    }

    /// What travelled.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Corrupt`] if it is none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Offered, Error> {
        Offered::decoded(bytes)
            .ok_or_else(|| Error::corrupt("what the primary offers is no checkpoint of florin"))
    }

    fn decoded(bytes: &[u8]) -> Option<Offered> {
        let (number, rest) = bytes.split_first_chunk::<8>()?;
        let (value_bytes, rest) = rest.split_first_chunk::<4>()?;
        let (runs_count, rest) = rest.split_first_chunk::<4>()?;
        let value_bytes = usize::try_from(u32::from_le_bytes(*value_bytes)).ok()?;
        let (value, rest) = rest.split_at_checked(value_bytes)?;
        let (runs, []) = rest.as_chunks::<8>() else { return None };
        if usize::try_from(u32::from_le_bytes(*runs_count)) != Ok(runs.len()) {
            return None;
        }
        let head = ExportHead { number: u64::from_le_bytes(*number), value: value.to_vec() };
        Some(Offered::new(head, runs.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect()))
    }
}
