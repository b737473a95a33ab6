//! Prevents: a document that is forgotten, or an old version or a deleted one that comes back, while
//! its key moves from memory to a run and from run to run, or when a request is taken back.

use super::{
    DocumentMergePlan, Model, deletion, expected_scan, hard_keys, merged, name, put, scan,
};
use crate::disk::Disk;
use crate::disk::simulated::SimulatedDisk;
use crate::documents::{
    DocumentEntry, DocumentIndex, DocumentLookup, DocumentRunPlan, DocumentRuns, KeyOrder, KeyRange,
};
use florin_ledger::{Lsn, Timestamp};
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::VecDeque;
use std::sync::Arc;

#[derive(Clone, Debug)]
enum Step {
    Put(Index),
    Delete(Index),
    /// Puts and deletions that are taken back.
    FailedRequest(Vec<(Index, bool)>),
    Freeze,
    Install,
    /// The merge that is due, if one is.
    Merge,
    /// A merge of any neighbours.
    MergeAny(Index, Index),
    /// Everything that is in no run is lost, as in a restart that replays nothing.
    Reopen,
    Scan(Index, Index, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let key = any::<Index>;
    prop_oneof![
        30 => key().prop_map(Step::Put),
        12 => key().prop_map(Step::Delete),
        3 => prop::collection::vec((key(), any::<bool>()), 0..8).prop_map(Step::FailedRequest),
        8 => Just(Step::Freeze),
        8 => Just(Step::Install),
        2 => Just(Step::Merge),
        3 => (key(), key()).prop_map(|(first, second)| Step::MergeAny(first, second)),
        1 => Just(Step::Reopen),
        4 => (key(), key(), 1..9_usize).prop_map(|(from, to, limit)| Step::Scan(from, to, limit)),
    ]
}

/// The index under test, and what it must answer.
struct Bench {
    disk: Arc<dyn Disk>,
    index: DocumentIndex,
    keys: Vec<Vec<u8>>,
    model: Model,
    position: Lsn,
    merges_count: u64,
    /// Frozen parts whose runs are not written yet.
    plans: VecDeque<DocumentRunPlan>,
    /// What was known at the position of each run.
    moments: Vec<(Lsn, Model)>,
}

impl Bench {
    fn new() -> Bench {
        Bench {
            disk: Arc::new(SimulatedDisk::new()),
            index: DocumentIndex::new(DocumentRuns::empty()),
            keys: hard_keys(),
            model: Model::new(),
            position: Lsn(4_096),
            merges_count: 0,
            plans: VecDeque::new(),
            moments: vec![(Lsn::NONE, Model::new())],
        }
    }

    fn entry(&mut self, is_deleted: bool) -> DocumentEntry {
        self.position = Lsn(self.position.0 + 112);
        if is_deleted { deletion(self.position.0) } else { put(self.position.0) }
    }

    fn write(&mut self, key: &Index, is_deleted: bool) {
        let entry = self.entry(is_deleted);
        let key = key.get(&self.keys).clone();
        self.index.insert(&key, entry);
        self.model.insert(key, entry);
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Put(key) => self.write(key, false),
            Step::Delete(key) => self.write(key, true),
            Step::FailedRequest(writes) => {
                let mark = self.index.mark();
                for (key, is_deleted) in writes {
                    let entry = self.entry(*is_deleted);
                    let key: &Vec<u8> = key.get(&self.keys);
                    self.index.insert(key, entry);
                }
                self.index.undo(mark);
            }
            Step::Freeze => {
                self.position = Lsn(self.position.0 + 112);
                if let Some(plan) = self.index.freeze(self.position) {
                    self.moments.push((self.position, self.model.clone()));
                    self.plans.push_back(plan);
                }
            }
            Step::Install => {
                if let Some(plan) = self.plans.pop_front() {
                    let run = plan.write(&self.disk, plan.position()).unwrap();
                    // From here on its memory may be used again.
                    drop(plan);
                    self.index.install(run);
                }
            }
            Step::Merge => {
                if let Some(plan) = self.index.merge_due() {
                    self.index.replace(&plan.runs, merged(&self.disk, &plan, Timestamp(0)));
                }
            }
            Step::MergeAny(first, second) => self.merge_any(first, second),
            Step::Reopen => self.reopen(),
            Step::Scan(from, to, limit) => self.scan(from, to, *limit),
        }
    }

