//! What happened on an account, newest first: the ledger's postings, with what the bank knows of them.

use super::chart;
use super::record::Accounts;
use crate::error::BankError;
use crate::id::{Id, Transaction};
use crate::money::Money;
use crate::payments::{Copies, TransactionOpen, Transactions, step, step_key};
use crate::store::{Found, Kind, Store};
use florin_ledger::query::{AccountFilter, Cursor};
use florin_ledger::{AccountId, DocumentKey, Timestamp, Transfer, TransferFlags};

/// Entries of a page, at most.
pub(super) const PAGE_MAX: u32 = 100;

/// One posting.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The transaction; the ledger may have postings that belong to none.
    pub transaction: Option<Id<Transaction>>,
    /// When it happened.
    pub time: Timestamp,
    /// How much.
    pub money: Money,
    /// Whether it came in.
    pub is_credit: bool,
    /// What for; empty where nobody said, or it is erased.
    pub description: String,
    /// Balance of the account after it, if it is told.
    pub balance: Option<Money>,
}

/// A page of what happened.
pub struct History {
    /// Newest first.
    pub entries: Vec<Entry>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

/// A page of an account's postings that moved money: holds that are pending, voided or expired are none.
///
/// # Errors
/// [`BankError`].
pub async fn history(
    store: &Store,
    account: &Found<Accounts>,
    limit: u32,
    cursor: Option<Cursor>,
) -> Result<History, BankError> {
    let open = &account.row.open;
    let filter = AccountFilter {
        reversed: true,
        limit: limit.clamp(1, PAGE_MAX),
        cursor,
        ..AccountFilter::new(AccountId(open.account_id.number()))
    };
    let client = store.client();
    let transfers = client.account_transfers(&filter).await?;
    // What comes in between is in the second page alone, so it is asked for up to what the first has.
    let newest = transfers.items.first().map_or(Timestamp::NONE, |transfer| transfer.timestamp);
    let balances = AccountFilter { timestamp_max: newest, ..filter };
    let balances = client.account_balances(&balances).await?;
    let moved: Vec<Transfer> = transfers
        .items
        .iter()
        .filter(|transfer| !transfer.flags.intersects(NOT_MOVED))
        .copied()
        .collect();
    let descriptions = descriptions(store, account, &moved).await?;
    let mut entries = Vec::with_capacity(moved.len());
    for (transfer, description) in moved.into_iter().zip(descriptions) {
        let after = balances.items.iter().find(|at| at.timestamp == transfer.timestamp);
        let balance = after
            .map(|at| at.balances.credits_posted.0.saturating_sub(at.balances.debits_posted.0));
        let money = |cents| Money { currency: open.currency_code, cents };
        let is_reversal = transfer.code == chart::REVERSAL;
        let description = match (is_reversal, description.is_empty()) {
            (false, _) => description,
            (true, true) => String::from("Reversed"),
            (true, false) => format!("Reversed · {description}"),
        };
        entries.push(Entry {
            transaction: transaction_of(&transfer),
            time: transfer.timestamp,
            money: money(transfer.amount.0),
            is_credit: transfer.credit_account_id.0 == open.account_id.number(),
            description,
            balance: balance.map(money),
        });
    }
    Ok(History { entries, next: transfers.next_cursor })
}

/// Holds, and what gives them back.
const NOT_MOVED: TransferFlags = TransferFlags::PENDING.with(TransferFlags::VOID_PENDING_TRANSFER);

fn transaction_of(transfer: &Transfer) -> Option<Id<Transaction>> {
    (transfer.user_data_128 != 0).then(|| Id::from_number(transfer.user_data_128))
}

/// What postings were for: from the transaction if the customer began it, else from their own copy.
async fn descriptions(
    store: &Store,
    account: &Found<Accounts>,
    transfers: &[Transfer],
) -> Result<Vec<String>, BankError> {
    let open = &account.row.open;
    let mut keys = Vec::with_capacity(2 * transfers.len());
    for transfer in transfers {
        let transaction = Id::<Transaction>::from_number(transfer.user_data_128);
        keys.push(DocumentKey {
            table: Transactions::TABLE,
            key: step_key(transaction, step::STARTED),
        });
        let copy = [open.account_id.bytes(), transaction.bytes()].concat();
        keys.push(DocumentKey { table: Copies::TABLE, key: copy });
    }
    let mut documents = store.client().documents(&keys).await?.into_iter();
    let mut descriptions = Vec::with_capacity(transfers.len());
    while let (Some(own), Some(copy)) = (documents.next(), documents.next()) {
        let copied = match copy {
            None => None,
            Some(copy) => store.opened::<Copies>(copy).await?.row.statutory.known(),
        };
        let description = match (copied, own) {
            (Some(copy), _) if copy.description.is_empty() => copy.from,
            (Some(copy), _) => format!("{} · {}", copy.from, copy.description),
            (None, Some(own)) => {
                let own: Found<Transactions> = store.opened(own).await?;
                let is_own = matches!(
                    &own.row.open,
                    TransactionOpen::Started(started) if started.initiated_by == open.user_id
                );
                let sealed = own.row.statutory.known().filter(|_| is_own);
                sealed.and_then(|sealed| sealed.description).unwrap_or_default()
            }
            (None, None) => String::new(),
        };
        descriptions.push(description);
    }
    Ok(descriptions)
}
