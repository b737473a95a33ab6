//! What takes four eyes: one member of the staff asks for it, another approves it.

use super::super::answers::{ApproveProblems, ProposeProblems, RejectProblems, StaffProblems};
use super::super::app::Desk;
use super::super::json::Body;
use super::super::problem::Problem;
use super::super::time::Time;
use super::order::{Wanted, once};
use crate::bank::Bank;
use crate::customers::{
    approve_erasure, approve_factor_recovery, request_erasure, request_factor_recovery,
};
use crate::id::{Id, Proposed};
use crate::payments::{approve_reversal, request_reversal};
use crate::staff::{self, Clerk, Matter, Proposal, Proposals};
use crate::store::Found;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// What is asked for.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum MatterKind {
    /// That a transfer moves its money back.
    Reversal,
    /// That a customer is forgotten.
    Erasure,
    /// That a customer who has lost theirs may set up another second factor.
    FactorRecovery,
}

/// What is asked for, and of whom or what.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MatterRequest {
    matter: MatterKind,
    /// The id of the transaction, or of the customer.
    #[schema(example = "txn_01jdsh2m0v9x3f4t8kzq6w5r7n")]
    id: String,
    /// The proposal that was seen: send it, and no other that was made since is decided. Left out, it is whatever is
    /// asked for now.
    #[serde(default)]
    #[schema(example = "prp_01jdsh2m0v9x3f4t8kzq6w5r7n")]
    proposal_id: Option<String>,
}

impl MatterRequest {
    fn seen(&self) -> Result<Option<Id<Proposed>>, Problem> {
        let seen = self.proposal_id.as_deref().map(str::parse).transpose();
        seen.map_err(|error| Problem::improper("proposal_id", &error))
    }
}

/// What is asked for, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProposalRequest {
    matter: MatterKind,
    /// The id of the transaction, or of the customer.
    #[schema(example = "txn_01jdsh2m0v9x3f4t8kzq6w5r7n")]
    id: String,
    /// One line of at most 140 characters, all of them visible: for whoever decides.
    #[schema(min_length = 1, max_length = 140, example = "sent to the wrong account")]
    reason: String,
}

/// The matter of a request.
fn matter_of(kind: MatterKind, id: &str) -> Result<Matter, Problem> {
    let matter = match kind {
        MatterKind::Reversal => id.parse().map(Matter::Reversal),
        MatterKind::Erasure => id.parse().map(Matter::Erasure),
        MatterKind::FactorRecovery => id.parse().map(Matter::FactorRecovery),
    };
    matter.map_err(|error| Problem::improper("id", &error))
}

/// What a decision means; as before proposals had ids, where it names none.
fn meaning(matter: Matter, seen: Option<Id<Proposed>>) -> String {
    seen.map_or_else(|| format!("{matter:?}"), |seen| format!("{matter:?} {seen}"))
}

/// What somebody asks for.
#[derive(Serialize, ToSchema)]
pub(super) struct ProposalResponse {
    /// What a decision names.
    proposal_id: Option<String>,
    #[schema(inline)]
    matter: MatterKind,
    /// The id of the transaction, or of the customer.
    id: String,
    /// The customer whom it concerns.
    customer_id: String,
    /// Who asks.
    maker_id: String,
    reason: Option<String>,
    proposed_at: Time,
    /// Whether who reads this may approve it.
    may_approve: bool,
}

/// What waits for somebody to decide.
#[derive(Serialize, ToSchema)]
pub(super) struct ProposalsResponse {
    data: Vec<ProposalResponse>,
}

