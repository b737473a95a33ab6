//! `florin export`: the ledger's history for other programs.

use crate::commands::tail;
use crate::exit::{Exit, Failure};
use crate::export::book::Book;
use crate::export::columnar::Columnar;
use crate::export::commodity::{self, Commodities, Commodity};
use crate::export::delimited::Delimited;
use crate::export::dialect::Dialect;
use crate::export::journal::Journal;
use crate::export::lines::Lines;
use crate::export::staging;
use crate::export::table::{Rows, Subjects};
use crate::target::{Destination, runtime};
use clap::{Args, ValueEnum};
use florin_client::Client;
use florin_ledger::stream::BatchEnd;
use florin_ledger::{LedgerId, StreamCursor, StreamFilter, StreamItem, StreamStart, Timestamp};
use serde::Serialize;
use std::io::{self, Write};
use std::path::PathBuf;

/// Write accounts, transfers and documents in the format of another program
#[derive(Args, Debug)]
#[command(
    after_help = "Prints one JSON object: what was posted on each ledger, and the cursor where the export \
ends, for the next one's --from. hledger and beancount files (ledger reads hledger's) end with every account's \
balance, so that reading one checks it. csv and parquet are directories of tables: accounts as they are at the end, \
transfers, expired holds and documents as they came. Nothing is there before it is whole."
)]
pub(crate) struct Export {
    #[command(flatten)]
    destination: Destination,

    /// The format
    #[arg(long, value_enum)]
    format: Format,

    /// The file, or for csv and parquet the directory, to make
    #[arg(long, value_name = "PATH")]
    output: PathBuf,

    /// Where to begin: begin, a cursor, or a recorded time (2026-01-31T12:00:00Z, or nanoseconds since 1970)
    #[arg(long, value_name = "PLACE", default_value = "begin", value_parser = place)]
    from: StreamStart,

    /// The last recorded time of what is exported; without it, what is recorded by now
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,

    /// Only these, for csv, parquet and jsonl
    #[arg(long = "only", value_enum, value_delimiter = ',', value_name = "WHAT")]
    only: Vec<Subject>,

    /// What a ledger's units are called, and decimal places; known are EUR, GBP, USD and JPY by their numbers
    #[arg(long = "currency", value_name = "LEDGER=NAME:PLACES", value_parser = commodity::parse)]
    currencies: Vec<(LedgerId, Commodity)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    Hledger,
    Beancount,
    Csv,
    Parquet,
    Jsonl,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Subject {
    Accounts,
    Transfers,
    Documents,
}

/// What is printed.
#[derive(Serialize)]
struct Report {
    /// Items of the range: accounts opened, transfers, expiries, changes of documents.
    items: u64,
    /// Names the last of them; the next export goes on behind it.
    cursor: Option<String>,
    ledgers: Vec<LedgerReport>,
}

/// What was posted on a ledger from its beginning up to the end of the export. Sums are text, as they may be
/// wider than 53 bits, and null if they are wider than 128.
#[derive(Serialize)]
struct LedgerReport {
    ledger: u32,
    accounts: u64,
    debits_posted: Option<String>,
    credits_posted: Option<String>,
}

impl Export {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let subjects = self.subjects()?;
        staging::free(&self.output)?;
        self.destination.refuse_new()?;
        let runtime = runtime()?;
        let ledger = self.destination.open(&runtime, None)?;
        let exported = runtime.block_on(self.export(&ledger.client, subjects));
        let closed = ledger.close();
        let report = exported?;
        closed?;
        let report = serde_json::to_string(&report).expect("a report has string keys");
        writeln!(io::stdout(), "{report}")?;
        Ok(Exit::Done)
    }

    fn is_journal(&self) -> bool {
        matches!(self.format, Format::Hledger | Format::Beancount)
    }

    fn subjects(&self) -> Result<Subjects, Failure> {
        if self.is_journal() {
            if !self.only.is_empty() {
                return Err(Failure::usage(
                    "a journal has accounts and transfers: leave --only out",
                ));
            }
            return Ok(Subjects { accounts: true, transfers: true, documents: false });
        }
        if !self.currencies.is_empty() {
            return Err(Failure::usage("tables have the ledgers' numbers: leave --currency out"));
        }
        let has = |subject| self.only.is_empty() || self.only.contains(&subject);
        Ok(Subjects {
            accounts: has(Subject::Accounts),
            transfers: has(Subject::Transfers),
            documents: has(Subject::Documents),
        })
    }

    fn exporter(&self, subjects: Subjects) -> Result<Box<dyn crate::export::Export>, Failure> {
        let output = &self.output;
        let commodities = || Commodities::new(&self.currencies);
        Ok(match self.format {
            Format::Hledger => Box::new(Journal::new(Dialect::Hledger, commodities(), output)?),
            Format::Beancount => Box::new(Journal::new(Dialect::Beancount, commodities(), output)?),
            Format::Csv => Box::new(Rows::new(subjects, Delimited::new(subjects, output)?)),
            Format::Parquet => Box::new(Rows::new(subjects, Columnar::new(subjects, output)?)),
            Format::Jsonl => Box::new(Lines::new(subjects, output)?),
        })
    }

