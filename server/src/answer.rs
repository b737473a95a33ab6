//! A reply on its way out. Made on an engine's thread, turned into bytes by the connection's
//! writer, so that the engine never waits for serialisation.

use crate::budget::Share;
use crate::copies::CopyAnswer;
use crate::keyring::KeyringAnswer;
use crate::ledger::Found;
use crate::metrics::ServerMetrics;
use crate::refusal;
use bytes::{BufMut, BytesMut};
use florin_core::Error;
use florin_core::request::Reply;
use florin_ledger::{CommitOutcome, Position};
use florin_wire::{
    Outcome, Refusal, ReplyHeader, Status, array, cold, documents, frame, keyring, outcome, page,
    receipted,
};
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tracing::debug;

/// A reply to one request.
#[derive(Debug)]
pub(crate) struct Answer {
    id: u64,
    operation: u16,
    position: Position,
    content: Content,
    /// Given back when the reply is written.
    _held: Held,
}

/// What is given back when a reply is written.
#[derive(Debug)]
enum Held {
    /// What the request occupies.
    Place { _place: Place },
    /// The turn of a stream to send its next batch.
    Turn { _turn: oneshot::Sender<()> },
}

/// What a request occupies; dropping it lets the connection read on.
#[derive(Debug)]
pub(crate) struct Place {
    _connection: OwnedSemaphorePermit,
    /// `None` if the server has no room; the request is then refused.
    server: Option<Share>,
}

impl Place {
    pub(crate) fn new(connection: OwnedSemaphorePermit, server: Option<Share>) -> Place {
        Place { _connection: connection, server }
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.server.is_some()
    }
}

#[derive(Debug)]
enum Content {
    Reply(Reply),
    /// What became of a commit, and the bytes of its receipt, none if there is none.
    Receipted(CommitOutcome, Vec<u8>),
    Found(Found),
    Keyring(KeyringAnswer),
    Copy(CopyAnswer),
    Refusal(Refusal),
    /// A batch of a stream.
    Batch(Vec<u8>),
    /// An answer that says nothing more.
    Done,
}

impl Answer {
    /// Appends the reply's frame.
    pub(crate) fn write(&self, out: &mut BytesMut) {
        let outcome = match self.content {
            Content::Reply(_)
            | Content::Receipted(..)
            | Content::Found(_)
            | Content::Keyring(_)
            | Content::Copy(_)
            | Content::Done => Outcome::Answered,
            Content::Refusal(_) => Outcome::Refused,
            Content::Batch(_) => Outcome::Batch,
        };
        let Answer { id, operation, position, .. } = *self;
        let header = ReplyHeader { id, operation, outcome, position };
        frame::write(out, &header.to_bytes(), |out| self.content.write(out));
    }

    /// Whether it has keys of the keyring.
    pub(crate) fn is_secret(&self) -> bool {
        matches!(self.content, Content::Keyring(KeyringAnswer::Held(_)))
    }
}

impl Content {
    /// What is answered is not older than a position: a read than where its server was when it was asked, a decision
    /// than where it is once that is done.
    fn position(&self, asked_at: Position, log: &LogPosition) -> Position {
        match self {
            Content::Reply(
                Reply::Accounts(_)
                | Reply::Transfers(_)
                | Reply::Commit(_)
                | Reply::Written(_)
                | Reply::Unique(_),
            )
            | Content::Receipted(..)
            | Content::Found(Found::Reached) => log(),
            Content::Refusal(_) | Content::Batch(_) => Position::NONE,
            Content::Reply(_)
            | Content::Found(_)
            | Content::Keyring(_)
            | Content::Copy(_)
            | Content::Done => asked_at,
        }
    }

