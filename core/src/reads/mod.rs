//! Reads that go to the log: the engine says where to begin, the caller's own thread does the rest,
//! up to the durable position and never past it. Nothing here holds the engine up.

mod as_of;
mod documents;
mod found;
mod history;
mod kept;
mod posting;
mod reached;
mod scan;

use crate::driver::durable::Durable;
use crate::driver::inbox::{Inbox, Task};
use crate::driver::promise::Promise;
use crate::engine::ask::{AccountPosition, Answer, Ask};
use crate::error::{Error, ErrorKind};
use crate::limits::DOCUMENTS_KEPT_BYTES_MAX;
use crate::log::{FramePosition, LogReader};
use crate::runs::RunKind;
use florin_ledger::query::{
    AccountFilter, AccountPage, BalanceAt, BalancePage, Cursor, PAGE_COUNT_MAX, Page, QueryFilter,
    TransferPage,
};
use florin_ledger::record::{Record, TransferRecord};
use florin_ledger::{AccountId, Lsn, Slot, Timestamp, Transfer, TransferId};
use florin_proof::AccountState;
pub use found::{DocumentsFound, DocumentsToRead};
use history::Walk;
pub(crate) use history::{recount, state_before};
use kept::KeptDocuments;
use posting::Cause;
pub(crate) use posting::timestamp_of;
use std::collections::HashMap;
use std::sync::{Arc, mpsc};

/// Everything that a reader needs.
pub(crate) struct Reads {
    inbox: Arc<Inbox>,
    durable: Arc<Durable>,
    log: LogReader,
    kept: KeptDocuments,
}

/// A transfer as the log has it, its accounts still slots.
#[derive(Clone, Copy, Debug)]
struct Found {
    record: TransferRecord,
    time: Timestamp,
}

impl Found {
    fn timestamp(&self) -> Timestamp {
        posting::timestamp_of(&self.record, self.time)
    }
}

impl Reads {
    pub(crate) fn new(inbox: Arc<Inbox>, durable: Arc<Durable>, log: LogReader) -> Reads {
        Reads { inbox, durable, log, kept: KeptDocuments::new(DOCUMENTS_KEPT_BYTES_MAX) }
    }

    pub(crate) fn inbox(&self) -> Arc<Inbox> {
        self.inbox.clone()
    }

    pub(crate) fn log(&self) -> &LogReader {
        &self.log
    }

    pub(crate) fn durable(&self) -> &Durable {
        &self.durable
    }

    /// One entry per id, `None` where there is no such transfer.
    pub(crate) fn lookup_transfers(
        &self,
        ids: &[TransferId],
    ) -> Result<Vec<Option<Transfer>>, Error> {
        let keys: Vec<u128> = ids.iter().map(|id| id.0).collect();
        let positions = self.find(RunKind::TransferIds, keys)?;
        let durable = self.durable.get();
        let mut found = Vec::with_capacity(ids.len());
        for lsn in positions {
            let transfer = lsn.map(|lsn| self.find_transfer(lsn, durable)).transpose()?;
            found.push(transfer.flatten());
        }
        let mut transfers = self.name_all(found.iter().flatten().copied(), durable)?.into_iter();
        Ok(found.iter().map(|found| found.and_then(|_| transfers.next())).collect())
    }

    /// A page of an account's transfers.
    pub(crate) fn account_transfers(&self, filter: &AccountFilter) -> Result<TransferPage, Error> {
        check_limit(filter.limit)?;
        let Some(account) = self.account(filter.account_id)? else {
            return Ok(Page { items: Vec::new(), next_cursor: None });
        };
        let durable = self.durable.get();
        let walk = Walk::new(&self.log, durable, account);
        let (steps, next_cursor) = history::page(walk, filter, false)?;
        let found = steps.iter().filter_map(|step| match step.posting.cause {
            // The recorded time of an imported transfer is not needed any more.
            Cause::Transfer(record) => Some(Found { record, time: step.posting.timestamp }),
            Cause::Expiry(_) => None,
        });
        Ok(Page { items: self.name_all(found, durable)?, next_cursor })
    }

    /// A page of an account's balances, one after each posting.
    pub(crate) fn account_balances(&self, filter: &AccountFilter) -> Result<BalancePage, Error> {
        check_limit(filter.limit)?;
        let Some(account) = self.account(filter.account_id)? else {
            return Ok(Page { items: Vec::new(), next_cursor: None });
        };
        let walk = Walk::new(&self.log, self.durable.get(), account);
        let (steps, next_cursor) = history::page(walk, filter, true)?;
        let items = steps
            .iter()
            .map(|step| BalanceAt { timestamp: step.posting.timestamp, balances: step.balances })
            .collect();
        Ok(Page { items, next_cursor })
    }

