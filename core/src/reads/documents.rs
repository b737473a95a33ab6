//! Reading documents: the engine says what memory knows, the runs and the log say the rest, on the
//! caller's own thread.

use super::Reads;
use crate::documents::{DocumentLookup, KeyList, KeyOrder, KeyRange, ScanPage};
use crate::engine::IndexKey;
use crate::engine::ask::{Answer, Ask, DocumentPlace};
use crate::error::{Error, ErrorKind};
use crate::limits::{DOCUMENT_VERSIONS_MAX, DOCUMENTS_READ_MAX, SCAN_VALUE_BYTES_MAX};
use crate::log::StoredRecord;
use florin_ledger::document::{DOCUMENT_KEY_BYTES_MAX, DocumentPage, DocumentScan};
use florin_ledger::query::PAGE_COUNT_MAX;
use florin_ledger::record::{DocumentChange, DocumentRecord, Record};
use florin_ledger::{Document, DocumentKey, Lsn, Position, TableId, TableOptions, Timestamp};

/// Keys asked for at once at least: of those some may be deleted.
const SCAN_KEYS_MIN: usize = 128;
/// Pages without a document that are passed over.
const EMPTY_ROUNDS_MAX: usize = 64;

impl Reads {
    /// The tables that were declared, in order.
    pub(crate) fn tables(&self) -> Result<Vec<(TableId, TableOptions)>, Error> {
        match self.ask(Ask::Tables)? {
            Answer::Tables(tables) => Ok(tables),
            _ => unreachable!("tables are answered by tables"),
        }
    }

    /// One entry per key, `None` where there is no document.
    pub(crate) fn documents(&self, keys: &[DocumentKey]) -> Result<Vec<Option<Document>>, Error> {
        if DOCUMENTS_READ_MAX < keys.len() {
            return Err(invalid(format!(
                "at most {DOCUMENTS_READ_MAX} documents are read at once, these are {}: ask for \
                 some, then for the others",
                keys.len()
            )));
        }
        let places = keys.iter().map(place_of).collect::<Result<Vec<_>, Error>>()?;
        let Answer::Documents(found, runs) = self.ask(Ask::Documents(places.clone()))? else {
            unreachable!("documents are answered by their places");
        };
        let durable = self.durable.get();
        let mut documents = Vec::with_capacity(keys.len());
        for ((key, place), found) in keys.iter().zip(&places).zip(found) {
            let entry = match found {
                DocumentPlace::Volatile(kept) => {
                    documents.push(kept.map(|(epoch, kept)| Document {
                        key: key.key.clone(),
                        version: Position { epoch, lsn: kept.version },
                        timestamp: kept.timestamp,
                        expires: kept.expires,
                        value: Some(kept.value.into()),
                    }));
                    continue;
                }
                DocumentPlace::Indexed(DocumentLookup::Absent) => None,
                DocumentPlace::Indexed(DocumentLookup::Found(entry)) => Some(entry),
                DocumentPlace::Indexed(DocumentLookup::Unknown) => runs.get(place)?,
            };
            let lsn = entry.filter(|entry| !entry.is_deleted).map(|entry| entry.lsn);
            let document = lsn.map(|lsn| self.document_at(key, lsn, durable)).transpose()?;
            documents.push(document.map(|(document, _)| document));
        }
        Ok(documents)
    }

