//! What a drill finds. What would go wrong without: a promise that is broken is found out on the day that it
//! is called in.

use crate::bank::{Bank, Kind, NOW, START, opens, signer, stored};
use crate::erasure::with_customers;
use florin_core::backup::drill::Promised;
use florin_core::backup::memory::MemoryStore;
use florin_core::backup::{DrillReport, Restoring, Target, Trust, drill, newest};
use florin_core::clock::Clock;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::disk::{Access, Disk, DiskFile};
use florin_core::{Error, ErrorKind};
use florin_ledger::Timestamp;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A clock that stands at an instant, by which everything takes a minute.
struct Slow {
    now: Timestamp,
    asked: AtomicU64,
}

impl Clock for Slow {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(60 * self.asked.fetch_add(1, Ordering::Relaxed))
    }
}

fn drilled(
    kind: Kind,
    store: &MemoryStore,
    disk: Arc<dyn Disk>,
    promised: Promised,
) -> Result<DrillReport, Error> {
    let (name, signers, key) = (newest(store, None)?, [signer().public()], kind.key());
    let trust = Trust { signers: &signers, key: key.as_deref() };
    let key = key.clone();
    let restoring = Restoring {
        name: &name,
        target: Target::End,
        trust,
        key,
        keyring: None,
        keyring_key: None,
    };
    let clock = Slow { now: Timestamp(NOW.0 + 10_000_000_000), asked: AtomicU64::new(0) };
    drill(&stored(store), disk, &restoring, promised, &clock, &mut |_| {})
}

fn fresh() -> Arc<dyn Disk> {
    Arc::new(SimulatedDisk::new())
}

/// The bank recorded nothing for years before it was backed up ten seconds ago: that is what it may lose.
#[test]
fn what_was_promised_is_compared_with_what_was_measured() {
    let mut bank = Bank::found(Kind::Clear);
    bank.day(1);
    let store = MemoryStore::new();
    bank.back_up(&store).unwrap();
    const { assert!(START + 1_000_000_000 * 3_600 < NOW.0) };
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    let cases = [
        (seconds(60), seconds(10), 0),
        (seconds(59), seconds(10), 1),
        (seconds(60), seconds(9), 1),
        (seconds(59), seconds(9), 2),
        (None, None, 0),
    ];
    for (time, point, findings_count) in cases {
        let promised = Promised { time, point };
        let report = drilled(Kind::Clear, &store, fresh(), promised).unwrap();
        assert_eq!(report.recovery_time, Duration::from_secs(60));
        assert_eq!(report.recovery_point, seconds(10));
        assert_eq!(report.findings.len(), findings_count, "{:?}", report.findings);
    }
}

/// What was not restored has no age.
#[test]
fn a_drill_that_failed_says_so_and_measures_nothing() {
    let mut bank = Bank::found(Kind::Clear);
    bank.day(1);
    let store = MemoryStore::new();
    let made = bank.back_up(&store).unwrap();
    let name = made.manifest.object_name(&made.manifest.objects[0]);
    store.put(&name, vec![0; 10]);
    let promised = Promised { time: None, point: Some(Duration::from_secs(1)) };
    let report = drilled(Kind::Clear, &store, fresh(), promised).unwrap();
    assert_eq!((report.recovery_point, report.restored), (None, None));
    assert_eq!(report.findings.len(), 1, "{:?}", report.findings);
    assert!(report.findings[0].contains(&name));
}

/// What is left of a drill opens nowhere, whatever it came to.
#[test]
fn what_is_left_of_a_drill_does_not_open() {
    for kind in Kind::ALL {
        let mut bank = Bank::found(kind);
        bank.day(1);
        let store = MemoryStore::new();
        bank.back_up(&store).unwrap();
        let disk = SimulatedDisk::new();
        let report = drilled(kind, &store, Arc::new(disk.clone()), Promised::default()).unwrap();
        assert_eq!(report.findings, [""; 0]);
        let error = opens(kind, &disk).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unusable, "{error}");
    }
}

#[test]
fn a_keyring_that_was_left_out_is_found() {
    let bank = with_customers();
    let store = MemoryStore::new();
    bank.back_up(&store).unwrap();
    let report = drilled(Kind::Sealed, &store, fresh(), Promised::default()).unwrap();
    assert_eq!(report.findings.len(), 1, "{:?}", report.findings);
    assert!(report.findings[0].contains("keyring"), "{:?}", report.findings);
}

/// A disk that turns bits of the checkpoint once it was closed, before it is compared.
struct Turning {
    below: SimulatedDisk,
    file: &'static str,
    /// How often the file was opened that has something in it.
    opened: Arc<AtomicU64>,
    /// Which time the bits are turned.
    turns_at: u64,
}

impl Disk for Turning {
    fn create_directory(&self, name: &str) -> io::Result<()> {
        self.below.create_directory(name)
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        self.below.list(directory)
    }

    fn create(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        self.below.create(name, access)
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        if name == self.file {
            let contents = self.below.contents(name).unwrap_or_default();
            let written = (0..contents.len()).filter(|at| contents[*at] != 0);
            let is_written = written.clone().next().is_some();
            if is_written && self.opened.fetch_add(1, Ordering::Relaxed) == self.turns_at {
                // Much of the file is of no use any more: what counts is among these.
                for at in written.step_by(61) {
                    self.below.corrupt(name, at, 0);
                }
            }
        }
        self.below.open(name, access)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.below.remove(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.below.rename(from, to)
    }

    fn sync_directory(&self, directory: &str) -> io::Result<()> {
        self.below.sync_directory(directory)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.below.free_bytes()
    }
}

/// The log is whole, and what was derived from it is not what follows from it.
#[test]
fn a_difference_in_what_was_derived_is_found() {
    let mut bank = Bank::found(Kind::Clear);
    bank.day(40);
    let store = MemoryStore::new();
    bank.back_up(&store).unwrap();
    let drilled = |turns_at| {
        let (below, opened) = (SimulatedDisk::new(), Arc::<AtomicU64>::default());
        let turning = Turning { below, file: "checkpoint.redb", opened: opened.clone(), turns_at };
        let report = drilled(Kind::Clear, &store, Arc::new(turning), Promised::default());
        (report.unwrap(), opened.load(Ordering::Relaxed))
    };
    let (whole, opened) = drilled(u64::MAX);
    assert_eq!(whole.findings, [""; 0]);
    // The last time it is opened by whoever compares.
    let (report, _) = drilled(opened - 1);
    assert_eq!(report.findings.len(), 1, "{:?}", report.findings);
    assert!(report.findings[0].contains("does not hold"), "{:?}", report.findings);
    assert_eq!(report.restored, None);
}
