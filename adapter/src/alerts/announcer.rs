//! Tells customers how transfers ended, if they asked for it, and what happened to their accounts themselves (FR5a).
//!
//! - It reads the events of the log, after the commits that they are of: a transfer costs nothing more for being told
//!   of, and what did not happen is not told.
//! - Whom an event concerns is read for many at once, and opens no seal. Only for who has asked for something the rest
//!   is read, and letters are written.
//! - The letters of an event are one commit, whose id follows from the event: it takes effect once, whoever tries it and
//!   however often. So the place in the stream is kept lazily.
//! - That an account was opened, closed, suspended, or may send more or less, is told by mail to whoever has it, asked
//!   or not: who has got into a login is not to hide what they do with it.
//! - What happened before a customer asked, or so long ago that it is no news, is passed over.
//! - An event that can't be told is in nobody's way: it is passed over, and said in the log of the program.

use super::devices::Devices;
use super::preferences::{MoneyEvent, Preferences, Ways, wishes};
use crate::accounts::{AccountOpen, Accounts, account_end};
use crate::audit::{self, Caller};
use crate::bank::Bank;
use crate::clock::{MINUTE, SECOND, after};
use crate::customers::contact_of;
use crate::error::BankError;
use crate::id::{Account, Customer, Id, Transaction};
use crate::notify::{
    self, AccountChange, Addressee, Letter, Movement, NEWS, Place, SmsUse, take_sms,
};
use crate::payments::{Started, TransactionOpen, Transactions, step, step_key};
use crate::store::{Found, Kind, Store, key_of};
use crate::topics;
use florin_client::{Consumer, StreamBatch};
use florin_ledger::commit::Topic;
use florin_ledger::stream::{ItemContent, ItemKind, ItemKinds};
use florin_ledger::{Commit, CommitId, DocumentWrite, StreamFilter, StreamStart, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use tracing::{error, warn};

const NAME: &str = "announcements";
const CONTEXT: &str = "florin bank 1 announcement of an event";
/// Documents that are asked for at once.
const KEYS_MAX: usize = 500;

const TOPICS: [Topic; 9] = [
    topics::TRANSACTION_COMPLETED,
    topics::TRANSACTION_FAILED,
    topics::TRANSACTION_RECEIVED,
    topics::TRANSACTION_REVERSED,
    topics::ACCOUNT_OPENED,
    topics::ACCOUNT_CLOSED,
    topics::ACCOUNT_SUSPENDED,
    topics::ACCOUNT_RESUMED,
    topics::ACCOUNT_LIMITS_CHANGED,
];

/// Tells customers what they asked to be told of.
pub struct Announcer {
    bank: Arc<Bank>,
    consumer: Consumer,
    /// When the place in the stream was kept last.
    saved: Timestamp,
}

/// An event of the stream.
#[derive(Clone, Copy, Debug)]
struct Happened {
    topic: Topic,
    account: Id<Account>,
    what: What,
    at: Timestamp,
}

/// What it is about.
#[derive(Clone, Copy, Debug)]
enum What {
    /// Money that moved, or did not.
    Money(Id<Transaction>),
    /// The account itself.
    Account(AccountChange),
}

impl What {
    /// What an event is about; `None` if it is of a newer version.
    fn of(topic: Topic, key: &[u8], value: &[u8]) -> Option<What> {
        let change = match topic {
            topics::ACCOUNT_OPENED => {
                return topics::customer(value).map(|_| What::Account(AccountChange::Opened));
            }
            topics::ACCOUNT_CLOSED => AccountChange::Closed,
            topics::ACCOUNT_SUSPENDED => AccountChange::Suspended,
            topics::ACCOUNT_RESUMED => AccountChange::Resumed,
            topics::ACCOUNT_LIMITS_CHANGED => AccountChange::LimitsChanged,
            _ => return topics::transaction(value).map(What::Money),
        };
        topics::account(key, value).map(|_| What::Account(change))
    }
}

/// What somebody is to be told.
struct News<'a> {
    happened: Happened,
    transaction: Id<Transaction>,
    customer: Id<Customer>,
    wishes: &'a Found<Preferences>,
}