    /// A page of a table's documents.
    pub(crate) fn scan_documents(&self, scan: &DocumentScan) -> Result<DocumentPage, Error> {
        let limit = page_limit(scan.limit, PAGE_COUNT_MAX)?;
        check_bytes(&scan.prefix)?;
        check_bytes(scan.after.as_deref().unwrap_or_default())?;
        if self.tables()?.iter().any(|(table, options)| *table == scan.table && options.volatile) {
            return Err(invalid(format!("table {} is volatile: it has no order", scan.table)));
        }
        let prefix = IndexKey::of(scan.table, &scan.prefix);
        let order = if scan.reversed { KeyOrder::Falling } else { KeyOrder::Rising };
        let range = KeyRange::prefix(prefix.bytes());
        let range = match &scan.after {
            None => range,
            Some(after) => range.after(IndexKey::of(scan.table, after).bytes(), order),
        };
        let found = self.scan_keys(range, order, limit)?;
        let durable = self.durable.get();
        let mut page = DocumentPage::default();
        let mut bytes = 0;
        for (place, entry) in found.keys.iter() {
            let key = DocumentKey { table: scan.table, key: IndexKey::split(place).1.to_vec() };
            if SCAN_VALUE_BYTES_MAX <= bytes || limit <= page.items.len() {
                page.next = page.items.last().map(|document: &Document| document.key.clone());
                return Ok(page);
            }
            let document = if scan.keys_only {
                self.without_value(key, entry.lsn)?
            } else {
                self.document_at(&key, entry.lsn, durable)?.0
            };
            bytes += document.key.len() + document.value.as_ref().map_or(0, Vec::len);
            page.items.push(document);
        }
        page.next = found.next.map(|last| IndexKey::split(&last).1.to_vec());
        Ok(page)
    }

    /// Keys in order. Passes over what is deleted, for some rounds: then a page may be empty although
    /// more follows.
    fn scan_keys(&self, range: KeyRange, order: KeyOrder, limit: usize) -> Result<ScanPage, Error> {
        let mut page = ScanPage { keys: KeyList::default(), next: Some(Box::default()) };
        for round in 0..EMPTY_ROUNDS_MAX {
            let range = match &page.next {
                Some(last) if round != 0 => range.after(last, order),
                Some(_) => range.clone(),
                None => break,
            };
            let Answer::Scan(found) =
                self.ask(Ask::Scan(range, order, limit.max(SCAN_KEYS_MIN)))?
            else {
                unreachable!("a scan is answered by a scan");
            };
            page = found.page()?;
            if !page.keys.is_empty() {
                break;
            }
        }
        Ok(page)
    }

    /// What the index alone says of a document.
    fn without_value(&self, key: DocumentKey, lsn: Lsn) -> Result<Document, Error> {
        Ok(Document {
            key: key.key,
            version: Position { epoch: self.log.epoch_of(lsn)?, lsn },
            timestamp: Timestamp::NONE,
            expires: Timestamp::NONE,
            value: None,
        })
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
        let Answer::Documents(found, runs) = self.ask(Ask::Documents(vec![place.clone()]))? else {
            unreachable!("documents are answered by their places");
        };
        let durable = self.durable.get();
        let newest = match found.into_iter().next() {
            Some(DocumentPlace::Indexed(DocumentLookup::Found(entry))) => Some(entry.lsn),
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
        let (record, mut payload) = match self.log.document(lsn, durable)? {
            Some(found) => found,
            None => match self.log.payload(lsn, durable)? {
                (StoredRecord { record: Record::Document(record), .. }, payload) => {
                    (record, payload)
                }
                _ => return Err(wrong_record(lsn)),
            },
        };
        if !is_of(&record, &payload, key) {
            return Err(wrong_record(lsn));
        }
        let value = payload.split_off(usize::from(record.key_bytes));
        let is_put = record.change == DocumentChange::Put;
        let document = Document {
            key: payload,
            version: Position { epoch: self.log.epoch_of(lsn)?, lsn },
            timestamp: record.time,
            expires: if is_put { record.expires } else { Timestamp::NONE },
            value: is_put.then_some(value),
        };
        Ok((document, record))
    }
}

fn is_of(record: &DocumentRecord, payload: &[u8], key: &DocumentKey) -> bool {
    record.table == key.table && payload.get(..usize::from(record.key_bytes)) == Some(&key.key)
}

fn place_of(key: &DocumentKey) -> Result<Box<[u8]>, Error> {
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
