//! Step-up: password and second factor, proved again by who is logged in, for a change of what they are known or
//! proved by.
//!
//! - Attempts are counted with those of the second factor ([`super::factor`]): whoever has a browser that somebody
//!   left open tries few passwords. Password and code are both looked at, and nobody is told which did not match.
//! - What is proved is a commit, which needs that the login is not over, spends the code, and puts another token in the
//!   place of the login's: what is not done spends nothing, and who had stolen the token has lost it.

use super::credentials::{Credentials, CredentialsSealed};
use super::factor::{self, Accepted, FactorRefused};
use super::password::{PASSWORD_BYTES_MAX, Passwords};
use super::session::{LoginKey, LoginSession, Sessions, Token};
use crate::audit::{self, Act, Action, Caller};
use crate::clock::Clock;
use crate::error::BankError;
use crate::id::{Customer, Id};
use crate::store::{Found, Held, Row, Store};
use crate::vault::Subject;
use florin_ledger::commit::Precondition;
use florin_ledger::{Commit, DocumentWrite};
use zeroize::Zeroizing;

/// Why nothing is changed.
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

/// What somebody shows who is logged in and wants a change.
pub struct StepUp<'a> {
    /// Under which key the ledger has their login.
    pub key: LoginKey,
    /// The login.
    pub login: &'a LoginSession,
    /// What must hold for the login to order anything.
    pub authority: &'a [Precondition],
    /// The password that they have.
    pub password: Zeroizing<String>,
    /// A code of their second factor.
    pub code: &'a str,
}

/// What they have proved.
pub(super) struct Proved {
    /// The commit of the change, as far as it is about that.
    pub(super) commit: Commit,
    /// Under which the login goes on.
    pub(super) token: Token,
    /// What they proved themselves with.
    pub(super) credentials: Found<Credentials>,
    /// The same, opened.
    pub(super) sealed: CredentialsSealed,
}

impl StepUp<'_> {
    /// Looks at both.
    pub(super) async fn prove(
        self,
        store: &Store,
        clock: &dyn Clock,
        passwords: &Passwords,
        caller: &Caller,
        accepted: Accepted,
    ) -> Result<Proved, ChangeRefused> {
        let customer = self.login.user_id;
        let waiting = passwords.queue()?;
        let proof = match factor::prove(store, clock, caller, customer, self.code, accepted).await {
            Ok(proof) => Some(proof),
            Err(FactorRefused::NoMatch) => None,
            Err(FactorRefused::Bank(error)) => return Err(error.into()),
        };
        let credentials: Option<Found<Credentials>> = store.get(&customer.bytes()).await?;
        let credentials = credentials.ok_or(ChangeRefused::NoMatch)?;
        let sealed = credentials.row.profile.as_known().cloned().ok_or(ChangeRefused::NoMatch)?;
        let is_sound = self.password.len() <= PASSWORD_BYTES_MAX;
        let password = if is_sound { self.password } else { Zeroizing::default() };
        let is_right = passwords.is_of(waiting, password, Some(sealed.password.clone())).await?;
        let proof = match proof {
            Some(proof) if is_right => proof,
            // A wrong code is on record already.
            None => return Err(ChangeRefused::NoMatch),
            Some(_) => {
                factor::failed(store, clock, caller, customer).await?;
                return Err(ChangeRefused::NoMatch);
            }
        };
        let (token, renewal) = Sessions::renewed(store, clock.now(), &self.key, self.login).await?;
        let mut commit = audit::commit_of(store, caller, audit::commit_id()).await?;
        commit.preconditions = self.authority.to_vec();
        commit.documents.extend(renewal);
        proof.join(&mut commit);
        Ok(Proved { commit, token, credentials, sealed })
    }
}

/// Makes a change, whole or not at all. Returns when it is durable.
pub(super) async fn committed(store: &Store, commit: &Commit) -> Result<(), ChangeRefused> {
    match store.commit(commit).await {
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

/// What is put on record of a change of what a customer is known or proved by.
pub(crate) fn changed(customer: Id<Customer>, what: &str) -> Act {
    Act {
        action: Action::Update,
        entity: "USER",
        entity_id: customer.to_string(),
        subject: Subject::Customer(customer),
        old: None,
        new: Some(serde_json::json!({ "changed": what })),
    }
}
