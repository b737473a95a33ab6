//! Dry runs of the past. What would go wrong without: a bank that asks what it should have answered
//! yesterday, because a customer disputes it, is told what it would answer today, or a guess.

use crate::cabinet::{
    Cabinet, account, commit, customer, delete, put, put_if, put_until, transfer,
};
use crate::dice::Dice;
use florin_core::commits::CommitRequest;
use florin_core::{Database, Error, ErrorKind};
use florin_ledger::commit::{BalanceField, CommitDone, CommitRefused};
use florin_ledger::document::{DocumentCondition, WriteResult};
use florin_ledger::{AccountFlags, AccountId};
use florin_ledger::{
    Amount, Commit, CommitOutcome, DocumentKey, DocumentWrite, Lsn, Position, Precondition,
    StreamFilter, StreamStart, TableId, TableOptions, Timestamp, Transfer, TransferFlags,
    TransferId,
};
use proptest::prelude::*;
use std::time::Duration;

const ACCOUNTS: u64 = 5;
const SECOND: u64 = 1_000_000_000;

/// The position of the last record that a stream tells of.
pub(crate) fn last_position(database: &Database) -> Position {
    let mut stream = database.subscribe(StreamStart::Begin, StreamFilter::all()).unwrap();
    let mut last = Position::NONE;
    loop {
        let batch = stream.next(1 << 20, Duration::ZERO).unwrap();
        let cursors = batch.view().items().map(|item| item.cursor);
        if let Some(cursor) = cursors.last() {
            last = Position { epoch: cursor.epoch, lsn: cursor.lsn };
        }
        if batch.view().end().is_live {
            return last;
        }
    }
}

/// What a dry run is answered as of a position.
pub(crate) fn as_of(
    database: &Database,
    commit: &Commit,
    at: Position,
) -> Result<CommitOutcome, Error> {
    database.dry_run_as_of(&CommitRequest::new(commit).unwrap(), at)
}

/// An outcome without its times: those of the past are told as of the nanosecond after it.
pub(crate) fn timeless(outcome: CommitOutcome) -> CommitOutcome {
    let timestamp = Timestamp::NONE;
    match outcome {
        CommitOutcome::Done(done) => CommitOutcome::Done(CommitDone {
            timestamp,
            accounts: vec![timestamp; done.accounts.len()],
            transfers: vec![timestamp; done.transfers.len()],
            ..done
        }),
        CommitOutcome::Refused(refused) => {
            CommitOutcome::Refused(CommitRefused { timestamp, ..refused })
        }
        outcome => outcome,
    }
}

/// A day of payments, holds, and accounts that are closed and opened again.
struct Day {
    dice: Dice,
    cabinet: Cabinet,
    next_id: u128,
    holds: Vec<TransferId>,
}

impl Day {
    fn some_hold(&mut self) -> TransferId {
        let count = u64::try_from(self.holds.len()).unwrap();
        match usize::try_from(self.dice.roll(count.max(1))) {
            Ok(place) if place < self.holds.len() => self.holds[place],
            _ => TransferId(77_777),
        }
    }

    fn id(&mut self) -> u128 {
        self.next_id += 1;
        // Sometimes one that was used.
        if self.dice.one_in(8) { 1 + self.next_id / 2 } else { self.next_id }
    }

    fn transfer(&mut self) -> Transfer {
        let id = self.id();
        let debit = 1 + self.dice.roll(ACCOUNTS);
        let credit = 1 + (debit + self.dice.roll(ACCOUNTS - 1)) % ACCOUNTS;
        let amount = u128::from(self.dice.roll(60));
        let plain = transfer(id, debit.into(), credit.into(), amount);
        let pending = TransferFlags::PENDING;
        let settle = |flags, amount, pending_id| Transfer {
            flags,
            amount: Amount(amount),
            pending_id,
            debit_account_id: AccountId(0),
            credit_account_id: AccountId(0),
            ..plain
        };
        match self.dice.roll(10) {
            0..3 => {
                let timeout = u32::try_from(self.dice.roll(4)).unwrap();
                Transfer { flags: pending, timeout, ..plain }
            }
            3 => settle(TransferFlags::POST_PENDING_TRANSFER, amount / 2, self.some_hold()),
            4 | 5 => settle(TransferFlags::VOID_PENDING_TRANSFER, 0, self.some_hold()),
            6 if self.dice.one_in(2) => {
                let timeout = u32::try_from(self.dice.roll(3)).unwrap();
                let flags = pending.with(TransferFlags::CLOSING_DEBIT);
                Transfer { flags, timeout, amount: Amount(0), ..plain }
            }
            _ => plain,
        }
    }

