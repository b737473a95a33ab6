//! How a transaction stands.

use super::answers::NamedProblems;
use super::app::App;
use super::path::Named;
use super::problem::{Code, Problem};
use super::time::Time;
use crate::bank::Bank;
use crate::id::{Id, Transaction};
use crate::money::Currency;
use crate::payments::{self, TransactionStatus, View};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A transaction.
#[derive(Serialize, ToSchema)]
pub(super) struct TransactionResponse {
    #[schema(example = "txn_01jdsh2m0v9x3f4t8kzq6w5r7n")]
    transaction_id: String,
    /// What people call it.
    #[schema(example = "TXN-2026-000001234")]
    transaction_ref: String,
    /// `PENDING`: the money is held. `COMPLETED`: it has moved. `FAILED`: it has not, and will not. `REVERSED`: it
    /// has moved back.
    #[schema(value_type = String, example = "COMPLETED")]
    status: TransactionStatus,
    /// Why it failed.
    failure_reason: Option<String>,
    /// In the smallest unit of the currency.
    #[schema(example = 2_500)]
    amount_cents: u64,
    #[schema(value_type = String, example = "EUR")]
    currency: Currency,
    /// `null`: it came in from outside.
    source_account_id: Option<String>,
    /// `null`: it went out.
    destination_account_id: Option<String>,
    description: Option<String>,
    created_at: Time,
}

/// A transaction that the customer began, as it stands now.
#[utoipa::path(
    get, path = "/transactions/{transaction_id}", operation_id = "get_transaction", tag = "Transactions",
    params(("transaction_id" = String, Path, example = "txn_01jdsh2m0v9x3f4t8kzq6w5r7n")),
    responses(
        (status = 200, description = "The transaction", body = TransactionResponse),
        NamedProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn one(
    State(bank): State<Arc<Bank>>,
    app: App,
    Named(transaction): Named<Id<Transaction>>,
) -> Result<Json<TransactionResponse>, Problem> {
    let found = payments::view(&bank.store, &*bank.clock, app.customer(), transaction).await?;
    Ok(Json(response(transaction, found.ok_or(Code::NotFound)?)))
}

fn response(transaction: Id<Transaction>, view: View) -> TransactionResponse {
    let View { started, sealed, status, reason } = view;
    TransactionResponse {
        transaction_id: transaction.to_string(),
        transaction_ref: started.transaction_ref,
        status,
        failure_reason: reason,
        amount_cents: started.amount_cents,
        currency: started.currency_code,
        source_account_id: started.source_account_id.map(|id| id.to_string()),
        destination_account_id: started.destination_account_id.map(|id| id.to_string()),
        description: sealed.and_then(|sealed| sealed.description),
        created_at: started.created_at.into(),
    }
}
