//! What every answer says to browsers, and what is known of who asks.

use crate::audit::{self, Caller};
use crate::bank::Bank;
use crate::web;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Names a request in every system that it passes through.
const INTERACTION: HeaderName = HeaderName::from_static("x-fapi-interaction-id");
const CORRELATION: HeaderName = HeaderName::from_static("x-correlation-id");
/// Nothing is loaded but what the bank serves, nothing is framed, no form is sent elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";
/// The same for pages that are live: they run the bank's own script, which asks the bank alone.
pub(crate) const LIVE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// How long a request may take, its body included.
pub(super) const REQUEST_MAX: Duration = Duration::from_secs(15);

/// Headers of every answer.
pub async fn headers(request: Request, next: Next) -> Response {
    let answered = timeout(REQUEST_MAX, next.run(request)).await;
    let mut response = answered.unwrap_or_else(|_| web::overdue());
    dress(response.headers_mut());
    response
}

/// Sets the headers that every answer has.
pub(super) fn dress(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // With no-referrer browsers would send `Origin: null` with the bank's own forms.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in
        [(header::CACHE_CONTROL, "no-store"), (header::CONTENT_SECURITY_POLICY, POLICY)]
    {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// Tells handlers who asks, and the caller by what name the request is known.
pub async fn caller(State(bank): State<Arc<Bank>>, mut request: Request, next: Next) -> Response {
    // The caller's name for the request is told back and not kept: it may say anything about anybody.
    let correlation = audit::correlation();
    let interaction = named(request.headers()).unwrap_or_else(|| correlation.clone());
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let values = [(INTERACTION, interaction), (CORRELATION, correlation.clone())];
    let countries = bank.options.countries.as_ref();
    let country = countries.zip(address).and_then(|(countries, address)| countries.of(address));
    let caller = Caller { customer: None, login: None, correlation, address, country };
    request.extensions_mut().insert(caller);
    let mut response = next.run(request).await;
    for (name, value) in values {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The name that a caller chose for the request, if it is a UUID.
fn named(headers: &HeaderMap) -> Option<String> {
    let name = headers.get(INTERACTION)?.to_str().ok()?;
    let is_uuid = name.len() == 36
        && name.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    is_uuid.then(|| String::from(name))
}
