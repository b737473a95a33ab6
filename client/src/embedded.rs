//! Calls answered by an engine in this process.

use crate::backoff;
use crate::call::Call;
use crate::error::ClientError;
use crate::failure::Failure;
use crate::limits::{READS_AT_ONCE_MAX, STREAM_BATCH_BYTES_MAX};
use crate::stream::{StreamBatch, refused};
use bytes::Bytes;
use florin_core::commits::CommitRequest;
use florin_core::request::{self, Reply, Request};
use florin_core::{Database, Error, ErrorKind, stream};
use florin_ledger::{CommitOutcome, Document, DocumentKey, Position, StreamFilter, StreamStart};
use florin_proof::SignedReceipt;
use florin_wire::{Effect, Refusal, RefusalKind, Status};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};

/// What an engine does for a call.
pub(crate) enum Task<A> {
    /// Asks for documents; reads those that are not in memory on a thread that may block.
    Find(Vec<DocumentKey>, fn(Vec<Option<Document>>) -> A),
    /// Queues it; the function takes the answer out of the reply that belongs to it.
    Submit(Request, fn(Reply) -> Option<A>),
    /// Commits; reads the receipt of the outcome on a thread that may block.
    Receipted(CommitRequest, fn(CommitOutcome, Option<SignedReceipt>) -> A),
    /// Reads it on a thread that may block.
    Read(Reading<A>),
}

/// A read of history, which may block.
pub(crate) type Reading<A> = Box<dyn FnOnce(&Database) -> Result<A, Error> + Send>;

/// An engine in this process.
pub(crate) struct Embedded {
    database: Database,
    reads: Arc<Semaphore>,
}

impl Embedded {
    pub(crate) fn reached(&self) -> Position {
        self.database.position()
    }

    pub(crate) fn new(database: Database) -> Embedded {
        Embedded { database, reads: Arc::new(Semaphore::new(READS_AT_ONCE_MAX)) }
    }

    /// One attempt at a call, once the engine has reached a position.
    pub(crate) async fn attempt<C: Call>(
        &self,
        call: &C,
        after: Position,
        deadline: Instant,
    ) -> Result<C::Answer, Failure> {
        if after.is_some() {
            let patience = deadline.saturating_duration_since(Instant::now()) / 2;
            let wait: Reading<()> = Box::new(move |database| database.wait_for(after, patience));
            let reached = self.perform(Task::Read(wait), false, deadline).await;
            reached.map_err(|failure| match failure {
                // Nothing of what is asked for was asked yet.
                Failure::Lost(message) => Failure::NotSent(message),
                failure => failure,
            })?;
        }
        let writes = C::OPERATION.writes();
        let task = call.task().map_err(|error| Failure::Refused(refusal(&error, writes)))?;
        self.perform(task, writes, deadline).await
    }

    async fn perform<A: Send + 'static>(
        &self,
        task: Task<A>,
        writes: bool,
        deadline: Instant,
    ) -> Result<A, Failure> {
        let refused = |error: &Error| Failure::Refused(refusal(error, writes));
        let (sender, receiver) = oneshot::channel();
        match task {
            Task::Submit(request, take) => {
                self.database.submit(request, move |result| {
                    // Nobody listens any more if the deadline has passed.
                    let _ = sender.send(result.map(|reply| {
                        take(reply).expect("an engine answers a question with its own reply")
                    }));
                });
            }
            Task::Receipted(commit, take) => {
                let impossible = |error: Error| Failure::Refused(refusal(&error, false));
                self.database.check_receipts().map_err(impossible)?;
                let (asked, told) = oneshot::channel();
                let commit = Request::Commit(commit);
                // Nobody listens any more if the deadline has passed.
                self.database.submit(commit, move |result| drop(asked.send(result)));
                let told = answered(told, deadline).await?.map_err(|error| refused(&error))?;
                let Reply::Commit(outcome) = told else {
                    unreachable!("a commit is answered by its outcome");
                };
                // It is told: what goes wrong from here on costs the receipt alone.
                let Ok(place) = self.place(deadline).await else { return Ok(take(outcome, None)) };
                let database = self.database.clone();
                read_on_a_thread(place, sender, move || {
                    let receipt = database.receipt_of(&outcome);
                    Ok(take(outcome, receipt))
                });
            }
            Task::Read(read) => {
                let place = self.place(deadline).await?;
                let database = self.database.clone();
                read_on_a_thread(place, sender, move || read(&database));
            }
            Task::Find(keys, take) => {
                let (asked, found) = oneshot::channel();
                // Nobody listens any more if the deadline has passed.
                self.database.find_documents(keys, move |found| drop(asked.send(found)));
                let found = answered(found, deadline).await?;
                let left = match found.map_err(|error| refused(&error))?.in_memory() {
                    Ok(documents) => return Ok(take(documents)),
                    Err(left) => left,
                };
                let place = self.place(deadline).await?;
                read_on_a_thread(place, sender, move || left.read().map(take));
            }
        }
        answered(receiver, deadline).await?.map_err(|error| refused(&error))
    }

    /// A place among the reads that go on at the same time.
    async fn place(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, Failure> {
        let reads = Arc::clone(&self.reads);
        let Ok(place) = timeout_at(deadline, reads.acquire_owned()).await else {
            let message = "no read of history ended before the deadline";
            return Err(Failure::NotSent(String::from(message)));
        };
        Ok(place.expect("the reads' places are never closed"))
    }
}

fn read_on_a_thread<A: Send + 'static>(
    place: OwnedSemaphorePermit,
    sender: oneshot::Sender<Result<A, Error>>,
    read: impl FnOnce() -> Result<A, Error> + Send + 'static,
) {
    tokio::task::spawn_blocking(move || {
        let found = read();
        drop(place);
        // Nobody listens any more if the deadline has passed.
        drop(sender.send(found));
    });
}

