//! Everything lost that proves a customer but their password: two members of the staff let them set up another app.
//!
//! ```text
//!        request        approve            confirm (password)          enrol (a code of the app)
//! nothing ----> proposal ------> a link ---------------------> PROVED --------------------------> new app
//!                                   | a day                       | a quarter of an hour
//!                                   +--> forgotten                +--> a link
//! ```
//! - Who asks has made sure of who it is, and so has who approves; both are on record. What they bring about is a letter
//!   to the address on record: neither of them gets in.
//! - The link is good for one new app, and for nothing without the password: who reads another's mail gets no further.
//!   That is why it may last a day, as people read mail who are not waiting for it. Passwords are counted with codes of
//!   the second factor.
//! - What leads from the password to the app is in the browser alone, so a letter that is read twice shows no secret.
//! - Nothing is sent within a day of a change of the address: who has put theirs there would get the link.
//! - With the new app logins, links and recovery codes of before are gone.

use super::contact::caution;
use super::counter;
use super::credentials::Credentials;
use super::enrolment::Enrolment;
use super::factor::{self, attempts_name};
use super::factor_change::{NewFactorRefused, replacement};
use super::link::Link;
use super::password::{PASSWORD_BYTES_MAX, Passwords};
use super::record::{Customers, active_customer, email_of};
use super::recovery_code::{self, NewCodes};
use super::session::Sessions;
use super::step_up::changed;
use super::totp::TotpSecret;
use crate::audit::{self, Caller};
use crate::bank::Bank;
use crate::clock::{Clock, MINUTE, UnixNs, after};
use crate::error::BankError;
use crate::id::{Customer, Id};
use crate::notify::{self, Addressee, FACTOR_LINK, Letter};
use crate::staff::{Clerk, Forbidden, Matter, ProposalRefused, Wish, approval, propose};
use crate::store::{Found, Held, Kind, Row, Store};
use crate::tables;
use crate::vault::Subject;
use florin_ledger::document::DocumentCondition;
use florin_ledger::{DocumentWrite, TableId};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// How long somebody may take to set up an app, after the password.
const PATIENCE: u64 = 15 * MINUTE;
/// Read, decide, commit: again as long as others change what was read.
const TRIES_MAX: usize = 8;

/// Why no link is sent. Nothing happened.
#[derive(Debug, thiserror::Error)]
pub enum FactorRecoveryRefused {
    /// There is no such customer.
    #[error("there is no such customer")]
    NoSuchCustomer,
    /// The link might go to whoever has changed the address.
    #[error("what they are reached or proved by was changed less than a day ago: wait")]
    TooSoon,
    /// What is said of the proposal.
    #[error("{0}")]
    Proposal(ProposalRefused),
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

impl From<ProposalRefused> for FactorRecoveryRefused {
    fn from(refused: ProposalRefused) -> FactorRecoveryRefused {
        match refused {
            ProposalRefused::Bank(error) => error.into(),
            refused => FactorRecoveryRefused::Proposal(refused),
        }
    }
}

/// Links that lead to another app, by customer.
pub enum FactorRecoveries {}

/// How far one is.
#[derive(Clone, Serialize, Deserialize)]
pub struct FactorRecovery {
    user_id: Id<Customer>,
    link_hash: String,
    expires_at: UnixNs,
    /// What the browser has that has shown the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proved: Option<PasswordProved>,
}

#[derive(Clone, Serialize, Deserialize)]
struct PasswordProved {
    link_hash: String,
    expires_at: UnixNs,
}

/// The secret of the new app.
#[derive(Clone, Serialize, Deserialize)]
pub struct FactorRecoverySealed {
    mfa_secret: TotpSecret,
}

impl Kind for FactorRecoveries {
    const TABLE: TableId = tables::FACTOR_RECOVERIES;
    type Open = FactorRecovery;
    type Profile = FactorRecoverySealed;
    type Statutory = ();

