//! Prevents: a standby that takes what is not its primary's, that decides something, or that is served as a
//! primary by mistake. Each refusal names the reason and the way out, and nothing is written.

use crate::pair::{
    Pair, Wire, await_applied, batches, follow, open, open_accounts, post, put, transfer,
};
use florin_core::ErrorKind;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::following::{Promotion, promote_on};
use florin_core::shipping::BATCH_HEAD_BYTES;
use florin_ledger::{Commit, CommitId, TableId};

/// What a refusal must say.
#[track_caller]
fn check<T>(result: Result<T, florin_core::Error>, kind: ErrorKind, says: &str) {
    let Err(error) = result else { panic!("it is refused: {says}") };
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(says), "{error}");
}

#[test]
fn every_write_is_refused_and_names_the_primary() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let (standby, mut follower) = pair.follow();
    let end = Wire::new(&pair.primary, &mut follower).carry(&mut follower, 1 << 20);
    await_applied(&standby, end);
    let operations = pair.standby_disk.operations_count();
    let place = "its primary is primary:3000";
    check(standby.create_transfers(&[transfer(1)]), ErrorKind::Standby, place);
    check(standby.create_accounts(&[]), ErrorKind::Standby, place);
    let commit = Commit { id: CommitId(1), ..Commit::default() };
    check(standby.commit(&commit), ErrorKind::Standby, place);
    check(standby.dry_run(&commit), ErrorKind::Standby, place);
    let write = put(TableId(16), vec![1], vec![1]);
    check(standby.write_documents(&[write]), ErrorKind::Standby, place);
    check(standby.make_keys(&[b"a"]), ErrorKind::Invalid, "primary");
    assert_eq!(pair.standby_disk.operations_count(), operations, "nothing was written");
}

/// Holds that are due expire at the primary; the standby is told, and does not do it by itself.
#[test]
fn a_standby_runs_no_timers() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let hold = florin_ledger::Transfer {
        flags: florin_ledger::TransferFlags::PENDING,
        timeout: 1,
        ..transfer(1)
    };
    pair.primary.create_transfers(&[hold]).unwrap();
    let (standby, mut follower) = pair.follow();
    let mut wire = Wire::new(&pair.primary, &mut follower);
    let end = wire.carry(&mut follower, 1 << 20);
    await_applied(&standby, end);
    pair.clock.pass_until(pair.clock.nanoseconds() + 5_000_000_000);
    assert_eq!(standby.status().unwrap().holds_count, 1);
    // A question wakes the primary, which looks at what is due first.
    pair.primary.status().unwrap();
    post(&pair.primary, 2, 1);
    let end = wire.carry(&mut follower, 1 << 20);
    await_applied(&standby, end);
    assert_eq!(standby.status().unwrap().holds_count, 0);
}

/// What is shipped, altered anywhere: the frame is refused, nothing of it is written, and what is shipped again
/// makes the same copy.
#[test]
fn a_frame_that_was_altered_on_the_way_is_refused_before_it_is_written() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let whole = {
        let (_standby, mut follower) = pair.follow();
        batches(&pair.primary, &mut follower, 1 << 20).concat()
    };
    let name = "log/00000000000000000000";
    // The head says how the primary stands, and is not of the log; where the first segment begins is known.
    for at in (BATCH_HEAD_BYTES + 8..whole.len()).step_by(41) {
        let mut altered = whole.clone();
        altered[at] ^= 0x10;
        let disk = SimulatedDisk::new();
        let (_standby, mut follower) = follow(&disk, &pair.clock, &pair.primary).unwrap();
        // A length that grew is waited for.
        let taken = follower.take(&altered);
        let is_all = taken.is_ok_and(|position| position.lsn == pair.primary.durable_end());
        assert!(!is_all, "byte {at}");
        let end = Wire::new(&pair.primary, &mut follower).carry(&mut follower, 1 << 20);
        let end = usize::try_from(end.0).unwrap();
        // Now, since a witness may have been written meanwhile.
        let expected = pair.primary_disk.contents(name).unwrap();
        assert!(disk.contents(name).unwrap()[..end] == expected[..end], "byte {at}");
    }
}

/// A frame of the right form in the wrong place: left out, twice, or before its time.
#[test]
fn frames_out_of_order_are_refused() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let (_standby, mut follower) = pair.follow();
    let mut wire = Wire::new(&pair.primary, &mut follower);
    wire.carry(&mut follower, 1 << 20);
    let mut one = || {
        post(&pair.primary, pair.primary.status().unwrap().transfers_count + 1, 1);
        wire.shipment.next(1 << 20).unwrap()
    };
    let (first, second) = (one(), one());
    let end = follower.begin().unwrap().position;
    check(follower.take(&second), ErrorKind::Corrupt, "does not follow");
    assert_eq!(follower.begin().unwrap().position, end);
    follower.take(&first).unwrap();
    let end = follower.begin().unwrap().position;
    check(follower.take(&first), ErrorKind::Corrupt, "does not follow");
    assert_eq!(follower.begin().unwrap().position, end);
    follower.take(&second).unwrap();
}

