//! A directory of files of comma-separated values (RFC 4180), one a table, with a line of names. Numbers are
//! decimal digits, instants ISO 8601 in UTC or nothing, bytes pairs of hexadecimal digits.

use super::instant;
use super::staging::{Output, Staging};
use super::table::{Cell, Sheets, Subjects, Table};
use crate::exit::Failure;
use crate::json::hexadecimal::hexadecimal;
use csv::Writer;
use florin_ledger::Timestamp;
use std::io;
use std::path::Path;

/// The files on their way.
pub(crate) struct Delimited {
    staging: Staging,
    files: Vec<(Table, Writer<Output>)>,
}

impl Delimited {
    /// Begins the files, each with its line of names.
    ///
    /// # Errors
    /// If they can't be made.
    pub(crate) fn new(subjects: Subjects, output: &Path) -> Result<Delimited, Failure> {
        let staging = Staging::directory(output)?;
        let mut files = Vec::new();
        for table in Table::ALL.into_iter().filter(|table| table.is_of(subjects)) {
            let file = staging.create(&format!("{}.csv", table.name()))?;
            let mut writer = Writer::from_writer(file);
            let names = table.columns().iter().map(|(name, _)| name);
            writer.write_record(names).map_err(|error| failed(&staging, error))?;
            files.push((table, writer));
        }
        Ok(Delimited { staging, files })
    }
}

impl Sheets for Delimited {
    fn row(&mut self, table: Table, cells: &[Cell<'_>]) -> Result<(), Failure> {
        let of = self.files.iter_mut().find(|(of, _)| *of == table);
        let (_, writer) = of.expect("a table that is exported has a file");
        let written = writer.write_record(cells.iter().map(text));
        written.map_err(|error| failed(&self.staging, error))
    }

    fn finish(self) -> Result<(), Failure> {
        let Delimited { staging, files } = self;
        for (_, writer) in files {
            let inner = writer.into_inner();
            let file = inner.map_err(|error| staging.failed(&error.into_error()))?;
            staging.finish_file(file)?;
        }
        staging.finish()
    }
}

fn text(cell: &Cell<'_>) -> String {
    match cell {
        Cell::Number(number) => number.to_string(),
        Cell::Wide(number) => number.to_string(),
        Cell::Id(number) | Cell::Amount(number) => number.to_string(),
        Cell::Time(Timestamp::NONE) => String::new(),
        Cell::Time(at) => instant(*at),
        Cell::Text(text) => text.clone(),
        Cell::Bytes(bytes) => hexadecimal(bytes),
    }
}

fn failed(staging: &Staging, error: csv::Error) -> Failure {
    staging.failed(&io::Error::from(error))
}
