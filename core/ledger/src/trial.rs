//! Law 1: on every ledger the sum of debits equals the sum of credits, posted and pending alike.
//! Always summed afresh over the account table: a running total could agree with itself and be
//! wrong.

use crate::accounts::AccountRow;
use crate::amount::Amount;
use crate::id::LedgerId;
use crate::query::TrialBalance;
use crate::state::Ledger;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

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
    fn add(&mut self, amount: Amount) {
        let (low, wrapped) = self.low.overflowing_add(amount.0);
        self.low = low;
        self.wraps += u64::from(wrapped);
    }

    fn amount(self) -> Option<Amount> {
        (self.wraps == 0).then_some(Amount(self.low))
    }
}

/// The sums over the accounts of one ledger.
#[derive(Clone, Copy, Default)]
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

    fn is_balanced(&self) -> bool {
        self.debits_posted == self.credits_posted && self.debits_pending == self.credits_pending
    }
}

impl Ledger {
    /// The sums over all accounts of a ledger, zeros if it has none; `None` if a sum does not fit.
    /// O(accounts).
    #[must_use]
    pub fn trial_balance(&self, ledger: LedgerId) -> Option<TrialBalance> {
        let mut sums = Sums::default();
        self.accounts.rows().filter(|row| row.ledger == ledger).for_each(|row| sums.add(row));
        Some(TrialBalance {
            debits_posted: sums.debits_posted.amount()?,
            credits_posted: sums.credits_posted.amount()?,
            debits_pending: sums.debits_pending.amount()?,
            credits_pending: sums.credits_pending.amount()?,
            accounts_count: sums.accounts_count,
        })
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
