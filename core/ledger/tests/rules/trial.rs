//! Trial balances. Prevents books that are declared balanced, or unbalanced, by a sum that is wrong.

use crate::bank::Bank;
use florin_ledger::query::TrialBalance;
use florin_ledger::{
    Account, AccountId, Amount, Code, Ledger, LedgerId, Slot, Transfer, TransferFlags, TransferId,
    Unbalanced,
};

#[test]
fn each_ledger_is_summed_by_itself() {
    let bank = bank(Amount(30));
    let dollars = TrialBalance {
        debits_posted: Amount(60),
        credits_posted: Amount(60),
        debits_pending: Amount(5),
        credits_pending: Amount(5),
        accounts_count: 3,
    };
    assert_eq!(bank.ledger.trial_balance(LedgerId(840)), Some(dollars));
    let euros = TrialBalance { accounts_count: 1, ..TrialBalance::default() };
    assert_eq!(bank.ledger.trial_balance(LedgerId(978)), Some(euros));
    assert_eq!(bank.ledger.trial_balance(LedgerId(1)), Some(TrialBalance::default()));
    assert_eq!(bank.ledger.ledgers(), [LedgerId(840), LedgerId(978)]);
}

/// Each account's sums fit; their total need not, and must not be answered modulo 2^128.
#[test]
fn a_sum_that_does_not_fit_is_no_answer_and_no_alarm() {
    let bank = bank(Amount(u128::MAX - 5));
    assert_eq!(bank.ledger.trial_balance(LedgerId(840)), None);
    assert_eq!(bank.ledger.check_balance(), Ok(()));
}

/// The check of law 1 must be able to fail.
#[test]
fn money_out_of_nothing_is_named() {
    let bank = bank(Amount(30));
    let mut forged = Ledger::new();
    for slot in (0..4).map(Slot) {
        let mut row = *bank.ledger.row(slot).expect("it is there");
        row.balances.credits_posted.0 += u128::from(slot == Slot(1));
        let references = bank.ledger.page_references(0)[0];
        forged.restore_row(slot, row, references).expect("slots in order");
    }
    assert_eq!(forged.check_balance(), Err(Unbalanced { ledger: LedgerId(840) }));
}

/// Three accounts in dollars, one in euros; `amount` moves twice, and 5 are held.
fn bank(amount: Amount) -> Bank {
    let mut bank = Bank::new();
    let account = |id, ledger| Account {
        id: AccountId(id),
        ledger: LedgerId(ledger),
        code: Code(1),
        ..Account::default()
    };
    bank.create_accounts(&[account(1, 840), account(2, 840), account(3, 840), account(4, 978)]);
    let transfer = |id, debit, credit| Transfer {
        id: TransferId(id),
        debit_account_id: AccountId(debit),
        credit_account_id: AccountId(credit),
        amount,
        ledger: LedgerId(840),
        code: Code(1),
        ..Transfer::default()
    };
    bank.create_transfers(&[
        transfer(10, 1, 2),
        transfer(11, 2, 3),
        Transfer { flags: TransferFlags::PENDING, amount: Amount(5), ..transfer(12, 3, 1) },
    ]);
    assert_eq!(bank.ledger.transfers_count(), 3);
    bank
}
