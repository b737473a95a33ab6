//! Balancing transfers. Prevents one that moves more than the limit allows, or less than it could.

use crate::script::check;

#[test]
fn a_balancing_debit_is_cut_to_what_the_debit_account_has() {
    check(
        "
        account 1 debits_must_not_exceed_credits -> created
        account 2 -> created
        transfer 10 from=2 to=1 amount=100 -> created
        hold 11 from=1 to=2 amount=30 -> created
        transfer 12 from=1 to=2 amount=max balancing_debit -> created
        balance 1 debits 30+70 credits 0+100
        transfer 13 from=1 to=2 amount=5 balancing_debit -> created   # of nothing
        balance 1 debits 30+70 credits 0+100
        void 14 of=11 -> created
        hold 15 from=1 to=2 amount=20 balancing_debit -> created
        hold 16 from=1 to=2 amount=20 balancing_debit -> created
        balance 1 debits 30+70 credits 0+100
        ",
    );
}

#[test]
fn a_balancing_credit_is_cut_to_what_the_credit_account_owes() {
    check(
        "
        account 1 -> created
        account 2 credits_must_not_exceed_debits -> created
        transfer 10 from=2 to=1 amount=50 -> created
        transfer 11 from=1 to=2 amount=80 balancing_credit -> created
        balance 2 debits 0+50 credits 0+50
        ",
    );
}

#[test]
fn both_ways_the_smaller_bound_holds() {
    check(
        "
        account 1 -> created
        account 2 -> created
        account 3 -> created
        transfer 10 from=3 to=1 amount=40 -> created
        transfer 11 from=2 to=3 amount=25 -> created
        transfer 12 amount=max balancing_debit balancing_credit -> created
        balance 1 debits 0+25 credits 0+40
        balance 2 debits 0+25 credits 0+25
        ",
    );
}

#[test]
fn a_repeat_may_name_any_bound_that_allows_what_was_moved() {
    check(
        "
        account 1 -> created
        account 2 -> created
        transfer 10 from=2 to=1 amount=40 -> created
        transfer 11 amount=100 balancing_debit -> created at 1003
        transfer 11 amount=40 balancing_debit -> exists at 1003
        transfer 11 amount=max balancing_debit -> exists at 1003
        transfer 11 amount=39 balancing_debit -> exists_with_different_amount
        ",
    );
}

/// The bound alone would not fit; what it is cut to does.
#[test]
fn overflow_is_judged_after_the_cut() {
    check(
        "
        account 1 -> created
        account 2 -> created
        transfer 10 amount=max-1 -> created
        transfer 11 amount=max balancing_debit -> created
        balance 1 debits 0+340282366920938463463374607431768211454 credits 0+0
        transfer 12 from=2 to=1 amount=max balancing_debit -> created
        balance 2 debits 0+340282366920938463463374607431768211454 credits 0+340282366920938463463374607431768211454
        ",
    );
}
