//! Questions of commits and documents, over both paths as those in [`crate::call`].
//!
//! Bodies are encoded once, however often they are sent: a commit that is sent again is the same to
//! the byte, and with it its digest.

use crate::call::Call;
#[cfg(feature = "embedded")]
use crate::embedded::Task;
use bytes::{Bytes, BytesMut};
#[cfg(feature = "embedded")]
use florin_core::commits::{CommitRequest, UniqueRequest, WriteBatch};
#[cfg(feature = "embedded")]
use florin_core::request::{Reply, Request};
use florin_ledger::document::{DocumentPage, DocumentScan, UniqueResult, WriteResult};
use florin_ledger::{
    CommitOutcome, Document, DocumentKey, DocumentWrite, Position, TableId, TableOptions,
};
use florin_proof::SignedReceipt;
use florin_wire::cold::{HistoryOf, Once};
use florin_wire::documents::{self, Found};
use florin_wire::{DecodeError, Operation, Reason, array, cold, outcome, receipted};

/// A commit, encoded.
pub(crate) struct Commit(pub(crate) Bytes);

impl Call for Commit {
    type Answer = CommitOutcome;
    const OPERATION: Operation = Operation::Commit;

    fn body(&self) -> Bytes {
        self.0.clone()
    }

    fn decode(&self, body: &[u8]) -> Result<CommitOutcome, DecodeError> {
        outcome::decode(body)
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<CommitOutcome>, florin_core::Error> {
        let request = CommitRequest::from_bytes(self.0.clone())?;
        Ok(Task::Submit(Request::Commit(request), outcome_of))
    }
}

/// A commit, encoded, for an answer with a receipt.
pub(crate) struct CommitWithReceipt(pub(crate) Bytes);

impl Call for CommitWithReceipt {
    type Answer = (CommitOutcome, Option<SignedReceipt>);
    const OPERATION: Operation = Operation::CommitWithReceipt;

    fn body(&self) -> Bytes {
        self.0.clone()
    }

    fn decode(&self, body: &[u8]) -> Result<Self::Answer, DecodeError> {
        let (outcome, receipt) = receipted::decode(body)?;
        let has_one = !receipt.is_empty();
        let receipt = has_one.then(|| SignedReceipt::read(receipt)).transpose();
        let receipt = receipt.map_err(|error| DecodeError::new(error.offset, Reason::Unknown))?;
        Ok((outcome, receipt))
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<Self::Answer>, florin_core::Error> {
        let request = CommitRequest::from_bytes(self.0.clone())?;
        Ok(Task::Receipted(request, |outcome, receipt| (outcome, receipt)))
    }
}

/// A commit, encoded.
pub(crate) struct DryRun(pub(crate) Bytes);

impl Call for DryRun {
    type Answer = CommitOutcome;
    const OPERATION: Operation = Operation::DryRun;

    fn body(&self) -> Bytes {
        self.0.clone()
    }

    fn decode(&self, body: &[u8]) -> Result<CommitOutcome, DecodeError> {
        outcome::decode(body)
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<CommitOutcome>, florin_core::Error> {
        let request = CommitRequest::from_bytes(self.0.clone())?;
        Ok(Task::Submit(Request::DryRun(request), outcome_of))
    }
}

/// A position and a commit, encoded.
pub(crate) struct DryRunAsOf(pub(crate) Position, pub(crate) Bytes);

impl Call for DryRunAsOf {
    type Answer = CommitOutcome;
    const OPERATION: Operation = Operation::DryRunAsOf;

    fn body(&self) -> Bytes {
        documents::as_of_to_bytes(self.0, &self.1)
    }

    fn decode(&self, body: &[u8]) -> Result<CommitOutcome, DecodeError> {
        outcome::decode(body)
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<CommitOutcome>, florin_core::Error> {
        let (at, request) = (self.0, CommitRequest::from_bytes(self.1.clone())?);
        Ok(Task::Read(Box::new(move |database| database.dry_run_as_of(&request, at))))
    }
}

#[cfg(feature = "embedded")]
fn outcome_of(reply: Reply) -> Option<CommitOutcome> {
    match reply {
        Reply::Commit(outcome) => Some(outcome),
        _ => None,
    }
}

/// Keys to read; answered by the first of them, at least one, as many as fit a reply.
pub(crate) struct GetDocuments(pub(crate) Vec<DocumentKey>);

impl Call for GetDocuments {
    type Answer = Vec<Option<Document>>;
    const OPERATION: Operation = Operation::GetDocuments;

    fn body(&self) -> Bytes {
        let mut out = BytesMut::new();
        documents::write_keys(&self.0, &mut out);
        out.freeze()
    }

    fn decode(&self, body: &[u8]) -> Result<Vec<Option<Document>>, DecodeError> {
        let found = documents::decode_found(body)?;
        let (expected, count) = (self.0.len(), found.documents.len());
        // Whoever asks for the rest must come to an end.
        if expected < count || found.more != (count < expected) || (count == 0 && 0 < expected) {
            return Err(DecodeError::new(body.len(), Reason::WrongCount { expected }));
        }
        Ok(found.documents)
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<Vec<Option<Document>>>, florin_core::Error> {
        Ok(Task::Find(self.0.clone(), |documents| documents))
    }
}

pub(crate) struct ScanDocuments(pub(crate) DocumentScan);

impl Call for ScanDocuments {
    type Answer = DocumentPage;
    const OPERATION: Operation = Operation::ScanDocuments;

