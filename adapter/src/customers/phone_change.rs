//! Another telephone number, or none any more.
//!
//! ```text
//!            begin (password, app)            confirm (the code that came to it)
//! old number ----------------------> WAITING ------------------------------------> new number
//!                                      | ten minutes, or five wrong codes
//!                                      +----> forgotten
//! ```
//! - It takes password and app to ask, and a code that comes to the new number to confirm it: nobody gives an account a
//!   telephone that they do not read. The address on record hears of it when it is asked for, and it and the old number
//!   when it is done.
//! - A number that waits belongs to the login that asked for it: no other confirms it.
//! - Of a code only a keyed hash is kept. A try is counted, durably, before the code is looked at, so a hundred at the
//!   same time are five.
//! - A number may be several customers', as telephones are; so nothing is told of whose it is.
//! - A day of caution follows ([`super::contact`]), as it does a new address.

use super::contact::changed_now;
use super::factor::Accepted;
use super::record::{CustomerOpen, Customers, Profile, phone_of, tell};
use super::session::{LoginSession, Token};
use super::sms_factor::{self, SentCode, code_hash, new_code};
use super::step_up::{ChangeRefused, Proved, StepUp, changed, committed};
use crate::audit::{self, Caller};
use crate::bank::Bank;
use crate::clock::{Clock, UnixNs, after};
use crate::error::BankError;
use crate::id::{Customer, Id, Login};
use crate::notify::{self, Letter, PHONE_CODE, Place, SmsUse, take_sms};
use crate::phone::PhoneNumber;
use crate::store::{Found, Held, Kind, Row, Store};
use crate::tables;
use crate::vault::Subject;
use florin_ledger::commit::Precondition;
use florin_ledger::document::{DocumentCondition, WriteResult};
use florin_ledger::{Commit, DocumentWrite, Position, TableId};
use serde::{Deserialize, Serialize};

/// Codes that are looked at of one that was sent.
const TRIES_MAX: u32 = 5;

/// Why no code is sent.
#[derive(Debug, thiserror::Error)]
pub enum NewPhoneRefused {
    /// It is the number that they have.
    #[error("this is your number already")]
    Same,
    /// Too many messages were sent, to them, to this number or altogether.
    #[error("too many messages were sent: try again in an hour")]
    TooMany,
    /// The bank sends no short messages.
    #[error("this bank sends no short messages")]
    NoSms,
    /// They have not proved themselves, or it could not be tried.
    #[error("{0}")]
    Change(#[from] ChangeRefused),
}

impl From<BankError> for NewPhoneRefused {
    fn from(error: BankError) -> NewPhoneRefused {
        NewPhoneRefused::Change(error.into())
    }
}

/// Why a number is not changed.
#[derive(Debug, thiserror::Error)]
pub enum PhoneCodeRefused {
    /// None waits for who asks: it took too long, too many codes were wrong, or it was done already.
    #[error("this took too long, or too many codes were wrong: begin again")]
    Over,
    /// The code is another.
    #[error("the code did not match")]
    NoMatch,
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

/// Numbers that wait to be confirmed, by customer.
pub enum PhoneChanges {}

/// Whose it is to be.
#[derive(Clone, Serialize, Deserialize)]
pub struct PhoneChange {
    user_id: Id<Customer>,
    /// The login that asked.
    session_id: Id<Login>,
    expires_at: UnixNs,
    /// Codes that were looked at.
    tries_count: u32,
}

/// The number.
#[derive(Clone, Serialize, Deserialize)]
pub struct PhoneChangeSealed {
    phone_number: PhoneNumber,
    code_hash: String,
}

impl Kind for PhoneChanges {
    const TABLE: TableId = tables::PHONE_CHANGES;
    type Open = PhoneChange;
    type Profile = PhoneChangeSealed;
    type Statutory = ();

