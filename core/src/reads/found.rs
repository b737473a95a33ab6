//! Documents by key: the engine says where they are, and gives those that were written lately; some were read before;
//! the rest is read from runs and log, on a thread that may wait for the disk.

use super::Reads;
use super::documents::{self, place_of};
use crate::Database;
use crate::documents::{DocumentLookup, DocumentRuns};
use crate::driver::inbox::Task;
use crate::driver::promise::Promise;
use crate::engine::ask::{Answer, Ask, DocumentPlace};
use crate::error::{Error, ErrorKind};
use crate::limits::DOCUMENTS_READ_MAX;
use florin_ledger::{Document, DocumentKey, Lsn, Position};
use std::fmt;
use std::sync::{Arc, mpsc};

/// What the engine has said of documents that were asked for. Keeps the directory in use until it is dropped.
pub struct DocumentsFound {
    reads: Arc<Reads>,
    keys: Vec<DocumentKey>,
    places: Vec<DocumentPlace>,
    runs: DocumentRuns,
}

/// Documents of which some have to be read from the disk. Keeps the directory in use until it is dropped.
pub struct DocumentsToRead {
    reads: Arc<Reads>,
    keys: Vec<DocumentKey>,
    sought: Vec<Sought>,
    runs: DocumentRuns,
}

/// Where a document is.
enum Sought {
    /// Nowhere.
    Nothing,
    /// In the answer.
    Here(Document),
    /// In memory.
    Kept(Arc<Document>),
    /// At a position of the log.
    InLog(Lsn),
    /// Where the runs say.
    InRuns,
}

impl Sought {
    fn is_in_memory(&self) -> bool {
        !matches!(self, Sought::InLog(_) | Sought::InRuns)
    }
}

impl Database {
    /// Asks for documents as [`Database::documents`] does, without blocking: `then` is called once, with what has to be
    /// done yet, on a thread of the database or the caller's own: it must be quick, and must not ask the database.
    pub fn find_documents(
        &self,
        keys: Vec<DocumentKey>,
        then: impl FnOnce(Result<DocumentsFound, Error>) + Send + 'static,
    ) {
        match self.reads() {
            Ok(reads) => reads.find_documents(keys, then),
            Err(error) => then(Err(error)),
        }
    }
}

impl Reads {
    /// Asks for documents without waiting: `then` is called with what the engine says, on its thread or the log's; on
    /// the caller's own if they can't be asked for.
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
            keys.iter().zip(places).map(|(key, place)| reads.sought(key, place, &runs)).collect();
        if !sought.iter().all(Sought::is_in_memory) {
            return Err(DocumentsToRead { reads, keys, sought, runs });
        }
        let here = sought.into_iter().map(|sought| match sought {
            Sought::Nothing => None,
            Sought::Here(document) => Some(document),
            Sought::Kept(document) => Some(Document::clone(&document)),
            Sought::InLog(_) | Sought::InRuns => unreachable!("all of them are in memory"),
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
        let mut left = Vec::new();
        for (number, (key, sought)) in keys.iter().zip(sought).enumerate() {
            let (here, position) = match sought {
                Sought::Nothing => (None, None),
                Sought::Here(document) => (Some(document), None),
                Sought::Kept(document) => (Some(Document::clone(&document)), None),
                Sought::InLog(lsn) => (None, Some((lsn, Lsn::NONE))),
                Sought::InRuns => {
                    let entry = runs.get(&place_of(key)?)?.filter(|entry| !entry.is_deleted);
                    (None, entry.map(|entry| (entry.lsn, runs.position())))
                }
            };
            documents.push(here);
            left.extend(position.map(|(lsn, runs_end)| (number, lsn, runs_end)));
        }
        let durable = reads.durable.get();
        let positions: Vec<Lsn> = left.iter().map(|(_, lsn, _)| *lsn).collect();
        let read = reads.log.documents(&positions, durable)?;
        for ((number, lsn, runs_end), read) in left.into_iter().zip(read) {
            let (document, _) = reads.document_of(&keys[number], lsn, read, durable)?;
            reads.kept.put(&keys[number], Arc::new(document.clone()), runs_end);
            documents[number] = Some(document);
        }
        Ok(documents)
    }
}

impl Reads {
    /// Where a document is, by what the engine says of it, and by the runs of then.
    fn sought(&self, key: &DocumentKey, place: DocumentPlace, runs: &DocumentRuns) -> Sought {
        match place {
            DocumentPlace::Volatile(None) | DocumentPlace::Indexed(DocumentLookup::Absent) => {
                Sought::Nothing
            }
            DocumentPlace::Volatile(Some((epoch, kept))) => Sought::Here(Document {
                key: key.key.clone(),
                version: Position { epoch, lsn: kept.version },
                timestamp: kept.timestamp,
                expires: kept.expires,
                value: Some(kept.value.into()),
            }),
            DocumentPlace::Recent(version, record, payload) => {
                // If it is another's, reading says what is wrong.
                let document = documents::of_record(key, version, &record, payload);
                document.map_or(Sought::InLog(version.lsn), Sought::Here)
            }
            DocumentPlace::Indexed(DocumentLookup::Found(entry)) if entry.is_deleted => {
                Sought::Nothing
            }
            DocumentPlace::Indexed(DocumentLookup::Found(entry)) => {
                self.kept.at(key, entry.lsn).map_or(Sought::InLog(entry.lsn), Sought::Kept)
            }
            DocumentPlace::Indexed(DocumentLookup::Unknown) => {
                self.kept.in_runs(key, runs.position()).map_or(Sought::InRuns, Sought::Kept)
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
