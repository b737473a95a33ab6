//! Transfers that wait for somebody to look at them.

use super::super::answers::{CaseProblems, StaffProblems};
use super::super::app::Desk;
use super::super::json::Body;
use super::super::path::Named;
use super::super::problem::Problem;
use super::super::time::Time;
use super::order::{Wanted, once};
use crate::bank::Bank;
use crate::id::{Case, Id};
use crate::payments::review::{self, CaseVerdict, Cases, REVIEWERS};
use crate::store::Found;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// A transfer that waits.
#[derive(Serialize, ToSchema)]
pub(super) struct CaseResponse {
    #[schema(example = "cas_01jdsh2m0v9x3f4t8kzq6w5r7n")]
    case_id: String,
    transaction_id: String,
    source_account_id: String,
    /// The customer who ordered it.
    customer_id: String,
    /// The rule that asked for it.
    #[schema(example = "new_payee_much")]
    reason: String,
    opened_at: Time,
}

/// What waits.
#[derive(Serialize, ToSchema)]
pub(super) struct CasesResponse {
    /// Oldest first.
    data: Vec<CaseResponse>,
}

/// Transfers that wait for somebody to decide.
#[utoipa::path(
    get, path = "/staff/cases", operation_id = "list_cases", tag = "Staff",
    responses(
        (status = 200, description = "What waits", body = CasesResponse),
        StaffProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn all(
    State(bank): State<Arc<Bank>>,
    Desk(_): Desk,
) -> Result<Json<CasesResponse>, Problem> {
    let found = review::waiting(&bank.store).await?;
    Ok(Json(CasesResponse { data: found.iter().map(response).collect() }))
}

fn response(found: &Found<Cases>) -> CaseResponse {
    let open = &found.row.open;
    CaseResponse {
        case_id: open.case_id.to_string(),
        transaction_id: open.transaction_id.to_string(),
        source_account_id: open.source_account_id.to_string(),
        customer_id: open.initiated_by.to_string(),
        reason: open.reason.clone(),
        opened_at: open.opened_at.into(),
    }
}

/// What somebody decides.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Verdict {
    /// The transfer may go on.
    Approve,
    /// It may not: its money comes back.
    Reject,
}

/// A decision.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DecisionRequest {
    verdict: Verdict,
}

/// Decides about a transfer that waits, once. It ends soon after.
#[utoipa::path(
    post, path = "/staff/cases/{case_id}/decision", operation_id = "decide_case", tag = "Staff",
    request_body = DecisionRequest,
    params(
        ("case_id" = String, Path),
        (
            "Idempotency-Key" = String, Header, description = "Names the request, 1 to 255 characters",
            pattern = "^[!-~]{1,255}$",
        ),
    ),
    responses(
        (status = 204, description = "It is decided"),
        CaseProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn decide(
    State(bank): State<Arc<Bank>>,
    Desk(clerk): Desk,
    Named(case): Named<Id<Case>>,
    headers: HeaderMap,
    Body(request): Body<DecisionRequest>,
) -> Result<Response, Problem> {
    let verdict = match request.verdict {
        Verdict::Approve => CaseVerdict::Approve,
        Verdict::Reject => CaseVerdict::Reject,
    };
    let meaning = format!("{case} {verdict:?}");
    let wanted = Wanted {
        operation: "POST /v1/staff/cases/decision",
        meaning: &meaning,
        roles: &REVIEWERS,
        done: StatusCode::NO_CONTENT,
    };
    once(&bank, clerk, &headers, wanted, async |clerk| {
        Ok(review::decide(&bank, clerk, case, verdict).await?)
    })
    .await
}
