//! Prevents: a run that is not what was written and answers all the same.

use super::{name, pairs, read, write};
use crate::disk::simulated::SimulatedDisk;
use crate::disk::{Access, Disk};
use crate::runs::{Damage, Run, RunError};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Random keys, so that the run has a filter; two blocks.
fn sample() -> BTreeMap<u128, u64> {
    pairs(
        (1..300_u128).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)),
    )
}

fn written() -> (SimulatedDisk, Vec<u8>) {
    let simulated = SimulatedDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(simulated.clone());
    let run = write(&disk, name(1), &sample()).unwrap();
    let bytes = simulated.contents(&name(1).path()).unwrap();
    assert_eq!(run.file_bytes(), u64::try_from(bytes.len()).unwrap());
    (simulated, bytes)
}

fn read_all(disk: &dyn Disk) -> Result<BTreeMap<u128, u64>, RunError> {
    read(&Arc::new(Run::open(disk, name(1))?))
}

#[test]
fn every_flipped_bit_is_found() {
    let (disk, bytes) = written();
    assert_eq!(read_all(&disk).unwrap(), sample());
    for offset in 0..bytes.len() {
        let bit = u8::try_from(offset % 8).unwrap();
        disk.corrupt(&name(1).path(), offset, bit);
        let error = read_all(&disk).expect_err("a flipped bit passed");
        assert!(matches!(error, RunError::Damaged { .. }), "{offset}: {error}");
        disk.corrupt(&name(1).path(), offset, bit);
    }
    assert_eq!(read_all(&disk).unwrap(), sample());
}

#[test]
fn a_damaged_block_is_found_by_a_lookup() {
    let (disk, _) = written();
    let run = Run::open(&disk, name(1)).unwrap();
    disk.corrupt(&name(1).path(), 4_096 + 1_000, 3);
    let mut failed_count = 0;
    for (key, value) in sample() {
        match run.get(key) {
            Ok(found) => assert_eq!(found, Some(value)),
            Err(error) => {
                failed_count += 1;
                assert!(matches!(error, RunError::Damaged { damage: Damage::Page { .. }, .. }));
            }
        }
    }
    assert!(0 < failed_count);
}

#[test]
fn every_shortened_or_lengthened_file_is_named() {
    let (disk, bytes) = written();
    let file = disk.open(&name(1).path(), Access::Buffered).unwrap();
    let pages = bytes.len() / 4_096;
    let lengths = (0..pages + 3).map(|page| page * 4_096);
    for length in lengths.chain([1, 4_097, bytes.len() - 1, bytes.len() + 1]) {
        file.set_bytes(u64::try_from(length).unwrap()).unwrap();
        let read = read_all(&disk);
        let is_damaged = matches!(read, Err(RunError::Damaged { .. }));
        assert!(is_damaged || length == bytes.len(), "{length}: {read:?}");
        file.set_bytes(0).unwrap();
        file.write_all_at(&bytes, 0).unwrap();
    }
}

/// Prevents: a run taken for another one, after files were mixed up.
#[test]
fn a_run_under_another_name_is_named() {
    let (disk, _) = written();
    disk.rename(&name(1).path(), &name(2).path()).unwrap();
    let error = Run::open(&disk, name(2)).unwrap_err();
    assert!(matches!(error, RunError::Damaged { damage: Damage::Name, .. }), "{error}");
    let error = Run::open(&disk, name(1)).unwrap_err();
    assert!(matches!(error, RunError::Io { .. }), "{error}");
}

/// Prevents: pages of two runs mixed up, each of them valid where it was.
#[test]
fn a_page_of_another_run_or_place_is_found() {
    let (disk, bytes) = written();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    write(&shared, name(2), &sample()).unwrap();
    let other = disk.contents(&name(2).path()).unwrap();
    let file = disk.open(&name(1).path(), Access::Buffered).unwrap();
    for (from, source) in [(4_096, &other), (8_192, &bytes)] {
        file.write_all_at(&source[from..from + 4_096], 4_096).unwrap();
        let error = read_all(&disk).unwrap_err();
        assert!(matches!(error, RunError::Damaged { damage: Damage::Page { page: 1 }, .. }));
        file.write_all_at(&bytes, 0).unwrap();
    }
}
