//! What is backed up: a database that is open here or elsewhere, or a directory that nobody has open.

use crate::database::Database;
use crate::error::Error;
use crate::limits::SNAPSHOT_PIECE_BYTES_MAX;
use crate::snapshot::{Snapshot, StillLog};

/// A log to be backed up. Several threads read it at the same time.
pub trait Source: Sync {
    /// Its present end.
    ///
    /// # Errors
    /// The log's.
    fn snapshot(&self) -> Result<Snapshot, Error>;

    /// The first `bytes` bytes of a segment as they are stored; fewer if its file ends before. All that is
    /// asked for is before the end of a snapshot.
    ///
    /// # Errors
    /// The log's.
    fn segment(&self, number: u64, bytes: usize) -> Result<Vec<u8>, Error>;
}

impl Source for StillLog {
    fn snapshot(&self) -> Result<Snapshot, Error> {
        Ok(StillLog::snapshot(self).clone())
    }

    fn segment(&self, number: u64, bytes: usize) -> Result<Vec<u8>, Error> {
        self.read(number, 0, bytes)
    }
}

impl Source for Database {
    fn snapshot(&self) -> Result<Snapshot, Error> {
        Database::snapshot(self)
    }

    fn segment(&self, number: u64, bytes: usize) -> Result<Vec<u8>, Error> {
        let mut content = Vec::new();
        while content.len() < bytes {
            let left = (bytes - content.len()).min(SNAPSHOT_PIECE_BYTES_MAX);
            let offset = u64::try_from(content.len()).expect("a segment fits memory");
            let piece = self.read_log(number, offset, left)?;
            content.extend_from_slice(&piece);
            if piece.len() < left {
                break;
            }
        }
        Ok(content)
    }
}
