//! What a customer who is logged in is known and proved by, and how they change it: each time with password and code
//! ([`super::step_up`]), but for the last step of each change, which has a proof of its own.

use super::answers::{
    ConfirmProblems, NameProblems, NewFactorProblems, ReadProblems, StepUpProblems,
};
use super::app::App;
use super::json::Body;
use super::login::{TokenResponse, tokens};
use super::problem::{Code, Problem};
use super::registration::LinkRequest;
use super::secrets::{CodesResponse, SecretResponse};
use super::step_up::StepUpRequest;
use crate::audit::Caller;
use crate::bank::Bank;
use crate::customers::{
    ConfirmRefused, EmailChanges, FactorChanges, NameChangeRefused, NewEmailRefused,
    NewFactorRefused, NewName, Password, PasswordChange, PersonName, ask_for_name, change_password,
    codes_left, renew_codes,
};
use crate::email::Email;
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// Another password, and what proves that the customer wants it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordRequest {
    /// The password that they have.
    #[schema(format = Password)]
    password: String,
    /// A code of the authenticator app that was not used before, or a recovery code.
    #[schema(example = "123456")]
    code: String,
    /// The password that they want: 12 characters at least, 512 bytes at most.
    #[schema(format = Password, min_length = 12, max_length = 512)]
    new_password: String,
}

