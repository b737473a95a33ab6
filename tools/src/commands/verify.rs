//! `florin verify`: whether everything stored still holds.

use crate::exit::{Exit, Failure};
use clap::Args;
use std::path::PathBuf;

/// Check everything stored in a data directory (exit status 0 only if all of it holds)
#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// The data directory
    #[arg(long, value_name = "DIR")]
    data: PathBuf,

    /// As one JSON object
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let _ = (&self.data, self.json);
        Err(Failure::unavailable("to come"))
    }
}
