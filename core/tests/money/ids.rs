//! Ids and holds answer for ever what they answered first, whichever runs and merges they have been
//! through.

use crate::bank::{START, open};
use crate::clock::HandClock;
use crate::forms::{account, hold, post, transfer, void};
use florin_core::Database;
use florin_core::disk::Disk;
use florin_core::disk::simulated::SimulatedDisk;
use florin_ledger::CreateTransferStatus as T;
use florin_ledger::{Timestamp, Transfer};
use std::sync::Arc;

const SECOND: u64 = 1_000_000_000;
/// Openings, each of which leaves a run of every kind at its close.
const ROUNDS: u64 = 20;
const IDS_PER_ROUND: u128 = 600;

/// An id that was used, and what any further use of it must answer.
struct Used {
    event: Transfer,
    again: T,
    timestamp: Timestamp,
    /// What it answers to a post, if it was a hold.
    as_hold: Option<T>,
}

/// The ids of a test, in the order in which they are used.
type Order = fn(u64, u128) -> u128;

fn rising(round: u64, index: u128) -> u128 {
    1_000 + u128::from(round) * IDS_PER_ROUND + index
}

fn reversed(round: u64, index: u128) -> u128 {
    (1 << 90) - u128::from(round) * IDS_PER_ROUND - index
}

/// SplitMix64, twice.
fn random(round: u64, index: u128) -> u128 {
    let mix = |seed: u64| {
        let mut mixed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    };
    let seed = (round + 1) << 32 | u64::try_from(index).unwrap();
    u128::from(mix(seed)) << 64 | u128::from(mix(!seed))
}

/// Counters among which the largest of all ids strayed in, early.
fn rising_with_a_stray(round: u64, index: u128) -> u128 {
    match (round, index) {
        (0, 70) => u128::MAX - 1,
        (1, 70) => 1 << 127,
        _ => rising(round, index),
    }
}

/// One round's events: plain ones, ones that fail for ever, and holds that end in each way.
fn events(order: Order, round: u64) -> Vec<Transfer> {
    let event = |index| {
        let id = order(round, index);
        match index % 8 {
            0..4 => transfer(id, 1, 2, index),
            4..7 => hold(id, 1, 2, 10, if index % 8 == 6 { 1 } else { 0 }),
            _ => transfer(id, 99, 2, 1),
        }
    };
    (0..IDS_PER_ROUND).map(event).collect()
}

/// Uses the ids of a round, and ends its holds.
fn play_round(database: &Database, clock: &HandClock, order: Order, round: u64) -> Vec<Used> {
    let events = events(order, round);
    let results = database.create_transfers(&events).unwrap();
    let mut used = Vec::new();
    let mut ends = Vec::new();
    for (index, (event, result)) in events.into_iter().zip(results).enumerate() {
        // Resolving ids are far from the others.
        let end = (1 << 100) + event.id.0 % (1 << 99);
        let (status, again, as_hold) = match index % 8 {
            0..4 => (T::Created, T::Exists, Some(T::PendingTransferNotPending)),
            4 => (T::Created, T::Exists, Some(T::PendingTransferAlreadyPosted)),
            5 => (T::Created, T::Exists, Some(T::PendingTransferAlreadyVoided)),
            6 => (T::Created, T::Exists, Some(T::PendingTransferExpired)),
            _ => (T::DebitAccountNotFound, T::IdAlreadyFailed, None),
        };
        assert_eq!(result.status, status);
        match index % 8 {
            4 => ends.push(post(end, event.id.0)),
            5 => ends.push(void(end, event.id.0)),
            _ => {}
        }
        used.push(Used { event, again, timestamp: result.timestamp, as_hold });
    }
    for (event, result) in ends.iter().zip(database.create_transfers(&ends).unwrap()) {
        assert_eq!(result.status, T::Created);
        let (timestamp, as_hold) = (result.timestamp, Some(T::PendingTransferNotPending));
        used.push(Used { event: *event, again: T::Exists, timestamp, as_hold });
    }
    clock.pass_until(clock.nanoseconds() + 2 * SECOND);
    used
}

/// Every id that was used answers as it did first, and a post of it what became of it.
fn assert_remembered(database: &Database, used: &[Used]) {
    for used in used.chunks(4_000) {
        let repeats: Vec<Transfer> = used.iter().map(|used| used.event).collect();
        for (used, result) in used.iter().zip(database.create_transfers(&repeats).unwrap()) {
            assert_eq!(result.status, used.again, "{:?}", used.event);
            if used.again == T::Exists {
                assert_eq!(result.timestamp, used.timestamp, "{:?}", used.event);
            }
        }
        let holds = used.iter().filter_map(|used| Some((used.event.id.0, used.as_hold?)));
        let holds: Vec<(u128, T)> = holds.collect();
        let posts: Vec<Transfer> =
            (0..).zip(&holds).map(|(n, hold)| post((1 << 120) + n, hold.0)).collect();
        for (hold, result) in holds.iter().zip(database.create_transfers(&posts).unwrap()) {
            assert_eq!(result.status, hold.1, "a post of {}", hold.0);
        }
    }
}

/// Uses ids through many openings, until their runs have been merged, and asks for all of them.
fn check(order: Order) {
    let disk = SimulatedDisk::new();
    let clock = Arc::new(HandClock::at(START.0));
    let database = open(&disk, &clock).unwrap();
    database.create_accounts(&[account(1), account(2)]).unwrap();
    let mut used = Vec::new();
    let mut database = Some(database);
    for round in 0..ROUNDS {
        let open_now = database.take().unwrap_or_else(|| open(&disk, &clock).unwrap());
        used.extend(play_round(&open_now, &clock, order, round));
        if round % 7 == 3 {
            assert_remembered(&open_now, &used);
        }
        open_now.close().unwrap();
    }
    let database = open(&disk, &clock).unwrap();
    // Twenty runs of a kind are more than are left unmerged.
    while ids_runs_count(&disk) >= usize::try_from(ROUNDS).unwrap() {
        database.status().unwrap();
    }
    assert_remembered(&database, &used);
    let image = disk.crash_image(disk.operations_count(), 0);
    drop(database);
    assert_remembered(&open(&image, &clock).unwrap(), &used);
}

/// Runs of transfer ids, those that a merge replaced not counted once they are gone.
fn ids_runs_count(disk: &SimulatedDisk) -> usize {
    disk.list("runs").unwrap().len() / 2
}

/// Faults 15, 19, 20: an id is forgotten, or doubled, once its run was written or merged.
#[test]
fn rising_ids_are_remembered_through_runs_and_merges() {
    check(rising);
}

/// Faults 15, 19, 20.
#[test]
fn reversed_ids_are_remembered_through_runs_and_merges() {
    check(reversed);
}

/// Faults 15, 19, 20.
#[test]
fn random_ids_are_remembered_through_runs_and_merges() {
    check(random);
}

/// Faults 15, 19, 20.
#[test]
fn rising_ids_with_a_stray_one_far_above_are_remembered() {
    check(rising_with_a_stray);
}
