//! Every answer, in order of precedence. A caller who broke two rules must be told of the one listed
//! first: each table starts with an event that breaks all it can and mends one thing a line.

use crate::script::check;
use florin_ledger::{CreateAccountStatus, CreateTransferStatus};

const ACCOUNTS: &str = "
    account 9 -> created at 1000
    account 5 user_data_128=1 user_data_64=2 user_data_32=3 history -> created at 1001

    # in a chain, before anything else
    together
    account 0 linked timestamp=1 -> timestamp_must_be_zero
    account 0 -> linked_event_failed
    account 0 linked -> linked_event_chain_open
    end
    together
    account 0 -> id_must_not_be_zero at 1005
    account 0 imported reserved=1 -> imported_event_not_expected
    end
    together
    account 0 imported -> imported_event_timestamp_out_of_range
    account 0 timestamp=1 reserved=1 -> imported_event_expected
    end

    account 0 timestamp=1 reserved=1 bits=64    -> timestamp_must_be_zero
    account 0 imported timestamp=9223372036854775808 reserved=1 -> imported_event_timestamp_out_of_range
    account 0 imported timestamp=2000 reserved=1 -> imported_event_timestamp_must_not_advance
    account 0 reserved=1 bits=64                -> reserved_field
    account 0 bits=64                           -> reserved_flag
    account 0 ledger=0                          -> id_must_not_be_zero
    account max ledger=0                        -> id_must_not_be_int_max

    account 5 code=11 ledger=1 user_data_32=9 user_data_64=9 user_data_128=9 -> exists_with_different_flags
    account 5 code=11 ledger=1 user_data_32=9 user_data_64=9 user_data_128=9 history -> exists_with_different_user_data_128
    account 5 code=11 ledger=1 user_data_32=9 user_data_64=9 user_data_128=1 history -> exists_with_different_user_data_64
    account 5 code=11 ledger=1 user_data_32=9 user_data_64=2 user_data_128=1 history -> exists_with_different_user_data_32
    account 5 code=11 ledger=1 user_data_32=3 user_data_64=2 user_data_128=1 history -> exists_with_different_ledger
    account 5 code=11 user_data_32=3 user_data_64=2 user_data_128=1 history -> exists_with_different_code
    account 5 debits_posted=7 user_data_32=3 user_data_64=2 user_data_128=1 history -> exists at 1001

    account 6 debits_must_not_exceed_credits credits_must_not_exceed_debits debits_pending=1 -> flags_are_mutually_exclusive
    account 6 debits_pending=1 debits_posted=1 credits_pending=1 credits_posted=1 ledger=0 -> debits_pending_must_be_zero
    account 6 debits_posted=1 credits_pending=1 credits_posted=1 ledger=0 code=0 -> debits_posted_must_be_zero
    account 6 credits_pending=1 credits_posted=1 ledger=0 code=0 -> credits_pending_must_be_zero
    account 6 credits_posted=1 ledger=0 code=0 -> credits_posted_must_be_zero
    account 6 ledger=0 code=0                   -> ledger_must_not_be_zero
    account 6 imported timestamp=1 code=0       -> code_must_not_be_zero
    account 6 imported timestamp=1              -> imported_event_timestamp_must_not_regress
    account 6                                   -> created
";

