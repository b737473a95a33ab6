//! Law 1: on every ledger the sum of debits equals the sum of credits, posted and pending alike.
//! Always summed afresh over the account table: a running total could agree with itself and be
//! wrong.

use crate::accounts::AccountRow;
use crate::amount::Amount;
use crate::id::{LedgerId, Slot};
use crate::query::TrialBalance;
use crate::state::Ledger;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

/// A ledger on which money was made or lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unbalanced {
    /// The ledger.
    pub ledger: LedgerId,
}

/// A sum of amounts that can't overflow: the sum modulo 2^128, and how often it wrapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct WideSum {
    low: u128,
    wraps: u64,
}

impl WideSum {
    fn subtract(&mut self, amount: Amount) {
        let (low, wrapped) = self.low.overflowing_sub(amount.0);
        self.low = low;
        // May go below zero in between: what is taken back may be added later.
        self.wraps = self.wraps.wrapping_sub(u64::from(wrapped));
    }

    fn add_all(&mut self, other: WideSum) {
        let (low, wrapped) = self.low.overflowing_add(other.low);
        self.low = low;
        self.wraps = self.wraps.wrapping_add(other.wraps).wrapping_add(u64::from(wrapped));
    }

    fn add(&mut self, amount: Amount) {
        let (low, wrapped) = self.low.overflowing_add(amount.0);
        self.low = low;
        self.wraps = self.wraps.wrapping_add(u64::from(wrapped));
    }

    fn amount(self) -> Option<Amount> {
        (self.wraps == 0).then_some(Amount(self.low))
    }
}

/// The sums over the accounts of one ledger.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Sums {
    debits_posted: WideSum,
    credits_posted: WideSum,
    debits_pending: WideSum,
    credits_pending: WideSum,
    accounts_count: u64,
}

impl Sums {
    fn add(&mut self, row: &AccountRow) {
        self.debits_posted.add(row.balances.debits_posted);
        self.credits_posted.add(row.balances.credits_posted);
        self.debits_pending.add(row.balances.debits_pending);
        self.credits_pending.add(row.balances.credits_pending);
        self.accounts_count += 1;
    }

    fn add_all(&mut self, other: &Sums) {
        self.debits_posted.add_all(other.debits_posted);
        self.credits_posted.add_all(other.credits_posted);
        self.debits_pending.add_all(other.debits_pending);
        self.credits_pending.add_all(other.credits_pending);
        self.accounts_count += other.accounts_count;
    }

    fn trial_balance(&self) -> Option<TrialBalance> {
        Some(TrialBalance {
            debits_posted: self.debits_posted.amount()?,
            credits_posted: self.credits_posted.amount()?,
            debits_pending: self.debits_pending.amount()?,
            credits_pending: self.credits_pending.amount()?,
            accounts_count: self.accounts_count,
        })
    }

    fn is_balanced(&self) -> bool {
        self.debits_posted == self.credits_posted && self.debits_pending == self.credits_pending
    }
}

/// Sums of many ledgers that are gathered part by part, for whoever can't stop the engine to sum all
/// of it at once: the rows of one part after the other, then what was posted to a part after it was
/// summed. Exact and without overflow; in between it may hold anything.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LedgerSums(BTreeMap<LedgerId, Sums>);

/// What a posting moves on either side of its ledger.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Movement {
    ledger: LedgerId,
    held: Amount,
    released: Amount,
    posted: Amount,
}

impl Movement {
    fn none(ledger: LedgerId) -> Movement {
        let zero = Amount::ZERO;
        Movement { ledger, held: zero, released: zero, posted: zero }
    }

    /// An amount is held.
    #[must_use]
    pub fn held(ledger: LedgerId, amount: Amount) -> Movement {
        Movement { held: amount, ..Movement::none(ledger) }
    }

    /// An amount is posted.
    #[must_use]
    pub fn posted(ledger: LedgerId, amount: Amount) -> Movement {
        Movement { posted: amount, ..Movement::none(ledger) }
    }

