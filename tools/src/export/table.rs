//! What happened as rows of tables, for formats that have rows and columns. The order of columns here is theirs.

use super::Export;
use super::book::Book;
use crate::exit::Failure;
use crate::json::write::{account_flags, transfer_flags};
use florin_ledger::stream::{ExpiredHold, ItemContent, ItemKind};
use florin_ledger::{Account, StreamItem, Timestamp, Transfer};

/// What of the ledger is exported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Subjects {
    pub(crate) accounts: bool,
    pub(crate) transfers: bool,
    pub(crate) documents: bool,
}

impl Subjects {
    /// What must be told for it. Accounts are counted from everything that moves money.
    pub(crate) fn kinds(self) -> impl Iterator<Item = ItemKind> {
        let money = [ItemKind::Account, ItemKind::Transfer, ItemKind::Expiry];
        let documents =
            [ItemKind::DocumentPut, ItemKind::DocumentDeleted, ItemKind::DocumentExpired];
        let (with_money, with_documents) = (self.accounts || self.transfers, self.documents);
        let money = money.into_iter().filter(move |_| with_money);
        money.chain(documents.into_iter().filter(move |_| with_documents))
    }

    /// Whether a thing that happened has a place in the export.
    pub(crate) fn has(self, kind: ItemKind) -> bool {
        match kind {
            // As they are at the end, they follow from all that happened.
            ItemKind::Account => false,
            ItemKind::Transfer | ItemKind::Expiry => self.transfers,
            _ => self.documents,
        }
    }
}

/// A table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Table {
    Accounts,
    Transfers,
    ExpiredHolds,
    Documents,
}

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A number below 2^32.
    Number,
    /// A number below 2^64.
    Wide,
    /// A name: 128 bits, as decimal digits.
    Id,
    /// Smallest units of a ledger.
    Amount,
    /// Nanoseconds since 1970, UTC.
    Time,
    /// Words.
    Text,
    /// Bytes.
    Bytes,
}

/// What stands in a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Cell<'a> {
    Number(u32),
    Wide(u64),
    Id(u128),
    Amount(u128),
    Time(Timestamp),
    Text(String),
    Bytes(&'a [u8]),
}

impl Table {
    /// All of them.
    pub(crate) const ALL: [Table; 4] =
        [Table::Accounts, Table::Transfers, Table::ExpiredHolds, Table::Documents];

    /// What a file of it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Table::Accounts => "accounts",
            Table::Transfers => "transfers",
            Table::ExpiredHolds => "expired_holds",
            Table::Documents => "documents",
        }
    }

    /// Whether it belongs to these.
    pub(crate) fn is_of(self, subjects: Subjects) -> bool {
        match self {
            Table::Accounts => subjects.accounts,
            Table::Transfers | Table::ExpiredHolds => subjects.transfers,
            Table::Documents => subjects.documents,
        }
    }

    /// Its columns.
    pub(crate) fn columns(self) -> &'static [(&'static str, Kind)] {
        match self {
            Table::Accounts => &[
                ("id", Kind::Id),
                ("ledger", Kind::Number),
                ("code", Kind::Number),
                ("flags", Kind::Text),
                ("debits_pending", Kind::Amount),
                ("debits_posted", Kind::Amount),
                ("credits_pending", Kind::Amount),
                ("credits_posted", Kind::Amount),
                ("user_data_128", Kind::Id),
                ("user_data_64", Kind::Wide),
                ("user_data_32", Kind::Number),
                ("timestamp", Kind::Time),
            ],
            Table::Transfers => &[
                ("recorded", Kind::Time),
                ("id", Kind::Id),
                ("debit_account_id", Kind::Id),
                ("credit_account_id", Kind::Id),
                ("amount", Kind::Amount),
                ("pending_id", Kind::Id),
                ("ledger", Kind::Number),
                ("code", Kind::Number),
                ("flags", Kind::Text),
                ("timeout", Kind::Number),
                ("user_data_128", Kind::Id),
                ("user_data_64", Kind::Wide),
                ("user_data_32", Kind::Number),
                ("timestamp", Kind::Time),
            ],
            Table::ExpiredHolds => &[
                ("recorded", Kind::Time),
                ("hold_id", Kind::Id),
                ("debit_account_id", Kind::Id),
                ("credit_account_id", Kind::Id),
                ("amount", Kind::Amount),
                ("ledger", Kind::Number),
                ("code", Kind::Number),
                ("hold_timestamp", Kind::Time),
            ],
            Table::Documents => &[
                ("recorded", Kind::Time),
                ("change", Kind::Text),
                ("table", Kind::Number),
                ("key", Kind::Bytes),
                ("value", Kind::Bytes),
                ("expires", Kind::Time),
            ],
        }
    }
}

