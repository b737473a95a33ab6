//! Bodies that carry documents: keys to read, what was found, writes.
//!
//! ```text
//! key       0  2 table | 2  2 key bytes | 4    key                                = 4 + key
//! document  0  1 what | 1  1 reserved | 2  2 key bytes | 4  4 value bytes | 8  8 timestamp
//!          16  8 expires | 24 16 version (8 epoch, 8 lsn) | 40    key, value  = 40 + key + value
//!           what 0: there is none (all other bytes zero), 1: a document, 2: one without a value
//! found     0  1 more | 1  1 reserved | 2  2 bytes of next | 4  4 reserved | 8    next, then
//!           documents on end, to the end of the body
//! writes    0  4 how many | 4    writes on end, see florin_ledger::commit_bytes
//! ```
//! All little-endian, nothing aligned, reserved bytes zero.
//!
//! How large documents are is not known before they are read, so what was found may be cut to what
//! a frame holds, and says so: whoever asked goes on behind the last. At least one document always
//! fits, so that going on comes to an end.

use crate::error::{DecodeError, Reason};
use crate::frame::{HEADER_BYTES, REPLY_HEADER_BYTES};
use crate::limits::{DOCUMENT_BYTES_MAX, DOCUMENT_KEYS_MAX, FRAME_BYTES_MAX};
use bytes::{BufMut, Bytes, BytesMut};
use florin_ledger::commit_bytes::encode_writes;
use florin_ledger::document::{
    DOCUMENT_KEY_BYTES_MAX, DOCUMENT_VALUE_BYTES_MAX, Document, DocumentKey, DocumentPage,
    DocumentWrite, TableId,
};
use florin_ledger::{Lsn, Position, Timestamp};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct KeyLayout {
    table: U16,
    key_bytes: U16,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct DocumentLayout {
    what: u8,
    reserved: u8,
    key_bytes: U16,
    value_bytes: U32,
    timestamp: U64,
    expires: U64,
    epoch: U64,
    lsn: U64,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct FoundLayout {
    more: u8,
    reserved: u8,
    next_bytes: U16,
    reserved_too: U32,
}

/// Bytes of a document besides its key and value.
pub const DOCUMENT_HEAD_BYTES: usize = 40;
/// Bytes of what was found besides its next key and its documents.
pub const FOUND_HEAD_BYTES: usize = 8;
/// Bytes of documents, as they are encoded, that one body holds whatever stands before them.
pub const FOUND_BYTES_MAX: usize =
    FRAME_BYTES_MAX - REPLY_HEADER_BYTES - FOUND_HEAD_BYTES - DOCUMENT_KEY_BYTES_MAX;

const _: () = assert!(size_of::<KeyLayout>() == 4);
const _: () = assert!(size_of::<DocumentLayout>() == DOCUMENT_HEAD_BYTES);
const _: () = assert!(size_of::<FoundLayout>() == FOUND_HEAD_BYTES);
const _: () = assert!(
    DOCUMENT_HEAD_BYTES + DOCUMENT_KEY_BYTES_MAX + DOCUMENT_VALUE_BYTES_MAX == DOCUMENT_BYTES_MAX
);
const _: () = assert!(DOCUMENT_BYTES_MAX <= FOUND_BYTES_MAX, "one document always fits");
const _: () = assert!(
    HEADER_BYTES + DOCUMENT_KEYS_MAX * (size_of::<KeyLayout>() + DOCUMENT_KEY_BYTES_MAX)
        <= FRAME_BYTES_MAX,
    "as many keys as a request may name fit a frame"
);

const NONE: u8 = 0;
const WHOLE: u8 = 1;
const WITHOUT_VALUE: u8 = 2;

/// What was found, in the order in which it was asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Found {
    /// The documents, `None` where there is none.
    pub documents: Vec<Option<Document>>,
    /// Whether this was cut to what a frame holds, or to what was asked for: there may be more.
    pub more: bool,
    /// Of a page: the key to go on after.
    pub next: Option<Vec<u8>>,
}

impl Found {
    /// What was found of so many keys: as many entries as fit, `more` if that is not all.
    #[must_use]
    pub fn of_keys(mut documents: Vec<Option<Document>>, keys_count: usize) -> Found {
        documents.truncate(fitting(documents.iter().map(Option::as_ref)));
        let more = documents.len() < keys_count;
        Found { documents, more, next: None }
    }

    /// Versions of one document: as many as fit, `more` if that is not all.
    #[must_use]
    pub fn of_history(versions: Vec<Document>, is_all: bool) -> Found {
        let count = versions.len();
        let fitting = fitting(versions.iter().map(Some));
        let documents = versions.into_iter().take(fitting).map(Some).collect();
        Found { documents, more: !is_all || fitting < count, next: None }
    }

    /// A page that fits a frame already, see [`fit_page`].
    #[must_use]
    pub fn of_page(page: DocumentPage) -> Found {
        let documents = page.items.into_iter().map(Some).collect();
        Found { documents, more: page.next.is_some(), next: page.next }
    }

    /// The page that this is; `None` if it is none.
    #[must_use]
    pub fn into_page(self) -> Option<DocumentPage> {
        if self.more != self.next.is_some() {
            return None;
        }
        let items = self.documents.into_iter().collect::<Option<_>>()?;
        Some(DocumentPage { items, next: self.next })
    }
}

/// Cuts a page to what a frame holds, so that it is the same wherever it was made.
pub fn fit_page(page: &mut DocumentPage) {
    let fitting = fitting(page.items.iter().map(Some));
    if fitting < page.items.len() {
        page.items.truncate(fitting);
        page.next = page.items.last().map(|last| last.key.clone());
    }
}

/// Bytes of an entry as it is encoded.
#[must_use]
pub fn encoded_bytes(document: Option<&Document>) -> usize {
    let variable = document
        .map_or(0, |document| document.key.len() + document.value.as_ref().map_or(0, Vec::len));
    DOCUMENT_HEAD_BYTES + variable
}

/// How many of the first documents fit one body.
fn fitting<'a>(documents: impl Iterator<Item = Option<&'a Document>>) -> usize {
    let mut left = FOUND_BYTES_MAX;
    let fits = |document| {
        let rest = left.checked_sub(encoded_bytes(document));
        left = rest.unwrap_or(0);
        rest.is_some()
    };
    documents.map(fits).take_while(|fits| *fits).count()
}

