//! What an address says beside its path.

use super::pages::{self, Problem};
use crate::bank::Bank;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::Response;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// The query of an address; one that can't be read is answered by a page, as everything is.
pub(super) struct Query<Q>(pub(super) Q);

impl<Q: DeserializeOwned> FromRequestParts<Arc<Bank>> for Query<Q> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, bank: &Arc<Bank>) -> Result<Query<Q>, Response> {
        let read = axum::extract::Query::from_request_parts(parts, bank).await;
        let axum::extract::Query(query) = read.map_err(|_| pages::problem(Problem::Malformed))?;
        Ok(Query(query))
    }
}
