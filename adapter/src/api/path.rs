//! What an operation is about, as its path names it.

use super::problem::{Code, Problem};
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use std::str::FromStr;

/// The one thing that a path names. What is no name of any is not there, as what is nobody's.
pub(super) struct Named<T>(pub(super) T);

impl<S: Send + Sync, T: FromStr> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Named<T>, Problem> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = text.map_err(|_| Code::NotFound)?;
        text.parse().map(Named).map_err(|_| Code::NotFound.into())
    }
}
