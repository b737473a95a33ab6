//! The embeddable database: open, commit, read, close. Blocking, no runtime needed.

use crate::checkpoint::Exports;
use crate::clock::{Clock, FixedClock, SystemClock};
use crate::commits::{CommitRequest, UniqueRequest, WriteBatch};
use crate::disk::Disk;
use crate::disk::os::OsDisk;
use crate::driver::inbox::{Inbox, Task};
use crate::driver::promise::{Promise, stopped};
use crate::driver::release::Release;
use crate::driver::{Role, Running, RunningParts, Threads, Watching};
use crate::error::{Error, ErrorKind};
use crate::following::standing::Standing;
use crate::group::Allegiance;
use crate::keyring::custody::Custody;
use crate::metrics::{MetricsSnapshot, Watch};
use crate::opening::{self, LogOptions, Opened, no_directory};
use crate::options::Options;
use crate::reads::Reads;
use crate::request::{AccountBatch, Reply, Request, Status, TransferBatch};
use crate::sealing;
use crate::tree::OpenTree;
use florin_ledger::document::{DocumentPage, DocumentScan, UniqueResult, WriteResult};
use florin_ledger::query::{
    AccountFilter, AccountPage, BalanceAt, BalancePage, QueryFilter, TransferPage, TrialBalance,
};
use florin_ledger::{
    Account, AccountId, AccountResult, Commit, CommitOutcome, Document, DocumentKey, DocumentWrite,
    LedgerId, Lsn, Position, TableId, TableOptions, Timestamp, Transfer, TransferId,
    TransferResult,
};
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, mpsc};
use std::time::Duration;

const ON_A_STANDBY: &str = "this is a standby, and the keyring is its primary's: ask that";

/// An open database; clones are handles to the same one. Dropping the last closes it.
///
/// Every method blocks until its answer is durable, and may be called from any thread. Concurrent
/// calls share syncs: many threads, or [`Database::submit`], are how to be fast.
///
/// ```
/// use florin_core::{Database, Options};
/// use florin_ledger::{Account, AccountId, Amount, Code, LedgerId, Transfer, TransferId};
///
/// let directory = tempfile::tempdir()?;
/// let database = Database::open(directory.path(), Options::default())?;
///
/// let euro = LedgerId(978);
/// let account = |id| Account { id: AccountId(id), ledger: euro, code: Code(1), ..Account::default() };
/// database.create_accounts(&[account(1), account(2)])?;
/// database.create_transfers(&[Transfer {
///     id: TransferId(1),
///     debit_account_id: AccountId(1),
///     credit_account_id: AccountId(2),
///     amount: Amount(25_00),
///     ledger: euro,
///     code: Code(1),
///     ..Transfer::default()
/// }])?;
///
/// let accounts = database.lookup_accounts(&[AccountId(2)])?;
/// assert_eq!(accounts[0].map(|account| account.credits_posted), Some(Amount(25_00)));
/// database.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Database {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) inbox: Arc<Inbox>,
    /// `None` once closed: readers hold the data directory open.
    reads: RwLock<Option<Arc<Reads>>>,
    threads: Mutex<Option<Threads>>,
    watch: Watch,
    keyring: Custody,
    allegiance: Arc<Allegiance>,
    tree: Option<OpenTree>,
    pub(crate) exports: Exports,
}

impl Database {
    /// Opens the database in a directory, making it if it is new, and recovers it. Returns when it
    /// takes requests; O(log behind the last checkpoint).
    ///
    /// # Errors
    /// [`ErrorKind::Unusable`] if the directory is open elsewhere, foreign, of a newer version, or
    /// if its key is missing, wrong, or given where nothing is encrypted; [`ErrorKind::Corrupt`] if
    /// something durable is lost; [`ErrorKind::DiskFull`]; [`ErrorKind::Io`]. The message says what
    /// to do; the log was not changed.
    pub fn open(directory: &Path, options: Options) -> Result<Database, Error> {
        let clock: Arc<dyn Clock> = match options.clock_start {
            Some(start) => Arc::new(FixedClock(start)),
            None => Arc::new(SystemClock::new()),
        };
        if options.key.is_some() && !directory.is_dir() {
            return Err(no_directory(directory));
        }
        Database::open_on(Arc::new(OsDisk::open(directory)?), clock, options)
    }

