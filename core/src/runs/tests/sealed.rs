//! Prevents: a sealed run that answers otherwise than one that is not, that shows what it holds, or
//! whose pages open where they were not sealed.

use super::{name, pairs, read, write};
use crate::disk::keyed::KeyedDisk;
use crate::disk::simulated::SimulatedDisk;
use crate::disk::{Access, Disk};
use crate::runs::page::{Page, PageKey};
use crate::runs::pages::PageReader;
use crate::runs::{Damage, Run, RunError};
use crate::sealing::DatabaseKey;
use std::collections::BTreeMap;
use std::sync::Arc;

const STEP: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

/// Random keys, so that the run has a filter; several blocks.
fn sample() -> BTreeMap<u128, u64> {
    pairs((1..900_u128).map(|number| number.wrapping_mul(STEP)))
}

fn keyed(disk: &SimulatedDisk, byte: u8) -> Arc<dyn Disk> {
    Arc::new(KeyedDisk::new(Arc::new(disk.clone()), DatabaseKey::new([byte; 32].into(), 1)))
}

fn sealed() -> (SimulatedDisk, Vec<u8>) {
    let disk = SimulatedDisk::new();
    write(&keyed(&disk, 7), name(1), &sample()).unwrap();
    let bytes = disk.contents(&name(1).path()).unwrap();
    (disk, bytes)
}

fn read_all(disk: &dyn Disk) -> Result<BTreeMap<u128, u64>, RunError> {
    read(&Arc::new(Run::open(disk, name(1))?))
}

fn damage(read: Result<BTreeMap<u128, u64>, RunError>) -> Damage {
    match read {
        Err(RunError::Damaged { damage, .. }) => damage,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_written_is_read_with_the_key_alone() {
    let (disk, bytes) = sealed();
    assert_eq!(read_all(&*keyed(&disk, 7)).unwrap(), sample());
    assert_eq!(damage(read_all(&disk)), Damage::Sealed);
    assert!(matches!(damage(read_all(&*keyed(&disk, 8))), Damage::Seal { .. }));
    let plain = SimulatedDisk::new();
    let shared: Arc<dyn Disk> = Arc::new(plain.clone());
    write(&shared, name(1), &sample()).unwrap();
    assert_eq!(damage(read_all(&*keyed(&plain, 7))), Damage::Plain);
    let has = |bytes: &[u8]| bytes.windows(16).any(|window| window == STEP.to_le_bytes());
    assert!(!has(&bytes), "a key can be read on the disk");
    let first = *sample().first_key_value().unwrap().0;
    let shows = |bytes: &[u8]| bytes.windows(16).any(|window| window == first.to_le_bytes());
    assert!(shows(&plain.contents(&name(1).path()).unwrap()) && !shows(&bytes));
    // The same length: sealing moves nothing.
    assert_eq!(plain.contents(&name(1).path()).unwrap().len(), bytes.len());
}

/// Prevents: damage that only who has the key can find.
#[test]
fn every_damaged_page_is_found_without_the_key() {
    let (disk, bytes) = sealed();
    let scrub = || PageReader::open(&disk, name(1), 3).and_then(|pages| pages.scrub());
    scrub().unwrap();
    for offset in (0..bytes.len()).step_by(13) {
        let bit = u8::try_from(offset % 8).unwrap();
        disk.corrupt(&name(1).path(), offset, bit);
        assert!(matches!(scrub(), Err(RunError::Damaged { .. })), "{offset}");
        let read = read_all(&*keyed(&disk, 7));
        assert!(matches!(read, Err(RunError::Damaged { .. })), "{offset}");
        disk.corrupt(&name(1).path(), offset, bit);
    }
    scrub().unwrap();
}

/// Prevents: pages that were put elsewhere or changed by somebody who has the disk, and mends the
/// tags, whose key follows from the header.
#[test]
fn what_was_forged_does_not_open() {
    let (disk, bytes) = sealed();
    let header: &Page = bytes[..4_096].try_into().unwrap();
    let key = PageKey::of(header, name(1).kind);
    let forge = |from: usize, change: &dyn Fn(&mut Page)| {
        let mut page: Page = bytes[from..from + 4_096].try_into().unwrap();
        change(&mut page);
        key.tag_again(&mut page, 1);
        let file = disk.open(&name(1).path(), Access::Buffered).unwrap();
        file.write_all_at(&page, 4_096).unwrap();
        let found = damage(read_all(&*keyed(&disk, 7)));
        assert_eq!(found, Damage::Seal { page: 1 });
        PageReader::open(&disk, name(1), 3).and_then(|pages| pages.scrub()).unwrap();
        file.write_all_at(&bytes, 0).unwrap();
    };
    forge(8_192, &|_| {});
    forge(4_096, &|page| page[100] ^= 1);
    forge(4_096, &|page| page[4_090] ^= 1);
    assert_eq!(read_all(&*keyed(&disk, 7)).unwrap(), sample());
}
