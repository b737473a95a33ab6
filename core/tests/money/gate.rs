//! The log's sync is held back: nothing that depends on it leaves, and nothing derived from it
//! becomes durable.

use crate::audit::audit;
use crate::bank::{Bank, options, request};
use crate::events::Step;
use crate::forms::{account, purse, transfer};
use crate::recovery::recover;
use florin_core::disk::Disk;
use florin_core::disk::simulated::SimulatedDisk;
use florin_core::request::Request;
use florin_ledger::{AccountId, Lsn};
use std::sync::mpsc;

/// Turns of the other threads that are watched while nothing may happen.
const WATCHED: usize = 5_000;

/// Syncs of the log wait as long as this lives.
pub(crate) struct HeldSyncs(SimulatedDisk);

impl HeldSyncs {
    pub(crate) fn of_the_log(disk: &SimulatedDisk) -> HeldSyncs {
        disk.hold_syncs("log/");
        HeldSyncs(disk.clone())
    }
}

impl Drop for HeldSyncs {
    fn drop(&mut self) {
        self.0.release_syncs();
    }
}

/// Faults 37, 61: a checkpoint, a run, a reply, a refusal or a read is ahead of the log.
#[test]
fn nothing_leaves_and_nothing_is_derived_before_the_log_is_durable() {
    let mut bank = Bank::new();
    bank.create_accounts(&[account(1), account(2), purse(3)]);
    while bank.status().checkpoint.0 < 5_000 {
        let id = bank.books.book.transfers.len();
        bank.create_transfers(&[transfer(u128::try_from(id).unwrap() + 1, 1, 2, 1)]);
    }
    // After an opening and the checkpoint that it begins with, nothing is under way.
    let mut bank = bank.restart();
    let segment = |lsn: Lsn| lsn.0 / options().segment_bytes;
    while segment(bank.status().checkpoint) < segment(bank.status().applied) {}
    let mut books = vec![bank.books.clone()];
    let runs = bank.disk.list("runs").unwrap();
    let durable = bank.disk.crash_image(bank.disk.operations_count(), 0);
    let checkpoint = durable.contents("checkpoint.redb");

    let held = HeldSyncs::of_the_log(&bank.disk);
    let (sender, answers) = mpsc::channel();
    let submit = |request: Request| {
        let sender = sender.clone();
        bank.database.submit(request, move |reply| drop(sender.send(reply)));
    };
    // The first turn alone, so that the others queue up behind its sync.
    let first: Vec<_> = (1_000..1_100).map(|id| transfer(id, 1, 2, 1)).collect();
    let refused = vec![transfer(5_000, 3, 2, 1)];
    let mut books_now = bank.books.clone();
    for step in [Step::Transfers(first), Step::Transfers(refused)] {
        books_now.predict(&step);
        books.push(books_now.clone());
        submit(request(&step));
        bank.disk.wait_for_held_syncs(1);
    }
    submit(Request::LookupAccounts(vec![AccountId(1)]));
    submit(Request::Status);
    for _ in 0..WATCHED {
        std::thread::yield_now();
        assert!(answers.try_recv().is_err(), "an answer left before its sync");
    }
    assert_eq!(bank.disk.list("runs").unwrap(), runs, "a run is ahead of the log");
    for seed in 0..6 {
        let image = bank.disk.crash_image(bank.disk.operations_count(), seed);
        if seed == 0 {
            assert_eq!(image.contents("checkpoint.redb"), checkpoint, "a checkpoint is ahead");
        }
        recover(image, &books, 0);
    }
    drop(held);
    for answer in answers.iter().take(4) {
        answer.unwrap();
    }
    let image = bank.disk.crash_image(bank.disk.operations_count(), 0);
    recover(image, &books, 2);
    bank.books = books_now;
    audit(&mut bank.restart());
}

/// Fault 73: each request has a sync of its own, and a slow disk makes a slow bank.
#[test]
fn requests_that_arrive_during_a_sync_share_the_next() {
    const REQUESTS: u64 = 400;
    let mut bank = Bank::new();
    bank.create_accounts(&[account(1), account(2)]);
    let held = HeldSyncs::of_the_log(&bank.disk);
    let syncs_before = bank.disk.counters().syncs_count;
    let (sender, answers) = mpsc::channel();
    for id in 1..=u128::from(REQUESTS) {
        let sender = sender.clone();
        let step = Step::Transfers(vec![transfer(id, 1, 2, 1)]);
        bank.database.submit(request(&step), move |reply| drop(sender.send(reply)));
        bank.disk.wait_for_held_syncs(1);
    }
    drop(held);
    for answer in answers.iter().take(400) {
        answer.unwrap();
    }
    let syncs_count = bank.disk.counters().syncs_count - syncs_before;
    assert!(syncs_count < REQUESTS / 10, "{syncs_count} syncs for {REQUESTS} requests");
}
