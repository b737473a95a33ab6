//! Prevents (faults 37 and 45): a power cut, an I/O error or a full disk while a run is written
//! that leaves a run which is named but not whole, or takes an old one away.

use super::{name, pairs, read, write};
use crate::disk::Disk;
use crate::disk::simulated::SimulatedDisk;
use crate::runs::{Run, RunKind, RunName, RunSet, orphans, remove};
use std::sync::Arc;

#[test]
fn a_named_run_is_whole_at_every_power_cut() {
    let simulated = SimulatedDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(simulated.clone());
    let old = write(&disk, name(1), &pairs(1..900)).unwrap();
    let begun = simulated.operations_count();
    let new = pairs((1..30_000).map(|number| 1_000 + number * 7));
    write(&disk, name(2), &new).unwrap();
    for operations_count in begun..=simulated.operations_count() {
        for seed in 0..12 {
            let image = simulated.crash_image(operations_count, seed);
            let files = image.list("runs").unwrap();
            for name in files.iter().filter_map(|file| file.parse::<RunName>().ok()) {
                let run = Arc::new(Run::open(&image, name).unwrap());
                assert_eq!(u64::try_from(read(&run).unwrap().len()), Ok(run.entries_count()));
            }
            let is_done = operations_count == simulated.operations_count();
            assert!(!is_done || files.contains(&name(2).to_string()), "acknowledged but lost");
            let left = orphans(&image, &[name(1)]).unwrap();
            remove(&image, &left).unwrap();
            let set = RunSet::open(&image, RunKind::TransferIds, &[name(1)]).unwrap();
            assert_eq!(set.entries_count(), old.entries_count());
            assert_eq!(image.list("runs").unwrap(), [name(1).to_string()]);
        }
    }
}

#[test]
fn every_failing_call_is_reported_and_can_be_tried_again() {
    let faults: [fn(&SimulatedDisk, u64); 2] =
        [SimulatedDisk::fail_call, SimulatedDisk::fill_after];
    for break_at in faults {
        let mut succeeded = false;
        for calls_count in 0..100 {
            let simulated = SimulatedDisk::new();
            let disk: Arc<dyn Disk> = Arc::new(simulated.clone());
            let pairs = pairs(1..900);
            break_at(&simulated, calls_count);
            succeeded = write(&disk, name(1), &pairs).is_ok();
            simulated.lift_faults();
            if succeeded {
                break;
            }
            // The name may be there if only the last sync failed; writing again replaces it.
            let run = write(&disk, name(1), &pairs).unwrap();
            assert_eq!(read(&run).unwrap(), pairs);
        }
        assert!(succeeded, "there are fewer calls than that");
    }
}

/// Prevents: a run that knows of records which a power cut takes from the log.
#[test]
fn a_run_ahead_of_the_durable_log_is_refused() {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new());
    let position = florin_ledger::Lsn(100);
    let mut writer = crate::runs::RunWriter::create(&disk, name(1), position, 1).unwrap();
    writer.push(crate::runs::Entry { key: 1, value: 1 }).unwrap();
    let finish = std::panic::AssertUnwindSafe(|| writer.finish(florin_ledger::Lsn(99)));
    assert!(std::panic::catch_unwind(finish).is_err());
    assert!(disk.list("runs").unwrap().iter().all(|file| file.ends_with(".partial")));
}
