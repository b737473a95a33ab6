//! Imported events. Prevents two events with one timestamp, and a past that changes.

use crate::script::check;

#[test]
fn imported_timestamps_rise_and_are_unique_across_both_kinds() {
    check(
        "
        together
        account 1 imported timestamp=10 -> created at 10
        account 2 imported timestamp=20 -> created at 20
        account 3 imported timestamp=20 -> imported_event_timestamp_must_not_regress
        account 3 imported timestamp=15 -> imported_event_timestamp_must_not_regress
        end
        together
        transfer 50 imported timestamp=20 -> imported_event_timestamp_must_not_regress
        transfer 50 imported timestamp=30 -> created at 30
        transfer 51 imported timestamp=30 -> imported_event_timestamp_must_not_regress
        transfer 51 imported timestamp=29 -> imported_event_timestamp_must_not_regress
        transfer 51 imported timestamp=40 -> created at 40
        end
        account 3 imported timestamp=30 -> imported_event_timestamp_must_not_regress
        account 3 imported timestamp=40 -> imported_event_timestamp_must_not_regress
        account 3 imported timestamp=35 -> created at 35   # between two transfers
        transfer 50 imported timestamp=30 -> exists at 30
        transfer 50 imported timestamp=7 -> exists at 30
        account 1 imported timestamp=999 -> exists at 10
        ",
    );
}

#[test]
fn imported_events_are_past_and_after_the_live_ones() {
    check(
        "
        account 1 -> created at 1000
        account 2 imported timestamp=1001 -> imported_event_timestamp_must_not_advance at 1001
        account 2 imported timestamp=1001 -> created at 1001
        transfer 10 -> created at 1003
        wait 10s
        transfer 11 imported timestamp=1003 -> imported_event_timestamp_must_not_regress
        transfer 11 imported timestamp=1004 -> created at 1004
        transfer 12 -> created at 10000001006
        account 3 imported timestamp=1004 -> imported_event_timestamp_must_not_regress
        account 3 imported timestamp=1005 -> created at 1005
        ",
    );
}

/// As in the reference, the whole batch must be past, not each event by itself.
#[test]
fn the_end_of_the_batch_bounds_imported_timestamps() {
    check(
        "
        together
        account 1 imported timestamp=1001 -> created at 1001
        account 2 imported timestamp=1002 -> imported_event_timestamp_must_not_advance at 1001
        account 3 imported timestamp=1003 -> imported_event_timestamp_must_not_advance at 1002
        end
        account 4 -> created at 1003
        ",
    );
}

#[test]
fn imported_holds_have_no_timer_and_are_resolved_by_imported_or_live_posts() {
    check(
        "
        together
        account 1 imported timestamp=10 -> created
        account 2 imported timestamp=11 -> created
        end
        hold 10 imported timestamp=20 timeout=1 -> imported_event_timeout_must_be_zero
        hold 10 imported timestamp=20 -> created at 20
        hold 11 imported timestamp=21 -> created at 21
        wait 100s
        expire 0
        post 12 of=10 imported timestamp=11 -> imported_event_timestamp_must_not_regress
        post 12 of=10 imported timestamp=22 -> created at 22
        post 13 of=11 -> created
        balance 1 debits 0+20 credits 0+0
        ",
    );
}

#[test]
fn a_failed_chain_gives_its_timestamps_back() {
    check(
        "
        together
        account 1 imported timestamp=10 -> created
        account 2 imported timestamp=20 -> created
        end
        together
        account 3 imported timestamp=30 linked -> linked_event_failed at 1002
        account 4 imported timestamp=30 -> imported_event_timestamp_must_not_regress
        end
        account 3 imported timestamp=25 -> created at 25
        together
        transfer 10 imported timestamp=40 linked -> linked_event_failed at 1005
        transfer 11 imported timestamp=40 -> imported_event_timestamp_must_not_regress
        end
        transfer 10 imported timestamp=30 -> created at 30
        ",
    );
}

/// An expiry is a live event: what is imported after it must be later, or the account's history
/// would go back in time.
#[test]
fn imported_transfers_are_after_the_expiries() {
    check(
        "
        account 1 -> created at 1000
        account 2 -> created at 1001
        hold 10 timeout=1 -> created at 1002
        wait 10s
        expire 1
        transfer 11 imported timestamp=1003 -> imported_event_timestamp_must_not_regress
        ",
    );
}

/// Imported timestamps may be a little after their own ticks. An expiry between two of them is
/// earlier than what was just imported, and must not make room for its timestamp again.
#[test]
fn an_expiry_within_a_batch_does_not_free_the_timestamps_before_it() {
    check(
        "
        account 1 -> created at 1000
        account 2 -> created at 1001
        hold 10 timeout=1 -> created at 1002
        clock 1_000_001_001
        together
        transfer 20 imported timestamp=1_000_001_005 -> created at 1000001005
        transfer 21 imported timestamp=1_000_001_005 -> imported_event_timestamp_must_not_regress at 1000001003
        transfer 22 imported timestamp=1_000_001_004 -> imported_event_timestamp_must_not_regress
        transfer 23 imported timestamp=1_000_001_006 -> created at 1000001006
        transfer 24 imported timestamp=1_000_001_006 -> imported_event_timestamp_must_not_regress
        transfer 25 imported timestamp=1_000_001_007 -> imported_event_timestamp_must_not_advance
        transfer 26 -> imported_event_expected
        end
        balance 1 debits 0+20 credits 0+0
        ",
    );
}
