//! Orders that may come twice and get one answer, whatever it was: the transfer that was begun, or the refusal. What
//! an order came to is kept under the key that who asked chose for it, sealed as theirs; if it was begun, in the
//! commit of the hold.
//!
//! What a page sends after a mistake was mended is the same order still, so pages keep no refusals; programs send
//! another order under another key.

use super::order::{
    Answered, Initiated, KEPT_FOR, NewTransfer, Orderer, RequestKey, TransferRefused,
};
use super::record::{RequestOpen, RequestSealed, Requests};
use super::transfer::{Order, initiate_once};
use crate::audit::{self, Act, Action};
use crate::bank::Bank;
use crate::clock::after;
use crate::error::BankError;
use crate::id::{Id, Transaction};
use crate::store::{Found, Held, Row, Store};
use crate::vault::Subject;
use florin_ledger::DocumentWrite;
use florin_ledger::commit::Unmet;
use florin_ledger::document::DocumentCondition;
use serde::{Deserialize, Serialize};

/// The same order at the same time, in other adapters.
const TRIES_MAX: usize = 8;

/// Why an order was refused for good: by what the bank knew then, whatever it knows later.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// There was not enough on the account.
    InsufficientFunds,
    /// An account was suspended or closed.
    Closed,
    /// A currency was another.
    Currency,
    /// There was no way to the payee's bank.
    RailUnavailable,
    /// It was more than the account may send in a day.
    DailyLimit,
    /// Or in a month.
    MonthlyLimit,
}

impl Refusal {
    /// What is kept of a refusal; `None` if the same order may be tried again.
    fn of(refused: &TransferRefused) -> Option<Refusal> {
        match refused {
            TransferRefused::InsufficientFunds => Some(Refusal::InsufficientFunds),
            TransferRefused::Closed => Some(Refusal::Closed),
            TransferRefused::Currency => Some(Refusal::Currency),
            TransferRefused::RailUnavailable => Some(Refusal::RailUnavailable),
            TransferRefused::DailyLimit => Some(Refusal::DailyLimit),
            TransferRefused::MonthlyLimit => Some(Refusal::MonthlyLimit),
            _ => None,
        }
    }

    fn refused(self) -> TransferRefused {
        match self {
            Refusal::InsufficientFunds => TransferRefused::InsufficientFunds,
            Refusal::Closed => TransferRefused::Closed,
            Refusal::Currency => TransferRefused::Currency,
            Refusal::RailUnavailable => TransferRefused::RailUnavailable,
            Refusal::DailyLimit => TransferRefused::DailyLimit,
            Refusal::MonthlyLimit => TransferRefused::MonthlyLimit,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Refusal::InsufficientFunds => "insufficient_funds",
            Refusal::Closed => "closed",
            Refusal::Currency => "currency",
            Refusal::RailUnavailable => "rail_unavailable",
            Refusal::DailyLimit => "daily_limit",
            Refusal::MonthlyLimit => "monthly_limit",
        }
    }
}

impl RequestKey {
    /// The key of an order by the name that a program gives it.
    #[must_use]
    pub fn named(name: &str) -> RequestKey {
        let hash = blake3::derive_key("florin bank 1 name of an order", name.as_bytes());
        let text = data_encoding::HEXLOWER.encode(&hash[..16]);
        text.parse().expect("a key is sixteen bytes")
    }
}

/// What a kept order came to.
pub(super) fn outcome(
    row: &Row<Requests>,
) -> Result<Result<Initiated, TransferRefused>, BankError> {
    let RequestOpen { transaction_id, transaction_ref, .. } = &row.open;
    if let (Some(transaction), Some(reference)) = (transaction_id, transaction_ref) {
        return Ok(Ok(Initiated { transaction: *transaction, reference: reference.clone() }));
    }
    let refusal = row.statutory.as_known().and_then(|sealed| sealed.refusal);
    let refusal = refusal.ok_or(BankError::Damaged(crate::tables::REQUESTS))?;
    Ok(Err(refusal.refused()))
}

/// [Initiates](super::initiate) a transfer, or answers as before if the same order was given before, refusals too.
/// Returns when it is durable.
///
/// # Errors
/// In the answer.
pub async fn once(bank: &Bank, by: &Orderer, new: &NewTransfer) -> Answered {
    let answered = answered(bank, by, new, &Order::of(by, new)).await;
    answered.unwrap_or_else(|error| Answered::first(Err(error.into())))
}

async fn answered(
    bank: &Bank,
    by: &Orderer,
    new: &NewTransfer,
    order: &Order,
) -> Result<Answered, BankError> {
    for _ in 0..TRIES_MAX {
        let answered = initiate_once(bank, by, new, order).await?;
        let refusal = answered.outcome.as_ref().err().and_then(Refusal::of);
        let Some(refusal) = refusal.filter(|_| !answered.is_repeated) else { return Ok(answered) };
        match keep(bank, by, order, refusal).await {
            Ok(()) => return Ok(answered),
            // Another was first: that one's answer it is.
            Err(BankError::Unmet(Unmet::Write { .. })) => {}
            // The login is over: nothing of it is answered, nor kept.
            Err(BankError::Unmet(_)) => {
                return Ok(Answered::first(Err(TransferRefused::NoSuchAccount)));
            }
            Err(error) => return Err(error),
        }
    }
    Err(BankError::Contended)
}

/// The transaction that was begun under a key, whatever was asked for.
///
/// # Errors
/// [`BankError`].
pub async fn ordered_before(
    store: &Store,
    by: &Orderer,
    new: &NewTransfer,
) -> Result<Option<Id<Transaction>>, BankError> {
    let found: Option<Found<Requests>> = store.get(&Order::of(by, new).request).await?;
    Ok(found.and_then(|found| found.row.open.transaction_id))
}

/// Keeps a refusal, with an audit row.
async fn keep(bank: &Bank, by: &Orderer, order: &Order, refusal: Refusal) -> Result<(), BankError> {
    let Bank { store, clock, .. } = bank;
    let row = Row::<Requests> {
        open: RequestOpen { user_id: by.customer, transaction_id: None, transaction_ref: None },
        profile: Held::Absent,
        statutory: Held::Known(RequestSealed {
            meaning: order.meaning.clone(),
            refusal: Some(refusal),
        }),
    };
    let write = store.write(&order.request, &row, DocumentCondition::Absent).await?;
    let act = Act {
        action: Action::Transaction,
        entity: "USER",
        entity_id: by.customer.to_string(),
        subject: Subject::Customer(by.customer),
        old: None,
        new: Some(serde_json::json!({"refused": refusal.name()})),
    };
    let mut commit = audit::commit_of(store, &by.caller, audit::commit_id()).await?;
    commit.preconditions.clone_from(&by.authority);
    commit.documents = vec![
        DocumentWrite { expires: after(clock.now(), KEPT_FOR), ..write },
        audit::row(store, &**clock, &by.caller, act).await?,
    ];
    store.commit(&commit).await.map(drop)
}
