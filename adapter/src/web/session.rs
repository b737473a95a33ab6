//! Whether a browser is logged in, and as whom, asked of the ledger with every request.
//!
//! A page that is live reads itself again when something happens; that keeps no login alive, nor does listening.
//!
//! Customers' pages are customers' alone, and the staff's are the staff's: who is logged in and comes to the
//! others' gets 403, whatever the page.

use super::cookies;
use super::pages::{self, Problem};
use crate::audit::Caller;
use crate::bank::Bank;
use crate::customers::{FoundLogin, LoginSession, Sessions, StepUp, Token};
use crate::edge::Known;
use crate::id::{Customer, Id};
use crate::live::Listener;
use crate::payments::Orderer;
use crate::staff::Clerk;
use axum::extract::FromRequestParts;
use axum::http::HeaderName;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Says that a page's own script asks, and not its reader.
const REFRESH: HeaderName = HeaderName::from_static("x-refresh");

/// A browser in which somebody is logged in, on whichever side of the counter.
pub(super) struct User {
    pub(super) token: Token,
    pub(super) found: FoundLogin,
    /// Who asks.
    pub(super) caller: Caller,
    /// The token of this login's forms.
    pub(super) csrf: String,
}

/// A browser in which a customer is logged in.
pub(super) struct Session {
    pub(super) token: Token,
    pub(super) login: LoginSession,
    /// Who asks, and what must hold for them to order anything.
    pub(super) orderer: Orderer,
    /// The token of this login's forms.
    pub(super) csrf: String,
}

/// A browser in which a member of the staff is logged in.
pub(super) struct StaffSession {
    pub(super) token: Token,
    /// Who asks, what they may do, and what must hold for it.
    pub(super) clerk: Clerk,
    /// The token of this login's forms.
    pub(super) csrf: String,
}

/// A page of a customer that listens by itself; `None` if nobody is logged in there.
pub(super) struct Onlooker(pub(super) Option<Listener>);

/// Who asks for something: the customer, which is using their login, or a page of theirs by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asking {
    Reader,
    Page,
}

impl User {
    /// Whoever is logged in; `None` if nobody is.
    async fn of(
        parts: &mut Parts,
        bank: &Arc<Bank>,
        asking: Asking,
    ) -> Result<Option<User>, Response> {
        let caller = parts.extensions.get::<Caller>().cloned().unwrap_or_else(Caller::bank);
        let token = cookies::value(&parts.headers, cookies::LOGIN);
        let Some(token) = token.and_then(|token| token.parse::<Token>().ok()) else {
            return Ok(None);
        };
        let Bank { store, clock, .. } = &**bank;
        let found = match asking {
            Asking::Reader => Sessions::find_user(store, &**clock, &token).await,
            Asking::Page => Sessions::look_at_user(store, &**clock, &token).await,
        };
        let Some(found) = found.map_err(|error| pages::failed(&error))? else { return Ok(None) };
        let FoundLogin { session: LoginSession { user_id, session_id, .. }, .. } = found;
        let caller = Caller { customer: Some(user_id), login: Some(session_id), ..caller };
        if let Some(known) = parts.extensions.get::<Known>() {
            known.is(&caller);
        }
        let csrf = bank.form_token(&token.form_secret());
        Ok(Some(User { token, found, caller, csrf }))
    }
}

impl FromRequestParts<Arc<Bank>> for User {
    type Rejection = Response;

    /// Whoever is not logged in is led to where one does.
    async fn from_request_parts(parts: &mut Parts, bank: &Arc<Bank>) -> Result<User, Response> {
        let is_page = parts.headers.contains_key(REFRESH);
        let asking = if is_page { Asking::Page } else { Asking::Reader };
        User::of(parts, bank, asking).await?.ok_or_else(to_login)
    }
}

impl FromRequestParts<Arc<Bank>> for Onlooker {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, bank: &Arc<Bank>) -> Result<Onlooker, Response> {
        let user = User::of(parts, bank, Asking::Page).await?;
        let customer = user.filter(|user| user.found.user_kind.is_customer());
        Ok(Onlooker(customer.map(|User { token, found, .. }| Listener {
            customer: found.session.user_id,
            login: token.key(),
            until: found.session.expires_at.into(),
        })))
    }
}

impl FromRequestParts<Arc<Bank>> for Session {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, bank: &Arc<Bank>) -> Result<Session, Response> {
        let User { token, found, caller, csrf } = User::from_request_parts(parts, bank).await?;
        if !found.user_kind.is_customer() {
            return Err(pages::problem(Problem::Forbidden));
        }
        let FoundLogin { session: login, unchanged, .. } = found;
        let orderer = Orderer {
            caller,
            customer: login.user_id,
            authority: unchanged.into(),
            auth_method: login.auth_method.clone(),
            device_since: login.device_since,
        };
        Ok(Session { token, login, orderer, csrf })
    }
}

impl FromRequestParts<Arc<Bank>> for StaffSession {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        bank: &Arc<Bank>,
    ) -> Result<StaffSession, Response> {
        let User { token, found, caller, csrf } = User::from_request_parts(parts, bank).await?;
        let clerk = Clerk::of(found, caller);
        let clerk = clerk.ok_or_else(|| pages::problem(Problem::Forbidden))?;
        Ok(StaffSession { token, clerk, csrf })
    }
}

impl Session {
    pub(super) fn customer(&self) -> Id<Customer> {
        self.login.user_id
    }

    /// What this login proves itself again with.
    pub(super) fn step_up<'a>(&'a self, password: Zeroizing<String>, code: &'a str) -> StepUp<'a> {
        let authority = &self.orderer.authority;
        StepUp { key: self.token.key(), login: &self.login, authority, password, code }
    }
}

/// Leads on, under the token that a login has now.
pub(super) fn led_on(path: &str, token: &Token) -> Response {
    let mut response = Redirect::to(path).into_response();
    cookies::set(response.headers_mut(), cookies::LOGIN, &token.to_string());
    response
}

fn to_login() -> Response {
    Redirect::to("/login").into_response()
}

/// An id in a path that is none is nobody's.
pub(super) fn no_such() -> Response {
    pages::problem(Problem::NotFound)
}
