//! Reading documents in order and their versions: the engine says what memory knows, the runs and the log say the
//! rest, on the caller's own thread. By their keys they are [found](super::found).

use super::Reads;
use crate::documents::{DocumentLookup, KeyList, KeyOrder, KeyRange, ScanPage};
use crate::engine::IndexKey;
use crate::engine::ask::{Answer, Ask, DocumentPlace};
use crate::error::{Error, ErrorKind};
use crate::limits::{DOCUMENT_VERSIONS_MAX, SCAN_VALUE_BYTES_MAX};
use crate::log::{StoredDocument, StoredRecord};
use florin_ledger::document::{DOCUMENT_KEY_BYTES_MAX, DocumentPage, DocumentScan};
use florin_ledger::query::PAGE_COUNT_MAX;
use florin_ledger::record::{DocumentChange, DocumentRecord, Record};
use florin_ledger::{Document, DocumentKey, Lsn, Position, TableId, TableOptions, Timestamp};

/// Keys asked for at once at least: of those some may be deleted.
const SCAN_KEYS_MIN: usize = 128;
/// Pages without a document that are passed over.
const EMPTY_ROUNDS_MAX: usize = 64;
/// Documents of a page that are read together: beyond that the disk works on no more at a time.
const READ_TOGETHER: usize = 1_024;

impl Reads {
    /// The tables that were declared, in order.
    pub(crate) fn tables(&self) -> Result<Vec<(TableId, TableOptions)>, Error> {
        match self.ask(Ask::Tables)? {
            Answer::Tables(tables) => Ok(tables),
            _ => unreachable!("tables are answered by tables"),
        }
    }

    /// A page of a table's documents.
    pub(crate) fn scan_documents(&self, scan: &DocumentScan) -> Result<DocumentPage, Error> {
        let limit = page_limit(scan.limit, PAGE_COUNT_MAX)?;
        check_bytes(&scan.prefix)?;
        check_bytes(scan.after.as_deref().unwrap_or_default())?;
        let prefix = IndexKey::of(scan.table, &scan.prefix);
        let order = if scan.reversed { KeyOrder::Falling } else { KeyOrder::Rising };
        let range = KeyRange::prefix(prefix.bytes());
        let range = match &scan.after {
            None => range,
            Some(after) => range.after(IndexKey::of(scan.table, after).bytes(), order),
        };
        let found = self.scan_keys(scan.table, range, order, limit)?;
        let entries: Vec<(DocumentKey, Lsn)> = found
            .keys
            .iter()
            .take(limit)
            .map(|(place, entry)| {
                let key = IndexKey::split(place).1.to_vec();
                (DocumentKey { table: scan.table, key }, entry.lsn)
            })
            .collect();
        let is_all = entries.len() == found.keys.len();
        let mut page =
            if scan.keys_only { self.without_values(entries)? } else { self.with_values(entries)? };
        if is_all && page.next.is_none() {
            page.next = found.next.map(|last| IndexKey::split(&last).1.to_vec());
        } else {
            page.next = page.items.last().map(|document| document.key.clone());
        }
        Ok(page)
    }

    /// Documents up to a page's bytes; `next` says that not all of them fitted.
    fn with_values(&self, entries: Vec<(DocumentKey, Lsn)>) -> Result<DocumentPage, Error> {
        let durable = self.durable.get();
        let mut page = DocumentPage::default();
        let mut bytes = 0;
        for some in entries.chunks(READ_TOGETHER) {
            let positions: Vec<Lsn> = some.iter().map(|(_, lsn)| *lsn).collect();
            let read = self.log.documents(&positions, durable)?;
            for ((key, lsn), read) in some.iter().zip(read) {
                if SCAN_VALUE_BYTES_MAX <= bytes {
                    page.next = page.items.last().map(|document: &Document| document.key.clone());
                    return Ok(page);
                }
                let (document, _) = self.document_of(key, *lsn, read, durable)?;
                bytes += document.key.len() + document.value.as_ref().map_or(0, Vec::len);
                page.items.push(document);
            }
        }
        Ok(page)
    }

    /// Keys in order. Passes over what is deleted, for some rounds: then a page may be empty although
    /// more follows.
    fn scan_keys(
        &self,
        table: TableId,
        range: KeyRange,
        order: KeyOrder,
        limit: usize,
    ) -> Result<ScanPage, Error> {
        let mut page = ScanPage { keys: KeyList::default(), next: Some(Box::default()) };
        for round in 0..EMPTY_ROUNDS_MAX {
            let range = match &page.next {
                Some(last) if round != 0 => range.after(last, order),
                Some(_) => range.clone(),
                None => break,
            };
            let ask = Ask::Scan(table, range, order, limit.max(SCAN_KEYS_MIN));
            let Answer::Scan(found) = self.ask(ask)? else {
                unreachable!("a scan is answered by a scan");
            };
            let volatile = || invalid(format!("table {table} is volatile: it has no order"));
            let found = found.ok_or_else(volatile)?;
            page = found.page()?;
            if !page.keys.is_empty() {
                break;
            }
        }
        Ok(page)
    }

    /// What the index alone says of documents.
    fn without_values(&self, entries: Vec<(DocumentKey, Lsn)>) -> Result<DocumentPage, Error> {
        let without_value = |(key, lsn): (DocumentKey, Lsn)| {
            Ok(Document {
                key: key.key,
                version: Position { epoch: self.log.epoch_of(lsn)?, lsn },
                timestamp: Timestamp::NONE,
                expires: Timestamp::NONE,
                value: None,
            })
        };
        let items = entries.into_iter().map(without_value).collect::<Result<_, Error>>()?;
        Ok(DocumentPage { items, next: None })
    }

