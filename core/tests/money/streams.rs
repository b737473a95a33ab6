//! What readers of the log are told: everything that happened, once, in order, nothing before it is
//! durable; and what they filtered out does not change the rest.

use crate::bank::Bank;
use crate::book::Posting;
use crate::days::{Case, random_day, seeds};
use crate::forms::{account, hold, linked, transfer};
use crate::gate::HeldSyncs;
use florin_core::stream::{StreamBatch, Subscription};
use florin_core::{Database, ErrorKind};
use florin_ledger::commit::Topic;
use florin_ledger::stream::{ItemContent, ItemKind, ItemKinds};
use florin_ledger::{
    AccountId, LedgerId, StreamCursor, StreamFilter, StreamItem, StreamStart, Timestamp,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Batches of any size.
pub(crate) const UNBOUNDED: usize = usize::MAX;
/// Hardly more than one transfer.
pub(crate) const TINY: usize = 220;

/// Everything durable from a position on, in batches of at most `bytes_max` bytes.
pub(crate) fn read(
    database: &Database,
    start: StreamStart,
    filter: StreamFilter,
    bytes_max: usize,
) -> Vec<StreamBatch> {
    drain(&mut database.subscribe(start, filter).unwrap(), bytes_max)
}

fn drain(subscription: &mut Subscription, bytes_max: usize) -> Vec<StreamBatch> {
    let mut batches = Vec::new();
    loop {
        let batch = subscription.next(bytes_max, Duration::ZERO).unwrap();
        let is_last = batch.view().end().is_live;
        assert!(is_last || batch.view().items_count() != 0, "no item is larger than a batch");
        batches.push(batch);
        if is_last {
            return batches;
        }
    }
}

pub(crate) fn items(batches: &[StreamBatch]) -> Vec<StreamItem<'_>> {
    batches.iter().flat_map(|batch| batch.view().items()).collect()
}

fn end(batches: &[StreamBatch]) -> StreamCursor {
    batches.last().unwrap().view().end().cursor
}

/// The whole stream, and a filtered one that ends with it: after an opening the log goes on by
/// itself, with a frame that holds nothing to tell.
fn whole_and_parts(
    database: &Database,
    filter: &StreamFilter,
    bytes_max: usize,
) -> (Vec<StreamBatch>, Vec<StreamBatch>) {
    let read_whole = || read(database, StreamStart::Begin, StreamFilter::all(), UNBOUNDED);
    loop {
        let whole = read_whole();
        let parts = read(database, StreamStart::Begin, filter.clone(), bytes_max);
        if end(&read_whole()) == end(&whole) {
            return (whole, parts);
        }
    }
}

/// A bank with a day behind it, with restarts and power cuts in between.
pub(crate) fn bank_after_day(seed: u64) -> Bank {
    let mut bank = Bank::new();
    for (number, steps) in random_day(seed, 60).chunks(6).enumerate() {
        bank.play(steps, 3);
        match number % 4 {
            1 => bank = bank.restart(),
            3 => bank = bank.power_cut(seed),
            _ => {}
        }
        bank.synchronise();
    }
    bank
}

/// Fault 72: a consumer is told twice of a payment, or not at all, or of a post before its hold.
#[test]
fn a_stream_is_the_book_in_order_of_effect() {
    for seed in seeds(60..70) {
        let _case = Case(format!("day {seed}"));
        let bank = bank_after_day(seed);
        let batches = read(&bank.database, StreamStart::Begin, StreamFilter::all(), UNBOUNDED);
        let items = items(&batches);
        let mut accounts = BTreeMap::new();
        let mut failed = BTreeSet::new();
        let mut refused = BTreeMap::new();
        let mut epochs = Vec::new();
        let mut postings = Vec::new();
        for item in &items {
            match item.content {
                ItemContent::Epoch { epoch, .. } => epochs.push(epoch),
                ItemContent::Account(account) => {
                    assert_eq!(accounts.insert(account.id.0, account), None)
                }
                ItemContent::Failed { id, .. } => assert!(failed.insert(id.0)),
                ItemContent::Refusal(refusal) => {
                    assert!(refusal.reason.is_of_batch(), "a day has no commits");
                    refused.insert(item.time.0, (refusal.id, refusal.reason.name()));
                }
                content => postings.push(content),
            }
        }
        let book = &bank.books.book;
        assert_eq!(accounts, book.accounts);
        assert_eq!(failed, book.failed);
        // A request whose answer was lost is refused again, and both are on record.
        assert!(book.refused.iter().all(|(time, what)| refused.get(time) == Some(what)));
        assert!(!book.refused.is_empty(), "a day without a refusal shows nothing");
        assert_eq!(epochs, (1..=bank.status().epoch).collect::<Vec<_>>());
        assert_eq!(postings.len(), book.postings().len());
        for (content, posting) in postings.iter().zip(book.postings()) {
            match (content, posting) {
                (ItemContent::Transfer(transfer), Posting::Transfer(id)) => {
                    assert_eq!(*transfer, book.transfers[id]);
                }
                (ItemContent::Expiry(expiry), Posting::Expiry { hold, .. }) => {
                    let hold = book.transfers[hold];
                    assert_eq!((expiry.hold_id, expiry.amount), (hold.id, hold.amount));
                    assert_eq!(expiry.debit_account_id, hold.debit_account_id);
                    assert_eq!(expiry.credit_account_id, hold.credit_account_id);
                    assert_eq!((expiry.ledger, expiry.code), (hold.ledger, hold.code));
                    assert_eq!(expiry.hold_timestamp, hold.timestamp);
                }
                other => unreachable!("{other:?}"),
            }
        }
        assert!(items.is_sorted_by(|a, b| a.cursor.lsn < b.cursor.lsn && a.time <= b.time));
    }
}