/// Appends keys.
///
/// # Panics
/// If a key is longer than a document's may be: whoever asks has been told so before.
pub fn write_keys(keys: &[DocumentKey], out: &mut BytesMut) {
    for key in keys {
        let layout = KeyLayout { table: key.table.0.into(), key_bytes: key_length(&key.key) };
        out.put_slice(layout.as_bytes());
        out.put_slice(&key.key);
    }
}

/// The keys of a body.
///
/// # Errors
/// If they end too soon.
pub fn decode_keys(body: &[u8]) -> Result<Vec<DocumentKey>, DecodeError> {
    let mut cut = Cut { body, offset: 0 };
    let mut keys = Vec::new();
    while !cut.is_empty() {
        let layout: KeyLayout = cut.layout()?;
        let key = cut.take(usize::from(layout.key_bytes.get()))?.to_vec();
        keys.push(DocumentKey { table: TableId(layout.table.get()), key });
    }
    Ok(keys)
}

/// Appends what was found.
///
/// # Panics
/// If a key is longer than a document's may be: no stored document has one.
pub fn write_found(found: &Found, out: &mut BytesMut) {
    let next = found.next.as_deref().unwrap_or_default();
    let layout = FoundLayout {
        more: u8::from(found.more),
        reserved: 0,
        next_bytes: key_length(next),
        reserved_too: U32::ZERO,
    };
    out.put_slice(layout.as_bytes());
    out.put_slice(next);
    for document in &found.documents {
        write_document(document.as_ref(), out);
    }
}

fn write_document(document: Option<&Document>, out: &mut BytesMut) {
    let Some(document) = document else {
        out.put_bytes(0, DOCUMENT_HEAD_BYTES);
        return;
    };
    let value = document.value.as_deref().unwrap_or_default();
    let value_bytes = u32::try_from(value.len()).expect("a value's limit fits 32 bits");
    let layout = DocumentLayout {
        what: if document.value.is_some() { WHOLE } else { WITHOUT_VALUE },
        reserved: 0,
        key_bytes: key_length(&document.key),
        value_bytes: value_bytes.into(),
        timestamp: document.timestamp.0.into(),
        expires: document.expires.0.into(),
        epoch: document.version.epoch.into(),
        lsn: document.version.lsn.0.into(),
    };
    out.put_slice(layout.as_bytes());
    out.put_slice(&document.key);
    out.put_slice(value);
}

/// What a body says was found.
///
/// # Errors
/// If it ends too soon, reserved bytes are set or a number names nothing.
pub fn decode_found(body: &[u8]) -> Result<Found, DecodeError> {
    let mut cut = Cut { body, offset: 0 };
    let layout: FoundLayout = cut.layout()?;
    let more = match layout.more {
        0 => false,
        1 => true,
        _ => return Err(DecodeError::new(0, Reason::Unknown)),
    };
    if layout.reserved != 0 {
        return Err(DecodeError::new(1, Reason::NotZero));
    }
    if layout.reserved_too != U32::ZERO {
        return Err(DecodeError::new(4, Reason::NotZero));
    }
    let next = cut.take(usize::from(layout.next_bytes.get()))?;
    // A key has at least one byte, so none is none.
    let next = (!next.is_empty()).then(|| next.to_vec());
    let mut documents = Vec::new();
    while !cut.is_empty() {
        documents.push(cut.document()?);
    }
    Ok(Found { documents, more, next })
}