/// Changes the password. Every other login is over then; this one goes on with the tokens of the answer.
#[utoipa::path(
    post, path = "/users/me/password", operation_id = "change_password", tag = "Security",
    request_body = PasswordRequest,
    responses(
        (status = 200, description = "The tokens of the login from now on", body = TokenResponse),
        StepUpProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn password(
    State(bank): State<Arc<Bank>>,
    app: App,
    Body(request): Body<PasswordRequest>,
) -> Result<Json<TokenResponse>, Problem> {
    let PasswordRequest { password, code, new_password } = request;
    let new = Password::new(new_password);
    let new = new.map_err(|error| Problem::improper("new_password", &error))?;
    let caller = &app.orderer.caller;
    bank.takes_a_try(caller).map_err(Problem::too_often)?;
    let change = PasswordChange { step_up: app.step_up(Zeroizing::new(password), &code), new };
    let Bank { store, clock, passwords, .. } = &*bank;
    let token = change_password(store, &**clock, passwords, caller, change).await?;
    Ok(Json(tokens(&bank, &token, &app.session)))
}

/// How many recovery codes there are.
#[derive(Serialize, ToSchema)]
pub(super) struct CodesLeftResponse {
    /// Of those that were made last, how many were not used.
    #[schema(example = 10)]
    left: usize,
}

/// How many recovery codes the customer has left. Which they are is told when they are made, and never again.
#[utoipa::path(
    get, path = "/users/me/recovery-codes", operation_id = "count_recovery_codes", tag = "Security",
    responses(
        (status = 200, description = "How many are left", body = CodesLeftResponse),
        ReadProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn codes(
    State(bank): State<Arc<Bank>>,
    app: App,
) -> Result<Json<CodesLeftResponse>, Problem> {
    let left = codes_left(&bank.store, app.customer()).await?;
    Ok(Json(CodesLeftResponse { left }))
}

/// New recovery codes, and how the login goes on.
#[derive(Serialize, ToSchema)]
pub(super) struct NewCodesResponse {
    #[serde(flatten)]
    codes: CodesResponse,
    /// The tokens of the login from now on.
    tokens: TokenResponse,
}

/// Makes new recovery codes; none of before is good any more, nor for this. The login goes on with the tokens of the
/// answer.
#[utoipa::path(
    post, path = "/users/me/recovery-codes", operation_id = "renew_recovery_codes", tag = "Security",
    request_body = StepUpRequest,
    responses(
        (status = 200, description = "The codes", body = NewCodesResponse),
        StepUpProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn new_codes(
    State(bank): State<Arc<Bank>>,
    app: App,
    Body(request): Body<StepUpRequest>,
) -> Result<Json<NewCodesResponse>, Problem> {
    let StepUpRequest { password, code } = request;
    let caller = &app.orderer.caller;
    bank.takes_a_try(caller).map_err(Problem::too_often)?;
    let step_up = app.step_up(Zeroizing::new(password), &code);
    let Bank { store, clock, passwords, .. } = &*bank;
    let (codes, token) = renew_codes(store, &**clock, passwords, caller, step_up).await?;
    let tokens = tokens(&bank, &token, &app.session);
    Ok(Json(NewCodesResponse { codes: codes.into(), tokens }))
}

/// Another name, and what proves that the customer wants it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NameRequest {
    /// One line of at most 64 characters, all of them visible.
    #[schema(min_length = 1, max_length = 64, example = "Ada")]
    first_name: String,
    /// The same.
    #[schema(min_length = 1, max_length = 64, example = "Lovelace")]
    last_name: String,
    /// One line of at most 140 characters, all of them visible: for whoever decides.
    #[schema(min_length = 1, max_length = 140, example = "married in May")]
    reason: String,
    /// The customer's password.
    #[schema(format = Password)]
    password: String,
    /// A code of the authenticator app that was not used before. No recovery code is taken.
    #[schema(example = "123456")]
    code: String,
}

/// The name of a request.
pub(super) fn name_of(first: &str, last: &str) -> Result<NewName, Problem> {
    let name = |member, text: &str| {
        PersonName::parse(text).map_err(|error| Problem::improper(member, &error))
    };
    Ok(NewName { first: name("first_name", first)?, last: name("last_name", last)? })
}

/// Asks for another name. Somebody at the bank must approve it, who has seen a paper that proves it; until then it is
/// as it was, and asking again is `409 already_proposed`. The login goes on with the tokens of the answer.
#[utoipa::path(
    post, path = "/name-changes", operation_id = "change_name", tag = "Security", request_body = NameRequest,
    responses(
        (status = 202, description = "The tokens of the login from now on", body = TokenResponse),
        NameProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn name(
    State(bank): State<Arc<Bank>>,
    app: App,
    Body(request): Body<NameRequest>,
) -> Result<(StatusCode, Json<TokenResponse>), Problem> {
    let NameRequest { first_name, last_name, reason, password, code } = request;
    let name = name_of(&first_name, &last_name)?;
    let caller = &app.orderer.caller;
    bank.takes_a_try(caller).map_err(Problem::too_often)?;
    let step_up = app.step_up(Zeroizing::new(password), &code);
    let Bank { store, clock, passwords, .. } = &*bank;
    let asked = ask_for_name(store, &**clock, passwords, caller, step_up, &name, &reason).await;
    Ok((StatusCode::ACCEPTED, Json(tokens(&bank, &asked?, &app.session))))
}

impl From<NameChangeRefused> for Problem {
    fn from(refused: NameChangeRefused) -> Problem {
        match refused {
            NameChangeRefused::NoSuchCustomer => Code::NotFound.into(),
            NameChangeRefused::Same => Problem::improper("last_name", &refused),
            NameChangeRefused::Proposal(refused) => refused.into(),
            NameChangeRefused::Change(refused) => refused.into(),
            NameChangeRefused::Bank(error) => error.into(),
        }
    }
}

/// Another e-mail address, and what proves that the customer wants it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EmailRequest {
    /// The address that they want.
    #[schema(example = "ada@example.net")]
    email: String,
    /// The customer's password.
    #[schema(format = Password)]
    password: String,
    /// A code of the authenticator app that was not used before. No recovery code is taken.
    #[schema(example = "123456")]
    code: String,
}

/// Asks for another e-mail address. A link comes to it by mail, for a day; whosever the address is, the answer is the
/// same. The login goes on with the tokens of the answer.
#[utoipa::path(
    post, path = "/email-changes", operation_id = "change_email", tag = "Security", request_body = EmailRequest,
    responses(
        (status = 202, description = "The tokens of the login from now on", body = TokenResponse),
        StepUpProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn email(
    State(bank): State<Arc<Bank>>,
    app: App,
    Body(request): Body<EmailRequest>,
) -> Result<(StatusCode, Json<TokenResponse>), Problem> {
    let EmailRequest { email, password, code } = request;
    let email = Email::parse(&email).map_err(|error| Problem::improper("email", &error))?;
    let caller = &app.orderer.caller;
    bank.takes_a_try(caller).map_err(Problem::too_often)?;
    let step_up = app.step_up(Zeroizing::new(password), &code);
    let Bank { store, clock, passwords, .. } = &*bank;
    match EmailChanges::begin(store, &**clock, passwords, caller, step_up, &email).await {
        Ok(token) => Ok((StatusCode::ACCEPTED, Json(tokens(&bank, &token, &app.session)))),
        Err(same @ NewEmailRefused::Same) => Err(Problem::improper("email", &same)),
        Err(NewEmailRefused::Change(refused)) => Err(refused.into()),
    }
}

/// Spends the link of the letter to the new address: it is the customer's. Every login is over then.
#[utoipa::path(
    post, path = "/email-changes/confirm", operation_id = "confirm_email", tag = "Security",
    request_body = LinkRequest,
    responses(
        (status = 204, description = "The address is the customer's: log in with it"),
        ConfirmProblems,
    ),
)]
pub(super) async fn confirm_email(
    State(bank): State<Arc<Bank>>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<LinkRequest>,
) -> Result<StatusCode, Problem> {
    bank.takes_a_try(&caller).map_err(Problem::too_often)?;
    match EmailChanges::confirm(&bank.store, &*bank.clock, &caller, &request.link()?).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(ConfirmRefused::NoSuchLink) => Err(Code::LinkIsOver.into()),
        Err(ConfirmRefused::KnownAddress) => Err(Code::AddressTaken.into()),
        Err(ConfirmRefused::Bank(error)) => Err(error.into()),
    }
}

