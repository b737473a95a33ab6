//! Prevents: a copy that is not the same.

use crate::dice::Dice;
use crate::pair::{
    ACCOUNTS, PATIENCE, Pair, Wire, await_applied, open_accounts, post, standing, step, verified,
};
use florin_core::Database;
use florin_core::disk::Disk;
use florin_core::disk::simulated::SimulatedDisk;
use florin_ledger::document::DocumentScan;
use florin_ledger::query::AccountFilter;
use florin_ledger::{AccountId, LedgerId, Position, TableId, TransferId};
use std::time::{Duration, Instant};

/// The segments of a log, each up to its last byte that is not zero.
fn log(disk: &SimulatedDisk) -> Vec<(String, Vec<u8>)> {
    let names = disk.list("log").unwrap();
    let used = |name: String| {
        let mut bytes = disk.contents(&format!("log/{name}")).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        bytes.truncate(end);
        (name, bytes)
    };
    // Segments that were made ahead hold a header and nothing else.
    names.into_iter().map(used).filter(|(_, bytes)| 4_096 < bytes.len()).collect()
}

/// That a copy is the beginning of the original, byte for byte. The original may have written a witness since.
pub(crate) fn check_bytes(copy: &SimulatedDisk, original: &SimulatedDisk) {
    let (copy, original) = (log(copy), log(original));
    assert!(copy.len() == original.len() || copy.len() + 1 == original.len());
    for ((name, copied), (other_name, bytes)) in copy.iter().zip(&original) {
        assert_eq!(name, other_name);
        let same = copied.iter().zip(bytes).position(|(one, other)| one != other);
        assert!(same.is_none() && copied.len() <= bytes.len(), "{name} differs at {same:?}");
    }
}

/// What two databases are asked: all answers, for comparison.
pub(crate) fn answers(database: &Database, last_id: u64) -> String {
    let accounts: Vec<_> = (1..=ACCOUNTS).map(|id| AccountId(id.into())).collect();
    let transfers: Vec<_> = (1..=last_id).map(|id| TransferId(id.into())).collect();
    let mut said = format!("{:?}\n", database.lookup_accounts(&accounts).unwrap());
    for ids in transfers.chunks(1_000) {
        said += &format!("{:?}\n", database.lookup_transfers(ids).unwrap());
    }
    for account_id in accounts {
        let filter =
            AccountFilter { limit: 1_000, reversed: true, ..AccountFilter::new(account_id) };
        said += &format!("{:?}\n", database.account_balances(&filter).unwrap());
    }
    for table in [16, 17] {
        let scan = DocumentScan { table: TableId(table), limit: 100, ..DocumentScan::default() };
        said += &format!("{:?}\n", database.scan_documents(&scan).unwrap());
    }
    said + &format!("{:?}\n", database.trial_balance(LedgerId(978)).unwrap())
}

/// Whatever is asked for, in whatever batches it is shipped, with restarts of either side in between.
fn check(pair: Pair, seed: u64) {
    let mut dice = Dice::new(seed);
    let Pair { clock, primary_disk, mut primary, standby_disk } = pair;
    open_accounts(&primary);
    let (mut standby, mut follower) = crate::pair::follow(&standby_disk, &clock, &primary).unwrap();
    let mut wire = Wire::new(&primary, &mut follower);
    let mut next_id = 0;
    for round in 0..12 {
        for _ in 0..10 {
            step(&primary, &clock, &mut dice, &mut next_id);
        }
        let batch_bytes =
            usize::try_from([100, 5_000, 512 << 10][usize::try_from(dice.roll(3)).unwrap()]);
        let end = wire.carry(&mut follower, batch_bytes.unwrap());
        if dice.one_in(3) {
            await_applied(&standby, end);
            assert_eq!(
                answers(&standby, next_id),
                answers(&primary, next_id),
                "seed {seed}, {round}"
            );
        }
        match dice.roll(4) {
            0 => {
                drop(wire);
                standby.close().unwrap();
                drop((standby, follower));
                (standby, follower) = crate::pair::follow(&standby_disk, &clock, &primary).unwrap();
                wire = Wire::new(&primary, &mut follower);
            }
            1 => {
                drop(wire);
                primary.close().unwrap();
                primary = crate::pair::open(&primary_disk, &clock).unwrap();
                wire = Wire::new(&primary, &mut follower);
            }
            _ => {}
        }
    }
    primary.close().unwrap();
    // What the close wrote is durable, and has still to be shipped.
    let primary = crate::pair::open(&primary_disk, &clock).unwrap();
    wire = Wire::new(&primary, &mut follower);
    let end = wire.carry(&mut follower, 1 << 20);
    await_applied(&standby, end);
    assert_eq!(answers(&standby, next_id), answers(&primary, next_id), "seed {seed}");
    assert_eq!(standing(&standby).trouble, None);
    drop(wire);
    standby.close().unwrap();
    drop((standby, follower));
    check_bytes(&standby_disk, &primary_disk);
    let (copy, original) = (verified(&standby_disk), verified(&primary_disk));
    assert_eq!(copy.digest, original.digest, "seed {seed}");
    assert_eq!(copy.transfers_count, original.transfers_count);
}

