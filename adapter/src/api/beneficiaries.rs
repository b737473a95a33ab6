//! Whom the customer pays again and again.

use super::answers::{BeneficiaryProblems, ChangeProblems, NamedProblems, ReadProblems};
use super::app::{App, not_valid};
use super::json::{Body, Flaw, FlawCode};
use super::path::Named;
use super::problem::{Code, Problem};
use super::time::Time;
use crate::accounts::Iban;
use crate::bank::Bank;
use crate::id::{Id, Payee};
use crate::payments::NameCheck;
use crate::payments::payee::{self, NewPayee, PayeeRefused, PayeeType, Payees};
use crate::store::Found;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Who is to be noted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BeneficiaryRequest {
    /// Their name, 1 to 140 characters. It is compared with that of who has the account.
    #[schema(min_length = 1, max_length = 140, example = "Ben Example")]
    name: String,
    /// The IBAN of their account, with spaces or without.
    #[schema(
        pattern = "^[A-Za-z]{2}[0-9]{2}[A-Za-z0-9 ]{11,38}$",
        example = "DE41 9999 9999 0285 3797 87"
    )]
    account_number: String,
    /// Their bank's code, if the customer knows it.
    #[schema(max_length = 35)]
    bank_code: Option<String>,
}

/// A beneficiary.
#[derive(Serialize, ToSchema)]
pub(super) struct BeneficiaryResponse {
    beneficiary_id: String,
    name: String,
    account_number: String,
    bank_code: Option<String>,
    /// `INTERNAL`: at this bank. `DOMESTIC`, `INTERNATIONAL`: at another.
    #[schema(value_type = String, example = "INTERNAL")]
    beneficiary_type: PayeeType,
    /// Whether the name is that of who has the account: `match`, `close` or `none`. What that name is is not told.
    #[schema(value_type = String, example = "match")]
    verification: NameCheck,
    is_verified: bool,
    is_favorite: bool,
    created_at: Time,
}

/// A customer's beneficiaries.
#[derive(Serialize, ToSchema)]
pub(super) struct BeneficiariesResponse {
    /// All of them, oldest first.
    data: Vec<BeneficiaryResponse>,
}

/// All beneficiaries of the customer.
#[utoipa::path(
    get, path = "/beneficiaries", operation_id = "list_beneficiaries", tag = "Beneficiaries",
    responses(
        (status = 200, description = "The beneficiaries", body = BeneficiariesResponse),
        ReadProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn all(
    State(bank): State<Arc<Bank>>,
    app: App,
) -> Result<Json<BeneficiariesResponse>, Problem> {
    let found = payee::list(&bank.store, app.customer()).await?;
    Ok(Json(BeneficiariesResponse { data: found.iter().filter_map(response).collect() }))
}

/// Notes a beneficiary. A number is noted once: the same again is `409 beneficiary_exists`, with its id. So it needs no
/// `Idempotency-Key`: whoever got no answer sends it again, and has it either way.
#[utoipa::path(
    post, path = "/beneficiaries", operation_id = "add_beneficiary", tag = "Beneficiaries",
    request_body = BeneficiaryRequest,
    responses(
        (status = 201, description = "Noted", body = BeneficiaryResponse),
        BeneficiaryProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn add(
    State(bank): State<Arc<Bank>>,
    app: App,
    Body(request): Body<BeneficiaryRequest>,
) -> Result<Response, Problem> {
    let number: Iban = request.account_number.parse().map_err(|_| invalid("account_number"))?;
    // Each one tells whether a name is right.
    bank.takes_a_try(&app.orderer.caller).map_err(Problem::too_often)?;
    let new = NewPayee { name: request.name, number, bank_code: request.bank_code };
    let Bank { store, clock, options, .. } = &*bank;
    let added = payee::add(store, &**clock, &app.orderer, options.code, &new).await;
    let found = added.map_err(problem)?;
    let body = response(&found).ok_or(Code::NotFound)?;
    let location = HeaderValue::from_str(&format!("/v1/beneficiaries/{}", body.beneficiary_id));
    let location = location.expect("ids are plain");
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(body)).into_response())
}

/// What is to be changed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MarkRequest {
    /// Whether the beneficiary is a favourite.
    is_favorite: bool,
}

/// Notes whether a beneficiary is a favourite: the bank's pages show those first.
#[utoipa::path(
    patch, path = "/beneficiaries/{beneficiary_id}", operation_id = "mark_beneficiary",
    tag = "Beneficiaries", request_body = MarkRequest,
    params(("beneficiary_id" = String, Path)),
    responses(
        (status = 200, description = "As it is now", body = BeneficiaryResponse),
        ChangeProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn mark(
    State(bank): State<Arc<Bank>>,
    app: App,
    Named(payee): Named<Id<Payee>>,
    Body(request): Body<MarkRequest>,
) -> Result<Json<BeneficiaryResponse>, Problem> {
    let Bank { store, clock, .. } = &*bank;
    let marked = payee::mark(store, &**clock, &app.orderer, payee, request.is_favorite).await;
    let found = marked.map_err(problem)?;
    Ok(Json(response(&found).ok_or(Code::NotFound)?))
}

/// Forgets a beneficiary.
#[utoipa::path(
    delete, path = "/beneficiaries/{beneficiary_id}", operation_id = "remove_beneficiary",
    tag = "Beneficiaries",
    params(("beneficiary_id" = String, Path)),
    responses(
        (status = 204, description = "Forgotten"),
        NamedProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn remove(
    State(bank): State<Arc<Bank>>,
    app: App,
    Named(payee): Named<Id<Payee>>,
) -> Result<StatusCode, Problem> {
    let Bank { store, clock, .. } = &*bank;
    payee::remove(store, &**clock, &app.orderer, payee).await.map_err(problem)?;
    Ok(StatusCode::NO_CONTENT)
}

fn invalid(member: &str) -> Problem {
    Problem::flawed(Flaw::of(member, FlawCode::InvalidValue))
}

fn problem(refused: PayeeRefused) -> Problem {
    match refused {
        PayeeRefused::NoSuchPayee => Code::NotFound.into(),
        PayeeRefused::Known(payee) => {
            Problem::from(Code::BeneficiaryExists).about(Some(payee.to_string()))
        }
        PayeeRefused::Name => invalid("name"),
        PayeeRefused::BankCode => invalid("bank_code"),
        PayeeRefused::TooSoon(until) => Problem::too_soon(until),
        // Their login was ended in this moment.
        PayeeRefused::Over => not_valid(),
        PayeeRefused::TooManyChecks(seconds) => {
            let words = "As many names were checked for this customer today as may be in a day.";
            Problem::too_often(seconds).because(words)
        }
        PayeeRefused::TooMany => Code::TooManyBeneficiaries.into(),
        PayeeRefused::Bank(error) => error.into(),
    }
}

/// A beneficiary as it is shown; `None` once it is erased.
fn response(found: &Found<Payees>) -> Option<BeneficiaryResponse> {
    let (open, sealed) = (&found.row.open, found.row.profile.as_known()?);
    Some(BeneficiaryResponse {
        beneficiary_id: open.beneficiary_id.to_string(),
        name: sealed.name.clone(),
        account_number: sealed.account_number.to_string(),
        bank_code: sealed.bank_code.clone(),
        beneficiary_type: open.beneficiary_type,
        verification: open.verification,
        is_verified: open.is_verified,
        is_favorite: open.is_favorite,
        created_at: open.created_at.into(),
    })
}