/// A new authenticator app that waits for its first code, and how the login goes on.
#[derive(Serialize, ToSchema)]
pub(super) struct FactorChangeResponse {
    /// What the new app is told.
    authenticator: SecretResponse,
    /// The tokens of the login from now on.
    tokens: TokenResponse,
}

/// Begins to put another authenticator app in the place of the one that the customer has, which is good until the last
/// step. A recovery code is taken for this too. The login goes on with the tokens of the answer, and has a quarter of an
/// hour.
#[utoipa::path(
    post, path = "/factor-changes", operation_id = "change_factor", tag = "Security", request_body = StepUpRequest,
    responses(
        (status = 200, description = "Set up an authenticator app with this", body = FactorChangeResponse),
        StepUpProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn factor(
    State(bank): State<Arc<Bank>>,
    app: App,
    Body(request): Body<StepUpRequest>,
) -> Result<Json<FactorChangeResponse>, Problem> {
    let StepUpRequest { password, code } = request;
    let caller = &app.orderer.caller;
    bank.takes_a_try(caller).map_err(Problem::too_often)?;
    let step_up = app.step_up(Zeroizing::new(password), &code);
    let Bank { store, clock, passwords, .. } = &*bank;
    let token = FactorChanges::begin(store, &**clock, passwords, caller, step_up).await?;
    let enrolment = FactorChanges::waiting(store, &**clock, &app.session).await;
    let enrolment = enrolment.map_err(|refused| match refused {
        // The login goes by another token.
        NewFactorRefused::Bank(error) => Problem::half_way(&error),
        // Another was begun in this moment.
        NewFactorRefused::Over | NewFactorRefused::NoMatch => Code::ChangedMeanwhile.into(),
    })?;
    let authenticator = SecretResponse::of(&bank, &enrolment);
    Ok(Json(FactorChangeResponse { authenticator, tokens: tokens(&bank, &token, &app.session) }))
}

/// The first code of a new app.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FirstCodeRequest {
    /// The code that the new app shows now.
    #[schema(example = "123456")]
    code: String,
}

/// Puts the new app in the place of the old one, if the code is the new one's. Every other login is over then; this one
/// goes on with the tokens of the answer.
#[utoipa::path(
    post, path = "/factor-changes/finish", operation_id = "finish_factor_change", tag = "Security",
    request_body = FirstCodeRequest,
    responses(
        (status = 200, description = "The tokens of the login from now on", body = TokenResponse),
        NewFactorProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn finish_factor(
    State(bank): State<Arc<Bank>>,
    app: App,
    Body(request): Body<FirstCodeRequest>,
) -> Result<Json<TokenResponse>, Problem> {
    let orderer = &app.orderer;
    bank.takes_a_try(&orderer.caller).map_err(Problem::too_often)?;
    let Bank { store, clock, .. } = &*bank;
    let (caller, authority, login) =
        (&orderer.caller, &orderer.authority, (&app.login, &app.session));
    let code = &request.code;
    let token = FactorChanges::finish(store, &**clock, caller, authority, login, code).await?;
    Ok(Json(tokens(&bank, &token, &app.session)))
}
