//! Step-up: an order that a login alone does not allow, and the proof that the customer wants this one.
//!
//! - A challenge is bound to what was asked for (accounts, payee, amount, currency, words) and to the login that asked.
//!   Any other order is not what it was proved for.
//! - It is proved by a code of the authenticator app, and no recovery code, within two minutes, and spent in the commit
//!   of the hold: one proof, one order.

use super::order::{NewTransfer, Orderer};
use crate::audit::{self, Act, Action};
use crate::clock::{Clock, SECOND, UnixNs, after};
use crate::customers::{self, Accepted, FactorRefused};
use crate::error::BankError;
use crate::id::{Challenge, Customer, Id, Login};
use crate::store::{Found, Held, Kind, Row, Store};
use crate::tables;
use crate::vault::Subject;
use florin_ledger::document::{DocumentCondition, WriteResult};
use florin_ledger::{DocumentWrite, TableId};
use serde::{Deserialize, Serialize};

/// How long a challenge is good for.
const GOOD_FOR: u64 = 120 * SECOND;

/// Challenges.
pub(super) enum Challenges {}

/// What is not personal.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct ChallengeOpen {
    user_id: Id<Customer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session_id: Option<Id<Login>>,
    expires_at: UnixNs,
    is_proved: bool,
}

/// What it is bound to.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct ChallengeSealed {
    /// The order as a hash, in base 64.
    meaning: String,
}

impl Kind for Challenges {
    const TABLE: TableId = tables::CHALLENGES;
    type Open = ChallengeOpen;
    type Profile = ChallengeSealed;
    type Statutory = ();

    fn subject(open: &ChallengeOpen) -> Subject {
        Subject::Customer(open.user_id)
    }
}

/// Why a challenge is not proved.
#[derive(Debug, thiserror::Error)]
pub enum ProveRefused {
    /// There is none, it is another's, or its time is over.
    #[error("this took too long: begin again")]
    NoSuchChallenge,
    /// The code is wrong, or was used, or too many were tried.
    #[error("that code does not match")]
    NoMatch,
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

/// Asks a customer to prove that they want an order.
pub(super) async fn ask(
    store: &Store,
    clock: &dyn Clock,
    by: &Orderer,
    new: &NewTransfer,
) -> Result<Id<Challenge>, BankError> {
    let now = clock.now();
    let challenge = Id::<Challenge>::at(now);
    let expires = after(now, GOOD_FOR);
    let row = Row::<Challenges> {
        open: ChallengeOpen {
            user_id: by.customer,
            session_id: by.caller.login,
            expires_at: expires.into(),
            is_proved: false,
        },
        profile: Held::Known(ChallengeSealed { meaning: new.meaning() }),
        statutory: Held::Absent,
    };
    let write = store.write(&challenge.bytes(), &row, DocumentCondition::Absent).await?;
    let write = DocumentWrite { expires, ..write };
    match store.client().write_documents(&[write]).await?.first() {
        Some(WriteResult::Written(_)) => Ok(challenge),
        other => Err(BankError::odd(&other)),
    }
}

/// Proves a challenge by a code of the second factor. Returns when that is durable.
///
/// # Errors
/// [`ProveRefused`].
pub async fn prove(
    store: &Store,
    clock: &dyn Clock,
    by: &Orderer,
    challenge: Id<Challenge>,
    code: &str,
) -> Result<(), ProveRefused> {
    let found = find(store, clock, by, challenge).await?.ok_or(ProveRefused::NoSuchChallenge)?;
    // Sent twice: it is proved, and still good for its order alone.
    if found.row.open.is_proved {
        return Ok(());
    }
    let proof = customers::prove(store, clock, &by.caller, by.customer, code, Accepted::App).await;
    let proof = match proof {
        Ok(proof) => proof,
        Err(FactorRefused::NoMatch) => return Err(ProveRefused::NoMatch),
        Err(FactorRefused::Bank(error)) => return Err(error.into()),
    };
    let act = Act {
        action: Action::Update,
        entity: "CHALLENGE",
        entity_id: challenge.to_string(),
        subject: Subject::Customer(by.customer),
        old: None,
        new: Some(serde_json::json!({"is_proved": true})),
    };
    let mut commit = audit::commit_of(store, &by.caller, audit::commit_id()).await?;
    commit.preconditions.clone_from(&by.authority);
    let expires = found.row.open.expires_at.into();
    let (key, condition) = (found.key.clone(), found.condition());
    let open = ChallengeOpen { is_proved: true, ..found.row.open };
    let proved = Row::<Challenges> { open, ..found.row };
    let proved = store.write(&key, &proved, condition).await?;
    commit.documents.push(DocumentWrite { expires, ..proved });
    commit.documents.push(audit::row(store, clock, &by.caller, act).await?);
    proof.join(&mut commit);
    match store.commit(&commit).await {
        Ok(_) => Ok(()),
        // The code or the challenge was used at the same time.
        Err(BankError::Unmet(_)) => Err(ProveRefused::NoMatch),
        Err(error) => Err(error.into()),
    }
}

/// The deletion that spends a challenge, if it was proved for just this order.
pub(super) async fn spent(
    store: &Store,
    clock: &dyn Clock,
    by: &Orderer,
    new: &NewTransfer,
) -> Result<Option<DocumentWrite>, BankError> {
    let Some(challenge) = new.challenge else { return Ok(None) };
    let Some(found) = find(store, clock, by, challenge).await? else { return Ok(None) };
    let is_bound = found.row.profile.as_known().is_some_and(|it| it.meaning == new.meaning());
    Ok((found.row.open.is_proved && is_bound).then(|| found.deletion()))
}

/// A challenge that is good still, of the login that asked.
async fn find(
    store: &Store,
    clock: &dyn Clock,
    by: &Orderer,
    challenge: Id<Challenge>,
) -> Result<Option<Found<Challenges>>, BankError> {
    let found: Option<Found<Challenges>> = store.get(&challenge.bytes()).await?;
    Ok(found.filter(|found| {
        let open = &found.row.open;
        open.user_id == by.customer
            && open.session_id == by.caller.login
            && clock.now().0 < open.expires_at.0
    }))
}
