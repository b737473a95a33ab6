//! How far a server is known to have come, by what its answers say.

use florin_ledger::Position;
use std::sync::{Mutex, PoisonError};

/// The newest position that answers of one connection named. It rises.
#[derive(Debug, Default)]
pub(crate) struct Reached(Mutex<Position>);

impl Reached {
    pub(crate) fn get(&self) -> Position {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers may overtake each other, so an older one changes nothing.
    pub(crate) fn rise(&self, position: Position) {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *newest = position.max(*newest);
    }

    /// Whether a position is known to be behind it. Of another opening it may be of another history, too.
    pub(crate) fn covers(&self, position: Position) -> bool {
        let newest = self.get();
        newest.epoch == position.epoch && position.lsn <= newest.lsn
    }
}
