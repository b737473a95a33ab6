//! Step-up: an order that a login alone does not allow, and the proof that the customer wants this one.
//!
//! - A challenge is bound to what was asked for (accounts, payee, amount, currency, words) and to the login that asked.
//!   Any other order is not what it was proved for.
//! - It is proved by a code of the authenticator app, or one that was sent by message for it alone and names amount and
//!   payee, and no recovery code, within two minutes, and spent in the commit of the hold: one proof, one order.

use super::order::{Destination, NewTransfer, Orderer};
use super::payee;
use crate::accounts::account_end;
use crate::audit::{self, Act, Action};
use crate::bank::Bank;
use crate::clock::{Clock, UnixNs, after};
use crate::customers::{self, Accepted, FactorRefused, SentCode};
use crate::error::BankError;
use crate::id::{Account, Challenge, Customer, Id, Login};
use crate::money::Currency;
use crate::notify::{self, Letter, PAYMENT_CODE, Place, SmsUse, take_sms};
use crate::store::{Found, Held, Kind, Row, Store};
use crate::tables;
use crate::vault::Subject;
use florin_ledger::document::{DocumentCondition, WriteResult};
use florin_ledger::{DocumentWrite, TableId};
use serde::{Deserialize, Serialize};

/// How long a challenge is good for.
const GOOD_FOR: u64 = PAYMENT_CODE;

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
    /// What a message says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order: Option<OrderInWords>,
    /// Of a code that was sent for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code_hash: Option<String>,
}

/// What a message says of an order.
#[derive(Clone, Serialize, Deserialize)]
struct OrderInWords {
    amount_cents: u64,
    currency_code: Currency,
    payee: String,
    account_end: String,
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
    destination: Id<Account>,
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
        profile: Held::Known(ChallengeSealed {
            meaning: new.meaning(),
            order: in_words(store, by, new, destination).await?,
            code_hash: None,
        }),
        statutory: Held::Absent,
    };
    let write = store.write(&challenge.bytes(), &row, DocumentCondition::Absent).await?;
    let write = DocumentWrite { expires, ..write };
    match store.client().write_documents(&[write]).await?.first() {
        Some(WriteResult::Written(_)) => Ok(challenge),
        other => Err(BankError::odd(&other)),
    }
}

/// Why no code is sent.
#[derive(Debug, thiserror::Error)]
pub enum SendCodeRefused {
    /// There is no such challenge, it is another's, or its time is over.
    #[error("this took too long: begin again")]
    NoSuchChallenge,
    /// They have not chosen codes by message.
    #[error("choose codes by message first")]
    NotChosen,
    /// Too many messages were sent, to them, to their number or altogether.
    #[error("too many messages were sent: try again in an hour")]
    TooMany,
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

/// Sends a code by message that proves a challenge, and nothing else, and says what it is for. One that was sent before
/// is good for nothing any more.
///
/// # Errors
/// [`SendCodeRefused`].
pub async fn send_code(
    bank: &Bank,
    by: &Orderer,
    challenge: Id<Challenge>,
) -> Result<(), SendCodeRefused> {
    let Bank { store, clock, options, .. } = bank;
    let found = find(store, &**clock, by, challenge).await?;
    let found = found.filter(|found| !found.row.open.is_proved);
    let found = found.ok_or(SendCodeRefused::NoSuchChallenge)?;
    let number = customers::number_for_codes(bank, by.customer).await?;
    let number = number.ok_or(SendCodeRefused::NotChosen)?;
    let sealed = found.row.profile.as_known().cloned();
    let sealed = sealed.ok_or(SendCodeRefused::NoSuchChallenge)?;
    let order = sealed.order.clone().ok_or(SendCodeRefused::NoSuchChallenge)?;
    let (now, limit) = (clock.now(), options.sms_per_hour);
    if !take_sms(store, now, SmsUse::Code, by.customer, &number, limit).await? {
        return Err(SendCodeRefused::TooMany);
    }
    let code = customers::new_code();
    let code_hash = Some(customers::code_hash(store, &name_of_code(challenge), &code));
    let expires = found.row.open.expires_at.into();
    let row = Row::<Challenges> {
        open: found.row.open.clone(),
        profile: Held::Known(ChallengeSealed { code_hash, ..sealed }),
        statutory: Held::Absent,
    };
    let write = store.write(&found.key, &row, found.condition()).await?;
    let OrderInWords { amount_cents, currency_code, payee, account_end } = order;
    let currency = currency_code;
    let letter = Letter::PaymentCode { code, amount_cents, currency, payee, account_end };
    let act = Act {
        action: Action::Update,
        entity: "CHALLENGE",
        entity_id: challenge.to_string(),
        subject: Subject::Customer(by.customer),
        old: None,
        new: Some(serde_json::json!({"code": "sent"})),
    };
    let mut commit = audit::commit_of(store, &by.caller, audit::commit_id()).await?;
    commit.preconditions.clone_from(&by.authority);
    let place = Place::Phone(Some(number));
    commit.documents = vec![
        DocumentWrite { expires, ..write },
        notify::put_by(store, now, by.customer, place, letter).await?,
        audit::row(store, &**clock, &by.caller, act).await?,
    ];
    match store.commit(&commit).await {
        Ok(_) => Ok(()),
        // It was proved at the same time, or the login is over.
        Err(BankError::Unmet(_)) => Err(SendCodeRefused::NoSuchChallenge),
        Err(error) => Err(error.into()),
    }
}

/// What a code that is sent for a challenge is called.
fn name_of_code(challenge: Id<Challenge>) -> String {
    format!("payment {challenge}")
}

/// What a message says of an order; `None` if its amount is none that can be moved.
async fn in_words(
    store: &Store,
    by: &Orderer,
    new: &NewTransfer,
    destination: Id<Account>,
) -> Result<Option<OrderInWords>, BankError> {
    let payee = match new.destination {
        Destination::Account(_) => None,
        Destination::Payee(payee) => payee::find(store, by.customer, payee).await?,
    };
    let payee = payee.and_then(|payee| payee.row.profile.known()).map(|payee| payee.name);
    let account_end = match account_end(store, destination).await {
        Err(BankError::Erased) => return Ok(None),
        account_end => account_end?,
    };
    Ok(u64::try_from(new.money.cents).ok().map(|amount_cents| OrderInWords {
        amount_cents,
        currency_code: new.money.currency,
        payee: payee.unwrap_or_default(),
        account_end,
    }))
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
    let meant_for = name_of_code(challenge);
    let hash = found.row.profile.as_known().and_then(|sealed| sealed.code_hash.as_deref());
    let sent = hash.map(|hash| SentCode { meant_for: &meant_for, hash });
    let (caller, customer) = (&by.caller, by.customer);
    let proof =
        customers::prove_with(store, clock, caller, customer, (code, sent), Accepted::App).await;
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
