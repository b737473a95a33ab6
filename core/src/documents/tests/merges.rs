//! Prevents: a merge that lets an old version win or brings a deleted document back; ever more runs
//! to look into, or all of them written again and again.

use super::{DocumentMergePlan, Model, deletion, merged, name, put, read, write};
use crate::disk::Disk;
use crate::disk::simulated::SimulatedDisk;
use crate::documents::{DocumentRun, DocumentRuns};
use crate::limits::RUNS_PER_SIZE_MAX;
use crate::runs::orphans;
use florin_ledger::{TableId, Timestamp};
use std::sync::Arc;

fn runs(disk: &Arc<dyn Disk>, models: &[Model]) -> Vec<Arc<DocumentRun>> {
    let runs = models.iter().zip(1..).map(|(model, number)| write(disk, number, model).unwrap());
    let mut runs: Vec<_> = runs.collect();
    runs.reverse();
    runs
}

fn model(entries: &[(&str, crate::documents::DocumentEntry)]) -> Model {
    entries.iter().map(|(key, entry)| (key.as_bytes().to_vec(), *entry)).collect()
}

/// Fault 28: deleted entries come back.
#[test]
fn the_newest_wins_and_deletions_go_with_the_oldest_run_only() {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new());
    let models = [
        model(&[("t.a", put(1)), ("t.b", put(2)), ("t.c", put(3))]),
        model(&[("t.a", deletion(11)), ("t.b", put(12))]),
        model(&[("t.b", deletion(21)), ("t.d", deletion(22)), ("t.e", put(23))]),
    ];
    let runs = runs(&disk, &models);
    let newer = DocumentMergePlan { runs: runs[..2].to_vec(), name: name(10) };
    let newer = read(&merged(&disk, &newer, Timestamp(0))).unwrap();
    let kept =
        [("t.a", deletion(11)), ("t.b", deletion(21)), ("t.d", deletion(22)), ("t.e", put(23))];
    assert_eq!(newer, model(&kept));
    let all = DocumentMergePlan { runs, name: name(11) };
    let all = read(&merged(&disk, &all, Timestamp(0))).unwrap();
    assert_eq!(all, model(&[("t.c", put(3)), ("t.e", put(23))]));
}

#[test]
fn expiries_of_the_past_are_dropped_by_any_merge() {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new());
    let key = |table: u16, due: u64| {
        [&table.to_be_bytes()[..], &due.to_be_bytes(), &1_u64.to_be_bytes()].concat()
    };
    let expiries = |dues: &[u64]| -> Model {
        dues.iter().map(|due| (key(TableId::EXPIRIES.0, *due), put(1))).collect()
    };
    let mut oldest = expiries(&[50, 150]);
    oldest.insert(key(7, 50), put(1));
    let runs = runs(&disk, &[oldest, expiries(&[60, 100, 170]), expiries(&[99, 180])]);
    let plan = DocumentMergePlan { runs: runs[..2].to_vec(), name: name(10) };
    let newer = merged(&disk, &plan, Timestamp(100));
    assert_eq!(read(&newer).unwrap(), expiries(&[100, 170, 180]));
    let plan = DocumentMergePlan { runs: vec![newer, runs[2].clone()], name: name(11) };
    let mut left = expiries(&[170, 180]);
    left.insert(key(7, 50), put(1));
    assert_eq!(read(&merged(&disk, &plan, Timestamp(160))).unwrap(), left);
}

#[test]
fn only_neighbours_in_age_are_merged() {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new());
    let models = [1, 2, 3].map(|lsn| model(&[("t.a", put(lsn))]));
    let runs = runs(&disk, &models);
    let apart = DocumentMergePlan { runs: vec![runs[0].clone(), runs[2].clone()], name: name(10) };
    let begin = std::panic::AssertUnwindSafe(|| apart.begin(&disk, Timestamp(0)).map(drop));
    assert!(std::panic::catch_unwind(begin).is_err());
}

/// Prevents: filters that keep the size of all that was overwritten.
#[test]
fn a_merge_of_the_same_keys_takes_the_memory_of_one_run() {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new());
    let models: Vec<Model> = (0..8)
        .map(|lsn| (0..4_000_u32).map(|key| (key.to_be_bytes().to_vec(), put(lsn))).collect())
        .collect();
    let runs = runs(&disk, &models);
    let one = runs[0].memory_bytes();
    let plan = DocumentMergePlan { runs, name: name(10) };
    let merged = merged(&disk, &plan, Timestamp(0));
    assert_eq!(merged.entries_count(), 4_000);
    assert!(merged.memory_bytes() < one + one / 4, "{} {one}", merged.memory_bytes());
    assert_eq!(read(&merged).unwrap(), models[7]);
}

/// Prevents: more than seven runs of a class left when no merge is due, and a merge of a large run
/// for the sake of small ones.
#[test]
fn runs_of_one_size_are_merged_and_larger_ones_left() {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new());
    let large: Model = (0..300_000_u32).map(|key| (key.to_be_bytes().to_vec(), put(1))).collect();
    let mut set = DocumentRuns::empty().with_run(write(&disk, 1, &large).unwrap());
    for number in 2.. {
        assert!(set.merge_due().is_none());
        let small = model(&[("t.a", put(number))]);
        set = set.with_run(write(&disk, number, &small).unwrap());
        if set.runs().len() == 1 + RUNS_PER_SIZE_MAX {
            break;
        }
    }
    let due = set.merge_due().unwrap();
    assert_eq!(due.len(), RUNS_PER_SIZE_MAX);
    assert!(due.iter().all(|run| run.entries_count() == 1));
    let merged =
        merged(&disk, &DocumentMergePlan { runs: due.clone(), name: name(100) }, Timestamp(0));
    let after = set.replacing(&due, merged);
    assert_eq!(after.runs().len(), 2);
    assert_eq!(after.position(), set.position());
    assert!(!after.is_same(&set));
    assert_eq!(after.get(b"t.a").unwrap(), Some(put(9)));
    let named: Vec<_> = after.names().collect();
    assert_eq!(orphans(&*disk, &named).unwrap().len(), RUNS_PER_SIZE_MAX);

    // A small run behind a large one counts as large: the large one hides it from the small ones.
    let set = after.with_run(write(&disk, 10, &large).unwrap());
    assert!(set.merge_due().is_none());
    let hidden =
        (11..17).fold(set, |set, number| set.with_run(write(&disk, number, &large).unwrap()));
    let due = hidden.merge_due().unwrap();
    assert_eq!(due.len(), 9, "all of the large ones, and the small one among them");
}
