//! Becoming a customer.

use super::credentials::Credentials;
use super::password::{HashedPassword, Password, Passwords};
use super::record::{
    CustomerEmails, CustomerOpen, Customers, EmailOpen, Identity, KycStatus, Profile, UserKind,
};
use super::totp::TotpSecret;
use crate::audit::{self, Act, Action, Caller};
use crate::clock::Clock;
use crate::email::Email;
use crate::error::BankError;
use crate::id::{Customer, Id};
use crate::store::{Held, Row, Store};
use crate::vault::{Indexed, Subject};
use florin_ledger::DocumentWrite;
use florin_ledger::commit::Unmet;
use florin_ledger::document::DocumentCondition;

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
    let founder = Founder { customer, first_name, last_name, email, password, totp };
    let mut commit = audit::commit_of(store, caller, audit::commit_id()).await?;
    commit.documents = founding(store, clock, caller, founder).await?;
    match store.commit(&commit).await {
        Ok(_) => Ok(Registered::New(customer)),
        Err(BankError::Unmet(Unmet::Write { index: 0, .. })) => {
            store.vault().unmake_keys(Subject::Customer(customer)).await?;
            Ok(Registered::KnownAddress)
        }
        Err(error) => Err(error),
    }
}

/// Who becomes a customer, whose keys are made.
pub(super) struct Founder {
    pub(super) customer: Id<Customer>,
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) email: Email,
    pub(super) password: HashedPassword,
    pub(super) totp: TotpSecret,
}

/// What a commit must write for somebody to be a customer. The first is what fails if the address is another's.
pub(super) async fn founding(
    store: &Store,
    clock: &dyn Clock,
    caller: &Caller,
    founder: Founder,
) -> Result<Vec<DocumentWrite>, BankError> {
    let Founder { customer, first_name, last_name, email, password, totp } = founder;
    let now = clock.now();
    let key = customer.bytes();
    let address = store.vault().blind().of(Indexed::Email, email.normal());
    let record = Row::<Customers> {
        open: CustomerOpen {
            user_id: customer,
            user_kind: UserKind::Customer,
            kyc_status: KycStatus::Pending,
            is_active: true,
            legal_hold: false,
            erased_at: None,
            created_at: now.into(),
            updated_at: now.into(),
            created_by: caller.customer.map_or(String::from("bank"), |id| id.to_string()),
        },
        profile: Held::Known(Profile {
            first_name: first_name.clone(),
            last_name: last_name.clone(),
            email: String::from(email.written()),
            phone_number: None,
            address: None,
            date_of_birth: None,
        }),
        statutory: Held::Known(Identity { first_name, last_name, national_id_hash: None }),
    };
    let credentials = Credentials::with_app(customer, password, totp);
    let index = Row::<CustomerEmails>::open(EmailOpen { user_id: customer });
    let act = Act {
        action: Action::Create,
        entity: "USER",
        entity_id: customer.to_string(),
        subject: Subject::Customer(customer),
        old: None,
        new: None,
    };
    Ok(vec![
        store.write(&address, &index, DocumentCondition::Absent).await?,
        store.write(&key, &record, DocumentCondition::Absent).await?,
        store.write(&key, &credentials, DocumentCondition::Absent).await?,
        audit::row(store, clock, caller, act).await?,
    ])
}