    /// An account's balances as they were at an instant.
    pub(crate) fn balance_as_of(
        &self,
        id: AccountId,
        instant: Timestamp,
    ) -> Result<Option<BalanceAt>, Error> {
        match self.account(id)? {
            Some(account) if account.account.timestamp <= instant => {
                let walk = Walk::new(&self.log, self.durable.get(), account);
                history::balance_as_of(walk, instant).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// A page of accounts.
    pub(crate) fn query_accounts(&self, filter: &QueryFilter) -> Result<AccountPage, Error> {
        check_limit(filter.limit)?;
        scan::check_is_allowed(filter)?;
        match self.ask(Ask::Accounts(*filter))? {
            Answer::Accounts(page) => Ok(page),
            _ => unreachable!("accounts are answered by accounts"),
        }
    }

    /// A page of transfers.
    pub(crate) fn query_transfers(&self, filter: &QueryFilter) -> Result<TransferPage, Error> {
        check_limit(filter.limit)?;
        scan::check_is_allowed(filter)?;
        let Answer::End(end) = self.ask(Ask::End)? else {
            unreachable!("the end is answered by the end");
        };
        let from = match filter.cursor {
            Some(cursor) => self.position_before(time_of(cursor), end)?,
            None => self.log.find_time(filter.timestamp_min, end)?,
        };
        let from = from.unwrap_or(FramePosition::GENESIS);
        let (found, next_cursor) = scan::transfers(&self.log, from, end, filter)?;
        Ok(Page { items: self.name_all(found.into_iter(), end)?, next_cursor })
    }

    /// A position from which a scan meets the transfer with a timestamp before all later ones. An
    /// imported transfer is recorded long after its timestamp, so the index says where it is.
    fn position_before(
        &self,
        timestamp: Timestamp,
        end: Lsn,
    ) -> Result<Option<FramePosition>, Error> {
        let imported = self.find(RunKind::ImportedTimestamps, vec![timestamp.0.into()])?;
        match imported.first() {
            Some(Some(lsn)) => Ok(Some(self.log.position_before_record(*lsn)?)),
            _ => Ok(self.log.find_time(timestamp, end)?),
        }
    }

    /// Where the records of some keys are.
    pub(crate) fn find(&self, kind: RunKind, keys: Vec<u128>) -> Result<Vec<Option<Lsn>>, Error> {
        let Answer::Found(in_memory, runs) = self.ask(Ask::Find(kind, keys.clone()))? else {
            unreachable!("keys are answered by positions");
        };
        let mut positions = Vec::with_capacity(keys.len());
        for (key, in_memory) in keys.into_iter().zip(in_memory) {
            positions.push(match in_memory {
                Some(lsn) => Some(lsn),
                None => runs.get(key)?.map(Lsn),
            });
        }
        Ok(positions)
    }

    fn account(&self, id: AccountId) -> Result<Option<AccountPosition>, Error> {
        match self.ask(Ask::Account(id))? {
            Answer::Account(account) => Ok(account),
            _ => unreachable!("an account is answered by an account"),
        }
    }

    fn find_transfer(&self, lsn: Lsn, durable: Lsn) -> Result<Option<Found>, Error> {
        find_transfer(&self.log, lsn, durable)
    }

    /// Turns slots into account ids and positions of holds into their ids.
    fn name_all(
        &self,
        found: impl Iterator<Item = Found>,
        durable: Lsn,
    ) -> Result<Vec<Transfer>, Error> {
        let found: Vec<Found> = found.collect();
        let names = self.names(&found)?;
        found
            .into_iter()
            .map(|found| {
                let pending_id = self.pending_id(&found.record, durable)?;
                Ok(transfer_of(&found, &names, pending_id))
            })
            .collect()
    }

    fn names(&self, found: &[Found]) -> Result<HashMap<Slot, AccountId>, Error> {
        let sides = |found: &Found| [found.record.debit_slot, found.record.credit_slot];
        let mut slots: Vec<Slot> = found.iter().flat_map(sides).collect();
        slots.sort_unstable();
        slots.dedup();
        if slots.is_empty() {
            return Ok(HashMap::new());
        }
        Ok(slots.iter().copied().zip(self.account_ids(slots.clone())?).collect())
    }

    /// Whose slots these are, in their order.
    pub(crate) fn account_ids(&self, slots: Vec<Slot>) -> Result<Vec<AccountId>, Error> {
        match self.ask(Ask::Names(slots))? {
            Answer::Names(ids) => Ok(ids),
            _ => unreachable!("names are answered by names"),
        }
    }

    /// The accounts in some slots, all of which have one.
    pub(crate) fn accounts_at(&self, slots: Vec<Slot>) -> Result<Vec<AccountPosition>, Error> {
        match self.ask(Ask::AccountsAt(slots))? {
            Answer::AccountsAt(accounts) => Ok(accounts),
            _ => unreachable!("accounts are answered by accounts"),
        }
    }

    /// An account that was asked for, as it was right before a position that is durable; O(postings / 32) since then.
    /// Ends when the database is closed.
    pub(crate) fn state_before(
        &self,
        now: AccountPosition,
        position: Lsn,
    ) -> Result<AccountState, Error> {
        let durable = self.durable.get();
        if durable <= now.last_posting {
            // The engine told it when it was durable; since then standbys are demanded that have to say so first.
            let message = "standbys are waited for: ask again";
            return Err(Error::new(ErrorKind::NotYet, message));
        }
        state_before(&self.log, durable, now, position, &|| !self.durable.has_failed())
    }

    /// A position that is durable, and how many accounts were opened before it.
    pub(crate) fn accounts_so_far(&self) -> Result<(Lsn, u64), Error> {
        match self.ask(Ask::Rows { from: Slot(0), count: 0 })? {
            Answer::Rows(rows) => Ok((rows.at, rows.accounts_count)),
            _ => unreachable!("rows are answered by sums"),
        }
    }

    fn pending_id(&self, record: &TransferRecord, durable: Lsn) -> Result<TransferId, Error> {
        if !record.pending.is_some() {
            return Ok(TransferId::ZERO);
        }
        Ok(hold(&self.log, record.pending, durable)?.0.id)
    }

    fn ask(&self, ask: Ask) -> Result<Answer, Error> {
        let (sender, receiver) = mpsc::sync_channel(1);
        // The receiver waits below for exactly this answer.
        let promise = Promise::new(move |answer| drop(sender.send(answer)));
        self.inbox.submit(Task::Ask(ask, promise));
        receiver.recv().expect("a promise answers even when it is dropped")
    }
}

/// The transfer that placed a hold, and when it was recorded.
pub(crate) fn hold(
    log: &LogReader,
    lsn: Lsn,
    durable: Lsn,
) -> Result<(TransferRecord, Timestamp), Error> {
    match find_transfer(log, lsn, durable)? {
        Some(hold) => Ok((hold.record, hold.time)),
        None => {
            Err(Error::corrupt(format!("the record at {lsn} is not a hold: run `florin verify`")))
        }
    }
}

fn find_transfer(log: &LogReader, lsn: Lsn, durable: Lsn) -> Result<Option<Found>, Error> {
    let stored = log.record(lsn, durable)?;
    match stored.record {
        Record::Transfer(record) => Ok(Some(Found { record, time: stored.time })),
        Record::Failed(_) => Ok(None),
        _ => Err(Error::corrupt(format!(
            "the record at {lsn} is not a transfer: run `florin rebuild`"
        ))),
    }
}

fn transfer_of(
    found: &Found,
    names: &HashMap<Slot, AccountId>,
    pending_id: TransferId,
) -> Transfer {
    let record = &found.record;
    Transfer {
        id: record.id,
        debit_account_id: names[&record.debit_slot],
        credit_account_id: names[&record.credit_slot],
        amount: record.amount,
        pending_id,
        user_data_128: record.user_data_128,
        user_data_64: record.user_data_64,
        user_data_32: record.user_data_32,
        timeout: record.timeout,
        ledger: record.ledger,
        code: record.code,
        flags: record.flags,
        timestamp: found.timestamp(),
    }
}

/// Timestamps are unique and rise along the log and along each account's history, so they are what
/// cursors are made of: the same in every copy of the database, whatever the positions.
fn cursor_at(next: Timestamp) -> Cursor {
    Cursor(u128::from(next.0))
}

/// A cursor that no page gave leads to some time, or to its end.
fn time_of(cursor: Cursor) -> Timestamp {
    Timestamp(u64::try_from(cursor.0).unwrap_or(u64::MAX))
}

fn check_limit(limit: u32) -> Result<(), Error> {
    if (1..=PAGE_COUNT_MAX).contains(&limit) {
        return Ok(());
    }
    let message = format!("limit is {limit}, it must be from 1 to {PAGE_COUNT_MAX}");
    Err(Error::new(ErrorKind::Invalid, message))
}
