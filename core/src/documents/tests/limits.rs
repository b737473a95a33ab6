//! Prevents: keys at the ends of what is allowed that are lost, cut, or taken for others; memory
//! that grows beyond its bound.

use super::{deletion, hard_keys, merged, put, scan};
use crate::disk::Disk;
use crate::disk::simulated::SimulatedDisk;
use crate::documents::block::LSN_MAX;
use crate::documents::{
    DocumentEntry, DocumentIndex, DocumentLookup, DocumentRuns, KeyOrder, KeyRange,
};
use crate::limits::{
    DOCUMENT_RECENT_BYTES_MAX, DOCUMENT_SCAN_COPIES_MAX, DOCUMENT_SCAN_ENTRIES_MAX,
    DOCUMENT_SCAN_KEYS_MAX, FROZEN_PARTS_MAX, INDEX_KEY_BYTES_MAX,
};
use florin_ledger::{Lsn, Timestamp};
use std::sync::Arc;

#[test]
fn keys_that_are_hard_to_tell_apart_keep_their_own_entries() {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new());
    let mut index = DocumentIndex::new(DocumentRuns::empty());
    let entry = |place: usize| DocumentEntry {
        lsn: if place.is_multiple_of(2) { LSN_MAX } else { Lsn(u64::try_from(place).unwrap()) },
        is_deleted: place.is_multiple_of(3),
    };
    for (place, key) in hard_keys().iter().enumerate() {
        assert_eq!(index.lookup(key), DocumentLookup::Absent);
        index.insert(key, entry(place));
    }
    let check = |index: &DocumentIndex| {
        for (place, key) in hard_keys().iter().enumerate() {
            assert_eq!(index.get(key).unwrap(), Some(entry(place)), "{key:?}");
        }
    };
    check(&index);
    let plan = index.freeze(LSN_MAX).unwrap();
    check(&index);
    index.install(plan.write(&disk, LSN_MAX).unwrap());
    check(&index);
}

#[test]
fn keys_and_positions_out_of_bounds_are_bugs() {
    let long = vec![1; INDEX_KEY_BYTES_MAX + 1];
    let beyond = DocumentEntry { lsn: Lsn(LSN_MAX.0 + 1), is_deleted: false };
    for (key, entry) in [(&[1][..], put(1)), (&[], put(1)), (&long, put(1)), (&[0, 7], beyond)] {
        let mut index = DocumentIndex::new(DocumentRuns::empty());
        let insert = std::panic::AssertUnwindSafe(|| index.insert(key, entry));
        assert!(std::panic::catch_unwind(insert).is_err(), "{} bytes, {entry:?}", key.len());
    }
}

/// Prevents: the engine's memory growing with the number of requests, or requests that are decided
/// and find no room.
#[test]
fn memory_is_full_at_its_bound_and_empty_after_a_freeze() {
    let mut index = DocumentIndex::new(DocumentRuns::empty());
    let mut count = 0_u32;
    let mut key = [9; INDEX_KEY_BYTES_MAX];
    while !index.is_full(1, key.len()) {
        key[2..6].copy_from_slice(&count.wrapping_mul(0x9e37_79b1).to_be_bytes());
        index.insert(&key, put(1));
        count += 1;
    }
    assert!(100_000 < count, "{count}");
    assert!(index.memory_bytes() <= DOCUMENT_RECENT_BYTES_MAX);
    assert!(DOCUMENT_RECENT_BYTES_MAX - 1_000 < index.keys_bytes());
    assert!(DOCUMENT_RECENT_BYTES_MAX / 2 < index.memory_bytes(), "chunks are half full");
    assert_eq!(index.fill_per_mille(), 1_000 / (1 + FROZEN_PARTS_MAX) - 1);
    key[2..6].copy_from_slice(&count.wrapping_mul(0x9e37_79b1).to_be_bytes());
    let insert = std::panic::AssertUnwindSafe(|| index.insert(&key, put(1)));
    assert!(std::panic::catch_unwind(insert).is_err(), "one key too many");
    assert!(index.is_full(usize::MAX, usize::MAX));
    assert!(index.freeze(Lsn(2)).is_some());
    assert!(!index.is_full(100_000, 100_000 * INDEX_KEY_BYTES_MAX));
    assert!(index.freeze(Lsn(3)).is_none(), "nothing to write");
}

