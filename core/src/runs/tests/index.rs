//! Prevents: an id that is forgotten while it moves from memory to a run, or from run to run.

use super::{keys, questions};
use crate::disk::Disk;
use crate::disk::simulated::SimulatedDisk;
use crate::runs::{Index, Lookup, RunKind, RunSet};
use florin_ledger::Lsn;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

fn check(index: &Index, model: &BTreeMap<u128, u64>) {
    for key in questions(model) {
        let expected = model.get(&key).copied();
        assert_eq!(index.get(key).unwrap(), expected, "{key:#x}");
        match index.lookup(key) {
            Lookup::Absent => assert_eq!(expected, None, "{key:#x}"),
            Lookup::Found(value) => assert_eq!(expected, Some(value), "{key:#x}"),
            Lookup::Unknown => assert_eq!(index.get_in_memory(key), None, "{key:#x}"),
        }
    }
    assert_eq!(index.entries_count(), u64::try_from(model.len()).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn an_index_answers_like_a_map(keys in keys(150), frozen_max in 0..3_usize) {
        let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new());
        let mut index = Index::new(RunSet::empty(RunKind::TransferIds));
        let mut model = BTreeMap::new();
        let mut plans = Vec::new();
        let part = keys.len().div_ceil(12);
        for (position, keys) in (1..).map(Lsn).zip(keys.chunks(part)) {
            for key in keys {
                prop_assert_eq!(index.get(*key).unwrap(), None);
                index.insert(*key, position.0);
                model.insert(*key, position.0);
            }
            plans.extend(index.freeze(position));
            prop_assert!(index.freeze(position).is_none());
            while frozen_max < plans.len() {
                let run = plans.remove(0).write(&disk, position).unwrap();
                index.install(run);
            }
            if let Some(plan) = index.merge_due() {
                let mut merge = plan.begin(&disk).unwrap();
                while !merge.step(50).unwrap() {}
                index.replace(&plan.runs, merge.finish(position).unwrap());
            }
            check(&index, &model);
        }
        for plan in plans {
            index.install(plan.write(&disk, plan.position()).unwrap());
        }
        check(&index, &model);
        let names: Vec<_> = index.runs().names().collect();
        let runs = RunSet::open(&*disk, RunKind::TransferIds, &names).unwrap();
        check(&Index::new(runs), &model);
    }
}