/// Prevents: a reader with little room sees another stream than one with much.
#[test]
fn batches_of_any_size_hold_the_same_items() {
    for seed in seeds(70..73) {
        let _case = Case(format!("day {seed}"));
        let bank = bank_after_day(seed);
        for bytes_max in [TINY, 500, 4_096] {
            let (whole, parts) = whole_and_parts(&bank.database, &StreamFilter::all(), bytes_max);
            assert_eq!(items(&parts), items(&whole));
            assert_eq!(end(&parts), end(&whole));
        }
    }
}

/// What a filter means, by hand.
type Wanted = fn(&ItemContent<'_>) -> bool;

fn filters() -> Vec<(StreamFilter, Wanted)> {
    let all = StreamFilter::all;
    let transfers = ItemKinds::NONE.with(ItemKind::Transfer);
    vec![
        (all(), |_| true),
        (StreamFilter { kinds: transfers, ..all() }, |content| {
            matches!(content, ItemContent::Transfer(_))
        }),
        (StreamFilter { kinds: transfers.with(ItemKind::Failed), ..all() }, |content| {
            matches!(content, ItemContent::Transfer(_) | ItemContent::Failed { .. })
        }),
        (StreamFilter { ledgers: vec![LedgerId(2), LedgerId(1)], ..all() }, |content| {
            ledger(content).is_some()
        }),
        (StreamFilter { ledgers: vec![LedgerId(2)], ..all() }, |content| {
            ledger(content) == Some(LedgerId(2))
        }),
        (
            StreamFilter { accounts: vec![AccountId(9), AccountId(3), AccountId(1)], ..all() },
            |content| parties(content).iter().any(|id| [1, 3, 9].contains(&id.0)),
        ),
        (StreamFilter { kinds: transfers, accounts: vec![AccountId(2)], ..all() }, |content| {
            matches!(content, ItemContent::Transfer(_)) && parties(content).contains(&AccountId(2))
        }),
        (StreamFilter { topics: vec![Topic(1)], ..all() }, |_| false),
    ]
}

fn ledger(content: &ItemContent<'_>) -> Option<LedgerId> {
    match content {
        ItemContent::Account(account) => Some(account.ledger),
        ItemContent::Transfer(transfer) => Some(transfer.ledger),
        ItemContent::Expiry(expiry) => Some(expiry.ledger),
        _ => None,
    }
}

fn parties(content: &ItemContent<'_>) -> Vec<AccountId> {
    match content {
        ItemContent::Account(account) => vec![account.id],
        ItemContent::Transfer(transfer) => {
            vec![transfer.debit_account_id, transfer.credit_account_id]
        }
        ItemContent::Expiry(expiry) => vec![expiry.debit_account_id, expiry.credit_account_id],
        _ => Vec::new(),
    }
}

/// Of each commit, what is wanted; the last of it ends it.
fn filtered<'a>(whole: &[StreamItem<'a>], wanted: Wanted) -> Vec<StreamItem<'a>> {
    let mut found = Vec::new();
    for commit in whole.split_inclusive(|item| item.ends_commit) {
        let before = found.len();
        found.extend(commit.iter().filter(|item| wanted(&item.content)).copied());
        if let Some(last) = found[before..].last_mut() {
            last.ends_commit = true;
        }
    }
    found
}

/// Prevents: an account's consumer misses its own payment, or reads the whole bank again after a
/// restart because nothing of it was wanted.
#[test]
fn a_filtered_stream_is_the_whole_stream_filtered() {
    for seed in seeds(73..78) {
        let _case = Case(format!("day {seed}"));
        let bank = bank_after_day(seed);
        for (filter, wanted) in filters() {
            for bytes_max in [TINY, 4_096] {
                let (whole, parts) = whole_and_parts(&bank.database, &filter, bytes_max);
                let expected = filtered(&items(&whole), wanted);
                assert_eq!(items(&parts), expected, "{filter:?}");
                assert_eq!(end(&parts), end(&whole), "{filter:?}");
            }
        }
    }
}