    fn subject(open: &PhoneChange) -> Subject {
        Subject::Customer(open.user_id)
    }
}

fn meant_for(customer: Id<Customer>, number: &PhoneNumber) -> String {
    format!("number {} of {customer}", number.plain())
}

impl PhoneChanges {
    /// Sends a code to a number, for a login that proves itself again. Returns the token under which the login goes on.
    ///
    /// # Errors
    /// [`NewPhoneRefused`].
    pub async fn begin(
        bank: &Bank,
        caller: &Caller,
        step_up: StepUp<'_>,
        number: &PhoneNumber,
    ) -> Result<Token, NewPhoneRefused> {
        let Bank { store, clock, passwords, options, .. } = bank;
        let (customer, session_id) = (step_up.login.user_id, step_up.login.session_id);
        if !options.sends_sms {
            return Err(NewPhoneRefused::NoSms);
        }
        let record: Option<Found<Customers>> = store.get(&customer.bytes()).await?;
        let record = record.ok_or(ChangeRefused::Meanwhile)?;
        if phone_of(&record).as_ref() == Some(number) {
            return Err(NewPhoneRefused::Same);
        }
        let (now, limit) = (clock.now(), options.sms_per_hour);
        // First, so that a proof is not shown in vain. What is taken for a wrong one is not given back.
        if !take_sms(store, now, SmsUse::Confirmation, customer, number, limit).await? {
            return Err(NewPhoneRefused::TooMany);
        }
        let proved = step_up.prove(store, &**clock, passwords, caller, Accepted::App).await?;
        let Proved { mut commit, token, .. } = proved;
        let code = new_code();
        let expires = after(now, PHONE_CODE);
        let row = Row::<PhoneChanges> {
            open: PhoneChange {
                user_id: customer,
                session_id,
                expires_at: expires.into(),
                tries_count: 0,
            },
            profile: Held::Known(PhoneChangeSealed {
                phone_number: number.clone(),
                code_hash: code_hash(store, &meant_for(customer, number), &code),
            }),
            statutory: Held::Absent,
        };
        // One that was asked for before is forgotten, and its code with it.
        let write = store.write(&customer.bytes(), &row, DocumentCondition::Any).await?;
        commit.documents.push(DocumentWrite { expires, ..write });
        let (place, letter) = (Place::Phone(Some(number.clone())), Letter::PhoneCode { code });
        commit.documents.push(notify::put_by(store, now, customer, place, letter).await?);
        let letter = Letter::PhoneChangeAsked;
        commit.documents.push(tell(store, &**clock, customer, letter).await?);
        let act = changed(customer, "new telephone number waits");
        commit.documents.push(audit::row(store, &**clock, caller, act).await?);
        committed(store, &commit).await?;
        Ok(token)
    }

    /// The number that waits for a login.
    ///
    /// # Errors
    /// [`PhoneCodeRefused`].
    pub async fn waiting(
        store: &Store,
        clock: &dyn Clock,
        login: &LoginSession,
    ) -> Result<PhoneNumber, PhoneCodeRefused> {
        find(store, clock, login).await.map(|(_, sealed)| sealed.phone_number)
    }

