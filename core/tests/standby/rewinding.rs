//! Prevents: an old primary that keeps what nobody else has, or loses what everybody has; one that is taken back
//! in with another state than its new primary. Faults 42 and 52.

use crate::clock::HandClock;
use crate::dice::Dice;
use crate::pair::{
    Pair, Wire, await_applied, follow, open, open_accounts, options, post, standing, step,
    transfer, verified,
};
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::disk::{Access, Disk};
use florin_core::following::{
    NewPrimary, Promotion, Rewound, finish_rewinding_on, promote_on, rewind_on,
};
use florin_core::log::{FramePosition, LogReader, identify};
use florin_core::{Database, Error, ErrorKind};
use florin_ledger::record::Record;
use florin_ledger::{CreateTransferStatus, Lsn, TransferId};
use std::sync::Arc;

/// An old primary whose standby was promoted while it went on for a while.
struct Failover {
    clock: Arc<HandClock>,
    old: SimulatedDisk,
    promoted: Database,
    promoted_disk: SimulatedDisk,
    /// What both have.
    common: Lsn,
}

impl Failover {
    /// `tail` is what the old one does that nobody hears of; it is closed after it, or killed.
    fn after(pair: Pair, tail: impl FnOnce(&Database), is_killed: bool) -> Failover {
        let (standby, mut follower) = pair.follow();
        let common = Wire::new(&pair.primary, &mut follower).carry(&mut follower, 1 << 20);
        tail(&pair.primary);
        let old = if is_killed {
            pair.primary_disk.crash_image(pair.primary_disk.operations_count(), 5)
        } else {
            pair.primary.close().unwrap();
            pair.primary_disk.copy()
        };
        standby.close().unwrap();
        drop((standby, follower));
        promote_on(&pair.standby_disk, Promotion::Forced).unwrap();
        let promoted = open(&pair.standby_disk, &pair.clock).unwrap();
        let Pair { clock, standby_disk: promoted_disk, .. } = pair;
        Failover { clock, old, promoted, promoted_disk, common }
    }

    fn rewind(&self, disk: &SimulatedDisk) -> Result<Rewound, Error> {
        rewind(disk, &self.promoted)
    }

    /// The old primary follows until it has all, and is found the same; then both are closed and compared.
    fn rejoin(self) {
        let (again, mut follower) = follow(&self.old, &self.clock, &self.promoted).unwrap();
        assert!(!follower.may_acknowledge(), "its state was not compared yet");
        let mut wire = Wire::new(&self.promoted, &mut follower);
        // The digest is taken between two turns of the engine.
        while !follower.may_acknowledge() {
            wire.carry(&mut follower, 10_000);
            self.promoted.status().unwrap();
            again.status().unwrap();
        }
        let end = wire.carry(&mut follower, 10_000);
        await_applied(&again, end);
        assert_ne!(standing(&again).compared, Lsn::NONE);
        drop(wire);
        self.promoted.close().unwrap();
        again.close().unwrap();
        drop((again, follower));
        let (one, other) = (verified(&self.old), verified(&self.promoted_disk));
        assert_eq!(one.transfers_count, other.transfers_count);
        for name in self.old.list("log").unwrap() {
            let name = format!("log/{name}");
            let (one, other) =
                (self.old.contents(&name).unwrap(), self.promoted_disk.contents(&name));
            // The new primary has written a witness at its close, perhaps.
            let begin = name[4..].parse::<u64>().unwrap() * (8 << 20);
            let used = usize::try_from(end.0.saturating_sub(begin)).unwrap().min(one.len());
            assert!(one[..used] == other.unwrap()[..used], "{name} is a copy byte for byte");
        }
    }
}

fn rewind(disk: &SimulatedDisk, primary: &Database) -> Result<Rewound, Error> {
    let mut has = |bank: u128, position: FramePosition| primary.has_position(bank, position);
    let primary = NewPrimary { address: "new:3000", term: primary.node().term, has: &mut has };
    rewind_on(Arc::new(disk.clone()), primary, &options(disk))
}

/// The ids of transfers that were set aside.
fn set_aside(disk: &SimulatedDisk, rewound: &Rewound) -> Vec<u128> {
    let place = rewound.set_aside.as_ref().unwrap();
    let apart = SimulatedDisk::new();
    apart.create_directory("log").unwrap();
    for name in disk.list(&format!("{place}/log")).unwrap() {
        let file = apart.create(&format!("log/{name}"), Access::Buffered).unwrap();
        file.write_all_at(&disk.contents(&format!("{place}/log/{name}")).unwrap(), 0).unwrap();
    }
    let identity = identify(&apart).unwrap().unwrap();
    let reader = LogReader::new(Arc::new(apart), identity);
    let from = reader.position_at(rewound.to, rewound.to).unwrap();
    let mut frames = reader.frames(from, Lsn(u64::MAX));
    let mut ids = Vec::new();
    while let Some(frame) = frames.next().unwrap() {
        for stored in frame.records() {
            if let Record::Transfer(transfer) = stored.unwrap().record {
                ids.push(transfer.id.0);
            }
        }
    }
    ids
}

#[test]
fn what_the_new_primary_never_had_is_set_aside_and_the_rest_follows() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    post(&pair.primary, 1, 20);
    let failover = Failover::after(pair, |old| post(old, 100, 7), true);
    post(&failover.promoted, 200, 5);
    let rewound = failover.rewind(&failover.old).unwrap();
    assert_eq!(rewound.to, failover.common);
    assert_eq!(set_aside(&failover.old, &rewound), (100..107).collect::<Vec<_>>());
    // What was set aside never happened: its ids are free.
    let results = failover.promoted.create_transfers(&[transfer(100)]).unwrap();
    assert_eq!(results[0].status, CreateTransferStatus::Created);
    failover.rejoin();
}

