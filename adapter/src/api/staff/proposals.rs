//! What takes four eyes: one member of the staff asks for it, another approves it.

use super::super::answers::{ApproveProblems, ProposeProblems, RejectProblems, StaffProblems};
use super::super::app::Desk;
use super::super::json::Body;
use super::super::problem::{Code, Problem};
use super::super::security::name_of;
use super::super::time::Time;
use super::order::{Wanted, once};
use crate::bank::Bank;
use crate::customers::{
    NewName, approve_erasure, approve_factor_recovery, approve_name_change, request_erasure,
    request_factor_recovery, request_name_change,
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
    /// That a customer is called otherwise.
    NameChange,
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
    /// asked for now, but for `NAME_CHANGE`, of which it must be sent.
    #[serde(default)]
    #[schema(example = "prp_01jdsh2m0v9x3f4t8kzq6w5r7n")]
    proposal_id: Option<String>,
}

impl MatterRequest {
    /// What is decided about, and the proposal that was seen.
    fn decides(&self) -> Result<(Matter, Option<Id<Proposed>>), Problem> {
        let matter = matter_of(self.matter, &self.id)?;
        let seen = self.proposal_id.as_deref().map(str::parse).transpose();
        let seen = seen.map_err(|error| Problem::improper("proposal_id", &error))?;
        match (matter, seen) {
            (Matter::NameChange(_), None) => {
                Err(Problem::improper("proposal_id", &"say which name you have seen"))
            }
            decision => Ok(decision),
        }
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
    /// What the customer is to be called, for `NAME_CHANGE` alone: one line of at most 64 characters, all of them visible.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 64, example = "Ada")]
    first_name: Option<String>,
    /// The same.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 64, example = "Lovelace")]
    last_name: Option<String>,
}

impl ProposalRequest {
    /// What the customer is to be called, if it is about that.
    fn name(&self) -> Result<Option<NewName>, Problem> {
        let wanted = matches!(self.matter, MatterKind::NameChange);
        match (wanted, &self.first_name, &self.last_name) {
            (true, Some(first), Some(last)) => name_of(first, last).map(Some),
            (true, None, _) => Err(Problem::improper("first_name", &"NAME_CHANGE takes a name")),
            (true, _, None) => Err(Problem::improper("last_name", &"NAME_CHANGE takes a name")),
            (false, None, None) => Ok(None),
            (false, Some(_), _) => Err(Problem::improper("first_name", &"it is for NAME_CHANGE")),
            (false, None, Some(_)) => Err(Problem::improper("last_name", &"it is for NAME_CHANGE")),
        }
    }
}

/// The matter of a request.
fn matter_of(kind: MatterKind, id: &str) -> Result<Matter, Problem> {
    let matter = match kind {
        MatterKind::Reversal => id.parse().map(Matter::Reversal),
        MatterKind::Erasure => id.parse().map(Matter::Erasure),
        MatterKind::FactorRecovery => id.parse().map(Matter::FactorRecovery),
        MatterKind::NameChange => id.parse().map(Matter::NameChange),
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
    /// Who asks: a member of the staff, or the customer. Which name is asked for is told where the customer is looked at.
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
        Matter::NameChange(id) => (MatterKind::NameChange, id.to_string()),
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
    let (reason, name) = (&request.reason, request.name()?);
    // No name has a line break, so it is taken for no reason.
    let called = |name: &NewName| format!("\n{}\n{}", name.first.text(), name.last.text());
    let called = name.as_ref().map(called).unwrap_or_default();
    let meaning = format!("{matter:?} {reason}{called}");
    let wanted = Wanted {
        operation: "POST /v1/staff/proposals",
        meaning: &meaning,
        roles: matter.makers(),
        done: StatusCode::CREATED,
    };
    once(&bank, clerk, &headers, wanted, async |clerk| match (matter, &name) {
        (Matter::Reversal(id), _) => Ok(request_reversal(&bank, clerk, id, reason).await?),
        (Matter::Erasure(id), _) => Ok(request_erasure(&bank, clerk, id, reason).await?),
        (Matter::FactorRecovery(id), _) => {
            Ok(request_factor_recovery(&bank, clerk, id, reason).await?)
        }
        (Matter::NameChange(id), Some(name)) => {
            Ok(request_name_change(&bank, clerk, id, name, reason).await?)
        }
        (Matter::NameChange(_), None) => Err(Code::InvalidRequest.into()),
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
    let (matter, seen) = request.decides()?;
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
        Matter::NameChange(id) => Ok(approve_name_change(&bank, clerk, id).await?),
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
    let (matter, seen) = request.decides()?;
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
