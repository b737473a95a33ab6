//! Suspending accounts, and lifting it. Both may be sent again: an account that is suspended stays so.

use super::super::answers::SuspendProblems;
use super::super::app::Desk;
use super::super::json::Body;
use super::super::path::Named;
use super::super::problem::Problem;
use super::ReasonRequest;
use crate::accounts;
use crate::bank::Bank;
use crate::id::{Account, Id};
use axum::extract::State;
use axum::http::StatusCode;
use std::sync::Arc;

/// Suspends an account: nothing of its owner's leaves it, and what is held comes back.
#[utoipa::path(
    post, path = "/staff/accounts/{account_id}/suspension", operation_id = "suspend_account", tag = "Staff",
    request_body = ReasonRequest,
    params(("account_id" = String, Path)),
    responses(
        (status = 204, description = "It is suspended"),
        SuspendProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn suspend(
    State(bank): State<Arc<Bank>>,
    Desk(clerk): Desk,
    Named(account): Named<Id<Account>>,
    Body(request): Body<ReasonRequest>,
) -> Result<StatusCode, Problem> {
    accounts::suspend(&bank, &clerk, account, &request.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lifts the suspension of an account.
#[utoipa::path(
    post, path = "/staff/accounts/{account_id}/reinstatement", operation_id = "reinstate_account", tag = "Staff",
    request_body = ReasonRequest,
    params(("account_id" = String, Path)),
    responses(
        (status = 204, description = "It is suspended no more"),
        SuspendProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn reinstate(
    State(bank): State<Arc<Bank>>,
    Desk(clerk): Desk,
    Named(account): Named<Id<Account>>,
    Body(request): Body<ReasonRequest>,
) -> Result<StatusCode, Problem> {
    accounts::resume(&bank, &clerk, account, &request.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}
