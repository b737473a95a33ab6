//! What there is of a document before it is written: looked up, and its version found, before
//! anything of the request takes effect.

use super::documents::IndexKey;
use super::past::Past;
use crate::documents::DocumentEntry;
use crate::error::Error;
use florin_ledger::document::DocumentCondition;
use florin_ledger::{Lsn, Position, TableId};

/// A document as a write meets it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Present {
    /// The newest record of its key, [`Lsn::NONE`] if none is known.
    pub(super) previous: Lsn,
    /// Its version, [`Position::NONE`] if it has no value. The epoch is zero if nobody asks for it.
    pub(super) version: Position,
}

impl Present {
    /// Whether it has a value.
    pub(super) fn is_live(self) -> bool {
        self.version.is_some()
    }

    /// Whether a condition holds; otherwise the version that there is.
    pub(super) fn check(self, condition: DocumentCondition) -> Result<(), Position> {
        let holds = match condition {
            DocumentCondition::Any => true,
            DocumentCondition::Absent => !self.is_live(),
            DocumentCondition::Version(version) => version == self.version,
        };
        if holds { Ok(()) } else { Err(self.version) }
    }
}

impl Past {
    /// What there is of a document. Its epoch is found only if the caller asks for the version:
    /// that of one from an earlier opening is read from the log.
    pub(super) fn present(
        &self,
        table: TableId,
        key: &[u8],
        asks_version: bool,
    ) -> Result<Present, Error> {
        let place = IndexKey::of(table, key);
        let entry = self.indexes.documents.index.get(place.bytes())?;
        self.present_of(entry, asks_version)
    }

    /// The same of a document that this very request may have written: then memory has it.
    pub(super) fn present_in_memory(&self, table: TableId, key: &[u8]) -> Option<Present> {
        let place = IndexKey::of(table, key);
        let entry = self.indexes.documents.index.get_in_memory(place.bytes())?;
        let is_own = self.is_of_this_epoch(entry.lsn);
        is_own.then(|| self.present_of(Some(entry), true).expect("nothing is read"))
    }

    fn present_of(
        &self,
        entry: Option<DocumentEntry>,
        asks_version: bool,
    ) -> Result<Present, Error> {
        let version = match entry {
            Some(DocumentEntry { lsn, is_deleted: false }) if asks_version => {
                self.position_of(lsn)?
            }
            Some(DocumentEntry { lsn, is_deleted: false }) => Position { epoch: 0, lsn },
            _ => Position::NONE,
        };
        Ok(Present { previous: entry.map_or(Lsn::NONE, |entry| entry.lsn), version })
    }
}
