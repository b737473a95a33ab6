//! Proving a customer's second factor again, for what a login alone does not allow.
//!
//! - An attempt is counted, durably, before a code is looked at; after five in a row nothing is looked at for a
//!   while ([`super::counter`]), and nobody is told which it was.
//! - A code is accepted once. That it is spent is part of the commit of what it allows, so what is not done spends
//!   nothing, and of two uses at the same time one takes effect.

use super::counter::{self, Counted};
use super::credentials::{Credentials, FactorUse, FactorUses};
use crate::audit::{self, Act, Action, Caller};
use crate::clock::Clock;
use crate::error::BankError;
use crate::id::{Customer, Id};
use crate::store::{Found, Row, Store};
use crate::vault::{BLIND_BYTES, Indexed, Subject};
use florin_ledger::commit::Precondition;
use florin_ledger::document::DocumentCondition;
use florin_ledger::{Commit, DocumentWrite};

/// That somebody has the second factor of a customer, for one commit.
#[derive(Clone, Debug)]
pub struct FactorProof {
    /// What it was proved by.
    preconditions: Vec<Precondition>,
    /// Spends the code, and forgets the attempts before.
    documents: Vec<DocumentWrite>,
}

impl FactorProof {
    /// Makes a commit take effect only if the code is still there to be spent, and spends it.
    pub fn join(self, commit: &mut Commit) {
        commit.preconditions.extend(self.preconditions);
        commit.documents.extend(self.documents);
    }
}

/// Why a code proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum FactorRefused {
    /// It is wrong, or was used, or too many were tried. Which it is, is nobody's to know.
    #[error("that code does not match")]
    NoMatch,
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

/// Looks at a code of a customer's second factor; what is proved takes effect with the commit that it joins.
///
/// # Errors
/// [`FactorRefused`].
pub async fn prove(
    store: &Store,
    clock: &dyn Clock,
    caller: &Caller,
    customer: Id<Customer>,
    code: &str,
) -> Result<FactorProof, FactorRefused> {
    // No address is written like this, so it is no login's counter.
    let name = format!("factor of {customer}");
    let name = store.vault().blind().of(Indexed::LoginIdentifier, &name);
    let counted = counter::count(store, &name, clock.now()).await?;
    if counted == Counted::Last {
        put_on_record(store, clock, caller, customer, Action::LoginLocked).await?;
    }
    match tried(store, clock, customer, &name, code).await? {
        Some(proof) if counted != Counted::Locked => Ok(proof),
        _ => {
            put_on_record(store, clock, caller, customer, Action::LoginFailed).await?;
            Err(FactorRefused::NoMatch)
        }
    }
}

/// What a code proves, if it is one that was not used.
async fn tried(
    store: &Store,
    clock: &dyn Clock,
    customer: Id<Customer>,
    name: &[u8; BLIND_BYTES],
    code: &str,
) -> Result<Option<FactorProof>, BankError> {
    let key = customer.bytes();
    let credentials: Option<Found<Credentials>> = store.get(&key).await?;
    let used: Option<Found<FactorUses>> = store.get(&key).await?;
    let Some(credentials) = credentials else { return Ok(None) };
    let newest = used.as_ref().map_or(0, |used| used.row.open.totp_step);
    let secret = credentials.row.profile.as_known().and_then(|it| it.mfa_secret.as_ref());
    let step = secret.and_then(|secret| secret.step_of(code.trim(), clock.now()));
    let Some(totp_step) = step.filter(|step| newest < *step) else { return Ok(None) };
    let condition = used.map_or(DocumentCondition::Absent, |used| used.condition());
    let spent = Row::<FactorUses>::open(FactorUse { totp_step });
    let spent = store.write(&key, &spent, condition).await?;
    Ok(Some(FactorProof {
        preconditions: vec![credentials.unchanged()],
        documents: vec![spent, counter::forget(name)],
    }))
}

async fn put_on_record(
    store: &Store,
    clock: &dyn Clock,
    caller: &Caller,
    customer: Id<Customer>,
    action: Action,
) -> Result<(), BankError> {
    let act = Act {
        action,
        entity: "USER",
        entity_id: customer.to_string(),
        subject: Subject::Customer(customer),
        old: None,
        new: Some(serde_json::json!({"tried": "second factor"})),
    };
    let mut commit = audit::commit_of(store, caller, audit::commit_id()).await?;
    commit.documents.push(audit::row(store, clock, caller, act).await?);
    store.commit(&commit).await.map(drop)
}
