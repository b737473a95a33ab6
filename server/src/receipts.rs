//! Commits whose answers have a receipt with them.
//!
//! - That there can be a receipt, and a place to make it, is known before the engine is asked: no commit takes
//!   effect and is refused then.
//! - A receipt is made once the outcome is told, on threads that may block and of which there are few. The thread
//!   that tells outcomes hands one over and goes on: whoever asks for no receipt waits for none.

use crate::answer::Responder;
use crate::ledger::Ledger;
use crate::limits::{RECEIPTS_AT_ONCE_MAX, RECEIPTS_WAITING_MAX};
use crate::refusal;
use florin_core::request::{Reply, Request};
use florin_ledger::CommitOutcome;
use florin_wire::{Effect, Operation, Refusal, RefusalKind};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// The places of one server's receipts.
#[derive(Debug)]
pub(crate) struct Receipts {
    /// Of commits that want one, from the request to the answer.
    places: Arc<Semaphore>,
    /// Of receipts that are being made.
    making: Arc<Semaphore>,
}

impl Receipts {
    pub(crate) fn new() -> Receipts {
        Receipts {
            places: Arc::new(Semaphore::new(RECEIPTS_WAITING_MAX)),
            making: Arc::new(Semaphore::new(RECEIPTS_AT_ONCE_MAX)),
        }
    }

    /// Hands a commit to the engine, and answers with its outcome and the receipt of it. Never waits itself.
    pub(crate) fn begin<L: Ledger>(&self, ledger: &L, commit: Request, responder: Responder) {
        if let Err(error) = ledger.check_receipts() {
            let refusal = refusal::of_error(&error, Operation::CommitWithReceipt.number());
            return responder.refuse(Refusal { effect: Effect::None, ..refusal });
        }
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let message = format!(
                "{RECEIPTS_WAITING_MAX} commits wait for their receipts already: send it again later, or \
                 without asking for one"
            );
            return responder.refuse(Refusal::without_effect(RefusalKind::Busy, message));
        };
        let (told, outcome) = oneshot::channel();
        // Its receiver goes with the server.
        ledger.submit(commit, move |result| drop(told.send(result)));
        let (ledger, making) = (ledger.clone(), Arc::clone(&self.making));
        tokio::spawn(async move {
            match outcome.await {
                Ok(Ok(Reply::Commit(outcome))) => {
                    let making = making.acquire_owned().await.expect("its places are never closed");
                    make(ledger, outcome, responder, [making, place]);
                }
                Ok(result) => responder.reply(result),
                // The engine is gone, and dropping the duty to answer says so.
                Err(_) => drop(responder),
            }
        });
    }
}

fn make<L: Ledger>(
    ledger: L,
    outcome: CommitOutcome,
    responder: Responder,
    places: [OwnedSemaphorePermit; 2],
) {
    tokio::task::spawn_blocking(move || {
        let receipt = ledger.receipt_of(&outcome);
        drop(ledger);
        drop(places);
        responder.receipted(outcome, receipt);
    });
}
