//! Documents read for an answer, in parts, so that a request for many large ones never brings more
//! of them into memory than a few answers could hold.

use florin_core::limits::DOCUMENT_VERSIONS_MAX;
use florin_core::{Database, Error};
use florin_ledger::{Document, DocumentKey};
use florin_wire::cold::HistoryOf;
use florin_wire::documents::{FOUND_BYTES_MAX, Found, encoded_bytes};
use florin_wire::limits::DOCUMENT_BYTES_MAX;

/// Documents of the first part: they fit an answer however large they are.
const FIRST_PART: usize = FOUND_BYTES_MAX / DOCUMENT_BYTES_MAX;
/// Documents of the largest part. Parts double while all before them fits, because small documents
/// are common and each part asks the engine once.
const PART_MAX: usize = 128;

/// As many of the documents with these keys as fit an answer.
///
/// # Errors
/// Those of the engine.
pub(crate) fn get(database: &Database, keys: &[DocumentKey]) -> Result<Found, Error> {
    let mut documents: Vec<Option<Document>> = Vec::new();
    let mut part = FIRST_PART;
    while documents.len() < keys.len() && has_room(documents.iter().map(Option::as_ref)) {
        let rest = &keys[documents.len()..];
        documents.extend(database.documents(&rest[..part.min(rest.len())])?);
        part = (2 * part).min(PART_MAX);
    }
    Ok(Found::of_keys(documents, keys.len()))
}

/// As many versions of a document as fit an answer.
///
/// # Errors
/// Those of the engine.
pub(crate) fn history(database: &Database, asked: &HistoryOf) -> Result<Found, Error> {
    let mut versions: Vec<Document> = Vec::new();
    let mut before = asked.before;
    let mut left = asked.limit;
    let mut part = FIRST_PART;
    loop {
        let part_max = u32::try_from(part).expect("a part is small");
        // A limit out of range is the engine's to refuse, as it is.
        let is_page = (1..=DOCUMENT_VERSIONS_MAX).contains(&asked.limit);
        let limit = if is_page { left.min(part_max) } else { asked.limit };
        let found = database.document_history(&asked.key, before, limit)?;
        let count = u32::try_from(found.len()).expect("no more than were asked for");
        let is_all = count < limit;
        versions.extend(found);
        left = left.saturating_sub(count);
        match versions.last() {
            Some(last) if !is_all && 0 < left && has_room(versions.iter().map(Some)) => {
                before = last.version;
            }
            _ => return Ok(Found::of_history(versions, is_all)),
        }
        part = (2 * part).min(PART_MAX);
    }
}

fn has_room<'a>(documents: impl Iterator<Item = Option<&'a Document>>) -> bool {
    documents.map(encoded_bytes).sum::<usize>() < FOUND_BYTES_MAX
}
