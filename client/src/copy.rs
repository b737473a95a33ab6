//! What a client asks to copy a ledger: where its log ends, and pieces of log and keyring as they are
//! stored.

use crate::client::Client;
use crate::copy_call::{CopyKeyring, ReadLog, TakeSnapshot};
use crate::error::ClientError;
use florin_wire::{CopiedKeyring, KeyringPiece, LogPiece, RefusalKind, Snapshot};

/// How often a copy of the keyring is begun anew because keys were made or destroyed meanwhile.
const ATTEMPTS_MAX: usize = 16;

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
    /// See [`ClientError`]; [`RefusalKind::Busy`] if it does not stand still.
    pub async fn copy_keyring(&self) -> Result<Option<Vec<u8>>, ClientError> {
        let mut refused = None;
        for _ in 0..ATTEMPTS_MAX {
            match self.copy_keyring_once().await {
                Err(error @ ClientError::Refused { kind: RefusalKind::Busy, .. }) => {
                    refused = Some(error);
                }
                copied => return copied,
            }
        }
        Err(refused.expect("it was tried"))
    }

    async fn copy_keyring_once(&self) -> Result<Option<Vec<u8>>, ClientError> {
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
            if is_whole || piece.is_empty() {
                return Ok(Some(copy));
            }
        }
    }
}
