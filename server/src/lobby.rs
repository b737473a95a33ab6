//! Connections that have not said who they are. They are bounded by themselves, so that strangers
//! never take the places of those who have; and of too many the one that waits longest goes, so
//! that strangers who only sit there never keep a client from coming in.

use crate::limits::STRANGERS_MAX;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// The strangers at the door.
#[derive(Clone, Default, Debug)]
pub(crate) struct Lobby(Arc<Mutex<Waiting>>);

#[derive(Default, Debug)]
struct Waiting {
    /// Rises with each arrival.
    next: u64,
    /// By order of arrival. Dropping a sender tells its stranger to go.
    strangers: BTreeMap<u64, oneshot::Sender<()>>,
}

/// One stranger; dropping it leaves the lobby.
#[derive(Debug)]
pub(crate) struct Stranger {
    lobby: Lobby,
    number: u64,
    sent_away: oneshot::Receiver<()>,
}

impl Lobby {
    /// A place for one more, if need be that of the one that has waited longest.
    pub(crate) fn enter(&self) -> Stranger {
        let (keep, sent_away) = oneshot::channel();
        let mut waiting = self.lock();
        if STRANGERS_MAX <= waiting.strangers.len() {
            waiting.strangers.pop_first();
        }
        let number = waiting.next;
        waiting.next += 1;
        waiting.strangers.insert(number, keep);
        assert!(waiting.strangers.len() <= STRANGERS_MAX, "the lobby is bounded");
        drop(waiting);
        Stranger { lobby: self.clone(), number, sent_away }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Every change under the lock is whole, so a panic elsewhere left nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stranger {
    /// Completes when it must go.
    pub(crate) async fn sent_away(&mut self) {
        // Only dropping the sender ends it.
        let _ = (&mut self.sent_away).await;
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.lobby.lock().strangers.remove(&self.number);
    }
}