/// A checkpoint inside the tail knows of what never happened.
#[test]
fn a_checkpoint_inside_the_tail_is_forgotten() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    post(&pair.primary, 1, 20);
    let many = |old: &Database| {
        // Checkpoints come every few requests, and the last at the close.
        post(old, 100, 200);
    };
    let failover = Failover::after(pair, many, false);
    assert!(failover.old.contents("checkpoint.redb").is_some());
    failover.rewind(&failover.old).unwrap();
    let (again, _follower) = follow(&failover.old, &failover.clock, &failover.promoted).unwrap();
    assert_eq!(again.lookup_transfers(&[TransferId(100)]).unwrap(), [None]);
    assert_eq!(again.status().unwrap().transfers_count, 20);
    again.close().unwrap();
    drop((again, _follower));
    failover.rejoin();
}

/// One that has nothing of its own follows as it is.
#[test]
fn without_a_tail_nothing_is_set_aside() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let failover = Failover::after(pair, |_| {}, true);
    let rewound = failover.rewind(&failover.old).unwrap();
    assert_eq!(rewound, Rewound { to: failover.common, set_aside: None });
    failover.rejoin();
}

/// The new primary is told to follow the old one, by a mistake in a unit file: everything since would be lost.
#[test]
fn a_later_primary_does_not_go_back_to_an_earlier_one() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    let failover = Failover::after(pair, |old| post(old, 100, 7), true);
    let old = open(&failover.old, &failover.clock).unwrap();
    let Failover { promoted, promoted_disk, .. } = failover;
    promoted.close().unwrap();
    let before = promoted_disk.operations_count();
    let error = rewind(&promoted_disk, &old).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
    assert_eq!(promoted_disk.operations_count(), before, "nothing was changed");
}

/// Fault 45: a power cut at any operation of going back; going back again finishes it.
#[test]
fn going_back_survives_a_power_cut_at_any_operation() {
    let pair = Pair::new();
    open_accounts(&pair.primary);
    post(&pair.primary, 1, 20);
    let mut next_id = 1_000;
    let tail = |old: &Database| post(old, 100, 60);
    let failover = Failover::after(pair, tail, false);
    let mut dice = Dice::new(3);
    for _ in 0..10 {
        step(&failover.promoted, &failover.clock, &mut dice, &mut next_id);
    }
    let begun = failover.old.operations_count();
    let whole = failover.old.copy();
    let rewound = failover.rewind(&failover.old).unwrap();
    let expected = set_aside(&failover.old, &rewound);
    assert_eq!(expected, (100..160).collect::<Vec<_>>());
    let operations = failover.old.operations_count() - begun;
    assert!(10 < operations);
    for at in 0..operations {
        let disk = whole.copy();
        let start = disk.operations_count();
        drop(rewind(&disk, &failover.promoted));
        let cut = disk.crash_image(start + at, 7);
        let deciding = open(&cut, &failover.clock);
        assert!(deciding.is_err() || at < 8, "cut at {at}: it went back, and decides");
        drop(deciding);
        let cut = disk.crash_image(start + at, 7);
        // Once it is begun nobody is needed to finish it.
        let finished = finish_rewinding_on(Arc::new(cut.clone()), &options(&cut));
        let begun = finished.is_ok();
        let again = finished.or_else(|_| rewind(&cut, &failover.promoted));
        assert!(again.is_ok() || !begun, "cut at {at}: {again:?}");
        if let Ok(again) = again
            && again.set_aside.is_some()
        {
            assert_eq!(set_aside(&cut, &again), expected, "cut at {at}");
        }
        let (standby, mut follower) = follow(&cut, &failover.clock, &failover.promoted).unwrap();
        let end = Wire::new(&failover.promoted, &mut follower).carry(&mut follower, 1 << 20);
        await_applied(&standby, end);
        standby.close().unwrap();
        drop((standby, follower));
        verified(&cut);
    }
}

/// Forks anywhere, in logs of any shape.
#[test]
fn the_fork_is_found_wherever_it_is() {
    for seed in 0..12 {
        let mut dice = Dice::new(seed);
        let mut next_id = 0;
        let mut pair = Pair::new();
        open_accounts(&pair.primary);
        let clock = pair.clock.clone();
        for _ in 0..dice.roll(4) {
            for _ in 0..dice.roll(12) {
                step(&pair.primary, &clock, &mut dice, &mut next_id);
            }
            pair.reopen_primary();
        }
        let is_killed = dice.one_in(2);
        let mut id = 500_000;
        let tail = |old: &Database| {
            for _ in 0..dice.roll(15) {
                step(old, &clock, &mut dice, &mut id);
            }
        };
        let mut failover = Failover::after(pair, tail, is_killed);
        let mut again = Dice::new(seed + 100);
        for _ in 0..again.roll(30) {
            step(&failover.promoted, &clock, &mut again, &mut next_id);
        }
        if again.one_in(3) {
            // The old primary was started again in between, alone: another epoch that nobody has.
            open(&failover.old, &clock).unwrap().close().unwrap();
        }
        if again.one_in(3) {
            failover.promoted.close().unwrap();
            failover.promoted = open(&failover.promoted_disk, &clock).unwrap();
        }
        let rewound = failover.rewind(&failover.old).unwrap();
        assert_eq!(rewound.to, failover.common, "seed {seed}");
        failover.rejoin();
    }
}
