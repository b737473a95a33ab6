//! Prevents (faults 37 and 45): a power cut, an I/O error or a full disk while a run of documents is
//! written or merged that leaves a run which is named but not whole, or takes an old one away.

use super::{DocumentMergePlan, Model, name, read, sample, write};
use crate::disk::Disk;
use crate::disk::simulated::SimulatedDisk;
use crate::documents::{DocumentRun, DocumentRuns};
use crate::runs::{RunError, RunName, orphans, remove};
use florin_ledger::{Lsn, Timestamp};
use std::sync::Arc;

#[test]
fn a_named_run_is_whole_at_every_power_cut() {
    let simulated = SimulatedDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(simulated.clone());
    let model = sample(9_000);
    let runs = [2, 1].map(|number| write(&disk, number, &model).unwrap());
    let begun = simulated.operations_count();
    let plan = DocumentMergePlan { runs: runs.to_vec(), name: name(3) };
    super::merged(&disk, &plan, Timestamp(0));
    let old = [name(1), name(2)];
    for operations_count in begun..=simulated.operations_count() {
        for seed in 0..12 {
            let image = simulated.crash_image(operations_count, seed);
            let files = image.list("runs").unwrap();
            for name in files.iter().filter_map(|file| file.parse::<RunName>().ok()) {
                let run = Arc::new(DocumentRun::open(&image, name).unwrap());
                assert_eq!(u64::try_from(read(&run).unwrap().len()), Ok(run.entries_count()));
            }
            let is_done = operations_count == simulated.operations_count();
            assert!(!is_done || files.contains(&name(3).to_string()), "acknowledged but lost");
            remove(&image, &orphans(&image, &old).unwrap()).unwrap();
            let set = DocumentRuns::open(&image, &old).unwrap();
            assert_eq!(set.entries_count(), 18_000);
            assert_eq!(image.list("runs").unwrap(), old.map(|name| name.to_string()));
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
            let model = sample(900);
            break_at(&simulated, calls_count);
            succeeded = write(&disk, 1, &model).is_ok();
            simulated.lift_faults();
            if succeeded {
                break;
            }
            // The name may be there if only the last sync failed; writing again replaces it.
            let run = write(&disk, 1, &model).unwrap();
            assert_eq!(read(&run).unwrap(), model);
        }
        assert!(succeeded, "there are fewer calls than that");
    }
}

/// Prevents: a merge that fails half-way and answers with half of the keys.
#[test]
fn a_merge_that_can_not_read_leaves_the_runs_as_they_are() {
    let simulated = SimulatedDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(simulated.clone());
    let model = sample(2_000);
    let runs = [2, 1].map(|number| write(&disk, number, &model).unwrap());
    let mut failed_count = 0;
    for calls_count in 0..40 {
        let plan = DocumentMergePlan { runs: runs.to_vec(), name: name(3) };
        simulated.fail_call(calls_count);
        let merged = merge(&disk, &plan);
        simulated.lift_faults();
        match merged {
            Ok(run) => assert_eq!(read(&run).unwrap(), live(&model)),
            Err(error) => {
                failed_count += 1;
                assert!(matches!(error, RunError::Io { .. }), "{error}");
            }
        }
        assert_eq!(read(&runs[0]).unwrap(), model);
    }
    assert!(10 < failed_count, "{failed_count}");
}

fn merge(disk: &Arc<dyn Disk>, plan: &DocumentMergePlan) -> Result<Arc<DocumentRun>, RunError> {
    let mut merge = plan.begin(disk, Timestamp(0))?;
    while !merge.step(100)? {}
    merge.finish(Lsn(2_000))
}

fn live(model: &Model) -> Model {
    let live = model.iter().filter(|(_, entry)| !entry.is_deleted);
    live.map(|(key, entry)| (key.clone(), *entry)).collect()
}

/// Prevents: a run that knows of records which a power cut takes from the log.
#[test]
fn a_run_ahead_of_the_durable_log_is_refused() {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new());
    let mut index = crate::documents::DocumentIndex::new(DocumentRuns::empty());
    index.insert(&[0, 7], super::put(50));
    let plan = index.freeze(Lsn(100)).unwrap();
    let write = std::panic::AssertUnwindSafe(|| plan.write(&disk, Lsn(99)));
    assert!(std::panic::catch_unwind(write).is_err());
    assert!(disk.list("runs").unwrap().iter().all(|file| file.ends_with(".partial")));
}
