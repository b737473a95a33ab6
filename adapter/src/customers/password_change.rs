//! Another password, for who is logged in and has the old one and a second factor.
//!
//! - Attempts are counted with those of the second factor ([`super::factor`]): whoever has a browser that somebody
//!   left open tries few passwords. Password and code are both looked at, and nobody is told which did not match.
//! - With the new password every other login is over, and every attempt to log in with the old one.
//! - The customer is told by mail, in the commit that does it.

use super::credentials::{Credentials, CredentialsSealed};
use super::factor::{self, FactorRefused};
use super::logins::logins_of;
use super::password::{PASSWORD_BYTES_MAX, Password, Passwords};
use super::record::Customers;
use super::session::LoginSession;
use crate::audit::{self, Act, Action, Caller};
use crate::clock::Clock;
use crate::email::Email;
use crate::error::BankError;
use crate::id::{Customer, Id};
use crate::notify::{self, Addressee, Letter};
use crate::store::{Found, Held, Row, Store};
use crate::vault::Subject;
use florin_ledger::DocumentWrite;
use florin_ledger::commit::Precondition;
use zeroize::Zeroizing;

/// Why a password stays what it is.
#[derive(Debug, thiserror::Error)]
pub enum ChangeRefused {
    /// The password or the code is wrong, or was used, or too many were tried. Which it is, is nobody's to know.
    #[error("your password or the code did not match")]
    NoMatch,
    /// The login is over, or something else was changed at the same time.
    #[error("something else was changed at the same time: try again")]
    Meanwhile,
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

impl From<FactorRefused> for ChangeRefused {
    fn from(refused: FactorRefused) -> ChangeRefused {
        match refused {
            FactorRefused::NoMatch => ChangeRefused::NoMatch,
            FactorRefused::Bank(error) => error.into(),
        }
    }
}

/// A change that somebody who is logged in asks for.
pub struct PasswordChange<'a> {
    /// The login, which goes on.
    pub login: &'a LoginSession,
    /// What must hold for the login to order anything.
    pub authority: &'a [Precondition],
    /// The password that they have.
    pub old: Zeroizing<String>,
    /// The password that they want.
    pub new: Password,
    /// A code of their second factor.
    pub code: &'a str,
}

/// Changes a password. Returns when that is durable.
///
/// # Errors
/// [`ChangeRefused`].
pub async fn change_password(
    store: &Store,
    clock: &dyn Clock,
    passwords: &Passwords,
    caller: &Caller,
    change: PasswordChange<'_>,
) -> Result<(), ChangeRefused> {
    let customer = change.login.user_id;
    let waiting = passwords.queue()?;
    let proof = match factor::prove(store, clock, caller, customer, change.code).await {
        Ok(proof) => Some(proof),
        Err(FactorRefused::NoMatch) => None,
        Err(FactorRefused::Bank(error)) => return Err(error.into()),
    };
    let found: Option<Found<Credentials>> = store.get(&customer.bytes()).await?;
    let found = found.ok_or(ChangeRefused::NoMatch)?;
    let sealed = found.row.profile.as_known().ok_or(ChangeRefused::NoMatch)?;
    let is_sound = change.old.len() <= PASSWORD_BYTES_MAX;
    let old = if is_sound { change.old } else { Zeroizing::default() };
    let is_right = passwords.is_of(waiting, old, Some(sealed.password.clone())).await?;
    let Some(proof) = proof.filter(|_| is_right) else { return Err(ChangeRefused::NoMatch) };

    let mut commit = audit::commit_of(store, caller, audit::commit_id()).await?;
    commit.preconditions = change.authority.to_vec();
    proof.join(&mut commit);
    let sealed =
        CredentialsSealed { password: passwords.hash(change.new).await?, ..sealed.clone() };
    commit.documents.push(rewritten(store, &found, sealed).await?);
    for login in logins_of(store, clock, customer).await? {
        if login.session.session_id != change.login.session_id {
            commit.documents.extend(login.ending());
        }
    }
    commit.documents.push(tell(store, clock, customer, Letter::PasswordChanged).await?);
    let act = changed(customer, "password");
    commit.documents.push(audit::row(store, clock, caller, act).await?);
    match store.commit(&commit).await {
        Ok(_) => Ok(()),
        Err(BankError::Unmet(_)) => Err(ChangeRefused::Meanwhile),
        Err(error) => Err(error.into()),
    }
}

/// The write that changes what a customer proves themselves with.
pub(super) async fn rewritten(
    store: &Store,
    found: &Found<Credentials>,
    sealed: CredentialsSealed,
) -> Result<DocumentWrite, BankError> {
    let row = Row::<Credentials> {
        open: found.row.open.clone(),
        profile: Held::Known(sealed),
        statutory: Held::Absent,
    };
    store.write(&found.key, &row, found.condition()).await
}

/// The write that has a customer told something at the address that is on record.
pub(super) async fn tell(
    store: &Store,
    clock: &dyn Clock,
    customer: Id<Customer>,
    letter: Letter,
) -> Result<DocumentWrite, BankError> {
    let found: Option<Found<Customers>> = store.get(&customer.bytes()).await?;
    let to = found.and_then(|found| Email::parse(&found.row.profile.known()?.email).ok());
    notify::put(store, clock.now(), &Addressee { customer, to }, letter).await
}

/// What is put on record of a change of what a customer proves themselves with.
pub(super) fn changed(customer: Id<Customer>, what: &str) -> Act {
    Act {
        action: Action::Update,
        entity: "USER",
        entity_id: customer.to_string(),
        subject: Subject::Customer(customer),
        old: None,
        new: Some(serde_json::json!({ "changed": what })),
    }
}
