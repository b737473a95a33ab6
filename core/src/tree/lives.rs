//! Which life of the database a leaf is of. A restored bank goes on with the same log under another name, and
//! what it signs says so: heads of two lives are of one size by right, heads of one life are not.

use super::Tree;
use crate::error::{Error, ErrorKind};
use florin_ledger::Lsn;
use florin_ledger::record::{LifeRecord, Record};
use std::sync::PoisonError;

impl Tree {
    /// The incarnation of the life that an epoch is of. Reads a frame for each life in between.
    ///
    /// # Errors
    /// [`ErrorKind::NotYet`] of a life that was not read of yet; as any read.
    pub(super) fn life_of(&self, epoch: u64) -> Result<u128, Error> {
        let number = LifeRecord::number_of(epoch);
        let mut life = *self.life.lock().unwrap_or_else(PoisonError::into_inner);
        if life.number < number {
            let message =
                format!("epoch {epoch} is of a life that the tree of proofs has not come to");
            return Err(Error::new(ErrorKind::NotYet, message));
        }
        while number + 1 < life.number {
            life = self.life_begun(life.previous_restored_to)?;
        }
        Ok(if number == life.number { life.incarnation } else { life.previous })
    }

    /// Takes note of a life that a record tells of.
    pub(super) fn note_life(&self, begun: LifeRecord) {
        let mut life = self.life.lock().unwrap_or_else(PoisonError::into_inner);
        if life.number < begun.number {
            *life = begun;
        }
    }

    /// The life that began where a log was restored to: its record is the first there.
    fn life_begun(&self, restored_to: Lsn) -> Result<LifeRecord, Error> {
        let (log, durable) = (self.reads.log(), self.reads.durable().get());
        let mut frames = log.frames(log.position_at(restored_to, durable)?, durable);
        let frame = frames.next()?;
        let first = frame.and_then(|frame| frame.records().next());
        match first {
            Some(Ok(stored)) if let Record::Life(life) = stored.record => Ok(life),
            _ => {
                Err(Error::corrupt(format!("no life begins at {restored_to}, as a later one says")))
            }
        }
    }
}
