//! The client: one connection, many calls.

use crate::call::{
    AccountBalances, AccountTransfers, AskStatus, BalanceAsOf, Call, LookupAccounts,
    LookupTransfers, QueryAccounts, QueryTransfers, SumLedger,
};
use crate::calls::{Calls, CallsNow};
use crate::chains::{self, Event};
#[cfg(feature = "embedded")]
use crate::embedded::Embedded;
use crate::error::ClientError;
use crate::failure::Fate;
use crate::link::Link;
use crate::options::ClientOptions;
use crate::path::Path;
use crate::singles::Singles;
use crate::stream::Subscription;
use florin_ledger::query::{
    AccountFilter, AccountPage, BalanceAt, BalancePage, QueryFilter, TransferPage, TrialBalance,
};
use florin_ledger::{
    Account, AccountId, AccountResult, EventResult, LedgerId, Lsn, Position, StreamFilter,
    StreamStart, Timestamp, Transfer, TransferFlags, TransferId, TransferResult,
};
use florin_wire::cold::AsOf;
use florin_wire::limits::EVENTS_MAX;
use florin_wire::{RefusalKind, Status};
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::Instant;

/// A handle to a ledger, over TCP or embedded; clones share one connection. Methods need a tokio
/// runtime.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    deadline: Duration,
    /// What whoever answers a read must have reached.
    after: Position,
}

struct Shared {
    path: Arc<Path>,
    attempts_max: u32,
    calls: Calls,
    /// Started by the first transfer that is submitted alone.
    singles: OnceLock<Singles>,
}

impl Client {
    /// Connects to a server at `HOST:PORT` and shakes hands. Later losses of the connection are
    /// mended by the calls that meet them.
    ///
    /// Several addresses with commas between them (`a:3000,b:3000`, at most 16) are servers of one ledger.
    /// Whenever a connection is made all are asked at once what they are, and the primary is taken, for reads
    /// and streams too; of two that claim to decide, the better claim. When it can't be reached any more,
    /// stops, or says that it decides nothing, calls look for the next primary until their deadline, as often
    /// as that takes: choose deadlines longer than a failover. A server that is named alone is not asked, and
    /// may be a standby.
    ///
    /// # Errors
    /// [`ClientError::NotSent`] if no connection could be made within the connect timeout, or no primary was
    /// found: the message says why for each address. [`ClientError::Refused`] if the server speaks no version
    /// that this client speaks.
    pub async fn connect(addresses: &str, options: ClientOptions) -> Result<Client, ClientError> {
        let deadline = options.deadline;
        let attempts_max = options.attempts_max;
        let link = Link::new(addresses, options);
        if let Err(failure) = link.connection().await {
            return Err(Fate::new(false).end(failure));
        }
        Ok(Client::new(Path::Tcp(Box::new(link)), attempts_max, deadline))
    }

    /// The same API over a database in this process.
    #[cfg(feature = "embedded")]
    #[must_use]
    pub fn embedded(database: florin_core::Database) -> Client {
        let ClientOptions { attempts_max, deadline, .. } = ClientOptions::default();
        Client::new(Path::Embedded(Embedded::new(database)), attempts_max, deadline)
    }

