//! What happened on a customer's account, as the staff reads it: the pages that its owner reads. Each is on record
//! before it is answered.

use super::super::answers::StaffNamedProblems;
use super::super::app::Desk;
use super::super::history::{self, HistoryResponse, Range};
use super::super::parameters::Parameters;
use super::super::path::Named;
use super::super::problem::{Code, Problem};
use crate::accounts::Accounts;
use crate::bank::Bank;
use crate::id::{Account, Id};
use crate::staff::care::{self, Looked};
use crate::store::Found;
use axum::extract::{OriginalUri, State};
use axum::response::Response;
use std::sync::Arc;

/// What happened on a customer's account: postings that moved money, newest first. That somebody has looked is on record.
///
/// The header `Link` has the next page, if there is one.
#[utoipa::path(
    get, path = "/staff/accounts/{account_id}/transactions", operation_id = "look_at_account_transactions",
    tag = "Staff",
    params(("account_id" = String, Path, example = "acc_01jdsh2m0v9x3f4t8kzq6w5r7n"), Range),
    responses(
        (status = 200, description = "A page", body = HistoryResponse),
        StaffNamedProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn of_account(
    State(bank): State<Arc<Bank>>,
    Desk(clerk): Desk,
    Named(account): Named<Id<Account>>,
    OriginalUri(uri): OriginalUri,
    Parameters(range): Parameters<Range>,
) -> Result<Response, Problem> {
    let found: Option<Found<Accounts>> = bank.store.get(&account.bytes()).await?;
    let found = found.ok_or(Code::NotFound)?;
    care::look(&bank, &clerk, found.row.open.user_id, Looked::Account(account)).await?;
    history::page(&bank, &found, &uri, range).await
}
