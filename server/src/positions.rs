//! Waiting until the log has come to a position, so that what is read afterwards is not older.
//!
//! A request that waits holds a place of its connection and nothing else: no thread, no turn of the
//! engine. Whether the position is reached, or of another history, is found out like any read.

use crate::access::Sight;
use crate::answer::Responder;
use crate::connection::Shared;
use crate::ledger::{Ledger, Read};
use crate::limits::AWAIT_MAX;
use florin_wire::cold::Await;
use florin_wire::{Refusal, RefusalKind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// Answers once the position is reached, or says why it is not.
pub(crate) fn answer<L: Ledger>(
    shared: &Shared<L>,
    sight: Sight,
    asked: Await,
    deadline: Option<Instant>,
    mut stopping: watch::Receiver<bool>,
    responder: Responder,
) {
    let Await { position, patience_ms } = asked;
    let (ledger, reads) = (shared.ledger.clone(), Arc::clone(&shared.reads));
    let find_out = move |ledger: &L, responder| {
        let ledger = ledger.clone();
        let ask = move || sight.read(&ledger, Read::Reached(position));
        reads.start(deadline, responder, ask, Responder::found);
    };
    // What an earlier opening has not left here will not come.
    let may_come = shared.epoch <= position.epoch;
    if position.lsn < ledger.durable_end() || !may_come {
        return find_out(&ledger, responder);
    }
    let patience = Duration::from_millis(u64::from(patience_ms)).min(AWAIT_MAX);
    let until = Instant::now() + patience;
    let mut risen = shared.streams.risen();
    tokio::spawn(async move {
        let rise = risen.wait_for(|_| position.lsn < ledger.durable_end());
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => return responder.refuse(stopped()),
            _ = timeout_at(until, rise) => {}
        }
        find_out(&ledger, responder);
    });
}

fn stopped() -> Refusal {
    Refusal::without_effect(
        RefusalKind::Stopped,
        "the server stops, and the position is not reached: ask again when it is back",
    )
}
