//! The client: one connection, many calls.

use crate::error::ClientError;
use crate::options::ClientOptions;
use florin_ledger::query::{
    AccountFilter, AccountPage, BalanceAt, BalancePage, QueryFilter, TransferPage, TrialBalance,
};
use florin_ledger::{
    Account, AccountId, AccountResult, LedgerId, Timestamp, Transfer, TransferId, TransferResult,
};
use florin_wire::Status;
use std::time::Duration;

/// A handle to a ledger, over TCP or embedded; clones share one connection. Methods need a tokio
/// runtime.
#[derive(Clone, Debug)]
pub struct Client {}

impl Client {
    /// Connects to a server at `HOST:PORT` and shakes hands. Later losses of the connection are
    /// mended by the calls that meet them.
    ///
    /// # Errors
    /// [`ClientError::NotSent`] if no connection could be made within the connect timeout,
    /// [`ClientError::Refused`] if the server speaks no version that this client speaks.
    pub async fn connect(_address: &str, _options: ClientOptions) -> Result<Client, ClientError> {
        todo!()
    }

    /// The same API over a database in this process.
    #[cfg(feature = "embedded")]
    #[must_use]
    pub fn embedded(_database: florin_core::Database) -> Client {
        todo!()
    }

    /// The same client with another deadline for its calls.
    #[must_use]
    pub fn with_deadline(&self, _deadline: Duration) -> Client {
        todo!()
    }

    /// Opens accounts in one request, in order; returns when they are durable. One result per
    /// account.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_accounts(
        &self,
        _accounts: &[Account],
    ) -> Result<Vec<AccountResult>, ClientError> {
        todo!()
    }

    /// Posts transfers in one request, in order; returns when they are durable. One result per
    /// transfer.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_transfers(
        &self,
        _transfers: &[Transfer],
    ) -> Result<Vec<TransferResult>, ClientError> {
        todo!()
    }

    /// Posts one transfer, together with what other callers of this client submit meanwhile.
    ///
    /// # Errors
    /// See [`ClientError`]; a `linked` transfer is refused as invalid, because its chain would
    /// mix with strangers.
    pub async fn create_transfer(
        &self,
        _transfer: Transfer,
    ) -> Result<TransferResult, ClientError> {
        todo!()
    }

    /// Reads accounts, one entry per id.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn lookup_accounts(
        &self,
        _ids: &[AccountId],
    ) -> Result<Vec<Option<Account>>, ClientError> {
        todo!()
    }

    /// Reads transfers, one entry per id.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn lookup_transfers(
        &self,
        _ids: &[TransferId],
    ) -> Result<Vec<Option<Transfer>>, ClientError> {
        todo!()
    }

    /// A page of an account's transfers.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn account_transfers(
        &self,
        _filter: &AccountFilter,
    ) -> Result<TransferPage, ClientError> {
        todo!()
    }

    /// A page of an account's balances, one after each posting.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn account_balances(
        &self,
        _filter: &AccountFilter,
    ) -> Result<BalancePage, ClientError> {
        todo!()
    }

    /// An account's balances as they were at an instant; `None` if it was not open yet.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn balance_as_of(
        &self,
        _id: AccountId,
        _timestamp: Timestamp,
    ) -> Result<Option<BalanceAt>, ClientError> {
        todo!()
    }

    /// A page of accounts.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn query_accounts(&self, _filter: &QueryFilter) -> Result<AccountPage, ClientError> {
        todo!()
    }

    /// A page of transfers.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn query_transfers(
        &self,
        _filter: &QueryFilter,
    ) -> Result<TransferPage, ClientError> {
        todo!()
    }

    /// The sums over all accounts of a ledger.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn trial_balance(&self, _ledger: LedgerId) -> Result<TrialBalance, ClientError> {
        todo!()
    }

    /// How the engine is doing.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn status(&self) -> Result<Status, ClientError> {
        todo!()
    }
}