/// What members of the staff ask for, and nobody has decided.
#[utoipa::path(
    get, path = "/staff/proposals", operation_id = "list_proposals", tag = "Staff",
    responses(
        (status = 200, description = "What waits", body = ProposalsResponse),
        StaffProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn all(
    State(bank): State<Arc<Bank>>,
    Desk(clerk): Desk,
) -> Result<Json<ProposalsResponse>, Problem> {
    let found = staff::proposals(&bank.store).await?;
    let data = found.iter().map(|proposal| response(&clerk, proposal)).collect();
    Ok(Json(ProposalsResponse { data }))
}

fn response(clerk: &Clerk, found: &Found<Proposals>) -> ProposalResponse {
    let Proposal { matter, user_id, maker, proposed_at, proposal_id } = found.row.open;
    let (kind, id) = match matter {
        Matter::Reversal(id) => (MatterKind::Reversal, id.to_string()),
        Matter::Erasure(id) => (MatterKind::Erasure, id.to_string()),
        Matter::FactorRecovery(id) => (MatterKind::FactorRecovery, id.to_string()),
    };
    ProposalResponse {
        proposal_id: proposal_id.map(|id| id.to_string()),
        matter: kind,
        id,
        customer_id: user_id.to_string(),
        maker_id: maker.to_string(),
        reason: found.row.statutory.as_known().map(|sealed| sealed.reason.clone()),
        proposed_at: proposed_at.into(),
        may_approve: maker != clerk.id() && clerk.may(matter.checkers()),
    }
}

/// Asks for something that another member of the staff must approve.
#[utoipa::path(
    post, path = "/staff/proposals", operation_id = "propose", tag = "Staff", request_body = ProposalRequest,
    params((
        "Idempotency-Key" = String, Header, description = "Names the request, 1 to 255 characters",
        pattern = "^[!-~]{1,255}$",
    )),
    responses(
        (status = 201, description = "It waits for somebody else"),
        ProposeProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn propose(
    State(bank): State<Arc<Bank>>,
    Desk(clerk): Desk,
    headers: HeaderMap,
    Body(request): Body<ProposalRequest>,
) -> Result<Response, Problem> {
    let matter = matter_of(request.matter, &request.id)?;
    let reason = &request.reason;
    let meaning = format!("{matter:?} {reason}");
    let wanted = Wanted {
        operation: "POST /v1/staff/proposals",
        meaning: &meaning,
        roles: matter.makers(),
        done: StatusCode::CREATED,
    };
    once(&bank, clerk, &headers, wanted, async |clerk| match matter {
        Matter::Reversal(id) => Ok(request_reversal(&bank, clerk, id, reason).await?),
        Matter::Erasure(id) => Ok(request_erasure(&bank, clerk, id, reason).await?),
        Matter::FactorRecovery(id) => Ok(request_factor_recovery(&bank, clerk, id, reason).await?),
    })
    .await
}

/// Approves what another member of the staff asked for: it is done when the answer comes.
#[utoipa::path(
    post, path = "/staff/proposals/approve", operation_id = "approve", tag = "Staff", request_body = MatterRequest,
    params((
        "Idempotency-Key" = String, Header, description = "Names the request, 1 to 255 characters",
        pattern = "^[!-~]{1,255}$",
    )),
    responses(
        (status = 204, description = "It is done"),
        ApproveProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn approve(
    State(bank): State<Arc<Bank>>,
    Desk(clerk): Desk,
    headers: HeaderMap,
    Body(request): Body<MatterRequest>,
) -> Result<Response, Problem> {
    let (matter, seen) = (matter_of(request.matter, &request.id)?, request.seen()?);
    let (meaning, clerk) = (meaning(matter, seen), clerk.seeing(seen));
    let wanted = Wanted {
        operation: "POST /v1/staff/proposals/approve",
        meaning: &meaning,
        roles: matter.checkers(),
        done: StatusCode::NO_CONTENT,
    };
    once(&bank, clerk, &headers, wanted, async |clerk| match matter {
        Matter::Reversal(id) => Ok(approve_reversal(&bank, clerk, id).await?),
        Matter::Erasure(id) => Ok(approve_erasure(&bank, clerk, id).await?),
        Matter::FactorRecovery(id) => Ok(approve_factor_recovery(&bank, clerk, id).await?),
    })
    .await
}

/// Turns down what somebody asked for; whoever asked may do so too.
#[utoipa::path(
    post, path = "/staff/proposals/reject", operation_id = "reject", tag = "Staff", request_body = MatterRequest,
    params((
        "Idempotency-Key" = String, Header, description = "Names the request, 1 to 255 characters",
        pattern = "^[!-~]{1,255}$",
    )),
    responses(
        (status = 204, description = "Nobody asks for it any more"),
        RejectProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn reject(
    State(bank): State<Arc<Bank>>,
    Desk(clerk): Desk,
    headers: HeaderMap,
    Body(request): Body<MatterRequest>,
) -> Result<Response, Problem> {
    let (matter, seen) = (matter_of(request.matter, &request.id)?, request.seen()?);
    let (meaning, clerk) = (meaning(matter, seen), clerk.seeing(seen));
    let wanted = Wanted {
        operation: "POST /v1/staff/proposals/reject",
        meaning: &meaning,
        roles: &[matter.makers(), matter.checkers()].concat(),
        done: StatusCode::NO_CONTENT,
    };
    let work = async |clerk: &Clerk| Ok(staff::reject(&bank, clerk, matter).await?);
    once(&bank, clerk, &headers, wanted, work).await
}
