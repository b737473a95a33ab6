//! Every file of a directory, damaged at every 4 KiB.

use crate::bank::{Bank, Damage, trimmed};
use florin_core::backup::Source;
use florin_core::disk::Disk;
use florin_core::repair::{DerivedFiles, repair_on};
use florin_core::verify::VerifyReport;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Damages a file of a copy, repairs it, and compares it with the bank that it is a copy of.
fn check(
    bank: &Bank,
    whole: &VerifyReport,
    name: &str,
    damage: Damage,
    source: &dyn Source,
) -> DerivedFiles {
    let copy = bank.copy();
    copy.damage(name, damage);
    let damaged = copy.files();
    let case = format!("{name}: {damage:?}");
    let repaired = match copy.repair(source) {
        Ok(repaired) => repaired,
        Err(error) => {
            assert_eq!(name, "database_key", "{case}: {error}");
            let message = error.to_string();
            let says = ["put back a copy", "put the file back"];
            assert!(says.iter().any(|says| message.contains(says)), "{case}: {error}");
            assert!(copy.files() == damaged, "{case}");
            return DerivedFiles::Whole;
        }
    };
    if name.starts_with("keyring/") {
        if !repaired.report.findings.is_empty() {
            let finding = &repaired.report.findings[0];
            assert!(finding.contains("florin keyring restore"), "{case}: {finding}");
        }
        assert!(copy.files() == damaged, "{case}");
        return DerivedFiles::Whole;
    }
    assert_eq!(repaired.report.findings, [""; 0], "{case}");
    assert_eq!(repaired.report.ledgers, whole.ledgers, "{case}");
    assert_eq!(repaired.report.transfers_count, whole.transfers_count, "{case}");
    if repaired.derived == DerivedFiles::Whole {
        assert_eq!(repaired.report.digest, whole.digest, "{case}");
    }
    let segments = copy.segments();
    for (path, expected) in bank.segments() {
        if repaired.report.is_torn {
            assert_eq!(repaired.segments, [], "{case}");
            continue;
        }
        assert!(trimmed(&segments[&path]) == trimmed(&expected), "{case}: {path}");
        if path == name && !repaired.segments.is_empty() {
            assert_eq!(segments[&path], expected, "{case}: {path}");
        }
    }
    for replaced in &repaired.segments {
        let kept = replaced.kept.as_ref().map(|kept| copy.disk.contents(kept).unwrap());
        assert_eq!(kept.as_ref(), damaged.get(name), "{case}");
    }
    assert!(copy.files().keys().all(|name| !name.ends_with(".repairing")), "{case}");
    if name.starts_with("log/") && matches!(damage, Damage::Removed | Damage::Cut(0)) {
        assert_eq!(repaired.segments.len(), 1, "{case}");
    }
    repaired.derived
}

fn is_derived(name: &str) -> bool {
    ["checkpoint", "runs/", "tree/"].iter().any(|derived| name.starts_with(derived))
}

/// Every damage of every file, from one source; how often what is derived was derived again.
fn check_all(
    bank: &Bank,
    source: &(dyn Source + Sync),
    is_damaged: impl Fn(&String) -> bool,
) -> usize {
    let mut cases = Vec::new();
    for (name, bytes) in bank.files().into_iter().filter(|(name, _)| is_damaged(name)) {
        let all = Damage::all(bytes.len());
        // What is derived is derived again whatever is wrong with it: each page in one of three ways.
        let ways = if is_derived(&name) { 4 } else { 1 };
        cases.extend(all.into_iter().step_by(ways).map(|damage| (name.clone(), damage)));
    }
    let whole = bank.verified();
    let (next, rebuilt) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((name, damage)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if check(bank, &whole, name, *damage, source) == DerivedFiles::Rebuilt {
                        rebuilt.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    rebuilt.into_inner()
}

#[test]
fn every_page_of_every_file_is_repaired_from_a_copy_of_the_log() {
    let bank = Bank::of_days(false, 2);
    let other = bank.copy();
    assert!(0 < check_all(&bank, &other.still(), |_| true));
}

/// What is derived does not come from the backup.
#[test]
fn every_page_of_every_file_of_an_encrypted_bank_is_repaired_from_a_backup() {
    let bank = Bank::of_days(true, 2);
    let files = bank.files();
    assert!(files.keys().any(|name| name.starts_with("keyring/")));
    assert_eq!(check_all(&bank, &bank.backed_up(), |name| !is_derived(name)), 0);
}

/// Without its key everything of its log is repaired that is with it.
#[test]
fn the_log_of_an_encrypted_bank_is_repaired_without_its_key() {
    let bank = Bank::of_days(true, 2);
    let (whole, source) = (bank.segments(), bank.backed_up());
    for (name, bytes) in &whole {
        for damage in Damage::all(bytes.len()) {
            let copy = bank.copy();
            copy.damage(name, damage);
            let disk: Arc<dyn Disk> = Arc::new(copy.disk.clone());
            let repaired = repair_on(&disk, None, &source, &mut |_| {}).unwrap();
            assert!(repaired.report.is_locked);
            assert_eq!(repaired.report.findings, [""; 0], "{name}: {damage:?}");
            for (path, bytes) in copy.segments() {
                let same = trimmed(&bytes) == trimmed(&whole[&path]);
                assert!(same || repaired.report.is_torn, "{name}: {damage:?}: {path}");
            }
        }
    }
}

/// A key that is lost with its file can't be given by anybody.
#[test]
fn a_wrapped_key_that_is_gone_is_told_without_any_key() {
    let bank = Bank::of_days(true, 1);
    let source = bank.backed_up();
    let bytes = bank.files()["database_key"].len();
    for damage in Damage::all(bytes) {
        let copy = bank.copy();
        copy.damage("database_key", damage);
        let before = copy.files();
        let disk: Arc<dyn Disk> = Arc::new(copy.disk.clone());
        let repaired = repair_on(&disk, None, &source, &mut |_| {}).unwrap();
        let findings = repaired.report.findings;
        assert_eq!(findings.len(), 1, "{damage:?}");
        assert!(findings[0].contains("put back a copy"), "{damage:?}: {findings:?}");
        assert!(copy.files() == before, "{damage:?}");
    }
}