    fn merge_any(&mut self, first: &Index, second: &Index) {
        let runs = self.index.runs().runs();
        if runs.len() < 2 {
            return;
        }
        let (first, second) = (first.index(runs.len()), second.index(runs.len()));
        let (first, second) = (first.min(second), first.max(second));
        if first < second {
            self.merges_count += 1;
            // Far above the numbers that the index gives, also after it was opened again.
            let name = name(self.merges_count * 1_000_000);
            let plan = DocumentMergePlan { runs: runs[first..=second].to_vec(), name };
            self.index.replace(&plan.runs, merged(&self.disk, &plan, Timestamp(0)));
        }
    }

    fn reopen(&mut self) {
        let names: Vec<_> = self.index.runs().names().collect();
        self.index = DocumentIndex::new(DocumentRuns::open(&*self.disk, &names).unwrap());
        self.plans.clear();
        let position = self.index.runs().position();
        self.moments.retain(|(moment, _)| *moment <= position);
        let (moment, model) = self.moments.last().unwrap();
        assert_eq!(*moment, position);
        self.model = model.clone();
    }

    fn scan(&self, from: &Index, to: &Index, limit: usize) {
        let (from, to) = (from.get(&self.keys), to.get(&self.keys));
        let ranges = [KeyRange::new(from, Some(to)), KeyRange::prefix(from), KeyRange::all()];
        for range in ranges {
            for order in [KeyOrder::Rising, KeyOrder::Falling] {
                let expected = expected_scan(&self.model, &range, order);
                assert_eq!(
                    scan(&self.index, &range, order, limit),
                    expected,
                    "{range:?} {order:?}"
                );
            }
        }
    }

    fn check(&self) {
        for key in &self.keys {
            let expected = self.model.get(key).copied();
            let live = expected.filter(|entry| !entry.is_deleted);
            let found = self.index.get(key).unwrap();
            assert!(found.is_none() || found == expected, "{key:?}: {found:?}");
            assert_eq!(found.filter(|entry| !entry.is_deleted), live, "{key:?}");
            match self.index.lookup(key) {
                DocumentLookup::Absent => assert_eq!(found, None, "{key:?}"),
                DocumentLookup::Found(entry) => assert_eq!(Some(entry), expected, "{key:?}"),
                DocumentLookup::Unknown => {
                    assert_eq!(self.index.get_in_memory(key), None, "{key:?}");
                    assert_eq!(self.index.runs().get(key).unwrap(), found, "{key:?}");
                }
            }
        }
        let mut visited = Model::new();
        let visit = |key: &[u8], entry| {
            let before = visited.insert(key.to_vec(), entry);
            assert_eq!(before, None, "visited twice: {key:?}");
        };
        self.index.visit(visit).unwrap();
        let live = self.model.iter().filter(|(_, entry)| !entry.is_deleted);
        assert_eq!(visited, live.map(|(key, entry)| (key.clone(), *entry)).collect());
        assert!(u64::try_from(visited.len()).unwrap() <= self.index.entries_count());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn an_index_answers_like_a_map(steps in prop::collection::vec(step(), 1..250)) {
        let mut bench = Bench::new();
        for (count, step) in steps.iter().enumerate() {
            bench.take(step);
            if count.is_multiple_of(16) {
                bench.check();
            }
        }
        bench.check();
        bench.reopen();
        bench.check();
    }
}

/// Prevents: an undo that runs after another request began and takes back too much.
#[test]
fn only_the_latest_mark_can_be_undone() {
    let mut index = DocumentIndex::new(DocumentRuns::empty());
    let old = index.mark();
    index.insert(&[0, 7], put(1));
    let _new = index.mark();
    let undone = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| index.undo(old)));
    assert!(undone.is_err());
}
