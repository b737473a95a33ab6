//! `florin inspect`: what lies in the log, read without touching it.

use crate::exit::{Exit, Failure};
use crate::inspect::{Log, ReadOnly, json, text};
use crate::key::KeyArguments;
use crate::progress;
use clap::{Args, Subcommand};
use florin_ledger::{Lsn, TransferId};
use std::io::{self, Write};
use std::path::PathBuf;

/// Show what lies in the log: read-only, also beside a running server or on a damaged log
#[derive(Args, Debug)]
pub(crate) struct Inspect {
    /// The data directory
    #[arg(long, value_name = "DIR")]
    data: PathBuf,

    #[command(flatten)]
    key: KeyArguments,

    /// One JSON object a line
    #[arg(long)]
    json: bool,

    #[command(subcommand)]
    subject: Option<Subject>,
}

#[derive(Subcommand, Debug)]
enum Subject {
    /// Segment files, each with its first frame (the default)
    Segments,
    /// Frames in order, and where the log ends if that is reached
    Frames {
        /// The position of a frame, as this command prints it [default: the first]
        #[arg(long, value_name = "LSN")]
        from: Option<u64>,
        /// Frames at most
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
    },
    /// The record at a position
    Record {
        /// The position of a record
        #[arg(long, value_name = "LSN")]
        lsn: u64,
    },
    /// Every record that tells of a transfer; reads the whole log
    Transfer {
        /// The transfer's id
        #[arg(long, value_name = "ID")]
        id: u128,
    },
}

impl Inspect {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let unavailable = |why: &dyn std::fmt::Display| {
            Failure::unavailable(format!("can't read {}: {why}", self.data.display()))
        };
        let directory = ReadOnly::open(&self.data).map_err(|error| unavailable(&error))?;
        let log = Log::open(directory, self.key.open()?).map_err(|error| unavailable(&error))?;
        let found = match &self.subject {
            None | Some(Subject::Segments) => log.segments(),
            Some(Subject::Frames { from, limit }) => log.frames(from.map(Lsn), *limit),
            Some(Subject::Record { lsn }) => log.record(Lsn(*lsn)),
            Some(Subject::Transfer { id }) => {
                let bar = progress::bytes(log.segments_end().ok(), "reading");
                let found = log.transfer(TransferId(*id), &mut |lsn| bar.set_position(lsn.0));
                bar.finish_and_clear();
                found
            }
        };
        let found = found.map_err(|error| Failure::new(Exit::Findings, error.to_string()))?;
        let shown = if self.json { json(&found.rows) } else { text(&found.rows) };
        io::stdout().lock().write_all(shown.as_bytes())?;
        if found.rows.is_empty() {
            return Err(Failure::new(Exit::Findings, "nothing was found"));
        }
        Ok(if found.is_damaged { Exit::Findings } else { Exit::Done })
    }
}
