//! What a page is about, as its address names it.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use std::convert::Infallible;
use std::str::FromStr;

/// The one thing that an address names; `None` if it is no name of any. It is looked at after whoever asks and the form
/// that they send, so that nobody is told anything of it before.
pub(super) struct Named<T>(pub(super) Option<T>);

impl<S: Send + Sync, T: FromStr> FromRequestParts<S> for Named<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Named<T>, Infallible> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        Ok(Named(text.ok().and_then(|Path(text)| text.parse().ok())))
    }
}
