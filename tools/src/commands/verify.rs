//! `florin verify`: whether everything stored still holds.

use crate::exit::{Exit, Failure};
use crate::inspect::{Log, ReadOnly};
use crate::json::hexadecimal::hexadecimal;
use crate::json::write::TrialBalanceJson;
use crate::key::KeyArguments;
use crate::progress;
use clap::Args;
use florin_core::keyring::KeyringStatus;
use florin_core::verify::{VerifyReport, verify};
use florin_core::{Error, ErrorKind};
use florin_ledger::LedgerId;
use florin_ledger::query::TrialBalance;
use serde::Serialize;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Check everything stored in a data directory (exit status 0 only if all of it holds)
#[derive(Args, Debug)]
#[command(after_help = "Reads the whole log: every checksum, the chain of hashes, every balance \
derived again and compared with the checkpoint, debits against credits on every ledger, the whole \
keyring. Of an encrypted database without its key: every checksum and the chain; that is exit status 0 too. Nothing is \
changed. No process may have the directory open.")]
pub(crate) struct Verify {
    /// The data directory
    #[arg(long, value_name = "DIR")]
    data: PathBuf,

    #[command(flatten)]
    key: KeyArguments,

    /// As one JSON object
    #[arg(long)]
    json: bool,
}

/// What was verified. Wide integers are strings, as `exec` writes them.
#[derive(Serialize)]
struct ReportJson<'a> {
    holds: bool,
    contents_verified: bool,
    findings: &'a [String],
    incarnation: String,
    epoch: String,
    end: String,
    torn: bool,
    frames: String,
    records: String,
    accounts: String,
    transfers: String,
    live_holds: String,
    checkpoint: Option<String>,
    digest: String,
    ledgers: Vec<LedgerJson>,
    keyring: Option<KeyringJson>,
}

#[derive(Serialize)]
struct KeyringJson {
    keys: String,
    destroyed: String,
}

/// Without sums if one of them exceeds 2^128 - 1.
#[derive(Serialize)]
struct LedgerJson {
    ledger: u32,
    #[serde(flatten)]
    sums: Option<TrialBalanceJson>,
}

impl Verify {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let key = self.key.open()?;
        let bar = progress::bytes(end_of_log(&self.data), "verifying");
        let verified = verify(&self.data, key.as_deref(), &mut |progress| {
            bar.set_position(progress.position.0);
        });
        bar.finish_and_clear();
        let report = verified.map_err(|error| failure(&self.data, &error))?;
        let mut output = io::stdout().lock();
        if self.json {
            let line = serde_json::to_string(&ReportJson::from(&report))
                .expect("a report has string keys");
            writeln!(output, "{line}")?;
        } else {
            output.write_all(text(&report).as_bytes())?;
        }
        Ok(if report.findings.is_empty() { Exit::Done } else { Exit::Findings })
    }
}

/// Where the last segment ends, for the bar; `None` where that can't be told, and no bar is worth
/// an error.
fn end_of_log(directory: &Path) -> Option<u64> {
    Log::open(ReadOnly::open(directory).ok()?, None).ok()?.segments_end().ok()
}

/// Damage that ends the reading is what was asked about; all else is in the way of asking.
pub(super) fn failure(directory: &Path, error: &Error) -> Failure {
    let exit = if error.kind() == ErrorKind::Corrupt { Exit::Findings } else { Exit::Unavailable };
    Failure::new(exit, format!("{}: {error}", directory.display()))
}

impl<'a> From<&'a VerifyReport> for ReportJson<'a> {
    fn from(report: &'a VerifyReport) -> ReportJson<'a> {
        let ledger = |(ledger, sums): &(LedgerId, Option<TrialBalance>)| LedgerJson {
            ledger: ledger.0,
            sums: sums.as_ref().map(TrialBalanceJson::from),
        };
        ReportJson {
            holds: report.findings.is_empty(),
            contents_verified: !report.is_locked,
            findings: &report.findings,
            incarnation: format!("{:032x}", report.incarnation),
            epoch: report.epoch.to_string(),
            end: report.end.to_string(),
            torn: report.is_torn,
            frames: report.frames_count.to_string(),
            records: report.records_count.to_string(),
            accounts: report.accounts_count.to_string(),
            transfers: report.transfers_count.to_string(),
            live_holds: report.holds_count.to_string(),
            checkpoint: report.checkpoint.map(|checkpoint| checkpoint.to_string()),
            digest: hexadecimal(&report.digest),
            ledgers: report.ledgers.iter().map(ledger).collect(),
            keyring: report.keyring.map(|keyring| KeyringJson {
                keys: keyring.keys_count.to_string(),
                destroyed: keyring.destroyed_count.to_string(),
            }),
        }
    }
}

fn text(report: &VerifyReport) -> String {
    let mut text = format!(
        "incarnation  {:032x}\nlog          {} frames, {} records, to position {}{}\n\
         checkpoint   {}\naccounts     {}\ntransfers    {}\nholds        {}\ndigest       {}\n",
        report.incarnation,
        report.frames_count,
        report.records_count,
        report.end,
        if report.is_torn { ", then a torn write that nobody was answered" } else { "" },
        report.checkpoint.map_or_else(|| String::from("none"), |checkpoint| checkpoint.to_string()),
        report.accounts_count,
        report.transfers_count,
        report.holds_count,
        hexadecimal(&report.digest),
    );
    for (ledger, sums) in &report.ledgers {
        let Some(sums) = sums else {
            text.push_str(&format!("ledger {ledger}: sums exceed 2^128-1\n"));
            continue;
        };
        text.push_str(&format!(
            "ledger {ledger}: posted debits {} credits {}, pending debits {} credits {}, {} accounts\n",
            sums.debits_posted,
            sums.credits_posted,
            sums.debits_pending,
            sums.credits_pending,
            sums.accounts_count,
        ));
    }
    if let Some(KeyringStatus { keys_count, destroyed_count }) = report.keyring {
        text.push_str(&format!("keyring      {keys_count} keys, {destroyed_count} destroyed\n"));
    }
    for finding in &report.findings {
        text.push_str(&format!("FINDING: {finding}\n"));
    }
    text.push_str(match (report.findings.is_empty(), report.is_locked) {
        (false, _) => "",
        (true, false) => "everything holds\n",
        (true, true) => {
            "every checksum and the chain hold; contents are sealed and were not recomputed: give \
             the key to verify them\n"
        }
    });
    text
}
