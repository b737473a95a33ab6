//! Sends a code by message for a login that waits for one ([`super::sms_factor`]).
//!
//! Whoever asks learns nothing: for an attempt whose password was wrong, or of somebody who has chosen no such codes, as
//! much is read, taken from a budget and written, and a letter that goes nowhere.

use super::factor::Factors;
use super::login::{Attempt, AttemptSealed, LoginAttempts, act_on_name, name_of, version_text};
use super::record::{Customers, phone_of};
use super::sms_factor::{code_hash, new_code};
use crate::audit::{self, Action, Caller};
use crate::bank::Bank;
use crate::error::BankError;
use crate::notify::{self, Letter, Place, SmsUse, take_sms};
use crate::phone::PhoneNumber;
use crate::store::{Found, Held, Row};
use crate::tables;
use florin_ledger::DocumentWrite;

impl LoginAttempts {
    /// Sends a code for an attempt, once, if it is one of whose customer takes them and whose password was right.
    ///
    /// # Errors
    /// [`BankError`]; never because of what came of the password.
    pub async fn send_code(
        bank: &Bank,
        caller: &Caller,
        attempt: &Attempt,
    ) -> Result<(), BankError> {
        let Bank { store, clock, options, .. } = bank;
        let found: Option<Found<LoginAttempts>> = store.get(&attempt.key()).await?;
        let now = clock.now();
        // Whoever made it up, or comes too late, or again, knows that already.
        let found = found.filter(|found| now.0 < found.row.open.expires_at.0);
        let Some(found) = found else { return Ok(()) };
        let damaged = || BankError::Damaged(tables::LOGIN_ATTEMPTS);
        let sealed = found.row.profile.as_known().ok_or_else(damaged)?;
        if !sealed.code_hash.is_empty() {
            return Ok(());
        }
        let customer = sealed.user_id;
        let factors = Factors::of(store, customer).await?;
        let record: Option<Found<Customers>> = store.get(&customer.bytes()).await?;
        let record = record.filter(|record| record.row.open.is_active);
        let credentials = factors.credentials.as_ref();
        let is_current =
            credentials.is_some_and(|found| version_text(found.version) == sealed.credentials);
        let may = options.sends_sms && sealed.is_right == 1 && is_current && factors.takes_sms();
        let number = record.as_ref().and_then(phone_of).filter(|_| may);
        let limit = options.sms_per_hour;
        let nobodys = PhoneNumber::nobodys();
        let (sms_use, budgeted) = match &number {
            Some(number) => (SmsUse::Code, number),
            None => (SmsUse::Nothing, &nobodys),
        };
        let taken = take_sms(store, now, sms_use, customer, budgeted, limit).await;
        // Only who has a number contends for what all have together: nobody is told.
        let is_left = if let Err(BankError::Contended) = taken { false } else { taken? };
        let code = new_code();
        let meant_for = attempt.name_of_code();
        let row = Row::<LoginAttempts> {
            profile: Held::Known(AttemptSealed {
                code_hash: code_hash(store, &meant_for, &code),
                ..sealed.clone()
            }),
            open: found.row.open.clone(),
            statutory: Held::Absent,
        };
        let write = store.write(&found.key, &row, found.condition()).await?;
        let expires = found.row.open.expires_at.into();
        let place = Place::Phone(number.filter(|_| is_left));
        let letter = Letter::LoginCode { code };
        let act = act_on_name(&name_of(&found)?, Action::Create);
        let mut commit = audit::commit_of(store, caller, audit::commit_id()).await?;
        commit.documents = vec![
            DocumentWrite { expires, ..write },
            notify::put_by(store, now, customer, place, letter).await?,
            audit::row(store, &**clock, caller, act).await?,
        ];
        match store.commit(&commit).await {
            // Asked for twice at the same time, or spent: one was enough.
            Ok(_) | Err(BankError::Unmet(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
