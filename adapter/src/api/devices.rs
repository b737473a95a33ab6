//! Devices on which the bank's apps show notices.

use super::answers::{DeviceProblems, NamedProblems, ReadProblems};
use super::app::App;
use super::json::{Body, Flaw, FlawCode};
use super::path::Named;
use super::problem::{Code, Problem};
use super::time::Time;
use crate::alerts::{Devices, PushToken, RegisterRefused, Registered};
use crate::bank::Bank;
use crate::id::{Device, Id};
use crate::notify::Platform;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// A device that is to show notices.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeviceRequest {
    /// Whose service brings notices to it.
    platform: Platform,
    /// What that service knows the app by: 1 to 2,048 visible characters.
    #[schema(pattern = "^[!-~]{1,2048}$", example = "d3b07384d113edec49eaa6238ad5ff00")]
    token: String,
}

/// A device. What its service knows it by is not told again.
#[derive(Serialize, ToSchema)]
pub(super) struct DeviceResponse {
    #[schema(example = "dev_01jdsh2m0v9x3f4t8kzq6w5r7n")]
    device_id: String,
    platform: Platform,
    registered_at: Time,
}

/// A customer's devices.
#[derive(Serialize, ToSchema)]
pub(super) struct DevicesResponse {
    /// All of them, oldest first.
    data: Vec<DeviceResponse>,
}

impl From<Registered> for DeviceResponse {
    fn from(device: Registered) -> DeviceResponse {
        DeviceResponse {
            device_id: device.device_id.to_string(),
            platform: device.platform,
            registered_at: device.registered_at.into(),
        }
    }
}

/// The customer's devices.
#[utoipa::path(
    get, path = "/users/me/devices", operation_id = "list_devices", tag = "Notifications",
    responses(
        (status = 200, description = "The devices", body = DevicesResponse),
        ReadProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn all(
    State(bank): State<Arc<Bank>>,
    app: App,
) -> Result<Json<DevicesResponse>, Problem> {
    let devices = Devices::of(&bank.store, app.customer()).await?;
    Ok(Json(DevicesResponse { data: devices.into_iter().map(DeviceResponse::from).collect() }))
}

/// Registers a device; the same again is the same device. One that was another customer's is theirs no more.
#[utoipa::path(
    post, path = "/users/me/devices", operation_id = "register_device", tag = "Notifications",
    request_body = DeviceRequest,
    responses(
        (status = 200, description = "It was registered before", body = DeviceResponse),
        (status = 201, description = "Registered", body = DeviceResponse),
        DeviceProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn register(
    State(bank): State<Arc<Bank>>,
    app: App,
    Body(request): Body<DeviceRequest>,
) -> Result<Response, Problem> {
    let token = PushToken::parse(&request.token)
        .map_err(|_| Problem::flawed(Flaw::of("token", FlawCode::InvalidValue)))?;
    let Bank { store, clock, .. } = &*bank;
    let registered =
        Devices::register(store, &**clock, &app.orderer, request.platform, &token).await;
    let (device, is_new) = registered.map_err(|refused| match refused {
        RegisterRefused::TooMany => Code::TooManyDevices.into(),
        RegisterRefused::Bank(error) => Problem::from(error),
    })?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(DeviceResponse::from(device))).into_response())
}

/// Forgets a device.
#[utoipa::path(
    delete, path = "/users/me/devices/{device_id}", operation_id = "remove_device",
    tag = "Notifications",
    params(("device_id" = String, Path)),
    responses(
        (status = 204, description = "Forgotten"),
        NamedProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn remove(
    State(bank): State<Arc<Bank>>,
    app: App,
    Named(device): Named<Id<Device>>,
) -> Result<StatusCode, Problem> {
    let Bank { store, clock, .. } = &*bank;
    if Devices::remove(store, &**clock, &app.orderer, device).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Code::NotFound.into())
    }
}
