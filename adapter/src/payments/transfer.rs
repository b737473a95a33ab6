//! The first step of a transfer: the money is held.

use super::record::{
    Copies, CopyOpen, CopySealed, RequestOpen, RequestSealed, Requests, Started, TransactionOpen,
    TransactionSealed, TransactionStatus, TransactionType, Transactions, TransferOpen,
    TransfersOpen, step_key,
};
use super::reference::References;
use crate::accounts::{AccountStatus, Accounts, balances, chart};
use crate::audit::{self, Act, Action, Caller};
use crate::bank::Bank;
use crate::clock::{Clock, HOUR, SECOND, after};
use crate::customers::Customers;
use crate::error::BankError;
use crate::id::{Account, Customer, Id, Transaction};
use crate::money::Money;
use crate::random;
use crate::store::{Found, Held, Row, Store};
use crate::topics;
use crate::vault::Subject;
use florin_ledger::commit::{BrokenRule, Precondition, Unmet};
use florin_ledger::document::{DocumentCondition, DocumentScan};
use florin_ledger::{
    AccountId, Commit, CreateTransferStatus, DocumentWrite, Timestamp, Transfer, TransferFlags,
    TransferId,
};
use std::fmt;
use std::str::FromStr;

/// Characters of a description.
pub(super) const DESCRIPTION_CHARACTERS_MAX: usize = 140;
/// How long the money is held, if nobody goes on with the transfer.
const HOLD_S: u64 = 300;
/// How long a form may come again and be the same order.
const KEPT_FOR: u64 = 90 * 24 * HOUR;
/// Read, decide, commit: again as long as others change what was read.
const TRIES_MAX: usize = 8;

/// What a customer asks for.
#[derive(Clone, Debug)]
pub struct NewTransfer {
    /// From which account.
    pub source: Id<Account>,
    /// To which.
    pub destination: Id<Account>,
    /// How much.
    pub money: Money,
    /// What for.
    pub description: String,
    /// Names the request: the same again is the same transfer, whatever became of the first answer.
    pub request: RequestKey,
}

/// What a customer's request is known by, if it should come twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestKey([u8; 16]);

impl RequestKey {
    /// A new one.
    #[must_use]
    pub fn generate() -> RequestKey {
        RequestKey(random::bytes())
    }
}

/// As a form carries it.
impl fmt::Display for RequestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl FromStr for RequestKey {
    type Err = TransferRefused;

    fn from_str(text: &str) -> Result<RequestKey, TransferRefused> {
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(RequestKey).ok_or(TransferRefused::NoRequest)
    }
}

/// Who orders a transfer.
#[derive(Clone, Debug)]
pub struct Orderer {
    /// What is known of the request.
    pub caller: Caller,
    /// The customer.
    pub customer: Id<Customer>,
    /// What must hold for them to order anything: their login, and that they are a customer.
    pub authority: Vec<Precondition>,
}

/// The transfer as it was begun.
#[derive(Clone, Debug)]
pub struct Initiated {
    /// Its id.
    pub transaction: Id<Transaction>,
    /// Its reference.
    pub reference: String,
}

