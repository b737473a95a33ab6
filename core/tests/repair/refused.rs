//! Sources that a repair must not take anything from. What would go wrong without: a log of two histories.

use crate::bank::{Bank, Damage, opened};
use florin_core::backup::memory::MemoryStore;
use florin_core::backup::{PublicKey, Restoring, Source, Store, Target, Trust, newest, restore};
use florin_core::disk::Disk;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::repair::repair_on;
use florin_core::snapshot::{Snapshot, StillLog};
use florin_core::{Error, ErrorKind};
use std::sync::Arc;

const SECOND: &str = "log/00000000000000000001";
const THIRD: &str = "log/00000000000000000002";

/// A source refuses nothing and changes nothing.
fn check(bank: &Bank, source: &dyn Source, kind: ErrorKind, says: &str) {
    let before = bank.files();
    let error = bank.repair(source).unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(says), "{error}");
    assert!(error.to_string().contains("nothing was changed"), "{error}");
    assert!(bank.files() == before, "{error}");
}

#[test]
fn another_bank_is_refused() {
    for is_sealed in [false, true] {
        let bank = Bank::of_days(is_sealed, 2);
        let other = Bank::of_days(is_sealed, 2);
        bank.damage(SECOND, Damage::Flip(3));
        check(&bank, &other.still(), ErrorKind::Unusable, "the source is the bank");
        check(&bank, &other.backed_up(), ErrorKind::Unusable, "the source is the bank");
    }
}

/// Two that went on from one: wherever the damage is, and whoever has more.
#[test]
fn a_fork_is_refused() {
    for is_sealed in [false, true] {
        for (here, there) in [(2, 3), (3, 2), (2, 2)] {
            let mut bank = Bank::of_days(is_sealed, 1);
            let mut fork = bank.copy();
            bank.day(here);
            fork.day(there);
            for (name, damage) in [
                (SECOND, Damage::Flip(2)),
                (SECOND, Damage::Cut(3)),
                (SECOND, Damage::Removed),
                (THIRD, Damage::Flip(0)),
                (THIRD, Damage::Zeros(1)),
                (THIRD, Damage::Cut(2)),
            ] {
                let copy = bank.copy();
                copy.damage(name, damage);
                check(&copy, &fork.still(), ErrorKind::Fork, "another history");
                check(&copy, &fork.backed_up(), ErrorKind::Fork, "another history");
            }
            check(&bank, &fork.still(), ErrorKind::Fork, "another history");
        }
    }
}

/// A bank that was restored from a backup is another one, although it has the same log up to there.
#[test]
fn another_life_is_refused() {
    for is_sealed in [false, true] {
        let mut bank = Bank::of_days(is_sealed, 2);
        let store = MemoryStore::new();
        bank.back_up(&store);
        let (signers, key) = ([crate::bank::signer().public()], bank.key());
        let restoring = Restoring {
            name: &newest(&store, None).unwrap(),
            target: Target::End,
            trust: Trust { signers: &signers, key: key.as_deref() },
            key: key.clone(),
            keyring: None,
            keyring_key: None,
        };
        let stored: Arc<dyn Store> = Arc::new(store.clone());
        let disk = SimulatedDisk::new();
        restore(&stored, Arc::new(disk.clone()), &restoring, &mut |_| {}).unwrap();
        let restored = bank.on(disk);
        bank.damage(SECOND, Damage::Flip(2));
        check(&bank, &restored.still(), ErrorKind::Unusable, "the life");
        let copy = restored.copy();
        copy.damage(SECOND, Damage::Flip(2));
        check(&copy, &opened(&store, None).unwrap(), ErrorKind::Unusable, "the life");
        bank = restored;
        bank.day(1);
        bank.damage(SECOND, Damage::Zeros(1));
        check(&bank, &opened(&store, None).unwrap(), ErrorKind::Unusable, "the life");
    }
}

/// Of an encrypted bank without a checkpoint nobody knows without the key which life it is.
#[test]
fn a_life_that_nothing_tells_is_asked_for() {
    let bank = Bank::of_days(true, 2);
    let source = bank.backed_up();
    bank.damage(SECOND, Damage::Flip(2));
    bank.damage("checkpoint.redb", Damage::Removed);
    let before = bank.files();
    let disk: Arc<dyn Disk> = Arc::new(bank.disk.clone());
    let error = repair_on(&disk, None, &source, &mut |_| {}).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unusable, "{error}");
    assert!(error.to_string().contains("give the key"), "{error}");
    assert!(bank.files() == before);
    bank.repair(&source).unwrap();
}

