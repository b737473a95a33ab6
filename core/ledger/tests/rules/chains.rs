//! Linked events. Prevents a chain that half happened: fault 4, an "atomic" batch that is applied in
//! part when its items come in another order.

use crate::bank::{Bank, digest};
use crate::script::check;
use florin_ledger::record::Record;
use florin_ledger::{
    Account, AccountFlags, AccountId, Amount, Code, CreateTransferStatus, LedgerId, Timestamp,
    Transfer, TransferFlags, TransferId,
};

#[test]
fn a_chain_succeeds_as_one() {
    check(
        "
        together
        account 1 linked -> created
        account 2 -> created
        account 3 -> created
        end
        together
        transfer 10 linked -> created at 1003
        transfer 11 from=2 to=3 linked -> created at 1004
        transfer 12 from=3 to=1 -> created at 1005
        transfer 13 -> created at 1006
        end
        balance 1 debits 0+20 credits 0+10
        ",
    );
}

#[test]
fn a_chain_fails_as_one_wherever_its_fault_lies() {
    for (first, second, third) in [(7, 1, 1), (1, 7, 1), (1, 1, 7)] {
        let answer = |to| if to == 7 { "credit_account_not_found" } else { "linked_event_failed" };
        let [a, b, c] = [answer(first), answer(second), answer(third)];
        check(&format!(
            "
            account 1 -> created
            account 2 -> created
            together
            transfer 10 -> created at 1002
            transfer 11 from=2 to={first} linked -> {a} at 1003
            transfer 12 from=2 to={second} linked -> {b} at 1004
            transfer 13 from=2 to={third} -> {c} at 1005
            transfer 14 -> created at 1006
            end
            balance 1 debits 0+20 credits 0+0
            balance 2 debits 0+0 credits 0+20
            "
        ));
    }
}

#[test]
fn a_chain_left_open_fails() {
    check(
        "
        account 1 -> created
        account 2 -> created
        together
        transfer 10 -> created
        transfer 11 linked -> linked_event_failed
        transfer 12 linked -> linked_event_chain_open
        end
        together
        transfer 13 linked from=9 -> debit_account_not_found
        transfer 14 linked -> linked_event_failed
        transfer 15 linked -> linked_event_chain_open
        end
        together
        transfer 16 linked -> linked_event_chain_open
        end
        together
        account 3 linked -> linked_event_failed
        account 4 linked -> linked_event_chain_open
        end
        account 3 -> created
        balance 1 debits 0+10 credits 0+0
        ",
    );
}

/// The failing member's id is remembered when its reason may pass; the others' ids stay free.
#[test]
fn only_the_failing_id_is_remembered() {
    check(
        "
        account 1 -> created
        account 2 -> created
        together
        transfer 10 linked -> linked_event_failed
        transfer 11 linked from=9 -> debit_account_not_found
        transfer 12 -> linked_event_failed
        end
        transfer 10 -> created
        transfer 11 -> id_already_failed
        transfer 12 -> created
        together
        transfer 13 linked -> linked_event_failed
        transfer 14 code=0 -> code_must_not_be_zero
        end
        transfer 14 -> created
        records account account failed transfer transfer transfer
        ",
    );
}

#[test]
fn a_chain_sees_its_own_effects_and_the_next_batch_does_not() {
    check(
        "
        account 1 debits_must_not_exceed_credits -> created
        account 2 -> created
        together
        transfer 10 from=2 to=1 amount=5 linked -> linked_event_failed
        hold 11 from=1 to=2 amount=5 linked -> linked_event_failed
        post 12 of=11 linked -> linked_event_failed
        post 13 of=11 -> pending_transfer_already_posted
        end
        transfer 14 from=1 to=2 amount=1 -> exceeds_credits
        post 15 of=11 -> pending_transfer_not_found
        transfer 10 from=2 to=1 amount=9 -> created
        hold 11 from=1 to=2 amount=7 -> created
        ",
    );
}

/// Time passes in a chain that fails, too: what expired in it stays expired, at the time it had.
#[test]
fn an_expiry_inside_a_failed_chain_stands() {
    check(
        "
        account 1 -> created
        account 2 -> created
        hold 10 timeout=1 -> created at 1002
        clock 1_000_001_001
        together
        transfer 11 linked -> linked_event_failed at 1000001001
        transfer 12 linked -> linked_event_failed at 1000001003
        post 13 of=9 linked -> pending_transfer_not_found at 1000001004
        transfer 14 -> linked_event_failed at 1000001005
        transfer 15 -> created at 1000001006
        end
        records account account transfer expiry failed transfer
        balance 1 debits 0+10 credits 0+0
        ",
    );
}

