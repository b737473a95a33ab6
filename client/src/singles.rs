//! Transfers that callers submit one by one, sent together: what came while a request was in
//! flight goes with the next. No timer holds anything back, so a lone transfer waits for nobody.

use crate::call::CreateTransfers;
use crate::error::ClientError;
use crate::path::Path;
use florin_ledger::{Position, Transfer, TransferResult};
use florin_wire::limits::EVENTS_MAX;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument, Span, debug_span};

/// The queue of single transfers; dropping it ends the task that sends them.
pub(crate) struct Singles(mpsc::Sender<Single>);

struct Single {
    transfer: Transfer,
    deadline: Instant,
    /// Set by whoever comes first, its caller giving up or the task sending it.
    taken: Arc<AtomicBool>,
    ticket: oneshot::Sender<Result<TransferResult, ClientError>>,
    /// Where its caller was.
    span: Span,
}

impl Singles {
    /// Starts the task that sends what is queued.
    pub(crate) fn start(path: Arc<Path>, attempts_max: u32) -> Singles {
        let (queue, queued) = mpsc::channel(EVENTS_MAX);
        tokio::spawn(send_queued(queued, path, attempts_max));
        Singles(queue)
    }

    /// Sends one transfer with those of other callers.
    pub(crate) async fn create(
        &self,
        transfer: Transfer,
        deadline: Instant,
    ) -> Result<TransferResult, ClientError> {
        let not_sent = |message: &str| ClientError::NotSent { message: String::from(message) };
        let (ticket, result) = oneshot::channel();
        let taken = Arc::new(AtomicBool::new(false));
        let span = Span::current();
        let single = Single { transfer, deadline, taken: Arc::clone(&taken), ticket, span };
        match timeout_at(deadline, self.0.send(single)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(not_sent("the runtime of this client's tasks has stopped")),
            Err(_) => return Err(not_sent("the queue was full until the deadline")),
        }
        match timeout_at(deadline, result).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(ClientError::Unknown {
                message: String::from("the runtime of this client's tasks has stopped"),
            }),
            // Relaxed: the flag guards no other memory.
            Err(_) if !taken.swap(true, Ordering::Relaxed) => {
                Err(not_sent("it waited for the request before it until the deadline"))
            }
            Err(_) => Err(ClientError::Unknown {
                message: String::from("no answer came before the deadline"),
            }),
        }
    }
}

async fn send_queued(mut queued: mpsc::Receiver<Single>, path: Arc<Path>, attempts_max: u32) {
    let mut batch = Vec::new();
    while 0 < queued.recv_many(&mut batch, EVENTS_MAX).await {
        // Those whose callers gave up are not sent at all.
        batch.retain(|single| {
            !single.ticket.is_closed() && !single.taken.swap(true, Ordering::Relaxed)
        });
        let Some(deadline) = batch.iter().map(|single| single.deadline).max() else { continue };
        let transfers: Vec<_> = batch.iter().map(|single| single.transfer).collect();
        let call = CreateTransfers::new(&transfers);
        let span = debug_span!("singles", count = batch.len());
        batch.iter().for_each(|single| {
            span.follows_from(&single.span);
        });
        let asking = path.ask(&call, Position::NONE, attempts_max, deadline);
        match asking.instrument(span).await {
            Ok(asked) => {
                for (single, result) in batch.drain(..).zip(asked.answer) {
                    // Its caller may have given up.
                    let _ = single.ticket.send(Ok(result));
                }
            }
            Err(error) => {
                for single in batch.drain(..) {
                    // Its caller may have given up.
                    let _ = single.ticket.send(Err(error.clone()));
                }
            }
        }
    }
}
