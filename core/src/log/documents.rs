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
    /// Of all that are read.
    number: usize,
    file: Arc<dyn DiskFile>,
    offset: u64,
    bytes: usize,
}

impl LogReader {
    /// The documents' records at these positions, in the same order. `None` where a record can't be
    /// told by its own check: it is large or in parts, it is sealed, or it is not whole; then
    /// [`LogReader::payload`] tells.
    ///
    /// Cost: a read of a kilobyte each, in the order of the log; those that the system must fetch are
    /// fetched together.
    ///
    /// # Errors
    /// [`ReadError::Io`].
    pub(crate) fn documents(
        &self,
        positions: &[Lsn],
        durable: Lsn,
    ) -> Result<Vec<Option<StoredDocument>>, ReadError> {
        let mut documents = vec![None; positions.len()];
        let mut fetched = Vec::new();
        let mut buffer = [0; READ_BYTES];
        for place in self.places(positions, durable)? {
            let (number, bytes) = (place.number, &mut buffer[..place.bytes]);
            match is_there(place.file.read_cached_at(bytes, place.offset))? {
                Some(true) => documents[number] = decode(bytes, positions[number]),
                Some(false) => fetched.push(place),
                None => {}
            }
        }
        for place in fetched {
            let (number, bytes) = (place.number, &mut buffer[..place.bytes]);
            let read = place.file.read_exact_at(bytes, place.offset).map(|()| true);
            documents[number] = is_there(read)?.and_then(|_| decode(bytes, positions[number]));
        }
        Ok(documents)
    }

    /// Where they are, in the order of the log; none of those in segments that are gone.
    fn places(&self, positions: &[Lsn], durable: Lsn) -> Result<Vec<Place>, ReadError> {
        let geometry = self.geometry();
        let mut numbers: Vec<usize> = (0..positions.len()).collect();
        numbers.sort_unstable_by_key(|number| positions[*number]);
        let segment_of = |number: &usize| geometry.segment(positions[*number]);
        let mut places = Vec::with_capacity(numbers.len());
        for some in numbers.chunk_by(|a, b| segment_of(a) == segment_of(b)) {
            let Some(segment) = self.segment(segment_of(&some[0]))? else { continue };
            places.extend(some.iter().map(|number| {
                let lsn = positions[*number];
                let end = geometry.cell_end(lsn).min(durable);
                let bytes = usize::try_from(end.0.saturating_sub(lsn.0)).unwrap_or(usize::MAX);
                Place {
                    number: *number,
                    file: Arc::clone(&segment.file),
                    offset: geometry.offset(lsn),
                    bytes: bytes.min(READ_BYTES),
                }
            }));
        }
        Ok(places)
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
