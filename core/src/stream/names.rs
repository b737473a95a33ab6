//! Whose slots the records of a stream name. The engine is asked once a frame, for those that were
//! not met lately.

use super::items::slots_of;
use crate::error::Error;
use crate::limits::STREAM_NAMES_MAX;
use crate::reads::Reads;
use florin_ledger::record::Record;
use florin_ledger::{AccountId, Slot};

/// Names of accounts: many kept from frames before, and all that the frame in memory needs.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// One place for every slot modulo its length. Empty until something was learned.
    kept: Vec<(Slot, AccountId)>,
    /// What this frame needs and was not kept: sorted. Not put into `kept` before the next frame,
    /// because one might drive out another that this frame needs.
    learned: Vec<(Slot, AccountId)>,
    /// What this frame needs and nobody has said yet.
    needed: Vec<Slot>,
}

impl Names {
    /// Notes the accounts of a record of the next frame.
    pub(super) fn need(&mut self, record: &Record) {
        if !self.learned.is_empty() {
            self.keep();
        }
        for slot in slots_of(record).into_iter().flatten() {
            if self.find(slot).is_none() && self.needed.last() != Some(&slot) {
                self.needed.push(slot);
            }
        }
    }

    /// Asks for what is needed.
    pub(super) fn learn(&mut self, reads: &Reads) -> Result<(), Error> {
        if self.needed.is_empty() {
            return Ok(());
        }
        self.needed.sort_unstable();
        self.needed.dedup();
        let ids = reads.account_ids(self.needed.clone())?;
        self.learned = self.needed.drain(..).zip(ids).collect();
        Ok(())
    }

    /// Whose slot it is.
    ///
    /// # Panics
    /// If it was not needed before.
    pub(super) fn of(&self, slot: Slot) -> AccountId {
        let learned = || {
            let place = self.learned.binary_search_by_key(&slot, |(slot, _)| *slot);
            place.ok().map(|place| self.learned[place].1)
        };
        self.find(slot).or_else(learned).expect("the frame's names were asked for")
    }

    fn find(&self, slot: Slot) -> Option<AccountId> {
        let (kept, id) = self.kept.get(place_of(slot))?;
        (*kept == slot && *id != AccountId::ZERO).then_some(*id)
    }

    fn keep(&mut self) {
        self.kept.resize(STREAM_NAMES_MAX, (Slot(0), AccountId::ZERO));
        for (slot, id) in self.learned.drain(..) {
            self.kept[place_of(slot)] = (slot, id);
        }
    }
}

fn place_of(slot: Slot) -> usize {
    usize::try_from(slot.0).expect("u32 fits usize") % STREAM_NAMES_MAX
}
