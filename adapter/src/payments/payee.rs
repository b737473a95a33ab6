//! BENEFICIARIES of the design: whom a customer pays again and again.
//!
//! - A payee is the customer's own note of somebody: name and number are sealed under the customer's profile, and
//!   erased with it. One number is noted once.
//! - Whether the name is that of who has the account is said in one word, never by telling the name; that there is no
//!   such account is no other answer than that the name does not match.
//! - A number of the bank costs one of the checks that a customer has in a day, whether somebody has it or not.
//! - Nobody is noted for a day after a change of what the customer is reached or proved by
//!   ([`caution`]).
//! - A payee at another bank can be noted, and is paid once there is a way to that bank.

use super::names::{self, NAME_CHECKS, NameCheck, NameChecks};
use super::order::too_soon;
use crate::accounts::{AccountStatus, Accounts, BankCode, Iban, find_by_number};
use crate::audit::{self, Act, Action};
use crate::budget;
use crate::clock::{Clock, UnixNs};
use crate::customers::{Customers, caution};
use crate::entry::{Blind, Entry, Rekeyed, take_away};
use crate::error::BankError;
use crate::id::{Customer, Id, Payee};
use crate::line::is_line;
use crate::store::{Found, Held, Kind, Row, Store, is_one_of};
use crate::tables;
use crate::vault::{Indexed, Subject};
use florin_ledger::document::{DocumentCondition, DocumentScan};
use florin_ledger::{TableId, Timestamp};
use serde::{Deserialize, Serialize};

/// Bytes of an id in a key.
const ID_BYTES: usize = 16;
/// Payees of one customer, at most.
const PAYEES_MAX: u32 = 200;
/// Characters of a name.
const NAME_CHARACTERS_MAX: usize = 140;
/// Characters of another bank's code.
const BANK_CODE_CHARACTERS_MAX: usize = 35;
/// Read, decide, commit: again as long as others change what was read.
const TRIES_MAX: usize = 8;

/// Where a payee's account is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PayeeType {
    /// At this bank.
    Internal,
    /// At another of its country.
    Domestic,
    /// Abroad.
    International,
}

/// BENEFICIARIES. The key is the customer's id and the payee's.
pub enum Payees {}

/// What is not personal of a payee.
#[derive(Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns of the design")]
pub struct PayeeOpen {
    pub beneficiary_id: Id<Payee>,
    pub user_id: Id<Customer>,
    pub beneficiary_type: PayeeType,
    pub is_verified: bool,
    pub is_favorite: bool,
    /// What comparing the name came to, when the payee was noted.
    pub verification: NameCheck,
    pub created_at: UnixNs,
}

/// Who it is.
#[derive(Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns of the design")]
pub struct PayeeSealed {
    pub name: String,
    pub account_number: Iban,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bank_code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swift_code: Option<String>,
}

impl Kind for Payees {
    const TABLE: TableId = tables::PAYEES;
    type Open = PayeeOpen;
    type Profile = PayeeSealed;
    type Statutory = ();

    fn subject(open: &PayeeOpen) -> Subject {
        Subject::Customer(open.user_id)
    }
}

/// That a customer has noted a number. The key is the customer's id and the number's blind index.
pub(crate) enum PayeeNumbers {}

/// Which payee has it.
#[derive(Serialize, Deserialize)]
pub(crate) struct NumberOpen {
    beneficiary_id: Id<Payee>,
}

impl Kind for PayeeNumbers {
    const TABLE: TableId = tables::PAYEE_NUMBERS;
    type Open = NumberOpen;
    type Profile = ();
    type Statutory = ();

    fn subject(_: &NumberOpen) -> Subject {
        Subject::Bank
    }
}

impl Blind for PayeeNumbers {
    const INDEXED: Indexed = Indexed::AccountNumber;
    const PREFIX_BYTES: usize = ID_BYTES;
}

impl Rekeyed for PayeeNumbers {
    async fn value(store: &Store, found: &Found<Self>) -> Result<Option<String>, BankError> {
        let payee = found.row.open.beneficiary_id.bytes();
        let key = [&found.key[..ID_BYTES], &payee].concat();
        let payee: Option<Found<Payees>> = store.get(&key).await?;
        let sealed = payee.and_then(|payee| payee.row.profile.known());
        Ok(sealed.map(|sealed| String::from(sealed.account_number.plain())))
    }
}

/// Who is to be noted.
#[derive(Clone, Debug)]
pub struct NewPayee {
    /// Their name, as the customer writes it.
    pub name: String,
    /// Their account's number.
    pub number: Iban,
    /// Their bank's code, if the customer knows it.
    pub bank_code: Option<String>,
}

