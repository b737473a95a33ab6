//! Queries over the whole database, page by page: a page that skips or repeats a transfer makes a
//! statement wrong, and nobody notices (faults 62, 63).
#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use florin_core::{Database, ErrorKind, Options};
use florin_ledger::query::{Page, QueryFilter};
use florin_ledger::{
    Account, AccountFlags, AccountId, Amount, Code, LedgerId, Timestamp, Transfer, TransferFlags,
    TransferId,
};
use std::path::Path;

const OPENINGS: u64 = 4;
const TRANSFERS_PER_OPENING: u64 = 7;

/// A database opened several times, so that its log has several short segments.
fn database(directory: &Path) -> Database {
    for opening in 0..OPENINGS {
        let start = Timestamp(1_000_000 * (opening + 1));
        let options = Options { clock_start: Some(start), ..Options::default() };
        let database = Database::open(directory, options.clone()).unwrap();
        if opening == 0 {
            let accounts: Vec<Account> = (1..=4).map(account).collect();
            database.create_accounts(&accounts).unwrap();
        }
        let first = opening * TRANSFERS_PER_OPENING;
        let transfers: Vec<Transfer> =
            (first..first + TRANSFERS_PER_OPENING).map(transfer).collect();
        let results = database.create_transfers(&transfers).unwrap();
        assert!(results.iter().all(|result| result.status.name() == "created"), "{results:?}");
        database.close().unwrap();
    }
    let start = Timestamp(1_000_000 * (OPENINGS + 1));
    Database::open(directory, Options { clock_start: Some(start), ..Options::default() }).unwrap()
}

fn account(id: u128) -> Account {
    let ledger = LedgerId(if id < 3 { 1 } else { 2 });
    Account { id: AccountId(id), ledger, code: Code(10), ..Account::default() }
}

fn transfer(number: u64) -> Transfer {
    let is_second_ledger = number.is_multiple_of(3);
    let (debit, credit) = if is_second_ledger { (3, 4) } else { (1, 2) };
    Transfer {
        id: TransferId(u128::from(number) + 1),
        debit_account_id: AccountId(debit),
        credit_account_id: AccountId(credit),
        amount: Amount(1),
        user_data_64: number % 2,
        ledger: LedgerId(if is_second_ledger { 2 } else { 1 }),
        code: Code(u16::try_from(number % 5 + 1).unwrap()),
        flags: TransferFlags::NONE,
        ..Transfer::default()
    }
}

/// Reads all pages, each with `limit` results, and compares with what a filter by hand gives.
fn check(database: &Database, filter: QueryFilter, wanted: impl Fn(&Transfer) -> bool) {
    let everything = all_pages(database, QueryFilter { limit: 8_190, ..QueryFilter::all() });
    let mut expected: Vec<Transfer> = everything.into_iter().filter(wanted).collect();
    if filter.reversed {
        expected.reverse();
    }
    for limit in [1, 2, 3, 5, 100] {
        let found = all_pages(database, QueryFilter { limit, ..filter });
        assert_eq!(found, expected, "{limit} a page of {filter:?}");
    }
}

fn all_pages(database: &Database, mut filter: QueryFilter) -> Vec<Transfer> {
    let mut found = Vec::new();
    for _ in 0..1_000 {
        let Page { items, next_cursor } = database.query_transfers(&filter).unwrap();
        assert!(items.len() <= usize::try_from(filter.limit).unwrap());
        found.extend(items);
        let Some(next) = next_cursor else { return found };
        filter.cursor = Some(next);
    }
    unreachable!("the pages of a small database end");
}

#[test]
fn pages_of_transfers_in_both_directions_neither_skip_nor_repeat() {
    let directory = tempfile::tempdir().unwrap();
    let database = database(directory.path());
    let all = all_pages(&database, QueryFilter::all());
    let ids: Vec<u128> = all.iter().map(|transfer| transfer.id.0).collect();
    let count = u128::from(OPENINGS * TRANSFERS_PER_OPENING);
    assert_eq!(ids, (1..=count).collect::<Vec<_>>());
    let middle = all[10].timestamp;
    let late = all[20].timestamp;
    for reversed in [false, true] {
        let filter = QueryFilter { reversed, scan: true, ..QueryFilter::all() };
        check(&database, filter, |_| true);
        check(&database, QueryFilter { ledger: LedgerId(2), ..filter }, |transfer| {
            transfer.ledger == LedgerId(2)
        });
        check(&database, QueryFilter { code: Code(3), user_data_64: 1, ..filter }, |transfer| {
            transfer.code == Code(3) && transfer.user_data_64 == 1
        });
        check(&database, QueryFilter { timestamp_min: middle, ..filter }, |transfer| {
            middle <= transfer.timestamp
        });
        check(&database, QueryFilter { timestamp_max: middle, ..filter }, |transfer| {
            transfer.timestamp <= middle
        });
        let both = QueryFilter { timestamp_min: middle, timestamp_max: late, ..filter };
        check(&database, both, |transfer| {
            middle <= transfer.timestamp && transfer.timestamp <= late
        });
        check(&database, QueryFilter { timestamp_min: Timestamp(1 << 60), ..filter }, |_| false);
    }
}

