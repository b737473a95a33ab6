//! What was decided under a commit's id: its first answer, put together again from its records.

use super::past::{Past, find};
use crate::error::Error;
use crate::log::ReadError;
use florin_ledger::commit::{BrokenRule, CommitDone, CommitRefused};
use florin_ledger::record::{CommitRecord, DocumentChange, Record, RefusalReason};
use florin_ledger::{CommitId, CommitOutcome, Lsn, Position, Timestamp};

/// A record in memory or read: where, what, when.
type Placed = (Lsn, Record, Timestamp);

impl Past {
    /// The record that decided an id, if one did.
    pub(super) fn find_commit(&self, id: CommitId) -> Result<Option<Lsn>, Error> {
        Ok(find(&self.indexes.commits, id.0)?)
    }

    /// The digest of a commit that was decided, and its first answer. Reads all its records.
    pub(super) fn decided(&self, lsn: Lsn) -> Result<([u8; 32], CommitOutcome), Error> {
        let (record, timestamp) = self.read_record(lsn)?;
        let position = self.position_of(lsn)?;
        match record {
            Record::Commit(commit) => {
                let done = self.done(&commit, position, timestamp)?;
                Ok((commit.digest, CommitOutcome::Done(done)))
            }
            Record::Refusal(refusal) => {
                let index = refusal.index;
                let broken = match refusal.reason {
                    RefusalReason::Account(status) => BrokenRule::Account { index, status },
                    RefusalReason::Transfer(status) => BrokenRule::Transfer { index, status },
                    _ => return Err(wrong_record(lsn)),
                };
                let refused = CommitRefused { position, timestamp, broken };
                Ok((refusal.digest, CommitOutcome::Refused(refused)))
            }
            _ => Err(wrong_record(lsn)),
        }
    }

    fn done(
        &self,
        commit: &CommitRecord,
        position: Position,
        timestamp: Timestamp,
    ) -> Result<CommitDone, Error> {
        let mut done = CommitDone { position, timestamp, ..CommitDone::default() };
        if !commit.first.is_some() {
            return Ok(done);
        }
        let at = |lsn| Position { lsn, ..position };
        for (lsn, record, time) in self.records_between(commit.first, position.lsn)? {
            match record {
                Record::Account(_) => done.accounts.push(time),
                Record::Transfer(_) => done.transfers.push(time),
                Record::Document(document) if document.change != DocumentChange::Expired => {
                    done.documents.push(at(lsn));
                }
                Record::Event(_) => done.events.push(at(lsn)),
                _ => {}
            }
        }
        let counts = [
            (done.accounts.len(), commit.accounts_count),
            (done.transfers.len(), commit.transfers_count),
            (done.documents.len(), commit.documents_count),
            (done.events.len(), commit.events_count),
        ];
        let is_whole = counts.iter().all(|(found, said)| u32::try_from(*found) == Ok(*said));
        if is_whole { Ok(done) } else { Err(wrong_record(position.lsn)) }
    }

    /// The records of one frame from one position up to another.
    fn records_between(&self, first: Lsn, end: Lsn) -> Result<Vec<Placed>, Error> {
        let open = self.open.as_ref().filter(|frame| frame.start() <= first);
        let within = |(lsn, ..): &Placed| first <= *lsn && *lsn < end;
        if let Some(frame) = open {
            return Ok(frame.placed_records().filter(within).collect());
        }
        if let Some(frame) = self.tail.frame_with(first) {
            return Ok(frame.placed_records().filter(within).collect());
        }
        let from = self.reader.position_before_record(first)?;
        let mut frames = self.reader.frames(from, self.durable());
        let Some(frame) = frames.next()? else { return Err(wrong_record(first)) };
        let mut found = Vec::new();
        for stored in frame.records() {
            let stored = stored.map_err(ReadError::from)?;
            let placed = (stored.lsn, stored.record, stored.time);
            if within(&placed) {
                found.push(placed);
            }
        }
        Ok(found)
    }
}

fn wrong_record(lsn: Lsn) -> Error {
    Error::corrupt(format!(
        "the record at {lsn} is not the commit that the index of ids says: run `florin rebuild`"
    ))
}
