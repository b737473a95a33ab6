//! Pages as they are rendered. Templates are compiled; whatever is shown is escaped.

use crate::edge::LIVE_POLICY;
use crate::error::BankError;
use askama::Template;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use florin_client::ClientError;
use florin_ledger::Timestamp;
use tracing::error;

/// Seconds after which somebody may try again who was told that it is too much now.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("2");

#[derive(Template)]
#[template(path = "login.html")]
pub(super) struct LoginPage<'a> {
    pub(super) bank: &'a str,
    pub(super) csrf: String,
    pub(super) has_problem: bool,
    /// What somebody is told who has just done something else; empty if nothing.
    pub(super) notice: &'static str,
}

#[derive(Template)]
#[template(path = "code.html")]
pub(super) struct CodePage<'a> {
    pub(super) bank: &'a str,
    pub(super) csrf: String,
    /// Whether the bank sends codes by message.
    pub(super) sends_sms: bool,
    /// Whether one was asked for.
    pub(super) has_asked: bool,
}

pub(super) struct AccountRow {
    pub(super) id: String,
    pub(super) title: &'static str,
    pub(super) number: String,
    pub(super) balance: String,
    /// Whether it is suspended or closed; empty if it is not.
    pub(super) standing: &'static str,
}

#[derive(Template)]
#[template(path = "accounts.html")]
pub(super) struct AccountsPage<'a> {
    pub(super) bank: &'a str,
    pub(super) csrf: String,
    /// Where in what happens it was read.
    pub(super) after: String,
    pub(super) accounts: Vec<AccountRow>,
}

pub(super) struct EntryRow {
    pub(super) transaction: String,
    pub(super) day: String,
    pub(super) description: String,
    pub(super) sign: &'static str,
    pub(super) is_credit: bool,
    pub(super) amount: String,
    pub(super) balance: String,
}

#[derive(Template)]
#[template(path = "account.html")]
pub(super) struct AccountPage<'a> {
    pub(super) bank: &'a str,
    pub(super) csrf: String,
    /// Where in what happens it was read.
    pub(super) after: String,
    pub(super) account: AccountRow,
    /// Where older entries begin; empty if there are none.
    pub(super) older: String,
    pub(super) posted: String,
    pub(super) available: String,
    pub(super) has_pending: bool,
    pub(super) pending: String,
    pub(super) points: String,
    pub(super) first_day: String,
    pub(super) last_day: String,
    pub(super) highest: String,
    pub(super) entries: Vec<EntryRow>,
}

#[derive(Template)]
#[template(path = "transfer.html")]
pub(super) struct TransferPage<'a> {
    pub(super) bank: &'a str,
    pub(super) csrf: String,
    pub(super) accounts: Vec<AccountRow>,
    pub(super) payees: Vec<super::payees::PayeeRow>,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) amount: String,
    pub(super) description: String,
    pub(super) request: String,
    pub(super) problem: String,
}

#[derive(Template)]
#[template(path = "transaction.html")]
pub(super) struct TransactionPage<'a> {
    pub(super) bank: &'a str,
    pub(super) csrf: String,
    pub(super) reference: String,
    pub(super) status: &'static str,
    /// Whether it will end soon.
    pub(super) is_expected: bool,
    pub(super) reason: &'static str,
    pub(super) amount: String,
    pub(super) description: String,
    pub(super) day: String,
    pub(super) from: String,
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    bank: &'static str,
    csrf: String,
    title: &'static str,
    advice: &'static str,
}

/// What a page says that could not be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Problem {
    /// There is no such page.
    NotFound,
    /// A form that no page of the bank has.
    Malformed,
    /// A form that did not come from the bank's own page.
    Forged,
    /// It is not for who asks.
    Forbidden,
    /// Too much is going on.
    Busy,
    /// The same was tried too often.
    TooOften,
    /// As many pages of a customer as may be are live.
    TooManyPages,
    /// A link of a letter that leads nowhere any more.
    LinkIsOver,
    /// An address that has become another customer's.
    AddressIsTaken,
    /// It may have happened.
    Unknown,
    /// Something is broken.
    Broken,
}

