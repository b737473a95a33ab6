//! `florin inspect`: what lies in the log, read without touching it.

use crate::exit::{Exit, Failure};
use clap::Args;
use std::path::PathBuf;

/// Show what lies in the log: read-only, also beside a running server or on a damaged log
#[derive(Args, Debug)]
pub(crate) struct Inspect {
    /// The data directory
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
}

impl Inspect {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let _ = &self.data;
        Err(Failure::unavailable("to come"))
    }
}
