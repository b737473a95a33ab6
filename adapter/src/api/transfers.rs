//! Moving money. The answer comes when the money is held; what becomes of it, the transaction says.

use super::accounts::owned;
use super::answers::TransferProblems;
use super::app::App;
use super::idempotency::{self, REPLAYED};
use super::json::{Body, Flaw, FlawCode};
use super::problem::{Code, Problem};
use crate::bank::Bank;
use crate::id::{Account, Challenge, Id, Payee};
use crate::line::{DESCRIPTION_CHARACTERS_MAX, is_line};
use crate::money::{CENTS_MAX, Currency, Money};
use crate::payments::{self, Answered, Destination, Initiated, NewTransfer, TransferRefused};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Deserializer, Serialize, de};
use std::sync::Arc;
use utoipa::ToSchema;

/// The operation, as far as keys are told apart.
const OPERATION: &str = "POST /v1/transactions/transfer";

/// A transfer that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TransferRequest {
    /// From which account of the customer.
    #[schema(value_type = String, pattern = "^acc_[0-7][0-9a-hjkmnp-tv-z]{25}$", example = "acc_01jdsh2m0v9x3f4t8kzq6w5r7n")]
    source_account_id: Id<Account>,
    /// To which account of the bank; or else `beneficiary_id`.
    #[schema(value_type = Option<String>, pattern = "^acc_[0-7][0-9a-hjkmnp-tv-z]{25}$", example = "acc_01jdsh2m0v9x3f4t8kzq6w5r7p")]
    destination_account_id: Option<Id<Account>>,
    /// To which beneficiary of the customer; or else `destination_account_id`.
    #[schema(value_type = Option<String>, pattern = "^ben_[0-7][0-9a-hjkmnp-tv-z]{25}$")]
    beneficiary_id: Option<Id<Payee>>,
    /// How much, in the smallest unit of the currency.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 2_500)]
    #[serde(deserialize_with = "positive")]
    amount_cents: u64,
    /// The code of ISO 4217: that of both accounts.
    #[schema(value_type = String, pattern = "^[A-Z]{3}$", example = "EUR")]
    currency: Currency,
    /// What for: one line of at most 140 characters, all of them visible.
    #[schema(max_length = 140, example = "For the garden")]
    #[serde(default, deserialize_with = "description")]
    description: String,
    /// The challenge that was proved for this transfer, if it needed one.
    #[schema(value_type = Option<String>, pattern = "^chl_[0-7][0-9a-hjkmnp-tv-z]{25}$")]
    challenge_id: Option<Id<Challenge>>,
}

fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let cents = u64::deserialize(deserializer)?;
    if (1..=CENTS_MAX).contains(&cents) { Ok(cents) } else { Err(de::Error::custom("amount")) }
}

fn description<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if is_line(&text, DESCRIPTION_CHARACTERS_MAX) {
        Ok(text)
    } else {
        Err(de::Error::custom("description"))
    }
}

/// A transfer that was begun.
#[derive(Serialize, ToSchema)]
pub(super) struct TransferResponse {
    #[schema(example = "txn_01jdsh2m0v9x3f4t8kzq6w5r7n")]
    transaction_id: String,
    /// What people call it.
    #[schema(example = "TXN-2026-000001234")]
    transaction_ref: String,
    /// `PENDING`: the money is held.
    #[schema(example = "PENDING")]
    status: &'static str,
    #[schema(example = 2_500)]
    amount_cents: u64,
    #[schema(value_type = String, example = "EUR")]
    currency: Currency,
    source_account_id: String,
    destination_account_id: Option<String>,
    beneficiary_id: Option<String>,
    description: String,
}

