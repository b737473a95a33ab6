//! The first step of a transfer: the money is held, and counted against the limits of its account.
//!
//! Everything that decides is a condition of the commit: both accounts, the payee, the login, the challenge, what the
//! limits count for, and that what the customer is reached and proved by is what it was ([`caution`]). Balances and
//! limits themselves are the ledger's to keep.

use super::challenge;
use super::hold::{Holding, Round};
use super::limits::{self, Sending, Span};
use super::order::{
    Answered, Destination, Initiated, KEPT_FOR, NewTransfer, Orderer, RequestKey, TransferRefused,
};
use super::parties::{Parties, Seen};
use super::record::{
    Copies, CopyOpen, CopySealed, RequestOpen, RequestSealed, Requests, Started, Surroundings,
    TransactionOpen, TransactionSealed, TransactionStatus, TransactionType, Transactions,
    TransferOpen, TransfersOpen, step, step_key,
};
use super::request;
use crate::accounts::{AccountOpen, AccountStatus, Balances};
use crate::audit::{self, Act, Action};
use crate::bank::Bank;
use crate::clock::{Clock, after};
use crate::customers::{Customers, caution, is_new_country};
use crate::error::BankError;
use crate::id::{Account, Customer, Id, Transaction};
use crate::line::{DESCRIPTION_CHARACTERS_MAX, is_line};
use crate::money::Money;
use crate::store::{Found, Held, Row, Store, is_one_of};
use crate::topics;
use crate::vault::Subject;
use florin_ledger::commit::BrokenRule;
use florin_ledger::document::DocumentCondition;
use florin_ledger::{AccountId, CreateTransferStatus, DocumentWrite};

/// Read, decide, commit: again as long as others change what was read.
const TRIES_MAX: usize = 8;

/// Holds the money of a transfer between accounts of the bank, on behalf of a customer who owns the source.
/// Returns when that is durable. The same request again gets the same transfer, and no second one.
///
/// # Errors
/// [`TransferRefused`].
pub async fn initiate(
    bank: &Bank,
    by: &Orderer,
    new: &NewTransfer,
) -> Result<Initiated, TransferRefused> {
    initiate_once(bank, by, new, &Order::of(by, new)).await?.outcome
}

/// The same, with whether it is the answer of before.
pub(super) async fn initiate_once(
    bank: &Bank,
    by: &Orderer,
    new: &NewTransfer,
    order: &Order,
) -> Result<Answered, BankError> {
    if !is_line(&new.description, DESCRIPTION_CHARACTERS_MAX) {
        return Ok(Answered::first(Err(TransferRefused::Description)));
    }
    if new.destination == Destination::Account(new.source) {
        return Ok(Answered::first(Err(TransferRefused::SameAccount)));
    }
    for _ in 0..TRIES_MAX {
        let seen = Seen::of(&bank.store, by, new, &order.request).await?;
        if let Some(before) = order.before(seen.request.as_ref())? {
            return Ok(Answered::again(before));
        }
        // New for each attempt: what the ledger refused once it refuses for ever.
        let initiated = Initiated {
            transaction: Id::at(bank.clock.now()),
            reference: bank.references.next(&bank.store, &*bank.clock).await?,
        };
        match attempt(bank, by, new, order, &initiated, seen).await {
            Ok(true) => return Ok(Answered::first(Ok(initiated))),
            Ok(false) => {}
            Err(refused) => {
                // The same order may have been given meanwhile, and be what this one lacks money for.
                let request: Option<Found<Requests>> = bank.store.get(&order.request).await?;
                return Ok(match order.before(request.as_ref())? {
                    Some(before) => Answered::again(before),
                    None => Answered::first(Err(refused)),
                });
            }
        }
    }
    Err(BankError::Contended)
}

/// An order, as it is told from others.
pub(super) struct Order {
    pub(super) request: Vec<u8>,
    pub(super) meaning: String,
}

impl Order {
    pub(super) fn of(by: &Orderer, new: &NewTransfer) -> Order {
        Order { request: request_key(by.customer, new.request), meaning: new.meaning() }
    }

    /// What the same order came to before, by what is kept of its request.
    fn before(
        &self,
        found: Option<&Found<Requests>>,
    ) -> Result<Option<Result<Initiated, TransferRefused>>, BankError> {
        let Some(found) = found else { return Ok(None) };
        let is_same =
            found.row.statutory.as_known().is_some_and(|sealed| sealed.meaning == self.meaning);
        if !is_same {
            return Ok(Some(Err(TransferRefused::AnotherBefore)));
        }
        request::outcome(&found.row).map(Some)
    }
}