/// What an engine answers; one that drops the question has stopped.
async fn answered<A>(
    receiver: oneshot::Receiver<Result<A, Error>>,
    deadline: Instant,
) -> Result<Result<A, Error>, Failure> {
    match timeout_at(deadline, receiver).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => {
            Ok(Err(Error::new(ErrorKind::Stopped, "the engine stopped before it answered")))
        }
        Err(_) => Err(Failure::Lost(String::from("the engine did not answer before the deadline"))),
    }
}

/// A stream of an engine in this process. Each batch is read on a thread that may block.
pub(crate) struct EmbeddedStream {
    /// `None` while a batch is being read.
    idle: Option<stream::Subscription>,
    reading: Option<JoinHandle<Read>>,
}

type Read = (stream::Subscription, Result<stream::StreamBatch, Error>);

impl Embedded {
    /// Reads the log from a position on.
    pub(crate) fn subscribe(
        &self,
        start: StreamStart,
        filter: StreamFilter,
    ) -> Result<EmbeddedStream, ClientError> {
        let subscribed = self.database.subscribe(start, filter);
        let subscription = subscribed.map_err(|error| refused(refusal(&error, false)))?;
        Ok(EmbeddedStream { idle: Some(subscription), reading: None })
    }
}

impl EmbeddedStream {
    /// The next batch, an empty one after `patience`. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self, patience: Duration) -> Result<StreamBatch, ClientError> {
        loop {
            if let Some(mut subscription) = self.idle.take() {
                self.reading = Some(tokio::task::spawn_blocking(move || {
                    let batch = subscription.next(STREAM_BATCH_BYTES_MAX, patience);
                    (subscription, batch)
                }));
            }
            let reading = self.reading.as_mut().expect("a stream is idle or being read");
            let (subscription, batch) = reading.await.expect("reading the log does not panic");
            self.reading = None;
            self.idle = Some(subscription);
            match batch {
                Ok(batch) => {
                    let batch = StreamBatch::new(Bytes::from(batch.into_bytes()));
                    return Ok(batch.expect("an engine's batch is whole"));
                }
                Err(error) if error.kind() == ErrorKind::Busy => sleep(backoff::pause(0)).await,
                Err(error) => return Err(refused(refusal(&error, false))),
            }
        }
    }
}

/// What a server would have told.
fn refusal(error: &Error, writes: bool) -> Refusal {
    let kind = match error.kind() {
        ErrorKind::Invalid => RefusalKind::Invalid,
        ErrorKind::Busy => RefusalKind::Busy,
        ErrorKind::DiskFull => RefusalKind::DiskFull,
        ErrorKind::ClockJumped => RefusalKind::ClockJumped,
        ErrorKind::Stopped => RefusalKind::Stopped,
        ErrorKind::Unusable | ErrorKind::Corrupt => RefusalKind::Corrupt,
        ErrorKind::Io => RefusalKind::Io,
        ErrorKind::Gone => RefusalKind::Gone,
        ErrorKind::Fork => RefusalKind::Fork,
        ErrorKind::NotYet => RefusalKind::NotYet,
        ErrorKind::Standby => RefusalKind::Standby,
        ErrorKind::Fenced => RefusalKind::Fenced,
    };
    let effect = match error.kind() {
        ErrorKind::Stopped | ErrorKind::Corrupt | ErrorKind::Io if writes => Effect::Unknown,
        ErrorKind::Stopped | ErrorKind::Corrupt | ErrorKind::Io => Effect::None,
        ErrorKind::Invalid
        | ErrorKind::Busy
        | ErrorKind::DiskFull
        | ErrorKind::ClockJumped
        | ErrorKind::Unusable
        | ErrorKind::Gone
        | ErrorKind::Fork
        | ErrorKind::NotYet
        | ErrorKind::Standby
        | ErrorKind::Fenced => Effect::None,
    };
    Refusal { kind, effect, message: error.to_string() }
}

pub(crate) fn wire_status(status: &request::Status) -> Status {
    Status {
        incarnation: status.incarnation,
        epoch: status.epoch,
        applied: status.applied,
        durable: status.durable,
        timestamp: status.timestamp,
        accounts_count: status.accounts_count,
        transfers_count: status.transfers_count,
        holds_count: status.holds_count,
        documents_count: status.documents_count,
        serving_since: status.serving_since,
        checkpoint: status.checkpoint,
        disk_full: status.disk_full,
    }
}

#[cfg(test)]
mod tests {
    use crate::{Client, ClientError, RefusalKind};
    use florin_core::clock::SystemClock;
    use florin_core::disk::simulated::SimulatedDisk;
    use florin_core::log::PreparerOptions;
    use florin_core::{Database, Options};
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::time::Instant;

    /// A server that stops is started again; an engine in this process is not, and whoever asks it
    /// again and again keeps its caller from hearing so.
    #[tokio::test(start_paused = true)]
    async fn an_engine_that_has_stopped_is_asked_once() {
        let disk = Arc::new(SimulatedDisk::new());
        let clock = Arc::new(SystemClock::new());
        let preparer = PreparerOptions {
            slice_bytes: 128 << 10,
            reserve_bytes: 32 << 10,
            ..PreparerOptions::default()
        };
        let options = Options { segment_bytes: 8 << 20, preparer, ..Options::default() };
        let database = Database::open_on(disk, clock, options).unwrap();
        let client = Client::embedded(database.clone());
        database.close().unwrap();
        let start = Instant::now();
        let result = client.status().await;
        let Err(ClientError::Refused { kind, .. }) = result else { unreachable!("{result:?}") };
        assert_eq!(kind, RefusalKind::Stopped);
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
