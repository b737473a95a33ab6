//! Two-phase transfers. Prevents money that is reserved and spent as well, released twice, never
//! released, or released at another time than the one that was agreed.

use crate::script::check;

#[test]
fn a_hold_reserves_until_it_is_posted_or_voided() {
    check(
        "
        account 1 -> created
        account 2 -> created
        hold 10 amount=100 -> created
        balance 1 debits 100+0 credits 0+0
        balance 2 debits 0+0 credits 100+0
        post 11 of=10 -> created
        balance 1 debits 0+100 credits 0+0
        balance 2 debits 0+0 credits 0+100
        hold 12 amount=30 -> created
        void 13 of=12 amount=30 -> created
        balance 1 debits 0+100 credits 0+0
        balance 2 debits 0+0 credits 0+100
        ",
    );
}

#[test]
fn a_partial_post_releases_the_rest() {
    check(
        "
        account 1 -> created
        account 2 -> created
        hold 10 amount=100 -> created
        post 11 of=10 amount=101 -> exceeds_pending_transfer_amount
        post 11 of=10 amount=40 -> created
        balance 1 debits 0+40 credits 0+0
        post 12 of=10 amount=60 -> pending_transfer_already_posted
        hold 20 amount=100 -> created
        post 21 of=20 amount=0 -> created
        balance 1 debits 0+40 credits 0+0
        balance 2 debits 0+0 credits 0+40
        hold 30 amount=0 -> created
        post 31 of=30 amount=max -> created
        balance 1 debits 0+40 credits 0+0
        ",
    );
}

/// Fault 2: holds ignored in the available balance; fault 3: queued debits ignored.
#[test]
fn limits_count_what_is_held() {
    check(
        "
        account 1 debits_must_not_exceed_credits -> created
        account 2 -> created
        account 3 credits_must_not_exceed_debits -> created
        transfer 10 from=2 to=1 amount=100 -> created
        hold 11 from=1 to=2 amount=60 -> created
        transfer 12 from=1 to=2 amount=41 -> exceeds_credits
        hold 13 from=1 to=2 amount=41 -> exceeds_credits
        transfer 14 from=1 to=2 amount=40 -> created
        transfer 15 from=1 to=2 amount=0 -> created
        hold 16 from=2 to=1 amount=50 -> created
        transfer 17 from=1 to=2 amount=1 -> exceeds_credits   # a hold in its favour is not money yet
        transfer 20 from=3 to=2 amount=5 -> created
        hold 21 from=2 to=3 amount=5 -> created
        hold 22 from=2 to=3 amount=1 -> exceeds_debits
        together
        void 23 of=21 -> created
        hold 24 from=2 to=3 amount=5 -> created
        hold 25 from=2 to=3 amount=1 -> exceeds_debits
        end
        ",
    );
}

#[test]
fn a_post_takes_from_its_hold_what_it_leaves_out() {
    check(
        "
        account 1 -> created
        account 2 -> created
        hold 10 user_data_128=7 user_data_64=8 user_data_32=9 -> created
        post 11 of=10 user_data_64=80 -> created
        post 11 of=10 user_data_128=7 user_data_64=80 user_data_32=9 from=1 to=2 ledger=840 code=10 -> exists at 1003
        post 11 of=10 user_data_64=8 -> exists_with_different_user_data_64
        ",
    );
}

#[test]
fn holds_expire_exactly_at_their_time() {
    check(
        "
        account 1 -> created
        account 2 -> created
        clock 1_000_000_000
        hold 10 timeout=1 amount=5 -> created at 1000000000
        clock 1_999_999_999
        transfer 11 amount=1 -> created at 1999999999
        balance 1 debits 5+1 credits 0+0
        post 12 of=10 -> pending_transfer_expired at 2000000001
        balance 1 debits 0+1 credits 0+0
        balance 2 debits 0+0 credits 0+1
        records account account transfer transfer expiry
        ",
    );
}

#[test]
fn a_hold_can_be_posted_until_the_nanosecond_before() {
    check(
        "
        account 1 -> created
        account 2 -> created
        clock 1_000_000_000
        hold 10 timeout=1 -> created at 1000000000
        clock 1_999_999_999
        post 11 of=10 -> created at 1999999999
        wait 5s
        expire 0
        records account account transfer transfer
        ",
    );
}

#[test]
fn holds_expire_before_the_next_event_in_order_of_expiry() {
    check(
        "
        account 1 -> created
        account 2 -> created
        account 3 -> created
        hold 10 timeout=3 from=1 -> created
        hold 11 timeout=2 from=3 -> created
        hold 12 timeout=9 -> created
        wait 3s
        transfer 0 -> id_must_not_be_zero at 3000001008
        records account account account transfer transfer transfer expiry expiry
        balance 1 debits 10+0 credits 0+0
        balance 3 debits 0+0 credits 0+0
        wait 10s
        expire 1
        expire 0
        account 4 -> created
        records account account account transfer transfer transfer expiry expiry expiry account
        balance 2 debits 0+0 credits 0+0
        ",
    );
}

/// An expiry moves the clock, and can thereby make the next hold due.
#[test]
fn an_expiry_that_makes_another_due_is_followed_by_it() {
    check(
        "
        account 1 -> created
        account 2 -> created
        together
        hold 10 timeout=1 -> created at 1002
        hold 11 timeout=1 -> created at 1003
        hold 12 timeout=1 -> created at 1004
        end
        clock 1_000_001_002
        transfer 13 -> created at 1000001005
        records account account transfer transfer transfer expiry expiry expiry transfer
        ",
    );
}

#[test]
fn expired_holds_are_told_from_voided_and_unknown_ones() {
    check(
        "
        account 1 -> created
        account 2 -> created
        hold 10 timeout=1 -> created
        wait 1s
        void 11 of=10 from=2 -> pending_transfer_has_different_debit_account_id
        void 11 of=10 amount=9 -> pending_transfer_has_different_amount
        void 11 of=10 -> pending_transfer_expired
        void 12 of=11 -> pending_transfer_not_found
        void 13 of=12 -> pending_transfer_not_found   # 12 failed, which makes no hold of it
        ",
    );
}
