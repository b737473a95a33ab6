//! JSON lines: what happened as `florin tail` writes it, and at the end the accounts.

use super::Export;
use super::book::Book;
use super::staging::{Output, Staging};
use super::table::Subjects;
use crate::exit::Failure;
use crate::json::{item, write};
use florin_ledger::{StreamItem, Timestamp};
use std::io::Write;
use std::path::Path;

/// A file of lines on its way.
pub(crate) struct Lines {
    subjects: Subjects,
    staging: Staging,
    file: Output,
}

impl Lines {
    /// Begins the file.
    ///
    /// # Errors
    /// If it can't be made.
    pub(crate) fn new(subjects: Subjects, output: &Path) -> Result<Lines, Failure> {
        let (staging, file) = Staging::file(output)?;
        Ok(Lines { subjects, staging, file })
    }

    fn line(&mut self, line: &str) -> Result<(), Failure> {
        writeln!(self.file, "{line}").map_err(|error| self.staging.failed(&error))
    }
}

impl Export for Lines {
    fn begin(&mut self, _: &Book, _: Option<Timestamp>) -> Result<(), Failure> {
        Ok(())
    }

    fn take(&mut self, item: &StreamItem<'_>, _: &Book) -> Result<(), Failure> {
        if self.subjects.has(item.content.kind()) { self.line(&item::line(item)) } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>, book: &Book) -> Result<(), Failure> {
        if self.subjects.accounts {
            for account in book.accounts() {
                self.line(&write::account(account))?;
            }
        }
        let Lines { staging, file, .. } = *self;
        staging.finish_file(file)?;
        staging.finish()
    }
}
