//! What a client asks to copy a ledger: where its log ends, and pieces of log, checkpoint and keyring as they are
//! stored.

use crate::client::Client;
use crate::copy_call::{CopyKeyring, OfferSeed, ReadLog, ReadSeed, TakeSnapshot};
use crate::error::ClientError;
use florin_wire::{CopiedKeyring, KeyringPiece, LogPiece, SeedOffer, SeedPiece, Snapshot};

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

    /// The newest checkpoint, to seed a standby from; `None` if there is none. Its pieces can be read for a minute
    /// after the last that was asked for.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn offer_seed(&self) -> Result<Option<SeedOffer>, ClientError> {
        self.ask(&OfferSeed).await
    }

    /// A piece of such a checkpoint as it is stored.
    ///
    /// # Errors
    /// See [`ClientError`]; [`florin_wire::RefusalKind::Busy`] once it is not held any more: ask for another.
    pub async fn read_seed(&self, piece: SeedPiece) -> Result<Vec<u8>, ClientError> {
        self.ask(&ReadSeed(piece)).await
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
