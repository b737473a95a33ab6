//! Which items a subscription wants: first by what the record says, which is cheap, then by the item.

use super::items::{kind_of, ledger_of};
use florin_ledger::commit::Topic;
use florin_ledger::record::Record;
use florin_ledger::stream::{ItemContent, ItemKind, TableFilter};
use florin_ledger::{AccountId, LedgerId, StreamFilter};

/// A filter made ready to be asked often.
#[derive(Debug)]
pub(super) struct Matcher {
    /// Its lists sorted.
    filter: StreamFilter,
}

impl Matcher {
    pub(super) fn new(mut filter: StreamFilter) -> Matcher {
        filter.accounts.sort_unstable();
        filter.ledgers.sort_unstable();
        filter.topics.sort_unstable();
        Matcher { filter }
    }

    /// Whether the item that a record becomes may be wanted.
    pub(super) fn may_want(&self, record: &Record) -> bool {
        let Some(kind) = kind_of(record) else { return false };
        self.wants_kind(kind)
            && ledger_of(record).is_none_or(|ledger| in_list(&self.filter.ledgers, &ledger))
    }

    /// Whether an item is wanted.
    pub(super) fn wants(&self, content: &ItemContent<'_>) -> bool {
        let StreamFilter { tables, topics, ledgers, accounts, .. } = &self.filter;
        (ledgers.is_empty() || ledger(content).is_some_and(|ledger| in_list(ledgers, &ledger)))
            && (accounts.is_empty() || names_one_of(content, accounts))
            && (tables.is_empty() || tables.iter().any(|table| is_in_table(content, table)))
            && (topics.is_empty() || topic(content).is_some_and(|topic| in_list(topics, &topic)))
    }

    fn wants_kind(&self, kind: ItemKind) -> bool {
        self.filter.kinds.is_empty() || self.filter.kinds.contains(kind)
    }
}

fn in_list<T: Ord>(list: &[T], wanted: &T) -> bool {
    list.is_empty() || list.binary_search(wanted).is_ok()
}

fn ledger(content: &ItemContent<'_>) -> Option<LedgerId> {
    match content {
        ItemContent::Account(account) => Some(account.ledger),
        ItemContent::Transfer(transfer) => Some(transfer.ledger),
        ItemContent::Expiry(expiry) => Some(expiry.ledger),
        _ => None,
    }
}

fn names_one_of(content: &ItemContent<'_>, accounts: &[AccountId]) -> bool {
    let one_of = |id: AccountId| accounts.binary_search(&id).is_ok();
    match content {
        ItemContent::Account(account) => one_of(account.id),
        ItemContent::Transfer(transfer) => {
            one_of(transfer.debit_account_id) || one_of(transfer.credit_account_id)
        }
        ItemContent::Expiry(expiry) => {
            one_of(expiry.debit_account_id) || one_of(expiry.credit_account_id)
        }
        _ => false,
    }
}

fn is_in_table(content: &ItemContent<'_>, filter: &TableFilter) -> bool {
    match content {
        ItemContent::DocumentPut { table, key, .. }
        | ItemContent::DocumentDeleted { table, key }
        | ItemContent::DocumentExpired { table, key, .. } => {
            *table == filter.table && key.starts_with(&filter.key_prefix)
        }
        _ => false,
    }
}

fn topic(content: &ItemContent<'_>) -> Option<Topic> {
    match content {
        ItemContent::Event { topic, .. } => Some(*topic),
        _ => None,
    }
}
