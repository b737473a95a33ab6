//! Every question that a client asks, how it goes over the wire, and how an embedded engine
//! answers it. One place for both, so that both paths give equal answers.

#[cfg(feature = "embedded")]
use crate::embedded::Task;
use bytes::Bytes;
#[cfg(feature = "embedded")]
use florin_core::request::{AccountBatch, Reply, Request, TransferBatch};
use florin_ledger::query::{
    AccountFilter, AccountPage, BalanceAt, BalancePage, QueryFilter, TransferPage, TrialBalance,
};
use florin_ledger::{
    Account, AccountId, AccountResult, LedgerId, Transfer, TransferId, TransferResult,
};
use florin_wire::cold::AsOf;
use florin_wire::{DecodeError, Operation, Status, array, cold, page};

/// A question with its answer.
pub(crate) trait Call: Send + Sync {
    /// What it is answered with.
    type Answer: Send + 'static;
    /// Its number on the wire.
    const OPERATION: Operation;

    /// The body of the request.
    fn body(&self) -> Bytes;

    /// The answer that a reply's body holds.
    fn decode(&self, body: &[u8]) -> Result<Self::Answer, DecodeError>;

    /// What an embedded engine does for it.
    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<Self::Answer>, florin_core::Error>;
}

/// Events as the wire has them: encoded once, however often they are sent.
pub(crate) struct CreateAccounts {
    batch: Bytes,
    count: usize,
}

impl CreateAccounts {
    pub(crate) fn new(accounts: &[Account]) -> CreateAccounts {
        CreateAccounts { batch: array::to_bytes(accounts), count: accounts.len() }
    }
}

impl Call for CreateAccounts {
    type Answer = Vec<AccountResult>;
    const OPERATION: Operation = Operation::CreateAccounts;

    fn body(&self) -> Bytes {
        self.batch.clone()
    }

    fn decode(&self, body: &[u8]) -> Result<Vec<AccountResult>, DecodeError> {
        array::decode_exactly(self.count, body)
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<Vec<AccountResult>>, florin_core::Error> {
        let batch = AccountBatch::from_layout(self.batch.clone())?;
        Ok(Task::Submit(Request::CreateAccounts(batch), |reply| match reply {
            Reply::Accounts(results) => Some(results),
            _ => None,
        }))
    }
}

/// Events as the wire has them: encoded once, however often they are sent.
pub(crate) struct CreateTransfers {
    batch: Bytes,
    count: usize,
}

impl CreateTransfers {
    pub(crate) fn new(transfers: &[Transfer]) -> CreateTransfers {
        CreateTransfers { batch: array::to_bytes(transfers), count: transfers.len() }
    }
}

impl Call for CreateTransfers {
    type Answer = Vec<TransferResult>;
    const OPERATION: Operation = Operation::CreateTransfers;

    fn body(&self) -> Bytes {
        self.batch.clone()
    }

    fn decode(&self, body: &[u8]) -> Result<Vec<TransferResult>, DecodeError> {
        array::decode_exactly(self.count, body)
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<Vec<TransferResult>>, florin_core::Error> {
        let batch = TransferBatch::from_layout(self.batch.clone())?;
        Ok(Task::Submit(Request::CreateTransfers(batch), |reply| match reply {
            Reply::Transfers(results) => Some(results),
            _ => None,
        }))
    }
}

pub(crate) struct LookupAccounts(pub(crate) Vec<AccountId>);

impl Call for LookupAccounts {
    type Answer = Vec<Option<Account>>;
    const OPERATION: Operation = Operation::LookupAccounts;

    fn body(&self) -> Bytes {
        array::to_bytes(&self.0)
    }

    fn decode(&self, body: &[u8]) -> Result<Vec<Option<Account>>, DecodeError> {
        array::decode_exactly(self.0.len(), body)
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<Vec<Option<Account>>>, florin_core::Error> {
        Ok(Task::Submit(Request::LookupAccounts(self.0.clone()), |reply| match reply {
            Reply::LookedUpAccounts(accounts) => Some(accounts),
            _ => None,
        }))
    }
}

pub(crate) struct LookupTransfers(pub(crate) Vec<TransferId>);

impl Call for LookupTransfers {
    type Answer = Vec<Option<Transfer>>;
    const OPERATION: Operation = Operation::LookupTransfers;

    fn body(&self) -> Bytes {
        array::to_bytes(&self.0)
    }

    fn decode(&self, body: &[u8]) -> Result<Vec<Option<Transfer>>, DecodeError> {
        array::decode_exactly(self.0.len(), body)
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<Vec<Option<Transfer>>>, florin_core::Error> {
        let ids = self.0.clone();
        Ok(Task::Read(Box::new(move |database| database.lookup_transfers(&ids))))
    }
}

/// A question with a cold body that an embedded engine answers by reading.
macro_rules! reads {
    ($($name:ident($question:ty) -> $answer:ty, $decode:path, $read:expr;)*) => {
        $(
            pub(crate) struct $name(pub(crate) $question);

            impl Call for $name {
                type Answer = $answer;
                const OPERATION: Operation = Operation::$name;

                fn body(&self) -> Bytes {
                    cold::to_bytes(&self.0)
                }

                fn decode(&self, body: &[u8]) -> Result<$answer, DecodeError> {
                    $decode(body)
                }

                #[cfg(feature = "embedded")]
                fn task(&self) -> Result<Task<$answer>, florin_core::Error> {
                    let question = self.0;
                    let read: fn(&florin_core::Database, $question) -> _ = $read;
                    Ok(Task::Read(Box::new(move |database| read(database, question))))
                }
            }
        )*
    };
}

reads! {
    AccountTransfers(AccountFilter) -> TransferPage, page::decode,
        |database, filter| database.account_transfers(&filter);
    AccountBalances(AccountFilter) -> BalancePage, page::decode,
        |database, filter| database.account_balances(&filter);
    BalanceAsOf(AsOf) -> Option<BalanceAt>, cold::decode,
        |database, asked| database.balance_as_of(asked.account_id, asked.timestamp);
    QueryAccounts(QueryFilter) -> AccountPage, page::decode,
        |database, filter| database.query_accounts(&filter);
    QueryTransfers(QueryFilter) -> TransferPage, page::decode,
        |database, filter| database.query_transfers(&filter);
}

pub(crate) struct SumLedger(pub(crate) LedgerId);

impl Call for SumLedger {
    type Answer = TrialBalance;
    const OPERATION: Operation = Operation::TrialBalance;

    fn body(&self) -> Bytes {
        cold::to_bytes(&self.0)
    }

    fn decode(&self, body: &[u8]) -> Result<TrialBalance, DecodeError> {
        cold::decode(body)
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<TrialBalance>, florin_core::Error> {
        Ok(Task::Submit(Request::TrialBalance(self.0), |reply| match reply {
            Reply::TrialBalance(sums) => Some(sums),
            _ => None,
        }))
    }
}

pub(crate) struct AskStatus;

impl Call for AskStatus {
    type Answer = Status;
    const OPERATION: Operation = Operation::Status;

    fn body(&self) -> Bytes {
        Bytes::new()
    }

    fn decode(&self, body: &[u8]) -> Result<Status, DecodeError> {
        cold::decode(body)
    }

    #[cfg(feature = "embedded")]
    fn task(&self) -> Result<Task<Status>, florin_core::Error> {
        Ok(Task::Submit(Request::Status, |reply| match reply {
            Reply::Status(status) => Some(crate::embedded::wire_status(&status)),
            _ => None,
        }))
    }
}