/// The row of an account.
pub(crate) fn account(account: &Account) -> Vec<Cell<'static>> {
    vec![
        Cell::Id(account.id.0),
        Cell::Number(account.ledger.0),
        Cell::Number(account.code.0.into()),
        Cell::Text(account_flags(account.flags).join(" ")),
        Cell::Amount(account.debits_pending.0),
        Cell::Amount(account.debits_posted.0),
        Cell::Amount(account.credits_pending.0),
        Cell::Amount(account.credits_posted.0),
        Cell::Id(account.user_data_128),
        Cell::Wide(account.user_data_64),
        Cell::Number(account.user_data_32),
        Cell::Time(account.timestamp),
    ]
}

/// The row of what happened, and its table; `None` for what has none.
pub(crate) fn row<'a>(item: &StreamItem<'a>) -> Option<(Table, Vec<Cell<'a>>)> {
    let recorded = Cell::Time(item.time);
    let document = |change: &str, table: u16, key, value, expires| {
        let cells = vec![
            recorded.clone(),
            Cell::Text(String::from(change)),
            Cell::Number(table.into()),
            Cell::Bytes(key),
            Cell::Bytes(value),
            Cell::Time(expires),
        ];
        Some((Table::Documents, cells))
    };
    match item.content {
        ItemContent::Transfer(it) => Some((Table::Transfers, transfer(recorded, &it))),
        ItemContent::Expiry(it) => Some((Table::ExpiredHolds, expired(recorded, &it))),
        ItemContent::DocumentPut { table, key, value, expires } => {
            document("put", table.0, key, value, expires)
        }
        ItemContent::DocumentDeleted { table, key } => {
            document("deleted", table.0, key, &[], Timestamp::NONE)
        }
        ItemContent::DocumentExpired { table, key, due } => {
            document("expired", table.0, key, &[], due)
        }
        _ => None,
    }
}

fn transfer(recorded: Cell<'static>, transfer: &Transfer) -> Vec<Cell<'static>> {
    vec![
        recorded,
        Cell::Id(transfer.id.0),
        Cell::Id(transfer.debit_account_id.0),
        Cell::Id(transfer.credit_account_id.0),
        Cell::Amount(transfer.amount.0),
        Cell::Id(transfer.pending_id.0),
        Cell::Number(transfer.ledger.0),
        Cell::Number(transfer.code.0.into()),
        Cell::Text(transfer_flags(transfer.flags).join(" ")),
        Cell::Number(transfer.timeout),
        Cell::Id(transfer.user_data_128),
        Cell::Wide(transfer.user_data_64),
        Cell::Number(transfer.user_data_32),
        Cell::Time(transfer.timestamp),
    ]
}

fn expired(recorded: Cell<'static>, hold: &ExpiredHold) -> Vec<Cell<'static>> {
    vec![
        recorded,
        Cell::Id(hold.hold_id.0),
        Cell::Id(hold.debit_account_id.0),
        Cell::Id(hold.credit_account_id.0),
        Cell::Amount(hold.amount.0),
        Cell::Number(hold.ledger.0),
        Cell::Number(hold.code.0.into()),
        Cell::Time(hold.hold_timestamp),
    ]
}

/// A format that takes rows.
pub(crate) trait Sheets {
    /// The next row of a table.
    ///
    /// # Errors
    /// If it can't be written, or the format has no room for it.
    fn row(&mut self, table: Table, cells: &[Cell<'_>]) -> Result<(), Failure>;

    /// Puts all in its place.
    ///
    /// # Errors
    /// As [`Sheets::row`].
    fn finish(self) -> Result<(), Failure>;
}

/// Rows for a format that takes them.
pub(crate) struct Rows<S> {
    subjects: Subjects,
    sheets: S,
}

impl<S: Sheets> Rows<S> {
    pub(crate) fn new(subjects: Subjects, sheets: S) -> Rows<S> {
        Rows { subjects, sheets }
    }
}

impl<S: Sheets> Export for Rows<S> {
    fn begin(&mut self, _: &Book, _: Option<Timestamp>) -> Result<(), Failure> {
        Ok(())
    }

    fn take(&mut self, item: &StreamItem<'_>, _: &Book) -> Result<(), Failure> {
        match row(item) {
            Some((table, cells)) if table.is_of(self.subjects) => self.sheets.row(table, &cells),
            _ => Ok(()),
        }
    }

    fn finish(self: Box<Self>, book: &Book) -> Result<(), Failure> {
        let Rows { subjects, mut sheets } = *self;
        if subjects.accounts {
            for it in book.accounts() {
                sheets.row(Table::Accounts, &account(it))?;
            }
        }
        sheets.finish()
    }
}
