//! Another authenticator app: a new secret takes the place of the old one.
//!
//! ```text
//!        begin (password, a code)          finish (a code of the new app)
//! old app ----------------------> WAITING ------------------------------> new app
//!                                    | a quarter of an hour
//!                                    +----> forgotten
//! ```
//! - The old app is good until the new one has shown a code, and good for nothing in the commit that takes it.
//! - A secret that waits belongs to the login that asked for it: no other is shown it, or finishes.
//! - Codes by message end with it ([`super::sms_factor`]): who lost the phone with the app has lost its messages too.
//! - With the new app every other login is over, and so is every link of a letter, and an address that waits. Recovery
//!   codes stay: who has lost
//!   both, and finds out too late, has them to come back with.

use super::contact::changed_now;
use super::credentials::{Credentials, CredentialsSealed, FactorUse, FactorUses};
use super::email_change::EmailChanges;
use super::enrolment::Enrolment;
use super::factor::Accepted;
use super::logins::{Ending, endings};
use super::password::Passwords;
use super::phone_change::PhoneChanges;
use super::record::{Customers, email_of, tell};
use super::recovery::Recoveries;
use super::session::{LoginKey, LoginSession, Sessions, Token};
use super::step_up::{ChangeRefused, Proved, StepUp, changed, committed, rewritten};
use super::totp::TotpSecret;
use crate::audit::{self, Caller};
use crate::clock::{Clock, MINUTE, UnixNs, after};
use crate::error::BankError;
use crate::id::{Customer, Id, Login};
use crate::notify::Letter;
use crate::store::{Found, Held, Kind, Row, Store};
use crate::tables;
use crate::vault::Subject;
use florin_ledger::commit::Precondition;
use florin_ledger::document::DocumentCondition;
use florin_ledger::{DocumentWrite, TableId};
use serde::{Deserialize, Serialize};

/// How long somebody may take to set up an app.
const PATIENCE: u64 = 15 * MINUTE;

/// Why there is no new app.
#[derive(Debug, thiserror::Error)]
pub enum NewFactorRefused {
    /// None waits for who asks: it took too long, or was done already.
    #[error("this took too long: begin again")]
    Over,
    /// The code is none of the new app's.
    #[error("the code did not match")]
    NoMatch,
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

/// New secrets that wait for their first code, by customer.
pub enum FactorChanges {}

/// Whose it is.
#[derive(Clone, Serialize, Deserialize)]
pub struct FactorChange {
    user_id: Id<Customer>,
    /// The login that asked.
    session_id: Id<Login>,
    expires_at: UnixNs,
}

/// The secret.
#[derive(Clone, Serialize, Deserialize)]
pub struct FactorChangeSealed {
    mfa_secret: TotpSecret,
}

impl Kind for FactorChanges {
    const TABLE: TableId = tables::FACTOR_CHANGES;
    type Open = FactorChange;
    type Profile = FactorChangeSealed;
    type Statutory = ();

    fn subject(open: &FactorChange) -> Subject {
        Subject::Customer(open.user_id)
    }
}

impl FactorChanges {
    /// Makes a secret for another app, for a login that proves itself again, by a recovery code too. Returns the token
    /// under which the login goes on.
    ///
    /// # Errors
    /// [`ChangeRefused`].
    pub async fn begin(
        store: &Store,
        clock: &dyn Clock,
        passwords: &Passwords,
        caller: &Caller,
        step_up: StepUp<'_>,
    ) -> Result<Token, ChangeRefused> {
        let customer = step_up.login.user_id;
        let expires = after(clock.now(), PATIENCE);
        let row = Row::<FactorChanges> {
            open: FactorChange {
                user_id: customer,
                session_id: step_up.login.session_id,
                expires_at: expires.into(),
            },
            profile: Held::Known(FactorChangeSealed { mfa_secret: TotpSecret::generate() }),
            statutory: Held::Absent,
        };
        let accepted = Accepted::AppOrRecoveryCode;
        let proved = step_up.prove(store, clock, passwords, caller, accepted).await?;
        let Proved { mut commit, token, .. } = proved;
        // One that somebody began before is forgotten.
        let write = store.write(&customer.bytes(), &row, DocumentCondition::Any).await?;
        commit.documents.push(DocumentWrite { expires, ..write });
        let act = changed(customer, "new second factor waits");
        commit.documents.push(audit::row(store, clock, caller, act).await?);
        committed(store, &commit).await?;
        Ok(token)
    }

