//! `florin backup verify`.

use crate::backup::{BackupFrom, failure, manifest_json, manifest_text};
use crate::exit::{Exit, Failure};
use crate::progress;
use clap::Args;
use florin_core::backup::check;
use std::io::{self, Write};

/// Check a backup where it lies (exit status 0 only if all of it holds)
#[derive(Args, Debug)]
#[command(
    after_help = "Reads all of it: the signature, every object, every hash, and the chain of the log \
from its first frame to its last. Nothing is restored and nothing is changed. Without the key of a backup \
that is encrypted under one of its own, signature and hashes; that is exit status 0 too. Only florin backup \
drill shows that a bank comes out of it."
)]
pub(crate) struct Verify {
    #[command(flatten)]
    from: BackupFrom,

    /// As one JSON object
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let chosen = self.from.choose()?;
        let bar = progress::bytes(None, "checking");
        let checked = check(&chosen.store, &chosen.name, chosen.trust(), &mut |progress| {
            bar.set_position(progress.done_bytes);
        });
        bar.finish_and_clear();
        let checked = checked.map_err(failure)?;
        let mut output = io::stdout().lock();
        if self.json {
            let mut line = manifest_json(&chosen.name, &checked.manifest);
            line["holds"] = checked.findings.is_empty().into();
            line["chain_verified"] = (!checked.is_locked).into();
            line["findings"] = checked.findings.clone().into();
            writeln!(output, "{line}")?;
        } else {
            write!(output, "{}", manifest_text(&chosen.name, &checked.manifest))?;
            for finding in &checked.findings {
                writeln!(output, "FINDING: {finding}")?;
            }
            match (checked.findings.is_empty(), checked.is_locked) {
                (true, false) => writeln!(output, "everything holds")?,
                (true, true) => writeln!(
                    output,
                    "signature and hashes hold; the chain was not read: give the key to verify it"
                )?,
                (false, _) => {}
            }
        }
        Ok(if checked.findings.is_empty() { Exit::Done } else { Exit::Findings })
    }
}
