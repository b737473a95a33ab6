//! Orders of the staff that get one answer, however often they come ([`crate::staff::Order`]): that they were done, and
//! a refusal with the status 409 or 422 alike.

use super::super::idempotency::{self, REPLAYED};
use super::super::problem::{Code, Problem};
use crate::bank::Bank;
use crate::error::BankError;
use crate::staff::{Before, Clerk, Forbidden, Order, Role};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use florin_ledger::commit::Unmet;

/// What is ordered: which operation, what it means, and who may order it at all.
pub(super) struct Wanted<'a> {
    pub(super) operation: &'static str,
    pub(super) meaning: &'a str,
    pub(super) roles: &'a [Role],
    /// The answer once it is done.
    pub(super) done: StatusCode,
}

/// Does what is ordered, or answers as before if the same was ordered before.
///
/// # Errors
/// What is in the way, if the same may be ordered again.
pub(super) async fn once(
    bank: &Bank,
    clerk: Clerk,
    headers: &HeaderMap,
    wanted: Wanted<'_>,
    work: impl AsyncFnOnce(&Clerk) -> Result<(), Problem>,
) -> Result<Response, Problem> {
    let Wanted { operation, meaning, roles, done } = wanted;
    let request = idempotency::key(headers, operation)?;
    clerk.needs(roles)?;
    let order = Order::new(&clerk, request, meaning);
    if let Some(answer) = before(bank, &order, done).await? {
        return Ok(answer);
    }
    let clerk = clerk.ordering(bank, &order).await?;
    let Err(problem) = work(&clerk).await else { return Ok(done.into_response()) };
    // The same at the same time may be what is in the way.
    if let Some(answer) = before(bank, &order, done).await? {
        return Ok(answer);
    }
    let is_kept =
        matches!(problem.code.status(), StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY);
    if !is_kept {
        return Err(problem);
    }
    match order.refuse(bank, &clerk, problem.code.name()).await {
        Ok(()) => Err(problem),
        // Another was first: that one's answer it is.
        Err(BankError::Unmet(Unmet::Write { .. })) => {
            Ok(before(bank, &order, done).await?.unwrap_or_else(|| problem.into_response()))
        }
        Err(BankError::Unmet(_)) => Err(Forbidden.into()),
        Err(error) => Err(error.into()),
    }
}

/// The answer of before, if there is one.
async fn before(
    bank: &Bank,
    order: &Order,
    done: StatusCode,
) -> Result<Option<Response>, BankError> {
    let mut answer = match order.before(&bank.store).await? {
        None => return Ok(None),
        Some(Before::Another) => {
            return Ok(Some(Problem::from(Code::IdempotencyKeyReused).into_response()));
        }
        Some(Before::Done) => done.into_response(),
        Some(Before::Refused(name)) => {
            let code = Code::ALL.iter().find(|code| code.name() == name);
            let code = *code.ok_or(BankError::Damaged(crate::tables::STAFF_REQUESTS))?;
            Problem::from(code).into_response()
        }
    };
    answer.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(Some(answer))
}
