//! Documents by key: the engine says where they are, and gives those that were written lately; some were read before;
//! the rest is read from runs and log, on a thread that may wait for the disk.

use super::Reads;
use super::documents::place_of;
use crate::documents::{DocumentLookup, DocumentRuns};
use crate::driver::inbox::Task;
use crate::driver::promise::Promise;
use crate::engine::ask::{Answer, Ask, DocumentPlace};
use crate::error::{Error, ErrorKind};
use crate::limits::DOCUMENTS_READ_MAX;
use florin_ledger::{Document, DocumentKey, Lsn, Position};
use std::fmt;
use std::sync::{Arc, mpsc};

/// What the engine has said of documents that were asked for.
pub struct DocumentsFound {
    reads: Arc<Reads>,
    keys: Vec<DocumentKey>,
    places: Vec<DocumentPlace>,
    runs: DocumentRuns,
}

/// Documents of which some have to be read from the disk.
pub struct DocumentsToRead {
    reads: Arc<Reads>,
    keys: Vec<DocumentKey>,
    sought: Vec<Sought>,
    runs: DocumentRuns,
}

/// Where a document is.
enum Sought {
    /// In memory, if there is one.
    Here(Option<Document>),
    /// At a position of the log.
    InLog(Lsn),
    /// Where the runs say.
    InRuns,
}

impl Reads {
    /// Asks for documents without waiting: `then` is called with what the engine says, on a thread of its own.
    pub(crate) fn find_documents(
        self: &Arc<Reads>,
        keys: Vec<DocumentKey>,
        then: impl FnOnce(Result<DocumentsFound, Error>) + Send + 'static,
    ) {
        let places = match places_of(&keys) {
            Ok(places) => places,
            Err(error) => return then(Err(error)),
        };
        let reads = Arc::clone(self);
        let promise = Promise::new(move |answer: Result<Answer, Error>| {
            then(answer.map(|answer| {
                let Answer::Documents(places, runs) = answer else {
                    unreachable!("documents are answered by their places");
                };
                DocumentsFound { reads, keys, places, runs }
            }));
        });
        self.inbox.submit(Task::Ask(Ask::Documents(places), promise));
    }

    /// One entry per key, `None` where there is no document.
    pub(crate) fn documents(
        self: &Arc<Reads>,
        keys: &[DocumentKey],
    ) -> Result<Vec<Option<Document>>, Error> {
        let (sender, receiver) = mpsc::sync_channel(1);
        // The receiver waits below for exactly this answer.
        self.find_documents(keys.to_vec(), move |found| drop(sender.send(found)));
        let found = receiver.recv().expect("a promise answers even when it is dropped")?;
        found.in_memory().or_else(DocumentsToRead::read)
    }
}

fn places_of(keys: &[DocumentKey]) -> Result<Vec<Box<[u8]>>, Error> {
    if DOCUMENTS_READ_MAX < keys.len() {
        let message = format!(
            "at most {DOCUMENTS_READ_MAX} documents are read at once, these are {}: ask for some, then for the others",
            keys.len()
        );
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    keys.iter().map(place_of).collect()
}

impl DocumentsFound {
    /// The documents, one entry per key, if all of them are in memory: never waits. Otherwise what is left to do.
    ///
    /// # Errors
    /// [`DocumentsToRead`].
    pub fn in_memory(self) -> Result<Vec<Option<Document>>, DocumentsToRead> {
        let DocumentsFound { reads, keys, places, runs } = self;
        let sought: Vec<Sought> =
            keys.iter().zip(places).map(|(key, place)| reads.sought(key, place)).collect();
        if sought.iter().any(|sought| !matches!(sought, Sought::Here(_))) {
            return Err(DocumentsToRead { reads, keys, sought, runs });
        }
        let here = sought.into_iter().map(|sought| match sought {
            Sought::Here(document) => document,
            Sought::InLog(_) | Sought::InRuns => unreachable!("all of them are here"),
        });
        Ok(here.collect())
    }
}

impl DocumentsToRead {
    /// The documents, one entry per key. Blocks: a read of the log each.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub fn read(self) -> Result<Vec<Option<Document>>, Error> {
        let DocumentsToRead { reads, keys, sought, runs } = self;
        let mut documents = Vec::with_capacity(keys.len());
        let (mut numbers, mut positions) = (Vec::new(), Vec::new());
        for (number, (key, sought)) in keys.iter().zip(sought).enumerate() {
            let (here, position) = match sought {
                Sought::Here(document) => (document, None),
                Sought::InLog(lsn) => (None, Some(lsn)),
                Sought::InRuns => {
                    let entry = runs.get(&place_of(key)?)?;
                    (None, entry.filter(|entry| !entry.is_deleted).map(|entry| entry.lsn))
                }
            };
            documents.push(here);
            if let Some(lsn) = position {
                numbers.push(number);
                positions.push(lsn);
            }
        }
        let durable = reads.durable.get();
        let read = reads.log.documents(&positions, durable)?;
        for ((number, lsn), read) in numbers.into_iter().zip(positions).zip(read) {
            let (document, _) = reads.document_of(&keys[number], lsn, read, durable)?;
            reads.kept.put(keys[number].table, &document);
            documents[number] = Some(document);
        }
        Ok(documents)
    }
}

impl Reads {
    /// Where a document is, by what the engine says of it.
    fn sought(&self, key: &DocumentKey, place: DocumentPlace) -> Sought {
        match place {
            DocumentPlace::Volatile(kept) => Sought::Here(kept.map(|(epoch, kept)| Document {
                key: key.key.clone(),
                version: Position { epoch, lsn: kept.version },
                timestamp: kept.timestamp,
                expires: kept.expires,
                value: Some(kept.value.into()),
            })),
            DocumentPlace::Recent(version, record, payload) => {
                match super::documents::of_record(key, version, &record, payload) {
                    Some(document) => Sought::Here(Some(document)),
                    // Reading says what is wrong with it.
                    None => Sought::InLog(version.lsn),
                }
            }
            DocumentPlace::Indexed(DocumentLookup::Absent) => Sought::Here(None),
            DocumentPlace::Indexed(DocumentLookup::Unknown) => Sought::InRuns,
            DocumentPlace::Indexed(DocumentLookup::Found(entry)) if entry.is_deleted => {
                Sought::Here(None)
            }
            DocumentPlace::Indexed(DocumentLookup::Found(entry)) => {
                let kept = self.kept.get(entry.lsn, key);
                kept.map_or(Sought::InLog(entry.lsn), |document| Sought::Here(Some(document)))
            }
        }
    }
}

impl fmt::Debug for DocumentsFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DocumentsFound").field("count", &self.keys.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for DocumentsToRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DocumentsToRead").field("count", &self.keys.len()).finish_non_exhaustive()
    }
}