    fn body(&self) -> Bytes {
        cold::to_bytes(&self.0)
    }

    fn decode(&self, body: &[u8]) -> Result<DocumentPage, DecodeError> {
        let found = documents::decode_found(body)?;
        found.into_page().ok_or(DecodeError::new(0, Reason::Unknown))
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<DocumentPage>, florin_core::Error> {
        let scan = self.0.clone();
        Ok(Task::Read(Box::new(move |database| {
            let mut page = database.scan_documents(&scan)?;
            // Both paths give the same pages.
            documents::fit_page(&mut page);
            Ok(page)
        })))
    }
}

/// Versions of a document; answered by as many as fit a reply, and whether there may be more.
pub(crate) struct DocumentHistory(pub(crate) HistoryOf);

impl Call for DocumentHistory {
    type Answer = Found;
    const OPERATION: Operation = Operation::DocumentHistory;

    fn body(&self) -> Bytes {
        cold::to_bytes(&self.0)
    }

    fn decode(&self, body: &[u8]) -> Result<Found, DecodeError> {
        let found = documents::decode_found(body)?;
        let limit = usize::try_from(self.0.limit).unwrap_or(usize::MAX);
        let count = found.documents.len();
        let has_gaps = found.documents.iter().any(Option::is_none);
        // Whoever asks for the rest must come to an end.
        if limit < count || has_gaps || (found.more && count == 0) {
            return Err(DecodeError::new(body.len(), Reason::WrongCount { expected: limit }));
        }
        Ok(found)
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<Found>, florin_core::Error> {
        let HistoryOf { key, before, limit } = self.0.clone();
        Ok(Task::Read(Box::new(move |database| {
            let versions = database.document_history(&key, before, limit)?;
            Ok(Found { documents: versions.into_iter().map(Some).collect(), ..Found::default() })
        })))
    }
}

/// Writes, encoded.
pub(crate) struct WriteDocuments {
    body: Bytes,
    count: usize,
}

impl WriteDocuments {
    pub(crate) fn new(writes: &[DocumentWrite]) -> WriteDocuments {
        WriteDocuments { body: documents::writes_to_bytes(writes), count: writes.len() }
    }
}

impl Call for WriteDocuments {
    type Answer = Vec<WriteResult>;
    const OPERATION: Operation = Operation::WriteDocuments;

    fn body(&self) -> Bytes {
        self.body.clone()
    }

    fn decode(&self, body: &[u8]) -> Result<Vec<WriteResult>, DecodeError> {
        array::decode_exactly(self.count, body)
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<Vec<WriteResult>>, florin_core::Error> {
        let (count, writes) =
            documents::split_writes(&self.body).expect("this client writes the number");
        let batch = WriteBatch::from_bytes(writes, count)?;
        Ok(Task::Submit(Request::WriteDocuments(batch), |reply| match reply {
            Reply::Written(results) => Some(results),
            _ => None,
        }))
    }
}

pub(crate) struct InsertUnique(pub(crate) Once);

impl Call for InsertUnique {
    type Answer = UniqueResult;
    const OPERATION: Operation = Operation::InsertUnique;

    fn body(&self) -> Bytes {
        cold::to_bytes(&self.0)
    }

    fn decode(&self, body: &[u8]) -> Result<UniqueResult, DecodeError> {
        Ok(array::decode_exactly(1, body)?.remove(0))
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<UniqueResult>, florin_core::Error> {
        let Once { key, expires } = self.0.clone();
        let request = UniqueRequest { table: key.table, key: key.key, expires };
        Ok(Task::Submit(Request::InsertUnique(request), |reply| match reply {
            Reply::Unique(result) => Some(result),
            _ => None,
        }))
    }
}

pub(crate) struct DeclareTable(pub(crate) TableId, pub(crate) TableOptions);

impl Call for DeclareTable {
    type Answer = WriteResult;
    const OPERATION: Operation = Operation::DeclareTable;

    fn body(&self) -> Bytes {
        array::to_bytes(&[(self.0, self.1)])
    }

    fn decode(&self, body: &[u8]) -> Result<WriteResult, DecodeError> {
        Ok(array::decode_exactly(1, body)?.remove(0))
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<WriteResult>, florin_core::Error> {
        Ok(Task::Submit(Request::DeclareTable(self.0, self.1), |reply| match reply {
            Reply::Written(results) => results.first().copied(),
            _ => None,
        }))
    }
}

pub(crate) struct ListTables;

impl Call for ListTables {
    type Answer = Vec<(TableId, TableOptions)>;
    const OPERATION: Operation = Operation::ListTables;

    fn body(&self) -> Bytes {
        Bytes::new()
    }

    fn decode(&self, body: &[u8]) -> Result<Vec<(TableId, TableOptions)>, DecodeError> {
        array::decode(body)
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<Vec<(TableId, TableOptions)>>, florin_core::Error> {
        Ok(Task::Read(Box::new(florin_core::Database::tables)))
    }
}