const TRANSFERS: &str = "
    account 1 -> created
    account 2 -> created
    account 3 ledger=978 -> created
    account 4 debits_must_not_exceed_credits -> created
    account 5 credits_must_not_exceed_debits -> created
    account 6 closed -> created
    account 7 closed -> created
    transfer 99 user_data_128=1 user_data_64=2 user_data_32=3 -> created at 1007
    hold 98 timeout=7 -> created at 1008
    post 97 of=98 -> created at 1009

    together
    transfer 0 linked timestamp=1 -> timestamp_must_be_zero
    transfer 0 -> linked_event_failed
    transfer 0 linked -> linked_event_chain_open
    end
    together
    transfer 0 -> id_must_not_be_zero
    transfer 0 imported bits=512 -> imported_event_not_expected
    end
    together
    transfer 0 imported -> imported_event_timestamp_out_of_range
    transfer 0 timestamp=1 -> imported_event_expected
    end

    transfer 0 timestamp=1 bits=512 -> timestamp_must_be_zero
    transfer 0 imported timestamp=9223372036854775808 bits=512 -> imported_event_timestamp_out_of_range
    transfer 0 imported timestamp=2000 bits=512 -> imported_event_timestamp_must_not_advance
    transfer 0 bits=512 -> reserved_flag
    transfer 0 from=0 -> id_must_not_be_zero
    transfer max from=0 -> id_must_not_be_int_max

    transfer 99 pending of=9 timeout=1 from=0 to=0 amount=1 code=0 -> exists_with_different_flags
    transfer 99 of=9 timeout=1 from=0 to=0 amount=1 ledger=0 code=0 -> exists_with_different_pending_id
    transfer 99 timeout=1 from=0 to=0 amount=1 ledger=0 code=0 -> exists_with_different_timeout
    transfer 99 from=0 to=0 amount=1 ledger=0 code=0 -> exists_with_different_debit_account_id
    transfer 99 to=0 amount=1 ledger=0 code=0 -> exists_with_different_credit_account_id
    transfer 99 amount=1 ledger=0 code=0 -> exists_with_different_amount
    transfer 99 ledger=0 code=0 -> exists_with_different_user_data_128
    transfer 99 user_data_128=1 ledger=0 code=0 -> exists_with_different_user_data_64
    transfer 99 user_data_128=1 user_data_64=2 ledger=0 code=0 -> exists_with_different_user_data_32
    transfer 99 user_data_128=1 user_data_64=2 user_data_32=3 ledger=0 code=0 -> exists_with_different_ledger
    transfer 99 user_data_128=1 user_data_64=2 user_data_32=3 code=0 -> exists_with_different_code
    transfer 99 user_data_128=1 user_data_64=2 user_data_32=3 -> exists at 1007

    transfer 50 from=80 -> debit_account_not_found
    transfer 50 from=0 -> id_already_failed

    post 10 void_pending_transfer from=0 -> flags_are_mutually_exclusive
    post 10 pending timeout=1 -> flags_are_mutually_exclusive
    post 10 balancing_debit -> flags_are_mutually_exclusive
    post 10 balancing_credit -> flags_are_mutually_exclusive
    void 10 closing_debit -> flags_are_mutually_exclusive
    void 10 closing_credit -> flags_are_mutually_exclusive

    transfer 10 from=0 to=0 of=1 timeout=1 -> debit_account_id_must_not_be_zero
    transfer 10 from=max to=0 of=1 timeout=1 -> debit_account_id_must_not_be_int_max
    transfer 10 to=0 of=1 timeout=1 -> credit_account_id_must_not_be_zero
    transfer 10 to=max of=1 timeout=1 -> credit_account_id_must_not_be_int_max
    transfer 10 to=1 of=1 timeout=1 -> accounts_must_be_different
    transfer 10 of=1 timeout=1 -> pending_id_must_be_zero
    post 10 timeout=1 -> pending_id_must_not_be_zero
    post 10 of=max timeout=1 -> pending_id_must_not_be_int_max
    post 10 of=10 timeout=1 -> pending_id_must_be_different
    post 10 of=11 timeout=1 -> timeout_reserved_for_pending_transfer
    transfer 10 timeout=1 closing_debit ledger=0 -> timeout_reserved_for_pending_transfer
    transfer 10 closing_debit ledger=0 -> closing_transfer_must_be_pending
    transfer 10 closing_credit ledger=0 -> closing_transfer_must_be_pending
    transfer 10 from=80 to=81 ledger=0 code=0 -> ledger_must_not_be_zero
    transfer 10 from=80 to=81 code=0 -> code_must_not_be_zero
    transfer 10 from=80 to=81 -> debit_account_not_found
    transfer 11 from=1 to=81 -> credit_account_not_found
    transfer 12 from=1 to=3 ledger=1 -> accounts_must_have_the_same_ledger
    transfer 12 ledger=1 -> transfer_must_have_the_same_ledger_as_accounts

    post 13 of=77 from=9 -> pending_transfer_not_found
    post 14 of=99 from=9 -> pending_transfer_not_pending
    void 14 of=98 from=9 to=9 ledger=9 code=9 amount=20 -> pending_transfer_has_different_debit_account_id
    void 14 of=98 to=9 ledger=9 code=9 amount=20 -> pending_transfer_has_different_credit_account_id
    void 14 of=98 ledger=9 code=9 amount=20 -> pending_transfer_has_different_ledger
    void 14 of=98 code=9 amount=20 -> pending_transfer_has_different_code
    void 14 of=98 amount=20 -> exceeds_pending_transfer_amount
    void 14 of=98 amount=5 -> pending_transfer_has_different_amount
    void 14 of=98 -> pending_transfer_already_posted
    hold 96 -> created
    void 95 of=96 -> created
    post 14 of=96 -> pending_transfer_already_voided
    hold 94 timeout=1 -> created
    wait 1s
    post 14 of=94 imported timestamp=1 -> pending_transfer_expired

    hold 93 -> created
    post 14 of=93 imported timestamp=1 -> imported_event_timestamp_must_not_regress
    transfer 14 imported timestamp=1 from=6 -> imported_event_timestamp_must_not_regress
    transfer 14 from=6 to=7 amount=max -> debit_account_already_closed
    transfer 15 to=7 amount=max -> credit_account_already_closed

    # the sums of one account reach their ends one after the other
    account 21 -> created
    account 22 -> created
    account 23 -> created
    account 24 -> created
    hold 60 from=21 to=22 amount=max-5 -> created
    hold 16 from=21 to=22 amount=6 -> overflows_debits_pending
    hold 16 from=23 to=22 amount=6 -> overflows_credits_pending
    transfer 16 from=21 to=22 amount=6 -> overflows_debits
    transfer 16 from=23 to=22 amount=6 -> overflows_credits
    transfer 61 from=23 to=24 amount=max-5 -> created
    hold 16 from=23 to=24 amount=6 timeout=1 -> overflows_debits_posted
    transfer 16 from=1 to=24 amount=6 -> overflows_credits_posted
    hold 16 from=4 to=5 timeout=4294967295 -> exceeds_credits
    clock 9223372036000000000
    hold 17 from=4 to=5 timeout=1 -> overflows_timeout
    transfer 18 from=4 to=5 -> exceeds_credits
    transfer 19 from=1 to=5 -> exceeds_debits
    transfer 20 from=1 to=2 amount=0 -> created
