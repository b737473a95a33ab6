//! Keys that are hard to tell apart, a plain map to compare with, and the tests that need a disk.

mod crash;
mod damage;
mod layout;
mod limits;
mod memory;
mod merges;
mod model;
mod scans;

use super::writer::{DocumentRunWriter, LogSpan};
use super::{DocumentEntry, DocumentIndex, DocumentMergePlan, DocumentRun};
use super::{KeyList, KeyOrder, KeyRange};
use crate::disk::Disk;
use crate::limits::INDEX_KEY_BYTES_MAX;
use crate::runs::{RunError, RunKind, RunName};
use florin_ledger::{Lsn, TableId, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a map says of keys: deleted ones have an entry too.
type Model = BTreeMap<Vec<u8>, DocumentEntry>;

/// Keys of three tables: the empty one, ones that others begin with, ones that differ in a byte or a
/// bit, short ones that zeros follow, the longest ones.
fn hard_keys() -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    for table in [7, 8, 0x0107, TableId::EXPIRIES.0 - 1] {
        let mut suffixes: Vec<Vec<u8>> = vec![
            vec![],
            vec![0],
            vec![0, 0],
            vec![1],
            vec![0xff],
            vec![0xff, 0xff],
            b"customer".to_vec(),
            b"customer/1".to_vec(),
            b"customer/2".to_vec(),
            b"customer/0000000000000000001".to_vec(),
            b"customer/0000000000000000002".to_vec(),
        ];
        let mut longest = vec![0x61; INDEX_KEY_BYTES_MAX - 2];
        suffixes.push(longest[..INDEX_KEY_BYTES_MAX - 3].to_vec());
        suffixes.push(longest.clone());
        *longest.last_mut().unwrap() ^= 1;
        suffixes.push(longest);
        let table: u16 = table;
        keys.extend(suffixes.iter().map(|suffix| [&table.to_be_bytes()[..], suffix].concat()));
    }
    keys
}

fn put(lsn: u64) -> DocumentEntry {
    DocumentEntry { lsn: Lsn(lsn), is_deleted: false }
}

fn deletion(lsn: u64) -> DocumentEntry {
    DocumentEntry { lsn: Lsn(lsn), is_deleted: true }
}

fn name(number: u64) -> RunName {
    RunName { kind: RunKind::Documents, number }
}

/// As many keys of a table as are asked for, in order, with positions that jump about.
fn sample(count: u64) -> Model {
    let key = |number: u64| {
        let hash = blake3::hash(&number.to_le_bytes());
        [&7_u16.to_be_bytes()[..], &hash.as_bytes()[..30]].concat()
    };
    let entry = |number: u64| DocumentEntry {
        lsn: Lsn(4_096 + number * 112),
        is_deleted: number.is_multiple_of(5),
    };
    (0..count).map(|number| (key(number), entry(number))).collect()
}

/// Writes run `number`, which reflects a thousand positions behind those of the run before.
fn write(disk: &Arc<dyn Disk>, number: u64, model: &Model) -> Result<Arc<DocumentRun>, RunError> {
    let span = LogSpan { from: Lsn((number - 1) * 1_000), position: Lsn(number * 1_000) };
    let count = u64::try_from(model.len()).unwrap();
    let mut writer = DocumentRunWriter::create(disk, name(number), span, count)?;
    for (key, entry) in model {
        writer.push(key, *entry)?;
    }
    writer.finish(span.position)
}

/// Every entry of a run, deletions too.
fn read(run: &Arc<DocumentRun>) -> Result<Model, RunError> {
    let mut cursor = run.cursor(&KeyRange::all(), KeyOrder::Rising);
    cursor.load()?;
    let mut model = Model::new();
    while let Some((key, entry)) = cursor.current() {
        model.insert(key.to_vec(), entry);
        cursor.advance()?;
    }
    Ok(model)
}

/// Carries a merge out, in small steps.
fn merged(
    disk: &Arc<dyn Disk>,
    plan: &DocumentMergePlan,
    expiries_before: Timestamp,
) -> Arc<DocumentRun> {
    let mut merge = plan.begin(disk, expiries_before).unwrap();
    while !merge.step(3).unwrap() {}
    merge.finish(plan.runs[0].position()).unwrap()
}

/// All pages of a scan, one behind the other.
fn scan(index: &DocumentIndex, range: &KeyRange, order: KeyOrder, limit: usize) -> KeyList {
    let mut rest = range.clone();
    let mut keys = KeyList::default();
    loop {
        let page = index.scan(rest.clone(), order, limit).page().unwrap();
        assert!(page.keys.len() <= limit);
        page.keys.iter().for_each(|(key, entry)| keys.push(key, entry));
        let Some(next) = page.next else { return keys };
        let after = rest.after(&next, order);
        assert_ne!(after, rest, "a scan that stands still");
        rest = after;
    }
}

/// What a scan of a map gives.
fn expected_scan(model: &Model, range: &KeyRange, order: KeyOrder) -> KeyList {
    let live = model.iter().filter(|(key, entry)| range.contains(key) && !entry.is_deleted);
    let mut keys = KeyList::default();
    match order {
        KeyOrder::Rising => live.for_each(|(key, entry)| keys.push(key, *entry)),
        KeyOrder::Falling => live.rev().for_each(|(key, entry)| keys.push(key, *entry)),
    }
    keys
}