    /// Opens a database on any disk, with any clock. [`Options::clock_start`] is not used.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub fn open_on(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<Database, Error> {
        Database::open_in_life(disk, clock, options, None)
    }

    /// The same, beginning a new life of this incarnation if one is given: what was restored is another
    /// bank.
    pub(crate) fn open_in_life(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        options: Options,
        new_life: Option<u128>,
    ) -> Result<Database, Error> {
        let log = LogOptions { new_life, ..options.log()? };
        let disk = sealing::unlock(disk, options.key.as_deref())?;
        let opened = opening::open(&disk, log, clock.as_ref())?;
        Ok(Database::start(opened, disk, clock, options, Role::Deciding)?.0)
    }

    /// Starts the threads of an open log.
    pub(crate) fn start(
        opened: Opened,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        options: Options,
        role: Role,
    ) -> Result<(Database, RunningParts), Error> {
        let decides = matches!(role, Role::Deciding);
        let watching = Watching {
            observer: options.observer.clone(),
            scrub_bytes_per_second: options.scrub_bytes_per_second,
            digest_bytes: options.digest_bytes,
        };
        let (life, exports) = (opened.engine.life(), opened.store.exports());
        let allegiance = Arc::new(Allegiance::new(disk.clone(), opened.mark.clone()));
        if decides {
            // An epoch of its term is in the log.
            allegiance.begun()?;
        }
        let running = Threads::start(opened, disk.clone(), clock, watching, role, &allegiance)
            .map_err(|error| Error::new(ErrorKind::Io, format!("starting threads: {error}")))?;
        let Running { threads, reads, watch, parts } = running;
        let reads = Arc::new(reads);
        let mut database = Shared {
            inbox: reads.inbox(),
            reads: RwLock::new(Some(Arc::clone(&reads))),
            threads: Mutex::new(Some(threads)),
            watch,
            keyring: Custody::new(),
            allegiance,
            tree: None,
            exports,
        };
        if let Some(proving) = &options.proving {
            database.tree =
                Some(OpenTree::start(&disk, reads, life, proving, &options.observer, decides)?);
        }
        let database = Database { shared: Arc::new(database) };
        // Nobody has the handle yet, so no key is handed out before.
        if decides {
            database.custody().settle(&database, &disk, options.key, &options.observer);
        } else {
            database.custody().decline(ON_A_STANDBY);
        }
        Ok((database, parts))
    }

    /// Hands a request to the engine; requests take effect in the order in which they are handed
    /// over. `reply` is called once, from a thread of the engine (from this one if the queue is
    /// full), when the answer may leave: everything that it depends on is durable. It must be quick.
    pub fn submit(
        &self,
        request: Request,
        reply: impl FnOnce(Result<Reply, Error>) + Send + 'static,
    ) {
        self.shared.inbox.submit(Task::Request(request, Promise::new(reply)));
    }

    /// Opens accounts, at most [`crate::limits::BATCH_EVENTS_MAX`] at once; returns when they are
    /// durable. One result per account; those that break a rule are refused, the others opened.
    ///
    /// # Errors
    /// See [`ErrorKind`]; with [`ErrorKind::Stopped`] the accounts may or may not be there: ask
    /// again with the same ids.
    pub fn create_accounts(&self, accounts: &[Account]) -> Result<Vec<AccountResult>, Error> {
        match self.call(Request::CreateAccounts(AccountBatch::new(accounts)?))? {
            Reply::Accounts(results) => Ok(results),
            _ => unreachable!("accounts are answered by results"),
        }
    }

    /// Posts transfers, at most [`crate::limits::BATCH_EVENTS_MAX`] at once; returns when they are
    /// durable. One result per transfer; those that break a rule are refused, the others posted.
    ///
    /// # Errors
    /// See [`ErrorKind`]; with [`ErrorKind::Stopped`] the transfers may or may not be there: send
    /// them again with the same ids, none is posted twice.
    pub fn create_transfers(&self, transfers: &[Transfer]) -> Result<Vec<TransferResult>, Error> {
        match self.call(Request::CreateTransfers(TransferBatch::new(transfers)?))? {
            Reply::Transfers(results) => Ok(results),
            _ => unreachable!("transfers are answered by results"),
        }
    }

    /// Takes effect whole or not at all, once; returns when it is decided and durable.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if the commit breaks a limit; see [`ErrorKind`]. With
    /// [`ErrorKind::Stopped`] it may or may not have taken effect: send it again with the same id.
    pub fn commit(&self, commit: &Commit) -> Result<CommitOutcome, Error> {
        match self.call(Request::Commit(CommitRequest::new(commit)?))? {
            Reply::Commit(outcome) => Ok(outcome),
            _ => unreachable!("a commit is answered by its outcome"),
        }
    }

    /// What a commit would come to, now. Nothing takes effect; positions in the answer are
    /// [`florin_ledger::Position::NONE`], times are those that it would have.
    ///
    /// # Errors
    /// As [`Database::commit`].
    pub fn dry_run(&self, commit: &Commit) -> Result<CommitOutcome, Error> {
        match self.call(Request::DryRun(CommitRequest::new(commit)?))? {
            Reply::Commit(outcome) => Ok(outcome),
            _ => unreachable!("a dry run is answered by an outcome"),
        }
    }

    /// Writes documents, each by itself, in order: a condition that does not hold refuses one write,
    /// not the others. Returns when they are durable. A repeat writes again: with conditions on
    /// versions it is told apart, or use [`Database::commit`].
    ///
    /// # Errors
    /// As [`Database::commit`].
    pub fn write_documents(&self, writes: &[DocumentWrite]) -> Result<Vec<WriteResult>, Error> {
        match self.call(Request::WriteDocuments(WriteBatch::new(writes)?))? {
            Reply::Written(results) => Ok(results),
            _ => unreachable!("writes are answered by results"),
        }
    }

    /// Whether the caller is the first to bring this key to the table. Durable when it returns,
    /// unless the table is volatile.
    ///
    /// # Errors
    /// As [`Database::commit`].
    pub fn insert_unique(&self, unique: &UniqueRequest) -> Result<UniqueResult, Error> {
        match self.call(Request::InsertUnique(unique.clone()))? {
            Reply::Unique(result) => Ok(result),
            _ => unreachable!("being the first is answered by whether"),
        }
    }

    /// Says what a table promises from now on. Nothing that was promised is taken back: an
    /// append-only table stays one ([`WriteResult::AppendOnly`]), and only a table without documents
    /// becomes volatile.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a table of the system's; as [`Database::commit`].
    pub fn declare_table(
        &self,
        table: TableId,
        options: TableOptions,
    ) -> Result<WriteResult, Error> {
        match self.call(Request::DeclareTable(table, options))? {
            Reply::Written(results) => match results[..] {
                [result] => Ok(result),
                _ => unreachable!("one declaration has one result"),
            },
            _ => unreachable!("a declaration is answered as a write"),
        }
    }

    /// The tables that were declared, in order.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub fn tables(&self) -> Result<Vec<(TableId, TableOptions)>, Error> {
        self.reads()?.tables()
    }

    /// Reads documents, one entry per key, `None` where there is none. From memory what was written or read lately;
    /// otherwise a read of the log, or a few, per document.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for more than [`crate::limits::DOCUMENTS_READ_MAX`] keys or one that no
    /// document can have; see [`ErrorKind`].
    pub fn documents(&self, keys: &[DocumentKey]) -> Result<Vec<Option<Document>>, Error> {
        self.reads()?.documents(keys)
    }

    /// A page of a table's documents, in order of their keys. O(page); a page ends early where its
    /// values exceed [`crate::limits::SCAN_VALUE_BYTES_MAX`].
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a limit out of range; see [`ErrorKind`].
    pub fn scan_documents(&self, scan: &DocumentScan) -> Result<DocumentPage, Error> {
        self.reads()?.scan_documents(scan)
    }

    /// What a document was, newest first: at most `limit` versions before `before`
    /// ([`florin_ledger::Position::NONE`]: from the present one on). One where it was deleted or
    /// expired has no value. A read of the log per version.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a limit out of range, or a version that is not of this document;
    /// see [`ErrorKind`].
    pub fn document_history(
        &self,
        key: &DocumentKey,
        before: Position,
        limit: u32,
    ) -> Result<Vec<Document>, Error> {
        self.reads()?.document_history(key, before, limit)
    }

    /// Reads accounts with their present balances, one entry per id, `None` where there is none.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub fn lookup_accounts(&self, ids: &[AccountId]) -> Result<Vec<Option<Account>>, Error> {
        match self.call(Request::LookupAccounts(ids.to_vec()))? {
            Reply::LookedUpAccounts(accounts) => Ok(accounts),
            _ => unreachable!("a look-up is answered by accounts"),
        }
    }

    /// Reads transfers, one entry per id, `None` where there is none. One or two reads of the log
    /// per transfer.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub fn lookup_transfers(&self, ids: &[TransferId]) -> Result<Vec<Option<Transfer>>, Error> {
        self.reads()?.lookup_transfers(ids)
    }

    /// A page of an account's transfers, in order of time. Empty if there is no such account.
    /// Newest first costs O(page + postings / 32 down to its start); oldest first walks everything
    /// from `timestamp_max` down.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a limit out of range; see [`ErrorKind`].
    pub fn account_transfers(&self, filter: &AccountFilter) -> Result<TransferPage, Error> {
        self.reads()?.account_transfers(filter)
    }

    /// A page of an account's balances, one after each posting (expiries are postings too). Costs
    /// as [`Database::account_transfers`].
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a limit out of range; see [`ErrorKind`].
    pub fn account_balances(&self, filter: &AccountFilter) -> Result<BalancePage, Error> {
        self.reads()?.account_balances(filter)
    }

    /// An account's balances as they were at an instant, with the time of the last posting before;
    /// `None` if the account was not open yet. O(postings / 32 since then).
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub fn balance_as_of(
        &self,
        id: AccountId,
        timestamp: Timestamp,
    ) -> Result<Option<BalanceAt>, Error> {
        self.reads()?.balance_as_of(id, timestamp)
    }

    /// A page of accounts, in order of timestamp. By time alone O(page); any other field needs
    /// [`QueryFilter::scan`], and a page may then come back short with a cursor.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a filter without an index; see [`ErrorKind`].
    pub fn query_accounts(&self, filter: &QueryFilter) -> Result<AccountPage, Error> {
        self.reads()?.query_accounts(filter)
    }

    /// A page of transfers, in order of timestamp. As [`Database::query_accounts`]; newest first
    /// reads whole segments of the log.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a filter without an index; see [`ErrorKind`].
    pub fn query_transfers(&self, filter: &QueryFilter) -> Result<TransferPage, Error> {
        self.reads()?.query_transfers(filter)
    }

    /// The sums over all accounts of a ledger, added afresh. O(accounts), on the engine's thread.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub fn trial_balance(&self, ledger: LedgerId) -> Result<TrialBalance, Error> {
        match self.call(Request::TrialBalance(ledger))? {
            Reply::TrialBalance(sums) => Ok(sums),
            _ => unreachable!("a trial balance is answered by sums"),
        }
    }

    /// How the engine is doing.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub fn status(&self) -> Result<Status, Error> {
        match self.call(Request::Status)? {
            Reply::Status(status) => Ok(status),
            _ => unreachable!("a status is answered by a status"),
        }
    }

    /// What the database counts about itself, since it was opened. Waits for nothing, and answers
    /// when the engine has stopped, too. Takes some microseconds.
    #[must_use]
    pub fn metrics(&self) -> MetricsSnapshot {
        let mut snapshot = self.shared.watch.snapshot();
        let last_event = snapshot.engine.last_event;
        snapshot.tree = self.open_tree().and_then(|tree| tree.figures(last_event));
        snapshot
    }

    /// What [`Database::dry_run`] would have answered right after the record at a position, in the
    /// nanosecond after it; within a commit that is after a part of it.
    ///
    /// Reads the log on the caller's thread: what was posted since on the accounts that the commit
    /// names, 32 postings at a step, and later versions of its documents.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if it can't be told, or only from more than
    /// [`crate::limits::AS_OF_RECORDS_MAX`] records; otherwise as [`Database::wait_for`].
    pub fn dry_run_as_of(
        &self,
        request: &CommitRequest,
        at: Position,
    ) -> Result<CommitOutcome, Error> {
        self.reads()?.dry_run_as_of(request, at)
    }

    /// Waits until what was written at a position is here and durable: every read that begins
    /// afterwards sees it, and all before it. For positions that come from elsewhere: what this
    /// database has answered it has also reached. [`Position::NONE`] is reached by any.
    /// Reads a block of the log; for a position that is not of this log, up to a segment.
    ///
    /// # Errors
    /// [`ErrorKind::NotYet`] if it does not come within `patience`; at once [`ErrorKind::Fork`] if it
    /// never can, since this log has another history, and [`ErrorKind::Gone`] if the log does not
    /// reach back so far; see [`ErrorKind`].
    pub fn wait_for(&self, position: Position, patience: Duration) -> Result<(), Error> {
        self.reads()?.wait_for(position, patience)
    }

    /// Everything before this is durable, and in synchronous mode acknowledged by standbys. It rises.
    #[must_use]
    pub fn durable_end(&self) -> Lsn {
        self.shared.watch.durable.get()
    }

    /// Calls `risen` whenever more has become durable, or the log has failed, as long as the database
    /// is open. On the log's own thread: it must be quick, and must not drop the last handle.
    pub fn on_durable(&self, risen: impl Fn() + Send + Sync + 'static) {
        if let Ok(reads) = self.reads() {
            reads.durable().watch(risen);
        }
    }

    /// Calls `changed` when documents of [`TableId::CLIENT_KEYS`] were written, deleted or have
    /// expired, as long as the database is open; several changes may share a call. What is read from
    /// then on says so. On the log's own thread, as [`Database::on_durable`]; for everybody else a
    /// commit costs one load more.
    pub fn on_client_keys(&self, changed: impl Fn() + Send + Sync + 'static) {
        let count = Arc::clone(&self.shared.watch.client_keys);
        let seen = AtomicU64::new(count.load(Ordering::Acquire));
        self.on_durable(move || {
            let now = count.load(Ordering::Acquire);
            if seen.swap(now, Ordering::AcqRel) != now {
                changed();
            }
        });
    }

    /// Calls `stopped` once when the engine takes no more requests, with the reason: it was closed,
    /// or a write to the log failed. After a failure the process should end: nothing but opening the
    /// database again helps. At once if it has stopped already.
    pub fn on_stop(&self, stopped: impl FnOnce(Error) + Send + 'static) {
        self.shared.inbox.on_close(stopped);
    }

    /// Finishes what was accepted, writes a witness and a checkpoint, and releases the directory.
    /// All handles are closed. Closing twice is closing once.
    ///
    /// # Errors
    /// [`ErrorKind::Stopped`] if the engine had stopped before; [`ErrorKind::DiskFull`] or
    /// [`ErrorKind::Io`] if there is no last checkpoint: the next opening takes longer. Everything
    /// that was answered is durable all the same.
    pub fn close(&self) -> Result<(), Error> {
        self.shared.close()
    }

    /// What a test looks through.
    #[cfg(test)]
    pub(crate) fn durable(&self) -> Arc<crate::driver::durable::Durable> {
        self.shared.watch.durable.clone()
    }

    #[cfg(test)]
    pub(crate) fn inbox(&self) -> Arc<Inbox> {
        self.shared.inbox.clone()
    }

    pub(crate) fn open_tree(&self) -> Option<&OpenTree> {
        self.shared.tree.as_ref()
    }

    pub(crate) fn release(&self) -> Arc<Release> {
        self.shared.watch.release.clone()
    }

    pub(crate) fn allegiance(&self) -> Arc<Allegiance> {
        self.shared.allegiance.clone()
    }

    pub(crate) fn watch(&self) -> &Watch {
        &self.shared.watch
    }

    /// `None` if it decides.
    pub(crate) fn standing(&self) -> Option<&Standing> {
        self.shared.watch.standing.as_deref()
    }

    pub(crate) fn custody(&self) -> &Custody {
        &self.shared.keyring
    }

    fn call(&self, request: Request) -> Result<Reply, Error> {
        let (sender, receiver) = mpsc::sync_channel(1);
        // The receiver waits below for exactly this answer.
        self.submit(request, move |reply| drop(sender.send(reply)));
        receiver.recv().unwrap_or_else(|_| Err(stopped()))
    }

    pub(crate) fn reads(&self) -> Result<Arc<Reads>, Error> {
        let reads = self.shared.reads.read().unwrap_or_else(PoisonError::into_inner);
        reads.clone().ok_or_else(stopped)
    }
}

impl Shared {
    fn close(&self) -> Result<(), Error> {
        // Held until it is done: who closes a second time waits for the first.
        let mut open = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        if open.as_ref().is_some_and(Threads::is_this_one) {
            return Err(Error::new(ErrorKind::Invalid, "a reply can't close its own database"));
        }
        let Some(threads) = open.take() else { return Ok(()) };
        let closed = threads.close();
        if let Some(tree) = &self.tree {
            tree.end();
        }
        *self.reads.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.keyring.close();
        self.allegiance.close();
        closed
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Whoever wants to know how it went calls `close`.
        let open = self.threads.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(threads) = open.take_if(|threads| threads.is_this_one()) {
            // A reply held the last handle: somebody else must wait for its thread to end.
            drop(std::thread::spawn(move || threads.close()));
        } else {
            let _ = self.close();
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}
