//! Streams of keys as callers make them, and the tests that need more than one file.

mod crash;
mod damage;
mod index;
mod recent;
mod sealed;
mod set;

use super::{Entry, Run, RunError, RunKind, RunName, RunWriter};
use crate::disk::Disk;
use florin_ledger::Lsn;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The key that must not spoil the path of the others.
const STRAY: u128 = u128::MAX - 1;

/// Keys in the order in which they are inserted, all different.
fn keys(count_max: usize) -> impl Strategy<Value = Vec<u128>> {
    let rising = (1..1_u128 << 100, prop::collection::vec(1..1_000_u128, 1..count_max));
    let rising = rising.prop_map(|(first, steps)| {
        let sum = |key: &mut u128, step: u128| {
            *key += step;
            Some(*key)
        };
        steps.into_iter().scan(first, sum).collect::<Vec<_>>()
    });
    let random = prop::collection::vec(1..u128::MAX, 1..count_max);
    // Milliseconds that go back by up to five, in the upper 48 bits; anything below.
    let skewed = prop::collection::vec((0..5_u128, 0..1_u128 << 80), 1..count_max);
    let skewed = skewed.prop_map(|parts| {
        let keys = (1_795_000_000_000_u128..).zip(parts);
        keys.map(|(now, (skew, low))| (now - skew) << 80 | low).collect::<Vec<_>>()
    });
    let either = prop_oneof![
        rising.clone(),
        rising.clone().prop_map(|keys| keys.into_iter().rev().collect()),
        random,
        skewed,
    ];
    (either, rising, prop::option::of(any::<prop::sample::Index>())).prop_map(
        |(first, then, stray)| {
            let mut keys: Vec<u128> = first.into_iter().chain(then).collect();
            if let Some(place) = stray {
                keys.insert(place.index(keys.len()), STRAY);
            }
            let mut seen = std::collections::BTreeSet::new();
            keys.retain(|key| seen.insert(*key));
            keys
        },
    )
}

/// Keys worth asking for: those that are there and those beside them.
fn questions(model: &BTreeMap<u128, u64>) -> Vec<u128> {
    let beside = |key: &u128| [key - 1, *key, key + 1];
    let mut questions: Vec<u128> = model.keys().flat_map(beside).collect();
    questions.extend([1, STRAY, 1 << 64]);
    questions.retain(|key| *key != 0 && *key != u128::MAX);
    questions
}

fn name(number: u64) -> RunName {
    RunName { kind: RunKind::TransferIds, number }
}

/// Writes a run; the log is durable up to its position.
fn write(
    disk: &Arc<dyn Disk>,
    name: RunName,
    pairs: &BTreeMap<u128, u64>,
) -> Result<Arc<Run>, RunError> {
    let position = Lsn(name.number * 1_000);
    let count = u64::try_from(pairs.len()).unwrap();
    let mut writer = RunWriter::create(disk, name, position, count)?;
    for (&key, &value) in pairs {
        writer.push(Entry { key, value })?;
    }
    writer.finish(position)
}

/// Every pair of a run.
fn read(run: &Arc<Run>) -> Result<BTreeMap<u128, u64>, RunError> {
    run.entries().map(|entry| entry.map(|entry| (entry.key, entry.value))).collect()
}

/// Pairs with values that rise with the keys, as ids in order of time have.
fn pairs(keys: impl IntoIterator<Item = u128>) -> BTreeMap<u128, u64> {
    keys.into_iter().zip((4_096..).step_by(112)).collect()
}
