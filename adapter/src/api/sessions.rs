//! Where a customer is logged in, and ending that ([`crate::customers::logins_of`]).

use super::answers::{NamedProblems, OtherLoginsProblems, ReadProblems};
use super::app::{App, not_valid};
use super::path::Named;
use super::problem::{Code, Problem};
use super::time::Time;
use crate::bank::Bank;
use crate::customers::{Ending, LoginInUse, end_logins, logins_of};
use crate::error::BankError;
use crate::id::{Id, Login};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A login.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionResponse {
    #[schema(example = "lgn_01jdsh2m0v9x3f4t8kzq6w5r7n")]
    session_id: String,
    /// Whether it is the one that asks.
    is_this: bool,
    /// Whether an app has it: its tokens are nothing without the app's key. Otherwise a browser has it.
    is_app: bool,
    /// How the customer has proved who they are.
    #[schema(example = "password+totp")]
    auth_method: String,
    created_at: Time,
    /// Give or take a minute.
    last_accessed_at: Time,
    /// When it is over if nothing ends it before.
    expires_at: Time,
}

/// A customer's logins.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionsResponse {
    /// All that are not over, newest first.
    data: Vec<SessionResponse>,
}

/// All logins of the customer, in browsers and apps.
#[utoipa::path(
    get, path = "/users/me/sessions", operation_id = "list_sessions", tag = "Security",
    responses(
        (status = 200, description = "The logins", body = SessionsResponse),
        ReadProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn all(
    State(bank): State<Arc<Bank>>,
    app: App,
) -> Result<Json<SessionsResponse>, Problem> {
    let logins = logins_of(&bank.store, &*bank.clock, app.customer()).await?;
    let this = app.session.session_id;
    let data = logins.into_iter().map(|login| response(login, this)).collect();
    Ok(Json(SessionsResponse { data }))
}

fn response(login: LoginInUse, this: Id<Login>) -> SessionResponse {
    let LoginInUse { session, last_accessed_at, .. } = login;
    SessionResponse {
        session_id: session.session_id.to_string(),
        is_this: session.session_id == this,
        is_app: session.dpop_jkt.is_some(),
        auth_method: session.auth_method,
        created_at: session.created_at.into(),
        last_accessed_at: last_accessed_at.into(),
        expires_at: session.expires_at.into(),
    }
}

/// Ends a login of the customer, this one too: what it has is worth nothing from now on.
#[utoipa::path(
    delete, path = "/users/me/sessions/{session_id}", operation_id = "end_session", tag = "Security",
    params(("session_id" = String, Path)),
    responses(
        (status = 204, description = "It is over"),
        NamedProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn end_one(
    State(bank): State<Arc<Bank>>,
    app: App,
    Named(login): Named<Id<Login>>,
) -> Result<StatusCode, Problem> {
    match ended(&bank, &app, Ending::One(login)).await? {
        0 => Err(Code::NotFound.into()),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}

/// Ends every login of the customer but the one that asks.
#[utoipa::path(
    post, path = "/users/me/sessions/end-others", operation_id = "end_other_sessions", tag = "Security",
    responses(
        (status = 204, description = "They are over"),
        OtherLoginsProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn end_others(
    State(bank): State<Arc<Bank>>,
    app: App,
) -> Result<StatusCode, Problem> {
    ended(&bank, &app, Ending::AllBut(app.session.session_id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How many it were.
async fn ended(bank: &Bank, app: &App, ending: Ending) -> Result<usize, Problem> {
    let Bank { store, clock, .. } = bank;
    let (caller, authority) = (&app.orderer.caller, &app.orderer.authority);
    let ended = end_logins(store, &**clock, caller, authority, app.customer(), ending).await;
    ended.map_err(|error| match error {
        // Their own was ended in this moment.
        BankError::Unmet(_) => not_valid(),
        error => error.into(),
    })
}