/// Prevents: a consumer keeps its cursor in the midst of a chain as if the chain were done, or waits
/// for an end that never comes.
#[test]
fn the_last_of_a_chain_says_so_even_if_something_expires_within() {
    let mut bank = Bank::new();
    bank.create_accounts(&[account(1), account(2)]);
    bank.create_transfers(&[hold(10, 1, 2, 5, 1)]);
    let due = bank.books.book.transfers[&10].timestamp.0 + 1_000_000_000;
    // The hold is due between the first and the second member.
    bank.wait_until(due - 1);
    let chain =
        [linked(transfer(11, 1, 2, 1)), linked(transfer(12, 1, 2, 1)), transfer(13, 1, 2, 1)];
    bank.create_transfers(&[chain[0], chain[1], chain[2], transfer(14, 1, 2, 1)]);
    for bytes_max in [TINY, UNBOUNDED] {
        let batches = read(&bank.database, StreamStart::Begin, StreamFilter::all(), bytes_max);
        let told: Vec<(String, bool)> = items(&batches)
            .iter()
            .map(|item| match item.content {
                ItemContent::Transfer(transfer) => (transfer.id.to_string(), item.ends_commit),
                content => (content.kind().name().to_owned(), item.ends_commit),
            })
            .collect();
        let told: Vec<(&str, bool)> =
            told.iter().map(|(name, end)| (name.as_str(), *end)).collect();
        let expected = [
            ("epoch", true),
            ("account", true),
            ("account", true),
            ("10", true),
            ("11", false),
            ("expiry", false),
            ("12", false),
            ("13", true),
            ("14", true),
        ];
        assert_eq!(told, expected);
    }
}

/// Fault 72: the world is told of a payment that a power cut then undoes.
#[test]
fn nothing_is_told_before_it_is_durable() {
    let mut bank = Bank::new();
    bank.create_accounts(&[account(1), account(2)]);
    let mut live = bank.database.subscribe(StreamStart::End, StreamFilter::all()).unwrap();
    assert_eq!(items(&drain(&mut live, UNBOUNDED)), []);
    let (sender, told) = std::sync::mpsc::channel();
    bank.database.on_durable(move || {
        // Closing the bank is the last rise, and nobody listens any more.
        let _ = sender.send(());
    });
    let held = HeldSyncs::of_the_log(&bank.disk);
    std::thread::scope(|scope| {
        let posting = scope.spawn(|| bank.database.create_transfers(&[transfer(1, 1, 2, 1)]));
        bank.disk.wait_for_held_syncs(1);
        let batch = live.next(UNBOUNDED, Duration::from_millis(20)).unwrap();
        assert_eq!((batch.view().items_count(), batch.view().end().is_live), (0, true));
        assert!(told.try_recv().is_err());
        drop(held);
        posting.join().unwrap().unwrap();
    });
    told.recv().unwrap();
    let batch = live.next(UNBOUNDED, Duration::from_secs(60)).unwrap();
    let contents: Vec<ItemContent<'_>> = batch.view().items().map(|item| item.content).collect();
    let [ItemContent::Transfer(told)] = contents[..] else { unreachable!("{contents:?}") };
    assert_eq!(told.id.0, 1);
}

/// Prevents: a reader waits for ever on a database that was closed, or loses what came before.
#[test]
fn a_closed_database_gives_what_is_durable_and_then_ends() {
    let mut bank = Bank::new();
    bank.create_accounts(&[account(1)]);
    let mut stream = bank.database.subscribe(StreamStart::Begin, StreamFilter::all()).unwrap();
    bank.database.close().unwrap();
    let batch = stream.next(UNBOUNDED, Duration::from_secs(60)).unwrap();
    assert_eq!(batch.view().items_count(), 2, "the epoch and the account");
    let ended = stream.next(UNBOUNDED, Duration::from_secs(60));
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Stopped);
}

/// Prevents: a report from midnight on begins a record too early or too late.
#[test]
fn a_stream_from_a_time_begins_with_its_first_record() {
    for seed in seeds(78..80) {
        let _case = Case(format!("day {seed}"));
        let bank = bank_after_day(seed);
        let whole = read(&bank.database, StreamStart::Begin, StreamFilter::all(), UNBOUNDED);
        let whole = items(&whole);
        let times = whole.iter().flat_map(|item| [item.time.0, item.time.0 + 1]);
        for time in times.chain([0, 1, u64::MAX]).map(Timestamp) {
            let found = read(&bank.database, StreamStart::Time(time), StreamFilter::all(), 4_096);
            let expected: Vec<_> = whole.iter().filter(|item| time <= item.time).copied().collect();
            assert_eq!(items(&found), expected, "from {time}");
        }
    }
}
