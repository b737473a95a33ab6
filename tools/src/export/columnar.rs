//! A directory of Parquet files, one a table. Ids are text, amounts exact decimals, instants nanoseconds in UTC.

use super::staging::{Output, Staging};
use super::table::{Cell, Kind, Sheets, Subjects, Table};
use crate::exit::Failure;
use florin_ledger::Timestamp;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType};
use parquet::data_type::{Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;
use std::io;
use std::mem;
use std::path::Path;
use std::sync::Arc;

/// Rows of a group at most; they are held in memory.
const GROUP_ROWS_MAX: usize = 1 << 16;
/// Bytes of text and bytes in a group, more or less.
const GROUP_BYTES_MAX: usize = 32 << 20;
/// What a decimal of 38 digits holds: what most readers know of Parquet's decimals.
const AMOUNT_MAX: u128 = 10_u128.pow(38) - 1;

/// The files on their way.
pub(crate) struct Columnar {
    staging: Staging,
    files: Vec<TableFile>,
}

struct TableFile {
    table: Table,
    writer: SerializedFileWriter<Output>,
    columns: Vec<Column>,
    rows_count: usize,
    bytes_count: usize,
}

/// What a group of rows has in one column.
enum Column {
    Numbers(Vec<i32>),
    Wide(Vec<i64>),
    Amounts(Vec<FixedLenByteArray>),
    Bytes(Vec<ByteArray>),
}

impl Columnar {
    /// Begins the files.
    ///
    /// # Errors
    /// If they can't be made.
    pub(crate) fn new(subjects: Subjects, output: &Path) -> Result<Columnar, Failure> {
        let staging = Staging::directory(output)?;
        let mut files = Vec::new();
        for table in Table::ALL.into_iter().filter(|table| table.is_of(subjects)) {
            let file = staging.create(&format!("{}.parquet", table.name()))?;
            files.push(TableFile::new(table, file).map_err(|error| failed(&staging, error))?);
        }
        Ok(Columnar { staging, files })
    }
}

impl Sheets for Columnar {
    fn row(&mut self, table: Table, cells: &[Cell<'_>]) -> Result<(), Failure> {
        let too_large =
            |cell: &Cell<'_>| matches!(cell, Cell::Amount(amount) if AMOUNT_MAX < *amount);
        if cells.iter().any(too_large) {
            return Err(Failure::usage(
                "an amount has more than the 38 digits of Parquet's decimals: export to csv",
            ));
        }
        let of = self.files.iter_mut().find(|file| file.table == table);
        let file = of.expect("a table that is exported has a file");
        file.push(cells);
        if GROUP_ROWS_MAX <= file.rows_count || GROUP_BYTES_MAX <= file.bytes_count {
            file.write_group().map_err(|error| failed(&self.staging, error))?;
        }
        Ok(())
    }

    fn finish(self) -> Result<(), Failure> {
        let Columnar { staging, files } = self;
        for mut file in files {
            let written = file.write_group().and_then(|()| file.writer.into_inner());
            staging.finish_file(written.map_err(|error| failed(&staging, error))?)?;
        }
        staging.finish()
    }
}

impl TableFile {
    fn new(table: Table, file: Output) -> Result<TableFile, ParquetError> {
        let schema = Arc::new(parse_message_type(&schema(table))?);
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let writer = SerializedFileWriter::new(file, schema, Arc::new(properties))?;
        let columns = table.columns().iter().map(|(_, kind)| Column::new(*kind)).collect();
        Ok(TableFile { table, writer, columns, rows_count: 0, bytes_count: 0 })
    }

    fn push(&mut self, cells: &[Cell<'_>]) {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            self.bytes_count += column.push(cell);
        }
        self.rows_count += 1;
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        if mem::take(&mut self.rows_count) == 0 {
            return Ok(());
        }
        self.bytes_count = 0;
        let mut group = self.writer.next_row_group()?;
        for column in &mut self.columns {
            let mut writer = group.next_column()?.expect("the schema has a column for each");
            column.write(&mut writer)?;
            writer.close()?;
        }
        group.close().map(|_| ())
    }
}

impl Column {
    fn new(kind: Kind) -> Column {
        match kind {
            Kind::Number => Column::Numbers(Vec::new()),
            Kind::Wide | Kind::Time => Column::Wide(Vec::new()),
            Kind::Amount => Column::Amounts(Vec::new()),
            Kind::Id | Kind::Text | Kind::Bytes => Column::Bytes(Vec::new()),
        }
    }

    /// Returns the bytes that it takes, without those of numbers.
    fn push(&mut self, cell: &Cell<'_>) -> usize {
        match (self, cell) {
            // Unsigned numbers are stored as the signed ones of the same bits.
            (Column::Numbers(column), Cell::Number(number)) => column.push(number.cast_signed()),
            (Column::Wide(column), Cell::Wide(number) | Cell::Time(Timestamp(number))) => {
                column.push(number.cast_signed());
            }
            (Column::Amounts(column), Cell::Amount(amount)) => {
                column.push(ByteArray::from(amount.to_be_bytes().to_vec()).into());
            }
            (Column::Bytes(column), Cell::Id(id)) => column.push(id.to_string().as_str().into()),
            (Column::Bytes(column), Cell::Text(text)) => column.push(text.as_str().into()),
            (Column::Bytes(column), Cell::Bytes(bytes)) => {
                column.push(bytes.to_vec().into());
                return bytes.len();
            }
            _ => unreachable!("a row has what its table's columns say"),
        }
        0
    }

    /// Writes what there is, and is empty then.
    fn write(&mut self, writer: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        match self {
            Column::Numbers(values) => {
                writer.typed::<Int32Type>().write_batch(values, None, None)?;
                values.clear();
            }
            Column::Wide(values) => {
                writer.typed::<Int64Type>().write_batch(values, None, None)?;
                values.clear();
            }
            Column::Amounts(values) => {
                writer.typed::<FixedLenByteArrayType>().write_batch(values, None, None)?;
                values.clear();
            }
            Column::Bytes(values) => {
                writer.typed::<ByteArrayType>().write_batch(values, None, None)?;
                values.clear();
            }
        }
        Ok(())
    }
}

/// The schema of a table, as Parquet's own language says it.
fn schema(table: Table) -> String {
    let columns = table.columns().iter().map(|(name, kind)| match kind {
        Kind::Number => format!("REQUIRED INT32 {name} (INTEGER(32,false));"),
        Kind::Wide => format!("REQUIRED INT64 {name} (INTEGER(64,false));"),
        Kind::Time => format!("REQUIRED INT64 {name} (TIMESTAMP(NANOS,true));"),
        Kind::Amount => format!("REQUIRED FIXED_LEN_BYTE_ARRAY (16) {name} (DECIMAL(38,0));"),
        Kind::Id | Kind::Text => format!("REQUIRED BYTE_ARRAY {name} (STRING);"),
        Kind::Bytes => format!("REQUIRED BYTE_ARRAY {name};"),
    });
    format!("message {} {{ {} }}", table.name(), columns.collect::<String>())
}

fn failed(staging: &Staging, error: ParquetError) -> Failure {
    staging.failed(&io::Error::other(error))
}
