//! What a client asks to copy a ledger: where its log ends, and pieces of log and keyring as they are
//! stored.

use crate::client::Client;
use crate::copy_call::{CopyKeyring, ReadLog, TakeSnapshot};
use crate::error::ClientError;
use florin_wire::{CopiedKeyring, KeyringPiece, LogPiece, Snapshot};

impl Client {
    /// This moment of the log.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn snapshot(&self) -> Result<Snapshot, ClientError> {
        self.ask(&TakeSnapshot).await
    }

    /// Bytes of a segment of the log as they are stored: fewer than asked for only where the segment, or
    /// what is durable, ends.
    ///
    /// # Errors
    /// See [`ClientError`]; more than 983,040 bytes are refused.
    pub async fn read_log(&self, piece: LogPiece) -> Result<Vec<u8>, ClientError> {
        self.ask(&ReadLog(piece)).await
    }

    /// A copy of the keyring, sealed as it is stored; `None` if it was not begun.
    ///
    /// # Errors
    /// See [`ClientError`]; [`florin_wire::RefusalKind::Busy`] while somebody else copies it, and if the
    /// server did not hold the copy for as long as this took: try again in a minute.
    pub async fn copy_keyring(&self) -> Result<Option<Vec<u8>>, ClientError> {
        let mut copy = Vec::new();
        let mut hash = [0; 32];
        loop {
            let offset = u64::try_from(copy.len()).expect("it is in memory");
            let CopiedKeyring { bytes, hash: now, piece } =
                self.ask(&CopyKeyring(KeyringPiece { offset, hash })).await?;
            hash = now;
            copy.extend_from_slice(&piece);
            if bytes == 0 {
                return Ok(None);
            }
            let is_whole = u64::try_from(copy.len()) == Ok(bytes);
            // Less than was said is found by whoever reads it.
            if is_whole || piece.is_empty() {
                return Ok(Some(copy));
            }
        }
    }
}
