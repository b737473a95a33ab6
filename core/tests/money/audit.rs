//! An audit from outside: everything that can be asked of a bank, compared with its books.

use crate::bank::{Bank, Books};
use crate::book::Posting;
use florin_core::{Database, ErrorKind};
use florin_ledger::query::{AccountFilter, BalanceAt, Cursor};
use florin_ledger::record::Balances;
use florin_ledger::{
    Account, AccountId, Amount, CreateTransferStatus, LedgerId, Timestamp, Transfer, TransferId,
};
use std::collections::BTreeSet;

/// Ids of accounts and transfers that random days use, and some more.
const ACCOUNTS: u128 = 40;
const TRANSFERS: u128 = 2_000;

/// Everything that the bank says is in its books, and nothing else is.
pub(crate) fn audit(bank: &mut Bank) {
    bank.books.expire();
    let Bank { database, books, .. } = bank;
    check_counts(database, books);
    check_accounts(database, books);
    check_transfers(database, books);
    check_trial_balances(database, books);
    for id in books.book.accounts.keys() {
        check_history(database, books, *id);
    }
}

fn check_counts(database: &Database, books: &Books) {
    let status = database.status().unwrap();
    let counts = (status.accounts_count, status.transfers_count, status.holds_count);
    let model = &books.model;
    let expected = (model.accounts().count(), model.transfers_count(), model.holds_count());
    assert_eq!(counts, (count(expected.0), count(expected.1), count(expected.2)));
}

fn check_accounts(database: &Database, books: &Books) {
    let ids: Vec<AccountId> = (1..=ACCOUNTS).map(AccountId).collect();
    let found = database.lookup_accounts(&ids).unwrap();
    for account in books.model.accounts() {
        let sums = books.book.balances(account.id.0);
        assert_eq!(balances_of(account), sums, "the books contradict each other");
    }
    let expected: Vec<Account> = books.model.accounts().copied().collect();
    assert_eq!(found.into_iter().flatten().collect::<Vec<_>>(), expected);
}

fn check_transfers(database: &Database, books: &Books) {
    let known = books.book.transfers.keys().chain(&books.book.failed).copied();
    let ids: BTreeSet<u128> = known.chain(1..=TRANSFERS).collect();
    let ids: Vec<TransferId> = ids.into_iter().map(TransferId).collect();
    let found = database.lookup_transfers(&ids).unwrap();
    for (id, found) in ids.iter().zip(&found) {
        assert_eq!(found.as_ref(), books.book.transfers.get(&id.0), "{id:?}");
    }
    for (id, status) in ids.iter().zip(probe(database, &ids)) {
        let expected = if books.book.transfers.contains_key(&id.0) {
            continue;
        } else if books.book.failed.contains(&id.0) {
            CreateTransferStatus::IdAlreadyFailed
        } else {
            CreateTransferStatus::DebitAccountIdMustNotBeZero
        };
        assert_eq!(status, expected, "{id:?}");
    }
}

/// What becomes of transfers that have nothing but an id. None of them is remembered.
pub(crate) fn probe(database: &Database, ids: &[TransferId]) -> Vec<CreateTransferStatus> {
    let blank = |id: &TransferId| Transfer { id: *id, ..Transfer::default() };
    let blanks: Vec<Transfer> = ids.iter().map(blank).collect();
    let results = database.create_transfers(&blanks).unwrap();
    results.into_iter().map(|result| result.status).collect()
}

