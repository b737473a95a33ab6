//! Readers of the log that come back: with a cursor of this log they get what follows, with any
//! other an answer that says why not. A reader that goes on in another history pays again what was
//! paid, or never pays.

use crate::bank::{Bank, options};
use crate::days::{Case, random_day, seeds};
use crate::forms::{account, transfer};
use crate::streams::{TINY, UNBOUNDED, bank_after_day, items, read};
use florin_core::disk::Disk;
use florin_core::{Database, ErrorKind};
use florin_ledger::{Lsn, StreamCursor, StreamFilter, StreamStart};
use std::time::Duration;

fn whole(bank: &Bank) -> Vec<florin_core::stream::StreamBatch> {
    read(&bank.database, StreamStart::Begin, StreamFilter::all(), UNBOUNDED)
}

fn refused(database: &Database, cursor: StreamCursor) -> ErrorKind {
    let subscribed = database.subscribe(StreamStart::After(cursor), StreamFilter::all());
    subscribed.expect_err("the cursor is not of this log").kind()
}

/// Faults 35, 72: a restart or a power cut makes a cursor void, and its consumer misses something or
/// begins again.
#[test]
fn every_cursor_leads_to_what_follows_it_whatever_happened_since() {
    for seed in seeds(80..84) {
        let _case = Case(format!("day {seed}"));
        let mut bank = Bank::new();
        let mut cursors = vec![StreamCursor::BEGIN];
        for (number, steps) in random_day(seed, 60).chunks(10).enumerate() {
            bank.play(steps, 3);
            let parts = read(&bank.database, StreamStart::Begin, StreamFilter::all(), TINY);
            cursors.extend(parts.iter().map(|batch| batch.view().end().cursor));
            let live = bank.database.subscribe(StreamStart::End, StreamFilter::all());
            let live = live.unwrap().next(UNBOUNDED, Duration::ZERO).unwrap();
            cursors.push(live.view().end().cursor);
            bank = if number % 2 == 0 { bank.restart() } else { bank.power_cut(seed) };
            bank.synchronise();
        }
        let whole = whole(&bank);
        let whole = items(&whole);
        cursors.extend(whole.iter().map(|item| item.cursor));
        cursors.sort_by_key(|cursor| cursor.lsn);
        cursors.dedup();
        for cursor in cursors {
            let rest = read(&bank.database, StreamStart::After(cursor), StreamFilter::all(), 4_096);
            let seen = whole.partition_point(|item| item.cursor.lsn <= cursor.lsn);
            assert_eq!(items(&rest), whole[seen..], "after {cursor}");
        }
    }
}

/// Fault 35: a bank is restored to yesterday, and its consumers go on as if today had happened.
#[test]
fn a_rewound_log_is_told_from_one_that_went_on() {
    let mut bank = Bank::new();
    bank.create_accounts(&[account(1), account(2)]);
    bank.create_transfers(&[transfer(1, 1, 2, 1)]);
    let yesterday = bank.disk.crash_image(bank.disk.operations_count(), 0);
    let books = bank.books.clone();
    let shared = whole(&bank);
    bank.create_transfers(&[transfer(2, 1, 2, 1), transfer(3, 1, 2, 1)]);
    let lost = whole(&bank);
    let lost = items(&lost).last().unwrap().cursor;
    // In another segment: it has the same position in both histories.
    let bank = bank.restart();
    let again = whole(&bank);
    let again = items(&again).last().unwrap().cursor;

    let mut restored = Bank::reopen(yesterday, bank.clock.nanoseconds(), books).unwrap();
    assert_eq!(refused(&restored.database, lost), ErrorKind::Fork, "in what was never filled up");
    assert_eq!(refused(&restored.database, again), ErrorKind::Fork, "another opening's record");
    let beyond = StreamCursor { lsn: Lsn(again.lsn.0 + (1 << 20)), ..again };
    assert_eq!(refused(&restored.database, beyond), ErrorKind::NotYet);
    restored.create_transfers(&[transfer(4, 1, 2, 1)]);
    assert_eq!(refused(&restored.database, lost), ErrorKind::Fork);
    for item in items(&shared) {
        read(&restored.database, StreamStart::After(item.cursor), StreamFilter::all(), UNBOUNDED);
    }
}

