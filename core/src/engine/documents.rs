//! What follows from the log of documents: where each stands, which tables were declared, when the
//! next one expires. Deciding, recovering and verifying all enter records through here.

use super::expiries::Expiries;
use crate::documents::{DocumentEntry, DocumentIndex};
use crate::limits::INDEX_KEY_BYTES_MAX;
use florin_ledger::record::{DocumentChange, DocumentRecord};
use florin_ledger::{Lsn, TableId, TableOptions, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Documents as the log has them up to some record.
pub(crate) struct Documents {
    /// Table and key to the newest record; and, under [`TableId::EXPIRIES`], what is due when.
    pub(crate) index: DocumentIndex,
    /// What tables promise.
    pub(crate) tables: BTreeMap<TableId, TableOptions>,
    pub(crate) expiries: Expiries,
    /// Documents that have a value.
    pub(crate) count: u64,
    /// Rises with every record of [`TableId::CLIENT_KEYS`], before it is durable.
    pub(crate) client_keys: Arc<AtomicU64>,
}

impl Documents {
    /// Of a checkpoint: `passed` is what [`Expiries::passed`] said. Its tables come by
    /// [`Documents::declare`].
    pub(crate) fn new(index: DocumentIndex, count: u64, passed: Timestamp) -> Documents {
        let expiries = Expiries::unread_from(passed);
        let client_keys = Arc::default();
        Documents { index, tables: BTreeMap::new(), expiries, count, client_keys }
    }

    /// What a table promises.
    pub(crate) fn options(&self, table: TableId) -> TableOptions {
        // Whoever could delete there could bring a destroyed key back with an old copy of it.
        if table.keeps_all() {
            return TableOptions { append_only: true, ..TableOptions::default() };
        }
        self.tables.get(&table).copied().unwrap_or_default()
    }

    /// Enters what a record says.
    pub(crate) fn enter(&mut self, lsn: Lsn, record: &DocumentRecord, payload: &[u8]) {
        let (key, value) = payload.split_at(usize::from(record.key_bytes));
        let place = IndexKey::of(record.table, key);
        let is_put = record.change == DocumentChange::Put;
        self.index.insert(place.bytes(), DocumentEntry { lsn, is_deleted: !is_put });
        match (is_put, record.replaces) {
            (true, false) => self.count += 1,
            (false, true) => self.count -= 1,
            _ => {}
        }
        if record.change == DocumentChange::Expired {
            self.expiries.pass(record.expires);
        }
        if is_put && record.expires != Timestamp::NONE {
            let due = IndexKey::of_expiry(record.expires, place.bytes());
            self.index.insert(due.bytes(), DocumentEntry { lsn, is_deleted: false });
            self.expiries.add(record.expires, place.bytes(), lsn);
        }
        if is_put && record.table == TableId::DECLARATIONS {
            self.declare(key, value);
        }
        if record.table == TableId::CLIENT_KEYS {
            self.client_keys.fetch_add(1, Ordering::Release);
        }
    }

    /// Takes note of a declaration.
    pub(crate) fn declare(&mut self, key: &[u8], value: &[u8]) {
        let number = key.as_array().map(|number| u16::from_be_bytes(*number));
        if let (Some(number), Some(options)) = (number, TableOptions::decoded(value)) {
            self.tables.insert(TableId(number), options);
        }
    }

    /// Whether so many documents, whose keys have so many bytes in all, can be written before keys in
    /// memory must go to a run.
    pub(crate) fn have_room(&self, writes_count: usize, keys_bytes: usize) -> bool {
        // Each may have an expiry, under a longer key.
        let keys_bytes = 2 * keys_bytes + writes_count * (IndexKey::TABLE + IndexKey::EXPIRY);
        !self.index.is_full(2 * writes_count, keys_bytes)
    }
}

/// A key as the index knows it: table, big-endian, and key; or, of an expiry, [`TableId::EXPIRIES`],
/// when it is due, big-endian, and the document's own.
pub(crate) struct IndexKey {
    buffer: [u8; INDEX_KEY_BYTES_MAX],
    length: usize,
}

impl IndexKey {
    /// Bytes before the key of a document.
    pub(crate) const TABLE: usize = 2;
    /// Bytes before the document's own in the key of an expiry.
    const EXPIRY: usize = 2 + 8;

    pub(crate) fn of(table: TableId, key: &[u8]) -> IndexKey {
        IndexKey::joined(&table.0.to_be_bytes(), key)
    }

    pub(crate) fn of_expiry(due: Timestamp, place: &[u8]) -> IndexKey {
        let mut head = [0; IndexKey::EXPIRY];
        head[..2].copy_from_slice(&TableId::EXPIRIES.0.to_be_bytes());
        head[2..].copy_from_slice(&due.0.to_be_bytes());
        IndexKey::joined(&head, place)
    }

    fn joined(head: &[u8], tail: &[u8]) -> IndexKey {
        let mut buffer = [0; INDEX_KEY_BYTES_MAX];
        let length = head.len() + tail.len();
        buffer[..head.len()].copy_from_slice(head);
        buffer[head.len()..length].copy_from_slice(tail);
        IndexKey { buffer, length }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
    }

    /// Table and key of a document's key in the index.
    pub(crate) fn split(place: &[u8]) -> (TableId, &[u8]) {
        let (table, key) = place.split_first_chunk::<2>().expect("a key begins with its table");
        (TableId(u16::from_be_bytes(*table)), key)
    }

    /// When it is due, and the document's own key, of an expiry's key in the index.
    pub(crate) fn split_expiry(key: &[u8]) -> (Timestamp, &[u8]) {
        let (_, rest) = key.split_first_chunk::<2>().expect("a key begins with its table");
        let (due, place) = rest.split_first_chunk::<8>().expect("an expiry has an instant");
        (Timestamp(u64::from_be_bytes(*due)), place)
    }
}
