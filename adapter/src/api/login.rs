//! Logging in from an app of the bank: a name and a password, then a code, then tokens that are bound to the app's
//! key. Whatever was typed, the first step is answered in the same way ([`LoginAttempts`]).
//!
//! A third party never logs a customer in: it has no part in these operations.

use super::answers::{LoginProblems, LogoutProblems, RefreshProblems, VerifyProblems};
use super::app::{UserApp, challenge, proof_of};
use super::json::Body;
use super::problem::{Code, Problem};
use crate::audit::Caller;
use crate::bank::Bank;
use crate::customers::{
    Attempt, FoundLogin, Holder, LoginAttempts, LoginError, LoginSession, Sessions, Token, log_out,
};
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// What somebody logs in with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginRequest {
    /// Their e-mail address.
    #[schema(example = "ada@example.org")]
    email: String,
    /// Their password.
    #[schema(format = Password)]
    password: String,
}

/// An attempt to log in.
#[derive(Serialize, ToSchema)]
pub(super) struct LoginResponse {
    /// Sent back with the code, within five minutes, once.
    attempt: String,
}

/// Begins a login. The answer is the same whatever was typed; a code is needed next.
#[utoipa::path(
    post, path = "/auth/login", operation_id = "login", tag = "Logging in", request_body = LoginRequest,
    responses(
        (status = 200, description = "Whatever was typed: a code is needed next", body = LoginResponse),
        LoginProblems,
    ),
)]
pub(super) async fn begin(
    State(bank): State<Arc<Bank>>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<LoginRequest>,
) -> Result<Json<LoginResponse>, Problem> {
    let LoginRequest { email, password } = request;
    let password = Zeroizing::new(password);
    bank.takes_a_try(&caller).map_err(Problem::too_often)?;
    let Bank { store, clock, passwords, .. } = &*bank;
    let begun = LoginAttempts::begin(store, &**clock, passwords, &caller, &email, password).await?;
    Ok(Json(LoginResponse { attempt: begun.to_string() }))
}

/// The second step.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VerifyRequest {
    /// What the first step answered.
    attempt: String,
    /// The code that an authenticator app shows now, one that was sent for this attempt, or one of the customer's
    /// recovery codes.
    #[schema(example = "123456")]
    code: String,
}

/// A login that waits for its code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginCodeRequest {
    /// What the first step answered.
    attempt: String,
}

/// Sends a code by message for a login attempt, once, to a customer who has chosen that. The answer is the same for
/// everybody.
#[utoipa::path(
    post, path = "/auth/login/sms", operation_id = "send_login_code", tag = "Logging in",
    request_body = LoginCodeRequest,
    responses(
        (status = 204, description = "If they have chosen that, and the password was right, it is on its way"),
        LoginProblems,
    ),
)]
pub(super) async fn send_code(
    State(bank): State<Arc<Bank>>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<LoginCodeRequest>,
) -> Result<StatusCode, Problem> {
    bank.takes_a_try(&caller).map_err(Problem::too_often)?;
    if let Ok(attempt) = request.attempt.parse::<Attempt>() {
        LoginAttempts::send_code(&bank, &caller, &attempt).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// What an app has of a login.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenResponse {
    /// A JWT (RFC 9068), sent as `Authorization: DPoP <token>`, each time with a new proof.
    access_token: String,
    /// Always `DPoP`.
    #[schema(example = "DPoP")]
    token_type: &'static str,
    /// Seconds until the access token expires: with its login, if that ends before.
    #[schema(example = 600)]
    expires_in: u64,
    /// Gets another access token, as long as the login lasts; it stays the same.
    refresh_token: String,
}

/// Ends a login attempt with a code. The tokens are bound to the key that made the proof in the header `DPoP`.
///
/// The attempt is spent by the first code that is tried with it, so that a proof which comes again finds nothing.
#[utoipa::path(
    post, path = "/auth/login/verify", operation_id = "verify_login", tag = "Logging in", request_body = VerifyRequest,
    params(("DPoP" = String, Header, description = "A proof of the app's key (RFC 9449)")),
    responses(
        (status = 200, description = "Logged in", body = TokenResponse),
        VerifyProblems,
    ),
)]
pub(super) async fn verify(
    State(bank): State<Arc<Bank>>,
    Extension(caller): Extension<Caller>,
    parts: Parts,
    Body(request): Body<VerifyRequest>,
) -> Result<Json<TokenResponse>, Problem> {
    let proof = proof_of(&bank, &parts, None)?;
    let Bank { store, clock, .. } = &*bank;
    let holder = Holder::App(&proof.thumbprint);
    let finished = match request.attempt.parse::<Attempt>() {
        Ok(attempt) => {
            LoginAttempts::finish(store, &**clock, &caller, &attempt, &request.code, holder).await
        }
        Err(error) => Err(error),
    };
    match finished {
        Ok((token, session)) => Ok(Json(tokens(&bank, &token, &session))),
        Err(LoginError::NoMatch) => Err(challenge(Code::LoginFailed, None)),
        Err(LoginError::Bank(error)) => Err(error.into()),
    }
}

/// What an app has of a login that goes by this token.
pub(super) fn tokens(bank: &Bank, token: &Token, session: &LoginSession) -> TokenResponse {
    let (access_token, expires_in) = bank.tokens.issue(session, &token.key(), bank.clock.now());
    let refresh_token = token.to_string();
    TokenResponse { access_token, token_type: "DPoP", expires_in, refresh_token }
}

/// What gets another access token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RefreshRequest {
    /// What the login answered.
    refresh_token: String,
}

/// Gets another access token of the same login. The proof must be made with the same key.
#[utoipa::path(
    post, path = "/auth/token/refresh", operation_id = "refresh_token", tag = "Logging in", request_body = RefreshRequest,
    params(("DPoP" = String, Header, description = "A proof of the app's key (RFC 9449)")),
    responses(
        (status = 200, description = "Another access token", body = TokenResponse),
        RefreshProblems,
    ),
)]
pub(super) async fn refresh(
    State(bank): State<Arc<Bank>>,
    parts: Parts,
    Body(request): Body<RefreshRequest>,
) -> Result<Json<TokenResponse>, Problem> {
    let proof = proof_of(&bank, &parts, None)?;
    let token: Token = request.refresh_token.parse().map_err(|_| Code::InvalidGrant)?;
    let Bank { store, clock, .. } = &*bank;
    let found = Sessions::find_app(store, &**clock, &token.key(), &proof.thumbprint).await?;
    let FoundLogin { session, .. } = found.ok_or(Code::InvalidGrant)?;
    // Only who has a login gets this far, so strangers leave nothing in the ledger's memory.
    bank.proofs.used(store, &proof, clock.now()).await?;
    Ok(Json(tokens(&bank, &token, &session)))
}

/// Ends the login: its tokens are worth nothing from now on.
#[utoipa::path(
    post, path = "/auth/logout", operation_id = "logout", tag = "Logging in",
    responses(
        (status = 204, description = "Logged out"),
        LogoutProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn logout(
    State(bank): State<Arc<Bank>>,
    UserApp(app): UserApp,
) -> Result<StatusCode, Problem> {
    let Bank { store, clock, .. } = &*bank;
    log_out(store, &**clock, &app.orderer.caller, &app.login).await?;
    Ok(StatusCode::NO_CONTENT)
}
