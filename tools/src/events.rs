//! What a server writes to standard error while it runs: lines of `tracing`, for people or as JSON.
//!
//! At `info` and above only the database speaks, and no peer but one that operates it can make it write
//! a line; what peers do is told at `debug`. Lines name connections, requests, positions, counts and
//! broken documents of clients' keys, never ids of customers, amounts, documents of callers or secrets.

use crate::exit::Failure;
use clap::{Args, ValueEnum};
use florin_core::event::{Event, Observer};
use std::io;
use tracing::level_filters::LevelFilter;
use tracing::{error, info};

/// What is written, and how.
#[derive(Args, Debug)]
pub(crate) struct Log {
    /// What is written to standard error while it serves
    #[arg(long, value_name = "LEVEL", default_value = "info", value_enum)]
    log: Level,

    /// Write it as JSON lines
    #[arg(long)]
    log_json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
enum Level {
    Off,
    Error,
    Info,
    Debug,
}

impl Log {
    /// Begins to write. Once in a process.
    pub(crate) fn begin(&self) -> Result<(), Failure> {
        let level = match self.log {
            Level::Off => LevelFilter::OFF,
            Level::Error => LevelFilter::ERROR,
            Level::Info => LevelFilter::INFO,
            Level::Debug => LevelFilter::DEBUG,
        };
        let lines = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_writer(io::stderr)
            .with_ansi(false)
            .with_target(false);
        let begun = if self.log_json { lines.json().try_init() } else { lines.try_init() };
        begun.map_err(|error| Failure::unavailable(format!("can't write a log: {error}")))
    }
}

/// Writes what happens inside a database.
pub(crate) fn observer() -> Observer {
    Observer::new(|event| match event {
        Event::Finding(finding) => {
            let position = finding.position.map(|position| position.0);
            error!(check = finding.check.name(), position, "finding: {}", finding.message);
        }
        Event::CheckpointMade(position) => info!(position = position.0, "checkpoint made"),
        Event::CheckpointFailed(error) => error!("checkpoint failed: {error}"),
        Event::KeyringRefused(error) => error!("the keyring is not served: {error}"),
        Event::KeysDestroyedAgain(count) => {
            info!(count, "keys destroyed that the log says are destroyed");
        }
        Event::CaptureFailed(error) => error!("balances for proofs: {error}"),
        Event::TreeStuck(error) => error!("the tree of proofs stands still: {error}"),
        Event::StandbyStopped(error) => error!("this standby follows no more: {error}"),
        _ => {}
    })
}