";

const IMPORTED: &str = "
    account 1 imported timestamp=100 -> created at 100
    account 2 imported timestamp=200 -> created at 200
    hold 10 imported timestamp=100 timeout=1 -> imported_event_timestamp_must_not_regress
    hold 10 imported timestamp=99 timeout=1 -> imported_event_timestamp_must_postdate_debit_account
    hold 10 imported timestamp=199 timeout=1 -> imported_event_timestamp_must_postdate_credit_account
    hold 10 imported timestamp=201 timeout=1 closing_debit -> imported_event_timeout_must_be_zero
    hold 10 imported timestamp=201 closing_debit -> created at 201
    transfer 11 imported timestamp=202 -> debit_account_already_closed
";

#[test]
fn accounts_are_refused_for_the_first_rule_they_break() {
    check(ACCOUNTS);
}

#[test]
fn transfers_are_refused_for_the_first_rule_they_break() {
    check(TRANSFERS);
}

#[test]
fn imported_transfers_are_refused_for_the_first_rule_they_break() {
    check(IMPORTED);
}

/// A status that no table reaches could be answered wrongly, or never, and nobody would notice.
#[test]
fn every_status_is_reached() {
    let tables = [ACCOUNTS, TRANSFERS, IMPORTED].map(check);
    for status in CreateAccountStatus::ALL {
        let reached = tables.iter().any(|table| table.accounts.contains(status));
        assert!(reached, "no account is answered {}", status.name());
    }
    for status in CreateTransferStatus::ALL {
        let reached = tables.iter().any(|table| table.transfers.contains(status));
        assert!(reached, "no transfer is answered {}", status.name());
    }
}
