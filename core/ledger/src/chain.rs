//! A chain of accounts and transfers together: what a commit asks of the rules. Like a linked chain
//! of a batch, it takes effect whole or not at all; unlike one it spans both kinds, and it can be
//! tried without taking effect.

use crate::account::Account;
use crate::commit::BrokenRule;
use crate::event::Event;
use crate::id::Timestamp;
use crate::journal::Journal;
use crate::record::{FailedRecord, Record};
use crate::state::Ledger;
use crate::ticks::Ticks;
use crate::transfer::Transfer;
use alloc::vec::Vec;

/// What becomes of a chain whose events are all created.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChainEnd {
    /// It takes effect.
    Keep,
    /// It was only a question: nothing takes effect.
    TakeBack,
}

/// When the events of a chain took effect, or would have.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ChainTimes {
    /// Of each account.
    pub accounts: Vec<Timestamp>,
    /// Of each transfer.
    pub transfers: Vec<Timestamp>,
}

impl Ledger {
    /// Opens accounts, then posts transfers, all or nothing. Each event takes a tick, holds that are
    /// due by then expire first and stay expired whatever becomes of the chain. The events are
    /// neither linked nor imported.
    ///
    /// # Errors
    /// The first rule that is broken. Nothing took effect, but that a transfer that failed for a
    /// reason that may pass has spent its id, unless the chain was to be taken back anyway.
    ///
    /// # Panics
    /// If `ticks` does not begin after everything recorded so far, if the journal contradicts the
    /// tables, or if an event is linked or imported.
    pub fn run_chain(
        &mut self,
        accounts: impl Iterator<Item = Account>,
        transfers: impl Iterator<Item = Transfer>,
        ticks: &mut Ticks,
        journal: &mut impl Journal,
        end: ChainEnd,
    ) -> Result<ChainTimes, BrokenRule> {
        assert!(self.totals.last_recorded < ticks.next(), "time rises from batch to batch");
        self.chain_begin();
        journal.chain_begin();
        match self.run_members(accounts, transfers, ticks, journal) {
            Ok(times) if end == ChainEnd::Keep => {
                self.chain_keep();
                journal.chain_keep();
                Ok(times)
            }
            Ok(times) => {
                self.undo_chain(journal);
                Ok(times)
            }
            Err((broken, remembered)) => {
                self.undo_chain(journal);
                if let Some((time, failed)) = remembered.filter(|_| end == ChainEnd::Keep) {
                    self.commit(time, &Record::Failed(failed), journal);
                }
                Err(broken)
            }
        }
    }

    fn run_members(
        &mut self,
        accounts: impl Iterator<Item = Account>,
        transfers: impl Iterator<Item = Transfer>,
        ticks: &mut Ticks,
        journal: &mut impl Journal,
    ) -> Result<ChainTimes, Failure> {
        let mut times = ChainTimes::default();
        for (index, account) in (0..).zip(accounts) {
            let run = self.run_member(&account, ticks, journal);
            times.accounts.push(run.map_err(|(status, remembered)| {
                (BrokenRule::Account { index, status }, remembered)
            })?);
        }
        for (index, transfer) in (0..).zip(transfers) {
            let run = self.run_member(&transfer, ticks, journal);
            times.transfers.push(run.map_err(|(status, remembered)| {
                (BrokenRule::Transfer { index, status }, remembered)
            })?);
        }
        Ok(times)
    }

    fn run_member<E: Event>(
        &mut self,
        event: &E,
        ticks: &mut Ticks,
        journal: &mut impl Journal,
    ) -> Result<Timestamp, (E::Status, Remembered)> {
        assert!(!event.is_linked(), "a commit is one chain");
        assert!(!event.is_imported(), "what is imported has a batch of its own");
        self.expire_due(ticks, usize::MAX, journal);
        let time = ticks.take();
        if event.timestamp() != Timestamp::NONE {
            return Err((E::TIMESTAMP_MUST_BE_ZERO, None));
        }
        let result = event.execute(event.places(self), self, time, journal);
        if E::is_created(result.status) {
            return Ok(result.timestamp);
        }
        Err((result.status, event.remembered(result.status).map(|failed| (time, failed))))
    }
}

/// What is remembered of a failure, and when it happened.
type Remembered = Option<(Timestamp, FailedRecord)>;
type Failure = (BrokenRule, Remembered);
