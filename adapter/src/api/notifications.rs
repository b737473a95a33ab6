//! What the customer is told of, and how.

use super::answers::{NotificationProblems, ReadProblems};
use super::app::App;
use super::json::Body;
use super::problem::{Code, Problem};
use crate::alerts::{Preferences, PreferencesRefused, Ways, Wishes};
use crate::bank::Bank;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// What a customer is told of. What is about security is none of it: that always comes by e-mail.
#[derive(Serialize, ToSchema)]
pub(super) struct NotificationsResponse {
    #[serde(flatten)]
    wishes: Wishes,
    /// Which ways reach the customer: short messages need a telephone number that they have confirmed, and both these
    /// and notices a bank that sends them.
    available: Ways,
}

async fn response(bank: &Bank, app: &App) -> Result<Json<NotificationsResponse>, Problem> {
    let wishes = Preferences::of(&bank.store, app.customer()).await?;
    let (sms, push) = Preferences::reach(bank, app.customer()).await?;
    let available = Ways { email: true, sms, push };
    Ok(Json(NotificationsResponse { wishes, available }))
}

/// What the customer is told of. Nothing, until they ask for it.
#[utoipa::path(
    get, path = "/users/me/notifications", operation_id = "get_notifications", tag = "Notifications",
    responses(
        (status = 200, description = "What they are told of", body = NotificationsResponse),
        ReadProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn get(
    State(bank): State<Arc<Bank>>,
    app: App,
) -> Result<Json<NotificationsResponse>, Problem> {
    response(&bank, &app).await
}

/// Tells the customer of something else from now on. They hear by e-mail that it was changed.
#[utoipa::path(
    put, path = "/users/me/notifications", operation_id = "set_notifications", tag = "Notifications",
    request_body = Wishes,
    responses(
        (status = 200, description = "What they are told of now", body = NotificationsResponse),
        NotificationProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn set(
    State(bank): State<Arc<Bank>>,
    app: App,
    Body(wishes): Body<Wishes>,
) -> Result<Json<NotificationsResponse>, Problem> {
    Preferences::set(&bank, &app.orderer, wishes).await.map_err(problem)?;
    response(&bank, &app).await
}

fn problem(refused: PreferencesRefused) -> Problem {
    match refused {
        PreferencesRefused::NoSms | PreferencesRefused::NoPush => Code::ChannelUnavailable.into(),
        PreferencesRefused::Bank(error) => error.into(),
    }
}
