//! `florin rebuild`: everything but the log, derived again.

use crate::exit::{Exit, Failure};
use clap::Args;
use std::path::PathBuf;

/// Derive everything again from the log segments alone
#[derive(Args, Debug)]
pub(crate) struct Rebuild {
    /// The data directory
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
}

impl Rebuild {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let _ = &self.data;
        Err(Failure::unavailable("to come"))
    }
}
