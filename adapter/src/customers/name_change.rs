//! Another name: asked for by the customer, or by the staff for them, and approved by a member of the staff who did not
//! ask.
//!
//! - A name is what others check a payee by, and what the law wants to be kept, so nobody changes it alone. A customer
//!   asks with password and app; whoever approves has seen the paper that proves it, and the very name that is asked
//!   for.
//! - What is asked for waits in the proposal, sealed as the law says. It is shown where looking is on record.
//! - The customer is told when it is asked for, whoever does, and when it is done.

use super::factor::Accepted;
use super::name::PersonName;
use super::password::Passwords;
use super::record::{CustomerOpen, Customers, Identity, Profile, active_customer, email_of};
use super::session::Token;
use super::step_up::{ChangeRefused, Proved, StepUp, committed};
use crate::audit::{self, Act, Action, Caller};
use crate::bank::Bank;
use crate::clock::Clock;
use crate::error::BankError;
use crate::id::{Customer, Id};
use crate::line;
use crate::notify::{self, Addressee, Letter};
use crate::staff::{
    Clerk, Forbidden, Matter, ProposalReason, ProposalRefused, WantedName, Wish, approval, ask,
    proposal, propose,
};
use crate::store::{Found, Held, Row, Store};
use crate::vault::Subject;
use florin_ledger::DocumentWrite;

/// Read, decide, commit: again as long as others change what was read.
const TRIES_MAX: usize = 8;

/// What somebody is to be called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewName {
    /// The first.
    pub first: PersonName,
    /// The last.
    pub last: PersonName,
}

