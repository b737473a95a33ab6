//! Proving with the second factor that the customer wants one certain transfer.

use super::answers::ChallengeProblems;
use super::app::App;
use super::json::Body;
use super::problem::{Code, Problem};
use crate::bank::Bank;
use crate::id::{Challenge, Id};
use crate::payments::{self, ProveRefused};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// What it is proved with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChallengeRequest {
    /// The code that an authenticator app shows now; one that was not used before. No recovery code is taken.
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
    Path(challenge): Path<String>,
    Body(request): Body<ChallengeRequest>,
) -> Result<StatusCode, Problem> {
    let challenge: Id<Challenge> = challenge.parse().map_err(|_| Code::NotFound)?;
    let Bank { store, clock, .. } = &*bank;
    let proved = payments::prove(store, &**clock, &app.orderer, challenge, &request.code).await;
    match proved {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(ProveRefused::NoSuchChallenge) => Err(Code::NotFound.into()),
        Err(ProveRefused::NoMatch) => Err(Code::SecondFactorMismatch.into()),
        Err(ProveRefused::Bank(error)) => Err(error.into()),
    }
}
