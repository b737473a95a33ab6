//! What a ledger can be asked through `exec` and the shell, and asking it.

use crate::page_of_stream::{StreamPage, StreamQuestion};
use florin_client::{Client, ClientError};
use florin_core::limits::BATCH_EVENTS_MAX;
use florin_ledger::document::{DocumentPage, DocumentScan, UniqueResult, WriteResult};
use florin_ledger::query::{
    AccountFilter, AccountPage, BalanceAt, BalancePage, QueryFilter, TransferPage, TrialBalance,
};
use florin_ledger::{
    Account, AccountId, AccountResult, Commit, CommitOutcome, Document, DocumentKey, DocumentWrite,
    LedgerId, Position, TableId, TableOptions, Timestamp, Transfer, TransferId, TransferResult,
};

/// Events, or ids, in one operation at most; one with more is refused whole.
pub(crate) const EVENTS_MAX: usize = BATCH_EVENTS_MAX;

/// One thing asked of a ledger.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Operation {
    CreateAccounts(Vec<Account>),
    CreateTransfers(Vec<Transfer>),
    LookupAccounts(Vec<AccountId>),
    LookupTransfers(Vec<TransferId>),
    AccountTransfers(AccountFilter),
    AccountBalances(AccountFilter),
    BalanceAsOf { account_id: AccountId, timestamp: Timestamp },
    QueryAccounts(QueryFilter),
    QueryTransfers(QueryFilter),
    TrialBalance(LedgerId),
    Commit(Commit),
    DryRun(Commit),
    DryRunAsOf(Commit, Position),
    GetDocuments(Vec<DocumentKey>),
    ScanDocuments(DocumentScan),
    DocumentHistory { key: DocumentKey, before: Position, limit: u32 },
    WriteDocuments(Vec<DocumentWrite>),
    InsertUnique { key: DocumentKey, expires: Timestamp },
    DeclareTable { table: TableId, options: TableOptions },
    ListTables,
    Stream(StreamQuestion),
}

/// What the ledger answers.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Answer {
    AccountResults(Vec<AccountResult>),
    TransferResults(Vec<TransferResult>),
    /// One entry per id asked for.
    Accounts(Vec<Option<Account>>),
    /// One entry per id asked for.
    Transfers(Vec<Option<Transfer>>),
    AccountPage(AccountPage),
    TransferPage(TransferPage),
    BalancePage(BalancePage),
    Balance(Option<BalanceAt>),
    TrialBalance(TrialBalance),
    Outcome(CommitOutcome),
    /// One entry per key asked for, or one per version.
    Documents(Vec<Option<Document>>),
    DocumentPage(DocumentPage),
    /// One entry per write.
    Written(Vec<WriteResult>),
    Declared(WriteResult),
    Unique(UniqueResult),
    Tables(Vec<(TableId, TableOptions)>),
    Stream(StreamPage),
}

impl Operation {
    /// Whether it may change the ledger.
    pub(crate) fn writes(&self) -> bool {
        matches!(
            self,
            Operation::CreateAccounts(_)
                | Operation::CreateTransfers(_)
                | Operation::Commit(_)
                | Operation::WriteDocuments(_)
                | Operation::InsertUnique { .. }
                | Operation::DeclareTable { .. }
        )
    }

    /// Asks a ledger.
    ///
    /// # Errors
    /// As the client's methods say.
    pub(crate) async fn perform(&self, client: &Client) -> Result<Answer, ClientError> {
        Ok(match self {
            Operation::CreateAccounts(accounts) => {
                Answer::AccountResults(client.create_accounts(accounts).await?)
            }
            Operation::CreateTransfers(transfers) => {
                Answer::TransferResults(client.create_transfers(transfers).await?)
            }
            Operation::LookupAccounts(ids) => Answer::Accounts(client.lookup_accounts(ids).await?),
            Operation::LookupTransfers(ids) => {
                Answer::Transfers(client.lookup_transfers(ids).await?)
            }
            Operation::AccountTransfers(filter) => {
                Answer::TransferPage(client.account_transfers(filter).await?)
            }
            Operation::AccountBalances(filter) => {
                Answer::BalancePage(client.account_balances(filter).await?)
            }
            Operation::BalanceAsOf { account_id, timestamp } => {
                Answer::Balance(client.balance_as_of(*account_id, *timestamp).await?)
            }
            Operation::QueryAccounts(filter) => {
                Answer::AccountPage(client.query_accounts(filter).await?)
            }
            Operation::QueryTransfers(filter) => {
                Answer::TransferPage(client.query_transfers(filter).await?)
            }
            Operation::TrialBalance(ledger) => {
                Answer::TrialBalance(client.trial_balance(*ledger).await?)
            }
            Operation::Commit(commit) => Answer::Outcome(client.commit(commit).await?),
            Operation::DryRun(commit) => Answer::Outcome(client.dry_run(commit).await?),
            Operation::DryRunAsOf(commit, at) => {
                Answer::Outcome(client.dry_run_as_of(commit, *at).await?)
            }
            Operation::GetDocuments(keys) => Answer::Documents(client.documents(keys).await?),
            Operation::ScanDocuments(scan) => {
                Answer::DocumentPage(client.scan_documents(scan).await?)
            }
            Operation::DocumentHistory { key, before, limit } => {
                let versions = client.document_history(key, *before, *limit).await?;
                Answer::Documents(versions.into_iter().map(Some).collect())
            }
            Operation::WriteDocuments(writes) => {
                Answer::Written(client.write_documents(writes).await?)
            }
            Operation::InsertUnique { key, expires } => {
                Answer::Unique(client.insert_unique(key, *expires).await?)
            }
            Operation::DeclareTable { table, options } => {
                Answer::Declared(client.declare_table(*table, *options).await?)
            }
            Operation::ListTables => Answer::Tables(client.tables().await?),
            Operation::Stream(question) => Answer::Stream(question.ask(client).await?),
        })
    }
}
