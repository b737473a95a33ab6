//! What the staff does for and about customers, but for their money: finding them, looking at what is theirs, letting
//! them try again, and keeping what must be kept.
//!
//! Whatever a member of the staff is shown of a customer is on record before they see it.

use super::clerk::{Clerk, Forbidden};
use super::role::Role;
use crate::accounts::{self, Accounts, Iban};
use crate::audit::{self, Act, Action};
use crate::bank::Bank;
use crate::customers::{CustomerOpen, Customers, forget_attempts, user_of_email};
use crate::email::Email;
use crate::error::BankError;
use crate::id::{Account, Customer, Id, Transaction};
use crate::line::{self, REASON_CHARACTERS_MAX};
use crate::store::{Found, Row};
use crate::vault::Subject;

/// Who looks at what is customers'.
pub const READERS: [Role; 4] = Role::ALL;
/// Who lets a customer try again.
pub const UNLOCKERS: [Role; 2] = [Role::Support, Role::Admin];
/// Who sets a legal hold, and lifts it.
pub const HOLDERS: [Role; 1] = [Role::Admin];
/// Read, decide, commit: again as long as others change what was read.
const TRIES_MAX: usize = 8;

/// Why nothing is shown or changed. Nothing happened.
#[derive(Debug, thiserror::Error)]
pub enum CareRefused {
    /// It takes another role.
    #[error("{0}")]
    Forbidden(#[from] Forbidden),
    /// There is no such customer.
    #[error("there is no such customer")]
    NoSuchCustomer,
    /// Nobody would know why.
    #[error("say why, in at most {REASON_CHARACTERS_MAX} characters, all of them visible")]
    Reason,
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

/// What is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Looked {
    /// Whether somebody is a customer.
    Search,
    /// Who they are, and what they have.
    Profile,
    /// What happened on an account.
    Account(Id<Account>),
    /// A transaction of theirs.
    Transaction(Id<Transaction>),
}

/// The customer of an e-mail address, or of an account's number; that they were found is on record.
///
/// # Errors
/// [`CareRefused`].
pub async fn find(bank: &Bank, clerk: &Clerk, typed: &str) -> Result<Id<Customer>, CareRefused> {
    clerk.needs(&READERS)?;
    let store = &bank.store;
    let found = if let Ok(email) = Email::parse(typed) {
        user_of_email(store, &email).await?.map(|found| found.row.open)
    } else if let Ok(number) = typed.parse::<Iban>() {
        match accounts::find_by_number(store, &number).await? {
            None => None,
            Some(account) => owner(bank, account).await?,
        }
    } else {
        None
    };
    let found = found.filter(|found| found.user_kind.is_customer());
    let customer = found.ok_or(CareRefused::NoSuchCustomer)?.user_id;
    look(bank, clerk, customer, Looked::Search).await?;
    Ok(customer)
}

async fn owner(bank: &Bank, account: Id<Account>) -> Result<Option<CustomerOpen>, BankError> {
    let found: Option<Found<Accounts>> = bank.store.get(&account.bytes()).await?;
    let Some(found) = found else { return Ok(None) };
    let owner: Option<Found<Customers>> = bank.store.get(&found.row.open.user_id.bytes()).await?;
    Ok(owner.map(|owner| owner.row.open))
}

/// A customer.
///
/// # Errors
/// [`CareRefused`]; a member of the staff is no customer.
pub async fn customer(
    bank: &Bank,
    customer: Id<Customer>,
) -> Result<Found<Customers>, CareRefused> {
    let found: Option<Found<Customers>> = bank.store.get(&customer.bytes()).await?;
    let found = found.filter(|found| found.row.open.user_kind.is_customer());
    found.ok_or(CareRefused::NoSuchCustomer)
}

/// Puts on record that somebody looks at what is a customer's. Returns when that is durable: nothing is shown before.
///
/// # Errors
/// [`CareRefused`].
pub async fn look(
    bank: &Bank,
    clerk: &Clerk,
    customer: Id<Customer>,
    looked: Looked,
) -> Result<(), CareRefused> {
    clerk.needs(&READERS)?;
    let Bank { store, clock, .. } = bank;
    let (entity, entity_id, what) = match looked {
        Looked::Search => ("USER", customer.to_string(), "search"),
        Looked::Profile => ("USER", customer.to_string(), "profile"),
        Looked::Account(account) => ("ACCOUNT", account.to_string(), "history"),
        Looked::Transaction(id) => ("TRANSACTION", id.to_string(), "transaction"),
    };
    let act = Act {
        action: Action::Read,
        entity,
        entity_id,
        subject: Subject::Customer(customer),
        old: None,
        new: Some(serde_json::json!({"seen": what})),
    };
    let mut commit = clerk.commit(store).await?;
    commit.documents.push(audit::row(store, &**clock, clerk.caller(), act).await?);
    match store.commit(&commit).await {
        Ok(_) => Ok(()),
        Err(BankError::Unmet(unmet)) if clerk.has_lost(&commit, &unmet) => Err(Forbidden.into()),
        Err(error) => Err(error.into()),
    }
}

/// Lets a customer try again who has typed too many wrong passwords. Returns when that is durable.
///
/// # Errors
/// [`CareRefused`].
pub async fn unlock(
    bank: &Bank,
    clerk: &Clerk,
    id: Id<Customer>,
    reason: &str,
) -> Result<(), CareRefused> {
    clerk.needs(&UNLOCKERS)?;
    let reason = line::reason(reason).ok_or(CareRefused::Reason)?;
    let Bank { store, clock, .. } = bank;
    let found = customer(bank, id).await?;
    let email = found.row.profile.as_known().and_then(|it| Email::parse(&it.email).ok());
    let email = email.ok_or(CareRefused::NoSuchCustomer)?;
    let act = Act {
        action: Action::Update,
        entity: "USER",
        entity_id: id.to_string(),
        subject: Subject::Customer(id),
        old: None,
        new: Some(serde_json::json!({"login": "UNLOCKED", "reason": reason})),
    };
    let mut commit = clerk.commit(store).await?;
    commit.preconditions.push(found.unchanged());
    commit.documents.extend(forget_attempts(store, email.normal()));
    commit.documents.push(audit::row(store, &**clock, clerk.caller(), act).await?);
    match store.commit(&commit).await {
        Ok(_) => Ok(()),
        Err(BankError::Unmet(unmet)) if clerk.has_lost(&commit, &unmet) => Err(Forbidden.into()),
        Err(error) => Err(error.into()),
    }
}

/// Whether everything of a customer must be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LegalHold {
    /// It must: nothing is erased.
    Standing,
    /// It need not.
    Lifted,
}

