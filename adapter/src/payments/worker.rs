//! Goes on with transfers as they are begun, many at the same time.
//!
//! - A worker reads the events of the first step, the decisions about cases, and which accounts are suspended.
//!   Transfers of one account go on one after the other, in their order; those of different accounts side by side.
//! - Each step of a transfer takes effect once, whoever tries it, so the worker's place in the stream is kept once a
//!   second at most, and never beyond what has not ended: what is read again after a crash has ended, and is passed
//!   over.
//! - Whatever is in the way of one transfer parks it with the reason, for a person to look at, and the others go on.
//! - Where several adapters serve a bank, a worker whose place in the stream was kept by another is fenced off, and
//!   tries again after a while. What two of them do in the meantime takes effect once.
//! - [`Expiries`] reads which holds have expired, and ends their transfers.

use super::hold::transaction_of;
use super::parked;
use super::record::TransfersOpen;
use super::saga::{end_expired, end_of_account};
use crate::bank::Bank;
use crate::clock::{MINUTE, SECOND, after};
use crate::error::BankError;
use crate::id::{Account, Id, Transaction};
use crate::money::Currency;
use crate::store::Kind;
use crate::topics;
use florin_client::{ClientError, Consumer, RefusalKind, StreamBatch};
use florin_ledger::document::DocumentScan;
use florin_ledger::stream::{ItemContent, ItemKind, ItemKinds};
use florin_ledger::{StreamCursor, StreamFilter, StreamStart, Timestamp};
use futures_util::FutureExt;
use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::task::{JoinError, JoinSet};
use tracing::error;

const NAME: &str = "payments";
const EXPIRIES_NAME: &str = "payments expired";
/// Transfers that are read and have not ended, at most; each is some hundred bytes.
const BACKLOG_MAX: usize = 4_096;
/// Transfers that are looked through at once.
const PAGE: u32 = 500;
/// Accounts whose transfers go on at the same time.
const SIDE_BY_SIDE_MAX: usize = 256;

/// Goes on with transfers.
pub struct Worker {
    bank: Arc<Bank>,
    consumer: Consumer,
    backlog: Backlog,
    running: JoinSet<Gone>,
    /// When the place in the stream was kept last.
    saved: Timestamp,
}

/// What an event asks for.
#[derive(Clone, Copy)]
enum Errand {
    /// A transfer goes on, most likely of this account.
    GoOn(Id<Transaction>, Id<Account>),
    /// Whatever is held on an account is given back.
    Suspended(Id<Account>),
}

/// A transfer that has gone on as far as it does.
struct Gone {
    account: Vec<u8>,
    number: u64,
    result: Result<(), BankError>,
}

impl Worker {
    /// Goes on where the last worker was.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn start(bank: Arc<Bank>) -> Result<Worker, BankError> {
        let filter = StreamFilter {
            kinds: ItemKinds::NONE.with(ItemKind::Event),
            topics: vec![
                topics::TRANSACTION_INITIATED,
                topics::CASE_DECIDED,
                topics::TRANSACTION_RESUMED,
                topics::ACCOUNT_SUSPENDED,
            ],
            ..StreamFilter::all()
        };
        let consumer = bank.store.client().consumer(NAME, StreamStart::Begin, filter).await?;
        let (backlog, running, saved) = (Backlog::default(), JoinSet::new(), bank.clock.now());
        Ok(Worker { bank, consumer, backlog, running, saved })
    }

    /// Goes on with transfers as they are begun, until it can't.
    ///
    /// # Errors
    /// [`BankError`]: start another.
    pub async fn run(&mut self) -> Result<Infallible, BankError> {
        loop {
            let may_read = self.backlog.count() < BACKLOG_MAX;
            tokio::select! {
                batch = self.consumer.next(), if may_read => self.take(&batch?)?,
                Some(done) = self.running.join_next() => self.done(done)?,
            }
            if let Some(cursor) = self.due() {
                self.consumer.save(cursor).await?;
            }
        }
    }

    /// Goes on with the transfers that came next, if any did. Returns when they are ended for good, or wait for a
    /// person.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn step(&mut self) -> Result<(), BankError> {
        let batch = self.consumer.next().await?;
        self.take(&batch)?;
        while let Some(done) = self.running.join_next().await {
            self.done(done)?;
        }
        if let Some(cursor) = self.backlog.all_before() {
            self.consumer.save(cursor).await?;
        }
        Ok(())
    }

    /// Takes what came next, and begins with it.
    fn take(&mut self, batch: &StreamBatch) -> Result<(), BankError> {
        self.backlog.take(batch)?;
        self.begin();
        Ok(())
    }

    /// The place in the stream that is to be kept now: where something has ended a second after the last time, where
    /// nothing was found a minute after it.
    fn due(&mut self) -> Option<StreamCursor> {
        let now = self.bank.clock.now();
        if now < after(self.saved, SECOND) {
            return None;
        }
        let is_long_ago = after(self.saved, MINUTE) <= now;
        let ended = self.backlog.all_before();
        let cursor = ended.or_else(|| if is_long_ago { self.backlog.idle() } else { None })?;
        self.saved = now;
        Some(cursor)
    }

    /// Begins as many as may go on at the same time.
    fn begin(&mut self) {
        while self.running.len() < SIDE_BY_SIDE_MAX {
            let Some((account, number, errand)) = self.backlog.next() else { return };
            let bank = Arc::clone(&self.bank);
            self.running.spawn(async move {
                let result = match errand {
                    Errand::GoOn(transaction, account) => {
                        end_or_park(&bank, transaction, account).await
                    }
                    Errand::Suspended(account) => give_back(&bank, account).await,
                };
                Gone { account, number, result }
            });
        }
    }

    fn done(&mut self, gone: Result<Gone, JoinError>) -> Result<(), BankError> {
        let Gone { account, number, result } = gone.map_err(|error| BankError::odd(&error))?;
        result?;
        self.backlog.done(account, number);
        self.begin();
        Ok(())
    }
}

