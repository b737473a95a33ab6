//! What is asked by who copies a ledger: where its log ends, and pieces of log and keyring as they are
//! stored. On threads that may block, as questions about history.

use florin_core::{Database, Error, ErrorKind};
use florin_wire::limits::PIECE_BYTES_MAX;
use florin_wire::{CopiedKeyring, KeyringPiece, LogPiece, Snapshot};

/// A question of who copies a ledger.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CopyQuestion {
    /// Where the log ends.
    Snapshot,
    /// Bytes of the log.
    Log(LogPiece),
    /// Bytes of a copy of the keyring.
    Keyring(KeyringPiece),
}

/// The answer to a [`CopyQuestion`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CopyAnswer {
    /// Where the log ends.
    Snapshot(Box<Snapshot>),
    /// Bytes of the log.
    Log(Vec<u8>),
    /// Bytes of a copy of the keyring.
    Keyring(CopiedKeyring),
}

/// Asks a database.
///
/// # Errors
/// Those of the database.
pub(crate) fn ask(database: &Database, question: CopyQuestion) -> Result<CopyAnswer, Error> {
    Ok(match question {
        CopyQuestion::Snapshot => CopyAnswer::Snapshot(Box::new(snapshot(database)?)),
        CopyQuestion::Log(LogPiece { segment, offset, bytes }) => {
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            CopyAnswer::Log(database.read_log(segment, offset.into(), bytes)?)
        }
        CopyQuestion::Keyring(piece) => CopyAnswer::Keyring(keyring(database, piece)?),
    })
}

fn snapshot(database: &Database) -> Result<Snapshot, Error> {
    let taken = database.snapshot()?;
    Ok(Snapshot {
        birth: taken.birth,
        incarnation: taken.incarnation,
        epoch: taken.epoch,
        segment_bytes: taken.segment_bytes,
        is_sealed: taken.is_sealed,
        end: taken.end.lsn,
        sequence: taken.end.sequence,
        chain: taken.end.chain,
        time: taken.time,
        wrapped_key: taken.wrapped_key,
    })
}

/// Every piece is of a copy that is made for it: the hash says whether they are of the same.
fn keyring(database: &Database, piece: KeyringPiece) -> Result<CopiedKeyring, Error> {
    let Some(copy) = database.copy_keyring()? else {
        return Ok(CopiedKeyring { bytes: 0, hash: [0; 32], piece: Vec::new() });
    };
    let (copy, hash) = (copy.to_bytes(), copy.hash());
    if piece.offset != 0 && piece.hash != hash {
        return Err(Error::new(
            ErrorKind::Busy,
            "the keyring has changed since the first piece: begin anew",
        ));
    }
    let offset = usize::try_from(piece.offset).unwrap_or(usize::MAX).min(copy.len());
    let end = offset.saturating_add(PIECE_BYTES_MAX).min(copy.len());
    let bytes = u64::try_from(copy.len()).expect("it is in memory");
    Ok(CopiedKeyring { bytes, hash, piece: copy[offset..end].to_vec() })
}
