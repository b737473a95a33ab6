//! A journal of plain-text accounting. It ends with the balance of every account, which whoever reads it checks.
//!
//! What is posted becomes a transaction of two lines, dated by its own timestamp (UTC); debits are positive,
//! credits negative. Holds, and what ends them without a posting, are comments.

use super::book::Book;
use super::commodity::{Commodities, account_name, net};
use super::dialect::Dialect;
use super::staging::{Output, Staging};
use super::{Export, day, instant};
use crate::exit::Failure;
use florin_ledger::stream::{ExpiredHold, ItemContent};
use florin_ledger::{Account, StreamItem, Timestamp, Transfer, TransferFlags};
use std::io::Write;
use std::path::Path;

/// A journal on its way.
pub(crate) struct Journal {
    dialect: Dialect,
    commodities: Commodities,
    staging: Staging,
    file: Output,
    /// The latest of all that was dated.
    latest: Timestamp,
}

impl Journal {
    /// Begins the file.
    ///
    /// # Errors
    /// If it can't be made.
    pub(crate) fn new(
        dialect: Dialect,
        commodities: Commodities,
        output: &Path,
    ) -> Result<Journal, Failure> {
        let (staging, file) = Staging::file(output)?;
        Ok(Journal { dialect, commodities, staging, file, latest: Timestamp::NONE })
    }

    fn write(&mut self, text: &str) -> Result<(), Failure> {
        self.file.write_all(text.as_bytes()).map_err(|error| self.staging.failed(&error))
    }

    fn declare(&mut self, account: &Account) -> Result<(), Failure> {
        let commodity = self.commodities.of(account.ledger);
        let line = self.dialect.account(account, &account_name(account), &commodity);
        self.write(&line)
    }

    fn amount(&self, of: &Account, is_negative: bool, units: u128) -> Result<String, Failure> {
        self.dialect.amount(is_negative, units, &self.commodities.of(of.ledger))
    }

    fn leg(&self, of: &Account, is_negative: bool, units: u128) -> Result<String, Failure> {
        Ok(format!("    {}  {}\n", account_name(of), self.amount(of, is_negative, units)?))
    }

    fn posting(&mut self, transfer: &Transfer, book: &Book) -> Result<String, Failure> {
        self.latest = self.latest.max(transfer.timestamp);
        let dialect = self.dialect;
        let title = format!("code {}", transfer.code.0);
        let mut text = dialect.transaction(transfer.timestamp, &title);
        text += &dialect.note("id", &transfer.id.0.to_string());
        text += &dialect.note("timestamp", &instant(transfer.timestamp));
        if transfer.flags.contains(TransferFlags::POST_PENDING_TRANSFER) {
            text += &dialect.note("hold", &transfer.pending_id.0.to_string());
        }
        if transfer.user_data_128 != 0 {
            text += &dialect.note("reference", &transfer.user_data_128.to_string());
        }
        text += &self.leg(book.account(transfer.debit_account_id)?, false, transfer.amount.0)?;
        text += &self.leg(book.account(transfer.credit_account_id)?, true, transfer.amount.0)?;
        Ok(text + "\n")
    }

    fn hold(&self, transfer: &Transfer, book: &Book) -> Result<String, Failure> {
        let debit = book.account(transfer.debit_account_id)?;
        let credit = book.account(transfer.credit_account_id)?;
        let amount = self.amount(debit, false, transfer.amount.0)?;
        let what = if transfer.flags.contains(TransferFlags::PENDING) {
            format!("hold {}", transfer.id.0)
        } else {
            format!("void {} of hold {}", transfer.id.0, transfer.pending_id.0)
        };
        let (date, from, to) = (day(transfer.timestamp), account_name(debit), account_name(credit));
        Ok(format!("; {date} {what}: {amount}, debits {from}, credits {to}\n\n"))
    }

    fn expiry(&self, at: Timestamp, hold: &ExpiredHold, book: &Book) -> Result<String, Failure> {
        let amount = self.amount(book.account(hold.debit_account_id)?, false, hold.amount.0)?;
        Ok(format!("; {} expiry of hold {}: {amount}\n\n", day(at), hold.hold_id.0))
    }
}

impl Export for Journal {
    fn begin(&mut self, book: &Book, at: Option<Timestamp>) -> Result<(), Failure> {
        self.write("; Debits are positive, credits negative. Holds are comments.\n\n")?;
        let Some(at) = at else { return Ok(()) };
        self.latest = at;
        for account in book.accounts() {
            self.declare(account)?;
        }
        let moved: Vec<&Account> = book.accounts().iter().filter(|it| net(it).1 != 0).collect();
        if moved.is_empty() {
            return Ok(());
        }
        self.write("\n")?;
        self.write(&self.dialect.transaction(at, "opening balances"))?;
        for account in moved {
            let (is_negative, units) = net(account);
            self.write(&self.leg(account, is_negative, units)?)?;
        }
        self.write("\n")
    }

    fn take(&mut self, item: &StreamItem<'_>, book: &Book) -> Result<(), Failure> {
        let unposted = TransferFlags::PENDING.with(TransferFlags::VOID_PENDING_TRANSFER);
        let text = match item.content {
            ItemContent::Account(account) => {
                self.latest = self.latest.max(account.timestamp);
                return self.declare(&account);
            }
            ItemContent::Transfer(transfer) if transfer.flags.intersects(unposted) => {
                self.hold(&transfer, book)?
            }
            ItemContent::Transfer(transfer) => self.posting(&transfer, book)?,
            ItemContent::Expiry(expired) => self.expiry(item.time, &expired, book)?,
            _ => return Ok(()),
        };
        self.write(&text)
    }

    fn finish(mut self: Box<Self>, book: &Book) -> Result<(), Failure> {
        let (dialect, latest) = (self.dialect, self.latest);
        if !book.accounts().is_empty() {
            self.write(&dialect.before_balances(latest))?;
        }
        for account in book.accounts() {
            let commodity = self.commodities.of(account.ledger);
            let name = account_name(account);
            self.write(&dialect.balance(latest, &name, net(account), &commodity)?)?;
        }
        let Journal { staging, file, .. } = *self;
        staging.finish_file(file)?;
        staging.finish()
    }
}
