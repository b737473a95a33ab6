//! Named consumers: readers of the log that are known by a name and go on where they were, whoever
//! runs them.
//!
//! - The cursor is a document of [`TableId::CONSUMERS`] under the consumer's name, its value the
//!   cursor as text. It is written only over the version that this instance knows, so of two
//!   instances one is fenced off: whatever it sends from then on does not take effect.
//! - [`Consumer::commit`] writes it in the commit that has the effect: both happen or neither, so
//!   everything is consumed exactly once, however often the consumer dies.
//! - [`Consumer::save`] writes it alone: what came after the last save comes again.

use crate::client::Client;
use crate::error::{ClientError, ConsumerError};
use crate::limits::COMMIT_ITEMS_BYTES_MAX;
use crate::stream::{StreamBatch, Subscription};
use florin_ledger::commit::{CommitDone, Precondition, Unmet};
use florin_ledger::document::DocumentCondition;
use florin_ledger::stream::{BatchEnd, BatchWriter};
use florin_ledger::{
    Commit, CommitId, CommitOutcome, DocumentKey, DocumentWrite, Position, StreamCursor,
    StreamFilter, StreamStart, TableId,
};
use std::collections::VecDeque;
use std::fmt;

/// A reader of the log that is known by its name. See [`Client::consumer`].
pub struct Consumer {
    client: Client,
    name: String,
    subscription: Subscription,
    /// Of the document that holds the cursor, as far as this instance knows.
    version: Position,
    /// The id of the next save.
    save_id: CommitId,
    /// A save whose answer was lost.
    unsettled: Option<Commit>,
    commits: CommitSplitter,
}

impl Client {
    /// Goes on with what the consumer of this name (1 to 256 bytes) has not consumed yet, or begins
    /// with `start` if its cursor was never kept. Leave out of `filter` what the consumer itself
    /// brings about, or it will never come to an end.
    ///
    /// # Errors
    /// [`ConsumerError::NotACursor`] if the document of that name holds something else;
    /// [`ConsumerError::Client`] with [`crate::RefusalKind::Gone`], [`crate::RefusalKind::Fork`] or
    /// [`crate::RefusalKind::NotYet`] if this log does not have its cursor; see [`ClientError`].
    pub async fn consumer(
        &self,
        name: &str,
        start: StreamStart,
        filter: StreamFilter,
    ) -> Result<Consumer, ConsumerError> {
        let key = DocumentKey { table: TableId::CONSUMERS, key: name.as_bytes().to_vec() };
        let document = self.documents(&[key]).await?.pop().flatten();
        let (start, version) = match document {
            None => (start, Position::NONE),
            Some(document) => {
                let text = document.value.and_then(|value| String::from_utf8(value).ok());
                let cursor = text.and_then(|text| text.parse().ok());
                let not_a_cursor = || ConsumerError::NotACursor { name: String::from(name) };
                (StreamStart::After(cursor.ok_or_else(not_a_cursor)?), document.version)
            }
        };
        let subscription = self.subscribe(start, filter).await?;
        Ok(Consumer {
            client: self.clone(),
            name: String::from(name),
            subscription,
            version,
            save_id: random_id()?,
            unsettled: None,
            commits: CommitSplitter::default(),
        })
    }
}

impl Consumer {
    /// The next items, as many as came together; none says how far the stream has looked. While
    /// nothing happens there is such a batch about every second. May be dropped before it is done,
    /// and asked again.
    ///
    /// # Errors
    /// As [`Subscription::next`].
    pub async fn next(&mut self) -> Result<StreamBatch, ConsumerError> {
        match self.commits.take_any() {
            Some(batch) => Ok(batch),
            None => Ok(self.subscription.next().await?),
        }
    }

    /// The items of the next commit, all of them that the filter wants, whatever batches they came
    /// in; for a transfer that was posted outside of a commit its chain, or itself alone. None says
    /// how far the stream has looked, as of [`Consumer::next`]. After [`Consumer::next`], the rest of
    /// a commit that was begun. May be dropped before it is done, and asked again.
    ///
    /// # Errors
    /// As [`Subscription::next`].
    pub async fn next_commit(&mut self) -> Result<StreamBatch, ConsumerError> {
        loop {
            if let Some(commit) = self.commits.take() {
                return Ok(commit);
            }
            let batch = self.subscription.next().await?;
            if batch.view().items_count() == 0 && !self.commits.is_within_commit() {
                return Ok(batch);
            }
            self.commits.push(&batch)?;
        }
    }

    /// Takes effect whole, together with the cursor: everything up to `at`, this included, is
    /// consumed if and only if the commit is done. The answer is the commit's own, without the
    /// cursor's part in it.
    ///
    /// Give the commit, and the transfers in it, ids that follow from `at`: one that was sent by an
    /// instance before this one, and arrives late, is then recognised and answered as it was. After
    /// [`ClientError::Unknown`], and after dropping this before it is done, send the same again.
    ///
    /// # Errors
    /// [`ConsumerError::Fenced`] if another instance has read on: nothing took effect, nor will
    /// anything else that this one sends. Otherwise as [`Client::commit`]; the cursor takes one
    /// precondition and one document of the commit's limits.
    pub async fn commit(
        &mut self,
        at: StreamCursor,
        mut commit: Commit,
    ) -> Result<CommitOutcome, ConsumerError> {
        self.settle().await?;
        // Asked first, so that whoever is fenced off hears that, and not what came of it.
        let cursor = Precondition::Document {
            table: TableId::CONSUMERS,
            key: self.name.as_bytes().to_vec(),
            version: self.version,
        };
        commit.preconditions.insert(0, cursor);
        commit.documents.push(self.cursor_write(at));
        let outcome = self.client.commit(&commit).await?;
        self.own_part(outcome)
    }

