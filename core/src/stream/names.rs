//! Whose slots the records of a stream name. The engine is asked for those that were not met lately,
//! of all the rest of a frame at once.

use super::items::slots_of;
use crate::error::Error;
use crate::limits::STREAM_NAMES_MAX;
use crate::reads::Reads;
use florin_ledger::record::Record;
use florin_ledger::{AccountId, Slot};

/// Names of accounts: many kept from frames before, and all that the frame in memory needs.
#[derive(Debug)]
pub(crate) struct Names {
    /// How many are kept at most.
    kept_max: usize,
    /// One place for every slot modulo `kept_max`. Empty until something was learned.
    kept: Vec<(Slot, AccountId)>,
    /// What was asked for last: sorted. Not put into `kept` before more is asked for, because one might
    /// drive out another that the frame in memory needs.
    learned: Vec<(Slot, AccountId)>,
    /// What this frame needs and nobody has said yet.
    needed: Vec<Slot>,
}

impl Default for Names {
    fn default() -> Names {
        Names::keeping(STREAM_NAMES_MAX)
    }
}

impl Names {
    /// None yet; so many, a power of two, will be kept at most.
    pub(crate) fn keeping(kept_max: usize) -> Names {
        assert!(kept_max.is_power_of_two());
        Names { kept_max, kept: Vec::new(), learned: Vec::new(), needed: Vec::new() }
    }

    /// Notes the accounts of a record of the frame in memory.
    pub(crate) fn need(&mut self, record: &Record) {
        if !self.learned.is_empty() {
            self.keep();
        }
        for slot in slots_of(record).into_iter().flatten() {
            if self.kept(slot).is_none() && self.needed.last() != Some(&slot) {
                self.needed.push(slot);
            }
        }
    }

    /// Asks for what is needed.
    pub(crate) fn learn(&mut self, reads: &Reads) -> Result<(), Error> {
        if self.needed.is_empty() {
            return Ok(());
        }
        self.needed.sort_unstable();
        self.needed.dedup();
        let ids = reads.account_ids(self.needed.clone())?;
        assert_eq!(ids.len(), self.needed.len(), "every slot has its account");
        self.learned = self.needed.drain(..).zip(ids).collect();
        Ok(())
    }

    /// Whose slots they are; `None` if that must be asked first.
    pub(crate) fn of(&self, slots: [Slot; 2]) -> Option<[AccountId; 2]> {
        let [debit, credit] = slots;
        Some([self.find(debit)?, self.find(credit)?])
    }

    fn find(&self, slot: Slot) -> Option<AccountId> {
        self.kept(slot).or_else(|| {
            let place = self.learned.binary_search_by_key(&slot, |(slot, _)| *slot);
            place.ok().map(|place| self.learned[place].1)
        })
    }

    fn kept(&self, slot: Slot) -> Option<AccountId> {
        let (kept, id) = self.kept.get(self.place_of(slot))?;
        (*kept == slot && *id != AccountId::ZERO).then_some(*id)
    }

    fn keep(&mut self) {
        self.kept.resize(self.kept_max, (Slot(0), AccountId::ZERO));
        for (slot, id) in std::mem::take(&mut self.learned) {
            let place = self.place_of(slot);
            self.kept[place] = (slot, id);
        }
    }

    fn place_of(&self, slot: Slot) -> usize {
        usize::try_from(slot.0).expect("u32 fits usize") & (self.kept_max - 1)
    }
}
