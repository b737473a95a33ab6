//! What a database of documents must say: every document in a map, every version ever in a list.
//! Positions are the database's to choose; the model keeps those that it was told.

use florin_ledger::commit::{CommitDone, Unmet};
use florin_ledger::document::{DocumentCondition, WriteResult};
use florin_ledger::{
    Commit, CommitId, CommitOutcome, DocumentWrite, Position, Precondition, TableId,
};
use std::collections::BTreeMap;

type Key = (TableId, Vec<u8>);

/// A document as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Held {
    pub(crate) version: Position,
    pub(crate) value: Vec<u8>,
    pub(crate) expires: u64,
}

/// One version: none where it was deleted.
pub(crate) type Version = Option<Held>;

#[derive(Clone, Default)]
pub(crate) struct Model {
    pub(crate) documents: BTreeMap<Key, Held>,
    /// Oldest first, since the key was last created.
    pub(crate) histories: BTreeMap<Key, Vec<Version>>,
    /// What was decided for ever.
    pub(crate) decided: BTreeMap<CommitId, (Commit, CommitOutcome)>,
    /// What account 2 has been credited.
    pub(crate) credited: u128,
}

impl Model {
    pub(crate) fn version(&self, table: TableId, key: &[u8]) -> Position {
        let held = self.documents.get(&(table, key.to_vec()));
        held.map_or(Position::NONE, |held| held.version)
    }

    fn meets(&self, write: &DocumentWrite) -> bool {
        let version = self.version(write.table, &write.key);
        match write.condition {
            DocumentCondition::Any => true,
            DocumentCondition::Absent => version == Position::NONE,
            DocumentCondition::Version(expected) => version == expected,
        }
    }

    /// What keeps a commit from being decided, if anything does.
    pub(crate) fn unmet(&self, commit: &Commit) -> Option<Unmet> {
        for (index, precondition) in (0..).zip(&commit.preconditions) {
            let Precondition::Document { table, key, version } = precondition else { continue };
            let present = self.version(*table, key);
            if present != *version {
                return Some(Unmet::Document { index, version: present });
            }
        }
        for (index, write) in (0..).zip(&commit.documents) {
            if !self.meets(write) {
                let version = self.version(write.table, &write.key);
                return Some(Unmet::Write { index, version });
            }
        }
        None
    }

    /// A commit was done.
    pub(crate) fn enter(&mut self, commit: &Commit, done: &CommitDone) {
        for (write, version) in commit.documents.iter().zip(&done.documents) {
            self.put(write, *version);
        }
        self.credited += commit.transfers.iter().map(|transfer| transfer.amount.0).sum::<u128>();
        let outcome = CommitOutcome::Done(done.clone());
        self.decided.insert(commit.id, (commit.clone(), outcome));
    }

    /// What one write must be answered, but for the version that it gets.
    pub(crate) fn write(&mut self, write: &DocumentWrite, answer: WriteResult) {
        if self.meets(write) {
            let WriteResult::Written(version) = answer else {
                panic!("{answer:?} to a write whose condition holds")
            };
            self.put(write, version);
        } else {
            let version = self.version(write.table, &write.key);
            assert_eq!(answer, WriteResult::Stale(version));
        }
    }

    fn put(&mut self, write: &DocumentWrite, version: Position) {
        assert!(version.is_some());
        let key = (write.table, write.key.clone());
        let expires = write.expires.0;
        let held = write.value.clone().map(|value| Held { version, value, expires });
        match held.clone() {
            Some(held) => drop(self.documents.insert(key.clone(), held)),
            None => drop(self.documents.remove(&key)),
        }
        self.histories.entry(key).or_default().push(held);
    }

    /// Time has come to here.
    pub(crate) fn expire(&mut self, now: u64) {
        let is_due = |held: &Held| held.expires != 0 && held.expires <= now;
        for (key, _) in self.documents.extract_if(.., |_, held| is_due(held)) {
            self.histories.entry(key).or_default().push(None);
        }
    }
}