/// Reads, decides and commits; `false` if something changed meanwhile.
async fn attempt(
    bank: &Bank,
    by: &Orderer,
    new: &NewTransfer,
    order: &Order,
    initiated: &Initiated,
    seen: Seen,
) -> Result<bool, TransferRefused> {
    let Bank { store, clock, options, .. } = bank;
    let parties = seen.parties(store, by.customer, new).await?;
    check(&parties, new.money)?;
    let (source, destination) = (&parties.source.row.open, &parties.destination.row.open);
    let (money, limit_accounts) = accounts(store, source).await?;
    // The ledger would refuse it too; but a refusal of the ledger is the adapter's, not the customer's.
    if money.available.cents < new.money.cents {
        return Err(TransferRefused::InsufficientFunds);
    }
    let holding = Holding {
        transaction: initiated.transaction,
        source: source.account_id,
        destination: destination.account_id,
        money: new.money,
    };
    let sending = Sending { source, holding, limits: parties.limits.as_ref(), limit_accounts };
    let room = limits::room(store, &**clock, &options.time_zone, &sending).await?;
    let room = room.map_err(too_much)?;
    let is_own = destination.user_id == by.customer;
    let spent = challenge::spent(store, &**clock, by, new).await?;
    let needs_proof = !is_own && u128::from(options.step_up_above_cents) < new.money.cents;
    let mut unchanged = None;
    if needs_proof {
        let caution = caution(store, &**clock, by.customer).await?;
        if let Some(until) = caution.until {
            return Err(TransferRefused::TooSoon(until));
        }
        unchanged = Some(caution.unchanged);
    }
    if needs_proof && spent.is_none() {
        let payee = destination.account_id;
        let asked = challenge::ask(store, &**clock, by, new, payee).await?;
        return Err(TransferRefused::StepUp(asked));
    }

    let mut commit = audit::commit_of(store, &by.caller, audit::commit_id()).await?;
    commit.preconditions = vec![parties.source.unchanged(), parties.destination.unchanged()];
    commit.preconditions.extend(parties.payee.iter().cloned());
    commit.preconditions.extend(unchanged);
    commit.preconditions.extend(by.authority.iter().cloned());
    commit.transfers.push(holding.money(Round::First));
    room.join(&mut commit);
    let step_up = if spent.is_some() { "+step-up" } else { "" };
    let auth_method = format!("{}{step_up}", by.auth_method);
    commit.documents.extend(documents(bank, by, initiated, &parties, new, &auth_method).await?);
    commit.documents.push(kept(store, &**clock, by.customer, order, initiated).await?);
    commit.documents.extend(spent);
    if !is_own {
        let account = destination.account_id;
        let payee = (destination.user_id, account);
        commit.documents.push(copy(store, by.customer, payee, initiated.transaction, new).await?);
    }
    let begun = topics::TRANSACTION_INITIATED;
    commit.events.push(topics::event(begun, new.source, initiated.transaction));
    match store.commit(&commit).await {
        Ok(_) => Ok(true),
        Err(BankError::Unmet(unmet)) if is_one_of(&commit, &unmet, &by.authority) => {
            Err(TransferRefused::NoSuchAccount)
        }
        Err(error) if error.is_stale() => Ok(false),
        // Others took what was left of a limit meanwhile.
        Err(BankError::Refused(BrokenRule::Transfer { status: EXCEEDED, index })) if index != 0 => {
            Ok(false)
        }
        Err(BankError::Refused(broken)) => Err(refused(broken)),
        Err(error) => Err(error.into()),
    }
}

/// What is on an account, and on its limit accounts.
async fn accounts(
    store: &Store,
    source: &AccountOpen,
) -> Result<(Balances, [Option<florin_ledger::Account>; 2]), BankError> {
    let [day, month] = limits::limit_accounts(source.account_id);
    let ids = [AccountId(source.account_id.number()), day, month];
    let found = store.client().lookup_accounts(&ids).await?;
    let [money, day, month] = found[..] else {
        return Err(BankError::odd(&"another number of accounts"));
    };
    Ok((Balances::of(source, money)?, [day, month]))
}

/// Under which a request is kept: whose, and which.
fn request_key(customer: Id<Customer>, RequestKey(key): RequestKey) -> Vec<u8> {
    [&b"transfer"[..], &customer.bytes(), &key].concat()
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
            transaction_id: Some(initiated.transaction),
            transaction_ref: Some(initiated.reference.clone()),
        },
        profile: Held::Absent,
        statutory: Held::Known(RequestSealed { meaning: order.meaning.clone(), refusal: None }),
    };
    let write = store.write(&order.request, &row, DocumentCondition::Absent).await?;
    Ok(DocumentWrite { expires: after(clock.now(), KEPT_FOR), ..write })
}

