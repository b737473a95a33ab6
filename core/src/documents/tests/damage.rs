//! Prevents: a run of documents that is not what was written and answers all the same.

use super::{Model, name, read, sample, write};
use crate::disk::simulated::SimulatedDisk;
use crate::disk::{Access, Disk};
use crate::documents::{DocumentRun, DocumentRuns, KeyProbe};
use crate::error::{Error, ErrorKind};
use crate::runs::{Damage, RunError};
use std::sync::Arc;

/// Three blocks.
const ENTRIES_COUNT: u64 = 300;

fn written() -> (SimulatedDisk, Vec<u8>) {
    let simulated = SimulatedDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(simulated.clone());
    let run = write(&disk, 1, &sample(ENTRIES_COUNT)).unwrap();
    let bytes = simulated.contents(&name(1).path()).unwrap();
    assert_eq!(run.file_bytes(), u64::try_from(bytes.len()).unwrap());
    (simulated, bytes)
}

fn read_all(disk: &dyn Disk) -> Result<Model, RunError> {
    read(&Arc::new(DocumentRun::open(disk, name(1))?))
}

#[test]
fn every_flipped_bit_is_found() {
    let (disk, bytes) = written();
    assert_eq!(read_all(&disk).unwrap(), sample(ENTRIES_COUNT));
    for offset in 0..bytes.len() {
        let bit = u8::try_from(offset % 8).unwrap();
        disk.corrupt(&name(1).path(), offset, bit);
        let error = read_all(&disk).expect_err("a flipped bit passed");
        assert!(matches!(error, RunError::Damaged { .. }), "{offset}: {error}");
        disk.corrupt(&name(1).path(), offset, bit);
    }
    assert_eq!(read_all(&disk).unwrap(), sample(ENTRIES_COUNT));
}

#[test]
fn a_damaged_block_is_found_by_a_lookup_and_named_with_what_to_do() {
    let (disk, _) = written();
    let run = DocumentRun::open(&disk, name(1)).unwrap();
    disk.corrupt(&name(1).path(), 4_096 + 1_000, 3);
    let mut failed_count = 0;
    for (key, entry) in sample(ENTRIES_COUNT) {
        assert!(run.may_contain(KeyProbe::of(&key)));
        match run.get(&key) {
            Ok(found) => assert_eq!(found, Some(entry)),
            Err(error) => {
                failed_count += 1;
                assert!(matches!(error, RunError::Damaged { damage: Damage::Page { .. }, .. }));
                let error = Error::from(error);
                assert_eq!(error.kind(), ErrorKind::Corrupt);
                let message = error.to_string();
                assert!(message.contains("documents-00000000000000000001"), "{message}");
                assert!(message.contains("florin rebuild"), "{message}");
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

/// Prevents: a run of other keys, or another run of documents, taken for this one.
#[test]
fn a_run_under_another_name_is_named() {
    let (disk, _) = written();
    for other in
        [name(2), crate::runs::RunName { kind: crate::runs::RunKind::CommitIds, number: 1 }]
    {
        disk.rename(&name(1).path(), &other.path()).unwrap();
        let error = DocumentRun::open(&disk, other).unwrap_err();
        assert!(matches!(error, RunError::Damaged { damage: Damage::Name, .. }), "{error}");
        let error = DocumentRun::open(&disk, name(1)).unwrap_err();
        assert!(matches!(error, RunError::Io { .. }), "{error}");
        disk.rename(&other.path(), &name(1).path()).unwrap();
    }
}

/// Prevents: blocks of one run mixed up, each of them valid where it was.
#[test]
fn a_block_in_the_place_of_another_is_found() {
    let (disk, bytes) = written();
    let file = disk.open(&name(1).path(), Access::Buffered).unwrap();
    file.write_all_at(&bytes[8_192..12_288], 4_096).unwrap();
    let error = read_all(&disk).unwrap_err();
    assert!(matches!(error, RunError::Damaged { damage: Damage::Page { page: 1 }, .. }), "{error}");
}

/// Prevents: a run that is missing from the middle, so that older versions come back.
#[test]
fn a_missing_run_is_noticed() {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new());
    let names = [1, 2, 3].map(|number| write(&disk, number, &sample(10)).unwrap().name());
    assert!(DocumentRuns::open(&*disk, &names).is_ok());
    assert!(DocumentRuns::open(&*disk, &names[..2]).is_ok(), "the newest one has no successor");
    for missing in [[0, 2], [1, 2]] {
        let error = DocumentRuns::open(&*disk, &missing.map(|place| names[place])).unwrap_err();
        assert!(matches!(error, RunError::Damaged { damage: Damage::Gap { .. }, .. }), "{error}");
    }
    let twice = [names[0], names[1], names[1], names[2]];
    let error = DocumentRuns::open(&*disk, &twice).unwrap_err();
    assert!(matches!(error, RunError::Damaged { damage: Damage::Gap { .. }, .. }), "{error}");
}
