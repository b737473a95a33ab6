//! The pages of letters' links. Each shows a form that spends the link, and does nothing by itself, since mailboxes load
//! the links that they are sent.

use super::forms::{LinkFields, Visitor};
use super::pages::{self, Problem};
use super::query::Query;
use crate::bank::Bank;
use crate::customers::Link;
use askama::Template;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::Response;
use std::sync::Arc;

/// Somebody who follows a link, and what the form of its page needs. A link that is none leads nowhere.
pub(super) struct Follower {
    visitor: Visitor,
    pub(super) link: Link,
    /// The token of the form.
    pub(super) csrf: String,
}

/// A page whose form is a button alone.
#[derive(Template)]
#[template(path = "confirm_link.html")]
pub(super) struct ConfirmPage<'a> {
    bank: &'a str,
    csrf: String,
    token: String,
    words: Words,
}

/// What it says.
#[derive(Clone, Copy)]
pub(super) struct Words {
    pub(super) title: &'static str,
    pub(super) advice: &'static str,
    /// What the button says.
    pub(super) button: &'static str,
    /// Where it leads.
    pub(super) action: &'static str,
}

impl Follower {
    /// The same visitor, whose form was sent with the link.
    pub(super) fn of(bank: &Bank, visitor: Visitor, token: &str) -> Result<Follower, Problem> {
        let link = token.parse().map_err(|_| Problem::LinkIsOver)?;
        let csrf = bank.form_token(visitor.secret());
        Ok(Follower { visitor, link, csrf })
    }

    /// A page for them, which says what is wrong with what they sent, or nothing.
    pub(super) fn show<T: Template>(&self, page: &T, problem: &str) -> Response {
        let mut response = pages::form(page, problem);
        self.visitor.keep(&mut response);
        response
    }

    /// The page with a button alone.
    pub(super) fn ask(&self, bank: &Bank, words: Words) -> Response {
        let (csrf, token) = (self.csrf.clone(), self.link.to_string());
        self.show(&ConfirmPage { bank: &bank.options.name, csrf, token, words }, "")
    }
}

impl FromRequestParts<Arc<Bank>> for Follower {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, bank: &Arc<Bank>) -> Result<Follower, Response> {
        let visitor = Visitor::from_request_parts(parts, bank).await?;
        let Query(fields) = Query::<LinkFields>::from_request_parts(parts, bank).await?;
        Follower::of(bank, visitor, &fields.token).map_err(pages::problem)
    }
}