/// Writes of documents as a body.
#[must_use]
pub fn writes_to_bytes(writes: &[DocumentWrite]) -> Bytes {
    let count = u32::try_from(writes.len()).unwrap_or(u32::MAX);
    let mut out = count.to_le_bytes().to_vec();
    encode_writes(writes, &mut out);
    out.into()
}

/// The body of [`crate::Operation::DryRunAsOf`]: a position, then a commit as it is encoded.
#[must_use]
pub fn as_of_to_bytes(at: Position, commit: &[u8]) -> Bytes {
    [&at.epoch.to_le_bytes()[..], &at.lsn.0.to_le_bytes(), commit].concat().into()
}

/// The position of such a body, and the commit, which [`florin_ledger::commit_bytes`] reads.
///
/// # Errors
/// If it ends before the position does.
pub fn split_as_of(body: &Bytes) -> Result<(Position, Bytes), DecodeError> {
    let numbers = body.first_chunk::<8>().zip(body.get(8..).and_then(<[u8]>::first_chunk::<8>));
    let Some((epoch, lsn)) = numbers else {
        return Err(DecodeError::new(body.len(), Reason::TooShort));
    };
    let at = Position { epoch: u64::from_le_bytes(*epoch), lsn: Lsn(u64::from_le_bytes(*lsn)) };
    Ok((at, body.slice(AS_OF_BYTES..)))
}

/// Bytes of the position before a commit.
const AS_OF_BYTES: usize = 16;

/// How many writes a body says it holds, and the rest of it, which
/// [`florin_ledger::commit_bytes::parse_writes`] reads.
///
/// # Errors
/// If it ends before the number does.
pub fn split_writes(body: &Bytes) -> Result<(usize, Bytes), DecodeError> {
    let Some(count) = body.first_chunk::<4>() else {
        return Err(DecodeError::new(body.len(), Reason::TooShort));
    };
    let count = usize::try_from(u32::from_le_bytes(*count)).unwrap_or(usize::MAX);
    Ok((count, body.slice(4..)))
}

fn key_length(key: &[u8]) -> U16 {
    u16::try_from(key.len()).expect("a key's limit fits 16 bits").into()
}

/// What is left of a body.
struct Cut<'a> {
    body: &'a [u8],
    offset: usize,
}

impl<'a> Cut<'a> {
    fn is_empty(&self) -> bool {
        self.body.len() <= self.offset
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let rest = self.body.get(self.offset..).unwrap_or_default();
        let too_short = DecodeError::new(self.body.len(), Reason::TooShort);
        let taken = rest.get(..count).ok_or(too_short)?;
        self.offset += count;
        Ok(taken)
    }

    fn layout<T: FromBytes>(&mut self) -> Result<T, DecodeError> {
        let bytes = self.take(size_of::<T>())?;
        Ok(T::read_from_bytes(bytes).expect("as many bytes as it has"))
    }

    fn document(&mut self) -> Result<Option<Document>, DecodeError> {
        let start = self.offset;
        let layout: DocumentLayout = self.layout()?;
        if layout.reserved != 0 {
            return Err(DecodeError::new(start + 1, Reason::NotZero));
        }
        let value_bytes = usize::try_from(layout.value_bytes.get()).unwrap_or(usize::MAX);
        let with_value = match layout.what {
            NONE if layout.as_bytes().iter().all(|byte| *byte == 0) => return Ok(None),
            NONE => return Err(DecodeError::new(start, Reason::NotZero)),
            WHOLE => true,
            WITHOUT_VALUE if value_bytes == 0 => false,
            WITHOUT_VALUE => return Err(DecodeError::new(start + 4, Reason::NotZero)),
            _ => return Err(DecodeError::new(start, Reason::Unknown)),
        };
        let key = self.take(usize::from(layout.key_bytes.get()))?.to_vec();
        let value = self.take(value_bytes)?;
        Ok(Some(Document {
            key,
            version: Position { epoch: layout.epoch.get(), lsn: Lsn(layout.lsn.get()) },
            timestamp: Timestamp(layout.timestamp.get()),
            expires: Timestamp(layout.expires.get()),
            value: with_value.then(|| value.to_vec()),
        }))
    }
}