    fn post(&mut self) {
        let transfers: Vec<Transfer> = (0..=self.dice.roll(4)).map(|_| self.transfer()).collect();
        let results = self.cabinet.database.create_transfers(&transfers).unwrap();
        for (transfer, result) in transfers.iter().zip(results) {
            let is_hold = transfer.flags.contains(TransferFlags::PENDING);
            if is_hold && result.status.name() == "created" {
                self.holds.push(transfer.id);
            }
        }
    }

    fn commit(&mut self) -> Commit {
        self.next_id += 1;
        let id = if self.dice.one_in(6) { 1 + self.next_id / 2 } else { self.next_id };
        let mut commit = commit(id);
        commit.transfers = (0..self.dice.roll(3)).map(|_| self.transfer()).collect();
        if self.dice.one_in(3) {
            let field = BalanceField::ALL[usize::try_from(self.dice.roll(6)).unwrap()];
            commit.preconditions.push(Precondition::Balance {
                account_id: AccountId((1 + self.dice.roll(ACCOUNTS + 1)).into()),
                field,
                min: Amount(self.dice.roll(200).into()),
                max: Amount((200 + self.dice.roll(2_000)).into()),
            });
        }
        if self.dice.one_in(3) {
            let transfer_id = self.some_hold();
            commit.preconditions.push(Precondition::HoldPending { transfer_id });
        }
        if self.dice.one_in(8) {
            commit.accounts.push(account((1 + self.dice.roll(ACCOUNTS + 3)).into()));
        }
        commit
    }
}