/// Faults 41 and 48: another database, with a log of its own.
#[test]
fn a_standby_of_another_database_is_refused() {
    let (pair, other) = (Pair::new(), Pair::new());
    let (_standby, mut follower) = pair.follow();
    check(
        other.primary.ship(&follower.begin().unwrap(), "x"),
        ErrorKind::Fork,
        "name the right primary",
    );
}

/// Faults 42 and 52: an old primary comes back with commits that nobody else has.
#[test]
fn an_old_primary_whose_log_has_forked_off_is_refused() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let (standby, mut follower) = pair.follow();
    Wire::new(&pair.primary, &mut follower).carry(&mut follower, 1 << 20);
    // The old one goes on for a moment; nobody hears of it.
    post(&pair.primary, 1, 3);
    standby.close().unwrap();
    drop((standby, follower));
    promote_on(&pair.standby_disk, Promotion::Forced).unwrap();
    let promoted = open(&pair.standby_disk, &pair.clock).unwrap();
    post(&promoted, 100, 30);
    pair.primary.close().unwrap();
    let (_old, mut follower) = follow(&pair.primary_disk, &pair.clock, &promoted).unwrap();
    check(promoted.ship(&follower.begin().unwrap(), "old"), ErrorKind::Fork, "another history");
    // And as long as the new one is shorter.
    let shorter = Pair::new();
    let (_standby, mut ahead) = shorter.follow();
    open_accounts(&shorter.primary);
    Wire::new(&shorter.primary, &mut ahead).carry(&mut ahead, 1 << 20);
    let mut from = ahead.begin().unwrap();
    from.position.lsn.0 += 1 << 20;
    check(shorter.primary.ship(&from, "ahead"), ErrorKind::NotYet, "compare");
}

/// An old primary that stopped in order follows with what it has.
#[test]
fn an_old_primary_that_has_nothing_of_its_own_follows() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    post(&pair.primary, 1, 3);
    let (standby, mut follower) = pair.follow();
    pair.primary.close().unwrap();
    let reopened = open(&pair.primary_disk, &pair.clock).unwrap();
    Wire::new(&reopened, &mut follower).carry(&mut follower, 1 << 20);
    // Killed, so it writes nothing more.
    let old_disk = pair.primary_disk.crash_image(pair.primary_disk.operations_count(), 1);
    drop(reopened);
    standby.close().unwrap();
    drop((standby, follower));
    promote_on(&pair.standby_disk, Promotion::Forced).unwrap();
    let promoted = open(&pair.standby_disk, &pair.clock).unwrap();
    post(&promoted, 100, 3);
    let (old, mut follower) = follow(&old_disk, &pair.clock, &promoted).unwrap();
    let end = Wire::new(&promoted, &mut follower).carry(&mut follower, 1 << 20);
    await_applied(&old, end);
    assert_eq!(old.status().unwrap().transfers_count, 6);
}

/// A directory of a standby, opened as a primary's by mistake: that epoch would be a fork.
#[test]
fn a_standby_is_not_opened_for_deciding_nor_a_promoted_one_to_follow() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let (standby, mut follower) = pair.follow();
    Wire::new(&pair.primary, &mut follower).carry(&mut follower, 1 << 20);
    standby.close().unwrap();
    drop((standby, follower));
    check(open(&pair.standby_disk, &pair.clock), ErrorKind::Unusable, "florin promote");
    check(promote_on(&pair.primary_disk, Promotion::Forced), ErrorKind::Unusable, "never followed");
    promote_on(&pair.standby_disk, Promotion::Forced).unwrap();
    promote_on(&pair.standby_disk, Promotion::Forced).unwrap();
    let again = follow(&pair.standby_disk, &pair.clock, &pair.primary);
    check(again.map(|_| ()), ErrorKind::Unusable, "decides by itself");
    open(&pair.standby_disk, &pair.clock).unwrap();
}

/// An encrypted log in a directory without its key, and the other way round.
#[test]
fn a_standby_needs_the_database_key_of_its_primary() {
    let (sealed, open) = (Pair::encrypted(), Pair::new());
    let bare = SimulatedDisk::new();
    let without = follow(&bare, &sealed.clock, &sealed.primary).map(|_| ());
    check(without, ErrorKind::Unusable, "database_key");
    assert!(florin_core::disk::Disk::list(&bare, "log").is_err(), "nothing was made");
    let keyed = Pair::encrypted().standby_disk;
    let not_sealed = follow(&keyed, &open.clock, &open.primary).map(|_| ());
    check(not_sealed, ErrorKind::Unusable, "not encrypted");
}