/// Imported transfers are recorded long after their timestamps: a page that looked for the recorded
/// time would skip them.
#[test]
fn pages_go_from_imported_transfers_to_live_ones() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { clock_start: Some(Timestamp(1_000_000)), ..Options::default() };
    let database = Database::open(directory.path(), options).unwrap();
    let accounts: Vec<Account> = (1..=4)
        .map(|id| Account {
            flags: AccountFlags::IMPORTED,
            timestamp: Timestamp(u64::try_from(id).unwrap()),
            ..account(id)
        })
        .collect();
    database.create_accounts(&accounts).unwrap();
    let imported: Vec<Transfer> = (0..10)
        .map(|number| Transfer {
            flags: TransferFlags::IMPORTED,
            timestamp: Timestamp(1_000 * (number + 1)),
            ..transfer(number)
        })
        .collect();
    database.create_transfers(&imported).unwrap();
    database.create_transfers(&(10..20).map(transfer).collect::<Vec<_>>()).unwrap();
    let all = all_pages(&database, QueryFilter::all());
    assert_eq!(all.len(), 20);
    for reversed in [false, true] {
        let filter = QueryFilter { reversed, scan: true, ..QueryFilter::all() };
        check(&database, filter, |_| true);
        check(&database, QueryFilter { timestamp_min: Timestamp(4_001), ..filter }, |transfer| {
            4_001 <= transfer.timestamp.0
        });
        check(&database, QueryFilter { timestamp_max: Timestamp(4_000), ..filter }, |transfer| {
            transfer.timestamp.0 <= 4_000
        });
    }
}

#[test]
fn pages_of_accounts_in_both_directions_neither_skip_nor_repeat() {
    let directory = tempfile::tempdir().unwrap();
    let database = database(directory.path());
    for (reversed, expected) in [(false, [1, 2, 3, 4]), (true, [4, 3, 2, 1])] {
        for limit in [1, 2, 3, 100] {
            let mut filter = QueryFilter { reversed, limit, ..QueryFilter::all() };
            let mut ids = Vec::new();
            for _ in 0..10 {
                let page = database.query_accounts(&filter).unwrap();
                ids.extend(page.items.iter().map(|account| account.id.0));
                filter.cursor = page.next_cursor;
                if filter.cursor.is_none() {
                    break;
                }
            }
            assert_eq!(ids, expected, "{limit} a page, reversed {reversed}");
        }
    }
}

#[test]
fn a_filter_without_an_index_is_refused_unless_it_says_scan() {
    let directory = tempfile::tempdir().unwrap();
    let database = database(directory.path());
    let filter = QueryFilter { code: Code(1), ..QueryFilter::all() };
    for error in [
        database.query_transfers(&filter).unwrap_err(),
        database.query_accounts(&filter).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("\"scan\""), "{error}");
    }
    let filter = QueryFilter { limit: 0, ..QueryFilter::all() };
    assert_eq!(database.query_transfers(&filter).unwrap_err().kind(), ErrorKind::Invalid);
}

/// Prevents: a cursor that a caller made up crashes the reader, or reads past what is durable.
#[test]
fn a_made_up_cursor_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let database = database(directory.path());
    for cursor in [0, 1, 4_096, 1_000_003, 1 << 64, u128::from(u64::MAX), u128::MAX] {
        for reversed in [false, true] {
            let cursor = Some(florin_ledger::query::Cursor(cursor));
            let filter = QueryFilter { reversed, cursor, ..QueryFilter::all() };
            if let Err(error) = database.query_transfers(&filter) {
                assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
            }
        }
    }
}
