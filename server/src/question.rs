//! A request as it arrives: what is asked, and what it may occupy until it is answered.

use crate::ledger::Read;
use bytes::Bytes;
use florin_core::request::{AccountBatch, BatchError, Request, TransferBatch};
use florin_ledger::query::PAGE_COUNT_MAX;
use florin_wire::cold;
use florin_wire::frame::HEADER_BYTES;
use florin_wire::limits::{EVENTS_MAX, FRAME_BYTES_MAX};
use florin_wire::stream::{Credit, Subscribe, Unsubscribe};
use florin_wire::{DecodeError, Operation, Reason, Refusal, RefusalKind, RequestHeader, array};
use std::time::Duration;
use tokio::time::Instant;

/// A request that was read from a connection.
#[derive(Debug)]
pub(crate) struct Question {
    /// Chosen by the client.
    pub(crate) id: u64,
    /// As the client gave it, known or not.
    pub(crate) operation: u16,
    /// When nobody waits for the answer any more.
    pub(crate) deadline: Option<Instant>,
    /// Bytes of the request.
    pub(crate) payload_bytes: usize,
    /// Bytes of the request or of its largest reply, whichever is more.
    pub(crate) cost_bytes: usize,
    /// What to do.
    pub(crate) work: Work,
}

/// What a request asks for.
#[derive(Debug)]
pub(crate) enum Work {
    /// For the engine's queue.
    Submit(Request),
    /// For a thread that may block.
    Read(Read),
    /// Opens a stream.
    Subscribe(Box<Subscribe>),
    /// Lets a stream send more.
    Credit(Credit),
    /// Ends a stream.
    Unsubscribe(Unsubscribe),
    /// Well-formed, but nothing that can be done.
    Refuse(Refusal),
}

const EVENT_BYTES: usize = 128;

impl Question {
    /// The request of a frame's payload. Batches stay where they lie in the payload.
    pub(crate) fn decode(payload: Bytes) -> Result<Question, DecodeError> {
        let header = RequestHeader::decode(&payload)?;
        let body = payload.slice(HEADER_BYTES..);
        let work = match Operation::from_number(header.operation) {
            Some(operation) => work(operation, body).map_err(|e| e.after(HEADER_BYTES))?,
            None => Work::Refuse(Refusal::without_effect(
                RefusalKind::UnsupportedOperation,
                format!("operation {} is none that this server knows", header.operation),
            )),
        };
        let deadline = (header.deadline_ms != 0)
            .then(|| Instant::now() + Duration::from_millis(u64::from(header.deadline_ms)));
        let payload_bytes = payload.len();
        let cost_bytes = payload_bytes.max(work.reply_bytes_max()).min(FRAME_BYTES_MAX);
        let RequestHeader { id, operation, .. } = header;
        Ok(Question { id, operation, deadline, payload_bytes, cost_bytes, work })
    }
}

fn work(operation: Operation, body: Bytes) -> Result<Work, DecodeError> {
    Ok(match operation {
        Operation::CreateAccounts => match AccountBatch::from_layout(body) {
            Ok(batch) => Work::Submit(Request::CreateAccounts(batch)),
            Err(error) => refused_batch(error)?,
        },
        Operation::CreateTransfers => match TransferBatch::from_layout(body) {
            Ok(batch) => Work::Submit(Request::CreateTransfers(batch)),
            Err(error) => refused_batch(error)?,
        },
        Operation::LookupAccounts => {
            lookup(array::decode(&body)?, |ids| Work::Submit(Request::LookupAccounts(ids)))
        }
        Operation::LookupTransfers => {
            lookup(array::decode(&body)?, |ids| Work::Read(Read::LookupTransfers(ids)))
        }
        Operation::AccountTransfers => Work::Read(Read::AccountTransfers(cold::decode(&body)?)),
        Operation::AccountBalances => Work::Read(Read::AccountBalances(cold::decode(&body)?)),
        Operation::BalanceAsOf => Work::Read(Read::BalanceAsOf(cold::decode(&body)?)),
        Operation::QueryAccounts => Work::Read(Read::QueryAccounts(cold::decode(&body)?)),
        Operation::QueryTransfers => Work::Read(Read::QueryTransfers(cold::decode(&body)?)),
        Operation::TrialBalance => Work::Submit(Request::TrialBalance(cold::decode(&body)?)),
        Operation::Status if body.is_empty() => Work::Submit(Request::Status),
        Operation::Status => return Err(DecodeError::new(0, Reason::TooLong)),
        Operation::Subscribe => Work::Subscribe(Box::new(Subscribe::decode(&body)?)),
        Operation::Credit => Work::Credit(Credit::decode(&body)?),
        Operation::Unsubscribe => Work::Unsubscribe(Unsubscribe::decode(&body)?),
    })
}

/// A batch of too many events is well-formed and refused whole; a ragged one is not well-formed.
fn refused_batch(error: BatchError) -> Result<Work, DecodeError> {
    match error {
        BatchError::TooLarge { .. } => {
            Ok(Work::Refuse(Refusal::without_effect(RefusalKind::TooLarge, error.to_string())))
        }
        BatchError::Ragged { bytes } => Err(DecodeError::new(
            bytes - bytes % EVENT_BYTES,
            Reason::Ragged { item_bytes: EVENT_BYTES },
        )),
    }
}

fn lookup<Id>(ids: Vec<Id>, ask: impl FnOnce(Vec<Id>) -> Work) -> Work {
    if EVENTS_MAX < ids.len() {
        return Work::Refuse(Refusal::without_effect(
            RefusalKind::TooLarge,
            format!(
                "a lookup takes at most {EVENTS_MAX} ids, this one has {}: split it",
                ids.len()
            ),
        ));
    }
    ask(ids)
}

impl Work {
    fn reply_bytes_max(&self) -> usize {
        let items = match self {
            Work::Submit(Request::LookupAccounts(ids)) => ids.len(),
            Work::Read(Read::LookupTransfers(ids)) => ids.len(),
            Work::Read(Read::AccountTransfers(filter) | Read::AccountBalances(filter)) => {
                page_items(filter.limit)
            }
            Work::Read(Read::QueryAccounts(filter) | Read::QueryTransfers(filter)) => {
                page_items(filter.limit)
            }
            // Their replies are smaller than the request, or than what any request weighs.
            Work::Submit(_) | Work::Read(Read::BalanceAsOf(_)) | Work::Refuse(_) => 0,
            // What a stream sends is bounded by its credit.
            Work::Subscribe(_) | Work::Credit(_) | Work::Unsubscribe(_) => 0,
        };
        items * EVENT_BYTES
    }
}

fn page_items(limit: u32) -> usize {
    usize::try_from(limit.min(PAGE_COUNT_MAX)).expect("a page's items fit a usize")
}
