//! Which opening wrote the newest part of the log, for those who tell where it ends and have no turn of the engine.
//!
//! Invariant: an epoch is entered before anything that it wrote is durable, or applied at a standby. So whoever read
//! the end first finds the epoch of what lies before it.

use florin_ledger::{Lsn, Position};
use std::sync::{PoisonError, RwLock};

/// The epochs of what was written since the database was opened, by where they begin: one for each opening of whoever
/// decides.
pub(crate) struct Epochs(RwLock<Vec<Position>>);

impl Epochs {
    /// Of a log whose newest part has this epoch; zero: in which nothing was written.
    pub(crate) fn new(epoch: u64) -> Epochs {
        Epochs(RwLock::new(vec![Position { epoch, lsn: Lsn::NONE }]))
    }

    /// What lies at or behind this position is of its epoch.
    pub(super) fn begin(&self, at: Position) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        assert!(all.last().is_none_or(|last| last.lsn <= at.lsn), "a log grows at its end");
        all.push(at);
    }

    /// The last place before an end; [`Position::NONE`] of an empty log.
    pub(crate) fn last_before(&self, end: Lsn) -> Position {
        let Some(last) = end.0.checked_sub(1).map(Lsn) else { return Position::NONE };
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let begun = all.iter().rev().find(|begun| begun.lsn <= last).expect("one is at zero");
        let is_written = begun.epoch != 0;
        if is_written { Position { epoch: begun.epoch, lsn: last } } else { Position::NONE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: what an earlier opening wrote told as a later one's, which another copy takes for a fork.
    #[test]
    fn an_end_is_of_the_opening_that_wrote_what_lies_before_it() {
        let epochs = Epochs::new(3);
        epochs.begin(Position { epoch: 5, lsn: Lsn(100) });
        let last = |end: u64| epochs.last_before(Lsn(end));
        assert_eq!(last(0), Position::NONE);
        assert_eq!(last(100), Position { epoch: 3, lsn: Lsn(99) });
        assert_eq!(last(101), Position { epoch: 5, lsn: Lsn(100) });
        assert_eq!(last(900), Position { epoch: 5, lsn: Lsn(899) });
        assert_eq!(Epochs::new(0).last_before(Lsn(4_096)), Position::NONE);
    }
}
