//! What a client asks of commits and documents.

use crate::client::Client;
use crate::document_call::{
    self, CommitWithReceipt, DeclareTable, DocumentHistory, DryRun, DryRunAsOf, GetDocuments,
    InsertUnique, ListTables, ScanDocuments, WriteDocuments,
};
use crate::error::ClientError;
use crate::proofs::check_subject;
use bytes::Bytes;
use florin_ledger::commit_bytes::{
    CommitError, CommitView, encode_commit, encode_writes, parse_writes,
};
use florin_ledger::document::{
    DOCUMENT_KEY_BYTES_MAX, DocumentPage, DocumentScan, UniqueResult, WriteResult,
};
use florin_ledger::{
    Commit, CommitOutcome, Document, DocumentKey, DocumentWrite, Position, Subject, TableId,
    TableOptions, Timestamp,
};
use florin_proof::SignedReceipt;
use florin_wire::RefusalKind;
use florin_wire::cold::{HistoryOf, Once};
use florin_wire::limits::DOCUMENT_KEYS_MAX;
use tokio::time::Instant;

impl Client {
    /// Takes effect whole or not at all, once; returns when that is decided and durable. Sent again,
    /// by this client or its caller, it gets the first answer.
    ///
    /// # Errors
    /// See [`ClientError`]; a commit that breaks a limit is refused before it is sent.
    pub async fn commit(&self, commit: &Commit) -> Result<CommitOutcome, ClientError> {
        self.ask(&document_call::Commit(encoded(commit)?)).await
    }

    /// Commits, as [`Client::commit`]; the answer has the bank's signed promise with it that the outcome is in its
    /// log, and says on how many standbys. `None` if the outcome is not on record (unmet, or another commit had the
    /// id), or if the record could not be read at that moment: then [`Client::receipt`] gives it. Sent again it gets
    /// the first outcome, and a receipt of the same record.
    ///
    /// # Errors
    /// As [`Client::commit`]. Refused before it takes effect if the server has no signing key, if it makes receipts
    /// for too many others, and if it changes clients' keys. As [`RefusalKind::Corrupt`] if the receipt is of another
    /// record: the commit has taken effect all the same.
    pub async fn commit_with_receipt(
        &self,
        commit: &Commit,
    ) -> Result<(CommitOutcome, Option<SignedReceipt>), ClientError> {
        let (outcome, receipt) = self.ask(&CommitWithReceipt(encoded(commit)?)).await?;
        if let Some(receipt) = &receipt {
            check_subject(&receipt.receipt.leaf, &Subject::Commit(commit.id))?;
        }
        Ok((outcome, receipt))
    }

    /// What a commit would come to, now. Nothing takes effect.
    ///
    /// # Errors
    /// As [`Client::commit`].
    pub async fn dry_run(&self, commit: &Commit) -> Result<CommitOutcome, ClientError> {
        self.ask(&DryRun(encoded(commit)?)).await
    }

    /// What a dry run would have come to right after the record at a position: of a commit, a document
    /// or an item of a stream. Its times are those of the nanosecond after.
    ///
    /// # Errors
    /// As [`Client::commit`]; [`RefusalKind::Invalid`] where it can't be told any more, or only by
    /// reading too much; [`RefusalKind::Fork`], [`RefusalKind::NotYet`] or [`RefusalKind::Gone`] if
    /// the log does not have that position.
    pub async fn dry_run_as_of(
        &self,
        commit: &Commit,
        at: Position,
    ) -> Result<CommitOutcome, ClientError> {
        self.ask(&DryRunAsOf(at, encoded(commit)?)).await
    }

