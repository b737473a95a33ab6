//! How a database is opened.

use crate::error::{Error, ErrorKind};
use crate::event::Observer;
use crate::limits::{CHECKPOINT_INTERVAL_BYTES, DIGEST_INTERVAL_BYTES};
use crate::log::geometry::SEGMENT_BYTES_DEFAULT;
use crate::log::{Geometry, PreparerOptions};
use crate::opening::LogOptions;
use crate::tree::Proving;
use florin_keys::KeyEncryptionKey;
use florin_ledger::Timestamp;
use std::sync::Arc;

/// How to open a database.
#[derive(Clone, Debug)]
pub struct Options {
    /// Fixes the clock: the first event takes the next nanosecond after this, each later event one
    /// more. For comparisons and tests.
    pub clock_start: Option<Timestamp>,
    /// Bytes of a log segment in a new database; one that exists keeps what it was made with.
    /// At least [`SEGMENT_BYTES_MIN`].
    pub segment_bytes: u64,
    /// How room in the log is made ahead.
    pub preparer: PreparerOptions,
    /// Bytes of log after which the next checkpoint begins: what an opening replays at most, more
    /// or less.
    pub checkpoint_bytes: u64,
    /// Bytes a second that the scrubber reads at most; 0: there is none. See [`crate::scrub`].
    pub scrub_bytes_per_second: u64,
    /// Bytes of log between two digests of the whole state that are taken for standbys that follow.
    pub digest_bytes: u64,
    /// Who is told of what happens inside.
    pub observer: Observer,
    /// How what is recorded is proved; `None`: there are no proofs. See [`crate::tree`].
    pub proving: Option<Proving>,
    /// What the database key of an encrypted database is wrapped with ([`crate::sealing::create`]
    /// makes one); `None` for a database that is not encrypted.
    pub key: Option<Arc<dyn KeyEncryptionKey>>,
}

/// Bytes of a segment at least: it must hold the largest request.
pub const SEGMENT_BYTES_MIN: u64 = 8 << 20;

impl Default for Options {
    fn default() -> Options {
        Options {
            clock_start: None,
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            preparer: PreparerOptions::default(),
            checkpoint_bytes: CHECKPOINT_INTERVAL_BYTES,
            scrub_bytes_per_second: 0,
            digest_bytes: DIGEST_INTERVAL_BYTES,
            observer: Observer::default(),
            proving: None,
            key: None,
        }
    }
}

impl Options {
    /// What the log is opened with.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a size of segments that no log can have.
    pub(crate) fn log(&self) -> Result<LogOptions, Error> {
        let geometry = Geometry::new(self.segment_bytes)
            .filter(|geometry| SEGMENT_BYTES_MIN <= geometry.segment_bytes())
            .ok_or_else(|| bad_segment_bytes(self.segment_bytes))?;
        let (preparer, checkpoint_bytes) = (self.preparer, self.checkpoint_bytes);
        Ok(LogOptions { geometry, preparer, checkpoint_bytes, new_life: None })
    }
}

fn bad_segment_bytes(segment_bytes: u64) -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!(
            "segments of {segment_bytes} bytes: must be a multiple of 16384 from \
             {SEGMENT_BYTES_MIN} to 1 GiB"
        ),
    )
}
