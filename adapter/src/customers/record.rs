//! USERS of the design, but for what logs a customer in ([`super::credentials`]).

use crate::clock::{Clock, UnixNs};
use crate::email::Email;
use crate::entry::{Blind, Entry, Rekeyed};
use crate::error::BankError;
use crate::id::{Customer, Id};
use crate::notify::{self, Addressee, Letter};
use crate::phone::PhoneNumber;
use crate::staff::Roles;
use crate::store::{Found, Kind, Store};
use crate::tables;
use crate::vault::{Indexed, Subject};
use florin_ledger::{DocumentWrite, TableId};
use serde::{Deserialize, Serialize};

/// How far the bank knows who a customer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum KycStatus {
    /// Not yet.
    Pending,
    /// It does.
    Verified,
    /// They are not who they said.
    Rejected,
}

/// On which side of the counter somebody is.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserKind {
    /// A customer.
    #[default]
    Customer,
    /// A member of the staff, who may do what these say.
    Staff(Roles),
}

impl UserKind {
    /// Whether it is a customer.
    #[must_use]
    pub fn is_customer(&self) -> bool {
        *self == UserKind::Customer
    }
}

/// USERS.
pub enum Customers {}

/// What anybody may know of a customer.
#[derive(Clone, Serialize, Deserialize)]
pub struct CustomerOpen {
    pub user_id: Id<Customer>,
    #[serde(default, skip_serializing_if = "UserKind::is_customer")]
    pub user_kind: UserKind,
    pub kyc_status: KycStatus,
    pub is_active: bool,
    /// A court or a supervisor wants everything kept.
    #[serde(default)]
    pub legal_hold: bool,
    /// When what led to them was taken away, before the key of their profile was destroyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased_at: Option<UnixNs>,
    pub created_at: UnixNs,
    pub updated_at: UnixNs,
    pub created_by: String,
}

/// Who they are.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns of the design")]
pub struct Profile {
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub phone_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub address: Option<String>,
    /// As ISO 8601 writes it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub date_of_birth: Option<String>,
}

/// What the law wants to be kept of them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub first_name: String,
    pub last_name: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub national_id_hash: Option<String>,
}

impl Kind for Customers {
    const TABLE: TableId = tables::CUSTOMERS;
    type Open = CustomerOpen;
    type Profile = Profile;
    type Statutory = Identity;

    fn subject(open: &CustomerOpen) -> Subject {
        Subject::Customer(open.user_id)
    }
}

/// The customer of an e-mail address.
pub(crate) enum CustomerEmails {}

/// Whose address it is.
#[derive(Serialize, Deserialize)]
pub(crate) struct EmailOpen {
    pub user_id: Id<Customer>,
}

impl Kind for CustomerEmails {
    const TABLE: TableId = tables::CUSTOMER_EMAILS;
    type Open = EmailOpen;
    type Profile = ();
    type Statutory = ();

    fn subject(open: &EmailOpen) -> Subject {
        Subject::Customer(open.user_id)
    }
}

impl Blind for CustomerEmails {
    const INDEXED: Indexed = Indexed::Email;
}

impl Rekeyed for CustomerEmails {
    async fn value(store: &Store, found: &Found<Self>) -> Result<Option<String>, BankError> {
        let record = store.get(&found.row.open.user_id.bytes()).await?;
        let email = record.as_ref().and_then(email_of);
        Ok(email.map(|email| String::from(email.normal())))
    }
}

/// A customer who is one still, and no member of the staff.
///
/// # Errors
/// [`BankError`].
pub(super) async fn active_customer(
    store: &Store,
    customer: Id<Customer>,
) -> Result<Option<Found<Customers>>, BankError> {
    let found: Option<Found<Customers>> = store.get(&customer.bytes()).await?;
    Ok(found.filter(|found| {
        let open = &found.row.open;
        open.is_active && open.user_kind.is_customer()
    }))
}

/// The user of an e-mail address, customer or not.
///
/// # Errors
/// [`BankError`].
pub(crate) async fn user_of_email(
    store: &Store,
    email: &Email,
) -> Result<Option<Found<Customers>>, BankError> {
    match Entry::<CustomerEmails>::find(store, &[], email.normal()).await?.into_found() {
        None => Ok(None),
        Some(found) => store.get(&found.row.open.user_id.bytes()).await,
    }
}

/// The address at which a customer gets letters; `None` once they are erased.
pub(super) fn email_of(record: &Found<Customers>) -> Option<Email> {
    Email::parse(&record.row.profile.as_known()?.email).ok()
}

/// Where a customer is reached.
pub(crate) struct Contact {
    /// Their address.
    pub(crate) email: Email,
    /// The number that they have confirmed.
    pub(crate) phone: Option<PhoneNumber>,
}

/// Where a customer is reached; `None` once they are erased.
///
/// # Errors
/// [`BankError`].
pub(crate) async fn contact_of(
    store: &Store,
    customer: Id<Customer>,
) -> Result<Option<Contact>, BankError> {
    let found: Option<Found<Customers>> = store.get(&customer.bytes()).await?;
    let Some(found) = found else { return Ok(None) };
    let phone = phone_of(&found);
    Ok(email_of(&found).map(|email| Contact { email, phone }))
}

/// The number on record.
pub(super) fn phone_of(record: &Found<Customers>) -> Option<PhoneNumber> {
    let profile = record.row.profile.as_known()?;
    PhoneNumber::parse(profile.phone_number.as_deref()?).ok()
}

/// The write that has a customer told something at the address that is on record.
///
/// # Errors
/// [`BankError`].
pub(crate) async fn tell(
    store: &Store,
    clock: &dyn Clock,
    customer: Id<Customer>,
    letter: Letter,
) -> Result<DocumentWrite, BankError> {
    let found: Option<Found<Customers>> = store.get(&customer.bytes()).await?;
    let to = found.as_ref().and_then(email_of);
    notify::put(store, clock.now(), &Addressee { customer, to }, letter).await
}
