//! Closing and reopening. Prevents money that moves on a closed account, and a hold that can never
//! be released because its account was closed.

use crate::script::check;

#[test]
fn a_closed_account_refuses_everything_but_voids() {
    check(
        "
        account 1 -> created
        account 2 -> created
        account 3 -> created
        hold 9 from=1 amount=5 -> created
        hold 10 from=1 amount=0 closing_debit -> created
        closed 1
        open 2
        transfer 11 from=1 -> debit_account_already_closed
        transfer 12 from=3 to=1 -> credit_account_already_closed
        hold 13 from=1 closing_debit -> debit_account_already_closed
        post 14 of=9 -> debit_account_already_closed
        post 15 of=10 -> debit_account_already_closed
        void 16 of=9 -> created
        closed 1
        void 17 of=10 -> created
        open 1
        transfer 18 from=1 -> created
        ",
    );
}

#[test]
fn both_sides_close_and_reopen_together() {
    check(
        "
        account 1 -> created
        account 2 -> created
        hold 10 amount=7 closing_debit closing_credit -> created
        closed 1
        closed 2
        void 11 of=10 -> created
        open 1
        open 2
        balance 1 debits 0+0 credits 0+0
        hold 12 closing_credit -> created
        open 1
        closed 2
        post 13 of=12 -> credit_account_already_closed
        ",
    );
}

#[test]
fn expiry_reopens_and_runs_on_closed_accounts() {
    check(
        "
        account 1 -> created
        account 2 -> created
        hold 10 timeout=1 amount=3 -> created
        hold 11 timeout=2 closing_debit -> created
        wait 1s
        expire 1
        closed 1
        balance 1 debits 10+0 credits 0+0
        wait 1s
        transfer 12 -> created
        open 1
        ",
    );
}

/// A repeat of an account must not fail because the account was closed since.
#[test]
fn a_repeat_compares_flags_as_they_were_given() {
    check(
        "
        account 1 history -> created at 1000
        account 2 -> created
        hold 10 closing_debit -> created
        account 1 history -> exists at 1000
        account 1 history closed -> exists_with_different_flags
        account 3 closed -> created at 1005
        account 3 closed -> exists at 1005
        transfer 11 from=3 -> debit_account_already_closed
        ",
    );
}
