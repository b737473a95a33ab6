//! Waypoints and chains of postings. Prevents a history that can't be found, or that says other
//! balances than the account had.

use crate::bank::Bank;
use florin_ledger::record::{Record, WAYPOINT_INTERVAL, WaypointRecord};
use florin_ledger::{
    Account, AccountId, Amount, Code, LedgerId, Lsn, Slot, Transfer, TransferFlags, TransferId,
};

#[test]
fn every_32nd_posting_leaves_a_waypoint_with_its_balances() {
    let mut bank = busy_bank();
    let mut counts = [0_u64; 3];
    let mut waypoint_prev = [Lsn::NONE; 3];
    let mut due: Vec<WaypointRecord> = Vec::new();
    // A second bank follows record by record, so that balances are known after each.
    let mut follower = florin_ledger::Ledger::new();
    for entry in bank.log.entries.clone() {
        if let Record::Waypoint(waypoint) = entry.record {
            assert_eq!(waypoint, due.remove(0));
            waypoint_prev[usize::try_from(waypoint.slot.0).expect("it fits")] = entry.lsn;
        } else {
            assert_eq!(due, [], "a waypoint is missing before {entry:?}");
        }
        crate::bank::apply(&mut follower, &entry);
        for slot in posted(&entry.record) {
            let index = usize::try_from(slot.0).expect("it fits");
            counts[index] += 1;
            if counts[index] % WAYPOINT_INTERVAL == 0 {
                due.push(WaypointRecord {
                    slot,
                    postings_count: counts[index],
                    posting: entry.lsn,
                    waypoint_prev: waypoint_prev[index],
                    balances: follower.row(slot).expect("it is there").balances,
                });
            }
        }
    }
    assert!(counts.iter().all(|count| 2 * WAYPOINT_INTERVAL < *count), "{counts:?}");
    assert_eq!(bank.expire_due(1), 0);
}

#[test]
fn each_posting_names_the_one_before_on_either_account() {
    let bank = busy_bank();
    let mut newest = [Lsn::NONE; 3];
    for entry in &bank.log.entries {
        let prevs = match entry.record {
            Record::Transfer(transfer) => [transfer.debit_prev, transfer.credit_prev],
            Record::Expiry(expiry) => [expiry.debit_prev, expiry.credit_prev],
            _ => continue,
        };
        for (slot, prev) in posted(&entry.record).into_iter().zip(prevs) {
            let index = usize::try_from(slot.0).expect("it fits");
            assert_eq!(prev, newest[index], "{entry:?}");
            newest[index] = entry.lsn;
        }
    }
    for (slot, newest) in (0..).map(Slot).zip(newest) {
        assert_eq!(bank.ledger.row(slot).expect("it is there").last_posting, newest);
    }
}

/// Three accounts, transfers of all kinds, expiries among them.
fn busy_bank() -> Bank {
    let mut bank = Bank::new();
    let accounts = [1, 2, 3].map(|id| Account {
        id: AccountId(id),
        ledger: LedgerId(840),
        code: Code(1),
        ..Account::default()
    });
    bank.create_accounts(&accounts);
    for round in 0..60_u128 {
        let transfer = |n: u128, debit, credit| Transfer {
            id: TransferId(round * 10 + n),
            debit_account_id: AccountId(debit),
            credit_account_id: AccountId(credit),
            amount: Amount(round),
            ledger: LedgerId(840),
            code: Code(1),
            ..Transfer::default()
        };
        let hold = |transfer| Transfer { flags: TransferFlags::PENDING, timeout: 1, ..transfer };
        let results = bank.create_transfers(&[
            transfer(1, 1, 2),
            hold(transfer(2, 2, 3)),
            hold(transfer(3, 3, 1)),
            Transfer {
                flags: TransferFlags::POST_PENDING_TRANSFER,
                pending_id: TransferId(round * 10 + 2),
                amount: Amount(0),
                ..transfer(4, 2, 3)
            },
        ]);
        assert_eq!(results.len(), 4);
        bank.wait(1_000_000_000);
    }
    assert_eq!(bank.ledger.transfers_count(), 240);
    assert_eq!(bank.expire_due(1), 1);
    bank
}

fn posted(record: &Record) -> Vec<Slot> {
    match record {
        Record::Transfer(transfer) => vec![transfer.debit_slot, transfer.credit_slot],
        Record::Expiry(expiry) => vec![expiry.debit_slot, expiry.credit_slot],
        _ => Vec::new(),
    }
}
