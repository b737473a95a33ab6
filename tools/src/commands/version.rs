//! `florin version`.

use crate::exit::{Exit, Failure};
use clap::Args;
use std::io::{self, Write};

/// Print the version
#[derive(Args, Debug)]
pub(crate) struct Version {
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

/// The version of this binary.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

impl Version {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let mut output = io::stdout().lock();
        if self.json {
            writeln!(output, "{}", serde_json::json!({ "version": VERSION }))?;
        } else {
            writeln!(output, "florin {VERSION}")?;
        }
        Ok(Exit::Done)
    }
}