/// Undo must be exact: rows, previous positions, counts, waypoints, flags, accounts, holds, expiries,
/// totals. A chain that does all of it and fails leaves no trace but its clock.
#[test]
fn a_failed_chain_leaves_everything_as_it_was() {
    let mut bank = Bank::new();
    bank.create_accounts(&[account(1), account(2), account(3)]);
    let postings: Vec<Transfer> = (100..131).map(|id| transfer(id, 1, 2)).collect();
    bank.create_transfers(&postings);
    let pending = TransferFlags::PENDING;
    let closing = pending.with(TransferFlags::CLOSING_DEBIT);
    bank.create_transfers(&[
        Transfer { flags: pending, timeout: 60, ..transfer(200, 1, 2) },
        Transfer { flags: closing, ..transfer(201, 3, 2) },
    ]);
    let before = digest(&bank.ledger);
    let entries_before = bank.log.entries.clone();
    let post = TransferFlags::POST_PENDING_TRANSFER;
    let void = TransferFlags::VOID_PENDING_TRANSFER;
    let linked = |transfer: Transfer| Transfer {
        flags: transfer.flags.with(TransferFlags::LINKED),
        ..transfer
    };
    let results = bank.create_transfers(&[
        linked(transfer(300, 1, 2)),
        linked(resolving(301, 200, post)),
        linked(resolving(302, 201, void)),
        linked(Transfer { flags: pending, timeout: 5, ..transfer(303, 3, 1) }),
        linked(Transfer { flags: closing, ..transfer(304, 2, 1) }),
        Transfer { code: Code(0), ..transfer(305, 1, 3) },
    ]);
    assert_eq!(results[5].status, CreateTransferStatus::CodeMustNotBeZero);
    assert_eq!(digest(&bank.ledger), before);
    assert_eq!(bank.log.entries, entries_before);
    assert_eq!(bank.ledger.next_expiry(), Some(Timestamp(60_000_001_034)));
}

#[test]
fn a_failed_chain_of_accounts_opens_none() {
    let mut bank = Bank::new();
    bank.create_accounts(&[account(1)]);
    let before = digest(&bank.ledger);
    let linked = |id| Account { flags: AccountFlags::LINKED, ..account(id) };
    bank.create_accounts(&[linked(2), linked(3), account(1)]);
    assert_eq!(digest(&bank.ledger), before);
    assert_eq!(bank.ledger.slot(AccountId(2)), None);
    assert_eq!(bank.ledger.slot(AccountId(3)), None);
}

/// A transient failure leaves exactly one trace: the record that remembers the id.
#[test]
fn a_remembered_failure_is_the_only_trace() {
    let mut bank = Bank::new();
    bank.create_accounts(&[account(1), account(2)]);
    let records_before = bank.log.entries.len();
    let totals_before = bank.ledger.totals();
    let linked = Transfer { flags: TransferFlags::LINKED, ..transfer(10, 1, 2) };
    bank.create_transfers(&[linked, transfer(11, 1, 9)]);
    let added = &bank.log.entries[records_before..];
    assert!(matches!(added[..], [entry] if matches!(entry.record, Record::Failed(_))), "{added:?}");
    let totals = bank.ledger.totals();
    assert_eq!(totals.transfers_count, totals_before.transfers_count);
    assert_eq!(totals.last_recorded, added[0].time);
}

/// Prevents: an auditor who asks what a chain failed for, and hears of its innocent members, or of nobody.
#[test]
fn what_is_refused_is_told_once_with_its_place_and_time() {
    let mut bank = Bank::new();
    bank.create_accounts(&[account(1), account(2), account(2)]);
    let linked = |event: Transfer| Transfer { flags: TransferFlags::LINKED, ..event };
    let results = bank.create_transfers(&[
        transfer(10, 1, 2),
        transfer(10, 1, 2),
        linked(transfer(11, 1, 2)),
        linked(transfer(12, 1, 9)),
        transfer(13, 1, 2),
        transfer(14, 1, 1),
        linked(transfer(15, 1, 2)),
    ]);
    let told: Vec<_> = bank
        .log
        .refusals
        .iter()
        .map(|(time, refusal)| (refusal.index, refusal.id, refusal.reason.name(), *time))
        .collect();
    let at = |index: usize| results[index].timestamp;
    assert_eq!(
        told,
        [
            (3, 12, "credit_account_not_found", at(3)),
            (5, 14, "accounts_must_be_different", at(5)),
            (6, 15, "linked_event_chain_open", at(6)),
        ]
    );
    assert!(bank.log.refusals.iter().all(|(_, refusal)| refusal.reason.is_of_batch()));
}

fn account(id: u128) -> Account {
    Account { id: AccountId(id), ledger: LedgerId(840), code: Code(1), ..Account::default() }
}

fn transfer(id: u128, debit: u128, credit: u128) -> Transfer {
    Transfer {
        id: TransferId(id),
        debit_account_id: AccountId(debit),
        credit_account_id: AccountId(credit),
        amount: Amount(10),
        ledger: LedgerId(840),
        code: Code(1),
        ..Transfer::default()
    }
}

fn resolving(id: u128, hold: u128, flags: TransferFlags) -> Transfer {
    let amount = if flags.contains(TransferFlags::VOID_PENDING_TRANSFER) {
        Amount::ZERO
    } else {
        Amount::MAX
    };
    Transfer {
        id: TransferId(id),
        pending_id: TransferId(hold),
        amount,
        flags,
        ..Transfer::default()
    }
}

/// Prevents: a hold that a failed chain had posted is released at a time when it was posted, or
/// never: it is live again, and due before the next event.
#[test]
fn a_hold_that_falls_due_while_a_chain_had_it_expires_with_the_next_event() {
    check(
        "
        account 1 -> created
        account 2 -> created
        hold 10 amount=7 timeout=1 -> created at 1002
        wait 999999998ns
        together
        post 11 of=10 linked -> linked_event_failed at 1000001001
        transfer 12 to=1 -> accounts_must_be_different at 1000001002
        end
        balance 1 debits 7+0 credits 0+0
        post 13 of=10 -> pending_transfer_expired
        balance 1 debits 0+0 credits 0+0
        ",
    );
}