    fn subject(open: &FactorRecovery) -> Subject {
        Subject::Customer(open.user_id)
    }
}

/// Asks for a customer to set up another app, which another member of the staff must approve. Returns when that is
/// durable.
///
/// # Errors
/// [`FactorRecoveryRefused`].
pub async fn request_factor_recovery(
    bank: &Bank,
    clerk: &Clerk,
    customer: Id<Customer>,
    reason: &str,
) -> Result<(), FactorRecoveryRefused> {
    let matter = Matter::FactorRecovery(customer);
    clerk.needs(matter.makers()).map_err(ProposalRefused::from)?;
    let record = recoverable(&bank.store, customer).await?;
    let unchanged = vec![record.unchanged()];
    let wish =
        Wish { matter, user_id: customer, reason, name: None, unchanged, beside: Vec::new() };
    Ok(propose(bank, clerk, wish).await?)
}

/// Sends a link to a customer for whom another has asked. Returns when that is durable.
///
/// # Errors
/// [`FactorRecoveryRefused`].
pub async fn approve_factor_recovery(
    bank: &Bank,
    clerk: &Clerk,
    customer: Id<Customer>,
) -> Result<(), FactorRecoveryRefused> {
    let Bank { store, clock, .. } = bank;
    for _ in 0..TRIES_MAX {
        let mut commit = approval(bank, clerk, Matter::FactorRecovery(customer)).await?.commit;
        let record = recoverable(store, customer).await?;
        let caution = caution(store, &**clock, customer).await?;
        if caution.until.is_some() {
            return Err(FactorRecoveryRefused::TooSoon);
        }
        commit.preconditions.extend([record.unchanged(), caution.unchanged]);
        commit.documents.extend(mailed(store, &**clock, &record).await?);
        match store.commit(&commit).await {
            Ok(_) => return Ok(()),
            Err(BankError::Unmet(unmet)) if clerk.has_lost(&commit, &unmet) => {
                return Err(ProposalRefused::Forbidden(Forbidden).into());
            }
            Err(error) if error.is_stale() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(BankError::Contended.into())
}

/// The customer, if they may come back.
async fn recoverable(
    store: &Store,
    customer: Id<Customer>,
) -> Result<Found<Customers>, FactorRecoveryRefused> {
    active_customer(store, customer).await?.ok_or(FactorRecoveryRefused::NoSuchCustomer)
}

/// What a commit must write for a link to be sent, and be the only one.
async fn mailed(
    store: &Store,
    clock: &dyn Clock,
    record: &Found<Customers>,
) -> Result<[DocumentWrite; 2], BankError> {
    let (now, customer) = (clock.now(), record.row.open.user_id);
    let link = Link::generate(customer);
    let expires = after(now, FACTOR_LINK);
    let open = FactorRecovery {
        user_id: customer,
        link_hash: link.hash(),
        expires_at: expires.into(),
        proved: None,
    };
    let write = waiting(store, open, DocumentCondition::Any).await?;
    let letter = Letter::RecoverFactor { token: link.to_string() };
    let addressee = Addressee { customer, to: email_of(record) };
    Ok([write, notify::put(store, now, &addressee, letter).await?])
}

/// The write of one that waits, with a secret that nobody has seen.
async fn waiting(
    store: &Store,
    open: FactorRecovery,
    condition: DocumentCondition,
) -> Result<DocumentWrite, BankError> {
    let (key, expires) = (open.user_id.bytes(), open.expires_at.into());
    let row = Row::<FactorRecoveries> {
        open,
        profile: Held::Known(FactorRecoverySealed { mfa_secret: TotpSecret::generate() }),
        statutory: Held::Absent,
    };
    Ok(DocumentWrite { expires, ..store.write(&key, &row, condition).await? })
}

impl FactorRecoveries {
    /// Looks at the password of who has a link. What is returned leads to the new app, for a quarter of an hour.
    ///
    /// # Errors
    /// [`NewFactorRefused::NoMatch`], whatever it is that does not match.
    pub async fn confirm(
        store: &Store,
        clock: &dyn Clock,
        passwords: &Passwords,
        caller: &Caller,
        link: &Link,
        password: Zeroizing<String>,
    ) -> Result<Link, NewFactorRefused> {
        let queued = passwords.queue()?;
        let customer = link.customer();
        let found: Option<Found<FactorRecoveries>> = store.get(&customer.bytes()).await?;
        let found = found.filter(|found| link.is_of(&found.row.open.link_hash));
        let found = found.filter(|found| clock.now().0 < found.row.open.expires_at.0);
        let found = found.ok_or(NewFactorRefused::NoMatch)?;
        let is_open = factor::attempt(store, clock, caller, customer).await?;
        let credentials: Option<Found<Credentials>> = store.get(&customer.bytes()).await?;
        let sealed = credentials.and_then(|found| found.row.profile.known());
        let is_sound = is_open && password.len() <= PASSWORD_BYTES_MAX;
        let password = if is_sound { password } else { Zeroizing::default() };
        let is_right = passwords.is_of(queued, password, sealed.map(|it| it.password)).await?;
        if !is_right || !is_sound {
            factor::failed(store, clock, caller, customer).await?;
            return Err(NewFactorRefused::NoMatch);
        }
        let onward = Link::generate(customer);
        let proved = PasswordProved {
            link_hash: onward.hash(),
            expires_at: after(clock.now(), PATIENCE).into(),
        };
        let open = FactorRecovery { proved: Some(proved), ..found.row.open.clone() };
        let mut commit = audit::commit_of(store, caller, audit::commit_id()).await?;
        commit.documents = vec![waiting(store, open, found.condition()).await?];
        commit.documents.extend(counter::forget(store, &attempts_name(customer)));
        match store.commit(&commit).await {
            Ok(_) => Ok(onward),
            Err(BankError::Unmet(_)) => Err(NewFactorRefused::NoMatch),
            Err(error) => Err(error.into()),
        }
    }

    /// What the new app is told, once the password was right.
    ///
    /// # Errors
    /// [`NewFactorRefused`].
    pub async fn enrolment(
        store: &Store,
        clock: &dyn Clock,
        onward: &Link,
    ) -> Result<Enrolment, NewFactorRefused> {
        let (_, totp) = find(store, clock, onward).await?;
        let record: Option<Found<Customers>> = store.get(&onward.customer().bytes()).await?;
        let email = record.as_ref().and_then(email_of).ok_or(NewFactorRefused::Over)?;
        Ok(Enrolment { totp, email: String::from(email.written()) })
    }

    /// Puts the new app in the place of what was lost, if the code is the app's; the code is used then. What is returned
    /// is for the customer to keep: nobody sees it again.
    ///
    /// # Errors
    /// [`NewFactorRefused`].
    pub async fn enrol(
        store: &Store,
        clock: &dyn Clock,
        caller: &Caller,
        onward: &Link,
        code: &str,
    ) -> Result<NewCodes, NewFactorRefused> {
        let (found, totp) = find(store, clock, onward).await?;
        let customer = onward.customer();
        let record: Option<Found<Customers>> = store.get(&customer.bytes()).await?;
        let record = record.filter(|record| record.row.open.is_active);
        let record = record.ok_or(NewFactorRefused::Over)?;
        let email = email_of(&record).ok_or(NewFactorRefused::Over)?;
        let (codes, kept) = recovery_code::made(store, customer).await?;
        let caller = Caller { customer: Some(customer), ..caller.clone() };
        let mut commit = audit::commit_of(store, &caller, audit::commit_id()).await?;
        commit.preconditions = vec![record.unchanged()];
        commit.documents = replacement(store, clock, customer, totp, code).await?;
        commit.documents.extend([found.deletion(), kept]);
        commit.documents.extend(counter::forget(store, email.normal()));
        commit.documents.extend(Sessions::end_all(store, customer).await?);
        let act = changed(customer, "second factor, after the staff's approval");
        commit.documents.push(audit::row(store, clock, &caller, act).await?);
        match store.commit(&commit).await {
            Ok(_) => Ok(codes),
            Err(BankError::Unmet(_)) => Err(NewFactorRefused::Over),
            Err(error) => Err(error.into()),
        }
    }

    /// The write that makes a link lead nowhere.
    pub(super) fn end(customer: Id<Customer>) -> DocumentWrite {
        let (table, key) = (Self::TABLE, customer.bytes().to_vec());
        DocumentWrite { table, key, ..DocumentWrite::default() }
    }
}

/// The recovery of who has shown the password, and the secret of the app.
async fn find(
    store: &Store,
    clock: &dyn Clock,
    onward: &Link,
) -> Result<(Found<FactorRecoveries>, TotpSecret), NewFactorRefused> {
    let found: Option<Found<FactorRecoveries>> = store.get(&onward.customer().bytes()).await?;
    let found = found.filter(|found| {
        let proved = found.row.open.proved.as_ref();
        proved.is_some_and(|proved| {
            onward.is_of(&proved.link_hash) && clock.now().0 < proved.expires_at.0
        })
    });
    let found = found.ok_or(NewFactorRefused::Over)?;
    let sealed = found.row.profile.as_known().cloned().ok_or(NewFactorRefused::Over)?;
    Ok((found, sealed.mfa_secret))
}
