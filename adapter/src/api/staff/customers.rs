//! Finding customers, looking at what is theirs, and letting them try again. Whatever is answered is on record before.

use super::super::accounts::AccountResponse;
use super::super::answers::{CareProblems, StaffNamedProblems};
use super::super::app::Desk;
use super::super::json::Body;
use super::super::path::Named;
use super::super::problem::Problem;
use super::super::time::Time;
use super::ReasonRequest;
use crate::accounts;
use crate::bank::Bank;
use crate::id::{Customer, Id};
use crate::staff::care::{self, LegalHold, Looked};
use crate::staff::{Matter, Proposals, WantedName, proposal};
use crate::store::Found;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Whom the staff looks for. It is in the body, and so in no address, no history and no log.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchRequest {
    /// An e-mail address, or the IBAN of an account.
    #[schema(example = "ada@example.org")]
    customer: String,
}

/// Who was found.
#[derive(Serialize, ToSchema)]
pub(super) struct FoundResponse {
    #[schema(example = "usr_01jdsh2m0v9x3f4t8kzq6w5r7n")]
    customer_id: String,
}

/// The customer of an e-mail address, or of an account's number.
#[utoipa::path(
    post, path = "/staff/customers/search", operation_id = "find_customer", tag = "Staff", request_body = SearchRequest,
    responses(
        (status = 200, description = "Who it is", body = FoundResponse),
        CareProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn search(
    State(bank): State<Arc<Bank>>,
    Desk(clerk): Desk,
    Body(request): Body<SearchRequest>,
) -> Result<Json<FoundResponse>, Problem> {
    let customer = care::find(&bank, &clerk, request.customer.trim()).await?;
    Ok(Json(FoundResponse { customer_id: customer.to_string() }))
}

/// What a customer is to be called.
#[derive(Serialize, ToSchema)]
pub(super) struct NameChangeResponse {
    /// What a decision names.
    #[schema(example = "prp_01jdsh2m0v9x3f4t8kzq6w5r7n")]
    proposal_id: Option<String>,
    first_name: String,
    last_name: String,
}

impl NameChangeResponse {
    /// `None` if it is erased.
    fn of(found: &Found<Proposals>) -> Option<NameChangeResponse> {
        let WantedName { first_name, last_name } = found.row.statutory.as_known()?.name.clone()?;
        let proposal_id = found.row.open.proposal_id.map(|id| id.to_string());
        Some(NameChangeResponse { proposal_id, first_name, last_name })
    }
}

/// A customer, as the staff sees them.
#[derive(Serialize, ToSchema)]
pub(super) struct CustomerResponse {
    #[schema(example = "usr_01jdsh2m0v9x3f4t8kzq6w5r7n")]
    customer_id: String,
    /// None once they are forgotten.
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
    /// What they are to be called, if somebody asks for that and nobody has decided.
    name_change: Option<NameChangeResponse>,
    /// Whether they are a customer still.
    is_active: bool,
    /// Whether everything of them must be kept.
    legal_hold: bool,
    created_at: Time,
    /// Their accounts, oldest first.
    accounts: Vec<AccountResponse>,
}

/// A customer and their accounts. That somebody has looked is on record.
#[utoipa::path(
    get, path = "/staff/customers/{customer_id}", operation_id = "look_at_customer", tag = "Staff",
    params(("customer_id" = String, Path)),
    responses(
        (status = 200, description = "The customer", body = CustomerResponse),
        StaffNamedProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn show(
    State(bank): State<Arc<Bank>>,
    Desk(clerk): Desk,
    Named(id): Named<Id<Customer>>,
) -> Result<Json<CustomerResponse>, Problem> {
    let found = care::customer(&bank, id).await?;
    care::look(&bank, &clerk, id, Looked::Profile).await?;
    let accounts = accounts::accounts_of(&bank.store, id).await?;
    let open: Vec<_> = accounts.iter().map(|account| &account.row.open).collect();
    let balances = accounts::balances(bank.store.client(), &open).await?;
    let accounts = accounts.iter().zip(&balances);
    let accounts = accounts.map(|(account, balances)| AccountResponse::of(account, balances));
    let (open, profile) = (&found.row.open, found.row.profile.as_known());
    let wanted = proposal(&bank.store, Matter::NameChange(id)).await?;
    Ok(Json(CustomerResponse {
        customer_id: id.to_string(),
        first_name: profile.map(|it| it.first_name.clone()),
        last_name: profile.map(|it| it.last_name.clone()),
        name_change: wanted.as_ref().and_then(NameChangeResponse::of),
        email: profile.map(|it| it.email.clone()),
        is_active: open.is_active,
        legal_hold: open.legal_hold,
        created_at: open.created_at.into(),
        accounts: accounts.collect::<Result<_, _>>()?,
    }))
}

/// Lets a customer try again who has typed too many wrong passwords.
#[utoipa::path(
    post, path = "/staff/customers/{customer_id}/unlock", operation_id = "unlock_customer", tag = "Staff",
    request_body = ReasonRequest,
    params(("customer_id" = String, Path)),
    responses(
        (status = 204, description = "They may"),
        CareProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn unlock(
    State(bank): State<Arc<Bank>>,
    Desk(clerk): Desk,
    Named(id): Named<Id<Customer>>,
    Body(request): Body<ReasonRequest>,
) -> Result<StatusCode, Problem> {
    care::unlock(&bank, &clerk, id, &request.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether everything of a customer must be kept, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LegalHoldRequest {
    legal_hold: bool,
    /// One line of at most 140 characters, all of them visible: for whoever looks at the records.
    #[schema(min_length = 1, max_length = 140, example = "letter of the court")]
    reason: String,
}

/// Sets a legal hold, or lifts it: as long as it stands, nothing of the customer is forgotten.
#[utoipa::path(
    put, path = "/staff/customers/{customer_id}/legal-hold", operation_id = "set_legal_hold", tag = "Staff",
    request_body = LegalHoldRequest,
    params(("customer_id" = String, Path)),
    responses(
        (status = 204, description = "It is so"),
        CareProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn legal_hold(
    State(bank): State<Arc<Bank>>,
    Desk(clerk): Desk,
    Named(id): Named<Id<Customer>>,
    Body(request): Body<LegalHoldRequest>,
) -> Result<StatusCode, Problem> {
    let hold = if request.legal_hold { LegalHold::Standing } else { LegalHold::Lifted };
    care::set_legal_hold(&bank, &clerk, id, hold, &request.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}
