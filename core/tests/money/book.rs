//! What was acknowledged, written down the naive way: every posting in order of effect, balances by
//! adding all of them up. It follows answers and knows no rules; the model says what the answers
//! must be.

use florin_ledger::record::Balances;
use florin_ledger::{
    Account, AccountResult, Amount, Code, CreateAccountStatus, CreateTransferStatus, LedgerId,
    Timestamp, Transfer, TransferFlags, TransferId, TransferResult,
};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Default)]
pub(crate) struct Book {
    pub(crate) accounts: BTreeMap<u128, Account>,
    pub(crate) transfers: BTreeMap<u128, Transfer>,
    pub(crate) failed: BTreeSet<u128>,
    /// What was refused, by when it was: its id, and why.
    pub(crate) refused: BTreeMap<u64, (u128, &'static str)>,
    /// Live holds that can expire, by when they are due, then by age.
    due: BTreeMap<(u64, u64), u128>,
    postings: Vec<Posting>,
}

/// What moved the balances of two accounts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Posting {
    Transfer(u128),
    /// The end of a hold that nobody resolved by then.
    Expiry {
        hold: u128,
        due: Timestamp,
    },
}

impl Book {
    pub(crate) fn enter_accounts(&mut self, events: &[Account], results: &[AccountResult]) {
        for (event, result) in events.iter().zip(results) {
            if result.status == CreateAccountStatus::Created {
                let account = Account { timestamp: result.timestamp, ..*event };
                let before = self.accounts.insert(event.id.0, account);
                assert_eq!(before, None, "an account was opened twice");
            }
            self.enter_refusal(event.id.0, result.status.name(), result.timestamp);
        }
    }

    /// `now`: when the batch began; imported transfers do not say when they were recorded.
    pub(crate) fn enter_transfers(
        &mut self,
        events: &[Transfer],
        results: &[TransferResult],
        now: u64,
    ) {
        for (event, result) in events.iter().zip(results) {
            if result.status == CreateTransferStatus::Created {
                let is_imported = event.flags.contains(TransferFlags::IMPORTED);
                self.expire(if is_imported { now } else { result.timestamp.0 });
                self.enter_transfer(event, result.timestamp);
            } else if result.status.is_transient() {
                self.failed.insert(event.id.0);
            }
            self.enter_refusal(event.id.0, result.status.name(), result.timestamp);
        }
    }

    /// Of a chain the member at fault is refused, which an open end that was not looked at never is.
    fn enter_refusal(&mut self, id: u128, status: &'static str, time: Timestamp) {
        let others = ["created", "exists", "linked_event_failed", "linked_event_chain_open"];
        if !others.contains(&status) {
            self.refused.insert(time.0, (id, status));
        }
    }

    /// Holds due at or before this have expired.
    pub(crate) fn expire(&mut self, now: u64) {
        while let Some(entry) = self.due.first_entry()
            && entry.key().0 <= now
        {
            let due = Timestamp(entry.key().0);
            self.postings.push(Posting::Expiry { hold: entry.remove(), due });
        }
    }

    fn enter_transfer(&mut self, event: &Transfer, timestamp: Timestamp) {
        let transfer = Transfer { timestamp, ..self.as_applied(event) };
        let before = self.transfers.insert(event.id.0, transfer);
        assert_eq!(before, None, "a transfer was created twice");
        self.postings.push(Posting::Transfer(event.id.0));
        if transfer.timeout != 0 {
            self.due.insert((due_of(&transfer), timestamp.0), event.id.0);
        }
        if transfer.pending_id != TransferId::ZERO {
            let hold = self.transfers[&transfer.pending_id.0];
            self.due.remove(&(due_of(&hold), hold.timestamp.0));
        }
    }

    /// The event with everything that it left out.
    fn as_applied(&self, event: &Transfer) -> Transfer {
        let mut applied = *event;
        if event.flags.contains(TransferFlags::BALANCING_DEBIT) {
            let of = self.balances(event.debit_account_id.0);
            let used = of.debits_posted.0 + of.debits_pending.0;
            applied.amount.0 = applied.amount.0.min(of.credits_posted.0.saturating_sub(used));
        }
        if event.flags.contains(TransferFlags::BALANCING_CREDIT) {
            let of = self.balances(event.credit_account_id.0);
            let used = of.credits_posted.0 + of.credits_pending.0;
            applied.amount.0 = applied.amount.0.min(of.debits_posted.0.saturating_sub(used));
        }
        let Some(hold) = self.transfers.get(&event.pending_id.0) else { return applied };
        let is_void = event.flags.contains(TransferFlags::VOID_PENDING_TRANSFER);
        if is_void || event.amount == Amount::MAX {
            applied.amount = hold.amount;
        }
        applied.debit_account_id = hold.debit_account_id;
        applied.credit_account_id = hold.credit_account_id;
        applied.ledger = if event.ledger == LedgerId(0) { hold.ledger } else { event.ledger };
        applied.code = if event.code == Code(0) { hold.code } else { event.code };
        if event.user_data_128 == 0 {
            applied.user_data_128 = hold.user_data_128;
        }
        if event.user_data_64 == 0 {
            applied.user_data_64 = hold.user_data_64;
        }
        if event.user_data_32 == 0 {
            applied.user_data_32 = hold.user_data_32;
        }
        applied
    }

    /// Everything that moved balances, in order of effect.
    pub(crate) fn postings(&self) -> &[Posting] {
        &self.postings
    }

    pub(crate) fn balances(&self, account: u128) -> Balances {
        self.history(account).last().map_or(Balances::default(), |(_, balances)| *balances)
    }

    /// The account's postings, each with the balances after it.
    pub(crate) fn history(&self, account: u128) -> Vec<(Posting, Balances)> {
        let mut balances = Balances::default();
        let mut history = Vec::new();
        for posting in &self.postings {
            let (debit, credit) = self.sides(*posting);
            if debit == account {
                let sums = (&mut balances.debits_pending, &mut balances.debits_posted);
                self.move_side(*posting, sums);
            } else if credit == account {
                let sums = (&mut balances.credits_pending, &mut balances.credits_posted);
                self.move_side(*posting, sums);
            } else {
                continue;
            }
            history.push((*posting, balances));
        }
        history
    }

    fn sides(&self, posting: Posting) -> (u128, u128) {
        let transfer = match posting {
            Posting::Transfer(id) | Posting::Expiry { hold: id, .. } => self.transfers[&id],
        };
        (transfer.debit_account_id.0, transfer.credit_account_id.0)
    }

    fn move_side(&self, posting: Posting, (pending, posted): (&mut Amount, &mut Amount)) {
        let transfer = match posting {
            Posting::Expiry { hold, .. } => {
                pending.0 -= self.transfers[&hold].amount.0;
                return;
            }
            Posting::Transfer(id) => &self.transfers[&id],
        };
        if transfer.flags.contains(TransferFlags::PENDING) {
            pending.0 += transfer.amount.0;
            return;
        }
        if let Some(hold) = self.transfers.get(&transfer.pending_id.0) {
            pending.0 -= hold.amount.0;
        }
        if !transfer.flags.contains(TransferFlags::VOID_PENDING_TRANSFER) {
            posted.0 += transfer.amount.0;
        }
    }
}

fn due_of(transfer: &Transfer) -> u64 {
    transfer.timestamp.0 + u64::from(transfer.timeout) * 1_000_000_000
}
