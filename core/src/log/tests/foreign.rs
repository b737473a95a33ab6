//! Prevents: files of another database, another version or another program being read as this log.

use super::sample::{begin, identity, transfers};
use crate::disk::simulated::SimulatedDisk;
use crate::disk::{Access, Disk};
use crate::log::block::HeaderKey;
use crate::log::segment::{SegmentHeader, file_name};
use crate::log::{FramePosition, Identity, LogError, identify};

fn log_of_two_segments() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let mut log = begin(&disk, FramePosition::GENESIS, 1);
    for _ in 0..5 {
        log.append(&transfers(60));
        log.sync();
    }
    assert_eq!(identify(&disk).unwrap(), Some(identity()));
    disk
}

fn put(disk: &SimulatedDisk, name: &str, bytes: &[u8]) {
    let file = match disk.create(name, Access::Buffered) {
        Ok(file) => file,
        Err(_) => disk.open(name, Access::Buffered).unwrap(),
    };
    file.write_all_at(bytes, 0).unwrap();
}

fn header(incarnation: u128, number: u64) -> [u8; 4096] {
    let identity = Identity { incarnation, ..identity() };
    SegmentHeader { identity, number, key: HeaderKey([1; 32]), salt: [2; 32] }.encode()
}

#[test]
fn each_kind_of_stranger_is_refused_by_name() {
    let disk = log_of_two_segments();
    put(&disk, "log/notes.txt", b"hello");
    let error = identify(&disk).unwrap_err();
    assert!(matches!(&error, LogError::Foreign { name } if name == "notes.txt"), "{error}");

    let disk = log_of_two_segments();
    put(&disk, &file_name(1), &header(0x0BAD, 1));
    let error = identify(&disk).unwrap_err();
    assert!(matches!(error, LogError::Incarnation { segment: 1, found: 0x0BAD, .. }), "{error}");

    let disk = log_of_two_segments();
    let mut newer = header(0x0f, 1);
    newer[8] = 2;
    let checksum = *blake3::hash(&newer[..112]).as_bytes();
    newer[112..144].copy_from_slice(&checksum);
    put(&disk, &file_name(1), &newer);
    let error = identify(&disk).unwrap_err();
    assert!(matches!(error, LogError::Version { segment: 1, version: 2 }), "{error}");

    let disk = log_of_two_segments();
    let mut larger = header(0x0f, 1);
    larger[40..48].copy_from_slice(&(64_u64 << 20).to_le_bytes());
    let checksum = *blake3::hash(&larger[..112]).as_bytes();
    larger[112..144].copy_from_slice(&checksum);
    put(&disk, &file_name(1), &larger);
    let error = identify(&disk).unwrap_err();
    assert!(matches!(error, LogError::Geometry { segment: 1, found: 0x0400_0000 }), "{error}");
}

#[test]
fn no_log_is_no_error() {
    let disk = SimulatedDisk::new();
    assert_eq!(identify(&disk).unwrap(), None);
    disk.create_directory("log").unwrap();
    assert_eq!(identify(&disk).unwrap(), None);
    put(&disk, &file_name(0), &[0; 100]);
    assert_eq!(identify(&disk).unwrap(), None, "a segment whose making was cut short");
}

/// Fault 26: a log whose first page is gone is not a new database.
#[test]
fn frames_without_a_header_are_no_new_database() {
    let disk = SimulatedDisk::new();
    let mut log = begin(&disk, FramePosition::GENESIS, 1);
    log.append(&transfers(3));
    log.sync();
    for damage in [[0_u8; 4096], [7; 4096]] {
        put(&disk, &file_name(0), &damage);
        assert!(matches!(identify(&disk), Err(LogError::Corrupt(_))));
    }
}