/// Prevents: a consumer that is pointed at another bank goes on there.
#[test]
fn a_cursor_of_another_database_is_a_fork() {
    let day = |seed| {
        let bank = bank_after_day(seed);
        bank.restart()
    };
    let (bank, other) = (day(90), day(91));
    let end = bank.status().durable;
    for item in items(&whole(&other)) {
        let expected = if item.cursor.lsn < end { ErrorKind::Fork } else { ErrorKind::NotYet };
        assert_eq!(refused(&bank.database, item.cursor), expected, "{}", item.cursor);
    }
}

/// Prevents: a cursor that was altered on its way is believed in part.
#[test]
fn a_cursor_that_was_altered_leads_nowhere() {
    let bank = bank_after_day(92);
    let whole = whole(&bank);
    for item in items(&whole) {
        let cursor = item.cursor;
        let mut hash = cursor.hash;
        hash[31] ^= 1;
        assert_eq!(refused(&bank.database, StreamCursor { hash, ..cursor }), ErrorKind::Fork);
        let epoch = cursor.epoch + 1;
        assert_eq!(refused(&bank.database, StreamCursor { epoch, ..cursor }), ErrorKind::Fork);
        let lsn = Lsn(cursor.lsn.0 + 1);
        let within = refused(&bank.database, StreamCursor { lsn, ..cursor });
        assert_eq!(within, ErrorKind::Invalid);
    }
    for lsn in [0, 1, 4_095, u64::MAX - 1, u64::MAX] {
        let cursor = StreamCursor { epoch: 1, lsn: Lsn(lsn), hash: [1; 32] };
        let kind = refused(&bank.database, cursor);
        assert!(matches!(kind, ErrorKind::Fork | ErrorKind::NotYet), "{lsn}: {kind:?}");
    }
}

/// Prevents: a flipped bit in the middle of the log is passed over, or takes what lies before it
/// along.
#[test]
fn damage_ends_the_stream_after_what_lies_before_it() {
    let bank = bank_after_day(93);
    let batches = whole(&bank);
    let whole = items(&batches);
    let damaged = whole[whole.len() / 2].cursor;
    let segment_bytes = options().segment_bytes;
    let name = format!("log/{:020}", damaged.lsn.0 / segment_bytes);
    let offset = usize::try_from(damaged.lsn.0 % segment_bytes).unwrap();
    // The database is open: it judged the log before the damage came.
    bank.disk.corrupt(&name, offset + 8, 1);
    let mut stream = bank.database.subscribe(StreamStart::Begin, StreamFilter::all()).unwrap();
    let mut read = 0;
    let error = loop {
        match stream.next(TINY, Duration::ZERO) {
            Ok(batch) => read += usize::try_from(batch.view().items_count()).unwrap(),
            Err(error) => break error,
        }
        assert!(read < whole.len(), "the damage was passed over");
    };
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let before = whole.iter().filter(|item| item.cursor.hash != damaged.hash);
    assert!(0 < read && read <= before.count(), "{read}");
    assert_eq!(stream.next(TINY, Duration::ZERO).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(refused(&bank.database, damaged), ErrorKind::Corrupt);
}

/// Prevents: a consumer that was away for too long misses what was moved away without hearing so.
#[test]
fn a_log_that_begins_later_says_what_is_gone() {
    let mut bank = bank_after_day(94);
    let batches = whole(&bank);
    let items = items(&batches);
    let (first, last) = (items[0].cursor, items.last().unwrap().cursor);
    assert!(options().segment_bytes < last.lsn.0, "the log has several segments");
    bank = bank.restart();
    bank.disk.remove(&format!("log/{:020}", 0)).unwrap();
    assert_eq!(refused(&bank.database, first), ErrorKind::Gone);
    assert_eq!(refused(&bank.database, StreamCursor::BEGIN), ErrorKind::Gone);
    let begin = bank.database.subscribe(StreamStart::Begin, StreamFilter::all());
    assert_eq!(begin.unwrap_err().kind(), ErrorKind::Gone);
    read(&bank.database, StreamStart::After(last), StreamFilter::all(), UNBOUNDED);
}
