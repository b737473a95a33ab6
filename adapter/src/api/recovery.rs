//! Coming back from an app: with another password, for who reads their mail and has a second factor ([`Recoveries`]),
//! and with another authenticator app, for whom the staff has sent a link ([`FactorRecoveries`]).

use super::answers::{AddressProblems, FactorProblems, RecoverProblems};
use super::json::Body;
use super::problem::{Code, Problem};
use super::registration::EnrolRequest;
use super::secrets::{CodesResponse, EnrolmentResponse, SecretResponse};
use crate::audit::Caller;
use crate::bank::Bank;
use crate::customers::{
    FactorRecoveries, Link, NewFactorRefused, Password, RecoverRefused, Recoveries,
};
use crate::email::Email;
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// Who has forgotten their password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RecoveryRequest {
    /// Their e-mail address.
    #[schema(example = "ada@example.org")]
    email: String,
}

/// Asks for another password. A link comes by mail, for a quarter of an hour.
#[utoipa::path(
    post, path = "/recoveries", operation_id = "recover", tag = "Coming back", request_body = RecoveryRequest,
    responses(
        (status = 202, description = "Whosever the address is: look into its mail"),
        AddressProblems,
    ),
)]
pub(super) async fn begin(
    State(bank): State<Arc<Bank>>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<RecoveryRequest>,
) -> Result<StatusCode, Problem> {
    let email = Email::parse(&request.email).map_err(|error| Problem::improper("email", &error))?;
    bank.takes_a_try(&caller).map_err(Problem::too_often)?;
    Recoveries::begin(&bank.store, &*bank.clock, &caller, &email).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Another password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPasswordRequest {
    /// What stands after `token=` in the link.
    token: String,
    /// A code of the authenticator app, or a recovery code.
    #[schema(example = "123456")]
    code: String,
    /// The password that they want: 12 characters at least, 512 bytes at most.
    #[schema(format = Password, min_length = 12, max_length = 512)]
    new_password: String,
}

/// Spends a link and a code for another password. Every login is over then.
#[utoipa::path(
    post, path = "/recoveries/finish", operation_id = "finish_recovery", tag = "Coming back",
    request_body = NewPasswordRequest,
    responses(
        (status = 204, description = "The password is the new one: log in with it"),
        RecoverProblems,
    ),
)]
pub(super) async fn finish(
    State(bank): State<Arc<Bank>>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<NewPasswordRequest>,
) -> Result<StatusCode, Problem> {
    let NewPasswordRequest { token, code, new_password } = request;
    let new = Password::new(new_password);
    let new = new.map_err(|error| Problem::improper("new_password", &error))?;
    bank.takes_a_try(&caller).map_err(Problem::too_often)?;
    let link: Link = token.parse().map_err(|_| Code::NotProved)?;
    let Bank { store, clock, passwords, .. } = &*bank;
    match Recoveries::finish(store, &**clock, passwords, &caller, &link, &code, new).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(RecoverRefused::NoMatch) => Err(Code::NotProved.into()),
        Err(RecoverRefused::Bank(error)) => Err(error.into()),
    }
}

/// A link that two members of the staff have sent, and the password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FactorRecoveryRequest {
    /// What stands after `token=` in the link.
    token: String,
    /// The customer's password.
    #[schema(format = Password)]
    password: String,
}

/// Shows the link that the staff has sent, and the password. What is answered leads to the last step, within a quarter
/// of an hour.
#[utoipa::path(
    post, path = "/factor-recoveries/confirm", operation_id = "confirm_factor_recovery", tag = "Coming back",
    request_body = FactorRecoveryRequest,
    responses(
        (status = 200, description = "Set up an authenticator app with this", body = EnrolmentResponse),
        RecoverProblems,
    ),
)]
pub(super) async fn confirm_factor(
    State(bank): State<Arc<Bank>>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<FactorRecoveryRequest>,
) -> Result<Json<EnrolmentResponse>, Problem> {
    let FactorRecoveryRequest { token, password } = request;
    let password = Zeroizing::new(password);
    bank.takes_a_try(&caller).map_err(Problem::too_often)?;
    let link: Link = token.parse().map_err(|_| Code::NotProved)?;
    let Bank { store, clock, passwords, .. } = &*bank;
    let onward = FactorRecoveries::confirm(store, &**clock, passwords, &caller, &link, password);
    let onward = onward.await.map_err(|refused| match refused {
        NewFactorRefused::NoMatch | NewFactorRefused::Over => Code::NotProved.into(),
        NewFactorRefused::Bank(error) => Problem::from(error),
    })?;
    let enrolment = FactorRecoveries::enrolment(store, &**clock, &onward).await;
    let enrolment = enrolment.map_err(|refused| match refused {
        NewFactorRefused::Bank(error) => Problem::half_way(&error),
        // Another has shown the same link in this moment.
        NewFactorRefused::Over | NewFactorRefused::NoMatch => Code::NotProved.into(),
    })?;
    let authenticator = SecretResponse::of(&bank, &enrolment);
    Ok(Json(EnrolmentResponse { enrolment: onward.to_string(), authenticator }))
}

/// Puts the new app in the place of what was lost, if the code is the new app's. Every login is over then, and no
/// recovery code of before is good any more.
#[utoipa::path(
    post, path = "/factor-recoveries/enrol", operation_id = "enrol_factor", tag = "Coming back",
    request_body = EnrolRequest,
    responses(
        (status = 200, description = "The new app is theirs, with recovery codes to keep", body = CodesResponse),
        FactorProblems,
    ),
)]
pub(super) async fn enrol_factor(
    State(bank): State<Arc<Bank>>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<EnrolRequest>,
) -> Result<Json<CodesResponse>, Problem> {
    bank.takes_a_try(&caller).map_err(Problem::too_often)?;
    let Bank { store, clock, .. } = &*bank;
    let (onward, code) = (request.onward()?, &request.code);
    let codes = FactorRecoveries::enrol(store, &**clock, &caller, &onward, code).await?;
    Ok(Json(codes.into()))
}

impl From<NewFactorRefused> for Problem {
    fn from(refused: NewFactorRefused) -> Problem {
        match refused {
            NewFactorRefused::Over => Code::LinkIsOver.into(),
            NewFactorRefused::NoMatch => Code::SecondFactorMismatch.into(),
            NewFactorRefused::Bank(error) => error.into(),
        }
    }
}