/// Sets a legal hold, or lifts it. Returns when that is durable.
///
/// # Errors
/// [`CareRefused`].
pub async fn set_legal_hold(
    bank: &Bank,
    clerk: &Clerk,
    id: Id<Customer>,
    hold: LegalHold,
    reason: &str,
) -> Result<(), CareRefused> {
    clerk.needs(&HOLDERS)?;
    let reason = line::reason(reason).ok_or(CareRefused::Reason)?;
    let Bank { store, clock, .. } = bank;
    for _ in 0..TRIES_MAX {
        let found = customer(bank, id).await?;
        let before = found.row.open.legal_hold;
        let act = Act {
            action: Action::Update,
            entity: "USER",
            entity_id: id.to_string(),
            subject: Subject::Customer(id),
            old: Some(serde_json::json!({"legal_hold": before})),
            new: Some(serde_json::json!({
                "legal_hold": hold == LegalHold::Standing, "reason": reason,
            })),
        };
        let open = CustomerOpen {
            legal_hold: hold == LegalHold::Standing,
            updated_at: clock.now().into(),
            ..found.row.open.clone()
        };
        let row = Row::<Customers> {
            open,
            profile: found.row.profile.clone(),
            statutory: found.row.statutory.clone(),
        };
        let mut commit = clerk.commit(store).await?;
        commit.documents = vec![
            store.write(&found.key, &row, found.condition()).await?,
            audit::row(store, &**clock, clerk.caller(), act).await?,
        ];
        match store.commit(&commit).await {
            Ok(_) => return Ok(()),
            Err(BankError::Unmet(unmet)) if clerk.has_lost(&commit, &unmet) => {
                return Err(Forbidden.into());
            }
            Err(error) if error.is_stale() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(BankError::Contended.into())
}