    /// Keeps the cursor alone: everything up to `at` is consumed. Returns when that is durable.
    ///
    /// # Errors
    /// As [`Consumer::commit`].
    pub async fn save(&mut self, at: StreamCursor) -> Result<(), ConsumerError> {
        self.settle().await?;
        let (id, documents) = (self.save_id, vec![self.cursor_write(at)]);
        self.unsettled = Some(Commit { id, documents, ..Commit::default() });
        self.save_id = CommitId(id.0 + 1);
        self.settle().await
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A save whose answer was lost has happened or not: it is sent again before anything else, since
    /// the cursor's version depends on it.
    async fn settle(&mut self) -> Result<(), ConsumerError> {
        let Some(save) = &self.unsettled else { return Ok(()) };
        let outcome = self.client.commit(save).await?;
        self.unsettled = None;
        match outcome {
            CommitOutcome::Done(CommitDone { documents, .. }) => {
                self.version = documents.first().copied().ok_or_else(odd_answer)?;
                Ok(())
            }
            CommitOutcome::Unmet(Unmet::Write { version, .. }) => Err(self.fenced(version)),
            CommitOutcome::Unmet(_)
            | CommitOutcome::Refused(_)
            | CommitOutcome::ExistsWithDifferentDigest(_) => Err(odd_answer().into()),
        }
    }

    /// What became of a commit, without the cursor's part in it.
    fn own_part(&mut self, outcome: CommitOutcome) -> Result<CommitOutcome, ConsumerError> {
        let unmet = match outcome {
            CommitOutcome::Done(mut done) => {
                self.version = done.documents.pop().ok_or_else(odd_answer)?;
                return Ok(CommitOutcome::Done(done));
            }
            CommitOutcome::Unmet(unmet) => unmet,
            CommitOutcome::Refused(_) | CommitOutcome::ExistsWithDifferentDigest(_) => {
                return Ok(outcome);
            }
        };
        let own = |index: u32| index.checked_sub(1).ok_or_else(odd_answer);
        Ok(CommitOutcome::Unmet(match unmet {
            Unmet::Document { index: 0, version } => return Err(self.fenced(version)),
            Unmet::Document { index, version } => Unmet::Document { index: own(index)?, version },
            Unmet::Balance { index, balance } => Unmet::Balance { index: own(index)?, balance },
            Unmet::Hold { index } => Unmet::Hold { index: own(index)? },
            Unmet::TooLate(_) | Unmet::Write { .. } | Unmet::AppendOnly { .. } => unmet,
        }))
    }

    fn cursor_write(&self, at: StreamCursor) -> DocumentWrite {
        let condition = if self.version.is_some() {
            DocumentCondition::Version(self.version)
        } else {
            DocumentCondition::Absent
        };
        DocumentWrite {
            table: TableId::CONSUMERS,
            key: self.name.as_bytes().to_vec(),
            value: Some(at.to_string().into_bytes()),
            condition,
            ..DocumentWrite::default()
        }
    }

    fn fenced(&self, version: Position) -> ConsumerError {
        ConsumerError::Fenced { name: self.name.clone(), version }
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("name", &self.name)
            .field("cursor", &self.subscription.cursor())
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

fn odd_answer() -> ClientError {
    let message = String::from("the server's answer is none to this commit");
    ClientError::Unknown { message }
}

/// The first of a row of ids that nobody else uses.
fn random_id() -> Result<CommitId, ClientError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| ClientError::NotSent {
        message: format!("the system gives no randomness: {error}"),
    })?;
    // The upper half of all ids is left for counting up.
    Ok(CommitId(u128::from_le_bytes(bytes) >> 1 | 1))
}

/// Makes of batches, which end anywhere, batches of one commit each.
#[derive(Default)]
struct CommitSplitter {
    whole: VecDeque<StreamBatch>,
    /// The beginning of a commit, and the cursor of its last item.
    begun: Option<(BatchWriter, BatchEnd)>,
}

impl CommitSplitter {
    fn push(&mut self, batch: &StreamBatch) -> Result<(), ClientError> {
        let BatchEnd { durable, is_live, .. } = batch.end();
        let count = batch.view().items_count();
        for (number, item) in (1..).zip(batch.items()) {
            let is_live = is_live && number == count;
            let end = BatchEnd { cursor: item.cursor, time: item.time, durable, is_live };
            let new = || (BatchWriter::new(Vec::new(), COMMIT_ITEMS_BYTES_MAX), end);
            let (writer, last) = self.begun.get_or_insert_with(new);
            if !writer.push(&item) {
                let message = format!("the commit around {} does not end", last.cursor);
                return Err(ClientError::NotSent { message });
            }
            *last = end;
            if item.ends_commit {
                let commit = self.take_begun();
                self.whole.extend(commit);
            }
        }
        Ok(())
    }

    fn take(&mut self) -> Option<StreamBatch> {
        self.whole.pop_front()
    }

    /// A whole commit, or what there is of one.
    fn take_any(&mut self) -> Option<StreamBatch> {
        self.take().or_else(|| self.take_begun())
    }

    fn is_within_commit(&self) -> bool {
        self.begun.is_some()
    }

    fn take_begun(&mut self) -> Option<StreamBatch> {
        let (writer, end) = self.begun.take()?;
        Some(StreamBatch::new(writer.finish(end).into()).expect("its items came in a batch"))
    }
}
