//! Law 3: an id takes effect at most once, for ever.

use crate::script::check;

/// Fault 15: the same key twice inside one batch crashes.
#[test]
fn the_same_id_twice_in_one_batch_takes_effect_once() {
    check(
        "
        together
        account 1 -> created at 1000
        account 2 -> created at 1001
        account 1 -> exists at 1000
        end
        together
        transfer 10 -> created at 1003
        transfer 10 -> exists at 1003
        transfer 10 amount=11 -> exists_with_different_amount at 1005
        hold 11 -> created at 1006
        hold 11 -> exists at 1006
        post 12 of=11 -> created at 1008
        post 12 of=11 -> exists at 1008
        hold 11 -> exists at 1006
        transfer 13 from=9 -> debit_account_not_found
        transfer 13 from=9 -> id_already_failed
        end
        balance 1 debits 0+20 credits 0+0
        ",
    );
}

/// Fault 16: a key reused with another body must be refused by name.
#[test]
fn a_post_is_compared_with_what_it_meant() {
    check(
        "
        account 1 -> created
        account 2 -> created
        hold 10 amount=100 user_data_128=7 -> created
        post 11 of=10 amount=60 -> created at 1003
        post 11 of=10 amount=60 -> exists at 1003
        post 11 of=10 -> exists_with_different_amount
        post 11 of=10 amount=60 user_data_128=7 -> exists at 1003
        post 11 of=10 amount=60 user_data_128=8 -> exists_with_different_user_data_128
        post 11 of=10 amount=60 from=2 -> exists_with_different_debit_account_id
        post 11 of=10 amount=60 to=1 -> exists_with_different_credit_account_id
        post 11 of=10 amount=60 ledger=1 -> exists_with_different_ledger
        post 11 of=10 amount=60 code=1 -> exists_with_different_code
        post 11 of=9 amount=60 -> exists_with_different_pending_id
        void 11 of=10 -> exists_with_different_flags
        hold 20 amount=100 -> created
        post 21 of=20 amount=100 user_data_64=5 -> created at 1015
        post 21 of=20 user_data_64=5 -> exists at 1015       # all of it is what was posted
        post 21 of=20 -> exists_with_different_user_data_64  # it would take the hold's
        hold 30 amount=8 -> created
        void 31 of=30 -> created at 1019
        void 31 of=30 amount=8 -> exists at 1019
        void 31 of=30 amount=7 -> exists_with_different_amount
        ",
    );
}

#[test]
fn transient_failures_are_final_and_others_are_not() {
    check(
        "
        account 1 debits_must_not_exceed_credits -> created
        transfer 10 -> credit_account_not_found
        account 2 -> created
        transfer 10 -> id_already_failed
        transfer 11 -> exceeds_credits
        transfer 12 from=2 to=1 -> created
        transfer 11 -> id_already_failed
        post 13 of=14 -> pending_transfer_not_found
        hold 14 -> created
        post 13 of=14 -> id_already_failed
        transfer 15 code=0 -> code_must_not_be_zero
        transfer 15 amount=max -> overflows_debits
        void 15 of=14 -> created
        ",
    );
}