impl Announcer {
    /// Goes on where the last was.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn start(bank: Arc<Bank>) -> Result<Announcer, BankError> {
        let filter = StreamFilter {
            kinds: ItemKinds::NONE.with(ItemKind::Event),
            topics: TOPICS.to_vec(),
            ..StreamFilter::all()
        };
        let consumer = bank.store.client().consumer(NAME, StreamStart::Begin, filter).await?;
        let saved = bank.clock.now();
        Ok(Announcer { bank, consumer, saved })
    }

    /// Tells of events as they come, until it can't.
    ///
    /// # Errors
    /// [`BankError`]: start another.
    pub async fn run(&mut self) -> Result<Infallible, BankError> {
        loop {
            let batch = self.consumer.next().await?;
            let has_told = self.tell(&batch).await?;
            let now = self.bank.clock.now();
            let pause = if has_told { SECOND } else { MINUTE };
            if after(self.saved, pause) <= now {
                self.consumer.save(batch.end().cursor).await?;
                self.saved = now;
            }
        }
    }

    /// Tells of the events that came next, if any did. Returns when that is durable: whether these were all for now.
    ///
    /// # Errors
    /// [`BankError`].
    pub async fn step(&mut self) -> Result<bool, BankError> {
        let batch = self.consumer.next().await?;
        self.tell(&batch).await?;
        self.consumer.save(batch.end().cursor).await?;
        Ok(batch.end().is_live)
    }

    /// Tells of a batch; whether there was somebody to tell.
    async fn tell(&self, batch: &StreamBatch) -> Result<bool, BankError> {
        let now = self.bank.clock.now();
        let mut happened = Vec::new();
        for item in batch.items() {
            let ItemContent::Event { topic, key, value } = item.content else {
                return Err(BankError::odd(&item.content));
            };
            let concerned = topics::concerned(key).zip(What::of(topic, key, value));
            let Some((account, what)) = concerned else {
                warn!("an event of a newer version is told to nobody");
                continue;
            };
            if now < after(item.time, NEWS) {
                happened.push(Happened { topic, account, what, at: item.time });
            }
        }
        let mut has_told = false;
        for happened in happened.chunks(KEYS_MAX) {
            has_told |= self.tell_of(happened).await?;
        }
        Ok(has_told)
    }

    async fn tell_of(&self, happened: &[Happened]) -> Result<bool, BankError> {
        let store = &self.bank.store;
        let owners = owners(store, happened.iter().map(|happened| happened.account)).await?;
        let asked = asked(store, owners.values().map(|account| account.user_id)).await?;
        let mut has_told = false;
        for happened in happened {
            let Some(owner) = owners.get(&happened.account.number()) else { continue };
            let told = match happened.what {
                What::Account(change) => self.write_of_account(happened, change, owner).await,
                What::Money(transaction) => {
                    let customer = owner.user_id;
                    let Some(wishes) = asked.get(&customer.number()) else { continue };
                    if happened.at.0 < wishes.row.open.asked_at.0 {
                        continue;
                    }
                    let news = News { happened: *happened, transaction, customer, wishes };
                    self.write(&news).await
                }
            };
            match told {
                Ok(()) => has_told = true,
                Err(error @ (BankError::Ledger(_) | BankError::Busy | BankError::Contended)) => {
                    return Err(error);
                }
                Err(failure) => {
                    let Happened { account, what, .. } = happened;
                    error!(%account, ?what, "nobody is told of it: {failure}");
                }
            }
        }
        Ok(has_told)
    }

    /// Writes the mail about an account itself, once.
    async fn write_of_account(
        &self,
        Happened { topic, account, at, .. }: &Happened,
        change: AccountChange,
        owner: &AccountOpen,
    ) -> Result<(), BankError> {
        let Bank { store, clock, .. } = &*self.bank;
        // One that was imported with its past is no news.
        if change == AccountChange::Opened && after(owner.opened_at.into(), NEWS) <= *at {
            return Ok(());
        }
        let customer = owner.user_id;
        let Some(contact) = contact_of(store, customer).await? else { return Ok(()) };
        let account_end = account_end(store, *account).await?;
        let addressee = Addressee { customer, to: Some(contact.email) };
        let letter = Letter::AccountChanged { change, account_end };
        let documents = vec![notify::put(store, clock.now(), &addressee, letter).await?];
        // The same may happen to an account more than once, at other times.
        let what = [&account.bytes()[..], &at.0.to_be_bytes(), &topic.0.to_be_bytes()].concat();
        self.once(&what, documents).await
    }

    /// Writes the letters of an event, once.
    async fn write(&self, news: &News<'_>) -> Result<(), BankError> {
        let (Happened { topic, account, .. }, transaction) = (news.happened, news.transaction);
        let store = &self.bank.store;
        let Some(started) = started(store, transaction).await? else {
            return Err(BankError::Damaged(Transactions::TABLE));
        };
        let event = event_of(topic, account, &started);
        let ways = wishes(Some(news.wishes)).of(event);
        if !ways.any() {
            return Ok(());
        }
        let movement = Movement {
            amount_cents: started.amount_cents,
            currency: started.currency_code,
            account_end: account_end(store, account).await?,
            reference: started.transaction_ref,
        };
        let letter = match event {
            MoneyEvent::In => Letter::MoneyIn(movement),
            MoneyEvent::Out => Letter::MoneyOut(movement),
            MoneyEvent::OutFailed => Letter::MoneyOutFailed(movement),
        };
        let what = [&account.bytes()[..], &transaction.bytes(), &topic.0.to_be_bytes()].concat();
        let documents = self.letters(news.customer, ways, &letter).await?;
        if documents.is_empty() { Ok(()) } else { self.once(&what, documents).await }
    }

    /// Writes letters in a commit whose id follows from what they are about: it takes effect once.
    async fn once(&self, what: &[u8], documents: Vec<DocumentWrite>) -> Result<(), BankError> {
        let store = &self.bank.store;
        let digest = blake3::derive_key(CONTEXT, what);
        let (half, _) = digest.split_first_chunk::<16>().expect("it has 32 bytes");
        let id = CommitId((u128::from_be_bytes(*half) >> 1) | 1);
        let commit = audit::commit_of(store, &Caller::bank(), id).await?;
        // Sealed parts differ each time, and what is meant does not.
        store.commit(&Commit { digest, documents, ..commit }).await.map(drop)
    }

    async fn letters(
        &self,
        customer: Id<Customer>,
        ways: Ways,
        letter: &Letter,
    ) -> Result<Vec<DocumentWrite>, BankError> {
        let Bank { store, clock, options, .. } = &*self.bank;
        let now = clock.now();
        let Some(contact) = contact_of(store, customer).await? else { return Ok(Vec::new()) };
        let mut documents = Vec::new();
        if ways.email {
            let addressee = Addressee { customer, to: Some(contact.email) };
            documents.push(notify::put(store, now, &addressee, letter.clone()).await?);
        }
        let number = contact.phone.filter(|_| ways.sms && options.sends_sms);
        if let Some(number) = number
            && take_sms(store, now, SmsUse::News, customer, &number, options.sms_per_hour).await?
        {
            let place = Place::Phone(Some(number));
            documents.push(notify::put_by(store, now, customer, place, letter.clone()).await?);
        }
        if ways.push && options.sends_push {
            for device in Devices::of(store, customer).await? {
                let place = device.place();
                documents.push(notify::put_by(store, now, customer, place, letter.clone()).await?);
            }
        }
        Ok(documents)
    }
}