    /// Makes a number the customer's, if the code is the one that came to it. Returns when that is durable.
    ///
    /// # Errors
    /// [`PhoneCodeRefused`].
    pub async fn confirm(
        bank: &Bank,
        caller: &Caller,
        authority: &[Precondition],
        login: &LoginSession,
        code: &str,
    ) -> Result<(), PhoneCodeRefused> {
        let Bank { store, clock, .. } = bank;
        let (found, sealed) = find(store, &**clock, login).await?;
        let customer = login.user_id;
        let version = count(store, &found).await?;
        let meant_for = meant_for(customer, &sealed.phone_number);
        let sent = SentCode { meant_for: &meant_for, hash: &sealed.code_hash };
        if !sent.is(store, code) {
            return Err(if found.row.open.tries_count + 1 < TRIES_MAX {
                PhoneCodeRefused::NoMatch
            } else {
                PhoneCodeRefused::Over
            });
        }
        let record: Option<Found<Customers>> = store.get(&customer.bytes()).await?;
        let record = record.ok_or(PhoneCodeRefused::Over)?;
        let mut commit = audit::commit_of(store, caller, audit::commit_id()).await?;
        commit.preconditions = authority.to_vec();
        replace(bank, &record, Some(&sealed.phone_number), &mut commit).await?;
        // Unless a new password has put an end to it meanwhile.
        let condition = DocumentCondition::Version(version);
        commit.documents.push(DocumentWrite { condition, ..PhoneChanges::end(customer) });
        let act = changed(customer, "telephone number");
        commit.documents.push(audit::row(store, &**clock, caller, act).await?);
        match store.commit(&commit).await {
            Ok(_) => Ok(()),
            Err(BankError::Unmet(_)) => Err(PhoneCodeRefused::Over),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the number away, for a login that proves itself again. Returns the token under which the login goes on.
    ///
    /// # Errors
    /// [`ChangeRefused`].
    pub async fn remove(
        bank: &Bank,
        caller: &Caller,
        step_up: StepUp<'_>,
    ) -> Result<Token, ChangeRefused> {
        let Bank { store, clock, passwords, .. } = bank;
        let customer = step_up.login.user_id;
        let proved = step_up.prove(store, &**clock, passwords, caller, Accepted::App).await?;
        let Proved { mut commit, token, .. } = proved;
        let record: Option<Found<Customers>> = store.get(&customer.bytes()).await?;
        let record = record.filter(|record| phone_of(record).is_some());
        let record = record.ok_or(ChangeRefused::Meanwhile)?;
        replace(bank, &record, None, &mut commit).await?;
        commit.documents.push(PhoneChanges::end(customer));
        let act = changed(customer, "telephone number removed");
        commit.documents.push(audit::row(store, &**clock, caller, act).await?);
        committed(store, &commit).await?;
        Ok(token)
    }

    /// The write that forgets a number that waits.
    pub(super) fn end(customer: Id<Customer>) -> DocumentWrite {
        let (table, key) = (Self::TABLE, customer.bytes().to_vec());
        DocumentWrite { table, key, ..DocumentWrite::default() }
    }
}

/// The number that waits for a login, with what is left of its tries.
async fn find(
    store: &Store,
    clock: &dyn Clock,
    login: &LoginSession,
) -> Result<(Found<PhoneChanges>, PhoneChangeSealed), PhoneCodeRefused> {
    let found: Option<Found<PhoneChanges>> = store.get(&login.user_id.bytes()).await?;
    let found = found.filter(|found| {
        let open = &found.row.open;
        open.session_id == login.session_id
            && clock.now().0 < open.expires_at.0
            && open.tries_count < TRIES_MAX
    });
    let found = found.ok_or(PhoneCodeRefused::Over)?;
    let sealed = found.row.profile.as_known().cloned().ok_or(PhoneCodeRefused::Over)?;
    Ok((found, sealed))
}

/// Counts a try, durably; the version that the document has then. Whoever tries at the same time has to try again.
async fn count(store: &Store, found: &Found<PhoneChanges>) -> Result<Position, PhoneCodeRefused> {
    let open = found.row.open.clone();
    let expires = open.expires_at.into();
    let row = Row::<PhoneChanges> {
        open: PhoneChange { tries_count: open.tries_count + 1, ..open },
        profile: found.row.profile.clone(),
        statutory: Held::Absent,
    };
    let write = store.write(&found.key, &row, found.condition()).await?;
    let write = DocumentWrite { expires, ..write };
    let written = store.client().write_documents(&[write]).await.map_err(BankError::from)?;
    match written.first() {
        Some(WriteResult::Written(version)) => Ok(*version),
        Some(WriteResult::Stale(_)) => Err(PhoneCodeRefused::NoMatch),
        other => Err(BankError::odd(&other).into()),
    }
}

/// Adds to a commit what puts a number, or none, in the place of the one on record, and tells of it where they were
/// reached before.
async fn replace(
    bank: &Bank,
    record: &Found<Customers>,
    number: Option<&PhoneNumber>,
    commit: &mut Commit,
) -> Result<(), BankError> {
    let Bank { store, clock, options, .. } = bank;
    let (customer, now) = (record.row.open.user_id, clock.now());
    let profile = record.row.profile.as_known().cloned().ok_or(BankError::Erased)?;
    let row = Row::<Customers> {
        open: CustomerOpen { updated_at: now.into(), ..record.row.open.clone() },
        profile: Held::Known(Profile {
            phone_number: number.map(|number| String::from(number.plain())),
            ..profile
        }),
        statutory: record.row.statutory.clone(),
    };
    // What came to the old number proves nothing any more, and the new one is not chosen for it yet.
    sms_factor::end(store, customer, commit).await?;
    let letter = if number.is_some() { Letter::PhoneChanged } else { Letter::PhoneRemoved };
    commit.documents.push(store.write(&record.key, &row, record.condition()).await?);
    commit.documents.push(changed_now(store, &**clock, customer).await?);
    commit.documents.push(tell(store, &**clock, customer, letter.clone()).await?);
    let Some(old) = phone_of(record).filter(|_| options.sends_sms) else { return Ok(()) };
    if take_sms(store, now, SmsUse::Warning, customer, &old, options.sms_per_hour).await? {
        let place = Place::Phone(Some(old));
        commit.documents.push(notify::put_by(store, now, customer, place, letter).await?);
    }
    Ok(())
}
