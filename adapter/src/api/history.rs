//! What happened on an account, newest first: by cursor, which no new posting moves, or by numbers of pages, which
//! reach so far back only.

use super::accounts::{cents, owned};
use super::answers::NamedProblems;
use super::app::App;
use super::parameters::Parameters;
use super::path::Named;
use super::problem::{Code, Problem};
use super::time::Time;
use crate::accounts::{self, Accounts, Entry};
use crate::bank::Bank;
use crate::error::BankError;
use crate::id::{Account, Id};
use crate::money::Currency;
use crate::store::Found;
use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64URL_NOPAD;
use florin_ledger::query::Cursor;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

const LIMIT_DEFAULT: u32 = 20;
const LIMIT_MAX: u32 = 100;
/// Entries that pages by number reach back to.
const PAGED_MAX: u32 = 1_000;
/// Postings that are read for one answer: holds that were given back are among them, and are not shown.
const READS_MAX: usize = 20;

/// Which part of the history.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Range {
    /// Entries of a page, 1 to 100; 20 if left out.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before. Not together with `page`.
    after: Option<String>,
    /// The number of a page, from 1, within the newest 1,000 entries.
    #[param(minimum = 1, maximum = 1000)]
    page: Option<u32>,
}

/// Something that moved money of the account.
#[derive(Serialize, ToSchema)]
pub(super) struct EntryResponse {
    /// The transaction, if it belongs to one.
    #[schema(example = "txn_01jdsh2m0v9x3f4t8kzq6w5r7n")]
    transaction_id: Option<String>,
    /// `CREDIT` if it came in, `DEBIT` if it went out.
    #[schema(example = "DEBIT")]
    direction: &'static str,
    /// How much, in the smallest unit of the currency.
    #[schema(example = 2_500)]
    amount_cents: u64,
    #[schema(value_type = String, example = "EUR")]
    currency: Currency,
    description: String,
    /// What was on the account after it.
    balance_after_cents: Option<u64>,
    posted_at: Time,
}

/// A page of a history.
#[derive(Serialize, ToSchema)]
pub(super) struct HistoryResponse {
    /// Newest first.
    data: Vec<EntryResponse>,
    /// Whether there is more.
    has_more: bool,
    /// Where the next page begins; `null` if there is none, or pages are asked for by number.
    next_cursor: Option<String>,
}

/// What happened on an account of the customer: postings that moved money, newest first.
///
/// The header `Link` has the next page, if there is one.
#[utoipa::path(
    get, path = "/accounts/{account_id}/transactions", operation_id = "list_account_transactions", tag = "Accounts",
    params(("account_id" = String, Path, example = "acc_01jdsh2m0v9x3f4t8kzq6w5r7n"), Range),
    responses(
        (status = 200, description = "A page", body = HistoryResponse),
        NamedProblems,
    ),
    security(("dpop" = [])),
)]
pub(super) async fn of_account(
    State(bank): State<Arc<Bank>>,
    app: App,
    Named(account): Named<Id<Account>>,
    OriginalUri(uri): OriginalUri,
    Parameters(range): Parameters<Range>,
) -> Result<Response, Problem> {
    let found = owned(&bank, &app, account).await?;
    page(&bank, &found, &uri, range).await
}

