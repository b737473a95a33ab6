//! Prevents: a scan that shows a deleted or an old version, stops early, or goes on past its range,
//! where memory and runs overlap and pages end in the middle.

use super::{Model, expected_scan, scan};
use crate::disk::Disk;
use crate::disk::simulated::SimulatedDisk;
use crate::documents::{DocumentEntry, DocumentIndex, DocumentRuns, KeyOrder, KeyRange};
use florin_ledger::Lsn;
use std::sync::Arc;

/// Two thousand keys in five runs, a frozen part and memory, each part of a third of them.
fn sample() -> (DocumentIndex, Model) {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new());
    let mut index = DocumentIndex::new(DocumentRuns::empty());
    let mut model = Model::new();
    let mut lsn = 4_096;
    for part in 0..7_u64 {
        for number in (part..2_000).step_by(3) {
            lsn += 112;
            let is_deleted = (number + part).is_multiple_of(4);
            let entry = DocumentEntry { lsn: Lsn(lsn), is_deleted };
            let key = [&[0, 7 + u8::try_from(number % 2).unwrap()], &number.to_be_bytes()[..]];
            index.insert(&key.concat(), entry);
            model.insert(key.concat(), entry);
        }
        lsn += 112;
        if part < 6 {
            let plan = index.freeze(Lsn(lsn)).unwrap();
            if part < 5 {
                index.install(plan.write(&disk, Lsn(lsn)).unwrap());
            }
        }
    }
    assert_eq!((index.runs().runs().len(), index.frozen_count()), (5, 1));
    (index, model)
}

/// Fault 62: a cursor ignores the page size or the order.
#[test]
fn pages_of_every_size_give_the_same() {
    let (index, model) = sample();
    let key = |number: u64| [&[0, 7][..], &number.to_be_bytes()].concat();
    let ranges = [
        KeyRange::all(),
        KeyRange::prefix(&[0, 7]),
        KeyRange::prefix(&[0, 8]),
        KeyRange::prefix(&[0, 9]),
        KeyRange::prefix(&key(600)[..9]),
        KeyRange::new(&key(500), Some(&key(502))),
        KeyRange::new(&key(500), Some(&key(500))),
        KeyRange::new(&key(900), Some(&key(100))),
        KeyRange::new(&key(1_990), None),
    ];
    for range in ranges {
        for order in [KeyOrder::Rising, KeyOrder::Falling] {
            let expected = expected_scan(&model, &range, order);
            for limit in [1, 2, 7, 100, 5_000] {
                let found = scan(&index, &range, order, limit);
                assert_eq!(found, expected, "{range:?} {order:?} {limit}");
            }
        }
    }
}

/// Prevents: a page that mixes two moments, because memory changed while it was read.
#[test]
fn a_page_is_as_of_the_moment_that_it_was_begun() {
    let (mut index, model) = sample();
    let range = KeyRange::prefix(&[0, 7]);
    let begun = index.scan(range.clone(), KeyOrder::Rising, 5_000);
    for key in model.keys() {
        index.insert(key, super::deletion(1 << 40));
    }
    assert_eq!(begun.page().unwrap().keys, expected_scan(&model, &range, KeyOrder::Rising));
    assert!(scan(&index, &range, KeyOrder::Rising, 5_000).is_empty());
}
