//! The clock of a bank whose time is set by hand. These operations are where such a bank is and nowhere else, and so no
//! part of the document that describes the API.

use super::super::app::Desk;
use super::super::json::Body;
use super::super::problem::{Code, Problem};
use super::super::time::Time;
use crate::bank::Bank;
use crate::test_clock::{self, SetRefused};
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use florin_ledger::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// What time it is.
#[derive(Serialize)]
struct ClockResponse {
    now: Time,
}

/// What time it shall be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ClockRequest {
    /// By RFC 3339, later than it is.
    now: String,
}

/// The operations, if the bank has such a clock.
pub(in super::super) fn operations(bank: &Bank) -> Router<Arc<Bank>> {
    match bank.test_clock {
        Some(_) => Router::new().route("/staff/test-clock", get(read).put(set)),
        None => Router::new(),
    }
}

async fn read(State(bank): State<Arc<Bank>>, Desk(_): Desk) -> Json<ClockResponse> {
    Json(ClockResponse { now: bank.clock.now().into() })
}

async fn set(
    State(bank): State<Arc<Bank>>,
    Desk(clerk): Desk,
    Body(request): Body<ClockRequest>,
) -> Result<Json<ClockResponse>, Problem> {
    let time = request.now.parse::<jiff::Timestamp>().ok();
    let time = time.and_then(|time| u64::try_from(time.as_nanosecond()).ok()).map(Timestamp);
    let time = time.ok_or_else(|| Problem::improper("now", &"a time as RFC 3339 writes it"))?;
    let now = test_clock::set(&bank, &clerk, time).await?;
    Ok(Json(ClockResponse { now: now.into() }))
}

impl From<SetRefused> for Problem {
    fn from(refused: SetRefused) -> Problem {
        match refused {
            SetRefused::Forbidden(refused) => refused.into(),
            SetRefused::NoTestClock => Code::NotFound.into(),
            SetRefused::Back | SetRefused::TooFar => Problem::improper("now", &refused),
            SetRefused::Bank(error) => error.into(),
        }
    }
}
