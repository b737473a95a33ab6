//! Opening an account, and closing one.

use super::accounts::{AccountResponse, as_it_is, as_it_was_opened};
use super::answers::{CloseProblems, OpenProblems};
use super::app::{App, not_valid};
use super::idempotency::{self, REPLAYED};
use super::json::Body;
use super::path::Named;
use super::problem::{Code, Problem};
use crate::accounts::{self, AccountType, CloseRefused, OpenOrder, OpenRefused, Ordered};
use crate::bank::Bank;
use crate::error::BankError;
use crate::id::{Account, Id};
use crate::money::Currency;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The operation, as far as keys are told apart.
const OPERATION: &str = "POST /v1/accounts";

/// The account that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OpenRequest {
    /// `CHECKING`, `SAVINGS` or `BUSINESS`.
    #[schema(value_type = String, pattern = "^(CHECKING|SAVINGS|BUSINESS)$", example = "SAVINGS")]
    account_type: AccountType,
    /// The code of ISO 4217: one of the bank's currencies.
    #[schema(value_type = String, pattern = "^[A-Z]{3}$", example = "EUR")]
    currency: Currency,
}

/// Opens an account for the customer.
///
/// The same request with the same `Idempotency-Key` gets the same answer, for ninety days, with the header
/// `Idempotent-Replayed`: the account as it was opened, and that there are too many alike.
#[utoipa::path(
    post, path = "/accounts", operation_id = "open_account", tag = "Accounts", request_body = OpenRequest,
    params((
        "Idempotency-Key" = String, Header, description = "Names the request, 1 to 255 characters",
        pattern = "^[!-~]{1,255}$",
    )),
    responses(
        (status = 201, description = "The account", body = AccountResponse, headers(
            ("Location" = String, description = "The account"),
            ("Idempotent-Replayed" = String, description = "`true` if it is the answer of before"),
        )),
        OpenProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn open(
    State(bank): State<Arc<Bank>>,
    app: App,
    headers: HeaderMap,
    Body(request): Body<OpenRequest>,
) -> Result<Response, Problem> {
    let OpenRequest { account_type, currency } = request;
    let order =
        OpenOrder { account_type, currency, request: idempotency::key(&headers, OPERATION)? };
    let Ordered { outcome, is_repeated } = accounts::order_once(&bank, &app.orderer, &order).await;
    let mut response = match outcome {
        Ok(account) => opened(&bank, &app, account).await?,
        Err(refused) => problem(refused).into_response(),
    };
    if is_repeated {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// The answer of before is the same again, whatever has become of the account.
async fn opened(bank: &Bank, app: &App, account: Id<Account>) -> Result<Response, Problem> {
    let found = accounts::owned(&bank.store, app.customer(), account).await?;
    let found = found.ok_or(BankError::Damaged(crate::tables::ACCOUNTS))?;
    let location = HeaderValue::from_str(&format!("/v1/accounts/{account}"));
    let location = location.expect("ids are plain");
    let body = Json(as_it_was_opened(&found));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], body).into_response())
}

fn problem(refused: OpenRefused) -> Problem {
    match refused {
        OpenRefused::TooMany => Code::TooManyAccounts.into(),
        OpenRefused::AnotherBefore { account } => {
            Problem::from(Code::IdempotencyKeyReused).about(account.map(|id| id.to_string()))
        }
        OpenRefused::Over => not_valid(),
        OpenRefused::Bank(error) => error.into(),
    }
}

/// Closes an account of the customer, for ever: nothing may be on it, nor held. One that is closed stays so.
#[utoipa::path(
    post, path = "/accounts/{account_id}/closing", operation_id = "close_account", tag = "Accounts",
    params(("account_id" = String, Path, example = "acc_01jdsh2m0v9x3f4t8kzq6w5r7n")),
    responses(
        (status = 200, description = "The account, closed", body = AccountResponse),
        CloseProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn close(
    State(bank): State<Arc<Bank>>,
    app: App,
    Named(account): Named<Id<Account>>,
) -> Result<Json<AccountResponse>, Problem> {
    match accounts::close(&bank.store, &*bank.clock, &app.orderer, account).await {
        Ok(()) | Err(CloseRefused::Closed) => as_it_is(&bank, &app, account).await.map(Json),
        Err(CloseRefused::NoSuchAccount) => Err(Code::NotFound.into()),
        Err(CloseRefused::Suspended) => Err(Code::AccountNotUsable.into()),
        Err(CloseRefused::NotEmpty) => Err(Code::AccountNotEmpty.into()),
        Err(CloseRefused::Bank(error)) => Err(error.into()),
    }
}
