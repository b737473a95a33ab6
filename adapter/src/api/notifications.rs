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
    /// Money has come to an account.
    money_in: WaysResponse,
    /// Money has gone from an account.
    money_out: WaysResponse,
    /// A payment from an account has failed.
    money_out_failed: WaysResponse,
    /// Which ways reach the customer: short messages need a telephone number that they have confirmed, and both these
    /// and notices a bank that sends them.
    available: WaysResponse,
}

/// The ways that somebody is told.
#[derive(Serialize, ToSchema)]
struct WaysResponse {
    /// By e-mail.
    email: bool,
    /// By a short message to the telephone number on record.
    sms: bool,
    /// By a notice on every registered device.
    push: bool,
}

impl From<Ways> for WaysResponse {
    fn from(Ways { email, sms, push }: Ways) -> WaysResponse {
        WaysResponse { email, sms, push }
    }
}

async fn response(bank: &Bank, app: &App) -> Result<Json<NotificationsResponse>, Problem> {
    let wishes = Preferences::of(&bank.store, app.customer()).await?;
    let (sms, push) = Preferences::reach(bank, app.customer()).await?;
    Ok(Json(NotificationsResponse {
        money_in: wishes.money_in.into(),
        money_out: wishes.money_out.into(),
        money_out_failed: wishes.money_out_failed.into(),
        available: WaysResponse { email: true, sms, push },
    }))
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
