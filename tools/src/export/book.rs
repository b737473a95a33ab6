//! The accounts at a place of the log, counted from what readers of the log are told and from nothing else.
//!
//! Invariant: after the last item of a frame each account is what a look-up there would have answered. Some 200
//! bytes an account, and 100 a hold that is live.

use crate::exit::{Exit, Failure};
use florin_ledger::stream::ItemContent;
use florin_ledger::{
    Account, AccountFlags, AccountId, Amount, LedgerId, Transfer, TransferFlags, TransferId,
};
use std::collections::{BTreeMap, HashMap};

/// What was told so far.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// In order of opening.
    accounts: Vec<Account>,
    places: HashMap<AccountId, usize>,
    holds: HashMap<TransferId, Hold>,
}

/// A hold that is live.
#[derive(Debug)]
struct Hold {
    debit: AccountId,
    credit: AccountId,
    amount: Amount,
    flags: TransferFlags,
}

/// What was posted on a ledger, one side of each transfer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LedgerSums {
    /// `None`: more than 128 bits, which one account never has.
    pub(crate) debits_posted: Option<Amount>,
    pub(crate) credits_posted: Option<Amount>,
    pub(crate) accounts_count: u64,
}

impl Default for LedgerSums {
    fn default() -> LedgerSums {
        let nothing = Some(Amount::ZERO);
        LedgerSums { debits_posted: nothing, credits_posted: nothing, accounts_count: 0 }
    }
}

impl Book {
    /// Takes what happened next.
    ///
    /// # Errors
    /// If it contradicts what was told before: a server that sends this is no ledger.
    pub(crate) fn apply(&mut self, content: &ItemContent<'_>) -> Result<(), Failure> {
        match content {
            ItemContent::Account(account) => {
                self.places.insert(account.id, self.accounts.len());
                self.accounts.push(*account);
                Ok(())
            }
            ItemContent::Transfer(transfer) => self.transfer(transfer),
            ItemContent::Expiry(expired) => self.release(expired.hold_id),
            _ => Ok(()),
        }
    }

    /// All accounts, in order of opening.
    pub(crate) fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// An account that was opened before whatever names it.
    ///
    /// # Errors
    /// If it was not.
    pub(crate) fn account(&self, id: AccountId) -> Result<&Account, Failure> {
        Ok(&self.accounts[self.place(id)?])
    }

    /// The sums of each ledger.
    pub(crate) fn sums(&self) -> BTreeMap<LedgerId, LedgerSums> {
        let mut sums: BTreeMap<LedgerId, LedgerSums> = BTreeMap::new();
        for account in &self.accounts {
            let of = sums.entry(account.ledger).or_default();
            let plus = |sum: Option<Amount>, amount| sum.and_then(|sum| sum.checked_add(amount));
            of.debits_posted = plus(of.debits_posted, account.debits_posted);
            of.credits_posted = plus(of.credits_posted, account.credits_posted);
            of.accounts_count += 1;
        }
        sums
    }

    fn transfer(&mut self, transfer: &Transfer) -> Result<(), Failure> {
        let (debit, credit, amount) =
            (transfer.debit_account_id, transfer.credit_account_id, transfer.amount);
        let flags = transfer.flags;
        if flags.contains(TransferFlags::PENDING) {
            let from = self.account_mut(debit)?;
            from.debits_pending = plus(from.debits_pending, amount)?;
            let to = self.account_mut(credit)?;
            to.credits_pending = plus(to.credits_pending, amount)?;
            self.close(flags, debit, credit, AccountFlags::with)?;
            self.holds.insert(transfer.id, Hold { debit, credit, amount, flags });
        } else if flags.contains(TransferFlags::VOID_PENDING_TRANSFER) {
            self.release(transfer.pending_id)?;
        } else {
            if flags.contains(TransferFlags::POST_PENDING_TRANSFER) {
                self.settle(transfer.pending_id)?;
            }
            let from = self.account_mut(debit)?;
            from.debits_posted = plus(from.debits_posted, amount)?;
            let to = self.account_mut(credit)?;
            to.credits_posted = plus(to.credits_posted, amount)?;
        }
        Ok(())
    }

    /// A hold ends without being posted.
    fn release(&mut self, id: TransferId) -> Result<(), Failure> {
        let Hold { debit, credit, flags, .. } = self.settle(id)?;
        self.close(flags, debit, credit, AccountFlags::without)
    }

    /// A hold ends.
    fn settle(&mut self, id: TransferId) -> Result<Hold, Failure> {
        let Some(hold) = self.holds.remove(&id) else {
            return Err(contradiction(&format!("hold {} ends, and is not live", id.0)));
        };
        let from = self.account_mut(hold.debit)?;
        from.debits_pending = minus(from.debits_pending, hold.amount)?;
        let to = self.account_mut(hold.credit)?;
        to.credits_pending = minus(to.credits_pending, hold.amount)?;
        Ok(hold)
    }

    fn close(
        &mut self,
        flags: TransferFlags,
        debit: AccountId,
        credit: AccountId,
        change: fn(AccountFlags, AccountFlags) -> AccountFlags,
    ) -> Result<(), Failure> {
        let closing =
            [(TransferFlags::CLOSING_DEBIT, debit), (TransferFlags::CLOSING_CREDIT, credit)];
        for (flag, id) in closing {
            if flags.contains(flag) {
                let account = self.account_mut(id)?;
                account.flags = change(account.flags, AccountFlags::CLOSED);
            }
        }
        Ok(())
    }

    fn account_mut(&mut self, id: AccountId) -> Result<&mut Account, Failure> {
        let place = self.place(id)?;
        Ok(&mut self.accounts[place])
    }

    fn place(&self, id: AccountId) -> Result<usize, Failure> {
        let place = self.places.get(&id).copied();
        place.ok_or_else(|| contradiction(&format!("account {} was not opened", id.0)))
    }
}

fn plus(one: Amount, other: Amount) -> Result<Amount, Failure> {
    one.checked_add(other).ok_or_else(|| contradiction("an account has more than 128 bits"))
}

fn minus(one: Amount, other: Amount) -> Result<Amount, Failure> {
    one.checked_sub(other).ok_or_else(|| contradiction("more is released than was held"))
}

fn contradiction(what: &str) -> Failure {
    Failure::new(Exit::Findings, format!("{what}: nothing was exported"))
}
