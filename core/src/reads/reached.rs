//! Whether this database has reached a position: how a reader asks for what it wrote elsewhere, or for
//! what it has seen already.

use super::Reads;
use crate::database::Database;
use crate::driver::promise::stopped;
use crate::error::{Error, ErrorKind};
use crate::log::resume::NoWay;
use florin_ledger::Position;
use std::time::Duration;

impl Database {
    /// The last place before [`Database::durable_end`]: what is read from now on is not older, and what was answered
    /// before lies at or before it. [`Position::NONE`] while nothing may be told.
    #[must_use]
    pub fn position(&self) -> Position {
        self.watch().epochs.last_before(self.durable_end())
    }
}

impl Reads {
    /// Waits until what was written at a position is here and durable: every read that begins
    /// afterwards sees it.
    pub(crate) fn wait_for(&self, position: Position, patience: Duration) -> Result<(), Error> {
        match self.check_reached(position) {
            Err(error) if error.kind() == ErrorKind::NotYet => {}
            reached => return reached,
        }
        self.durable.wait_past(position.lsn, patience);
        if self.durable.get() <= position.lsn && self.durable.has_failed() {
            return Err(stopped());
        }
        self.check_reached(position)
    }

    fn check_reached(&self, position: Position) -> Result<(), Error> {
        if !position.is_some() {
            return Ok(());
        }
        let durable = self.durable.get();
        self.log.holds(position, durable)?.map_err(|no_way| match no_way {
            NoWay::Gone { first } => Error::new(
                ErrorKind::Gone,
                format!(
                    "position {position} is gone, this log begins at {first}: read without a \
                     position"
                ),
            ),
            NoWay::NotYet => Error::new(
                ErrorKind::NotYet,
                format!(
                    "position {position} lies behind the end of this log, which is durable up to \
                     {durable}: ask again later, or another copy"
                ),
            ),
            NoWay::Fork | NoWay::NoRecord => Error::new(
                ErrorKind::Fork,
                format!(
                    "position {position} is of another history: what was written there is not \
                     here, and never will be. Look up what became of it"
                ),
            ),
        })
    }
}
