//! Prevents: a standby that applies the same log to another state and goes on as if nothing were. Fault 43: a
//! digest that is handed from one to the other instead of being made of what each has.

use crate::pair::{
    Pair, Wire, await_applied, follow, open, open_accounts, options, post, standing, verified,
};
use florin_core::following::{Promotion, promote_on};
use florin_core::shipping::{BATCH_HEAD_BYTES, FollowFrom};
use florin_core::{Database, ErrorKind, Options};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn the_whole_state_is_compared_at_positions_that_both_have() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let (standby, mut follower) = pair.follow();
    let mut wire = Wire::new(&pair.primary, &mut follower);
    wire.carry(&mut follower, 1 << 20);
    for round in 0..20 {
        post(&pair.primary, 1 + round * 20, 20);
        let end = wire.carry(&mut follower, 900);
        await_applied(&standby, end);
    }
    let standing = standing(&standby);
    assert!(0 < standing.compared.0 && standing.compared <= standing.applied, "{standing:?}");
    assert_eq!(standing.trouble, None);
}

/// A digest as it is shipped.
fn batch(primary_end: u64, at: u64, digest: &[u8; 32]) -> Vec<u8> {
    let (epoch, term) = (1_u64.to_le_bytes(), 0_u64.to_le_bytes());
    let mut batch = [primary_end.to_le_bytes(), epoch, term].concat();
    batch.extend(u64::from(crc32fast::hash(&batch)).to_le_bytes());
    batch.extend(at.to_le_bytes());
    batch.extend(3_u32.to_le_bytes());
    batch.extend(32_u32.to_le_bytes());
    batch.extend(digest);
    batch
}

#[test]
fn another_state_ends_following_for_good() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    post(&pair.primary, 1, 5);
    let (standby, mut follower) = pair.follow();
    let end = Wire::new(&pair.primary, &mut follower).carry(&mut follower, 1 << 20);
    await_applied(&standby, end);
    let right = verified(&pair.standby_disk).digest;
    follower.take(&batch(end.0, end.0, &right)).unwrap();
    while standing(&standby).compared != end {
        standby.status().unwrap();
    }
    let mut wrong = right;
    wrong[31] ^= 1;
    follower.take(&batch(end.0, end.0, &wrong)).unwrap();
    while !standing(&standby).has_stopped {
        standby.status().unwrap();
    }
    let trouble = standing(&standby).trouble.unwrap();
    assert!(trouble.contains("not the primary's"), "{trouble}");
    // Nothing more is taken, so nothing more is acknowledged; reads go on.
    post(&pair.primary, 6, 5);
    let mut wire = Wire::new(&pair.primary, &mut follower);
    let error = follower.take(&wire.shipment.next(1 << 20).unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
    assert_eq!(standby.status().unwrap().transfers_count, 5);
    // Nor after a restart, nor as a primary: it would be another bank.
    standby.close().unwrap();
    drop((wire, standby, follower));
    let refused = [
        follow(&pair.standby_disk, &pair.clock, &pair.primary).map(drop),
        promote_on(&pair.standby_disk, Promotion::Forced),
        open(&pair.standby_disk, &pair.clock).map(drop),
    ];
    for refused in refused {
        let error = refused.unwrap_err();
        assert!(error.to_string().contains("not the primary's"), "{error}");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
}

/// More than is made durable while one digest is asked for and taken, and less than one that is missed takes to come.
const FAR_BYTES: u64 = 1 << 20;

/// Whether a digest is in a batch.
fn has_digest(batch: &[u8]) -> bool {
    let number = |at: usize| u32::from_le_bytes(batch[at..at + 4].try_into().unwrap());
    let mut at = BATCH_HEAD_BYTES;
    while at < batch.len() {
        if number(at + 8) == 3 {
            return true;
        }
        at += 16 + usize::try_from(number(at + 12)).unwrap();
    }
    false
}

/// One that comes back while others go on posting is compared once, where its primary was when it came: a frame that is
/// shipped past that place without its digest leaves it out of step for as long as nobody cuts the connection.
#[test]
fn whoever_must_be_compared_is_told_the_digest_that_it_asked_for() {
    let pair = Pair::new();
    let seldom = Options { digest_bytes: 1 << 40, ..options(&pair.primary_disk) };
    pair.primary.close().unwrap();
    let disk = Arc::new(pair.primary_disk.clone());
    let primary = Database::open_on(disk, pair.clock.clone(), seldom).unwrap();
    open_accounts(&primary);
    let (standby, mut follower) = follow(&pair.standby_disk, &pair.clock, &primary).unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut id = 1;
            while !is_over.load(Ordering::Relaxed) {
                post(&primary, id, 1);
                id += 1;
            }
        });
        for round in 0..10_000 {
            let from = FollowFrom { must_compare: true, ..follower.begin().unwrap() };
            let mut shipment = primary.ship(&from, "the standby").unwrap();
            let begun = primary.status().unwrap().durable;
            loop {
                let batch = shipment.next(usize::MAX).unwrap();
                follower.take(&batch).unwrap();
                if has_digest(&batch) {
                    break;
                }
                let is_late = begun.0 + FAR_BYTES < shipment.position().0;
                is_over.fetch_or(is_late, Ordering::Relaxed);
                assert!(!is_late, "round {round}: none within {FAR_BYTES} bytes");
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(standing(&standby).trouble, None);
}