    /// What was held is released.
    #[must_use]
    pub fn released(ledger: LedgerId, amount: Amount) -> Movement {
        Movement { released: amount, ..Movement::none(ledger) }
    }

    /// The same, and an amount is posted.
    #[must_use]
    pub fn and_posted(self, amount: Amount) -> Movement {
        Movement { posted: amount, ..self }
    }

    fn apply(&self, pending: &mut WideSum, posted: &mut WideSum) {
        pending.add(self.held);
        pending.subtract(self.released);
        posted.add(self.posted);
    }
}

impl LedgerSums {
    /// Adds another part.
    pub fn add_all(&mut self, other: &LedgerSums) {
        for (ledger, sums) in &other.0 {
            self.of(*ledger).add_all(sums);
        }
    }

    /// Adds the debit of a posting.
    pub fn debit(&mut self, movement: &Movement) {
        let sums = self.of(movement.ledger);
        movement.apply(&mut sums.debits_pending, &mut sums.debits_posted);
    }

    /// Adds the credit of a posting.
    pub fn credit(&mut self, movement: &Movement) {
        let sums = self.of(movement.ledger);
        movement.apply(&mut sums.credits_pending, &mut sums.credits_posted);
    }

    /// Every ledger with its sums, ascending; `None` where one does not fit an amount.
    pub fn trial_balances(&self) -> impl Iterator<Item = (LedgerId, Option<TrialBalance>)> + '_ {
        self.0.iter().map(|(ledger, sums)| (*ledger, sums.trial_balance()))
    }

    /// The ledgers on which debits and credits differ, with their sums; zeros where a sum does not
    /// fit an amount.
    pub fn unbalanced(&self) -> impl Iterator<Item = (LedgerId, TrialBalance)> + '_ {
        let unbalanced = self.0.iter().filter(|(_, sums)| !sums.is_balanced());
        unbalanced.map(|(ledger, sums)| (*ledger, sums.trial_balance().unwrap_or_default()))
    }

    fn of(&mut self, ledger: LedgerId) -> &mut Sums {
        self.0.entry(ledger).or_default()
    }
}

impl Ledger {
    /// The sums over all accounts of a ledger, zeros if it has none; `None` if a sum does not fit.
    /// O(accounts).
    #[must_use]
    pub fn trial_balance(&self, ledger: LedgerId) -> Option<TrialBalance> {
        let mut sums = Sums::default();
        self.accounts.rows().filter(|row| row.ledger == ledger).for_each(|row| sums.add(row));
        sums.trial_balance()
    }

    /// The sums over the accounts in these slots, by ledger. O(slots).
    #[must_use]
    pub fn sums_of(&self, slots: Range<u32>) -> LedgerSums {
        let mut sums = LedgerSums::default();
        for row in slots.map_while(|slot| self.row(Slot(slot))) {
            sums.of(row.ledger).add(row);
        }
        sums
    }

    /// Every ledger that has an account, ascending. O(accounts).
    #[must_use]
    pub fn ledgers(&self) -> Vec<LedgerId> {
        self.sums().into_keys().collect()
    }

    /// Checks law 1 on every ledger. O(accounts).
    ///
    /// # Errors
    /// [`Unbalanced`] names the first ledger on which debits and credits differ.
    pub fn check_balance(&self) -> Result<(), Unbalanced> {
        match self.sums().into_iter().find(|(_, sums)| !sums.is_balanced()) {
            Some((ledger, _)) => Err(Unbalanced { ledger }),
            None => Ok(()),
        }
    }

    fn sums(&self) -> BTreeMap<LedgerId, Sums> {
        let mut ledgers = BTreeMap::new();
        for row in self.accounts.rows() {
            ledgers.entry(row.ledger).or_insert_with(Sums::default).add(row);
        }
        ledgers
    }
}