/// Law 1, from the accounts that were looked up and from the engine's own sums.
fn check_trial_balances(database: &Database, books: &Books) {
    let ledgers: BTreeSet<u32> = books.model.accounts().map(|account| account.ledger.0).collect();
    for ledger in ledgers {
        let on_ledger = |account: &&Account| account.ledger.0 == ledger;
        let accounts: Vec<_> = books.model.accounts().filter(on_ledger).collect();
        let sum = |of: fn(&Account) -> Amount| {
            let amounts = accounts.iter().map(|account| of(account).0);
            amounts.clone().try_fold(0_u128, u128::checked_add).map(Amount)
        };
        let sums = [
            sum(|account| account.debits_posted),
            sum(|account| account.credits_posted),
            sum(|account| account.debits_pending),
            sum(|account| account.credits_pending),
        ];
        assert_eq!((sums[0], sums[2]), (sums[1], sums[3]), "ledger {ledger} is out of balance");
        match database.trial_balance(LedgerId(ledger)) {
            Ok(trial) => {
                let trial_sums = [
                    trial.debits_posted,
                    trial.credits_posted,
                    trial.debits_pending,
                    trial.credits_pending,
                ];
                assert_eq!(trial_sums.map(Some), sums);
                assert_eq!(trial.accounts_count, count(accounts.len()));
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
                assert!(sums.contains(&None), "{error}");
            }
        }
    }
}

/// The account's postings, balances and past, both ways and in pages.
fn check_history(database: &Database, books: &Books, id: u128) {
    let expected = books.book.history(id);
    let all = AccountFilter { limit: 8_190, ..AccountFilter::new(AccountId(id)) };
    let balances = database.account_balances(&all).unwrap();
    assert_eq!(balances.next_cursor, None);
    assert_postings(&balances.items, &expected);

    let reversed = AccountFilter { reversed: true, ..all };
    let mut backwards = database.account_balances(&reversed).unwrap().items;
    backwards.reverse();
    assert_eq!(backwards, balances.items);

    let transfer = |(posting, _): &(Posting, Balances)| match posting {
        Posting::Transfer(id) => Some(books.book.transfers[id]),
        Posting::Expiry { .. } => None,
    };
    let transfers: Vec<Transfer> = expected.iter().filter_map(transfer).collect();
    assert_eq!(database.account_transfers(&all).unwrap().items, transfers);
    for page_of in [all, reversed] {
        let mut found = in_pages(database, AccountFilter { limit: 13, ..page_of });
        if page_of.reversed {
            found.reverse();
        }
        assert_eq!(found, transfers);
    }
    check_past(database, &books.book.accounts[&id], &balances.items);
}

fn assert_postings(found: &[BalanceAt], expected: &[(Posting, Balances)]) {
    assert_eq!(found.len(), expected.len());
    for (at, (posting, balances)) in found.iter().zip(expected) {
        assert_eq!(at.balances, *balances, "{posting:?}");
        if let Posting::Expiry { due, .. } = posting {
            assert!(*due <= at.timestamp, "{posting:?} expired early, at {:?}", at.timestamp);
        }
    }
}

fn in_pages(database: &Database, mut filter: AccountFilter) -> Vec<Transfer> {
    let mut found = Vec::new();
    loop {
        let page = database.account_transfers(&filter).unwrap();
        assert!(page.items.len() <= 13);
        found.extend(page.items);
        filter.cursor = page.next_cursor;
        let Some(Cursor(_)) = filter.cursor else { return found };
    }
}

/// The balance as of some instants: that of the last posting at or before.
fn check_past(database: &Database, account: &Account, postings: &[BalanceAt]) {
    let opening = BalanceAt { timestamp: account.timestamp, balances: Balances::default() };
    let before = Timestamp(account.timestamp.0 - 1);
    assert_eq!(database.balance_as_of(account.id, before).unwrap(), None);
    let step = postings.len() / 6 + 1;
    let instants = postings.iter().step_by(step).map(|posting| posting.timestamp.0);
    for instant in instants.flat_map(|at| [at - 1, at]).chain([account.timestamp.0, u64::MAX]) {
        let instant = Timestamp(instant.max(account.timestamp.0));
        let last = postings.iter().rev().find(|posting| posting.timestamp <= instant);
        let found = database.balance_as_of(account.id, instant).unwrap();
        assert_eq!(found, Some(*last.unwrap_or(&opening)), "as of {instant:?}");
    }
}

pub(crate) fn balances_of(account: &Account) -> Balances {
    Balances {
        debits_pending: account.debits_pending,
        debits_posted: account.debits_posted,
        credits_pending: account.credits_pending,
        credits_posted: account.credits_posted,
    }
}

pub(crate) fn count(count: usize) -> u64 {
    u64::try_from(count).expect("it fits")
}
