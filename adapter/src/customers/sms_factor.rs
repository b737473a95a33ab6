//! Codes by short message, beside the authenticator app: for who has chosen them, at a login and for a payment.
//!
//! - It is the weaker factor: numbers are taken over, messages are read on the way. So it is chosen with password and
//!   app, never proves a change of what a customer is known or proved by, and recovers nothing.
//! - A code at a login goes out only when somebody asks for it, and only after the right password; whatever is asked, as
//!   much is read and written, and the answer is one. It is bound to the attempt, which is spent by the first code that
//!   is tried with it, and good for as long as that: five minutes at most.
//! - A code for a payment names amount and payee, and is good for that payment alone.
//! - Another number, or none, ends it, and so does another app: who gets the old one's messages, or has the lost phone,
//!   is nobody by then.

use super::contact::changed_now;
use super::credentials::{Credentials, CredentialsSealed};
use super::factor::Accepted;
use super::record::{contact_of, tell};
use super::session::Token;
use super::step_up::{ChangeRefused, Proved, StepUp, changed, committed, rewritten};
use crate::audit::{self, Caller};
use crate::bank::Bank;
use crate::error::BankError;
use crate::id::{Customer, Id};
use crate::notify::Letter;
use crate::phone::PhoneNumber;
use crate::random;
use crate::store::{Found, Store};
use crate::vault::Indexed;
use florin_ledger::Commit;

const CODE_DIGITS: usize = 6;

/// Why it stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum SmsFactorRefused {
    /// There is no number that codes could go to, or the bank sends none.
    #[error("codes by message need a telephone number that you have confirmed")]
    NoNumber,
    /// They have not proved themselves, or it could not be tried.
    #[error("{0}")]
    Change(#[from] ChangeRefused),
}

impl From<BankError> for SmsFactorRefused {
    fn from(error: BankError) -> SmsFactorRefused {
        SmsFactorRefused::Change(error.into())
    }
}

/// A code that was sent, as far as it is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SentCode<'a> {
    /// What it is for.
    pub(crate) meant_for: &'a str,
    /// Its keyed hash.
    pub(crate) hash: &'a str,
}

impl SentCode<'_> {
    /// Whether this is the code.
    pub(crate) fn is(&self, store: &Store, typed: &str) -> bool {
        let code = format!("{} {}", self.meant_for, typed.trim());
        let hash = data_encoding::BASE64.decode(self.hash.as_bytes()).unwrap_or_default();
        store.vault().blind().is_of(Indexed::PhoneCode, &code, &hash)
    }
}

/// A code of six digits, each as likely as any other.
pub(crate) fn new_code() -> String {
    let number = u64::from_le_bytes(random::bytes()) % 1_000_000;
    format!("{number:0CODE_DIGITS$}")
}

/// What is kept of a code that is for something.
pub(crate) fn code_hash(store: &Store, meant_for: &str, code: &str) -> String {
    let code = format!("{meant_for} {}", code.trim());
    data_encoding::BASE64.encode(&store.vault().blind().of(Indexed::PhoneCode, &code))
}

/// Chooses codes by message, or ends them, for a login that proves itself again. Returns the token under which the
/// login goes on.
///
/// # Errors
/// [`SmsFactorRefused`].
pub async fn choose_sms(
    bank: &Bank,
    caller: &Caller,
    step_up: StepUp<'_>,
    is_wanted: bool,
) -> Result<Token, SmsFactorRefused> {
    let Bank { store, clock, passwords, options, .. } = bank;
    let customer = step_up.login.user_id;
    let contact = contact_of(store, customer).await?;
    let has_number = contact.is_some_and(|contact| contact.phone.is_some());
    if is_wanted && !(has_number && options.sends_sms) {
        return Err(SmsFactorRefused::NoNumber);
    }
    let proved = step_up.prove(store, &**clock, passwords, caller, Accepted::App).await?;
    let Proved { mut commit, token, credentials, sealed } = proved;
    let sealed = CredentialsSealed { takes_sms: is_wanted, ..sealed };
    commit.documents.push(rewritten(store, &credentials, sealed).await?);
    commit.documents.push(changed_now(store, &**clock, customer).await?);
    let letter = Letter::SmsFactorChanged { is_on: is_wanted };
    commit.documents.push(tell(store, &**clock, customer, letter).await?);
    let what = if is_wanted { "codes by message" } else { "no codes by message" };
    let act = changed(customer, what);
    commit.documents.push(audit::row(store, &**clock, caller, act).await?);
    committed(store, &commit).await?;
    Ok(token)
}

/// Whether a customer has chosen codes by message.
///
/// # Errors
/// [`BankError`].
pub async fn takes_sms(store: &Store, customer: Id<Customer>) -> Result<bool, BankError> {
    let found: Option<Found<Credentials>> = store.get(&customer.bytes()).await?;
    let sealed = found.as_ref().and_then(|found| found.row.profile.as_known());
    Ok(sealed.is_some_and(|sealed| sealed.takes_sms))
}

/// Where a customer's codes go, if they have chosen them.
pub(crate) async fn number_for_codes(
    bank: &Bank,
    customer: Id<Customer>,
) -> Result<Option<PhoneNumber>, BankError> {
    if !bank.options.sends_sms || !takes_sms(&bank.store, customer).await? {
        return Ok(None);
    }
    Ok(contact_of(&bank.store, customer).await?.and_then(|contact| contact.phone))
}

/// Lets a commit end codes by message, if they were chosen.
pub(super) async fn end(
    store: &Store,
    customer: Id<Customer>,
    commit: &mut Commit,
) -> Result<(), BankError> {
    let found: Option<Found<Credentials>> = store.get(&customer.bytes()).await?;
    let Some(found) = found else { return Ok(()) };
    match found.row.profile.as_known().filter(|sealed| sealed.takes_sms).cloned() {
        Some(sealed) => {
            let sealed = CredentialsSealed { takes_sms: false, ..sealed };
            commit.documents.push(rewritten(store, &found, sealed).await?);
        }
        // Nor are they chosen meanwhile.
        None => commit.preconditions.push(found.unchanged()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: a code that is shorter when it begins with zeros, and never matches.
    #[test]
    fn a_code_has_six_digits() {
        for _ in 0..1_000 {
            let code = new_code();
            assert!(code.len() == CODE_DIGITS && code.bytes().all(|byte| byte.is_ascii_digit()));
        }
    }
}
