//! Positions as tokens: whoever asks for one is answered by a log that has it. A customer who is told
//! "paid" and then reads a balance from before pays again.

use crate::bank::{Bank, options, request};
use crate::events::Step;
use crate::forms::{account, transfer};
use crate::gate::HeldSyncs;
use crate::streams::{UNBOUNDED, bank_after_day, items, read};
use florin_core::disk::Disk;
use florin_core::log::Geometry;
use florin_core::{Database, ErrorKind};
use florin_ledger::{AccountId, Amount, Lsn, Position, StreamCursor, StreamFilter, StreamStart};
use std::sync::mpsc;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(600);
/// Turns of the other threads that are watched while nothing may happen.
const WATCHED: usize = 5_000;

/// What is said at once of a position.
fn at_once(database: &Database, position: Position) -> Result<(), ErrorKind> {
    database.wait_for(position, Duration::ZERO).map_err(|error| error.kind())
}

/// The positions of all records.
fn positions(bank: &Bank) -> Vec<Position> {
    let batches = read(&bank.database, StreamStart::Begin, StreamFilter::all(), UNBOUNDED);
    let position = |cursor: StreamCursor| Position { epoch: cursor.epoch, lsn: cursor.lsn };
    items(&batches).iter().map(|item| position(item.cursor)).collect()
}

/// Fault 61: a read is answered from before what its caller was told of.
#[test]
fn a_position_is_reached_when_it_is_durable_and_then_it_is_read() {
    let mut bank = Bank::new();
    bank.create_accounts(&[account(1), account(2)]);
    let epoch = bank.status().epoch;
    let held = HeldSyncs::of_the_log(&bank.disk);
    let (sender, answers) = mpsc::channel();
    let step = Step::Transfers(vec![transfer(1, 1, 2, 70)]);
    bank.database.submit(request(&step), move |reply| drop(sender.send(reply)));
    bank.disk.wait_for_held_syncs(1);
    let durable = bank.database.durable_end();
    let last = Position { epoch, lsn: Lsn(durable.0 - 1) };
    assert_eq!(at_once(&bank.database, last), Ok(()));
    assert_eq!(at_once(&bank.database, Position::NONE), Ok(()));
    let geometry = Geometry::new(options().segment_bytes).unwrap();
    let next = Position { epoch, lsn: geometry.place_after(durable) };
    let (sender, reached) = mpsc::channel();
    let waiting = std::thread::spawn({
        let database = bank.database.clone();
        move || {
            let waited = database.wait_for(next, LONG);
            let balance = database.lookup_accounts(&[AccountId(2)]).unwrap()[0].unwrap();
            sender.send((waited, balance.credits_posted)).unwrap();
        }
    });
    for _ in 0..WATCHED {
        std::thread::yield_now();
        assert!(reached.try_recv().is_err(), "decided is not durable");
    }
    assert_eq!(at_once(&bank.database, next), Err(ErrorKind::NotYet));
    drop(held);
    assert_eq!(reached.recv().unwrap(), (Ok(()), Amount(70)));
    waiting.join().unwrap();
    answers.recv().unwrap().unwrap();
    assert_eq!(at_once(&bank.database, next), Ok(()));
    bank.database.close().unwrap();
    assert_eq!(at_once(&bank.database, next), Err(ErrorKind::Stopped));
}

/// Fault 52: a customer is shown a bank in which what it was told did not happen, or waits for it for
/// ever. What lies ahead is another matter.
#[test]
fn a_position_of_another_history_is_told_from_one_that_is_ahead() {
    let mut bank = Bank::new();
    bank.create_accounts(&[account(1), account(2)]);
    bank.create_transfers(&[transfer(1, 1, 2, 1)]);
    let yesterday = bank.disk.crash_image(bank.disk.operations_count(), 0);
    let books = bank.books.clone();
    let shared = positions(&bank);
    // So much that it lies past what the copy has written when it was opened.
    for id in 2..4_000 {
        bank.create_transfers(&[transfer(id, 1, 2, 1)]);
    }
    let lost = positions(&bank)[shared.len()..].to_vec();

    let mut restored = Bank::reopen(yesterday, bank.clock.nanoseconds(), books).unwrap();
    for position in &shared {
        assert_eq!(at_once(&restored.database, *position), Ok(()), "{position}");
    }
    let (first, last) = (lost[0], *lost.last().unwrap());
    let durable = restored.status().durable;
    assert!(first.lsn < durable, "in what the copy has passed over");
    for position in [first, last, Position { lsn: Lsn(durable.0 + (1 << 30)), ..last }] {
        assert_eq!(at_once(&restored.database, position), Err(ErrorKind::Fork), "{position}");
        let waited = restored.database.wait_for(position, LONG).map_err(|error| error.kind());
        assert_eq!(waited, Err(ErrorKind::Fork), "nobody waits for what will not come");
    }
    let epoch = restored.status().epoch;
    for epoch in [epoch, epoch + 1] {
        let ahead = Position { epoch, lsn: Lsn(durable.0 + (1 << 30)) };
        assert_eq!(at_once(&restored.database, ahead), Err(ErrorKind::NotYet), "{ahead}");
    }
    restored.create_transfers(&[transfer(5_000, 1, 2, 1)]);
    assert_eq!(at_once(&restored.database, first), Err(ErrorKind::Fork));
    let own = *positions(&restored).last().unwrap();
    assert_eq!(at_once(&restored.database, own), Ok(()));
    let of_another = Position { epoch: epoch + 1, ..own };
    assert_eq!(at_once(&restored.database, of_another), Err(ErrorKind::Fork));
}

/// Prevents: what was moved away is taken for what never was.
#[test]
fn a_position_before_the_log_begins_is_gone() {
    let mut bank = bank_after_day(94);
    let all = positions(&bank);
    bank = bank.restart();
    bank.disk.remove(&format!("log/{:020}", 0)).unwrap();
    assert_eq!(at_once(&bank.database, all[0]), Err(ErrorKind::Gone));
    assert_eq!(at_once(&bank.database, *all.last().unwrap()), Ok(()));
}