    /// Reads documents, at most [`DOCUMENT_KEYS_MAX`], one entry per key; each as it is when it is
    /// read. What does not fit one reply is asked for in several.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn documents(
        &self,
        keys: &[DocumentKey],
    ) -> Result<Vec<Option<Document>>, ClientError> {
        if DOCUMENT_KEYS_MAX < keys.len() {
            let count = keys.len();
            return Err(refused(
                RefusalKind::TooLarge,
                format!(
                    "a request takes at most {DOCUMENT_KEYS_MAX} keys, this one has {count}: split \
                     it"
                ),
            ));
        }
        keys.iter().try_for_each(|key| check_key(&key.key))?;
        let deadline = self.deadline_from_now();
        let mut found = Vec::with_capacity(keys.len());
        while found.len() < keys.len() {
            let rest = GetDocuments(keys[found.len()..].to_vec());
            found.extend(self.ask_until(&rest, deadline).await?);
        }
        Ok(found)
    }

    /// A page of a table's documents, in order of their keys; shorter than the limit where their
    /// values are large.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn scan_documents(&self, scan: &DocumentScan) -> Result<DocumentPage, ClientError> {
        for (what, part) in [("prefix", Some(&scan.prefix)), ("after", scan.after.as_ref())] {
            if let Some(part) = part
                && DOCUMENT_KEY_BYTES_MAX < part.len()
            {
                return Err(invalid(format!(
                    "{what} has at most {DOCUMENT_KEY_BYTES_MAX} bytes, this one has {}",
                    part.len()
                )));
            }
        }
        self.ask(&ScanDocuments(scan.clone())).await
    }

    /// What a document was, newest first: at most `limit` versions before `before`
    /// ([`Position::NONE`]: from the present one on). What does not fit one reply is asked for in
    /// several.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn document_history(
        &self,
        key: &DocumentKey,
        before: Position,
        limit: u32,
    ) -> Result<Vec<Document>, ClientError> {
        check_key(&key.key)?;
        let deadline = self.deadline_from_now();
        let mut asked = HistoryOf { key: key.clone(), before, limit };
        let mut versions: Vec<Document> = Vec::new();
        loop {
            let found = self.ask_until(&DocumentHistory(asked.clone()), deadline).await?;
            versions.extend(found.documents.into_iter().flatten());
            let count = u32::try_from(versions.len()).expect("no more than were asked for");
            asked.limit = limit.saturating_sub(count);
            match versions.last() {
                Some(last) if found.more && 0 < asked.limit => asked.before = last.version,
                _ => return Ok(versions),
            }
        }
    }

    /// Writes documents, each by itself, in order; returns when they are durable. One result per
    /// write. It has no id: after a lost answer it is not sent again, use [`Client::commit`] where an
    /// answer is needed.
    ///
    /// # Errors
    /// See [`ClientError`]; a write that breaks a limit is refused with all others before it is sent.
    pub async fn write_documents(
        &self,
        writes: &[DocumentWrite],
    ) -> Result<Vec<WriteResult>, ClientError> {
        let mut bytes = Vec::new();
        encode_writes(writes, &mut bytes);
        parse_writes(&bytes, writes.len()).map_err(|error| flawed(&error))?;
        self.ask(&WriteDocuments::new(writes)).await
    }

    /// Whether the caller is the first to bring this key to its table; returns when that is durable,
    /// unless the table is volatile. It has no id: after a lost answer it is not sent again, because
    /// it would be told `seen` of its own key.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn insert_unique(
        &self,
        key: &DocumentKey,
        expires: Timestamp,
    ) -> Result<UniqueResult, ClientError> {
        check_key(&key.key)?;
        self.ask(&InsertUnique(Once { key: key.clone(), expires })).await
    }

    /// Says what a table promises from now on; returns when it is durable. It has no id: after a
    /// lost answer it is not sent again.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn declare_table(
        &self,
        table: TableId,
        options: TableOptions,
    ) -> Result<WriteResult, ClientError> {
        self.ask(&DeclareTable(table, options)).await
    }

    /// The tables that were declared, in order.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn tables(&self) -> Result<Vec<(TableId, TableOptions)>, ClientError> {
        self.ask(&ListTables).await
    }

    fn deadline_from_now(&self) -> Instant {
        Instant::now() + self.deadline()
    }
}

/// The bytes of a commit that a server would take.
fn encoded(commit: &Commit) -> Result<Bytes, ClientError> {
    let bytes = encode_commit(commit);
    match CommitView::parse(&bytes) {
        Ok(_) => Ok(bytes.into()),
        Err(error) => Err(flawed(&error)),
    }
}

/// What no server takes is refused here, as a server would.
fn flawed(error: &CommitError) -> ClientError {
    refused(RefusalKind::of_flaw(error.what), error.to_string())
}

fn check_key(key: &[u8]) -> Result<(), ClientError> {
    if key.is_empty() || DOCUMENT_KEY_BYTES_MAX < key.len() {
        return Err(invalid(format!(
            "a key has 1 to {DOCUMENT_KEY_BYTES_MAX} bytes, this one has {}",
            key.len()
        )));
    }
    Ok(())
}

fn invalid(message: String) -> ClientError {
    refused(RefusalKind::Invalid, message)
}

fn refused(kind: RefusalKind, message: String) -> ClientError {
    ClientError::Refused { kind, message }
}
