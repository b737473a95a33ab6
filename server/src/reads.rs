//! Questions about history, on threads that may block, a bounded number at a time.

use crate::access::Sight;
use crate::answer::Responder;
use crate::ledger::{Ledger, Read};
use crate::limits::{READS_AT_ONCE_MAX, READS_WAITING_MAX};
use florin_wire::{Refusal, RefusalKind};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// The places of running and waiting reads, one for the whole server.
#[derive(Debug)]
pub(crate) struct Reads {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Reads {
    pub(crate) fn new() -> Reads {
        Reads {
            running: Arc::new(Semaphore::new(READS_AT_ONCE_MAX)),
            waiting: Arc::new(Semaphore::new(READS_WAITING_MAX)),
        }
    }

    /// Starts a read, now or when one of those before it is done; never waits itself, so that the
    /// requests behind it on the connection go on.
    pub(crate) fn start<L: Ledger>(
        &self,
        ledger: &L,
        sight: Sight,
        read: Read,
        deadline: Option<Instant>,
        responder: Responder,
    ) {
        let ledger = ledger.clone();
        if let Ok(running) = Arc::clone(&self.running).try_acquire_owned() {
            run(ledger, sight, read, responder, running);
            return;
        }
        let Ok(waiting) = Arc::clone(&self.waiting).try_acquire_owned() else {
            responder.refuse(Refusal::without_effect(
                RefusalKind::Busy,
                format!("{READS_WAITING_MAX} reads are waiting already: send it again later"),
            ));
            return;
        };
        let running = Arc::clone(&self.running);
        tokio::spawn(async move {
            let running =
                running.acquire_owned().await.expect("the reads' places are never closed");
            drop(waiting);
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                responder.refuse(expired());
            } else {
                run(ledger, sight, read, responder, running);
            }
        });
    }
}

fn run<L: Ledger>(
    ledger: L,
    sight: Sight,
    read: Read,
    responder: Responder,
    running: OwnedSemaphorePermit,
) {
    tokio::task::spawn_blocking(move || {
        let result = sight.read(&ledger, read);
        drop(running);
        responder.found(result);
    });
}

/// The refusal of a request whose deadline passed before it began.
pub(crate) fn expired() -> Refusal {
    Refusal::without_effect(
        RefusalKind::Deadline,
        "the deadline passed before the request began: nothing happened",
    )
}
