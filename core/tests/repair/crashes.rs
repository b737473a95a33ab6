//! Power cuts and errors while a repair is made. What would go wrong without: a directory that nothing
//! repairs any more, or worse, one that opens with less than was durable.

use crate::bank::{Bank, Damage, has_all};
use florin_core::ErrorKind;
use florin_core::snapshot::StillLog;

const SEGMENTS: [&str; 4] = [
    "log/00000000000000000000",
    "log/00000000000000000001",
    "log/00000000000000000002",
    "log/00000000000000000003",
];

/// A bank whose log is damaged in the middle and at its end, without a checkpoint that could say so.
fn damaged(whole: &Bank) -> Bank {
    let bank = whole.copy();
    bank.damage("checkpoint.redb", Damage::Removed);
    bank.damage(SEGMENTS[1], Damage::Flip(3));
    bank.damage(SEGMENTS[2], Damage::Zeros(2));
    bank.damage(SEGMENTS[3], Damage::Removed);
    bank.copy()
}

#[test]
fn a_power_cut_at_any_operation_leaves_what_can_be_repaired() {
    let whole = Bank::of_days(false, 3);
    let (source, segments) = (whole.still(), whole.segments());
    let end = source.snapshot().end;
    let bank = damaged(&whole);
    bank.repair(&source).unwrap();
    let operations = bank.disk.operations_count();
    assert!(20 < operations);
    for at in 0..=operations {
        for seed in [0, 1, 2] {
            let image = bank.on(bank.disk.crash_image(at, seed));
            // Nothing opens it as if it ended before.
            match StillLog::open(&image.unlocked().unwrap()) {
                Ok(log) => assert_eq!(log.snapshot().end, end, "{at} {seed}"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{at} {seed}: {error}"),
            }
            let repaired = image.repair(&source).unwrap();
            assert_eq!(repaired.report.findings, [""; 0], "{at} {seed}");
            assert!(image.segments() == segments, "{at} {seed}");
            let files = image.files();
            assert!(
                files
                    .keys()
                    .all(|name| !name.ends_with(".repairing") && !name.ends_with("keeping")),
                "{at} {seed}"
            );
            // What was damaged is kept, whenever the repair was interrupted.
            let kept = damaged(&whole).files();
            for name in &SEGMENTS[1..3] {
                let copy = name.replace("log/", "damaged/");
                assert!(files[&copy] == kept[*name], "{at} {seed}: {name}");
            }
        }
    }
}

#[test]
fn an_error_or_a_full_disk_at_any_call_leaves_what_can_be_repaired() {
    let whole = Bank::of_days(false, 3);
    let (source, segments) = (whole.still(), whole.segments());
    let bank = damaged(&whole);
    bank.repair(&source).unwrap();
    let calls = bank.disk.counters().calls_count;
    for is_full in [false, true] {
        for call in (0..calls).step_by(5) {
            let bank = damaged(&whole);
            if is_full {
                bank.disk.fill_after(call);
            } else {
                bank.disk.fail_call(call);
            }
            let result = bank.repair(&source);
            bank.disk.lift_faults();
            if let Err(error) = result {
                let kind = if is_full { ErrorKind::DiskFull } else { ErrorKind::Io };
                assert_eq!(error.kind(), kind, "{call}: {error}");
                bank.repair(&source).unwrap();
            }
            assert!(has_all(&bank.segments(), &segments), "{call}");
        }
    }
}