/// Begins a transfer from an account of the customer: the money is held when the answer comes.
///
/// A payment to somebody else may need a proof: then it is `403 step_up_required`, with a `challenge_id`.
///
/// The same request with the same `Idempotency-Key` gets the same answer, for ninety days, with the header
/// `Idempotent-Replayed`: a transfer that was begun, and a refusal with the status 409 or 422 alike. After any other
/// problem the same may be sent again.
#[utoipa::path(
    post, path = "/transactions/transfer", operation_id = "transfer", tag = "Transactions", request_body = TransferRequest,
    params((
        "Idempotency-Key" = String, Header, description = "Names the request, 1 to 255 characters",
        pattern = "^[!-~]{1,255}$",
    )),
    responses(
        (status = 202, description = "The money is held", body = TransferResponse, headers(
            ("Location" = String, description = "The transaction"),
            ("Idempotent-Replayed" = String, description = "`true` if it is the answer of before"),
        )),
        TransferProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn begin(
    State(bank): State<Arc<Bank>>,
    app: App,
    headers: HeaderMap,
    Body(request): Body<TransferRequest>,
) -> Result<Response, Problem> {
    let request_key = idempotency::key(&headers, OPERATION)?;
    let destination = destination(&request)?;
    // What is another's, and what is not there, is one answer, whatever was asked before.
    owned(&bank, &app, request.source_account_id).await?;
    let money = Money { currency: request.currency, cents: request.amount_cents.into() };
    let new = NewTransfer {
        source: request.source_account_id,
        destination,
        money,
        description: request.description.clone(),
        request: request_key,
        challenge: request.challenge_id,
    };
    let Answered { outcome, is_repeated } = payments::once(&bank, &app.orderer, &new).await;
    let mut response = match outcome {
        Ok(initiated) => begun(&request, &initiated),
        Err(refused) => {
            let resource = match refused {
                TransferRefused::AnotherBefore => {
                    payments::ordered_before(&bank.store, &app.orderer, &new).await?
                }
                _ => None,
            };
            problem(refused).about(resource.map(|id| id.to_string())).into_response()
        }
    };
    if is_repeated {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Where the money goes: it is said in one way.
fn destination(request: &TransferRequest) -> Result<Destination, Problem> {
    match (request.destination_account_id, request.beneficiary_id) {
        (Some(account), None) => Ok(Destination::Account(account)),
        (None, Some(payee)) => Ok(Destination::Payee(payee)),
        (None, None) => {
            Err(Problem::flawed(Flaw::of("destination_account_id", FlawCode::MissingMember)))
        }
        (Some(_), Some(_)) => {
            Err(Problem::flawed(Flaw::of("beneficiary_id", FlawCode::InvalidValue)))
        }
    }
}

fn begun(request: &TransferRequest, initiated: &Initiated) -> Response {
    let Initiated { transaction, reference } = initiated;
    let body = TransferResponse {
        transaction_id: transaction.to_string(),
        transaction_ref: reference.clone(),
        status: "PENDING",
        amount_cents: request.amount_cents,
        currency: request.currency,
        source_account_id: request.source_account_id.to_string(),
        destination_account_id: request.destination_account_id.map(|id| id.to_string()),
        beneficiary_id: request.beneficiary_id.map(|id| id.to_string()),
        description: request.description.clone(),
    };
    let location = HeaderValue::from_str(&format!("/v1/transactions/{transaction}"));
    let location = location.expect("ids are plain");
    (StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(body)).into_response()
}

/// What a program is told of a refusal.
fn problem(refused: TransferRefused) -> Problem {
    let code = match refused {
        // Nobody logs out between the login's check and the hold but on purpose.
        TransferRefused::NoSuchAccount | TransferRefused::NoSuchPayee => Code::NotFound,
        TransferRefused::RailUnavailable => Code::RailUnavailable,
        TransferRefused::DailyLimit => Code::DailyLimitExceeded,
        TransferRefused::MonthlyLimit => Code::MonthlyLimitExceeded,
        TransferRefused::StepUp(challenge) => return Problem::step_up(challenge),
        TransferRefused::TooSoon(until) => return Problem::too_soon(until),
        TransferRefused::SameAccount => Code::AccountsMustDiffer,
        TransferRefused::Currency => Code::CurrencyMismatch,
        TransferRefused::Closed => Code::AccountNotUsable,
        TransferRefused::InsufficientFunds => Code::InsufficientFunds,
        TransferRefused::AnotherBefore => Code::IdempotencyKeyReused,
        TransferRefused::Description | TransferRefused::NoRequest => Code::InvalidRequest,
        TransferRefused::Bank(error) => return error.into(),
    };
    code.into()
}