    fn write(&self, out: &mut BytesMut) {
        match self {
            Content::Reply(Reply::Accounts(results)) => array::write(results, out),
            Content::Reply(Reply::Transfers(results)) => array::write(results, out),
            Content::Reply(Reply::LookedUpAccounts(accounts)) => array::write(accounts, out),
            Content::Reply(Reply::TrialBalance(sums)) => cold::write(sums, out),
            Content::Reply(Reply::Status(status)) => cold::write(&wire_status(status), out),
            Content::Reply(Reply::Commit(decided)) => outcome::write(decided, out),
            Content::Receipted(decided, receipt) => receipted::write(decided, receipt, out),
            Content::Reply(Reply::Written(results)) => array::write(results, out),
            Content::Reply(Reply::Unique(result)) => array::write(&[*result], out),
            Content::Reply(Reply::Recorded) => unreachable!("no operation asks for it"),
            Content::Found(Found::Transfers(transfers)) => array::write(transfers, out),
            Content::Found(Found::TransferPage(transfers)) => page::write(transfers, out),
            Content::Found(Found::BalancePage(balances)) => page::write(balances, out),
            Content::Found(Found::Balance(balance)) => cold::write(balance, out),
            Content::Found(Found::AccountPage(accounts)) => page::write(accounts, out),
            Content::Found(Found::Documents(found)) => documents::write_found(found, out),
            Content::Found(Found::Tables(tables)) => array::write(tables, out),
            Content::Keyring(KeyringAnswer::Held(held)) => keyring::write_held(held, out),
            Content::Keyring(KeyringAnswer::Destroyed(results)) => {
                keyring::write_results(results, out);
            }
            Content::Keyring(KeyringAnswer::Status(status)) => keyring::write_status(status, out),
            Content::Copy(CopyAnswer::Snapshot(snapshot)) => snapshot.write(out),
            Content::Copy(CopyAnswer::Log(piece)) => out.put_slice(piece),
            Content::Copy(CopyAnswer::Keyring(piece)) => piece.write(out),
            Content::Copy(CopyAnswer::Seed(Some(offer))) => offer.write(out),
            Content::Copy(CopyAnswer::Seed(None)) => {}
            Content::Found(Found::Outcome(decided)) => outcome::write(decided, out),
            Content::Found(Found::Proof(bytes) | Found::Stored(bytes)) => out.put_slice(bytes),
            Content::Found(Found::Replication(status)) => status.write(out),
            Content::Found(Found::Reached) | Content::Done => {}
            Content::Refusal(refusal) => cold::write(refusal, out),
            Content::Batch(batch) => out.put_slice(batch),
        }
    }
}

fn wire_status(status: &florin_core::request::Status) -> Status {
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

/// Where the log is that answers are of.
pub(crate) type LogPosition = dyn Fn() -> Position + Send + Sync;

/// The duty to answer one request. Dropping it unanswered answers that the engine has stopped, so
/// no client and no shutdown waits for an answer that nobody will give.
pub(crate) struct Responder {
    id: u64,
    operation: u16,
    /// Where the log was when this was asked.
    asked_at: Position,
    log: Arc<LogPosition>,
    /// Taken by the answer.
    duty: Option<(UnboundedSender<Answer>, Place)>,
    meter: Meter,
}

/// Counts the answer, and tells of it.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) metrics: Arc<ServerMetrics>,
    /// Names the connection in the server's log.
    pub(crate) connection: u64,
}

impl Meter {
    fn count(&self, id: u64, operation: u16, content: &Content) {
        let Meter { metrics, connection } = self;
        match content {
            Content::Reply(reply) => {
                metrics.answer(operation);
                debug!(
                    connection,
                    request = id,
                    operation,
                    at = last_event(reply),
                    position = commit_position(reply).map(|position| position.lsn.0),
                    "answered"
                );
            }
            Content::Receipted(..)
            | Content::Found(_)
            | Content::Keyring(_)
            | Content::Copy(_)
            | Content::Batch(_)
            | Content::Done => {
                metrics.answer(operation);
                debug!(connection, request = id, operation, "answered");
            }
            Content::Refusal(refusal) => {
                metrics.refuse(operation, refusal.kind);
                debug!(connection, request = id, operation, kind = refusal.kind.name(), "refused");
            }
        }
    }
}

