//! The staff's pages. Every one of them asks for a login of the staff, and each act for the role that it takes:
//! here, so that nobody is shown what they may not do, and where it is done, so that nobody does it.

mod account;
mod answer;
mod approvals;
mod cases;
mod customer;
mod home;
mod transaction;

use crate::bank::Bank;
use axum::Router;
use axum::routing::{get, post};
use serde::Deserialize;
use std::sync::Arc;

/// The fields of a form that asks for nothing but why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReasonFields {
    reason: String,
}

/// Everything below `/staff`.
pub(super) fn routes() -> Router<Arc<Bank>> {
    Router::new()
        .route("/staff", get(home::home).post(home::find))
        .route("/staff/customers/{customer}", get(customer::show))
        .route("/staff/customers/{customer}/unlock", post(customer::unlock))
        .route("/staff/customers/{customer}/legal-hold", post(customer::legal_hold))
        .route("/staff/customers/{customer}/erasure", post(customer::erasure))
        .route("/staff/customers/{customer}/factor-recovery", post(customer::factor_recovery))
        .route("/staff/customers/{customer}/name", post(customer::name))
        .route("/staff/accounts/{account}", get(account::show))
        .route("/staff/accounts/{account}/suspension", post(account::suspension))
        .route("/staff/accounts/{account}/cash", post(account::cash))
        .route("/staff/transactions/{transaction}", get(transaction::show))
        .route("/staff/transactions/{transaction}/reversal", post(transaction::reversal))
        .route("/staff/accounts/{account}/limits", post(account::limits))
        .route("/staff/cases", get(cases::show).post(cases::decide))
        .route("/staff/cases/resume", post(cases::resume))
        .route("/staff/approvals", get(approvals::show).post(approvals::decide))
}
