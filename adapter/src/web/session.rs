//! Whether a browser is logged in, asked of the ledger with every request.

use super::cookies;
use super::pages::{self, Problem};
use crate::audit::Caller;
use crate::bank::Bank;
use crate::customers::{FoundLogin, LoginSession, Sessions, Token};
use crate::edge::Known;
use crate::id::{Customer, Id};
use crate::payments::Orderer;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use std::sync::Arc;

/// A browser that is logged in.
pub(super) struct Session {
    pub(super) token: Token,
    pub(super) login: LoginSession,
    /// Who asks, and what must hold for them to order anything.
    pub(super) orderer: Orderer,
    /// The token of this login's forms.
    pub(super) csrf: String,
}

impl FromRequestParts<Arc<Bank>> for Session {
    type Rejection = Response;

    /// Whoever is not logged in is led to where one does.
    async fn from_request_parts(parts: &mut Parts, bank: &Arc<Bank>) -> Result<Session, Response> {
        let caller = parts.extensions.get::<Caller>().cloned().unwrap_or_else(Caller::bank);
        let token = cookies::value(&parts.headers, cookies::LOGIN);
        let Some(token) = token.and_then(|token| token.parse::<Token>().ok()) else {
            return Err(to_login());
        };
        let found = Sessions::find(&bank.store, &*bank.clock, &token).await;
        let login = found.map_err(|error| pages::failed(&error))?;
        let Some(FoundLogin { session: login, unchanged }) = login else { return Err(to_login()) };
        let caller =
            Caller { customer: Some(login.user_id), login: Some(login.session_id), ..caller };
        if let Some(known) = parts.extensions.get::<Known>() {
            known.is(&caller);
        }
        let csrf = bank.form_token(&token.form_secret());
        let customer = login.user_id;
        let orderer = Orderer { caller, customer, authority: unchanged.into() };
        Ok(Session { token, login, orderer, csrf })
    }
}

impl Session {
    pub(super) fn customer(&self) -> Id<Customer> {
        self.login.user_id
    }
}

fn to_login() -> Response {
    Redirect::to("/login").into_response()
}

/// An id in a path that is none is nobody's.
pub(super) fn no_such() -> Response {
    pages::problem(Problem::NotFound)
}
