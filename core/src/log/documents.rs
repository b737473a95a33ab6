//! Reads many documents' records at once, each by its own check instead of its block's: a read of a
//! kilobyte in the place of a cell.
//!
//! What the system has in memory is read at once; all else is asked of the disk together, and then
//! read in turn: the disk works on many places at a time, and no thread is needed to wait for each.

use super::LogReader;
use super::error::ReadError;
use super::payload;
use super::record::{self, Decoded};
use crate::disk::DiskFile;
use florin_ledger::Lsn;
use florin_ledger::record::{DocumentRecord, Record};
use std::io;
use std::sync::Arc;

/// Bytes read at once for a document: most are smaller.
const READ_BYTES: usize = 1 << 10;

/// A document's record with its payload.
pub(crate) type StoredDocument = (DocumentRecord, Vec<u8>);

/// Where a document's record begins on the disk, and how much may be read of it.
struct Place {
    lsn: Lsn,
    file: Arc<dyn DiskFile>,
    offset: u64,
    bytes: usize,
}

impl LogReader {
    /// The documents' records at these positions, in the same order. `None` where a record can't be
    /// told by its own check: it is large or in parts, it is sealed, or it is not whole; then
    /// [`LogReader::payload`] tells.
    ///
    /// Cost: a read of a kilobyte each; those that the system must fetch are fetched together.
    ///
    /// # Errors
    /// [`ReadError::Io`].
    pub(crate) fn documents(
        &self,
        positions: &[Lsn],
        durable: Lsn,
    ) -> Result<Vec<Option<StoredDocument>>, ReadError> {
        let mut documents = Vec::with_capacity(positions.len());
        let mut fetched = Vec::new();
        let mut buffer = [0; READ_BYTES];
        for lsn in positions {
            let Some(place) = self.document_place(*lsn, durable)? else {
                documents.push(None);
                continue;
            };
            let bytes = &mut buffer[..place.bytes];
            documents.push(match is_there(place.file.read_cached_at(bytes, place.offset))? {
                Some(true) => decode(bytes, *lsn),
                Some(false) => {
                    fetched.push((documents.len(), place));
                    None
                }
                None => None,
            });
        }
        for (number, place) in fetched {
            let bytes = &mut buffer[..place.bytes];
            let read = place.file.read_exact_at(bytes, place.offset).map(|()| true);
            documents[number] = is_there(read)?.and_then(|_| decode(bytes, place.lsn));
        }
        Ok(documents)
    }

    /// Begins to fetch what lies between two positions into the system's cache.
    pub(crate) fn read_ahead(&self, from: Lsn, to: Lsn) {
        let geometry = self.geometry();
        for number in geometry.segment(from)..=geometry.segment(to) {
            let (start, end) = (geometry.lsn(number, 0), geometry.lsn(number + 1, 0));
            let (start, end) = (start.max(from), end.min(to));
            if let (true, Ok(Some(segment))) = (start < end, self.segment(number)) {
                segment.file.read_ahead(geometry.offset(start), end.0 - start.0);
            }
        }
    }

    fn document_place(&self, lsn: Lsn, durable: Lsn) -> Result<Option<Place>, ReadError> {
        let geometry = self.geometry();
        let Some(segment) = self.segment(geometry.segment(lsn))? else { return Ok(None) };
        let end = geometry.cell_end(lsn).min(durable);
        let bytes = usize::try_from(end.0.saturating_sub(lsn.0)).unwrap_or(usize::MAX);
        let (offset, bytes) = (geometry.offset(lsn), bytes.min(READ_BYTES));
        Ok(Some(Place { lsn, file: segment.file, offset, bytes }))
    }
}

/// What a read says; `None` where the file ends before, as a segment does once it was cut.
fn is_there(read: io::Result<bool>) -> Result<Option<bool>, ReadError> {
    match read {
        Ok(is_read) => Ok(Some(is_read)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn decode(bytes: &[u8], lsn: Lsn) -> Option<StoredDocument> {
    let stored = bytes.get(..record::bytes_at(bytes)?)?;
    let Decoded { record: Record::Document(document), payload, .. } =
        record::decode(stored).ok()?
    else {
        return None;
    };
    let is_whole = payload.len() == Record::Document(document).payload_bytes()
        && payload::check_is_right(stored, lsn);
    is_whole.then(|| (document, payload.to_vec()))
}
