//! Becoming a customer.

use super::founding::{Founder, founding};
use super::password::{Password, Passwords};
use super::record::UserKind;
use super::totp::TotpSecret;
use crate::audit::{self, Act, Action, Caller};
use crate::clock::Clock;
use crate::email::Email;
use crate::error::BankError;
use crate::id::{Customer, Id};
use crate::store::Store;
use crate::vault::Subject;

/// Who wants to be a customer.
pub struct NewCustomer {
    /// Their first name.
    pub first_name: String,
    /// Their last name.
    pub last_name: String,
    /// Their e-mail address.
    pub email: Email,
    /// Their password.
    pub password: Password,
    /// Their second factor.
    pub totp: TotpSecret,
}

/// What came of it.
pub enum Registered {
    /// A customer.
    New(Id<Customer>),
    /// The address is a customer's already: nobody but its owner may be told.
    KnownAddress,
}

/// Makes a customer, with keys of their own. Returns when that is durable.
///
/// # Errors
/// [`BankError`].
pub async fn register(
    store: &Store,
    clock: &dyn Clock,
    passwords: &Passwords,
    caller: &Caller,
    new: NewCustomer,
) -> Result<Registered, BankError> {
    let customer = Id::<Customer>::at(clock.now());
    let NewCustomer { first_name, last_name, email, password, totp } = new;
    let password = passwords.hash(password).await?;
    store.vault().make_keys(Subject::Customer(customer)).await?;
    let (id, kind) = (customer, UserKind::Customer);
    let founder = Founder { id, kind, first_name, last_name, email, password, totp };
    let mut commit = audit::commit_of(store, caller, audit::commit_id()).await?;
    let claim = founding(store, clock, caller, founder, &mut commit).await?;
    commit.documents.push(audit::row(store, clock, caller, created(customer)).await?);
    match store.commit(&commit).await {
        Ok(_) => Ok(Registered::New(customer)),
        Err(BankError::Unmet(unmet)) if claim.is_taken(&commit, &unmet) => {
            store.vault().unmake_keys(Subject::Customer(customer)).await?;
            Ok(Registered::KnownAddress)
        }
        Err(error) => Err(error),
    }
}

/// What is put on record of a new customer.
pub(super) fn created(customer: Id<Customer>) -> Act {
    Act {
        action: Action::Create,
        entity: "USER",
        entity_id: customer.to_string(),
        subject: Subject::Customer(customer),
        old: None,
        new: None,
    }
}
