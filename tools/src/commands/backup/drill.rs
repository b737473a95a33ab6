//! `florin backup drill`.

use crate::backup::{BackupFrom, failure, manifest_json, span};
use crate::commands::restore::newest_keyring;
use crate::exit::{Exit, Failure};
use crate::progress;
use clap::Args;
use florin_core::backup::drill::Promised;
use florin_core::backup::{DrillReport, Restoring, Target, drill, read_manifest};
use florin_core::clock::SystemClock;
use florin_core::disk::os::OsDisk;
use serde_json::{Value, json};
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Restore a backup where nobody uses it, and compare everything (exit status 0 only if all of it holds)
#[derive(Args, Debug)]
#[command(
    after_help = "Everything that follows from the log is derived twice and compared. Nothing is sent \
to anybody: no server runs over it, and no hold or document runs out. Run it on a schedule: what was not \
tried does not work."
)]
pub(crate) struct Drill {
    #[command(flatten)]
    from: BackupFrom,

    /// Where copies of the keyring lie
    #[arg(long, value_name = "LOCATION")]
    keyring: Option<String>,

    /// Where to restore to: removed afterwards [default: the directory for temporary files]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,

    /// Seconds that recovery may take
    #[arg(long, value_name = "SECONDS")]
    rto: Option<u64>,

    /// Seconds of which records may be lost
    #[arg(long, value_name = "SECONDS")]
    rpo: Option<u64>,

    /// Write the report here, too, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// As one JSON object
    #[arg(long)]
    json: bool,
}

impl Drill {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let chosen = self.from.choose()?;
        let unusable = |error: io::Error| {
            Failure::unavailable(format!("can't use the scratch directory: {error}"))
        };
        let scratch = match &self.scratch {
            Some(directory) => tempfile::tempdir_in(directory),
            None => tempfile::tempdir(),
        }
        .map_err(unusable)?;
        let manifest = read_manifest(chosen.store.as_ref(), &chosen.name, &chosen.signers);
        let keyring = match (&self.keyring, &manifest) {
            (Some(location), Ok(manifest)) => newest_keyring(location, manifest.birth)?,
            _ => None,
        };
        let disk = Arc::new(OsDisk::open(&scratch.path().join("data")).map_err(failure)?);
        let restoring = Restoring {
            name: &chosen.name,
            target: Target::End,
            trust: chosen.trust(),
            key: chosen.key.clone(),
            keyring,
        };
        let promised = Promised {
            time: self.rto.map(Duration::from_secs),
            point: self.rpo.map(Duration::from_secs),
        };
        let bar = progress::bytes(None, "trying");
        let report =
            drill(&chosen.store, disk, &restoring, promised, &SystemClock::new(), &mut |it| {
                bar.set_position(it.done_bytes);
            });
        bar.finish_and_clear();
        let report = report.map_err(failure)?;
        let object = report_json(&report);
        if let Some(path) = &self.report {
            fs::write(path, format!("{object}\n")).map_err(|error| {
                Failure::unavailable(format!("can't write {}: {error}", path.display()))
            })?;
        }
        let mut output = io::stdout().lock();
        if self.json {
            writeln!(output, "{object}")?;
        } else {
            output.write_all(report_text(&report).as_bytes())?;
        }
        Ok(if report.findings.is_empty() { Exit::Done } else { Exit::Findings })
    }
}

fn report_json(report: &DrillReport) -> Value {
    let restored = report.restored.as_ref().map(|restored| {
        let mut object = manifest_json(&report.name, &restored.manifest);
        object["accounts"] = restored.report.accounts_count.to_string().into();
        object["transfers"] = restored.report.transfers_count.to_string().into();
        object["live_holds"] = restored.report.holds_count.to_string().into();
        object["records"] = restored.report.records_count.to_string().into();
        object["keys"] = restored.report.keyring.map(|it| it.keys_count.to_string()).into();
        object
    });
    json!({
        "holds": report.findings.is_empty(),
        "backup": report.name,
        "recovery_time_ms": u64::try_from(report.recovery_time.as_millis()).unwrap_or(u64::MAX),
        "recovery_point_ms": u64::try_from(report.recovery_point.as_millis()).unwrap_or(u64::MAX),
        "restored": restored,
        "findings": report.findings,
    })
}

fn report_text(report: &DrillReport) -> String {
    let nanoseconds = |it: Duration| u64::try_from(it.as_nanos()).unwrap_or(u64::MAX);
    let mut text = format!(
        "backup       {}\nrecovered    in {}\nrecorded     {} before now\n",
        report.name,
        span(nanoseconds(report.recovery_time)),
        span(nanoseconds(report.recovery_point)),
    );
    if let Some(restored) = &report.restored {
        let verified = &restored.report;
        text.push_str(&format!(
            "derived      {} accounts, {} transfers, {} live holds, {} records, twice\n",
            verified.accounts_count,
            verified.transfers_count,
            verified.holds_count,
            verified.records_count,
        ));
    }
    for finding in &report.findings {
        text.push_str(&format!("FINDING: {finding}\n"));
    }
    if report.findings.is_empty() {
        text.push_str("everything holds\n");
    }
    text
}