#[test]
fn a_copy_is_byte_for_byte_and_answers_alike_whatever_was_asked() {
    for seed in 1..6 {
        check(Pair::new(), seed);
    }
}

/// What was sealed is shipped as it is stored, from memory too, where it is open.
#[test]
fn a_copy_of_an_encrypted_log_is_the_same_sealed_bytes() {
    for seed in 1..4 {
        check(Pair::encrypted(), seed);
    }
}

/// Prevents: a copy that ends where the primary's first segment does.
#[test]
fn a_copy_goes_on_over_the_ends_of_segments() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let (standby, mut follower) = pair.follow();
    let mut wire = Wire::new(&pair.primary, &mut follower);
    let batch = |from: u64| (from..from + 8_000).map(crate::pair::transfer).collect::<Vec<_>>();
    for round in 0..12 {
        pair.primary.create_transfers(&batch(1 + round * 8_000)).unwrap();
        if round % 3 == 0 {
            wire.carry(&mut follower, 512 << 10);
        }
    }
    let end = wire.carry(&mut follower, 512 << 10);
    assert!(8 << 20 < end.0, "there is a second segment");
    await_applied(&standby, end);
    assert_eq!(standby.status().unwrap().transfers_count, 96_000);
    let from_here = |name: &str| pair.standby_disk.contents(name).unwrap();
    let name = "log/00000000000000000000";
    assert_eq!(from_here(name), pair.primary_disk.contents(name).unwrap(), "cut alike, too");
}

/// Prevents: two standbys in a row of which the second differs.
#[test]
fn a_standby_can_be_followed_in_turn() {
    let pair = Pair::encrypted();
    open_accounts(&pair.primary);
    let (middle, mut follower) = pair.follow();
    let mut wire = Wire::new(&pair.primary, &mut follower);
    let last_disk = SimulatedDisk::new();
    let key = pair.standby_disk.contents("database_key").unwrap();
    let file = last_disk.create("database_key", florin_core::disk::Access::Buffered).unwrap();
    file.write_all_at(&key, 0).unwrap();
    let (last, mut last_follower) = crate::pair::follow(&last_disk, &pair.clock, &middle).unwrap();
    let mut last_wire = Wire::new(&middle, &mut last_follower);
    for round in 0..5 {
        crate::pair::post(&pair.primary, 1 + round * 20, 20);
        let end = wire.carry(&mut follower, 1 << 20);
        assert_eq!(last_wire.carry(&mut last_follower, 700), end);
        await_applied(&last, end);
        await_applied(&middle, end);
    }
    assert_eq!(answers(&last, 100), answers(&pair.primary, 100));
    check_bytes(&last_disk, &pair.standby_disk);
}

/// Prevents: a reader of a standby who is told a place under another opening's number: every other copy takes it for
/// one of another history.
#[test]
fn both_name_a_place_alike_while_openings_change() {
    let mut pair = Pair::new();
    open_accounts(&pair.primary);
    let (standby, mut follower) = pair.follow();
    assert_eq!(standby.position(), Position::NONE, "nothing was written");
    Wire::new(&pair.primary, &mut follower).carry(&mut follower, 1 << 20);
    let mut named = Vec::new();
    for round in 0..3 {
        post(&pair.primary, 1 + round * 20, 20);
        let mut wire = Wire::new(&pair.primary, &mut follower);
        while !wire.shipment.is_live() {
            let end = follower.take(&wire.shipment.next(700).unwrap()).unwrap().lsn;
            let begun = Instant::now();
            while standby.durable_end() < end {
                assert!(begun.elapsed() < PATIENCE, "{end} is not applied");
                std::thread::yield_now();
            }
            let position = standby.position();
            assert_eq!(position.lsn.0 + 1, end.0);
            pair.primary.wait_for(position, Duration::ZERO).unwrap();
            named.push(position);
        }
        assert_eq!(standby.position(), pair.primary.position());
        drop(wire);
        pair.reopen_primary();
    }
    named.dedup_by_key(|position| position.epoch);
    assert_eq!(named.len(), 3, "each opening's were named as its own: {named:?}");
}
