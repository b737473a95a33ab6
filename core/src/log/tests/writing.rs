//! Prevents: a write or sync that failed and is taken for done (law 2).

use super::sample::{begin, judged, read_all, reader, transfers};
use crate::disk::simulated::SimulatedDisk;
use crate::log::{End, FramePosition};
use std::io;

#[test]
fn after_any_failed_call_nothing_more_is_written() {
    let mut calls = 0;
    loop {
        let disk = SimulatedDisk::new();
        let mut log = begin(&disk, FramePosition::GENESIS, 1);
        log.append(&transfers(2));
        log.sync();
        // Room for what follows, so that only the writer meets the fault.
        while log.preparer.wants(florin_ledger::Lsn(40_000)) {
            log.preparer.advance(florin_ledger::Lsn(40_000)).unwrap();
        }
        disk.fail_call(calls);
        let outcome = write_more(&mut log);
        disk.lift_faults();
        let Err(error) = outcome else { break };
        assert!(error.to_string().contains("simulated"), "{error}");
        let operations = disk.operations_count();
        assert!(log.writer.write().is_err() && log.writer.sync().is_err(), "call {calls}");
        assert_eq!(disk.operations_count(), operations, "call {calls}: nothing is asked again");
        let end = judged(&disk.crash_image(operations, 0), &[]);
        let (End::Clean { at } | End::Torn { at }) = end else { panic!("call {calls}: {end:?}") };
        assert!(log.durable <= at.lsn, "call {calls}");
        calls += 1;
    }
    assert!(8 < calls, "the fault met writes, syncs, cuts and openings");
}

fn write_more(log: &mut super::sample::Log) -> io::Result<()> {
    for _ in 0..4 {
        log.try_append(&transfers(60))?;
        log.writer.write()?;
        log.writer.sync()?;
        log.durable = log.writer.position().lsn;
    }
    Ok(())
}

/// Pages that fill up are written again; their earlier bytes must be the same, or a torn write of
/// them could destroy what was durable.
#[test]
fn rewritten_pages_keep_what_was_durable() {
    let disk = SimulatedDisk::new();
    let mut log = begin(&disk, FramePosition::GENESIS, 1);
    for round in 0..100 {
        log.append(&transfers(round % 3));
        log.sync();
        let used = usize::try_from(log.durable.0 % super::sample::SEGMENT_BYTES).unwrap();
        let segment = log.durable.0 / super::sample::SEGMENT_BYTES;
        let name = crate::log::segment::file_name(segment);
        let before = disk.contents(&name).unwrap();
        log.append(&transfers(1));
        log.sync();
        let after = disk.contents(&name).unwrap();
        assert_eq!(before[..used], after[..used]);
    }
    assert_eq!(read_all(&reader(&disk)).0, log.pushed);
}

/// The bytes that are written are counted, and they are few: one page for one small frame.
#[test]
fn a_small_frame_costs_one_page_and_one_sync() {
    let disk = SimulatedDisk::new();
    let mut log = begin(&disk, FramePosition::GENESIS, 1);
    log.append(&transfers(1));
    log.sync();
    let (counters, before) = (log.writer.counters(), disk.counters());
    assert_eq!((counters.written_bytes, counters.writes_count, counters.syncs_count), (4096, 1, 1));
    log.append(&transfers(1));
    log.append(&transfers(1));
    log.sync();
    log.sync();
    let after = disk.counters();
    assert_eq!(after.syncs_count, before.syncs_count + 1, "one sync for both, none for nothing");
    assert_eq!(after.written_bytes, before.written_bytes + 4096);
}