    /// Reads the log up to the end of the export. Accounts are counted from the log's beginning, whatever the
    /// range; without them, only the range is read.
    async fn export(&self, client: &Client, subjects: Subjects) -> Result<Report, Failure> {
        let kinds = subjects.kinds().collect();
        let filter = StreamFilter { kinds, ..StreamFilter::default() };
        // Whatever the range begins with must be of this log.
        let of_range = client.subscribe(self.from, filter.clone()).await?;
        let needs_all = self.is_journal() || subjects.accounts;
        let mut stream = match self.from {
            StreamStart::Begin => of_range,
            _ if needs_all => client.subscribe(StreamStart::Begin, filter).await?,
            _ => of_range,
        };
        let mut run = Run::new(self, needs_all, self.exporter(subjects)?);
        loop {
            let batch = stream.next().await?;
            for item in batch.items() {
                if run.is_past(&item) {
                    return run.finish();
                }
                run.take(&item)?;
            }
            let BatchEnd { time, is_live, .. } = batch.end();
            if is_live || self.until.is_some_and(|until| until < time) && run.is_whole {
                return run.finish();
            }
        }
    }
}

/// An export that is going on.
struct Run {
    from: StreamStart,
    until: Option<Timestamp>,
    /// Whether everything is read, from the beginning on.
    counts: bool,
    book: Book,
    exporter: Box<dyn crate::export::Export>,
    has_begun: bool,
    /// A commit has ended with the last item.
    is_whole: bool,
    items: u64,
    cursor: Option<StreamCursor>,
}

impl Run {
    fn new(export: &Export, counts: bool, exporter: Box<dyn crate::export::Export>) -> Run {
        let given = match export.from {
            StreamStart::After(cursor) => Some(cursor),
            _ => None,
        };
        Run {
            from: export.from,
            until: export.until,
            counts,
            book: Book::default(),
            exporter,
            has_begun: false,
            is_whole: true,
            items: 0,
            cursor: given,
        }
    }

    /// Whether an item lies behind the end. A commit is never divided.
    fn is_past(&self, item: &StreamItem<'_>) -> bool {
        self.is_whole && self.until.is_some_and(|until| until < item.time)
    }

    fn is_before(&self, item: &StreamItem<'_>) -> bool {
        match self.from {
            StreamStart::After(cursor) => item.cursor.lsn <= cursor.lsn,
            StreamStart::Time(time) => item.time < time,
            StreamStart::Begin | StreamStart::End => false,
        }
    }

    fn take(&mut self, item: &StreamItem<'_>) -> Result<(), Failure> {
        let is_before = self.is_before(item);
        if !is_before && !self.has_begun {
            self.begin(Some(item.time))?;
        }
        if self.counts {
            self.book.apply(&item.content)?;
        }
        self.is_whole = item.ends_commit;
        // Where nothing follows the cursor that was given, the next export goes on behind that one.
        if !(is_before && matches!(self.from, StreamStart::After(_))) {
            self.cursor = Some(item.cursor);
        }
        if is_before {
            return Ok(());
        }
        self.items += 1;
        self.exporter.take(item, &self.book)
    }

    fn begin(&mut self, at: Option<Timestamp>) -> Result<(), Failure> {
        self.has_begun = true;
        let is_first = self.book.accounts().is_empty();
        self.exporter.begin(&self.book, at.filter(|_| !is_first))
    }

    fn finish(mut self) -> Result<Report, Failure> {
        if !self.has_begun {
            let at = match self.from {
                StreamStart::Time(time) => Some(time),
                _ => self.until,
            };
            self.begin(at)?;
        }
        self.exporter.finish(&self.book)?;
        let ledgers = self.book.sums().into_iter().map(|(ledger, sums)| LedgerReport {
            ledger: ledger.0,
            accounts: sums.accounts_count,
            debits_posted: sums.debits_posted.map(|sum| sum.0.to_string()),
            credits_posted: sums.credits_posted.map(|sum| sum.0.to_string()),
        });
        Ok(Report {
            items: self.items,
            cursor: self.cursor.map(|cursor| cursor.to_string()),
            ledgers: ledgers.collect(),
        })
    }
}

/// As `florin tail` takes it, and times as people write them.
fn place(text: &str) -> Result<StreamStart, String> {
    match tail::start(text) {
        Ok(StreamStart::End) => {
            Err(String::from("nothing comes after the end: leave it out, or name a time"))
        }
        Ok(start) => Ok(start),
        Err(wrong) => written(text).map(StreamStart::Time).map_err(|_| wrong),
    }
}

fn time(text: &str) -> Result<Timestamp, String> {
    match text.parse() {
        Ok(nanoseconds) => Ok(Timestamp(nanoseconds)),
        Err(_) => written(text),
    }
}

fn written(text: &str) -> Result<Timestamp, String> {
    let wrong = || String::from("a time is 2026-01-31T12:00:00Z, or nanoseconds since 1970");
    let at: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
    u64::try_from(at.as_nanosecond()).map(Timestamp).map_err(|_| wrong())
}
