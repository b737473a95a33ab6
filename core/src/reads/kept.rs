//! Documents that were read from the disk before. A position of the log never says anything else, so what was read of it
//! stays good; whether it still is the newest of its key is known each time, from the position that the engine names or
//! from the runs that it was found in.

use florin_ledger::{Document, DocumentKey, Lsn};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a document takes beside its key, twice, and its value, more or less.
const OVERHEAD_BYTES: usize = 256;

/// Documents by key, the oldest of which make room for new ones.
pub(super) struct KeptDocuments {
    bytes_max: usize,
    documents: Mutex<Documents>,
}

#[derive(Default)]
struct Documents {
    by_key: HashMap<DocumentKey, Kept>,
    /// As they came.
    order: VecDeque<DocumentKey>,
    bytes: usize,
}

/// A document, and how far the runs reached that named it; [`Lsn::NONE`] if they were not asked.
struct Kept {
    document: Arc<Document>,
    runs_end: Lsn,
}

impl KeptDocuments {
    pub(super) fn new(bytes_max: usize) -> KeptDocuments {
        KeptDocuments { bytes_max, documents: Mutex::default() }
    }

    /// The document of a key, if the one that is here was written at this position.
    pub(super) fn at(&self, key: &DocumentKey, lsn: Lsn) -> Option<Arc<Document>> {
        let documents = self.lock();
        let kept = documents.by_key.get(key).filter(|kept| kept.document.version.lsn == lsn)?;
        Some(Arc::clone(&kept.document))
    }

    /// The document of a key that memory does not know, if the one that is here was named by runs that reach as far
    /// as those of now: merging changes nothing that they say.
    pub(super) fn in_runs(&self, key: &DocumentKey, runs_end: Lsn) -> Option<Arc<Document>> {
        let documents = self.lock();
        let kept = documents.by_key.get(key).filter(|kept| kept.runs_end == runs_end)?;
        Some(Arc::clone(&kept.document))
    }

    /// Keeps a document, unless it alone takes too much.
    pub(super) fn put(&self, key: &DocumentKey, document: Arc<Document>, runs_end: Lsn) {
        let bytes = bytes_of(&document);
        if self.bytes_max / 16 < bytes {
            return;
        }
        let mut documents = self.lock();
        documents.bytes += bytes;
        match documents.by_key.insert(key.clone(), Kept { document, runs_end }) {
            Some(before) => documents.bytes -= bytes_of(&before.document),
            None => documents.order.push_back(key.clone()),
        }
        while self.bytes_max < documents.bytes {
            let oldest = documents.order.pop_front().expect("what takes bytes is in order");
            let gone = documents.by_key.remove(&oldest).expect("what is in order is here");
            documents.bytes -= bytes_of(&gone.document);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Documents> {
        // Every change under the lock is whole.
        self.documents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bytes_of(document: &Document) -> usize {
    OVERHEAD_BYTES + 2 * document.key.len() + document.value.as_ref().map_or(0, Vec::len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use florin_ledger::{Position, TableId, Timestamp};

    fn document(number: u64, value_bytes: usize) -> Arc<Document> {
        Arc::new(Document {
            key: number.to_be_bytes().to_vec(),
            version: Position { epoch: 1, lsn: Lsn(number) },
            timestamp: Timestamp(number),
            expires: Timestamp::NONE,
            value: Some(vec![7; value_bytes]),
        })
    }

    fn key(number: u64) -> DocumentKey {
        DocumentKey { table: TableId(17), key: number.to_be_bytes().to_vec() }
    }

    /// Prevents: memory that grows with what is read.
    #[test]
    fn the_oldest_make_room_and_the_bytes_stay_below() {
        let kept = KeptDocuments::new(1 << 16);
        for number in 1..=1_000 {
            kept.put(&key(number), document(number, 700), Lsn::NONE);
            kept.put(&key(number), document(number, 752), Lsn::NONE);
        }
        let is_here = |number: &u64| kept.at(&key(*number), Lsn(*number)).is_some();
        let there: Vec<u64> = (1..=1_000).filter(is_here).collect();
        let count = (1 << 16) / u64::try_from(bytes_of(&document(1, 752))).unwrap();
        assert_eq!(there, (1_001 - count..=1_000).collect::<Vec<_>>());
        kept.put(&key(2_000), document(2_000, 1 << 13), Lsn::NONE);
        assert!(!is_here(&2_000), "it would take the place of too many");
    }

    /// Prevents: a document of before that is given for what it is now.
    #[test]
    fn only_the_newest_is_given() {
        let kept = KeptDocuments::new(1 << 16);
        kept.put(&key(5), document(5, 10), Lsn(40));
        assert_eq!(kept.at(&key(5), Lsn(5)), Some(document(5, 10)));
        assert_eq!(kept.at(&key(5), Lsn(6)), None, "it was written again");
        assert_eq!(kept.in_runs(&key(5), Lsn(40)), Some(document(5, 10)));
        assert_eq!(kept.in_runs(&key(5), Lsn(41)), None, "newer runs may have another");
        assert_eq!(kept.at(&key(6), Lsn(6)), None);
        let other = DocumentKey { table: TableId(18), ..key(5) };
        assert_eq!(kept.at(&other, Lsn(5)), None);
    }
}