/// A server whose own disk is damaged: what it sends is what is stored.
struct Stored {
    log: StillLog,
    damaged: SimulatedDisk,
}

impl Source for Stored {
    fn snapshot(&self) -> Result<Snapshot, Error> {
        Ok(self.log.snapshot().clone())
    }

    fn segment(&self, number: u64, bytes: usize) -> Result<Vec<u8>, Error> {
        let name = format!("log/{number:020}");
        let mut content = self.damaged.contents(&name).unwrap_or_default();
        content.truncate(bytes);
        Ok(content)
    }
}

#[test]
fn a_source_that_is_damaged_at_the_same_place_is_refused() {
    for is_sealed in [false, true] {
        let bank = Bank::of_days(is_sealed, 2);
        for damage in Damage::all(bank.files()[SECOND].len()) {
            let other = bank.copy();
            let source = Stored { log: bank.still(), damaged: other.disk.clone() };
            other.damage(SECOND, damage);
            let copy = bank.copy();
            copy.damage(SECOND, damage);
            let before = copy.files();
            match copy.repair(&source) {
                // Where there are but zeros, they can't be damaged by being cut.
                Ok(repaired) => assert!(repaired.segments.is_empty(), "{damage:?}"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{damage:?}: {error}");
                    assert!(copy.files() == before, "{damage:?}");
                }
            }
            // Elsewhere it may be damaged.
            let copy = bank.copy();
            copy.damage(THIRD, Damage::Flip(4));
            copy.repair(&source).unwrap();
            assert!(copy.segments() == bank.segments(), "{damage:?}");
        }
    }
}

#[test]
fn a_backup_that_was_altered_or_is_anothers_is_refused() {
    let bank = Bank::of_days(false, 2);
    let store = MemoryStore::new();
    bank.back_up(&store);
    bank.damage(SECOND, Damage::Flip(3));
    let before = bank.files();
    let stranger = [PublicKey([9; 32])];
    assert_eq!(opened(&store, Some(&stranger)).err().unwrap().kind(), ErrorKind::Corrupt);
    for (name, mut bytes) in store.objects() {
        if name.contains("manifests") {
            continue;
        }
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        let altered = store.copy();
        altered.put(&name, bytes);
        match bank.copy().repair(&opened(&altered, None).unwrap()) {
            Ok(repaired) => assert_eq!(repaired.segments.len(), 1),
            Err(error) => assert!(error.to_string().contains(&name), "{error}"),
        }
    }
    assert!(bank.files() == before);
}

/// Whatever a server says of itself, there is an answer and nothing is changed.
#[test]
fn what_a_server_says_is_not_taken_for_true() {
    type Lie<'a> = &'a (dyn Fn(&mut Snapshot) + Sync);
    struct Lying<'a>(StillLog, Lie<'a>);
    impl Source for Lying<'_> {
        fn snapshot(&self) -> Result<Snapshot, Error> {
            let mut snapshot = self.0.snapshot().clone();
            (self.1)(&mut snapshot);
            Ok(snapshot)
        }

        fn segment(&self, number: u64, bytes: usize) -> Result<Vec<u8>, Error> {
            self.0.segment(number, bytes)
        }
    }
    let bank = Bank::of_days(false, 2);
    let lies: [Lie<'_>; 9] = [
        &|it| it.birth ^= 1,
        &|it| it.incarnation ^= 1,
        &|it| it.segment_bytes = 12,
        &|it| it.segment_bytes = 64 << 20,
        &|it| it.is_sealed = true,
        &|it| it.end.lsn.0 = 0,
        &|it| it.end.lsn.0 = u64::MAX,
        &|it| it.end.sequence += 1,
        &|it| it.end.chain[0] ^= 1,
    ];
    for (index, lie) in lies.iter().enumerate() {
        for damage in [None, Some(Damage::Flip(3))] {
            let copy = bank.copy();
            if let Some(damage) = damage {
                copy.damage(SECOND, damage);
            }
            let before = copy.files();
            let source = Lying(bank.still(), *lie);
            assert!(copy.repair(&source).is_err(), "lie {index}");
            assert!(copy.files() == before, "lie {index}");
        }
    }
    assert!(bank.disk.list("damaged").is_err());
}
