//! The pages of the bank: server-rendered, usable without JavaScript, and strict about what they load. Some are live:
//! a small script reads them again when something happens.

mod app_secret;
mod codes;
mod cookies;
mod email;
mod factor;
mod factor_recovery;
mod forms;
mod health;
mod link;
mod live;
mod login;
mod logins;
mod name;
mod notifications;
mod opening;
mod pages;
mod path;
mod payees;
mod phone;
mod picture;
mod profile;
mod query;
mod registration;
mod security;
mod session;
mod sms_factor;
mod staff;
mod transactions;
mod transfers;
mod views;

pub(crate) use pages::OutcomeUnknown;

use crate::activation::Standing;
use crate::api;
use crate::bank::Bank;
use crate::edge;
use crate::error::BankError;
use crate::figures;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::Response;
use axum::routing::{get, post};
use std::sync::Arc;

/// Bytes of a form, at most.
const FORM_BYTES_MAX: usize = 16 << 10;

/// The answer to a request whose time is over before it was decided, or before that was known.
pub(crate) fn overdue() -> Response {
    pages::problem(pages::Problem::Unknown)
}

/// The answer to what the bank could not do.
pub(crate) fn failed(error: &BankError) -> Response {
    pages::failed(error)
}

/// The answer to what can't be done now, and may be in a moment.
pub(crate) fn put_off() -> Response {
    pages::put_off(pages::Problem::Busy)
}

/// The answer to what is no request, too much of one, or comes too slowly.
pub(crate) fn unreadable(status: StatusCode) -> Response {
    let mut response = pages::problem(pages::Problem::Malformed);
    *response.status_mut() = status;
    response
}

/// Everything that browsers are served, and what programs are; nothing, if the bank is a copy that nobody has
/// activated.
pub fn router(bank: Arc<Bank>) -> Router {
    let routes = match bank.standing {
        Standing::Active => everything(&bank),
        Standing::Copy => Router::new().fallback(async || put_off()),
    };
    routes
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(&bank), edge::timely))
        .layer(middleware::from_fn_with_state(Arc::clone(&bank), edge::refusals))
        .layer(middleware::from_fn_with_state(Arc::clone(&bank), api::told))
        .layer(middleware::from_fn_with_state(Arc::clone(&bank), edge::caller))
        .layer(middleware::from_fn_with_state(Arc::clone(&bank), figures::counting))
        .layer(middleware::from_fn(edge::headers))
        .with_state(bank)
}

fn everything(bank: &Arc<Bank>) -> Router<Arc<Bank>> {
    Router::new()
        .route("/", get(login::home))
        .route("/login", get(login::form).post(login::password))
        .route("/login/verify", get(login::code_form).post(login::code))
        .route("/login/verify/sms", post(login::send_code))
        .route("/logout", post(login::logout))
        .route("/register", get(registration::form).post(registration::register))
        .route("/register/sent", get(registration::sent))
        .route("/register/confirm", get(registration::confirm_form).post(registration::confirm))
        .route("/register/enrol", get(registration::enrol_form).post(registration::enrol))
        .route("/recover", get(security::recover_form).post(security::recover))
        .route("/recover/sent", get(security::recover_sent))
        .route("/recover/confirm", get(security::new_password_form).post(security::new_password))
        .route("/recover/factor", get(factor_recovery::form).post(factor_recovery::confirm))
        .route("/recover/factor/new", get(factor_recovery::new_form).post(factor_recovery::enrol))
        .route("/sessions", get(logins::list))
        .route("/sessions/end", post(logins::end_one))
        .route("/sessions/end-others", post(logins::end_others))
        .route("/security", get(security::overview))
        .route("/security/password", get(security::password_form).post(security::password))
        .route("/security/profile", get(profile::show))
        .route("/security/name", get(name::form).post(name::ask))
        .route("/security/email", get(email::form).post(email::begin))
        .route("/security/email/sent", get(email::sent))
        .route("/security/email/confirm", get(email::confirm_form).post(email::confirm))
        .route("/security/phone", get(phone::form).post(phone::begin))
        .route("/security/phone/confirm", get(phone::confirm_form).post(phone::confirm))
        .route("/security/phone/remove", get(phone::remove_form).post(phone::remove))
        .route("/security/sms", get(sms_factor::form).post(sms_factor::choose))
        .route("/security/notifications", get(notifications::form).post(notifications::set))
        .route("/security/factor", get(factor::form).post(factor::begin))
        .route("/security/factor/new", get(factor::new_form).post(factor::finish))
        .route("/security/codes", get(codes::form).post(codes::make))
        .route("/accounts", get(views::accounts))
        .route("/accounts/open", get(opening::open_form).post(opening::open))
        .route("/accounts/{account}", get(views::account))
        .route("/accounts/{account}/close", get(opening::close_form).post(opening::close))
        .route("/transfer", get(transfers::form).post(transfers::send))
        .route("/transfer/confirm", post(transfers::confirm))
        .route("/transfer/code", post(transfers::send_code))
        .route("/transactions/{transaction}", get(transactions::transaction))
        .route("/payees", get(payees::list).post(payees::add))
        .route("/payees/mark", post(payees::mark))
        .route("/payees/remove", post(payees::remove))
        .route("/live", get(live::events))
        .merge(staff::routes())
        .route("/static/style.css", get(pages::style))
        .route("/static/live.js", get(pages::script))
        .merge(api::router(bank))
        .fallback(pages::not_found)
}