/// Why a name is not changed, nor asked for. Nothing happened.
#[derive(Debug, thiserror::Error)]
pub enum NameChangeRefused {
    /// There is no such customer.
    #[error("there is no such customer")]
    NoSuchCustomer,
    /// It is what they are called.
    #[error("this is the name on record already")]
    Same,
    /// What is said of the proposal.
    #[error("{0}")]
    Proposal(ProposalRefused),
    /// The customer has not proved themselves.
    #[error("{0}")]
    Change(ChangeRefused),
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

impl From<ProposalRefused> for NameChangeRefused {
    fn from(refused: ProposalRefused) -> NameChangeRefused {
        match refused {
            ProposalRefused::Bank(error) => error.into(),
            refused => NameChangeRefused::Proposal(refused),
        }
    }
}

impl From<ChangeRefused> for NameChangeRefused {
    fn from(refused: ChangeRefused) -> NameChangeRefused {
        match refused {
            ChangeRefused::Bank(error) => error.into(),
            refused => NameChangeRefused::Change(refused),
        }
    }
}

/// Asks for another name, for a login that proves itself again: a member of the staff must approve it. Returns with the
/// token under which the login goes on, when that is durable.
///
/// # Errors
/// [`NameChangeRefused`].
pub async fn ask_for_name(
    store: &Store,
    clock: &dyn Clock,
    passwords: &Passwords,
    caller: &Caller,
    step_up: StepUp<'_>,
    name: &NewName,
    reason: &str,
) -> Result<Token, NameChangeRefused> {
    let customer = step_up.login.user_id;
    let reason = line::reason(reason).ok_or(ProposalRefused::Reason)?;
    let record = nameable(store, customer, name).await?;
    let matter = Matter::NameChange(customer);
    // Before a code is spent on it.
    if proposal(store, matter).await?.is_some() {
        return Err(ProposalRefused::AlreadyProposed.into());
    }
    let proved = step_up.prove(store, clock, passwords, caller, Accepted::App).await?;
    let Proved { mut commit, token, .. } = proved;
    let sealed = ProposalReason { reason: String::from(reason), name: Some(wanted(name)) };
    ask(store, clock, caller, matter, customer, sealed, &mut commit).await?;
    commit.preconditions.push(record.unchanged());
    commit.documents.push(told(store, clock, &record, Letter::NameChangeAsked).await?);
    committed(store, &commit).await?;
    Ok(token)
}

/// Asks for a customer to be called otherwise, which another member of the staff must approve. Returns when that is
/// durable.
///
/// # Errors
/// [`NameChangeRefused`].
pub async fn request_name_change(
    bank: &Bank,
    clerk: &Clerk,
    customer: Id<Customer>,
    name: &NewName,
    reason: &str,
) -> Result<(), NameChangeRefused> {
    let Bank { store, clock, .. } = bank;
    let matter = Matter::NameChange(customer);
    clerk.needs(matter.makers()).map_err(ProposalRefused::from)?;
    let record = nameable(store, customer, name).await?;
    let beside = vec![told(store, &**clock, &record, Letter::NameChangeAsked).await?];
    let unchanged = vec![record.unchanged()];
    let wish =
        Wish { matter, user_id: customer, reason, name: Some(wanted(name)), unchanged, beside };
    Ok(propose(bank, clerk, wish).await?)
}

/// Calls a customer what was asked for. Returns when that is durable.
///
/// # Errors
/// [`NameChangeRefused`].
pub async fn approve_name_change(
    bank: &Bank,
    clerk: &Clerk,
    customer: Id<Customer>,
) -> Result<(), NameChangeRefused> {
    let Bank { store, clock, .. } = bank;
    for _ in 0..TRIES_MAX {
        let approval = approval(bank, clerk, Matter::NameChange(customer)).await?;
        let (name, mut commit) = (approval.name, approval.commit);
        let name = name.ok_or(BankError::Damaged(crate::tables::STAFF_PROPOSALS))?;
        let record = active(store, customer).await?;
        let (renamed, act) = renamed(&record, &**clock, name)?;
        commit.documents.extend([
            store.write(&record.key, &renamed, record.condition()).await?,
            audit::row(store, &**clock, clerk.caller(), act).await?,
            told(store, &**clock, &record, Letter::NameChanged).await?,
        ]);
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

fn wanted(name: &NewName) -> WantedName {
    WantedName {
        first_name: String::from(name.first.text()),
        last_name: String::from(name.last.text()),
    }
}

async fn active(
    store: &Store,
    customer: Id<Customer>,
) -> Result<Found<Customers>, NameChangeRefused> {
    active_customer(store, customer).await?.ok_or(NameChangeRefused::NoSuchCustomer)
}

/// The customer, if it is another name than theirs.
async fn nameable(
    store: &Store,
    customer: Id<Customer>,
    name: &NewName,
) -> Result<Found<Customers>, NameChangeRefused> {
    let found = active(store, customer).await?;
    let profile = found.row.profile.as_known().ok_or(NameChangeRefused::NoSuchCustomer)?;
    let is_same = profile.first_name == name.first.text() && profile.last_name == name.last.text();
    if is_same { Err(NameChangeRefused::Same) } else { Ok(found) }
}

/// The customer as they are called from now on, and what is put on record of it.
fn renamed(
    record: &Found<Customers>,
    clock: &dyn Clock,
    WantedName { first_name, last_name }: WantedName,
) -> Result<(Row<Customers>, Act), NameChangeRefused> {
    let profile = record.row.profile.as_known().ok_or(NameChangeRefused::NoSuchCustomer)?;
    let identity = record.row.statutory.as_known().ok_or(NameChangeRefused::NoSuchCustomer)?;
    let customer = record.row.open.user_id;
    let values =
        |first: &str, last: &str| serde_json::json!({"first_name": first, "last_name": last});
    let act = Act {
        action: Action::Update,
        entity: "USER",
        entity_id: customer.to_string(),
        subject: Subject::Customer(customer),
        old: Some(values(&profile.first_name, &profile.last_name)),
        new: Some(values(&first_name, &last_name)),
    };
    let row = Row::<Customers> {
        open: CustomerOpen { updated_at: clock.now().into(), ..record.row.open.clone() },
        statutory: Held::Known(Identity {
            first_name: first_name.clone(),
            last_name: last_name.clone(),
            ..identity.clone()
        }),
        profile: Held::Known(Profile { first_name, last_name, ..profile.clone() }),
    };
    Ok((row, act))
}

/// The write that tells a customer.
async fn told(
    store: &Store,
    clock: &dyn Clock,
    record: &Found<Customers>,
    letter: Letter,
) -> Result<DocumentWrite, BankError> {
    let addressee = Addressee { customer: record.row.open.user_id, to: email_of(record) };
    notify::put(store, clock.now(), &addressee, letter).await
}