    /// What the new app is told, if one waits for this login.
    ///
    /// # Errors
    /// [`NewFactorRefused`].
    pub async fn waiting(
        store: &Store,
        clock: &dyn Clock,
        login: &LoginSession,
    ) -> Result<Enrolment, NewFactorRefused> {
        let (_, totp) = find(store, clock, login).await?;
        let record: Option<Found<Customers>> = store.get(&login.user_id.bytes()).await?;
        let email = record.as_ref().and_then(email_of).ok_or(NewFactorRefused::Over)?;
        Ok(Enrolment { totp, email: String::from(email.written()) })
    }

    /// Puts the new app in the place of the old one, if the code is the new one's; the code is used then. Returns the
    /// token under which the login goes on, when that is durable.
    ///
    /// # Errors
    /// [`NewFactorRefused`].
    pub async fn finish(
        store: &Store,
        clock: &dyn Clock,
        caller: &Caller,
        authority: &[Precondition],
        (key, login): (&LoginKey, &LoginSession),
        code: &str,
    ) -> Result<Token, NewFactorRefused> {
        let (found, totp) = find(store, clock, login).await?;
        let customer = login.user_id;
        let others = Ending::AllBut(login.session_id);
        let (token, renewal) = Sessions::renewed(store, clock.now(), key, login).await?;
        let mut commit = audit::commit_of(store, caller, audit::commit_id()).await?;
        commit.preconditions = authority.to_vec();
        commit.documents = replacement(store, clock, customer, totp, code).await?;
        commit.documents.push(found.deletion());
        commit.documents.extend(endings(store, clock, customer, others).await?);
        commit.documents.extend(renewal);
        let act = changed(customer, "second factor");
        commit.documents.push(audit::row(store, clock, caller, act).await?);
        match store.commit(&commit).await {
            Ok(_) => Ok(token),
            Err(BankError::Unmet(_)) => Err(NewFactorRefused::Over),
            Err(error) => Err(error.into()),
        }
    }
}

/// The secret that waits for a login.
async fn find(
    store: &Store,
    clock: &dyn Clock,
    login: &LoginSession,
) -> Result<(Found<FactorChanges>, TotpSecret), NewFactorRefused> {
    let found: Option<Found<FactorChanges>> = store.get(&login.user_id.bytes()).await?;
    let found = found.filter(|found| {
        let open = &found.row.open;
        open.session_id == login.session_id && clock.now().0 < open.expires_at.0
    });
    let found = found.ok_or(NewFactorRefused::Over)?;
    let sealed = found.row.profile.as_known().cloned().ok_or(NewFactorRefused::Over)?;
    Ok((found, sealed.mfa_secret))
}

/// What a commit must write for another app to be a customer's, and for them to be told; but for the end of logins.
pub(super) async fn replacement(
    store: &Store,
    clock: &dyn Clock,
    customer: Id<Customer>,
    totp: TotpSecret,
    code: &str,
) -> Result<Vec<DocumentWrite>, NewFactorRefused> {
    let step = totp.step_of(code.trim(), clock.now());
    let totp_step = step.ok_or(NewFactorRefused::NoMatch)?;
    let key = customer.bytes();
    let credentials: Option<Found<Credentials>> = store.get(&key).await?;
    let credentials = credentials.ok_or(NewFactorRefused::Over)?;
    let sealed = credentials.row.profile.as_known().cloned().ok_or(NewFactorRefused::Over)?;
    let sealed = CredentialsSealed { mfa_secret: Some(totp), takes_sms: false, ..sealed };
    let used: Option<Found<FactorUses>> = store.get(&key).await?;
    // Codes of the old app say nothing of the new one's, though one may have been of a step ahead.
    let condition = used.map_or(DocumentCondition::Absent, |used| used.condition());
    let row = Row::<FactorUses>::open(FactorUse { totp_step });
    let mut documents = vec![
        rewritten(store, &credentials, sealed).await?,
        store.write(&key, &row, condition).await?,
        tell(store, clock, customer, Letter::FactorChanged).await?,
        EmailChanges::end(customer),
        PhoneChanges::end(customer),
        changed_now(store, clock, customer).await?,
    ];
    documents.extend(Recoveries::end_all(store, customer).await?);
    Ok(documents)
}
