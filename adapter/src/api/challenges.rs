//! Proving with the second factor that the customer wants one certain transfer.

use super::answers::{ChallengeCodeProblems, ChallengeProblems};
use super::app::App;
use super::json::Body;
use super::path::Named;
use super::problem::{Code, Problem};
use crate::bank::Bank;
use crate::id::{Challenge, Id};
use crate::payments::{self, ProveRefused, SendCodeRefused};
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Seconds after which another code may be asked for.
const TOO_MANY_S: u64 = 3_600;

/// What it is proved with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChallengeRequest {
    /// The code that an authenticator app shows now, one that was not used before; or one that was sent for this
    /// challenge. No recovery code is taken.
    #[schema(example = "123456")]
    code: String,
}

/// Proves a challenge, for the login that it was made for. The transfer that it was made for, and no other, then goes
/// through with it, once.
#[utoipa::path(
    post, path = "/challenges/{challenge_id}/verify", operation_id = "verify_challenge", tag = "Transactions",
    request_body = ChallengeRequest,
    params(("challenge_id" = String, Path)),
    responses(
        (status = 204, description = "It is proved"),
        ChallengeProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn verify(
    State(bank): State<Arc<Bank>>,
    app: App,
    Named(challenge): Named<Id<Challenge>>,
    Body(request): Body<ChallengeRequest>,
) -> Result<StatusCode, Problem> {
    let Bank { store, clock, .. } = &*bank;
    let proved = payments::prove(store, &**clock, &app.orderer, challenge, &request.code).await;
    match proved {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(ProveRefused::NoSuchChallenge) => Err(Code::NotFound.into()),
        Err(ProveRefused::NoMatch) => Err(Code::SecondFactorMismatch.into()),
        Err(ProveRefused::Bank(error)) => Err(error.into()),
    }
}

/// Sends a code by message that proves this challenge, and names amount and payee, to a customer who has chosen that. One
/// that was sent before is good for nothing any more.
#[utoipa::path(
    post, path = "/challenges/{challenge_id}/sms", operation_id = "send_challenge_code", tag = "Transactions",
    params(("challenge_id" = String, Path)),
    responses(
        (status = 204, description = "It is on its way"),
        ChallengeCodeProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn send_code(
    State(bank): State<Arc<Bank>>,
    app: App,
    Named(challenge): Named<Id<Challenge>>,
) -> Result<StatusCode, Problem> {
    match payments::send_code(&bank, &app.orderer, challenge).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(SendCodeRefused::NoSuchChallenge) => Err(Code::NotFound.into()),
        Err(SendCodeRefused::NotChosen) => Err(Code::ChannelUnavailable.into()),
        Err(SendCodeRefused::TooMany) => Err(Problem::too_often(TOO_MANY_S)),
        Err(SendCodeRefused::Bank(error)) => Err(error.into()),
    }
}
