//! The accounts at a place of the log, counted from what readers of the log are told and from nothing else.
//!
//! Invariant: after the last item of a frame each account is what a look-up there would have answered. Some 200
//! bytes an account, and 100 a hold that is live.

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
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct LedgerSums {
    pub(crate) debits_posted: Amount,
    pub(crate) credits_posted: Amount,
    pub(crate) accounts_count: u64,
}

impl Book {
    /// Takes what happened next.
    pub(crate) fn apply(&mut self, content: &ItemContent<'_>) {
        match content {
            ItemContent::Account(account) => {
                self.places.insert(account.id, self.accounts.len());
                self.accounts.push(*account);
            }
            ItemContent::Transfer(transfer) => self.transfer(transfer),
            ItemContent::Expiry(expired) => self.release(expired.hold_id),
            _ => {}
        }
    }

    /// All accounts, in order of opening.
    pub(crate) fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// An account that was opened before whatever names it.
    pub(crate) fn account(&self, id: AccountId) -> &Account {
        let place =
            self.places.get(&id).expect("an account is told of before what it takes part in");
        &self.accounts[*place]
    }

    /// The sums of each ledger.
    pub(crate) fn sums(&self) -> BTreeMap<LedgerId, LedgerSums> {
        let mut sums: BTreeMap<LedgerId, LedgerSums> = BTreeMap::new();
        for account in &self.accounts {
            let of = sums.entry(account.ledger).or_default();
            of.debits_posted = plus(of.debits_posted, account.debits_posted);
            of.credits_posted = plus(of.credits_posted, account.credits_posted);
            of.accounts_count += 1;
        }
        sums
    }

    fn transfer(&mut self, transfer: &Transfer) {
        let (debit, credit, amount) =
            (transfer.debit_account_id, transfer.credit_account_id, transfer.amount);
        let flags = transfer.flags;
        if flags.contains(TransferFlags::PENDING) {
            let from = self.account_mut(debit);
            from.debits_pending = plus(from.debits_pending, amount);
            let to = self.account_mut(credit);
            to.credits_pending = plus(to.credits_pending, amount);
            self.close(flags, debit, credit, AccountFlags::with);
            self.holds.insert(transfer.id, Hold { debit, credit, amount, flags });
        } else if flags.contains(TransferFlags::VOID_PENDING_TRANSFER) {
            self.release(transfer.pending_id);
        } else {
            if flags.contains(TransferFlags::POST_PENDING_TRANSFER) {
                self.settle(transfer.pending_id);
            }
            let from = self.account_mut(debit);
            from.debits_posted = plus(from.debits_posted, amount);
            let to = self.account_mut(credit);
            to.credits_posted = plus(to.credits_posted, amount);
        }
    }

    /// A hold ends without being posted.
    fn release(&mut self, id: TransferId) {
        let Hold { debit, credit, flags, .. } = self.settle(id);
        self.close(flags, debit, credit, AccountFlags::without);
    }

    /// A hold ends.
    fn settle(&mut self, id: TransferId) -> Hold {
        let hold = self.holds.remove(&id).expect("a hold is told of before what settles it");
        let from = self.account_mut(hold.debit);
        from.debits_pending = minus(from.debits_pending, hold.amount);
        let to = self.account_mut(hold.credit);
        to.credits_pending = minus(to.credits_pending, hold.amount);
        hold
    }

    fn close(
        &mut self,
        flags: TransferFlags,
        debit: AccountId,
        credit: AccountId,
        change: fn(AccountFlags, AccountFlags) -> AccountFlags,
    ) {
        let closing =
            [(TransferFlags::CLOSING_DEBIT, debit), (TransferFlags::CLOSING_CREDIT, credit)];
        for (flag, id) in closing {
            if flags.contains(flag) {
                let account = self.account_mut(id);
                account.flags = change(account.flags, AccountFlags::CLOSED);
            }
        }
    }

    fn account_mut(&mut self, id: AccountId) -> &mut Account {
        let place =
            self.places.get(&id).expect("an account is told of before what it takes part in");
        &mut self.accounts[*place]
    }
}

fn plus(one: Amount, other: Amount) -> Amount {
    one.checked_add(other).expect("the ledger has refused what overflows")
}

fn minus(one: Amount, other: Amount) -> Amount {
    one.checked_sub(other).expect("what is released was held")
}