/// Prevents: a request that asks for a million keys stopping the engine, or whoever reads.
#[test]
fn a_scan_copies_and_hands_out_a_bounded_number_of_keys() {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new());
    let mut index = DocumentIndex::new(DocumentRuns::empty());
    for number in 0..DOCUMENT_SCAN_KEYS_MAX + 10 {
        let number = u32::try_from(number).unwrap();
        index.insert(&[&[0, 7], &number.to_be_bytes()[..]].concat(), put(1));
    }
    let page = |index: &DocumentIndex, limit| {
        let page = index.scan(KeyRange::all(), KeyOrder::Rising, limit).page().unwrap();
        assert_eq!(page.next.as_deref(), page.keys.last().map(|(key, _)| key));
        page.keys.len()
    };
    assert_eq!(page(&index, usize::MAX), DOCUMENT_SCAN_COPIES_MAX);
    assert_eq!(page(&index, 0), 1);
    let plan = index.freeze(Lsn(2)).unwrap();
    index.install(plan.write(&disk, Lsn(2)).unwrap());
    assert_eq!(page(&index, usize::MAX), DOCUMENT_SCAN_KEYS_MAX);
    assert_eq!(page(&index, 0), 1);
}

/// Prevents: a page of a scan that reads millions of deleted keys to find one that is not.
#[test]
fn a_page_ends_after_a_bounded_number_of_deleted_keys() {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new());
    let mut index = DocumentIndex::new(DocumentRuns::empty());
    let key = |number: usize| [&[0, 7], &u32::try_from(number).unwrap().to_be_bytes()[..]].concat();
    for number in 0..=DOCUMENT_SCAN_ENTRIES_MAX {
        index.insert(&key(number), deletion(1));
    }
    index.insert(&key(DOCUMENT_SCAN_ENTRIES_MAX + 1), put(1));
    let plan = index.freeze(Lsn(2)).unwrap();
    index.install(plan.write(&disk, Lsn(2)).unwrap());
    let page = index.scan(KeyRange::all(), KeyOrder::Rising, 5).page().unwrap();
    assert!(page.keys.is_empty());
    assert_eq!(page.next.as_deref(), Some(&key(DOCUMENT_SCAN_ENTRIES_MAX - 1)[..]));
    for order in [KeyOrder::Rising, KeyOrder::Falling] {
        assert_eq!(scan(&index, &KeyRange::all(), order, 5).len(), 1);
    }
}

/// Prevents: a run of nothing that can't be opened, or stays in the way, once all keys are deleted.
#[test]
fn all_keys_may_be_deleted() {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new());
    let mut index = DocumentIndex::new(DocumentRuns::empty());
    for position in 1..=8 {
        index.insert(&[0, 7, 1], if position == 8 { deletion(8) } else { put(position) });
        let plan = index.freeze(Lsn(position + 1)).unwrap();
        index.install(plan.write(&disk, plan.position()).unwrap());
    }
    let plan = index.merge_due().unwrap();
    index.replace(&plan.runs, merged(&disk, &plan, Timestamp(0)));
    let names: Vec<_> = index.runs().names().collect();
    assert_eq!(names.len(), 1);
    let mut index = DocumentIndex::new(DocumentRuns::open(&*disk, &names).unwrap());
    assert_eq!(index.entries_count(), 0);
    assert_eq!(index.lookup(&[0, 7, 1]), DocumentLookup::Absent);
    assert_eq!(index.get(&[0, 7, 1]).unwrap(), None);
    assert!(scan(&index, &KeyRange::all(), KeyOrder::Falling, 5).is_empty());
    for position in 20..27 {
        index.insert(&[0, 7, 2], put(position));
        let plan = index.freeze(Lsn(position + 1)).unwrap();
        index.install(plan.write(&disk, plan.position()).unwrap());
    }
    let plan = index.merge_due().unwrap();
    index.replace(&plan.runs, merged(&disk, &plan, Timestamp(0)));
    assert_eq!(index.get(&[0, 7, 2]).unwrap(), Some(put(26)));
    assert_eq!(index.runs().runs().len(), 1);
}
