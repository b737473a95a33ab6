//! Documents that were read before. A position of the log never says anything else, so what was read of it stays
//! good; whether it still is the newest of its key, the engine says each time.

use florin_ledger::{Document, DocumentKey, Lsn, TableId};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// What a document takes beside its key and its value, more or less.
const OVERHEAD_BYTES: usize = 160;

/// Documents by position, the oldest of which make room for new ones.
pub(super) struct Kept {
    bytes_max: usize,
    documents: Mutex<Documents>,
}

#[derive(Default)]
struct Documents {
    by_position: HashMap<Lsn, (TableId, Document)>,
    /// As they came.
    order: VecDeque<Lsn>,
    bytes: usize,
}

impl Kept {
    pub(super) fn new(bytes_max: usize) -> Kept {
        Kept { bytes_max, documents: Mutex::default() }
    }

    /// The document of a key that was written at a position, if it is here.
    pub(super) fn get(&self, lsn: Lsn, key: &DocumentKey) -> Option<Document> {
        let documents = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        let (table, document) = documents.by_position.get(&lsn)?;
        (*table == key.table && document.key == key.key).then(|| document.clone())
    }

    /// Keeps a document of a table, unless it alone takes too much.
    pub(super) fn put(&self, table: TableId, document: &Document) {
        let bytes = bytes_of(document);
        if self.bytes_max / 16 < bytes {
            return;
        }
        let mut documents = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        let lsn = document.version.lsn;
        if documents.by_position.insert(lsn, (table, document.clone())).is_some() {
            return;
        }
        documents.order.push_back(lsn);
        documents.bytes += bytes;
        while self.bytes_max < documents.bytes {
            let oldest = documents.order.pop_front().expect("what takes bytes is in order");
            let gone = documents.by_position.remove(&oldest).expect("what is in order is here");
            documents.bytes -= bytes_of(&gone.1);
        }
    }
}

fn bytes_of(document: &Document) -> usize {
    OVERHEAD_BYTES + document.key.len() + document.value.as_ref().map_or(0, Vec::len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use florin_ledger::{Position, Timestamp};

    fn document(lsn: u64, value_bytes: usize) -> Document {
        Document {
            key: lsn.to_be_bytes().to_vec(),
            version: Position { epoch: 1, lsn: Lsn(lsn) },
            timestamp: Timestamp(lsn),
            expires: Timestamp::NONE,
            value: Some(vec![7; value_bytes]),
        }
    }

    fn key(lsn: u64) -> DocumentKey {
        DocumentKey { table: TableId(17), key: lsn.to_be_bytes().to_vec() }
    }

    /// Prevents: memory that grows with what is read.
    #[test]
    fn the_oldest_make_room_and_the_bytes_stay_below() {
        let kept = Kept::new(1 << 16);
        for lsn in 1..=1_000 {
            kept.put(TableId(17), &document(lsn, 840));
            kept.put(TableId(17), &document(lsn, 840));
        }
        let there: Vec<u64> =
            (1..=1_000).filter(|lsn| kept.get(Lsn(*lsn), &key(*lsn)).is_some()).collect();
        let each = u64::try_from(bytes_of(&document(1, 840))).unwrap();
        let count = (1 << 16) / each;
        assert_eq!(there, (1_001 - count..=1_000).collect::<Vec<_>>());
        kept.put(TableId(17), &document(2_000, 1 << 13));
        assert_eq!(kept.get(Lsn(2_000), &key(2_000)), None, "it would take the place of too many");
    }

    /// Prevents: an index that leads astray, and a document that is another's.
    #[test]
    fn a_position_answers_for_its_own_key_alone() {
        let kept = Kept::new(1 << 16);
        kept.put(TableId(17), &document(5, 10));
        assert_eq!(kept.get(Lsn(5), &key(5)), Some(document(5, 10)));
        assert_eq!(kept.get(Lsn(5), &key(6)), None);
        assert_eq!(kept.get(Lsn(5), &DocumentKey { table: TableId(18), ..key(5) }), None);
        assert_eq!(kept.get(Lsn(6), &key(6)), None);
    }
}
