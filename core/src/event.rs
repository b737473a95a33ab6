//! What happens inside and nobody asked for: told to whoever opened the database, so that it can be
//! logged. Figures say how often, events say what.

use crate::error::Error;
use crate::scrub::Finding;
use florin_ledger::Lsn;
use std::fmt;
use std::sync::Arc;

/// Something that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The scrubber found something that does not hold; told once for each.
    Finding(Finding),
    /// A checkpoint is durable at this position.
    CheckpointMade(Lsn),
    /// A checkpoint failed: there are no more until the next opening.
    CheckpointFailed(Error),
    /// The keyring can't be used, and why; the ledger can.
    KeyringRefused(Error),
    /// The log says of so many names that their keys are destroyed, and the keyring did not know: it
    /// is an older copy, or a crash came in between. They are destroyed now.
    KeysDestroyedAgain(u64),
    /// The tree of proofs stands still, and why; the ledger does not. It is tried again every second.
    TreeStuck(Error),
    /// Balances could not be captured or compared, and why. Corrupt: the log does not give those whose root is on
    /// record, so either this state or whoever put it there is wrong.
    CaptureFailed(Error),
    /// This standby follows no more: its state is not the primary's, or its log can't be written.
    StandbyStopped(Error),
}

type Tell = dyn Fn(&Event) + Send + Sync;

/// Whoever is told of events, on the thread where they happen: it must be quick, and must not hold a
/// handle to the database.
#[derive(Clone, Default)]
pub struct Observer(Option<Arc<Tell>>);

impl Observer {
    /// An observer that calls a function.
    pub fn new(tell: impl Fn(&Event) + Send + Sync + 'static) -> Observer {
        Observer(Some(Arc::new(tell)))
    }

    pub(crate) fn tell(&self, event: &Event) {
        if let Some(tell) = &self.0 {
            tell(event);
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observer").field(&self.0.is_some()).finish()
    }
}