/// Goes on with a transfer.
async fn end_or_park(
    bank: &Bank,
    transaction: Id<Transaction>,
    account: Id<Account>,
) -> Result<(), BankError> {
    set_aside(bank, transaction, end_of_account(bank, transaction, account)).await
}

/// Sets a transfer aside if what was tried with it came to nothing, for reasons of its own.
async fn set_aside(
    bank: &Bank,
    transaction: Id<Transaction>,
    trying: impl Future<Output = Result<(), BankError>>,
) -> Result<(), BankError> {
    // A bug that one transfer brings out is not in the way of the others.
    let reason = match AssertUnwindSafe(trying).catch_unwind().await {
        Ok(Ok(())) => return Ok(()),
        // Whoever comes next tries again.
        Ok(Err(error)) if is_passing(&error) => return Err(error),
        Ok(Err(error)) => error.to_string(),
        Err(_) => String::from("the program has a bug"),
    };
    error!(%transaction, "parked: {reason}");
    parked::park(&bank.store, &*bank.clock, transaction, reason).await
}

/// Goes on with every transfer of a suspended account, which gives back what they hold.
async fn give_back(bank: &Bank, account: Id<Account>) -> Result<(), BankError> {
    let mut after = None;
    loop {
        let scan = DocumentScan {
            table: TransfersOpen::TABLE,
            after,
            limit: PAGE,
            ..DocumentScan::default()
        };
        let page = bank.store.client().scan_documents(&scan).await?;
        for document in &page.items {
            // One that is damaged is set aside when its own turn comes.
            let Ok(open) = bank.store.open_part::<TransfersOpen>(document) else { continue };
            if open.source_account_id == account {
                end_or_park(bank, open.transaction_id, account).await?;
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Whether it may be different the next time, for all transfers: the ledger can't be asked now, or a newer program
/// has to do it.
fn is_passing(error: &BankError) -> bool {
    match error {
        BankError::Ledger(ClientError::Refused { kind, .. }) => !matches!(
            kind,
            RefusalKind::Invalid
                | RefusalKind::TooLarge
                | RefusalKind::Malformed
                | RefusalKind::Corrupt
        ),
        BankError::Ledger(_) | BankError::Busy | BankError::Contended | BankError::Newer(_) => true,
        _ => false,
    }
}

/// What was read and has not ended. Every transfer has a number, in the order of the stream.
#[derive(Default)]
struct Backlog {
    /// What waits of each account of which something waits or goes on.
    accounts: HashMap<Vec<u8>, VecDeque<(u64, Errand)>>,
    /// Accounts of which one may go on.
    ready: VecDeque<Vec<u8>>,
    /// Batches that have not ended, oldest first.
    batches: VecDeque<Batch>,
    next_number: u64,
    count: usize,
    /// How far the stream has looked since the last that it found.
    idle: Option<StreamCursor>,
}

struct Batch {
    /// The number after its last.
    end: u64,
    /// How many of it have not ended.
    left: usize,
    cursor: StreamCursor,
}

impl Backlog {
    fn count(&self) -> usize {
        self.count
    }

    /// Takes what a batch of the stream tells of. What a newer version tells is not passed over: its own worker goes
    /// on with it.
    fn take(&mut self, batch: &StreamBatch) -> Result<(), BankError> {
        let mut begun = Vec::new();
        for item in batch.items() {
            let ItemContent::Event { topic, key, value } = item.content else {
                return Err(BankError::odd(&item.content));
            };
            let errand = if topic == topics::ACCOUNT_SUSPENDED {
                topics::account(key, value).map(Errand::Suspended)
            } else {
                let account = topics::concerned(key);
                topics::transaction(value)
                    .zip(account)
                    .map(|(it, account)| Errand::GoOn(it, account))
            };
            let errand = errand.ok_or_else(|| BankError::odd(&"an event of a newer version"))?;
            begun.push((key.to_vec(), errand));
        }
        self.push(begun, batch.end().cursor);
        Ok(())
    }

    fn push(&mut self, begun: Vec<(Vec<u8>, Errand)>, cursor: StreamCursor) {
        let left = begun.len();
        if left == 0 {
            self.idle = Some(cursor);
            return;
        }
        self.idle = None;
        self.count += left;
        for (account, errand) in begun {
            let number = self.next_number;
            self.next_number += 1;
            match self.accounts.get_mut(&account) {
                Some(waiting) => waiting.push_back((number, errand)),
                None => {
                    self.accounts.insert(account.clone(), VecDeque::from([(number, errand)]));
                    self.ready.push_back(account);
                }
            }
        }
        self.batches.push_back(Batch { end: self.next_number, left, cursor });
    }

    /// The next transfer that may go on, with its account and number.
    fn next(&mut self) -> Option<(Vec<u8>, u64, Errand)> {
        let account = self.ready.pop_front()?;
        let (number, errand) = self.accounts.get_mut(&account)?.pop_front()?;
        Some((account, number, errand))
    }

    /// A transfer has ended; the next of its account may go on.
    fn done(&mut self, account: Vec<u8>, number: u64) {
        self.count -= 1;
        let place = self.batches.partition_point(|batch| batch.end <= number);
        self.batches[place].left -= 1;
        let is_empty = self.accounts.get(&account).is_none_or(VecDeque::is_empty);
        if is_empty {
            self.accounts.remove(&account);
        } else {
            self.ready.push_back(account);
        }
    }

    /// Where the stream goes on if nothing was found for a while, and nothing is under way.
    fn idle(&mut self) -> Option<StreamCursor> {
        if self.count == 0 { self.idle.take() } else { None }
    }

    /// Where the stream goes on after everything that has ended with all before it, if that is further than the last
    /// time.
    fn all_before(&mut self) -> Option<StreamCursor> {
        let mut cursor = None;
        while self.batches.front().is_some_and(|batch| batch.left == 0) {
            cursor = self.batches.pop_front().map(|batch| batch.cursor);
        }
        cursor
    }
}

/// Ends transfers whose holds have expired.
pub struct Expiries {
    bank: Arc<Bank>,
    consumer: Consumer,
    /// When the place in the stream was kept last.
    saved: Timestamp,
}

impl Expiries {
    /// Goes on where the last was.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn start(bank: Arc<Bank>) -> Result<Expiries, BankError> {
        let filter = StreamFilter {
            kinds: ItemKinds::NONE.with(ItemKind::Expiry),
            ledgers: Currency::ALL.iter().map(|currency| currency.ledger()).collect(),
            ..StreamFilter::all()
        };
        let client = bank.store.client();
        let consumer = client.consumer(EXPIRIES_NAME, StreamStart::Begin, filter).await?;
        let saved = bank.clock.now();
        Ok(Expiries { bank, consumer, saved })
    }

    /// Ends transfers as their holds expire, until it can't.
    ///
    /// # Errors
    /// [`BankError`]: start another.
    pub async fn run(&mut self) -> Result<Infallible, BankError> {
        loop {
            self.step().await?;
        }
    }

    /// Ends the transfers whose holds expired next, if any did.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn step(&mut self) -> Result<(), BankError> {
        let batch = self.consumer.next().await?;
        let mut expired = Vec::new();
        for item in batch.items() {
            let ItemContent::Expiry(hold) = item.content else {
                return Err(BankError::odd(&item.content));
            };
            expired.push(transaction_of(hold.hold_id));
        }
        if expired.is_empty() {
            // Once a minute, so that a start does not read again what nothing is in.
            if after(self.saved, MINUTE) <= self.bank.clock.now() {
                self.consumer.save(batch.end().cursor).await?;
                self.saved = self.bank.clock.now();
            }
            return Ok(());
        }
        for transaction in expired {
            let ending = end_expired(&self.bank, transaction);
            set_aside(&self.bank, transaction, ending).await?;
        }
        self.consumer.save(batch.end().cursor).await?;
        Ok(())
    }
}
