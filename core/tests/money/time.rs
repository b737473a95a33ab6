//! Clocks that go back, stand still or jump: recorded time rises all the same, and no hold expires
//! early.

use crate::audit::audit;
use crate::bank::{Bank, options};
use crate::forms::{account, hold, transfer};
use florin_core::clock::FixedClock;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::{Database, ErrorKind};
use florin_ledger::{AccountId, CreateTransferStatus, Timestamp};
use std::sync::Arc;

const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3_600 * SECOND;

/// Fault 27: the clock is set back while the bank is open, and again while it is closed.
#[test]
fn time_rises_when_the_clock_goes_back() {
    let mut bank = Bank::new();
    bank.wait(2 * HOUR);
    bank.create_accounts(&[account(1), account(2)]);
    let placed = bank.create_transfers(&[hold(1, 1, 2, 5, 10)]);
    for id in 2..6 {
        let earlier = bank.clock.nanoseconds() - HOUR / 4;
        bank.clock.set(earlier);
        bank.books.clock = earlier;
        let posted = bank.create_transfers(&[transfer(id, 1, 2, 1)]);
        assert!(placed[0].timestamp < posted[0].timestamp);
        if id == 3 {
            bank = bank.restart();
        }
    }
    assert_eq!(bank.account(1).debits_pending.0, 5, "a hold expired early");
    // Time catches up with what was recorded, and ten seconds more pass.
    bank.wait_until(placed[0].timestamp.0 + 11 * SECOND);
    assert_eq!(bank.account(1).debits_pending.0, 0);
    audit(&mut bank);
}

/// Fault 27: a clock set far ahead expires every hold and pulls time into the future for ever.
#[test]
fn a_clock_that_jumps_ahead_refuses_writes_until_a_restart_confirms_it() {
    let mut bank = Bank::new();
    bank.create_accounts(&[account(1), account(2)]);
    bank.create_transfers(&[hold(1, 1, 2, 5, 60)]);
    let before = bank.clock.nanoseconds();
    bank.clock.set(before + 2 * HOUR);
    let refused = bank.database.create_transfers(&[transfer(2, 1, 2, 1)]);
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ClockJumped);
    assert_eq!(bank.account(1).debits_pending.0, 5, "reads go on, and the hold is not due");
    bank.clock.set(before + SECOND);
    bank.books.clock = before + SECOND;
    bank.create_transfers(&[transfer(2, 1, 2, 1)]);
    bank.clock.set(before + 2 * HOUR);
    let bank = bank.restart();
    assert_eq!(bank.account(1).debits_pending.0, 0, "the restart confirmed the clock");
}

/// A clock that stands still gives each event the next nanosecond, restarts included.
#[test]
fn a_fixed_clock_gives_each_event_the_next_nanosecond() {
    let disk = SimulatedDisk::new();
    let start = Timestamp(7_000);
    let open = || {
        Database::open_on(Arc::new(disk.clone()), Arc::new(FixedClock(start)), options()).unwrap()
    };
    let database = open();
    let opened = database.create_accounts(&[account(1), account(2)]).unwrap();
    let first = opened[0].timestamp.0;
    assert_eq!(opened[1].timestamp.0, first + 1);
    for id in 1..5 {
        let posted = database.create_transfers(&[transfer(id, 1, 2, 1)]).unwrap();
        assert_eq!(posted[0].timestamp.0, first + 1 + u64::try_from(id).unwrap());
    }
    database.close().unwrap();
    let database = open();
    // The epoch took one.
    let posted = database.create_transfers(&[transfer(5, 1, 2, 1)]).unwrap();
    assert_eq!(posted[0].timestamp.0, first + 7);
    let again = database.create_transfers(&[transfer(1, 1, 2, 1)]).unwrap();
    assert_eq!(again[0].status, CreateTransferStatus::Exists);
    assert_eq!(again[0].timestamp.0, first + 2);
    let found = database.lookup_accounts(&[AccountId(1)]).unwrap();
    assert_eq!(found[0].unwrap().debits_posted.0, 5);
}