/// Why a payee is not noted, not marked, or not forgotten. Nothing happened.
#[derive(Debug, thiserror::Error)]
pub enum PayeeRefused {
    /// There is no such payee, or it is another's.
    #[error("there is no such payee")]
    NoSuchPayee,
    /// The number is noted already.
    #[error("this number is among your payees")]
    Known(Id<Payee>),
    /// The name is empty, too long, or not one line of what can be seen.
    #[error("a name has 1 to {NAME_CHARACTERS_MAX} characters, all of them visible")]
    Name,
    /// The bank's code is too long, or not one line of what can be seen.
    #[error("a bank's code has at most {BANK_CODE_CHARACTERS_MAX} characters, all of them visible")]
    BankCode,
    /// What the customer is reached or proved by was changed a short time ago: from this moment on they may be.
    #[error("{}", too_soon(*.0))]
    TooSoon(UnixNs),
    /// Their login is over, or they are no customer any more.
    #[error("log in again")]
    Over,
    /// There are too many.
    #[error("you have {PAYEES_MAX} payees: remove one first")]
    TooMany,
    /// They have had as many names checked as they may in a day: in so many seconds they may again.
    #[error("you have had as many names checked today as anybody may: go on tomorrow")]
    TooManyChecks(u64),
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

/// Notes a payee. Returns when that is durable.
///
/// # Errors
/// [`PayeeRefused`].
pub async fn add(
    store: &Store,
    clock: &dyn Clock,
    by: &super::Orderer,
    bank: BankCode,
    new: &NewPayee,
) -> Result<Found<Payees>, PayeeRefused> {
    let name = new.name.trim();
    if name.is_empty() || !is_line(name, NAME_CHARACTERS_MAX) {
        return Err(PayeeRefused::Name);
    }
    if new.bank_code.as_ref().is_some_and(|code| !is_line(code, BANK_CODE_CHARACTERS_MAX)) {
        return Err(PayeeRefused::BankCode);
    }
    let customer = by.customer.bytes();
    let mut is_paid_for = !new.number.is_of(bank);
    for _ in 0..TRIES_MAX {
        let entry = Entry::<PayeeNumbers>::find(store, &customer, new.number.plain()).await?;
        if let Some(known) = entry.found() {
            return Err(PayeeRefused::Known(known.row.open.beneficiary_id));
        }
        if PAYEES_MAX <= count(store, by.customer).await? {
            return Err(PayeeRefused::TooMany);
        }
        let caution = caution(store, clock, by.customer).await?;
        if let Some(until) = caution.until {
            return Err(PayeeRefused::TooSoon(until));
        }
        if !is_paid_for {
            let now = clock.now();
            is_paid_for = budget::take::<NameChecks>(store, now, &customer, NAME_CHECKS).await?;
            if !is_paid_for {
                return Err(PayeeRefused::TooManyChecks(NAME_CHECKS.resets_in(now)));
            }
        }
        let verification = verify(store, &new.number, name).await?;
        let row = row_of(clock, by.customer, bank, new, verification);
        let payee = row.open.beneficiary_id;
        let key = key_of(by.customer, payee);
        let numbered = Row::<PayeeNumbers>::open(NumberOpen { beneficiary_id: payee });
        let mut commit = audit::commit_of(store, &by.caller, audit::commit_id()).await?;
        commit.preconditions.clone_from(&by.authority);
        commit.preconditions.push(caution.unchanged.clone());
        entry.put(store, &numbered, Timestamp::NONE, &mut commit).await?;
        commit.documents.extend([
            store.write(&key, &row, DocumentCondition::Absent).await?,
            audit::row(store, clock, &by.caller, act(Action::Create, by.customer, payee)).await?,
        ]);
        match store.commit(&commit).await {
            Ok(_) => {
                let found = store.get(&key).await?;
                return found.ok_or(PayeeRefused::NoSuchPayee);
            }
            Err(BankError::Unmet(unmet)) if is_one_of(&commit, &unmet, &by.authority) => {
                return Err(PayeeRefused::Over);
            }
            // The same number at the same time; what the customer is reached or proved by; or the bank's keys.
            Err(error) if error.is_stale() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(BankError::Contended.into())
}

/// Forgets a payee. Returns when that is durable.
///
/// # Errors
/// [`PayeeRefused`].
pub async fn remove(
    store: &Store,
    clock: &dyn Clock,
    by: &super::Orderer,
    payee: Id<Payee>,
) -> Result<(), PayeeRefused> {
    for _ in 0..TRIES_MAX {
        let found = find(store, by.customer, payee).await?.ok_or(PayeeRefused::NoSuchPayee)?;
        let mut commit = audit::commit_of(store, &by.caller, audit::commit_id()).await?;
        commit.preconditions.clone_from(&by.authority);
        commit.documents.push(found.deletion());
        if let Some(sealed) = found.row.profile.as_known() {
            let (customer, number) = (by.customer.bytes(), sealed.account_number.plain());
            take_away::<PayeeNumbers>(store, &customer, number, &mut commit).await?;
        }
        let act = act(Action::Delete, by.customer, payee);
        commit.documents.push(audit::row(store, clock, &by.caller, act).await?);
        match store.commit(&commit).await {
            Ok(_) => return Ok(()),
            Err(BankError::Unmet(unmet)) if is_one_of(&commit, &unmet, &by.authority) => {
                return Err(PayeeRefused::Over);
            }
            Err(error) if error.is_stale() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(BankError::Contended.into())
}

/// Notes whether a payee is a favourite of its customer. Returns it when that is durable.
///
/// # Errors
/// [`PayeeRefused`].
pub async fn mark(
    store: &Store,
    clock: &dyn Clock,
    by: &super::Orderer,
    payee: Id<Payee>,
    is_favorite: bool,
) -> Result<Found<Payees>, PayeeRefused> {
    for _ in 0..TRIES_MAX {
        let found = find(store, by.customer, payee).await?.ok_or(PayeeRefused::NoSuchPayee)?;
        if found.row.open.is_favorite == is_favorite {
            return Ok(found);
        }
        let (key, condition) = (found.key.clone(), found.condition());
        let open = PayeeOpen { is_favorite, ..found.row.open };
        let row = Row::<Payees> { open, ..found.row };
        let act = Act {
            new: Some(serde_json::json!({ "is_favorite": is_favorite })),
            ..act(Action::Update, by.customer, payee)
        };
        let mut commit = audit::commit_of(store, &by.caller, audit::commit_id()).await?;
        commit.preconditions.clone_from(&by.authority);
        commit.documents = vec![
            store.write(&key, &row, condition).await?,
            audit::row(store, clock, &by.caller, act).await?,
        ];
        match store.commit(&commit).await {
            // As it is now, whoever has marked it.
            Ok(_) => {}
            Err(BankError::Unmet(unmet)) if is_one_of(&commit, &unmet, &by.authority) => {
                return Err(PayeeRefused::Over);
            }
            Err(error) if error.is_stale() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(BankError::Contended.into())
}

/// A customer's payee; `None` if there is none, or it is another's.
///
/// # Errors
/// [`BankError`].
pub async fn find(
    store: &Store,
    customer: Id<Customer>,
    payee: Id<Payee>,
) -> Result<Option<Found<Payees>>, BankError> {
    store.get(&key_of(customer, payee)).await
}

/// A customer's payees, oldest first.
///
/// # Errors
/// [`BankError`].
pub async fn list(store: &Store, customer: Id<Customer>) -> Result<Vec<Found<Payees>>, BankError> {
    let prefix = customer.bytes().to_vec();
    let scan = DocumentScan { prefix, limit: PAYEES_MAX, ..DocumentScan::default() };
    Ok(store.scan(scan).await?.found)
}

/// What comparing a name with that of an account's owner comes to.
async fn verify(store: &Store, number: &Iban, name: &str) -> Result<NameCheck, BankError> {
    let Some(account) = find_by_number(store, number).await? else { return Ok(NameCheck::None) };
    let account: Option<Found<Accounts>> = store.get(&account.bytes()).await?;
    let account = account.filter(|account| account.row.open.status != AccountStatus::Closed);
    let Some(account) = account else { return Ok(NameCheck::None) };
    let owner: Option<Found<Customers>> = store.get(&account.row.open.user_id.bytes()).await?;
    let owner = owner.and_then(|owner| owner.row.statutory.known());
    let known = owner.map(|owner| format!("{} {}", owner.first_name, owner.last_name));
    Ok(known.map_or(NameCheck::None, |known| names::compare(name, &known)))
}

fn row_of(
    clock: &dyn Clock,
    customer: Id<Customer>,
    bank: BankCode,
    new: &NewPayee,
    verification: NameCheck,
) -> Row<Payees> {
    let beneficiary_type = match (new.number.is_of(bank), new.number.is_domestic()) {
        (true, _) => PayeeType::Internal,
        (false, true) => PayeeType::Domestic,
        (false, false) => PayeeType::International,
    };
    Row {
        open: PayeeOpen {
            beneficiary_id: Id::at(clock.now()),
            user_id: customer,
            beneficiary_type,
            is_verified: verification == NameCheck::Match,
            is_favorite: false,
            verification,
            created_at: clock.now().into(),
        },
        profile: Held::Known(PayeeSealed {
            name: String::from(new.name.trim()),
            account_number: new.number.clone(),
            bank_code: new.bank_code.clone(),
            swift_code: None,
        }),
        statutory: Held::Absent,
    }
}

async fn count(store: &Store, customer: Id<Customer>) -> Result<u32, BankError> {
    let scan = DocumentScan {
        table: Payees::TABLE,
        prefix: customer.bytes().to_vec(),
        keys_only: true,
        limit: PAYEES_MAX,
        ..DocumentScan::default()
    };
    let found = store.client().scan_documents(&scan).await?.items.len();
    Ok(u32::try_from(found).unwrap_or(u32::MAX))
}

/// The key of a customer's payee.
pub(super) fn key_of(customer: Id<Customer>, payee: Id<Payee>) -> Vec<u8> {
    [customer.bytes(), payee.bytes()].concat()
}

fn act(action: Action, customer: Id<Customer>, payee: Id<Payee>) -> Act {
    Act {
        action,
        entity: "BENEFICIARY",
        entity_id: payee.to_string(),
        subject: Subject::Customer(customer),
        old: None,
        new: None,
    }
}