/// Why a transfer is not begun. Nothing happened.
#[derive(Debug, thiserror::Error)]
pub enum TransferRefused {
    /// There is no such account, or it is another's.
    #[error("there is no such account")]
    NoSuchAccount,
    /// Both are the same.
    #[error("choose two different accounts")]
    SameAccount,
    /// They have different currencies, or the amount has another.
    #[error("both accounts must have the currency of the amount")]
    Currency,
    /// An account is suspended or closed.
    #[error("this account can't be used for transfers now")]
    Closed,
    /// There is not enough on the account.
    #[error("there is not enough on this account")]
    InsufficientFunds,
    /// The description is too long.
    #[error("a description has at most {DESCRIPTION_CHARACTERS_MAX} characters")]
    Description,
    /// The request is not named.
    #[error("load the page again, then send it once")]
    NoRequest,
    /// Another transfer was ordered by the same request.
    #[error("this page has sent something else before: look at your account, then send it")]
    AnotherBefore,
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

/// Holds the money of a transfer between accounts of the bank, on behalf of a customer who owns the source.
/// Returns when that is durable. The same request again gets the same transfer, and no second one.
///
/// # Errors
/// [`TransferRefused`].
pub async fn initiate(
    store: &Store,
    clock: &dyn Clock,
    references: &References,
    by: &Orderer,
    new: &NewTransfer,
) -> Result<Initiated, TransferRefused> {
    if DESCRIPTION_CHARACTERS_MAX < new.description.chars().count() {
        return Err(TransferRefused::Description);
    }
    if new.source == new.destination {
        return Err(TransferRefused::SameAccount);
    }
    let order = Order { request: request_key(by.customer, new.request), meaning: meaning(new) };
    let mut initiated = None;
    for _ in 0..TRIES_MAX {
        if let Some(before) = before(store, &order).await? {
            return before;
        }
        let initiated = match &initiated {
            Some(initiated) => initiated,
            None => initiated.insert(Initiated {
                transaction: Id::at(clock.now()),
                reference: references.next(store, clock).await?,
            }),
        };
        match attempt(store, clock, by, new, &order, initiated).await {
            Ok(true) => return Ok(initiated.clone()),
            Ok(false) => {}
            Err(refused) => {
                // The same order may have been given meanwhile, and be what this one lacks money for.
                let before = before(store, &order).await?;
                return before.unwrap_or(Err(refused));
            }
        }
    }
    Err(BankError::Contended.into())
}

/// An order, as it is told from others.
struct Order {
    request: Vec<u8>,
    meaning: String,
}

/// Reads, decides and commits; `false` if something changed meanwhile.
async fn attempt(
    store: &Store,
    clock: &dyn Clock,
    by: &Orderer,
    new: &NewTransfer,
    order: &Order,
    initiated: &Initiated,
) -> Result<bool, TransferRefused> {
    let (source, destination) = accounts(store, by.customer, new).await?;
    check(&source, &destination, new.money)?;
    // The ledger would refuse it too; but a refusal of the ledger is the adapter's, not the customer's.
    let balances = balances(store.client(), &[&source.row.open]).await?;
    if balances.first().is_none_or(|balances| balances.available.cents < new.money.cents) {
        return Err(TransferRefused::InsufficientFunds);
    }
    let mut commit = audit::commit_of(store, &by.caller, audit::commit_id()).await?;
    commit.preconditions = vec![source.unchanged(), destination.unchanged()];
    commit.preconditions.extend(by.authority.iter().cloned());
    commit.transfers.push(hold(initiated.transaction, new));
    commit.documents = documents(store, clock, by, initiated, new).await?;
    commit.documents.push(kept(store, clock, by.customer, order, initiated).await?);
    let payee = destination.row.open.user_id;
    if payee != by.customer {
        let copy = copy(store, by.customer, payee, initiated.transaction, new).await?;
        commit.documents.push(copy);
    }
    let begun = topics::TRANSACTION_INITIATED;
    commit.events.push(topics::event(begun, new.source, initiated.transaction));
    match store.commit(&commit).await {
        Ok(_) => Ok(true),
        Err(BankError::Unmet(unmet)) if is_authority(&commit, by, &unmet) => {
            Err(TransferRefused::NoSuchAccount)
        }
        Err(error) if error.is_stale() => Ok(false),
        Err(BankError::Refused(broken)) => Err(refused(broken)),
        Err(error) => Err(error.into()),
    }
}

/// What the same order came to before, if it did.
async fn before(
    store: &Store,
    order: &Order,
) -> Result<Option<Result<Initiated, TransferRefused>>, BankError> {
    let found: Option<Found<Requests>> = store.get(&order.request).await?;
    let Some(found) = found else { return Ok(None) };
    let RequestOpen { transaction_id, transaction_ref, .. } = found.row.open;
    let is_same =
        found.row.statutory.as_known().is_some_and(|sealed| sealed.meaning == order.meaning);
    let initiated = Initiated { transaction: transaction_id, reference: transaction_ref };
    Ok(Some(if is_same { Ok(initiated) } else { Err(TransferRefused::AnotherBefore) }))
}

/// Whether what is unmet is that the customer may order anything.
fn is_authority(commit: &Commit, by: &Orderer, unmet: &Unmet) -> bool {
    let Unmet::Document { index, .. } = unmet else { return false };
    let unmet = usize::try_from(*index).ok().and_then(|index| commit.preconditions.get(index));
    unmet.is_some_and(|unmet| by.authority.contains(unmet))
}

/// Under which a request is kept: whose, and which.
fn request_key(customer: Id<Customer>, RequestKey(key): RequestKey) -> Vec<u8> {
    [&b"transfer"[..], &customer.bytes(), &key].concat()
}

/// What is asked for, as a hash.
fn meaning(new: &NewTransfer) -> String {
    let NewTransfer { source, destination, money, description, .. } = new;
    let text = format!("{source} {destination} {} {} {description}", money.currency, money.cents);
    data_encoding::BASE64.encode(blake3::hash(text.as_bytes()).as_bytes())
}

async fn kept(
    store: &Store,
    clock: &dyn Clock,
    customer: Id<Customer>,
    order: &Order,
    initiated: &Initiated,
) -> Result<DocumentWrite, BankError> {
    let row = Row::<Requests> {
        open: RequestOpen {
            user_id: customer,
            transaction_id: initiated.transaction,
            transaction_ref: initiated.reference.clone(),
        },
        profile: Held::Absent,
        statutory: Held::Known(RequestSealed { meaning: order.meaning.clone() }),
    };
    let write = store.write(&order.request, &row, DocumentCondition::Absent).await?;
    Ok(DocumentWrite { expires: after(clock.now(), KEPT_FOR), ..write })
}

async fn accounts(
    store: &Store,
    customer: Id<Customer>,
    new: &NewTransfer,
) -> Result<(Found<Accounts>, Found<Accounts>), TransferRefused> {
    let source: Option<Found<Accounts>> = store.get(&new.source.bytes()).await?;
    let destination: Option<Found<Accounts>> = store.get(&new.destination.bytes()).await?;
    let source = source.filter(|found| found.row.open.user_id == customer);
    source.zip(destination).ok_or(TransferRefused::NoSuchAccount)
}

fn check(
    source: &Found<Accounts>,
    destination: &Found<Accounts>,
    money: Money,
) -> Result<(), TransferRefused> {
    let (source, destination) = (&source.row.open, &destination.row.open);
    if source.currency_code != money.currency || destination.currency_code != money.currency {
        return Err(TransferRefused::Currency);
    }
    // What is suspended may still be paid.
    let is_open =
        source.status == AccountStatus::Active && destination.status != AccountStatus::Closed;
    if is_open { Ok(()) } else { Err(TransferRefused::Closed) }
}

fn hold(transaction: Id<Transaction>, new: &NewTransfer) -> Transfer {
    Transfer {
        id: hold_id(transaction),
        debit_account_id: AccountId(new.source.number()),
        credit_account_id: AccountId(new.destination.number()),
        amount: new.money.amount(),
        user_data_128: transaction.number(),
        timeout: u32::try_from(HOLD_S).expect("minutes"),
        ledger: new.money.currency.ledger(),
        code: chart::TRANSFER,
        flags: TransferFlags::PENDING,
        ..Transfer::default()
    }
}

/// The hold of a transaction.
pub(super) fn hold_id(transaction: Id<Transaction>) -> TransferId {
    TransferId(transaction.number())
}

async fn documents(
    store: &Store,
    clock: &dyn Clock,
    by: &Orderer,
    initiated: &Initiated,
    new: &NewTransfer,
) -> Result<Vec<DocumentWrite>, BankError> {
    let transaction = initiated.transaction;
    let owner = by.customer;
    let now = clock.now();
    let amount_cents = cents_of(new.money)?;
    let started = Started {
        transaction_id: transaction,
        transaction_ref: initiated.reference.clone(),
        source_account_id: Some(new.source),
        destination_account_id: Some(new.destination),
        transaction_type: TransactionType::Transfer,
        amount_cents,
        currency_code: new.money.currency,
        status: TransactionStatus::Pending,
        created_at: now.into(),
        initiated_by: owner,
        session_id: by.caller.login,
        auth_method: Some(String::from("password+totp")),
    };
    let row = Row::<Transactions> {
        open: TransactionOpen::Started(started),
        profile: Held::Absent,
        statutory: Held::Known(described(&new.description)),
    };
    let open = Row::<TransfersOpen>::open(TransferOpen {
        transaction_id: transaction,
        source_account_id: new.source,
        destination_account_id: new.destination,
        amount_cents,
        currency_code: new.money.currency,
        initiated_by: owner,
        correlation_id: by.caller.correlation.clone(),
        held_until: after(now, HOLD_S * SECOND).into(),
        parked: None,
    });
    let act = Act {
        action: Action::Transaction,
        entity: "TRANSACTION",
        entity_id: transaction.to_string(),
        subject: Subject::Customer(owner),
        old: None,
        new: Some(serde_json::json!({"status": "PENDING"})),
    };
    let absent = DocumentCondition::Absent;
    Ok(vec![
        store.write(&step_key(transaction, 0), &row, absent).await?,
        store.write(&transaction.bytes(), &open, absent).await?,
        audit::row(store, clock, &by.caller, act).await?,
    ])
}

/// What the payee is told, under their own keys.
async fn copy(
    store: &Store,
    payer: Id<Customer>,
    payee: Id<Customer>,
    transaction: Id<Transaction>,
    new: &NewTransfer,
) -> Result<DocumentWrite, BankError> {
    let payer: Option<Found<Customers>> = store.get(&payer.bytes()).await?;
    let payer = payer.and_then(|payer| payer.row.profile.known()).ok_or(BankError::Erased)?;
    let row = Row::<Copies> {
        open: CopyOpen { user_id: payee },
        profile: Held::Absent,
        statutory: Held::Known(CopySealed {
            description: new.description.clone(),
            from: format!("{} {}", payer.first_name, payer.last_name),
        }),
    };
    let key = [new.destination.bytes(), transaction.bytes()].concat();
    store.write(&key, &row, DocumentCondition::Absent).await
}

fn refused(broken: BrokenRule) -> TransferRefused {
    let BrokenRule::Transfer { status, .. } = broken else {
        return BankError::Refused(broken).into();
    };
    match status {
        CreateTransferStatus::ExceedsCredits => TransferRefused::InsufficientFunds,
        CreateTransferStatus::DebitAccountAlreadyClosed
        | CreateTransferStatus::CreditAccountAlreadyClosed => TransferRefused::Closed,
        _ => BankError::Refused(broken).into(),
    }
}

/// A transaction as a customer sees it.
pub struct View {
    /// How it began.
    pub started: Started,
    /// What it was for; `None` if that is erased.
    pub sealed: Option<TransactionSealed>,
    /// How it stands.
    pub status: TransactionStatus,
    /// Why it failed.
    pub reason: Option<String>,
}

/// A transaction that a customer began; `None` if there is none, or it is another's.
///
/// # Errors
/// [`BankError`].
pub async fn view(
    store: &Store,
    customer: Id<Customer>,
    transaction: Id<Transaction>,
) -> Result<Option<View>, BankError> {
    let prefix = transaction.bytes().to_vec();
    let scan = DocumentScan { prefix, limit: 8, ..DocumentScan::default() };
    let mut rows = store.scan::<Transactions>(scan).await?.found.into_iter();
    let Some(first) = rows.next() else { return Ok(None) };
    let TransactionOpen::Started(started) = first.row.open else {
        return Err(BankError::Damaged(crate::tables::TRANSACTIONS));
    };
    if started.initiated_by != customer {
        return Ok(None);
    }
    let (mut status, mut reason) = (started.status, None);
    for row in rows {
        if let TransactionOpen::Ended(ended) = row.row.open {
            status = ended.status;
            reason = row.row.statutory.known().and_then(|sealed| sealed.reason);
        }
    }
    Ok(Some(View { started, sealed: first.row.statutory.known(), status, reason }))
}

/// A transaction of the past, as it is imported.
pub(crate) struct Imported {
    pub(crate) transaction: Id<Transaction>,
    pub(crate) source: Option<Id<Account>>,
    pub(crate) destination: Option<Id<Account>>,
    pub(crate) money: Money,
    pub(crate) description: String,
    pub(crate) time: Timestamp,
    /// Whose keys seal it.
    pub(crate) customer: Id<Customer>,
}

/// The row of a transaction of the past.
///
/// # Errors
/// [`BankError`].
pub(crate) async fn imported_row(
    bank: &Bank,
    imported: &Imported,
) -> Result<DocumentWrite, BankError> {
    let transaction_type = match (imported.source, imported.destination) {
        (None, _) => TransactionType::Deposit,
        (_, None) => TransactionType::Withdrawal,
        _ => TransactionType::Transfer,
    };
    let started = Started {
        transaction_id: imported.transaction,
        transaction_ref: bank.references.next(&bank.store, &*bank.clock).await?,
        source_account_id: imported.source,
        destination_account_id: imported.destination,
        transaction_type,
        amount_cents: cents_of(imported.money)?,
        currency_code: imported.money.currency,
        status: TransactionStatus::Completed,
        created_at: imported.time.into(),
        initiated_by: imported.customer,
        session_id: None,
        auth_method: None,
    };
    let row = Row::<Transactions> {
        open: TransactionOpen::Started(started),
        profile: Held::Absent,
        statutory: Held::Known(described(&imported.description)),
    };
    let key = step_key(imported.transaction, 0);
    bank.store.write(&key, &row, DocumentCondition::Absent).await
}

fn described(description: &str) -> TransactionSealed {
    TransactionSealed { description: Some(String::from(description)), ..Default::default() }
}

fn cents_of(money: Money) -> Result<u64, BankError> {
    u64::try_from(money.cents).map_err(|_| BankError::odd(&money))
}
