//! Questions of who copies a ledger, over both paths as those in [`crate::call`].

use crate::call::Call;
#[cfg(feature = "embedded")]
use crate::embedded::Task;
use bytes::Bytes;
#[cfg(feature = "embedded")]
use florin_core::{Error, ErrorKind};
use florin_wire::{
    CopiedKeyring, DecodeError, KeyringPiece, LogPiece, Operation, Reason, SeedOffer, SeedPiece,
    Snapshot,
};

pub(crate) struct TakeSnapshot;

impl Call for TakeSnapshot {
    type Answer = Snapshot;
    const OPERATION: Operation = Operation::Snapshot;

    fn body(&self) -> Bytes {
        Bytes::new()
    }

    fn decode(&self, body: &[u8]) -> Result<Snapshot, DecodeError> {
        Snapshot::decode(body)
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<Snapshot>, Error> {
        Err(in_process())
    }
}

pub(crate) struct ReadLog(pub(crate) LogPiece);

impl Call for ReadLog {
    type Answer = Vec<u8>;
    const OPERATION: Operation = Operation::ReadLog;

    fn body(&self) -> Bytes {
        self.0.to_bytes()
    }

    fn decode(&self, body: &[u8]) -> Result<Vec<u8>, DecodeError> {
        match usize::try_from(self.0.bytes) {
            Ok(asked) if asked < body.len() => Err(DecodeError::new(asked, Reason::TooLong)),
            _ => Ok(body.to_vec()),
        }
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<Vec<u8>>, Error> {
        Err(in_process())
    }
}

pub(crate) struct CopyKeyring(pub(crate) KeyringPiece);

impl Call for CopyKeyring {
    type Answer = CopiedKeyring;
    const OPERATION: Operation = Operation::CopyKeyring;

    fn body(&self) -> Bytes {
        self.0.to_bytes()
    }

    fn decode(&self, body: &[u8]) -> Result<CopiedKeyring, DecodeError> {
        CopiedKeyring::decode(body)
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<CopiedKeyring>, Error> {
        Err(in_process())
    }
}

pub(crate) struct OfferSeed;

impl Call for OfferSeed {
    type Answer = Option<SeedOffer>;
    const OPERATION: Operation = Operation::OfferSeed;

    fn body(&self) -> Bytes {
        Bytes::new()
    }

    fn decode(&self, body: &[u8]) -> Result<Option<SeedOffer>, DecodeError> {
        if body.is_empty() { Ok(None) } else { SeedOffer::decode(body).map(Some) }
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<Option<SeedOffer>>, Error> {
        Err(in_process())
    }
}

pub(crate) struct ReadSeed(pub(crate) SeedPiece);

impl Call for ReadSeed {
    type Answer = Vec<u8>;
    const OPERATION: Operation = Operation::ReadSeed;

    fn body(&self) -> Bytes {
        self.0.to_bytes()
    }

    fn decode(&self, body: &[u8]) -> Result<Vec<u8>, DecodeError> {
        Ok(body.to_vec())
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<Vec<u8>>, Error> {
        Err(in_process())
    }
}

/// Whoever has the engine has what it is copied from.
#[cfg(feature = "embedded")]
fn in_process() -> Error {
    Error::new(ErrorKind::Invalid, "a database in this process is copied by its own methods")
}
