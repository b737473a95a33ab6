//! What a customer has: accounts with their balances, straight from the ledger.

use super::answers::{NamedProblems, ReadProblems};
use super::app::{App, Reader};
use super::path::Named;
use super::problem::{Code, Problem};
use super::time::Time;
use crate::accounts::{self, AccountStatus, AccountType, Accounts, Balances};
use crate::bank::Bank;
use crate::error::BankError;
use crate::id::{Account, Id};
use crate::money::{Currency, Money};
use crate::store::Found;
use axum::Json;
use axum::extract::State;
use florin_ledger::AccountId;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// An account. Amounts are integers in the smallest unit of its currency.
#[derive(Serialize, ToSchema)]
pub(super) struct AccountResponse {
    #[schema(example = "acc_01jdsh2m0v9x3f4t8kzq6w5r7n")]
    account_id: String,
    /// Its IBAN.
    account_number: Option<String>,
    /// `CHECKING`, `SAVINGS` or `BUSINESS`.
    #[schema(value_type = String, example = "CHECKING")]
    account_type: AccountType,
    /// The code of ISO 4217.
    #[schema(value_type = String, example = "EUR")]
    currency: Currency,
    /// `ACTIVE`, `SUSPENDED` or `CLOSED`.
    #[schema(value_type = String, example = "ACTIVE")]
    status: AccountStatus,
    /// What was credited less what was debited.
    #[schema(example = 123_456)]
    posted_balance_cents: u64,
    /// Of that, what is held for transfers under way.
    #[schema(example = 1_000)]
    pending_balance_cents: u64,
    /// What can be spent.
    #[schema(example = 122_456)]
    available_balance_cents: u64,
    opened_at: Time,
}

/// A customer's accounts.
#[derive(Serialize, ToSchema)]
pub(super) struct AccountsResponse {
    /// All of them, oldest first.
    data: Vec<AccountResponse>,
}

/// All accounts of the customer, with their balances.
#[utoipa::path(
    get, path = "/accounts", operation_id = "list_accounts", tag = "Accounts",
    responses(
        (status = 200, description = "The accounts", body = AccountsResponse),
        ReadProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn all(
    State(bank): State<Arc<Bank>>,
    app: App,
) -> Result<Json<AccountsResponse>, Problem> {
    let found = accounts::accounts_of(&bank.store, app.customer()).await?;
    let open: Vec<_> = found.iter().map(|account| &account.row.open).collect();
    let balances = accounts::balances(bank.store.client(), &open).await?;
    let data = found
        .iter()
        .zip(&balances)
        .map(|(account, balances)| AccountResponse::of(account, balances));
    Ok(Json(AccountsResponse { data: data.collect::<Result<_, _>>()? }))
}

/// One account of the customer, with its balances.
#[utoipa::path(
    get, path = "/accounts/{account_id}", operation_id = "get_account", tag = "Accounts",
    params(("account_id" = String, Path, example = "acc_01jdsh2m0v9x3f4t8kzq6w5r7n")),
    responses(
        (status = 200, description = "The account", body = AccountResponse),
        NamedProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn one(
    State(bank): State<Arc<Bank>>,
    reader: Reader,
    account: Result<Named<Id<Account>>, Problem>,
) -> Result<Json<AccountResponse>, Problem> {
    let read = async |app: &App| {
        let Named(account) = account?;
        as_it_is(&bank, app, account).await
    };
    reader.read(&bank, read).await.map(Json)
}

/// An account of the customer who asks, with its balances.
pub(super) async fn as_it_is(
    bank: &Bank,
    app: &App,
    account: Id<Account>,
) -> Result<AccountResponse, Problem> {
    // Both are asked at once; whose account it is decides what is told.
    let ids = [AccountId(account.number())];
    let (found, balances) =
        tokio::join!(owned(bank, app, account), bank.store.client().lookup_accounts(&ids));
    let (found, balances) = (found?, balances.map_err(BankError::from)?);
    let balances = Balances::of(&found.row.open, balances.first().copied().flatten())?;
    Ok(AccountResponse::of(&found, &balances)?)
}

/// An account as it was when it was opened.
pub(super) fn as_it_was_opened(found: &Found<Accounts>) -> AccountResponse {
    AccountResponse { status: AccountStatus::Active, ..of_record(found) }
}

/// An account of the customer who asks. What is nobody's or another's is not there.
pub(super) async fn owned(
    bank: &Bank,
    app: &App,
    account: Id<Account>,
) -> Result<Found<Accounts>, Problem> {
    let found = accounts::owned(&bank.store, app.customer(), account).await?;
    found.ok_or_else(|| Code::NotFound.into())
}

impl AccountResponse {
    /// An account, with its balances.
    pub(super) fn of(
        found: &Found<Accounts>,
        balances: &Balances,
    ) -> Result<AccountResponse, BankError> {
        Ok(AccountResponse {
            posted_balance_cents: cents(balances.posted)?,
            pending_balance_cents: cents(balances.pending)?,
            available_balance_cents: cents(balances.available)?,
            ..of_record(found)
        })
    }
}

/// What is on record of an account; nothing is on it.
fn of_record(found: &Found<Accounts>) -> AccountResponse {
    let open = &found.row.open;
    let number = found.row.statutory.as_known().map(|sealed| sealed.account_number.to_string());
    AccountResponse {
        account_id: open.account_id.to_string(),
        account_number: number,
        account_type: open.account_type,
        currency: open.currency_code,
        status: open.status,
        posted_balance_cents: 0,
        pending_balance_cents: 0,
        available_balance_cents: 0,
        opened_at: open.opened_at.into(),
    }
}

/// An amount as a number of JSON.
pub(super) fn cents(money: Money) -> Result<u64, BankError> {
    u64::try_from(money.cents).map_err(|_| BankError::odd(&money))
}
