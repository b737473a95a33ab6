//! Prevents: a transfer id that is forgotten, or one that was never used taken for used: before
//! and after a failed chain is taken back, whatever order the ids come in.

use super::{keys, pairs, questions};
use crate::runs::{Entry, Frontier, Frozen, Recent};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// The plain way to do what [`Recent`] does.
struct Model {
    recent: BTreeMap<u128, u64>,
    frozen: Vec<(Frozen, BTreeMap<u128, u64>)>,
}

impl Model {
    fn check(&self, recent: &Recent) {
        assert_eq!(recent.len(), self.recent.len());
        for key in questions(&self.recent) {
            assert_eq!(recent.get(key), self.recent.get(&key).copied(), "{key:#x}");
            assert!(!(recent.is_new(key) && self.recent.contains_key(&key)), "{key:#x}");
        }
        for (frozen, pairs) in &self.frozen {
            assert_eq!(frozen.len(), pairs.len());
            let entries: Vec<Entry> = frozen.entries().collect();
            let expected = pairs.iter().map(|(&key, &value)| Entry { key, value });
            assert_eq!(entries, expected.collect::<Vec<_>>());
            for key in questions(pairs) {
                assert_eq!(frozen.get(key), pairs.get(&key).copied(), "{key:#x}");
                assert!(!(recent.is_new(key) && pairs.contains_key(&key)), "{key:#x}");
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert,
    /// So many insertions that are then taken back.
    FailedChain(usize),
    Freeze,
    /// What was frozen last was written.
    Reuse,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        20 => Just(Step::Insert),
        2 => (0..5_usize).prop_map(Step::FailedChain),
        1 => Just(Step::Freeze),
        1 => Just(Step::Reuse),
    ];
    prop::collection::vec(step, 1..200)
}

fn check(keys: &[u128], steps: &[Step]) {
    let mut model = Model { recent: BTreeMap::new(), frozen: Vec::new() };
    let mut recent = Recent::new(Frontier::EMPTY);
    let mut left = keys.iter().copied().zip(100..).peekable();
    for step in steps {
        match step {
            Step::Insert => {
                if let Some((key, value)) = left.next() {
                    recent.insert(key, value);
                    model.recent.insert(key, value);
                }
            }
            Step::FailedChain(count) => {
                let frontier = recent.frontier();
                let mark = recent.mark();
                for (key, value) in left.clone().take(*count) {
                    recent.insert(key, value);
                }
                recent.undo(mark);
                assert_eq!(recent.frontier(), frontier);
            }
            Step::Freeze => {
                model.frozen.push((recent.freeze(), std::mem::take(&mut model.recent)));
            }
            Step::Reuse => {
                if let Some((frozen, _)) = model.frozen.pop() {
                    recent.reuse(frozen);
                }
            }
        }
    }
    model.check(&recent);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn recent_answers_like_a_map(keys in keys(60), steps in steps()) {
        check(&keys, &steps);
    }
}

/// Prevents: one stray id after which every transfer's id must be looked up.
#[test]
fn counters_stay_on_the_path_whenever_a_stray_comes() {
    let stray_at = [0, 1, 50, 5_000];
    for stray_at in stray_at {
        let mut recent = Recent::new(Frontier::EMPTY);
        for key in 1..10_000 {
            if key == stray_at + 1 {
                recent.insert(super::STRAY, 7);
            }
            // The very first counter can't know that what came before is a stray.
            assert!(recent.is_new(key) || (stray_at, key) == (0, 1), "{stray_at} {key}");
            recent.insert(key, 1);
        }
        assert_eq!(recent.get(super::STRAY), Some(7));
        assert!(!recent.is_new(super::STRAY));
        let frozen = recent.freeze();
        assert!(recent.is_new(10_000), "{stray_at}");
        assert!(!recent.is_new(super::STRAY));
        assert_eq!(frozen.entries().count(), 10_000);
    }
}

/// Prevents: a bank that moves from counters to UUIDv7 and looks up every id from then on.
#[test]
fn the_path_follows_the_traffic_after_a_freeze() {
    let mut recent = Recent::new(Frontier::EMPTY);
    (1..2_000).for_each(|key| recent.insert(key, 1));
    drop(recent.freeze());
    let first = 1_795_000_000_000_u128 << 80;
    (0..2_000).for_each(|step| recent.insert(first + (step << 78), 1));
    drop(recent.freeze());
    assert!(recent.is_new(first + (2_000 << 78)));
    assert!(!recent.is_new(1_999));
}

/// Prevents: memory that is given back and asked for again at every run, while the bank waits; memory
/// that is used again while its run is being written.
#[test]
fn memory_is_used_again_when_nobody_else_has_it() {
    let mut recent = Recent::new(Frontier::EMPTY);
    let one = recent.bytes();
    recent.insert(1, 1);
    let frozen = recent.freeze();
    let plan = frozen.clone();
    recent.reuse(frozen);
    assert_eq!((recent.bytes(), plan.get(1)), (one, Some(1)), "somebody has it");
    recent.reuse(plan);
    assert_eq!(recent.bytes(), 2 * one);
    recent.insert(2, 2);
    let frozen = recent.freeze();
    assert_eq!((recent.bytes(), frozen.bytes()), (one, one), "none is made");
    assert_eq!((recent.len(), recent.get(1), frozen.get(2)), (0, None, Some(2)));
}

/// Prevents: an undo that runs after another chain began and takes back too much.
#[test]
fn only_the_latest_mark_can_be_undone() {
    let mut recent = Recent::new(Frontier::EMPTY);
    let old = recent.mark();
    recent.insert(1, 1);
    let _new = recent.mark();
    let undone = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| recent.undo(old)));
    assert!(undone.is_err());
}

/// Prevents: one id with two values.
#[test]
fn a_key_is_inserted_once() {
    for (first, then) in [(5, 5), (9, 5), (super::STRAY, 5), (5, super::STRAY)] {
        let mut recent = Recent::new(Frontier::EMPTY);
        recent.insert(first, 1);
        if first != then {
            recent.insert(then, 2);
        }
        for twice in [first, then] {
            let insert = std::panic::AssertUnwindSafe(|| recent.insert(twice, 3));
            assert!(std::panic::catch_unwind(insert).is_err(), "{first} {then} {twice}");
        }
        assert_eq!(recent.len(), pairs([first, then]).len());
    }
}
