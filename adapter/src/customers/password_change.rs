//! Another password, for who is logged in and has the old one and a second factor ([`super::step_up`]).
//!
//! - With the new password every other login is over, and every attempt to log in with the old one; an address that waits
//!   to be confirmed is forgotten.
//! - The customer is told by mail, in the commit that does it.

use super::credentials::CredentialsSealed;
use super::email_change::EmailChanges;
use super::factor::Accepted;
use super::logins::{Ending, endings};
use super::password::{Password, Passwords};
use super::phone_change::PhoneChanges;
use super::record::tell;
use super::session::Token;
use super::step_up::{ChangeRefused, Proved, StepUp, changed, committed, rewritten};
use crate::audit::{self, Caller};
use crate::clock::Clock;
use crate::notify::Letter;
use crate::store::Store;

/// A change that somebody who is logged in asks for; the login goes on.
pub struct PasswordChange<'a> {
    /// The password that they have, and a code.
    pub step_up: StepUp<'a>,
    /// The password that they want.
    pub new: Password,
}

/// Changes a password. Returns the token under which the login goes on, when that is durable.
///
/// # Errors
/// [`ChangeRefused`].
pub async fn change_password(
    store: &Store,
    clock: &dyn Clock,
    passwords: &Passwords,
    caller: &Caller,
    change: PasswordChange<'_>,
) -> Result<Token, ChangeRefused> {
    let PasswordChange { step_up, new } = change;
    let (customer, login) = (step_up.login.user_id, step_up.login.session_id);
    let accepted = Accepted::AppOrRecoveryCode;
    let proved = step_up.prove(store, clock, passwords, caller, accepted).await?;
    let Proved { mut commit, token, credentials, sealed } = proved;
    let sealed = CredentialsSealed { password: passwords.hash(new).await?, ..sealed };
    commit.documents.push(rewritten(store, &credentials, sealed).await?);
    commit.documents.extend(endings(store, clock, customer, Ending::AllBut(login)).await?);
    commit.documents.push(EmailChanges::end(customer));
    commit.documents.push(PhoneChanges::end(customer));
    commit.documents.push(tell(store, clock, customer, Letter::PasswordChanged).await?);
    let act = changed(customer, "password");
    commit.documents.push(audit::row(store, clock, caller, act).await?);
    committed(store, &commit).await?;
    Ok(token)
}
