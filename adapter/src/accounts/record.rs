//! ACCOUNTS of the design, and whose they are.

use super::iban::Iban;
use crate::clock::UnixNs;
use crate::entry::{Blind, Entry, Rekeyed};
use crate::error::BankError;
use crate::id::{Account, Customer, Id};
use crate::money::Currency;
use crate::store::{Found, Kind, Store};
use crate::tables;
use crate::vault::{Indexed, Subject};
use florin_ledger::TableId;
use florin_ledger::document::DocumentScan;
use serde::{Deserialize, Serialize};

/// Owners that are looked through at once.
const PAGE: u32 = 100;
/// Accounts that are read at once.
const DOCUMENTS_AT_ONCE: usize = 100;
/// Digits that are enough for a customer to know an account by.
const END_DIGITS_COUNT: usize = 4;

/// What an account is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AccountType {
    /// Payments.
    Checking,
    /// Savings.
    Savings,
    /// Business.
    Business,
}

impl AccountType {
    /// As customers read it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            AccountType::Checking => "Checking account",
            AccountType::Savings => "Savings account",
            AccountType::Business => "Business account",
        }
    }
}

/// What may be done with an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AccountStatus {
    /// Everything.
    Active,
    /// Nothing may be debited.
    Suspended,
    /// Nothing at all.
    Closed,
}

/// ACCOUNTS.
pub enum Accounts {}

/// What anybody may know of an account.
#[derive(Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns of the design")]
pub struct AccountOpen {
    pub account_id: Id<Account>,
    pub user_id: Id<Customer>,
    pub account_type: AccountType,
    pub currency_code: Currency,
    pub status: AccountStatus,
    pub opened_at: UnixNs,
    pub daily_limit_cents: u64,
    pub monthly_limit_cents: u64,
}

/// What is sealed.
#[derive(Clone, Serialize, Deserialize)]
pub struct AccountSealed {
    pub account_number: Iban,
}

impl Kind for Accounts {
    const TABLE: TableId = tables::ACCOUNTS;
    type Open = AccountOpen;
    type Profile = ();
    type Statutory = AccountSealed;

    fn subject(open: &AccountOpen) -> Subject {
        Subject::Customer(open.user_id)
    }
}

/// Which accounts a customer has: keys are the customer's id and the account's.
pub(super) enum AccountOwners {}

/// Nothing but the key.
#[derive(Serialize, Deserialize)]
pub(crate) struct OwnerOpen {
    pub account_id: Id<Account>,
}

impl Kind for AccountOwners {
    const TABLE: TableId = tables::ACCOUNT_OWNERS;
    type Open = OwnerOpen;
    type Profile = ();
    type Statutory = ();

    fn subject(_: &OwnerOpen) -> Subject {
        Subject::Bank
    }
}

/// The account of a number.
pub(crate) enum AccountNumbers {}

impl Kind for AccountNumbers {
    const TABLE: TableId = tables::ACCOUNT_NUMBERS;
    type Open = OwnerOpen;
    type Profile = ();
    type Statutory = ();

    fn subject(_: &OwnerOpen) -> Subject {
        Subject::Bank
    }
}

impl Blind for AccountNumbers {
    const INDEXED: Indexed = Indexed::AccountNumber;
}

impl Rekeyed for AccountNumbers {
    async fn value(store: &Store, found: &Found<Self>) -> Result<Option<String>, BankError> {
        let account: Option<Found<Accounts>> =
            store.get(&found.row.open.account_id.bytes()).await?;
        let sealed = account.and_then(|account| account.row.statutory.known());
        Ok(sealed.map(|sealed| String::from(sealed.account_number.plain())))
    }
}

/// The key of [`AccountOwners`].
pub(super) fn owner_key(customer: Id<Customer>, account: Id<Account>) -> Vec<u8> {
    [customer.bytes(), account.bytes()].concat()
}

/// The accounts of a customer, oldest first.
///
/// # Errors
/// [`BankError`].
pub async fn accounts_of(
    store: &Store,
    customer: Id<Customer>,
) -> Result<Vec<Found<Accounts>>, BankError> {
    let ids = account_ids_of(store, customer).await?;
    let mut accounts = Vec::with_capacity(ids.len());
    for ids in ids.chunks(DOCUMENTS_AT_ONCE) {
        accounts.extend(store.all(ids.iter().map(|id| id.bytes().to_vec())).await?);
    }
    Ok(accounts)
}

/// The ids of a customer's accounts, oldest first; opens no seal.
///
/// # Errors
/// [`BankError`].
pub(crate) async fn account_ids_of(
    store: &Store,
    customer: Id<Customer>,
) -> Result<Vec<Id<Account>>, BankError> {
    let prefix = customer.bytes().to_vec();
    let (mut accounts, mut after) = (Vec::new(), None);
    loop {
        let prefix = prefix.clone();
        let scan = DocumentScan { prefix, after, limit: PAGE, ..DocumentScan::default() };
        let page = store.scan::<AccountOwners>(scan).await?;
        accounts.extend(page.found.iter().map(|owner| owner.row.open.account_id));
        after = page.next;
        if after.is_none() {
            return Ok(accounts);
        }
    }
}

/// The account of this bank that has a number.
///
/// # Errors
/// [`BankError`].
pub async fn find_by_number(
    store: &Store,
    number: &Iban,
) -> Result<Option<Id<Account>>, BankError> {
    let found = Entry::<AccountNumbers>::find(store, &[], number.plain()).await?.into_found();
    Ok(found.map(|found| found.row.open.account_id))
}

/// A customer's account; `None` if there is none, or it is another's, which is the same to whoever asks.
///
/// # Errors
/// [`BankError`].
pub async fn owned(
    store: &Store,
    customer: Id<Customer>,
    account: Id<Account>,
) -> Result<Option<Found<Accounts>>, BankError> {
    let found: Option<Found<Accounts>> = store.get(&account.bytes()).await?;
    Ok(found.filter(|found| found.row.open.user_id == customer))
}

/// The last digits of an account's number: what a message says of it.
///
/// # Errors
/// [`BankError::Erased`] if nobody knows the number any more; [`BankError`].
pub(crate) async fn account_end(store: &Store, account: Id<Account>) -> Result<String, BankError> {
    let found: Option<Found<Accounts>> = store.get(&account.bytes()).await?;
    let sealed = found.and_then(|found| found.row.statutory.known());
    let number = sealed.ok_or(BankError::Erased)?.account_number;
    let plain = number.plain();
    Ok(String::from(&plain[plain.len().saturating_sub(END_DIGITS_COUNT)..]))
}
