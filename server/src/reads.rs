//! Work on threads that may block, a bounded number at a time: questions about history, and to the
//! keyring.

use crate::answer::Responder;
use florin_core::Error;
use florin_wire::{Refusal, RefusalKind};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// The places of running and waiting work of one kind, one for the whole server.
#[derive(Debug)]
pub(crate) struct Reads {
    /// What the work is, in messages.
    what: &'static str,
    waiting_max: usize,
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Reads {
    pub(crate) fn new(what: &'static str, at_once_max: usize, waiting_max: usize) -> Reads {
        Reads {
            what,
            waiting_max,
            running: Arc::new(Semaphore::new(at_once_max)),
            waiting: Arc::new(Semaphore::new(waiting_max)),
        }
    }

    /// Starts `ask`, now or when one of those before it is done, and answers with what it gives; never
    /// waits itself, so that the requests behind it on the connection go on.
    pub(crate) fn start<A: Send + 'static>(
        &self,
        deadline: Option<Instant>,
        responder: Responder,
        ask: impl FnOnce() -> Result<A, Error> + Send + 'static,
        answer: impl FnOnce(Responder, Result<A, Error>) + Send + 'static,
    ) {
        if let Ok(running) = Arc::clone(&self.running).try_acquire_owned() {
            run(running, responder, ask, answer);
            return;
        }
        let Ok(waiting) = Arc::clone(&self.waiting).try_acquire_owned() else {
            let Reads { what, waiting_max, .. } = self;
            responder.refuse(Refusal::without_effect(
                RefusalKind::Busy,
                format!("{waiting_max} {what} are waiting already: send it again later"),
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
                run(running, responder, ask, answer);
            }
        });
    }
}

fn run<A: Send + 'static>(
    running: OwnedSemaphorePermit,
    responder: Responder,
    ask: impl FnOnce() -> Result<A, Error> + Send + 'static,
    answer: impl FnOnce(Responder, Result<A, Error>) + Send + 'static,
) {
    tokio::task::spawn_blocking(move || {
        let result = ask();
        drop(running);
        answer(responder, result);
    });
}

/// The refusal of a request whose deadline passed before it began.
pub(crate) fn expired() -> Refusal {
    Refusal::without_effect(
        RefusalKind::Deadline,
        "the deadline passed before the request began: nothing happened",
    )
}
