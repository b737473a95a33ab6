//! Who is logged in, as the bank knows them.

use super::answers::ProfileProblems;
use super::app::UserApp;
use super::problem::{Code, Problem};
use super::time::Time;
use crate::bank::Bank;
use crate::customers::{Customers, KycStatus};
use crate::store::Found;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A customer, or a member of the staff.
#[derive(Serialize, ToSchema)]
pub(super) struct ProfileResponse {
    #[schema(example = "usr_01jdsh2m0v9x3f4t8kzq6w5r7n")]
    user_id: String,
    first_name: String,
    last_name: String,
    email: String,
    phone_number: Option<String>,
    address: Option<String>,
    /// As ISO 8601 writes it.
    date_of_birth: Option<String>,
    /// How far the bank knows who they are: `PENDING`, `VERIFIED` or `REJECTED`.
    #[schema(value_type = String, example = "VERIFIED")]
    kyc_status: KycStatus,
    created_at: Time,
}

/// The profile of whoever is logged in.
#[utoipa::path(
    get, path = "/users/me", operation_id = "get_profile", tag = "Customers",
    responses(
        (status = 200, description = "The profile", body = ProfileResponse),
        ProfileProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn me(
    State(bank): State<Arc<Bank>>,
    UserApp(app): UserApp,
) -> Result<Json<ProfileResponse>, Problem> {
    let found: Option<Found<Customers>> = bank.store.get(&app.customer().bytes()).await?;
    // Who was erased while they asked is nobody.
    let found = found.ok_or(Code::NotFound)?;
    let profile = found.row.profile.known().ok_or(Code::NotFound)?;
    Ok(Json(ProfileResponse {
        user_id: app.customer().to_string(),
        first_name: profile.first_name,
        last_name: profile.last_name,
        email: profile.email,
        phone_number: profile.phone_number,
        address: profile.address,
        date_of_birth: profile.date_of_birth,
        kyc_status: found.row.open.kyc_status,
        created_at: found.row.open.created_at.into(),
    }))
}