    /// The same client with another deadline for its calls.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Client {
        Client { deadline, ..self.clone() }
    }

    /// The same client, whose reads see at least what was written up to a position: that of a commit,
    /// the version of a document, or what [`Client::position`] says. So whoever is handed it with a
    /// message reads what the message is about, whichever copy of the database answers. Streams and
    /// batches of accounts and transfers ask for nothing.
    ///
    /// A server that is behind is waited for, for half of the deadline at most; then reads are refused
    /// with [`RefusalKind::NotYet`]. At once they are with [`RefusalKind::Fork`], if what was written
    /// there will never be seen here, because the history is another one; and with
    /// [`RefusalKind::Gone`].
    #[must_use]
    pub fn after(&self, position: Position) -> Client {
        Client { after: position, ..self.clone() }
    }

    /// A position behind everything that this server has answered so far: for whoever reads elsewhere
    /// what was posted here.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn position(&self) -> Result<Position, ClientError> {
        let Status { epoch, durable, .. } = self.status().await?;
        // Of the last byte that is durable: it names what lies before the end, not what will follow.
        Ok(Position { epoch, lsn: Lsn(durable.0.saturating_sub(1)) })
    }

    /// The newest position that an answer of this server named: what it answered was not older, what it did lies
    /// there or before. It costs nothing to ask. [`Position::NONE`] before the first answer, also of a new connection.
    #[must_use]
    pub fn reached(&self) -> Position {
        self.shared.path.reached()
    }

    /// Opens accounts in one request, in order; returns when they are durable. One result per
    /// account.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_accounts(
        &self,
        accounts: &[Account],
    ) -> Result<Vec<AccountResult>, ClientError> {
        check_count("accounts", accounts.len())?;
        self.create(accounts).await
    }

    /// Posts transfers in one request, in order; returns when they are durable. One result per
    /// transfer.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_transfers(
        &self,
        transfers: &[Transfer],
    ) -> Result<Vec<TransferResult>, ClientError> {
        check_count("transfers", transfers.len())?;
        self.create(transfers).await
    }

    /// Posts one transfer, together with what other callers of this client submit meanwhile.
    ///
    /// # Errors
    /// See [`ClientError`]; a `linked` transfer is refused as invalid, because its chain would
    /// mix with strangers.
    pub async fn create_transfer(&self, transfer: Transfer) -> Result<TransferResult, ClientError> {
        if transfer.flags.contains(TransferFlags::LINKED) {
            return Err(ClientError::Refused {
                kind: RefusalKind::Invalid,
                message: String::from(
                    "a linked transfer can't go alone, its chain would mix with strangers: send \
                     the chain with create_transfers",
                ),
            });
        }
        // A batch is imported as a whole or not at all.
        if transfer.flags.contains(TransferFlags::IMPORTED) {
            let results = self.create_transfers(&[transfer]).await?;
            return Ok(results[0]);
        }
        let Shared { path, attempts_max, singles, .. } = &*self.shared;
        let singles = singles.get_or_init(|| Singles::start(Arc::clone(path), *attempts_max));
        singles.create(transfer, Instant::now() + self.deadline).await
    }

    /// Reads accounts, one entry per id.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn lookup_accounts(
        &self,
        ids: &[AccountId],
    ) -> Result<Vec<Option<Account>>, ClientError> {
        check_count("ids", ids.len())?;
        self.ask(&LookupAccounts(ids.to_vec())).await
    }

    /// Reads transfers, one entry per id.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn lookup_transfers(
        &self,
        ids: &[TransferId],
    ) -> Result<Vec<Option<Transfer>>, ClientError> {
        check_count("ids", ids.len())?;
        self.ask(&LookupTransfers(ids.to_vec())).await
    }

    /// A page of an account's transfers.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn account_transfers(
        &self,
        filter: &AccountFilter,
    ) -> Result<TransferPage, ClientError> {
        self.ask(&AccountTransfers(*filter)).await
    }

    /// A page of an account's balances, one after each posting.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn account_balances(
        &self,
        filter: &AccountFilter,
    ) -> Result<BalancePage, ClientError> {
        self.ask(&AccountBalances(*filter)).await
    }

    /// An account's balances as they were at an instant; `None` if it was not open yet.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn balance_as_of(
        &self,
        id: AccountId,
        timestamp: Timestamp,
    ) -> Result<Option<BalanceAt>, ClientError> {
        self.ask(&BalanceAsOf(AsOf { account_id: id, timestamp })).await
    }

    /// A page of accounts.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn query_accounts(&self, filter: &QueryFilter) -> Result<AccountPage, ClientError> {
        self.ask(&QueryAccounts(*filter)).await
    }

    /// A page of transfers.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn query_transfers(&self, filter: &QueryFilter) -> Result<TransferPage, ClientError> {
        self.ask(&QueryTransfers(*filter)).await
    }

    /// The sums over all accounts of a ledger.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn trial_balance(&self, ledger: LedgerId) -> Result<TrialBalance, ClientError> {
        self.ask(&SumLedger(ledger)).await
    }

    /// How the engine is doing.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.ask(&AskStatus).await
    }

    /// Reads the log from a position on, then what becomes durable, over a connection of its own.
    /// Returns when the stream has begun: with [`StreamStart::End`] it misses nothing that happens
    /// after that.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with [`RefusalKind::Gone`], [`RefusalKind::Fork`] or
    /// [`RefusalKind::NotYet`] if the log does not have that start; see [`ClientError`].
    pub async fn subscribe(
        &self,
        start: StreamStart,
        filter: StreamFilter,
    ) -> Result<Subscription, ClientError> {
        match &*self.shared.path {
            Path::Tcp(link) => {
                Subscription::over_tcp(link.another(), start, filter, self.deadline).await
            }
            #[cfg(feature = "embedded")]
            Path::Embedded(embedded) => {
                Subscription::over_engine(embedded.subscribe(start, filter)?).await
            }
        }
    }

    fn new(path: Path, attempts_max: u32, deadline: Duration) -> Client {
        let (path, calls, singles) = (Arc::new(path), Calls::default(), OnceLock::new());
        let shared = Shared { path, attempts_max, calls, singles };
        Client { shared: Arc::new(shared), deadline, after: Position::NONE }
    }

    /// How often this client and its clones have asked, and how that ended.
    #[must_use]
    pub fn calls(&self) -> CallsNow {
        self.shared.calls.now()
    }

    async fn create<E: Event>(
        &self,
        events: &[E],
    ) -> Result<Vec<EventResult<E::Status>>, ClientError> {
        let Shared { path, attempts_max, calls, .. } = &*self.shared;
        let began = Instant::now();
        let created = chains::create(path, events, *attempts_max, began + self.deadline).await;
        calls.count(began.elapsed(), &created);
        created
    }

    pub(crate) async fn ask<C: Call>(&self, call: &C) -> Result<C::Answer, ClientError> {
        self.ask_until(call, Instant::now() + self.deadline).await
    }

    pub(crate) async fn ask_until<C: Call>(
        &self,
        call: &C,
        deadline: Instant,
    ) -> Result<C::Answer, ClientError> {
        let Shared { path, attempts_max, calls, .. } = &*self.shared;
        let began = Instant::now();
        let asked = path.ask(call, self.after, *attempts_max, deadline).await;
        calls.count(began.elapsed(), &asked);
        Ok(asked?.answer)
    }

    pub(crate) fn deadline(&self) -> Duration {
        self.deadline
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// What would not fit one request is refused here, as a server would.
fn check_count(what: &str, count: usize) -> Result<(), ClientError> {
    if EVENTS_MAX < count {
        return Err(ClientError::Refused {
            kind: RefusalKind::TooLarge,
            message: format!(
                "a request takes at most {EVENTS_MAX} {what}, this one has {count}: split it"
            ),
        });
    }
    Ok(())
}
