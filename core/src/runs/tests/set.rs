//! Prevents: a key that is lost between memory, runs and merges, or found where it never was.

use super::{STRAY, keys, name, pairs, questions, read, write};
use crate::disk::Disk;
use crate::disk::simulated::SimulatedDisk;
use crate::limits::RUNS_PER_SIZE_MAX;
use crate::runs::{Damage, Merge, Run, RunError, RunKind, RunSet, orphans, remove};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

fn check(set: &RunSet, model: &BTreeMap<u128, u64>) {
    for key in questions(model) {
        let expected = model.get(&key).copied();
        assert_eq!(set.get(key).unwrap(), expected, "{key:#x}");
        assert!(expected.is_none() || set.candidates(key).next().is_some(), "{key:#x}");
        assert!(expected.is_none() || !set.frontier().admits(key), "{key:#x}");
    }
    assert_eq!(set.entries_count(), u64::try_from(model.len()).unwrap());
}

fn merged(disk: &Arc<dyn Disk>, set: &RunSet, runs: &[Arc<Run>], number: u64) -> RunSet {
    let mut merge = Merge::new(disk, runs, name(number)).unwrap();
    while !merge.step(7).unwrap() {}
    set.replacing(runs, merge.finish(set.position()).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_set_answers_like_a_map(keys in keys(400), parts in 2..10_usize) {
        let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new());
        let values: Vec<(u128, u64)> = keys.iter().copied().zip(1_000..).collect();
        let model: BTreeMap<u128, u64> = values.iter().copied().collect();
        let mut set = RunSet::empty(RunKind::TransferIds);
        for (part, number) in values.chunks(values.len().div_ceil(parts)).zip(1..) {
            let pairs = part.iter().copied().collect();
            let run = write(&disk, name(number), &pairs).unwrap();
            prop_assert_eq!(read(&run).unwrap(), pairs);
            set = set.with_run(run);
        }
        check(&set, &model);
        let names: Vec<_> = set.names().collect();
        set = RunSet::open(&*disk, RunKind::TransferIds, &names).unwrap();
        check(&set, &model);
        if 2 < set.runs().len() {
            let middle = set.runs()[1..].to_vec();
            set = merged(&disk, &set, &middle, 100);
            check(&set, &model);
        }
    }
}

/// Prevents: outliers that hide, after a restart, that counters are new.
#[test]
fn the_frontier_comes_back_with_the_runs() {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new());
    let mut set = RunSet::empty(RunKind::TransferIds);
    assert!(set.frontier().admits(1));
    for number in 1..5 {
        let first = u128::from(number) * 3_000;
        let mut keys: Vec<u128> = (first..first + 3_000).collect();
        keys.push(STRAY - u128::from(number));
        set = set.with_run(write(&disk, name(number), &pairs(keys)).unwrap());
    }
    let frontier = set.frontier();
    assert_eq!(frontier.max(), 14_999);
    assert_eq!(frontier.outlier_min(), STRAY - 4);
    // Dense counters need no filter, and nothing is read for a key between them and the strays.
    assert_eq!(set.candidates(1 << 90).count(), 0);
    assert!(set.memory_bytes() < 4 * 1_024, "{}", set.memory_bytes());
}

/// Prevents: ever more runs to look into, or all of them rewritten again and again.
#[test]
fn runs_of_one_size_are_merged_and_larger_ones_left() {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new());
    let large = write(&disk, name(1), &pairs(1..5_000)).unwrap();
    let mut set = RunSet::empty(RunKind::TransferIds).with_run(large);
    for number in 2.. {
        assert!(set.merge_due().is_none());
        let first = u128::from(number) * 10_000;
        set = set.with_run(write(&disk, name(number), &pairs(first..first + 70)).unwrap());
        if set.runs().len() == 1 + RUNS_PER_SIZE_MAX {
            break;
        }
    }
    let due = set.merge_due().unwrap();
    assert_eq!(due.len(), RUNS_PER_SIZE_MAX);
    assert!(due.iter().all(|run| run.entries_count() == 70));
    let after = merged(&disk, &set, &due, 100);
    assert_eq!(after.runs().len(), 2);
    assert_eq!(after.position(), set.position());
    assert!(!after.is_same(&set));

    let named: Vec<_> = after.names().collect();
    let orphans = orphans(&*disk, &named).unwrap();
    assert_eq!(orphans.len(), RUNS_PER_SIZE_MAX);
    remove(&*disk, &orphans).unwrap();
    // A reader that still has the old set goes on reading.
    assert_eq!(set.get(20_000).unwrap(), Some(4_096));
    assert_eq!(
        disk.list("runs").unwrap(),
        ["transfer_ids-00000000000000000001", "transfer_ids-00000000000000000100"]
    );
}

/// Prevents: two records of one id, of which a merge silently keeps one.
#[test]
fn a_key_in_two_runs_is_named() {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new());
    let runs =
        [(1, 8), (2, 9)].map(|(number, key)| write(&disk, name(number), &pairs([7, key])).unwrap());
    let mut merge = Merge::new(&disk, &runs, name(3)).unwrap();
    let error = merge.step(100).unwrap_err();
    assert!(matches!(error, RunError::Damaged { damage: Damage::Twice { key: 7 }, .. }), "{error}");
}

/// Prevents: files that are not ours removed with the orphans.
#[test]
fn only_run_files_are_orphans() {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new());
    assert!(orphans(&*disk, &[]).unwrap().is_empty());
    write(&disk, name(1), &pairs([1])).unwrap();
    for file in
        ["runs/notes", "runs/notes.partial", "runs/hold_outcomes-00000000000000000009.partial"]
    {
        disk.create(file, crate::disk::Access::Buffered).unwrap();
    }
    let found = orphans(&*disk, &[name(1)]).unwrap();
    assert_eq!(found, ["runs/hold_outcomes-00000000000000000009.partial"]);
}
