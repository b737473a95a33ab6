//! The disk refuses one call, any one: the answer is an error or the right one, and nothing that was
//! acknowledged is lost.

use crate::bank::{Bank, Books, request};
use crate::days::{Case, random_day, seeds};
use crate::events::Step;
use crate::forms::{account, transfer};
use crate::recovery::recover;
use florin_core::ErrorKind;
use florin_core::disk::Disk;
use florin_core::disk::simulated::SimulatedDisk;
use std::collections::BTreeMap;
use std::sync::mpsc;

/// What became of a day on a disk that fails once.
struct Outcome {
    /// Before each step that was carried out or may have been, and after the last.
    books: Vec<Books>,
    acknowledged: usize,
    calls_count: u64,
}

/// Opens the bank and carries out a day, the call after `calls_count` failing. Checks what must
/// hold of every error.
fn play_with_fault(disk: &SimulatedDisk, before: &Books, steps: &[Step], at: u64) -> Outcome {
    let mut books = vec![before.clone()];
    let mut acknowledged = 0;
    let calls_before = disk.counters().calls_count;
    disk.fail_call(at);
    let opened = Bank::reopen(disk.clone(), before.clock, before.clone());
    let mut stopped = None;
    match opened {
        Err(error) => {
            let expected = [ErrorKind::Io, ErrorKind::Stopped];
            assert!(expected.contains(&error.kind()), "opening: {error}");
        }
        Ok(mut bank) => {
            books[0] = bank.books.clone();
            for (number, step) in steps.iter().enumerate() {
                let mut after = bank.books.clone();
                after.predict(step);
                match bank.step(number, step) {
                    Ok(()) => {
                        books.push(bank.books.clone());
                        acknowledged = books.len() - 1;
                    }
                    Err(error) if error.kind() == ErrorKind::Stopped => {
                        books.push(after);
                        stopped = Some(log_frames(disk));
                        break;
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Io, "step {number}: {error}");
                        bank.synchronise();
                        bank.books.expire();
                    }
                }
            }
            let _ = bank.database.close();
        }
    }
    if let Some(frames) = stopped {
        assert_eq!(log_frames(disk), frames, "something was written after the log had failed");
    }
    disk.lift_faults();
    let calls_count = disk.counters().calls_count - calls_before;
    Outcome { books, acknowledged, calls_count }
}

/// What the log's segments hold after their headers, without the zeros at the end.
fn log_frames(disk: &SimulatedDisk) -> BTreeMap<String, Vec<u8>> {
    let names = disk.list("log").unwrap_or_default();
    let frames = |name: String| {
        let bytes = disk.contents(&format!("log/{name}"))?;
        let used = bytes.iter().rposition(|byte| *byte != 0)?;
        (4096 <= used).then(|| (name, bytes[4096..=used].to_vec()))
    };
    names.into_iter().filter_map(frames).collect()
}

/// Faults 1, 25, 36, 45: an I/O error, wherever it strikes, loses or doubles what was acknowledged.
#[test]
fn an_error_of_any_call_is_an_answer_and_loses_nothing() {
    for seed in seeds(20..23) {
        let mut bank = Bank::new();
        bank.play(&random_day(seed, 20), 3);
        let base = bank.books.clone();
        bank.database.close().unwrap();
        let steps = random_day(seed + 100, 12);
        let mut at = 0;
        loop {
            let _case = Case(format!("day {seed}, call {at} failed"));
            let disk = bank.disk.copy();
            let outcome = play_with_fault(&disk, &base, &steps, at);
            let image = disk.crash_image(disk.operations_count(), at % 5);
            recover(image, &outcome.books, outcome.acknowledged);
            if outcome.calls_count <= at {
                break;
            }
            at += 3;
        }
    }
}

/// Fault 45: the sync of the log fails. Everything that waits for it is told so, reads too; nothing
/// is promised any more, and nothing is tried again.
#[test]
fn a_failed_sync_stops_everything_that_waits_for_it() {
    let mut bank = Bank::new();
    bank.create_accounts(&[account(1), account(2)]);
    let before = bank.books.clone();
    bank.disk.hold_syncs("log/");
    let (sender, answers) = mpsc::channel();
    let mut books = vec![before];
    for id in 1..=5 {
        let step = Step::Transfers(vec![transfer(id, 1, 2, 1)]);
        bank.books.predict(&step);
        books.push(bank.books.clone());
        let sender = sender.clone();
        bank.database.submit(request(&step), move |reply| drop(sender.send(reply)));
    }
    bank.disk.wait_for_held_syncs(1);
    bank.disk.fail_call(0);
    bank.disk.release_syncs();
    for answer in answers.iter().take(5) {
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Stopped);
    }
    assert_eq!(bank.database.status().unwrap_err().kind(), ErrorKind::Stopped);
    let frames = log_frames(&bank.disk);
    assert_eq!(bank.database.close().unwrap_err().kind(), ErrorKind::Stopped);
    assert_eq!(log_frames(&bank.disk), frames);
    for seed in 0..8 {
        let image = bank.disk.crash_image(bank.disk.operations_count(), seed);
        recover(image, &books, 0);
    }
}
