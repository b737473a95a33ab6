//! Forms: read strictly, and only if this bank's own page sent them.
//!
//! A form is taken if and only if 1. its browser says that it comes from the bank's origin, or says nothing;
//! 2. it has the token that belongs to the login, or to the visitor where nobody is logged in; 3. it has the
//! fields of its page, each once, and no other.

use super::cookies;
use super::pages::{self, Problem};
use super::session::{Session, StaffSession, User};
use crate::bank::Bank;
use crate::random;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

const VISITOR_BYTES: usize = 16;

/// Whose form it is, and its fields. Whatever is wrong with it is answered before a handler sees it.
pub(super) struct Form<O, F>(pub(super) O, pub(super) F);

/// Who forms belong to.
pub(super) trait Owner: FromRequestParts<Arc<Bank>, Rejection = Response> + Send {
    /// What their forms are told apart by.
    fn form_secret(&self) -> Vec<u8>;
}

/// The fields of a form that is a button alone.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoFields {}

/// What the link of a letter carries, and the form of its page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkFields {
    pub(super) token: String,
}

impl<O: Owner, F: DeserializeOwned> FromRequest<Arc<Bank>> for Form<O, F> {
    type Rejection = Response;

    async fn from_request(request: Request, bank: &Arc<Bank>) -> Result<Form<O, F>, Response> {
        let (mut parts, body) = request.into_parts();
        let owner = O::from_request_parts(&mut parts, bank).await?;
        let (secret, headers) = (owner.form_secret(), parts.headers.clone());
        let body = Bytes::from_request(Request::from_parts(parts, body), bank).await;
        let body = body.map_err(|unread| super::unreadable(unread.status()))?;
        let fields = read(bank, &headers, &secret, &body).map_err(pages::problem)?;
        Ok(Form(owner, fields))
    }
}

/// A browser that is not logged in.
pub(super) struct Visitor {
    text: String,
    is_new: bool,
}

impl Visitor {
    /// The browser of a request, or a new one.
    fn of(headers: &HeaderMap) -> Visitor {
        let known = cookies::value(headers, cookies::VISITOR);
        let is_sound = |text: &&str| {
            data_encoding::HEXLOWER
                .decode(text.as_bytes())
                .is_ok_and(|bytes| bytes.len() == VISITOR_BYTES)
        };
        match known.filter(is_sound) {
            Some(text) => Visitor { text: String::from(text), is_new: false },
            None => {
                let text = data_encoding::HEXLOWER.encode(&random::bytes::<VISITOR_BYTES>());
                Visitor { text, is_new: true }
            }
        }
    }

    /// What its forms are told apart by.
    pub(super) fn secret(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Makes the browser keep what it is known by.
    pub(super) fn keep(&self, response: &mut Response) {
        if self.is_new {
            cookies::set(response.headers_mut(), cookies::VISITOR, &self.text);
        }
    }
}

impl FromRequestParts<Arc<Bank>> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Bank>) -> Result<Visitor, Response> {
        Ok(Visitor::of(&parts.headers))
    }
}

impl Owner for Visitor {
    fn form_secret(&self) -> Vec<u8> {
        self.secret().into()
    }
}

impl Owner for User {
    fn form_secret(&self) -> Vec<u8> {
        self.token.form_secret().into()
    }
}

impl Owner for Session {
    fn form_secret(&self) -> Vec<u8> {
        self.token.form_secret().into()
    }
}

impl Owner for StaffSession {
    fn form_secret(&self) -> Vec<u8> {
        self.token.form_secret().into()
    }
}

/// The fields of a form, where whoever it belongs to is none of those above.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read<F: DeserializeOwned>(
    bank: &Bank,
    headers: &HeaderMap,
    secret: &[u8],
    body: &Bytes,
) -> Result<F, Problem> {
    if !is_own(bank, headers) {
        return Err(Problem::Forged);
    }
    let fields: Vec<(String, String)> =
        serde_urlencoded::from_bytes(body).map_err(|_| Problem::Malformed)?;
    let mut tokens = fields.iter().filter(|(name, _)| name == "csrf").map(|(_, value)| value);
    match (tokens.next(), tokens.next()) {
        (Some(token), None) if bank.is_form_token(secret, token) => {}
        _ => return Err(Problem::Forged),
    }
    let fields: Vec<_> = fields.into_iter().filter(|(name, _)| name != "csrf").collect();
    let again = serde_urlencoded::to_string(&fields).unwrap_or_default();
    serde_urlencoded::from_str(&again).map_err(|_| Problem::Malformed)
}

/// Whether a request comes from the bank's own pages, as far as its browser says where it comes from.
pub(super) fn is_own(bank: &Bank, headers: &HeaderMap) -> bool {
    let origin = headers.get_all(header::ORIGIN);
    let is_origin = origin.iter().all(|origin| origin.as_bytes() == bank.options.origin.as_bytes());
    let site = headers.get_all("sec-fetch-site");
    is_origin && site.iter().all(|site| site == "same-origin")
}
