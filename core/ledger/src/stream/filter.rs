//! Which items a reader wants.

use super::item::ItemKinds;
use crate::commit::Topic;
use crate::document::{DOCUMENT_KEY_BYTES_MAX, TableId};
use crate::id::{AccountId, LedgerId};
use alloc::vec::Vec;
use core::fmt;

/// Accounts in a filter at most.
pub const FILTER_ACCOUNTS_MAX: usize = 1_024;
/// Ledgers in a filter at most.
pub const FILTER_LEDGERS_MAX: usize = 256;
/// Tables in a filter at most.
pub const FILTER_TABLES_MAX: usize = 64;
/// Topics in a filter at most.
pub const FILTER_TOPICS_MAX: usize = 64;
/// Bytes of the prefix of keys in a filter at most: as long as a key.
pub const FILTER_PREFIX_BYTES_MAX: usize = DOCUMENT_KEY_BYTES_MAX;

/// Which items a reader wants: those that every list which is not empty has. An item that lacks
/// what a list speaks of (a document has no ledger) is not in it. Items left out still move the
/// cursor.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StreamFilter {
    /// Of one of these kinds; none: of any.
    pub kinds: ItemKinds,
    /// Documents of these tables, with keys that begin so.
    pub tables: Vec<TableFilter>,
    /// Events about one of these topics.
    pub topics: Vec<Topic>,
    /// Accounts, transfers and expiries in one of these currencies.
    pub ledgers: Vec<LedgerId>,
    /// One of these accounts opened, debited or credited.
    pub accounts: Vec<AccountId>,
}

/// A part of a table of documents.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TableFilter {
    /// The table.
    pub table: TableId,
    /// What keys begin with; empty: any key.
    pub key_prefix: Vec<u8>,
}

/// A filter that holds more than one may.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FilterTooLarge {
    what: &'static str,
    count: usize,
    count_max: usize,
}

impl fmt::Display for FilterTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FilterTooLarge { what, count, count_max } = self;
        write!(f, "a filter holds at most {count_max} {what}, this one has {count}")
    }
}

impl core::error::Error for FilterTooLarge {}

impl StreamFilter {
    /// Everything.
    #[must_use]
    pub fn all() -> StreamFilter {
        StreamFilter::default()
    }

    /// That the filter keeps its limits.
    ///
    /// # Errors
    /// Which one it does not keep.
    pub fn check(&self) -> Result<(), FilterTooLarge> {
        let within = |what, count: usize, count_max: usize| {
            if count <= count_max { Ok(()) } else { Err(FilterTooLarge { what, count, count_max }) }
        };
        within("accounts", self.accounts.len(), FILTER_ACCOUNTS_MAX)?;
        within("ledgers", self.ledgers.len(), FILTER_LEDGERS_MAX)?;
        within("tables", self.tables.len(), FILTER_TABLES_MAX)?;
        within("topics", self.topics.len(), FILTER_TOPICS_MAX)?;
        self.tables.iter().try_for_each(|table| {
            within("bytes of a key's prefix", table.key_prefix.len(), FILTER_PREFIX_BYTES_MAX)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    /// Prevents: a filter of a stranger that costs a search among millions for every record.
    #[test]
    fn one_too_many_is_named() {
        let accounts =
            |count| StreamFilter { accounts: vec![AccountId(1); count], ..StreamFilter::default() };
        assert_eq!(accounts(1_024).check(), Ok(()));
        assert_eq!(
            accounts(1_025).check().map_err(|error| error.to_string()),
            Err("a filter holds at most 1024 accounts, this one has 1025".to_string())
        );
        let table = TableFilter { table: TableId(1), key_prefix: vec![0; 257] };
        let tables = StreamFilter { tables: vec![table], ..StreamFilter::default() };
        assert!(tables.check().is_err());
    }
}
