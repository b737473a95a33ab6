//! The embeddable database: open, commit, read, close. Blocking, no runtime needed.

use crate::error::Error;
use crate::request::{Reply, Request, Status};
use florin_ledger::query::{
    AccountFilter, AccountPage, BalanceAt, BalancePage, QueryFilter, TransferPage, TrialBalance,
};
use florin_ledger::{
    Account, AccountId, AccountResult, LedgerId, Timestamp, Transfer, TransferId, TransferResult,
};
use std::path::Path;

/// How to open a database.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Fixes the clock: the first event takes the next nanosecond after this, each later event one
    /// more. For comparisons and tests.
    pub clock_start: Option<Timestamp>,
}

/// An open database; clones are handles to the same one. The last handle closes it.
#[derive(Clone, Debug)]
pub struct Database {}

impl Database {
    /// Opens the database in a directory, making it if it is new, and recovers it.
    pub fn open(_path: &Path, _options: Options) -> Result<Database, Error> {
        todo!()
    }

    /// Hands a request to the engine; `reply` is called once, from an engine thread, when the
    /// answer may leave. It must be quick.
    pub fn submit(
        &self,
        _request: Request,
        _reply: impl FnOnce(Result<Reply, Error>) + Send + 'static,
    ) {
        todo!()
    }

    /// Opens accounts; returns when they are durable. One result per account.
    pub fn create_accounts(&self, _accounts: &[Account]) -> Result<Vec<AccountResult>, Error> {
        todo!()
    }

    /// Posts transfers; returns when they are durable. One result per transfer.
    pub fn create_transfers(&self, _transfers: &[Transfer]) -> Result<Vec<TransferResult>, Error> {
        todo!()
    }

    /// Reads accounts, one entry per id.
    pub fn lookup_accounts(&self, _ids: &[AccountId]) -> Result<Vec<Option<Account>>, Error> {
        todo!()
    }

    /// Reads transfers, one entry per id, from the log.
    pub fn lookup_transfers(&self, _ids: &[TransferId]) -> Result<Vec<Option<Transfer>>, Error> {
        todo!()
    }

    /// A page of an account's transfers.
    pub fn account_transfers(&self, _filter: &AccountFilter) -> Result<TransferPage, Error> {
        todo!()
    }

    /// A page of an account's balances, one after each posting.
    pub fn account_balances(&self, _filter: &AccountFilter) -> Result<BalancePage, Error> {
        todo!()
    }

    /// An account's balances as they were at an instant; `None` if it was not open yet.
    pub fn balance_as_of(
        &self,
        _id: AccountId,
        _timestamp: Timestamp,
    ) -> Result<Option<BalanceAt>, Error> {
        todo!()
    }

    /// A page of accounts.
    pub fn query_accounts(&self, _filter: &QueryFilter) -> Result<AccountPage, Error> {
        todo!()
    }

    /// A page of transfers.
    pub fn query_transfers(&self, _filter: &QueryFilter) -> Result<TransferPage, Error> {
        todo!()
    }

    /// The sums over all accounts of a ledger.
    pub fn trial_balance(&self, _ledger: LedgerId) -> Result<TrialBalance, Error> {
        todo!()
    }

    /// How the engine is doing.
    pub fn status(&self) -> Result<Status, Error> {
        todo!()
    }

    /// Finishes what was accepted, writes a witness and a checkpoint, and releases the directory.
    pub fn close(&self) -> Result<(), Error> {
        todo!()
    }
}
