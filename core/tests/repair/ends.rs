//! The end of a log that is repaired, and the end of the copy that it is repaired from: they are rarely the
//! same. What would go wrong without: an end that is cut although somebody has seen it durable.

use crate::bank::{Bank, Damage, PAGE, opened, trimmed};
use florin_core::ErrorKind;
use florin_core::backup::memory::MemoryStore;
use florin_core::disk::{Access, Disk};
use florin_core::log::FramePosition;

const SEGMENTS: [&str; 4] = [
    "log/00000000000000000000",
    "log/00000000000000000001",
    "log/00000000000000000002",
    "log/00000000000000000003",
];

#[test]
fn what_is_whole_is_left_as_it_is() {
    for is_sealed in [false, true] {
        let bank = Bank::of_days(is_sealed, 2);
        let before = bank.files();
        let repaired = bank.repair(&bank.copy().still()).unwrap();
        assert_eq!((repaired.segments.len(), repaired.report.findings.len()), (0, 0));
        assert_eq!(repaired.end, bank.still().snapshot().end.lsn);
        assert!(bank.files() == before);
    }
}

/// A backup of the morning, and damage before it: what was recorded since stays.
#[test]
fn what_was_recorded_since_the_backup_stays() {
    let mut bank = Bank::of_days(false, 1);
    let database = bank.open();
    bank.post(&database, 5);
    let store = MemoryStore::new();
    bank.copy().back_up(&store);
    bank.post(&database, 5);
    database.close().unwrap();
    let whole = bank.files();
    let source = opened(&store, None).unwrap();
    for damage in [Damage::Flip(0), Damage::Flip(2), Damage::Zeros(1), Damage::Zeros(4)] {
        let copy = bank.copy();
        copy.damage(SEGMENTS[2], damage);
        let repaired = copy.repair(&source).unwrap();
        assert_eq!(repaired.segments.len(), 1, "{damage:?}");
        assert!(copy.segments()[SEGMENTS[2]] == whole[SEGMENTS[2]], "{damage:?}");
        assert_eq!(repaired.report, bank.verified(), "{damage:?}");
    }
    // Behind the end of the backup it has nothing to say.
    for damage in [Damage::Flip(17), Damage::Zeros(17), Damage::Cut(15), Damage::Removed] {
        let copy = bank.copy();
        copy.damage(SEGMENTS[2], damage);
        let before = copy.files();
        let error = copy.repair(&source).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{damage:?}: {error}");
        assert!(error.to_string().contains("name another source"), "{damage:?}: {error}");
        assert!(copy.files() == before, "{damage:?}");
    }
}

/// The process was killed, and no checkpoint says how far the log was durable: the source does.
#[test]
fn what_only_the_source_has_seen_durable_is_brought_back() {
    for is_sealed in [false, true] {
        let mut bank = Bank::of_days(is_sealed, 1);
        let database = bank.open();
        bank.post(&database, 6);
        let moment = database.snapshot().unwrap().end;
        let killed = bank.copy();
        let whole = killed.segments();
        let pages = trimmed(&whole[SEGMENTS[2]]).len().div_ceil(PAGE);
        for page in 0..pages {
            for damage in [Damage::Cut(page), Damage::Zeros(page), Damage::Flip(page)] {
                let copy = killed.copy();
                copy.damage(SEGMENTS[2], damage);
                let repaired = copy.repair(&database).unwrap();
                assert_eq!(repaired.report.findings, [""; 0], "{damage:?}");
                let end = copy.still().snapshot().end;
                assert!(moment.lsn <= end.lsn, "{damage:?}");
                let used = usize::try_from(moment.lsn.0 % (8 << 20)).unwrap();
                assert_eq!(
                    copy.segments()[SEGMENTS[2]][..used],
                    whole[SEGMENTS[2]][..used],
                    "{damage:?}"
                );
            }
        }
        database.close().unwrap();
    }
}

#[test]
fn several_segments_and_the_end_at_once() {
    let bank = Bank::of_days(false, 3);
    let source = bank.copy();
    let whole = bank.segments();
    bank.damage(SEGMENTS[0], Damage::Flip(0));
    bank.damage(SEGMENTS[1], Damage::Cut(3));
    bank.damage(SEGMENTS[2], Damage::Zeros(1));
    bank.damage(SEGMENTS[3], Damage::Removed);
    let damaged = bank.files();
    let repaired = bank.repair(&source.still()).unwrap();
    let numbers: Vec<u64> = repaired.segments.iter().map(|it| it.damaged.number).collect();
    assert_eq!(numbers, [0, 1, 2, 3]);
    assert!(bank.segments() == whole);
    for replaced in &repaired.segments[..3] {
        let name = SEGMENTS[usize::try_from(replaced.damaged.number).unwrap()];
        let kept = replaced.kept.as_ref().unwrap();
        assert_eq!(bank.disk.contents(kept).as_ref(), damaged.get(name));
    }
    assert_eq!(repaired.segments[3].kept, None);
    // Damaged again, in another way: nothing that was kept is overwritten.
    bank.damage(SEGMENTS[1], Damage::Flip(2));
    let again = bank.repair(&source.still()).unwrap();
    assert_eq!(again.segments[0].kept.as_deref(), Some("damaged/00000000000000000001.1"));
    assert!(bank.files()["damaged/00000000000000000001"] == damaged[SEGMENTS[1]]);
    assert!(bank.segments() == whole);
}

/// A backup of yesterday, and today's segment is gone. The checkpoint has seen it.
#[test]
fn what_the_checkpoint_has_seen_durable_is_not_given_up() {
    let mut bank = Bank::of_days(false, 1);
    let source = bank.backed_up();
    bank.day(3);
    bank.damage(SEGMENTS[1], Damage::Flip(1));
    bank.damage(SEGMENTS[2], Damage::Removed);
    let before = bank.files();
    let error = bank.repair(&source).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(bank.files() == before);
}

/// What a power cut has left behind the end was never durable, and is no damage.
#[test]
fn a_torn_end_is_no_damage() {
    let bank = Bank::of_days(false, 1);
    let source = bank.copy();
    let end = bank.still().snapshot().end;
    let file = bank.disk.open(SEGMENTS[1], Access::Buffered).unwrap();
    file.write_all_at(&[7; 600], end.lsn.0 % (8 << 20)).unwrap();
    let before = bank.files();
    let repaired = bank.repair(&source.still()).unwrap();
    assert!(repaired.report.is_torn && repaired.segments.is_empty());
    assert!(bank.files() == before);
}

/// No header is left, nor a checkpoint: the blocks themselves say whose they are.
#[test]
fn a_log_without_any_header_is_known_by_its_blocks() {
    let bank = Bank::of_days(false, 1);
    let source = bank.copy();
    let whole = bank.segments();
    for name in &SEGMENTS[..2] {
        bank.damage(name, Damage::Zeros(0));
    }
    bank.damage("checkpoint.redb", Damage::Removed);
    bank.repair(&source.still()).unwrap();
    assert!(bank.segments() == whole);
    // Where nothing is left, nothing says so.
    for name in &SEGMENTS[..2] {
        bank.damage(name, Damage::Cut(0));
    }
    let before = bank.files();
    let error = bank.repair(&source.still()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unusable, "{error}");
    assert!(bank.files() == before);
    assert_ne!(source.still().snapshot().end, FramePosition::GENESIS);
}
