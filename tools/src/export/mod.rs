//! The ledger's history in formats of other programs.
//!
//! Invariants: an export is whole or not there; it ends where a commit ends; whatever is in it follows from what
//! readers of the log are told, up to one place of the log.
//!
//! Reading order: `book` is what the accounts come to, `staging` where it is written; `journal` and `dialect`
//! write for people who keep books in text, with `commodity`; `table` is rows for `delimited` and `columnar`;
//! `lines` is JSON.

pub(crate) mod book;
pub(crate) mod columnar;
pub(crate) mod commodity;
pub(crate) mod delimited;
pub(crate) mod dialect;
pub(crate) mod journal;
pub(crate) mod lines;
pub(crate) mod staging;
pub(crate) mod table;

use crate::exit::Failure;
use book::Book;
use florin_ledger::{StreamItem, Timestamp};
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// A format that takes what happened, in order.
pub(crate) trait Export {
    /// What comes next is the first; `book` is what was before. `at`: the time of the first, if anything was
    /// before it.
    ///
    /// # Errors
    /// If it can't be written, or the format has no room for it.
    fn begin(&mut self, book: &Book, at: Option<Timestamp>) -> Result<(), Failure>;

    /// The next thing that happened; `book` has it.
    ///
    /// # Errors
    /// As [`Export::begin`].
    fn take(&mut self, item: &StreamItem<'_>, book: &Book) -> Result<(), Failure>;

    /// That was all: puts the export in its place.
    ///
    /// # Errors
    /// As [`Export::begin`].
    fn finish(self: Box<Self>, book: &Book) -> Result<(), Failure>;
}

/// An instant as ISO 8601 writes it, with nanoseconds.
pub(crate) fn instant(at: Timestamp) -> String {
    format!("{:.9}", jiff_of(at))
}

/// The day of an instant, in UTC.
pub(crate) fn day(at: Timestamp) -> Date {
    TimeZone::UTC.to_datetime(jiff_of(at)).date()
}

/// The day after that.
pub(crate) fn day_after(at: Timestamp) -> Date {
    day(at).checked_add(1.day()).expect("the ledger's time ends long before the calendar's")
}

fn jiff_of(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_nanosecond(i128::from(at.0))
        .expect("the calendar goes further than 64 bits")
}
