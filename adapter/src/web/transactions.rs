//! What becomes of a transfer.

use super::pages::{self, TransactionPage};
use super::path::Named;
use super::session::{Session, no_such};
use crate::bank::Bank;
use crate::clock::{SECOND, after};
use crate::id::{Id, Transaction};
use crate::payments::{self, View};
use axum::extract::State;
use axum::response::Response;
use std::sync::Arc;

/// How long a page asks by itself for the end of a transfer: no longer than somebody looks at it, since asking
/// counts as using the login.
const EXPECTED_FOR: u64 = 60 * SECOND;

pub(super) async fn transaction(
    State(bank): State<Arc<Bank>>,
    session: Session,
    Named(transaction): Named<Id<Transaction>>,
) -> Response {
    let Some(transaction) = transaction else { return no_such() };
    match payments::view(&bank.store, &*bank.clock, session.customer(), transaction).await {
        Ok(Some(view)) => pages::page(&transaction_page(&bank, session.csrf, view)),
        Ok(None) => no_such(),
        Err(error) => pages::failed(&error),
    }
}

fn transaction_page(bank: &Bank, csrf: String, view: View) -> TransactionPage<'_> {
    let started = view.started;
    let money =
        crate::money::Money { currency: started.currency_code, cents: started.amount_cents.into() };
    TransactionPage {
        bank: &bank.options.name,
        csrf,
        reference: started.transaction_ref,
        status: view.status.name(),
        is_expected: view.status == payments::TransactionStatus::Pending
            && bank.clock.now() < after(started.created_at.into(), EXPECTED_FOR),
        reason: view.reason.as_deref().map(words).unwrap_or_default(),
        amount: money.to_string(),
        description: view.sealed.and_then(|sealed| sealed.description).unwrap_or_default(),
        day: pages::day(started.created_at.into()),
        from: started.source_account_id.map(|id| id.to_string()).unwrap_or_default(),
    }
}

/// Why a transfer has failed, in a customer's words: which rule found it suspicious is nobody's but the bank's.
fn words(reason: &str) -> &'static str {
    match reason {
        "expired" => "It took too long, and the money was given back",
        "account_not_active" => "The account was suspended or closed",
        "voided" | "debit_account_already_closed" | "credit_account_already_closed" => {
            "It could not be booked, and the money was given back"
        }
        _ => "The bank did not let it go on: ask us if you wanted it",
    }
}
