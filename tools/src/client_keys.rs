//! The keys of a ledger's clients, as documents of the ledger: read together, changed by commits that
//! say who changed what. The same for a server and for a directory that is opened here, where nobody
//! else checks.

use crate::exit::{Exit, Failure};
use crate::target::Ledger;
use florin_client::PublicKey;
use florin_ledger::commit::Unmet;
use florin_ledger::document::{DocumentCondition, DocumentScan};
use florin_ledger::query::PAGE_COUNT_MAX;
use florin_ledger::{Commit, CommitId, CommitOutcome, DocumentWrite, Position, TableId, Timestamp};
use florin_server::{KeyChange, KeyTable};
use std::collections::BTreeMap;
use std::fs;
use tokio::runtime::Runtime;

/// The keys of a ledger as they were when they were read.
pub(crate) struct ClientKeys<'a> {
    runtime: &'a Runtime,
    ledger: &'a Ledger,
    pub(crate) table: KeyTable,
    /// Of every document of the table, understood or not.
    versions: BTreeMap<Vec<u8>, Position>,
}

impl<'a> ClientKeys<'a> {
    /// Reads them.
    ///
    /// # Errors
    /// If the ledger does not answer, or does not let the asker read them.
    pub(crate) fn read(runtime: &'a Runtime, ledger: &'a Ledger) -> Result<Self, Failure> {
        let mut documents = Vec::new();
        let mut after = None;
        loop {
            let table = TableId::CLIENT_KEYS;
            let scan =
                DocumentScan { table, after, limit: PAGE_COUNT_MAX, ..DocumentScan::default() };
            let page = runtime.block_on(ledger.client.scan_documents(&scan))?;
            documents.extend(page.items);
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        let versions = documents.iter().map(|it| (it.key.clone(), it.version)).collect();
        let table = KeyTable::new(documents, Vec::new());
        Ok(ClientKeys { runtime, ledger, table, versions })
    }

    /// Makes changes, all or none; `what` says in the log what they are for.
    ///
    /// # Errors
    /// If they make no sense, are forbidden, or somebody else has changed one of the keys meanwhile.
    pub(crate) fn change(&self, what: &str, changes: &[KeyChange]) -> Result<(), Failure> {
        self.table.check(changes).map_err(|error| Failure::usage(error.to_string()))?;
        let write = |KeyChange { key, document }: &KeyChange| {
            let value = document.as_ref().map(|document| document.encode().into_bytes());
            self.write(key.0.to_vec(), value)
        };
        self.commit(what, changes.iter().map(write).collect())
    }

    /// Deletes a document whatever it is, also one that is no key's.
    ///
    /// # Errors
    /// As [`ClientKeys::change`].
    pub(crate) fn delete(&self, what: &str, key: Vec<u8>) -> Result<(), Failure> {
        self.commit(what, vec![self.write(key, None)])
    }

    /// Whether there is a document under this key.
    pub(crate) fn has_document(&self, key: &[u8]) -> bool {
        self.versions.contains_key(key)
    }

    /// Of the document as it was read.
    fn write(&self, key: Vec<u8>, value: Option<Vec<u8>>) -> DocumentWrite {
        let version = self.versions.get(&key);
        let condition =
            version.map_or(DocumentCondition::Absent, |it| DocumentCondition::Version(*it));
        let (table, expires) = (TableId::CLIENT_KEYS, Timestamp::NONE);
        DocumentWrite { table, key, value, expires, condition }
    }

    fn commit(&self, what: &str, documents: Vec<DocumentWrite>) -> Result<(), Failure> {
        let mut id = [0; 16];
        getrandom::fill(&mut id)
            .map_err(|error| Failure::unavailable(format!("no randomness: {error}")))?;
        // A server wants to see the key that asks; a directory is opened by whoever may.
        let asker = self.ledger.asker.map_or(String::from("offline"), |key| key.to_string());
        let commit = Commit {
            id: CommitId(u128::from_le_bytes(id)),
            actor: format!("{asker} florin keys {what}").into_bytes(),
            documents,
            ..Commit::default()
        };
        match self.runtime.block_on(self.ledger.client.commit(&commit))? {
            CommitOutcome::Done(_) => Ok(()),
            CommitOutcome::Unmet(Unmet::Write { .. }) => Err(Failure::new(
                Exit::Findings,
                "somebody else has changed this key at the same time: look at it with florin keys \
                 show, and try again",
            )),
            outcome => Err(Failure::new(Exit::Findings, format!("not changed: {outcome:?}"))),
        }
    }
}

/// A public key as it is written on a command line: itself, or a file that holds it.
///
/// # Errors
/// If it is neither.
pub(crate) fn public_key(argument: &str) -> Result<PublicKey, String> {
    let parse = |text: &str| text.parse::<PublicKey>().map_err(|error| error.to_string());
    parse(argument).or_else(|error| match fs::read_to_string(argument) {
        Ok(text) => parse(text.trim()),
        Err(_) => Err(error),
    })
}
