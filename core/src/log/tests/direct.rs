//! Prevents: a log that works on the simulated disk and not on the operating system's.

use super::sample::{Log, any_record, identity, transfers};
use crate::disk::Disk;
use crate::disk::os::OsDisk;
use crate::error::ErrorKind;
use crate::log::{End, FramePosition, LogReader, identify, judge};
use florin_ledger::Lsn;
use std::sync::Arc;

#[test]
fn frames_written_past_the_page_cache_are_read_back_after_opening_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep/bank");
    let mut pushed = Vec::new();
    let mut at = FramePosition::GENESIS;
    for epoch in 1..=3 {
        let disk: Arc<dyn Disk> = Arc::new(OsDisk::open(&path).unwrap());
        assert_eq!(identify(disk.as_ref()).unwrap(), (epoch != 1).then(identity));
        let reader = LogReader::new(Arc::clone(&disk), identity());
        assert_eq!(judge(&reader, FramePosition::GENESIS, &[]).unwrap(), End::Clean { at });
        let mut log = Log::begin(disk, at, epoch);
        for count in [0, 1, 3, 60, 200, 0, 7] {
            log.append(&transfers(count));
            log.append(&(0..count).map(any_record).collect::<Vec<_>>());
            log.sync();
        }
        at = log.writer.position();
        pushed.append(&mut log.pushed);
        for (lsn, time, record) in &pushed {
            let stored = reader.record(*lsn, log.durable).unwrap();
            assert_eq!((stored.lsn, stored.time, stored.record), (*lsn, *time, *record));
        }
        log.writer.close().unwrap();
        log.preparer.close(at.lsn).unwrap();
    }
    let disk: Arc<dyn Disk> = Arc::new(OsDisk::open(&path).unwrap());
    let mut frames = LogReader::new(disk, identity()).frames(FramePosition::GENESIS, Lsn(u64::MAX));
    let mut found = Vec::new();
    while let Some(frame) = frames.next().unwrap() {
        found.extend(
            frame.records().map(|record| record.unwrap()).map(|r| (r.lsn, r.time, r.record)),
        );
    }
    assert_eq!(found, pushed);
    assert_eq!(frames.position(), at);
}

#[test]
fn a_directory_that_is_open_is_refused_and_named() {
    let directory = tempfile::tempdir().unwrap();
    let open = OsDisk::open(directory.path()).unwrap();
    let error = OsDisk::open(directory.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unusable);
    assert!(error.to_string().contains(&directory.path().display().to_string()));
    drop(open);
    OsDisk::open(directory.path()).unwrap();
}