fn live_a_day(seed: u64, steps_count: usize) {
    let cabinet = Cabinet::new();
    let closed = customer(4);
    let flags = closed.flags.with(AccountFlags::HISTORY);
    let late = florin_ledger::Account { flags, ..closed };
    cabinet.database.create_accounts(&[account(1), customer(2), account(3), late]).unwrap();
    let mut day = Day { dice: Dice::new(seed), cabinet, next_id: 0, holds: Vec::new() };
    let mut remembered: Vec<(Commit, CommitOutcome, Position)> = Vec::new();
    for step in 0..steps_count {
        if step == steps_count / 3 {
            day.cabinet.database.create_accounts(&[account(5)]).unwrap();
        }
        match day.dice.roll(12) {
            0..5 => day.post(),
            5 => {
                let until = day.cabinet.now() + day.dice.roll(2 * SECOND);
                day.cabinet.wait_until(until);
            }
            6..8 => {
                let commit = day.commit();
                day.cabinet.commit(&commit);
            }
            8 if day.dice.one_in(8) => {
                let cabinet = std::mem::replace(&mut day.cabinet, Cabinet::new());
                day.cabinet = cabinet.restart();
            }
            _ => {
                let commit = day.commit();
                let outcome = timeless(day.cabinet.database.dry_run(&commit).unwrap());
                remembered.push((commit, outcome, last_position(&day.cabinet.database)));
            }
        }
    }
    for (commit, outcome, at) in &remembered {
        let then = as_of(&day.cabinet.database, commit, *at).unwrap();
        assert_eq!(&timeless(then), outcome, "at {at}: {commit:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_past_is_answered_as_it_was_then(seed in any::<u64>()) {
        live_a_day(seed, 300);
    }
}

fn refused(cabinet: &Cabinet, commit: &Commit, at: Position) -> ErrorKind {
    as_of(&cabinet.database, commit, at).expect_err("it can't be told").kind()
}

/// Prevents: what nobody knows any more is answered as if it were known.
#[test]
fn what_can_not_be_told_is_refused() {
    let cabinet = Cabinet::new();
    cabinet.open_accounts();
    let first = cabinet.put_any("first", "");
    let pay = Commit { transfers: vec![transfer(1, 1, 2, 5)], ..commit(1) };
    let done = as_of(&cabinet.database, &pay, first).unwrap();
    assert!(matches!(done, CommitOutcome::Done(_)), "{done:?}");

    let within = Position { lsn: Lsn(first.lsn.0 + 1), ..first };
    assert_eq!(refused(&cabinet, &pay, within), ErrorKind::Invalid, "no record");
    let ahead = Position { lsn: Lsn(first.lsn.0 + (1 << 30)), ..first };
    assert_eq!(refused(&cabinet, &pay, ahead), ErrorKind::NotYet);
    let other = Position { epoch: first.epoch - 1, ..ahead };
    assert_eq!(refused(&cabinet, &pay, other), ErrorKind::Fork);

    let imported = florin_ledger::Account {
        flags: AccountFlags::IMPORTED,
        timestamp: Timestamp(1),
        ..account(9)
    };
    let database = &cabinet.database;
    let empty = Commit { transfers: vec![transfer(2, 1, 9, 5)], ..commit(2) };
    let other = Cabinet::new();
    other.database.create_accounts(&[imported]).unwrap();
    other.open_accounts();
    let marked = other.put_any("marked", "");
    assert_eq!(refused(&other, &empty, marked), ErrorKind::Invalid, "when was it opened?");

    let volatile = TableOptions { volatile: true, ..TableOptions::default() };
    let table = TableId(20);
    database.declare_table(table, volatile).unwrap();
    let write = DocumentWrite { table, ..put_if("k", "", DocumentCondition::Absent) };
    let write = Commit { documents: vec![write], ..commit(3) };
    assert_eq!(refused(&cabinet, &write, first), ErrorKind::Invalid, "it has no past");
}

/// Prevents: a document that is due when the commit is judged stops the dry run, because nothing that
/// could expire was counted.
#[test]
fn what_was_due_then_is_gone_when_the_commit_is_judged() {
    let cabinet = Cabinet::new();
    cabinet.open_accounts();
    cabinet.write(put_until("code", "1", 5));
    let at = last_position(&cabinet.database);
    let absent = put_if("code", "2", DocumentCondition::Absent);
    let again = Commit { documents: vec![absent], ..commit(1) };
    let live = cabinet.database.dry_run(&again).unwrap();
    assert!(matches!(live, CommitOutcome::Done(_)), "{live:?}");
    cabinet.put_any("code", "3");
    let then = as_of(&cabinet.database, &again, at).unwrap();
    assert_eq!(timeless(then), timeless(live));
}

/// A commit, what the live engine answers to it now, and where that is.
fn judged(cabinet: &Cabinet, commit: Commit) -> (Commit, CommitOutcome, Position) {
    let live = timeless(cabinet.database.dry_run(&commit).unwrap());
    (commit, live, last_position(&cabinet.database))
}

/// Prevents: what a table promises is not known of the past: one that was declared though the commit
/// asks for its declaration too, and the system's own, which is not declared.
#[test]
fn what_tables_promised_then_is_kept() {
    let cabinet = Cabinet::new();
    let table = TableId(20);
    let append_only = TableOptions { append_only: true, ..TableOptions::default() };
    let entry = |table| DocumentWrite { table, ..put("entry", "1") };
    let declaration = Precondition::Document {
        table: TableId::DECLARATIONS,
        key: table.0.to_be_bytes().to_vec(),
        version: Position::NONE,
    };
    let mut remembered = Vec::new();
    let mut judge = |cabinet: &Cabinet| {
        for table in [table, TableId::DESTROYED_KEYS] {
            let write = Commit { documents: vec![entry(table)], ..commit(1) };
            remembered.push(judged(cabinet, write.clone()));
            let mut asked = declaration.clone();
            let key = DocumentKey { table: TableId::DECLARATIONS, key: vec![0, 20] };
            let declared = cabinet.database.documents(&[key]).unwrap().remove(0);
            if let (Some(declared), Precondition::Document { version, .. }) = (declared, &mut asked)
            {
                *version = declared.version;
            }
            remembered.push(judged(cabinet, Commit { preconditions: vec![asked], ..write }));
        }
    };
    cabinet.put_any("first", "");
    judge(&cabinet);
    cabinet.database.declare_table(table, append_only).unwrap();
    judge(&cabinet);
    for table in [table, TableId::DESTROYED_KEYS] {
        assert!(matches!(cabinet.write(entry(table)), WriteResult::Written(_)));
    }
    judge(&cabinet);
    let refused = remembered.iter().filter(|it| matches!(it.1, CommitOutcome::Unmet(_))).count();
    assert_eq!(refused, 4, "{remembered:?}");
    cabinet.put_any("last", "");
    for (commit, live, at) in remembered {
        let then = as_of(&cabinet.database, &commit, at).unwrap();
        assert_eq!(timeless(then), live, "at {at}: {commit:?}");
    }
}

/// Deletions are forgotten when nothing older is left: then nobody knows what was before.
#[test]
fn a_document_that_may_have_been_forgotten_is_not_said_to_be_absent() {
    let mut cabinet = Cabinet::new();
    cabinet.open_accounts();
    cabinet.put_any("gone", "here once");
    let there = last_position(&cabinet.database);
    cabinet.write(delete("gone"));
    let absent = put_if("gone", "", DocumentCondition::Absent);
    let write = Commit { documents: vec![absent], ..commit(5) };
    let before = as_of(&cabinet.database, &write, there).unwrap();
    assert!(matches!(before, CommitOutcome::Unmet(_)), "{before:?}");
    let after = as_of(&cabinet.database, &write, last_position(&cabinet.database)).unwrap();
    assert!(matches!(after, CommitOutcome::Done(_)), "{after:?}");
    // As many runs as are merged into one.
    for round in 0..12 {
        cabinet.put_any("round", &round.to_string());
        cabinet = cabinet.restart();
    }
    assert_eq!(refused(&cabinet, &write, there), ErrorKind::Invalid, "it is forgotten");
}