    /// What a document was, newest first.
    pub(crate) fn document_history(
        &self,
        key: &DocumentKey,
        before: Position,
        limit: u32,
    ) -> Result<Vec<Document>, Error> {
        let limit = page_limit(limit, DOCUMENT_VERSIONS_MAX)?;
        let place = place_of(key)?;
        let Answer::Documents(found, runs) = self.ask(Ask::Places(vec![place.clone()]))? else {
            unreachable!("documents are answered by their places");
        };
        let durable = self.durable.get();
        let newest = match found.into_iter().next() {
            Some(DocumentPlace::Indexed(DocumentLookup::Found(entry))) => Some(entry.lsn),
            Some(DocumentPlace::Recent(..)) => unreachable!("places say nothing more"),
            Some(DocumentPlace::Indexed(DocumentLookup::Unknown)) => {
                runs.get(&place)?.map(|entry| entry.lsn)
            }
            Some(DocumentPlace::Volatile(_)) => {
                return Err(invalid(format!("table {} is volatile: it has no history", key.table)));
            }
            Some(DocumentPlace::Indexed(DocumentLookup::Absent)) | None => None,
        };
        let mut next = if before.is_some() {
            self.version_before(key, before, durable)?
        } else {
            newest.unwrap_or(Lsn::NONE)
        };
        let (mut versions, mut bytes) = (Vec::new(), 0);
        while next.is_some() && versions.len() < limit && bytes < SCAN_VALUE_BYTES_MAX {
            let (document, record) = self.document_at(key, next, durable)?;
            bytes += document.value.as_ref().map_or(0, Vec::len);
            versions.push(document);
            next = record.previous;
        }
        Ok(versions)
    }

    /// The record before the one that a caller names.
    fn version_before(
        &self,
        key: &DocumentKey,
        version: Position,
        durable: Lsn,
    ) -> Result<Lsn, Error> {
        let not_one =
            || invalid(format!("{version} is no version of this document: begin from the newest"));
        let (stored, payload) = self.log.payload(version.lsn, durable).map_err(|_| not_one())?;
        match stored.record {
            Record::Document(record)
                if stored.epoch == version.epoch && is_of(&record, &payload, key) =>
            {
                Ok(record.previous)
            }
            _ => Err(not_one()),
        }
    }

    /// The document that the record at a position wrote, with that record.
    fn document_at(
        &self,
        key: &DocumentKey,
        lsn: Lsn,
        durable: Lsn,
    ) -> Result<(Document, DocumentRecord), Error> {
        let read = self.log.documents(&[lsn], durable)?.pop().flatten();
        self.document_of(key, lsn, read, durable)
    }

    /// As [`Reads::document_at`], of what was read together with others, if it could be.
    pub(super) fn document_of(
        &self,
        key: &DocumentKey,
        lsn: Lsn,
        read: Option<StoredDocument>,
        durable: Lsn,
    ) -> Result<(Document, DocumentRecord), Error> {
        let (record, payload) = match read {
            Some(read) => read,
            None => match self.log.payload(lsn, durable)? {
                (StoredRecord { record: Record::Document(record), .. }, payload) => {
                    (record, payload)
                }
                _ => return Err(wrong_record(lsn)),
            },
        };
        let version = Position { epoch: self.log.epoch_of(lsn)?, lsn };
        let document =
            of_record(key, version, &record, payload).ok_or_else(|| wrong_record(lsn))?;
        Ok((document, record))
    }
}

/// The document that a record with its payload says; `None` if it is another's.
pub(super) fn of_record(
    key: &DocumentKey,
    version: Position,
    record: &DocumentRecord,
    mut payload: Vec<u8>,
) -> Option<Document> {
    if !is_of(record, &payload, key) {
        return None;
    }
    let value = payload.split_off(usize::from(record.key_bytes));
    let is_put = record.change == DocumentChange::Put;
    Some(Document {
        key: payload,
        version,
        timestamp: record.time,
        expires: if is_put { record.expires } else { Timestamp::NONE },
        value: is_put.then_some(value),
    })
}

fn is_of(record: &DocumentRecord, payload: &[u8], key: &DocumentKey) -> bool {
    record.table == key.table && payload.get(..usize::from(record.key_bytes)) == Some(&key.key)
}

pub(super) fn place_of(key: &DocumentKey) -> Result<Box<[u8]>, Error> {
    check_bytes(&key.key)?;
    if key.key.is_empty() || key.table == TableId::EXPIRIES {
        return Err(invalid("a document has a key, and a table below 65535"));
    }
    Ok(IndexKey::of(key.table, &key.key).bytes().into())
}

fn check_bytes(key: &[u8]) -> Result<(), Error> {
    if key.len() <= DOCUMENT_KEY_BYTES_MAX {
        return Ok(());
    }
    Err(invalid(format!(
        "a key has at most {DOCUMENT_KEY_BYTES_MAX} bytes, this one has {}",
        key.len()
    )))
}

fn page_limit(limit: u32, most: u32) -> Result<usize, Error> {
    if (1..=most).contains(&limit) {
        return Ok(usize::try_from(limit).expect("u32 fits usize"));
    }
    Err(invalid(format!("a page has 1 to {most} items, not {limit}")))
}

fn wrong_record(lsn: Lsn) -> Error {
    Error::corrupt(format!(
        "the record at {lsn} is not the document that the index says: run `florin rebuild`"
    ))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, message)
}
