//! A new secret of an authenticator app on a page: as a picture, as a link on the phone itself, and as text; with the form
//! that its first code is sent with.

use super::pages;
use super::picture::Picture;
use crate::bank::Bank;
use crate::customers::Enrolment;
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "app_secret.html")]
struct SecretPage<'a> {
    bank: &'a str,
    csrf: String,
    words: Words,
    /// In groups, as people type it.
    secret: String,
    uri: String,
    picture: Picture,
    problem: String,
}

/// What the page says.
#[derive(Clone, Copy)]
pub(super) struct Words {
    pub(super) title: &'static str,
    pub(super) advice: &'static str,
    /// Whether whoever reads it is logged in.
    pub(super) is_logged_in: bool,
    /// What the button says.
    pub(super) button: &'static str,
    /// Where it leads.
    pub(super) action: &'static str,
}

/// The first code.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CodeFields {
    pub(super) code: String,
}

/// The page; it says what is wrong with the code that was sent, or nothing.
pub(super) fn page(
    bank: &Bank,
    csrf: String,
    enrolment: &Enrolment,
    words: Words,
    problem: String,
) -> Response {
    let Enrolment { totp, email } = enrolment;
    let uri = totp.uri(&bank.options.name, email);
    let (secret, picture) = (totp.in_groups(), Picture::of(&uri));
    let bank = &bank.options.name;
    let page = SecretPage { bank, csrf, words, secret, uri, picture, problem };
    pages::form(&page, &page.problem)
}
