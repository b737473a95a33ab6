//! `florin rebuild`: everything but the log, derived again.

use super::verify;
use crate::exit::{Exit, Failure};
use crate::key::KeyArguments;
use crate::progress;
use clap::Args;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

/// Derive everything again from the log segments alone
#[derive(Args, Debug)]
#[command(after_help = "For a checkpoint or run that is damaged, as `florin verify` says. A log \
that has lost something durable is refused, and nothing is deleted. May be interrupted and run \
again. No process may have the directory open.")]
pub(crate) struct Rebuild {
    /// The data directory
    #[arg(long, value_name = "DIR")]
    data: PathBuf,

    #[command(flatten)]
    key: KeyArguments,
}

impl Rebuild {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let key = self.key.open()?;
        let spinner = progress::spinner("rebuilding");
        spinner.enable_steady_tick(Duration::from_millis(200));
        let rebuilt = florin_core::rebuild::rebuild(&self.data, key.as_deref());
        spinner.finish_and_clear();
        let status = rebuilt.map_err(|error| verify::failure(&self.data, &error))?;
        let mut output = io::stdout().lock();
        writeln!(
            output,
            "rebuilt {} accounts, {} transfers, {} holds from the log up to position {}",
            status.accounts_count, status.transfers_count, status.holds_count, status.durable,
        )?;
        Ok(Exit::Done)
    }
}
