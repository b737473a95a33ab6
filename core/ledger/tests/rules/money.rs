//! Sums and currencies. Prevents money out of nothing and money in the wrong currency.

use crate::script::check;

/// Fault 1: transaction recorded, balance not; fault 5: account created, balance missing.
#[test]
fn every_created_transfer_moves_both_balances() {
    check(
        "
        account 1 -> created
        account 2 -> created
        balance 1 debits 0+0 credits 0+0
        together
        transfer 10 amount=3 -> created
        transfer 11 amount=4 from=2 to=1 -> created
        transfer 12 amount=5 -> created
        end
        balance 1 debits 0+8 credits 0+4
        balance 2 debits 0+4 credits 0+8
        records account account transfer transfer transfer
        ",
    );
}

/// Fault 8: a leg's currency silently coerced.
#[test]
fn money_never_changes_its_currency() {
    check(
        "
        account 1 ledger=840 -> created
        account 2 ledger=978 -> created
        account 3 ledger=978 -> created
        transfer 10 ledger=840 -> accounts_must_have_the_same_ledger
        transfer 10 ledger=978 -> accounts_must_have_the_same_ledger
        transfer 10 from=3 ledger=840 -> transfer_must_have_the_same_ledger_as_accounts
        hold 11 from=3 ledger=978 -> created
        post 12 of=11 ledger=840 -> pending_transfer_has_different_ledger
        post 12 of=11 -> created
        balance 1 debits 0+0 credits 0+0
        balance 2 debits 0+0 credits 0+10
        ",
    );
}

/// Fault 9: transfers to oneself, and of nothing. An amount has no sign to get wrong.
#[test]
fn transfers_to_oneself_are_refused_and_transfers_of_nothing_recorded() {
    check(
        "
        account 1 -> created
        account 2 -> created
        transfer 10 to=1 -> accounts_must_be_different
        transfer 10 amount=0 -> created
        balance 1 debits 0+0 credits 0+0
        records account account transfer
        ",
    );
}

/// Fault 13: overflow on any movement of a volume.
#[test]
fn no_sum_wraps_around() {
    check(
        "
        account 1 -> created
        account 2 -> created
        account 3 -> created
        transfer 10 amount=max -> created
        transfer 11 amount=1 -> overflows_debits_posted
        transfer 11 from=3 amount=1 -> overflows_credits_posted
        hold 11 from=1 to=3 amount=1 -> overflows_debits_posted
        transfer 11 amount=0 -> created
        transfer 12 from=2 to=3 amount=max -> created
        hold 13 from=3 to=1 amount=max -> created
        transfer 14 from=3 to=1 amount=1 -> overflows_debits
        post 15 of=13 -> created
        balance 1 debits 0+340282366920938463463374607431768211455 credits 0+340282366920938463463374607431768211455
        ",
    );
}