/// What an event is to whose account it concerns.
fn event_of(topic: Topic, account: Id<Account>, started: &Started) -> MoneyEvent {
    match topic {
        topics::TRANSACTION_RECEIVED => MoneyEvent::In,
        topics::TRANSACTION_FAILED => MoneyEvent::OutFailed,
        // What comes back to who paid.
        topics::TRANSACTION_REVERSED if started.source_account_id == Some(account) => {
            MoneyEvent::In
        }
        _ => MoneyEvent::Out,
    }
}

/// The customers' accounts among these, by their numbers; the bank's own are nobody's.
async fn owners(
    store: &Store,
    accounts: impl Iterator<Item = Id<Account>>,
) -> Result<BTreeMap<u128, AccountOpen>, BankError> {
    let accounts: BTreeSet<_> = accounts.map(|account| account.bytes()).collect();
    let keys: Vec<_> = accounts.into_iter().map(key_of::<Accounts>).collect();
    let found = store.client().documents(&keys).await?;
    let mut owners = BTreeMap::new();
    for document in found.iter().flatten() {
        let open = store.open_part::<Accounts>(document)?;
        owners.insert(open.account_id.number(), open);
    }
    Ok(owners)
}

/// What those of some customers who asked for something asked for, by the customers' numbers.
async fn asked(
    store: &Store,
    customers: impl Iterator<Item = Id<Customer>>,
) -> Result<BTreeMap<u128, Found<Preferences>>, BankError> {
    let customers: BTreeSet<_> = customers.map(|customer| customer.bytes()).collect();
    let found = store.all::<Preferences>(customers.into_iter().map(Vec::from)).await?;
    let number = |found: &Found<Preferences>| found.key.clone().try_into().map(u128::from_be_bytes);
    let found = found.into_iter().filter_map(|found| Some((number(&found).ok()?, found)));
    Ok(found.collect())
}

/// How a transaction began.
async fn started(
    store: &Store,
    transaction: Id<Transaction>,
) -> Result<Option<Started>, BankError> {
    let key = key_of::<Transactions>(step_key(transaction, step::STARTED));
    let [document] = store.ask([key]).await?;
    let Some(document) = document else { return Ok(None) };
    match store.open_part::<Transactions>(&document)? {
        TransactionOpen::Started(started) => Ok(Some(started)),
        TransactionOpen::InReview(_) | TransactionOpen::Ended(_) => Ok(None),
    }
}
