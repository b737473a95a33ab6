//! What the staff does from programs: each operation is for a login of the staff, and for the roles that its page is
//! for, and is done by the same service.

mod cases;
mod clock;
mod customers;
mod history;
mod order;
mod proposals;
mod refused;
mod suspension;

use crate::bank::Bank;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Why something is done.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReasonRequest {
    /// One line of at most 140 characters, all of them visible: for whoever looks at the records.
    #[schema(min_length = 1, max_length = 140, example = "asked by telephone")]
    reason: String,
}

pub(super) use clock::operations as clock;

/// Everything below `/staff`.
pub(super) fn operations() -> OpenApiRouter<Arc<Bank>> {
    OpenApiRouter::new()
        .routes(routes!(customers::search))
        .routes(routes!(customers::show))
        .routes(routes!(customers::unlock))
        .routes(routes!(customers::legal_hold))
        .routes(routes!(history::of_account))
        .routes(routes!(suspension::suspend))
        .routes(routes!(suspension::reinstate))
        .routes(routes!(proposals::all, proposals::propose))
        .routes(routes!(proposals::approve))
        .routes(routes!(proposals::reject))
        .routes(routes!(cases::all))
        .routes(routes!(cases::decide))
}