fn check(parties: &Parties, money: Money) -> Result<(), TransferRefused> {
    let (source, destination) = (&parties.source.row.open, &parties.destination.row.open);
    if source.account_id == destination.account_id {
        return Err(TransferRefused::SameAccount);
    }
    if source.currency_code != money.currency || destination.currency_code != money.currency {
        return Err(TransferRefused::Currency);
    }
    // What is suspended may still be paid.
    let is_open =
        source.status == AccountStatus::Active && destination.status != AccountStatus::Closed;
    if is_open { Ok(()) } else { Err(TransferRefused::Closed) }
}

fn too_much(span: Span) -> TransferRefused {
    match span {
        Span::Day => TransferRefused::DailyLimit,
        Span::Month => TransferRefused::MonthlyLimit,
    }
}

async fn documents(
    bank: &Bank,
    by: &Orderer,
    initiated: &Initiated,
    parties: &Parties,
    new: &NewTransfer,
    auth_method: &str,
) -> Result<Vec<DocumentWrite>, BankError> {
    let Bank { store, clock, .. } = bank;
    let transaction = initiated.transaction;
    let owner = by.customer;
    let now = clock.now();
    let amount_cents = cents_of(new.money)?;
    let destination = parties.destination.row.open.account_id;
    let started = Started {
        transaction_ref: initiated.reference.clone(),
        source_account_id: Some(new.source),
        destination_account_id: Some(destination),
        transaction_type: TransactionType::Transfer,
        amount_cents,
        currency_code: new.money.currency,
        status: TransactionStatus::Pending,
        created_at: now.into(),
        initiated_by: owner,
        session_id: by.caller.login,
        auth_method: Some(String::from(auth_method)),
    };
    let external_reference = match new.destination {
        Destination::Account(_) => None,
        Destination::Payee(payee) => Some(payee.to_string()),
    };
    let row = Row::<Transactions> {
        open: TransactionOpen::Started(started),
        profile: Held::Absent,
        statutory: Held::Known(TransactionSealed {
            external_reference,
            ..described(&new.description)
        }),
    };
    let open = TransferOpen {
        transaction_id: transaction,
        source_account_id: new.source,
        destination_account_id: destination,
        amount_cents,
        currency_code: new.money.currency,
        initiated_by: owner,
        correlation_id: by.caller.correlation.clone(),
        held_until: Round::First.ends(now).into(),
        has_limits: true,
        is_own: parties.destination.row.open.user_id == owner,
        case_id: None,
    };
    let statutory = surroundings(bank, by, open.is_own).await?;
    let open = Row::<TransfersOpen> { open, profile: Held::Absent, statutory };
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
        store.write(&step_key(transaction, step::STARTED), &row, absent).await?,
        store.write(&transaction.bytes(), &open, absent).await?,
        audit::row(store, &**clock, &by.caller, act).await?,
    ])
}

/// What a transfer is ordered with, and where from; what moves between one's own accounts is not judged by it.
async fn surroundings(
    bank: &Bank,
    by: &Orderer,
    is_own: bool,
) -> Result<Held<Surroundings>, BankError> {
    let country = by.caller.country;
    if is_own || (by.device_since.is_none() && country.is_none()) {
        return Ok(Held::Absent);
    }
    let is_new_country = match country {
        None => None,
        Some(country) => {
            let now = bank.clock.now();
            Some(is_new_country(&bank.store, now, by.customer, country).await?)
        }
    };
    Ok(Held::Known(Surroundings { device_since: by.device_since, country, is_new_country }))
}

/// What the payee is told, under their own keys.
async fn copy(
    store: &Store,
    payer: Id<Customer>,
    (payee, account): (Id<Customer>, Id<Account>),
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
    let key = [account.bytes(), transaction.bytes()].concat();
    store.write(&key, &row, DocumentCondition::Absent).await
}

const EXCEEDED: CreateTransferStatus = CreateTransferStatus::ExceedsCredits;

/// Why the ledger does not hold the money.
fn refused(broken: BrokenRule) -> TransferRefused {
    let BrokenRule::Transfer { status, .. } = broken else {
        return BankError::Refused(broken).into();
    };
    match status {
        EXCEEDED => TransferRefused::InsufficientFunds,
        CreateTransferStatus::DebitAccountAlreadyClosed
        | CreateTransferStatus::CreditAccountAlreadyClosed => TransferRefused::Closed,
        _ => BankError::Refused(broken).into(),
    }
}

pub(super) fn described(description: &str) -> TransactionSealed {
    TransactionSealed { description: Some(String::from(description)), ..Default::default() }
}

pub(super) fn cents_of(money: Money) -> Result<u64, BankError> {
    u64::try_from(money.cents).map_err(|_| BankError::odd(&money))
}