impl Problem {
    fn status(self) -> StatusCode {
        match self {
            Problem::NotFound => StatusCode::NOT_FOUND,
            Problem::Malformed => StatusCode::BAD_REQUEST,
            Problem::Forged | Problem::Forbidden => StatusCode::FORBIDDEN,
            Problem::TooOften | Problem::TooManyPages => StatusCode::TOO_MANY_REQUESTS,
            Problem::LinkIsOver => StatusCode::GONE,
            Problem::AddressIsTaken => StatusCode::CONFLICT,
            Problem::Busy | Problem::Unknown => StatusCode::SERVICE_UNAVAILABLE,
            Problem::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Problem::NotFound => {
                ("There is nothing here", "Go back to your accounts and look there.")
            }
            Problem::Malformed => {
                ("This could not be read", "Go back, load the page again and repeat what you did.")
            }
            Problem::Forged => (
                "This did not come from our page",
                "Nothing happened. Go back, load the page again and repeat what you did.",
            ),
            Problem::Forbidden => {
                ("This is not for you", "Nothing happened. Ask somebody who may do it.")
            }
            Problem::Busy => {
                ("Many people are here right now", "Nothing happened. Try again in a moment.")
            }
            Problem::TooOften => {
                ("That was tried too often from here", "Wait for a minute, then try again.")
            }
            Problem::TooManyPages => (
                "Many of your pages are open",
                "This one shows what was true when it was loaded. Close some of the others.",
            ),
            Problem::LinkIsOver => {
                ("This link leads nowhere any more", "It was used, or it is too old: begin again.")
            }
            Problem::AddressIsTaken => {
                ("This address is a customer's already", "Log in with it, or use another address.")
            }
            Problem::Unknown => (
                "We do not know yet whether it happened",
                "Go back and send the same page again: what happened does not happen twice.",
            ),
            Problem::Broken => (
                "Something went wrong on our side",
                "We do not know whether it happened: look at your accounts before you repeat it.",
            ),
        }
    }
}

/// Of an answer: nobody knows whether it happened. Its status alone would say that nothing did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutcomeUnknown;

/// A page, rendered.
pub(super) fn page<T: Template>(template: &T) -> Response {
    match template.render() {
        Ok(html) => html_response(StatusCode::OK, html),
        Err(failure) => {
            error!("a page can't be rendered: {failure}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A page with a form, which says what is wrong with what was sent, or nothing.
pub(super) fn form<T: Template>(template: &T, problem: &str) -> Response {
    let mut response = page(template);
    if !problem.is_empty() {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    response
}

/// A page that is live, rendered.
pub(super) fn live_page<T: Template>(template: &T) -> Response {
    let mut response = page(template);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, LIVE_POLICY);
    response
}

/// A page that says what is wrong.
pub(super) fn problem(problem: Problem) -> Response {
    let (title, advice) = problem.words();
    let mut response = page(&ProblemPage { bank: "", csrf: String::new(), title, advice });
    *response.status_mut() = problem.status();
    if problem == Problem::Unknown {
        response.extensions_mut().insert(OutcomeUnknown);
    }
    response
}

/// An address has tried too often.
pub(super) fn too_often(seconds: u64) -> Response {
    let mut response = problem(Problem::TooOften);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// What the bank could not do.
pub(super) fn failed(failure: &BankError) -> Response {
    let unavailable = match failure {
        BankError::Busy | BankError::Contended | BankError::KeysChanged => Some(Problem::Busy),
        BankError::Ledger(ClientError::NotSent { .. } | ClientError::Refused { .. }) => {
            Some(Problem::Busy)
        }
        BankError::Ledger(ClientError::Unknown { .. }) => Some(Problem::Unknown),
        _ => None,
    };
    if let Some(unavailable) = unavailable {
        error!("a request was put off: {failure}");
        return put_off(unavailable);
    }
    error!("a request failed: {failure}");
    problem(Problem::Broken)
}

/// A page that says what is wrong, and when to try again.
pub(super) fn put_off(unavailable: Problem) -> Response {
    let mut response = problem(unavailable);
    response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_S);
    response
}

pub(super) async fn not_found() -> Response {
    problem(Problem::NotFound)
}

/// The one style sheet.
pub(super) async fn style() -> Response {
    fixed("text/css; charset=utf-8", include_str!("../../templates/style.css"))
}

/// The one script.
pub(super) async fn script() -> Response {
    fixed("text/javascript; charset=utf-8", include_str!("../../templates/live.js"))
}

/// What is the same for everybody.
fn fixed(kind: &'static str, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    response
}

fn html_response(status: StatusCode, html: String) -> Response {
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    response
}

/// A time to the minute.
pub(super) fn minute(time: Timestamp) -> String {
    let time = jiff::Timestamp::from_nanosecond(i128::from(time.0)).unwrap_or_default();
    time.to_zoned_datetime(jiff::tz::TimeZone::UTC).strftime("%d %b %Y, %H:%M UTC").to_string()
}

/// The day of a time.
pub(super) fn day(time: Timestamp) -> String {
    let time = jiff::Timestamp::from_nanosecond(i128::from(time.0)).unwrap_or_default();
    time.to_zoned_datetime(jiff::tz::TimeZone::UTC).strftime("%d %b %Y").to_string()
}