/// A part of an account's history, whoever reads it.
pub(super) async fn page(
    bank: &Bank,
    found: &Found<Accounts>,
    uri: &Uri,
    range: Range,
) -> Result<Response, Problem> {
    let limit = range.limit.unwrap_or(LIMIT_DEFAULT);
    let out_of_range = || {
        Problem::from(Code::InvalidRequest).because(
            "`limit` is 1 to 100; `page` is 1 or more, within 1,000 entries, and not with `after`.",
        )
    };
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(out_of_range());
    }
    let (page, next) = match (range.page, range.after) {
        (Some(page), None) => {
            let is_near = 1 <= page && page.saturating_mul(limit) <= PAGED_MAX;
            let skipped = page.saturating_sub(1).saturating_mul(limit);
            let page_found = if is_near {
                numbered(bank, found, skipped, limit).await?
            } else {
                return Err(out_of_range());
            };
            let has_next = page_found.has_more && (page + 1).saturating_mul(limit) <= PAGED_MAX;
            let next = has_next.then(|| format!("page={}&limit={limit}", page + 1));
            (page_found, next)
        }
        (None, after) => {
            let after = match after {
                None => None,
                Some(text) => {
                    let cursor = opened(bank, found.row.open.account_id, &text);
                    Some(cursor.ok_or_else(|| {
                        Problem::from(Code::InvalidRequest)
                            .because("`after` is the `next_cursor` of this account's page before.")
                    })?)
                }
            };
            let page_found = following(bank, found, after, limit).await?;
            let next = page_found.next_cursor.as_ref();
            let next = next.map(|next| format!("after={next}&limit={limit}"));
            (page_found, next)
        }
        (Some(_), Some(_)) => return Err(out_of_range()),
    };
    let mut response = Json(page).into_response();
    if let Some(query) = next {
        let link = format!("<{}{}?{query}>; rel=\"next\"", bank.options.origin, uri.path());
        let link = HeaderValue::from_str(&link).map_err(|_| Code::Internal)?;
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// The page that begins after a cursor. A page that shows less than it might has a next one.
async fn following(
    bank: &Bank,
    account: &Found<Accounts>,
    after: Option<Cursor>,
    limit: u32,
) -> Result<HistoryResponse, BankError> {
    let (mut entries, mut cursor) = (Vec::new(), after);
    for _ in 0..READS_MAX {
        let history = accounts::history(&bank.store, account, limit, cursor).await?;
        entries.extend(history.entries);
        cursor = history.next;
        // What more is read would be more than was asked for.
        if cursor.is_none() || !entries.is_empty() {
            break;
        }
    }
    let next_cursor = cursor.map(|cursor| sealed(bank, account.row.open.account_id, cursor));
    Ok(HistoryResponse {
        data: entries.iter().map(response).collect::<Result<_, _>>()?,
        has_more: next_cursor.is_some(),
        next_cursor,
    })
}

/// The page after so many entries.
async fn numbered(
    bank: &Bank,
    account: &Found<Accounts>,
    skipped: u32,
    limit: u32,
) -> Result<HistoryResponse, BankError> {
    let index = |number: u32| usize::try_from(number).expect("it is small");
    let (first, end) = (index(skipped), index(skipped + limit));
    let (mut entries, mut cursor) = (Vec::new(), None);
    for _ in 0..READS_MAX {
        let history = accounts::history(&bank.store, account, LIMIT_MAX, cursor).await?;
        entries.extend(history.entries);
        cursor = history.next;
        if cursor.is_none() || end < entries.len() {
            break;
        }
    }
    let shown = entries.iter().skip(first).take(index(limit));
    Ok(HistoryResponse {
        data: shown.map(response).collect::<Result<_, _>>()?,
        has_more: end < entries.len() || cursor.is_some(),
        next_cursor: None,
    })
}

fn response(entry: &Entry) -> Result<EntryResponse, BankError> {
    Ok(EntryResponse {
        transaction_id: entry.transaction.map(|id| id.to_string()),
        direction: if entry.is_credit { "CREDIT" } else { "DEBIT" },
        amount_cents: cents(entry.money)?,
        currency: entry.money.currency,
        description: entry.description.clone(),
        balance_after_cents: entry.balance.map(cents).transpose()?,
        posted_at: entry.time.into(),
    })
}

const CURSOR_BYTES: usize = 16;

/// A cursor as it leaves the bank: for this account alone, and for nobody to make up.
fn sealed(bank: &Bank, account: Id<Account>, Cursor(cursor): Cursor) -> String {
    let tag = bank.form_token(&meaning(account, cursor));
    format!("{}{tag}", BASE64URL_NOPAD.encode(&cursor.to_be_bytes()))
}

fn opened(bank: &Bank, account: Id<Account>, text: &str) -> Option<Cursor> {
    let length = BASE64URL_NOPAD.encode_len(CURSOR_BYTES);
    let (cursor, tag) = text.split_at_checked(length)?;
    let cursor = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?;
    let cursor = u128::from_be_bytes(cursor.try_into().ok()?);
    bank.is_form_token(&meaning(account, cursor), tag).then_some(Cursor(cursor))
}

fn meaning(account: Id<Account>, cursor: u128) -> Vec<u8> {
    [&b"cursor of a history"[..], &account.bytes(), &cursor.to_be_bytes()].concat()
}
