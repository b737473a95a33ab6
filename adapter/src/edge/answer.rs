//! What is done with a request on a connection before and after the bank looks at it.

use super::endless::Endless;
use super::framing;
use super::headers::dress;
use super::limits::{
    COOKIES_COUNT_MAX, HEADERS_COUNT_MAX, Limits, PARAMETERS_COUNT_MAX, TARGET_BYTES_MAX,
};
use super::pace::{Slow, paced};
use super::presence::Presence;
use crate::api;
use crate::web;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::request::Parts;
use axum::http::uri::Scheme;
use axum::http::{HeaderValue, StatusCode, Version, header};
use axum::response::Response;
use std::net::SocketAddr;
use tower::ServiceExt;

/// Who is on a connection, and what holds there.
#[derive(Clone)]
pub(super) struct Host {
    pub(super) router: Router,
    pub(super) presence: Presence,
    pub(super) peer: SocketAddr,
    pub(super) limits: Limits,
}

impl Host {
    /// The answer to a request.
    pub(super) async fn answer(self, request: Request) -> Response {
        let under_way = self.presence.begin();
        let (mut parts, body) = request.into_parts();
        let path = String::from(parts.uri.path());
        let response = match refusal(&parts) {
            Some(status) => refused(&path, status),
            None => {
                let slow = Slow::default();
                let body = paced(body, self.limits.body, &slow);
                parts.extensions.insert(ConnectInfo(self.peer));
                let answered = self.router.oneshot(Request::from_parts(parts, body)).await;
                let response = answered.unwrap_or_else(|never| match never {});
                if slow.is_so() { refused(&path, StatusCode::REQUEST_TIMEOUT) } else { response }
            }
        };
        match response.extensions().get::<Endless>() {
            Some(Endless) => response.map(|body| under_way.until_leaving(body)),
            None => response.map(|body: Body| under_way.until_end(body)),
        }
    }
}

/// How a request is answered that nobody looks at.
fn refusal(parts: &Parts) -> Option<StatusCode> {
    if let Some(status) = unusual(parts) {
        return Some(status);
    }
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let query = parts.uri.query().unwrap_or_default();
    let cookies = parts.headers.get_all(header::COOKIE).iter();
    let cookies: usize = cookies.map(|value| count(value.as_bytes(), b';')).sum();
    let encodings = parts.headers.get_all(header::CONTENT_ENCODING);
    if TARGET_BYTES_MAX < target.len() {
        Some(StatusCode::URI_TOO_LONG)
    } else if HEADERS_COUNT_MAX < parts.headers.len() {
        Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
    } else if PARAMETERS_COUNT_MAX < count(query.as_bytes(), b'&') || COOKIES_COUNT_MAX < cookies {
        Some(StatusCode::BAD_REQUEST)
    } else if encodings.iter().any(|encoding| encoding != "identity") {
        // Nothing is ever unpacked: a small body stays a small body.
        Some(StatusCode::UNSUPPORTED_MEDIA_TYPE)
    } else {
        None
    }
}

/// What is wrong with how a request begins. Over HTTP/1.1 that was looked at before; over HTTP/2 anybody can send a
/// method that would stand for a refusal there.
fn unusual(parts: &Parts) -> Option<StatusCode> {
    if parts.version != Version::HTTP_2 {
        return framing::refused(&parts.method);
    }
    let is_https = parts.uri.scheme().is_none_or(|scheme| *scheme == Scheme::HTTPS);
    let is_usual = framing::is_method(parts.method.as_str().as_bytes()) && is_https;
    (!is_usual).then_some(StatusCode::BAD_REQUEST)
}

/// How many parts a text has.
fn count(text: &[u8], separator: u8) -> usize {
    text.split(|byte| *byte == separator).count()
}

/// Says so, and closes the connection: what else comes on it may be anything.
fn refused(path: &str, status: StatusCode) -> Response {
    let for_programs = api::unreadable(path, status);
    let mut response = for_programs.unwrap_or_else(|| web::unreadable(status));
    dress(response.headers_mut());
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