/// The recorded time of the last event of a batch: `florin inspect` finds the frame by it.
fn last_event(reply: &Reply) -> Option<u64> {
    match reply {
        Reply::Accounts(results) => results.last().map(|result| result.timestamp.0),
        Reply::Transfers(results) => results.last().map(|result| result.timestamp.0),
        _ => None,
    }
}

/// Where a commit's record is. A dry run leaves none.
fn commit_position(reply: &Reply) -> Option<Position> {
    let position = match reply {
        Reply::Commit(CommitOutcome::Done(done)) => done.position,
        Reply::Commit(CommitOutcome::Refused(refused)) => refused.position,
        _ => return None,
    };
    (position != Position::NONE).then_some(position)
}

impl Responder {
    pub(crate) fn new(
        id: u64,
        operation: u16,
        answers: UnboundedSender<Answer>,
        place: Place,
        log: Arc<LogPosition>,
        meter: Meter,
    ) -> Responder {
        Responder { id, operation, asked_at: log(), log, duty: Some((answers, place)), meter }
    }

    pub(crate) fn reply(self, result: Result<Reply, Error>) {
        match result {
            Ok(reply) => self.send(Content::Reply(reply)),
            Err(error) => self.fail(&error),
        }
    }

    pub(crate) fn found(self, result: Result<Found, Error>) {
        match result {
            Ok(found) => self.send(Content::Found(found)),
            Err(error) => self.fail(&error),
        }
    }

    pub(crate) fn receipted(self, outcome: CommitOutcome, receipt: Vec<u8>) {
        self.send(Content::Receipted(outcome, receipt));
    }

    pub(crate) fn keyring(self, result: Result<KeyringAnswer, Error>) {
        match result {
            Ok(answer) => self.send(Content::Keyring(answer)),
            Err(error) => self.fail(&error),
        }
    }

    pub(crate) fn copied(self, result: Result<CopyAnswer, Error>) {
        match result {
            Ok(answer) => self.send(Content::Copy(answer)),
            Err(error) => self.fail(&error),
        }
    }

    pub(crate) fn refuse(self, refusal: Refusal) {
        self.send(Content::Refusal(refusal));
    }

    /// Answers with nothing more than that it is done.
    pub(crate) fn done(self) {
        self.send(Content::Done);
    }

    /// Sends a batch of a stream.
    pub(crate) fn batch(&self, batch: Vec<u8>) -> Written {
        let (turn, written) = oneshot::channel();
        if let Some((answers, _)) = &self.duty {
            let answer = Answer {
                id: self.id,
                operation: self.operation,
                position: Position::NONE,
                content: Content::Batch(batch),
                _held: Held::Turn { _turn: turn },
            };
            // The writer is gone when the peer is.
            let _ = answers.send(answer);
        }
        Written(written)
    }

    pub(crate) fn fail(self, error: &Error) {
        let refusal = refusal::of_error(error, self.operation);
        self.refuse(refusal);
    }

    fn send(mut self, content: Content) {
        self.discharge(content);
    }

    fn discharge(&mut self, content: Content) {
        if let Some((answers, place)) = self.duty.take() {
            self.meter.count(self.id, self.operation, &content);
            let _held = Held::Place { _place: place };
            let position = content.position(self.asked_at, &*self.log);
            let answer =
                Answer { id: self.id, operation: self.operation, position, content, _held };
            // The writer is gone when the peer is: nobody is left to tell.
            let _ = answers.send(answer);
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if self.duty.is_some() {
            self.discharge(Content::Refusal(refusal::of_silence(self.operation)));
        }
    }
}

/// A batch that is being written.
#[derive(Debug)]
pub(crate) struct Written(oneshot::Receiver<()>);

impl Written {
    /// Completes when it was written, or can't be any more.
    pub(crate) async fn done(self) {
        // Nothing is ever sent: it ends by being dropped.
        let _ = self.0.await;
    }
}
