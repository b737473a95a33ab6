//! Holds end at their time, all of them and only then: by themselves, in order, in frames of bounded
//! size, before anything that is decided later.

use crate::audit::audit;
use crate::bank::{Bank, START, open};
use crate::clock::HandClock;
use crate::days::Case;
use crate::forms::{account, hold, post, purse, transfer};
use florin_core::Database;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::limits::{BATCH_EVENTS_MAX, FRAME_EXPIRIES_MAX};
use florin_core::log::{FramePosition, LogReader, identify};
use florin_ledger::record::Record;
use florin_ledger::{AccountId, CreateTransferStatus, Lsn, Transfer};
use std::sync::Arc;

const SECOND: u64 = 1_000_000_000;
const HOLDS: u128 = 20_000;

/// The records of each frame of the log.
fn frames(disk: &SimulatedDisk) -> Vec<Vec<Record>> {
    let identity = identify(disk).unwrap().expect("there is a log");
    let reader = LogReader::new(Arc::new(disk.clone()), identity);
    let mut scan = reader.frames(FramePosition::GENESIS, Lsn(u64::MAX));
    let mut frames = Vec::new();
    while let Some(frame) = scan.next().unwrap() {
        frames.push(frame.records().map(|stored| stored.unwrap().record).collect());
    }
    frames
}

/// Purse 1 with all its money held for ten seconds, hold by hold.
fn all_on_hold(disk: &SimulatedDisk, clock: &Arc<HandClock>) -> Database {
    let database = open(disk, clock).unwrap();
    database.create_accounts(&[purse(1), account(2), account(8)]).unwrap();
    database.create_transfers(&[transfer(HOLDS + 1, 8, 1, HOLDS)]).unwrap();
    let holds: Vec<Transfer> = (1..=HOLDS).map(|id| hold(id, 1, 2, 1, 10)).collect();
    for batch in holds.chunks(BATCH_EVENTS_MAX) {
        let results = database.create_transfers(batch).unwrap();
        assert!(results.iter().all(|it| it.status == CreateTransferStatus::Created));
    }
    database
}

/// Faults 2, 18: thousands of holds due at once are released late, in a frame that is too large, or
/// after a decision that needed their money.
#[test]
fn thousands_due_at_once_expire_in_bounded_frames_before_the_next_decision() {
    let disk = SimulatedDisk::new();
    let clock = Arc::new(HandClock::at(START.0));
    let database = all_on_hold(&disk, &clock);
    assert_eq!(database.status().unwrap().holds_count, 20_000);
    let before = disk.operations_count();
    clock.pass_until(START.0 + 11 * SECOND);
    let spent = database.create_transfers(&[transfer(HOLDS + 2, 1, 2, HOLDS)]).unwrap();
    assert_eq!(spent[0].status, CreateTransferStatus::Created);
    let after = disk.operations_count();

    let frames = frames(&disk);
    let is_expiry = |record: &&Record| matches!(record, Record::Expiry(_));
    let counts: Vec<usize> =
        frames.iter().map(|records| records.iter().filter(is_expiry).count()).collect();
    assert!(counts.iter().all(|count| *count <= FRAME_EXPIRIES_MAX), "{counts:?}");
    assert_eq!(counts.iter().sum::<usize>(), 20_000);
    let records: Vec<Record> = frames.into_iter().flatten().collect();
    let last_expiry = records.iter().rposition(|record| is_expiry(&record)).unwrap();
    let spending = records.iter().rposition(|record| matches!(record, Record::Transfer(_)));
    assert!(last_expiry < spending.unwrap(), "a decision overtook an expiry");
    let expired = records.iter().filter_map(|record| match record {
        Record::Expiry(expiry) => Some(expiry.hold),
        _ => None,
    });
    assert!(expired.is_sorted(), "holds expire in order of expiry, then of age");

    for cut in (before..=after).step_by((after - before) / 6 + 1) {
        let _case = Case(format!("power cut after {cut}, between {before} and {after}"));
        assert_all_expired(&disk.crash_image(cut, u64::try_from(cut).unwrap()));
    }
}

/// Whatever was recorded of the expiries, all have happened once the bank is open.
fn assert_all_expired(disk: &SimulatedDisk) {
    let clock = Arc::new(HandClock::at(START.0 + 12 * SECOND));
    let database = open(disk, &clock).unwrap();
    assert_eq!(database.status().unwrap().holds_count, 0);
    let purse = database.lookup_accounts(&[AccountId(1)]).unwrap()[0].unwrap();
    assert_eq!(purse.debits_pending.0, 0);
    let again = database.create_transfers(&[transfer(HOLDS + 2, 1, 2, HOLDS)]).unwrap();
    let expected = [CreateTransferStatus::Created, CreateTransferStatus::Exists];
    assert!(expected.contains(&again[0].status));
    let trial = database.trial_balance(purse.ledger).unwrap();
    assert_eq!(trial.debits_posted, trial.credits_posted);
    assert_eq!(trial.debits_posted.0, 2 * HOLDS);
}

/// Fault 2: on an idle bank a hold stays until somebody asks.
#[test]
fn an_idle_bank_wakes_for_the_next_hold() {
    let mut bank = Bank::new();
    bank.create_accounts(&[account(1), account(2)]);
    let placed = bank.create_transfers(&[hold(1, 1, 2, 5, 10)]);
    let due = placed[0].timestamp.0 + 10 * SECOND;
    // The bank goes to sleep shortly before the hold is due, and nobody asks it anything any more.
    bank.clock.pass_until(due - 1);
    bank.status();
    bank.clock.pass_until(due);
    let is_expired = || {
        let records = frames(&bank.disk).into_iter().flatten();
        records.filter(|record| matches!(record, Record::Expiry(_))).count() == 1
    };
    while !is_expired() {
        std::thread::yield_now();
    }
}

/// Fault 2: a hold ends at its nanosecond, not before and not after, also across a restart.
#[test]
fn a_hold_expires_exactly_when_it_is_due() {
    let mut bank = Bank::new();
    bank.create_accounts(&[account(1), account(2)]);
    let placed = bank.create_transfers(&[hold(1, 1, 2, 5, 3), hold(2, 1, 2, 7, 3)]);
    bank = bank.restart();
    let due = placed[0].timestamp.0 + 3 * SECOND;
    bank.wait_until(due - 1);
    // The first is posted on its last nanosecond, the second one tick after it was due.
    let results = bank.create_transfers(&[post(3, 1), transfer(4, 1, 2, 1), post(5, 2)]);
    assert_eq!(results[0].timestamp.0, due - 1);
    let statuses: Vec<_> = results.iter().map(|result| result.status).collect();
    let expected = [
        CreateTransferStatus::Created,
        CreateTransferStatus::Created,
        CreateTransferStatus::PendingTransferExpired,
    ];
    assert_eq!(statuses, expected);
    audit(&mut bank);
}
