//! `florin backup drill`.

use crate::backup::{BackupFrom, failure, manifest_json, span};
use crate::exit::{Exit, Failure};
use crate::keyring_copy::KeyringFrom;
use crate::progress;
use crate::target::runtime;
use clap::Args;
use florin_core::backup::drill::Promised;
use florin_core::backup::{DrillReport, Restoring, Target, drill, read_manifest};
use florin_core::clock::SystemClock;
use florin_core::disk::os::OsDisk;
use serde_json::{Value, json};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

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

    #[command(flatten)]
    keyring: KeyringFrom,

    /// Where to restore to, in a directory of its own that only its owner can read: removed afterwards, and
    /// on SIGINT, SIGTERM and SIGHUP. Of a bank that is not encrypted it has everything in the clear [default: the
    /// directory for temporary files]
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
        let manifest = manifest.map_err(failure)?;
        let life = (manifest.birth, manifest.incarnation);
        let keyring = self.keyring.choose(life, &chosen.signers)?;
        remove_when_stopped(scratch.path())?;
        let disk = Arc::new(OsDisk::open(&scratch.path().join("data")).map_err(failure)?);
        let restoring = Restoring {
            name: &chosen.name,
            target: Target::End,
            trust: chosen.trust(),
            key: chosen.key.clone(),
            keyring: keyring.copy,
            keyring_key: keyring.key,
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
        scratch.close().map_err(unusable)?;
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

/// How often a directory is removed into which somebody still writes.
const REMOVALS_MAX: usize = 100;

/// From now on SIGINT, SIGTERM and SIGHUP end the process, with what it has restored: a bank may lie there in the
/// clear.
fn remove_when_stopped(directory: &Path) -> Result<(), Failure> {
    let unheard = |error: io::Error| Failure::unavailable(format!("can't hear signals: {error}"));
    let (runtime, directory) = (runtime()?, directory.to_path_buf());
    let (mut interrupted, mut terminated, mut hung_up) = {
        let _guard = runtime.enter();
        let hears = |kind| signal(kind).map_err(unheard);
        (
            hears(SignalKind::interrupt())?,
            hears(SignalKind::terminate())?,
            hears(SignalKind::hangup())?,
        )
    };
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupted.recv() => {}
                _ = terminated.recv() => {}
                _ = hung_up.recv() => {}
            }
        });
        // What is restored at the same time makes files anew, until their directory is gone.
        for _ in 0..REMOVALS_MAX {
            match fs::remove_dir_all(&directory) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {}
                _ => break,
            }
        }
        if directory.exists() {
            let _ = writeln!(io::stderr(), "florin: remove {}", directory.display());
        }
        process::exit(i32::from(u8::from(Exit::Stopped)));
    });
    Ok(())
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
        "recovery_point_ms": report
            .recovery_point
            .map(|point| u64::try_from(point.as_millis()).unwrap_or(u64::MAX)),
        "restored": restored,
        "findings": report.findings,
    })
}

fn report_text(report: &DrillReport) -> String {
    let nanoseconds = |it: Duration| u64::try_from(it.as_nanos()).unwrap_or(u64::MAX);
    let tried = if report.restored.is_some() { "recovered    in" } else { "tried        for" };
    let mut text = format!(
        "backup       {}\n{tried} {}\n",
        report.name,
        span(nanoseconds(report.recovery_time)),
    );
    if let Some(point) = report.recovery_point {
        text.push_str(&format!("made         {} before now\n", span(nanoseconds(point))));
    }
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
