//! `florin restore`: a bank from its backup.

use crate::backup::{
    BackupFrom, failure, lost_json, lost_text, manifest_json, manifest_text, shown, span,
};
use crate::exit::{Exit, Failure};
use crate::keyring_copy::KeyringFrom;
use crate::progress;
use clap::Args;
use florin_core::backup::restore::LACKS_KEYRING;
use florin_core::backup::{self, Restored, Restoring, Target, preview, read_manifest};
use florin_core::clock::{Clock, SystemClock};
use florin_core::disk::os::OsDisk;
use florin_ledger::{Lsn, Timestamp, TransferId};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// Restore a backup into an empty directory, as another bank than the one that was backed up
#[derive(Args, Debug)]
#[command(
    after_help = "Everything is derived from the log and compared before the directory opens; \
interrupted, it does not open: remove it. The restored bank has an incarnation of its own. A bank over it \
touches nobody until florin bank activate. History ends between two frames, each some requests that were \
decided together: --preview says what is lost. Exit status 1: it is restored, and the log says that it has a \
keyring, which was not given."
)]
pub(crate) struct Restore {
    #[command(flatten)]
    from: BackupFrom,

    /// The empty directory (made if it is new)
    #[arg(long, value_name = "DIR", required_unless_present = "preview")]
    to: Option<PathBuf>,

    /// What was recorded until then, as 2026-11-30T12:00:00Z or nanoseconds since 1970
    #[arg(long, value_name = "TIME", value_parser = time, group = "target")]
    to_time: Option<Timestamp>,

    /// What ends at or before this position of the log
    #[arg(long, value_name = "POSITION", group = "target")]
    to_lsn: Option<u64>,

    /// What happened before this transfer
    #[arg(long, value_name = "ID", group = "target")]
    before_transfer: Option<u128>,

    /// Only say what would be lost
    #[arg(long)]
    preview: bool,

    #[command(flatten)]
    keyring: KeyringFrom,

    /// That the bank has a keyring and is restored without it is no finding
    #[arg(long, conflicts_with = "keyring")]
    without_keyring: bool,

    /// As one JSON object
    #[arg(long)]
    json: bool,
}

impl Restore {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        if self.preview { self.show() } else { self.restore() }
    }

    fn target(&self) -> Target {
        match (self.to_time, self.to_lsn, self.before_transfer) {
            (Some(time), ..) => Target::Time(time),
            (_, Some(lsn), _) => Target::Lsn(Lsn(lsn)),
            (_, _, Some(id)) => Target::BeforeTransfer(TransferId(id)),
            _ => Target::End,
        }
    }

    fn show(&self) -> Result<Exit, Failure> {
        let chosen = self.from.choose()?;
        let seen = preview(&chosen.store, &chosen.name, self.target(), chosen.trust());
        let seen = seen.map_err(failure)?;
        let mut output = io::stdout().lock();
        if self.json {
            let mut line = manifest_json(&chosen.name, &seen.manifest);
            line["cut"] = seen.cut.lsn.to_string().into();
            line["lost"] = lost_json(&seen.lost);
            writeln!(output, "{line}")?;
        } else {
            write!(output, "{}", manifest_text(&chosen.name, &seen.manifest))?;
            writeln!(output, "would end    at position {}", seen.cut.lsn)?;
            write!(output, "{}", lost_text(&seen.lost))?;
            let now = SystemClock::new().now();
            let gone = now.0.saturating_sub(seen.manifest.knows_until().0);
            writeln!(
                output,
                "not in it    what was recorded after {}, {} before now",
                shown(seen.manifest.knows_until()),
                span(gone)
            )?;
        }
        Ok(Exit::Done)
    }

    fn restore(&self) -> Result<Exit, Failure> {
        let chosen = self.from.choose()?;
        let to = self.to.as_ref().ok_or_else(|| Failure::usage("name a directory: --to DIR"))?;
        let manifest = read_manifest(chosen.store.as_ref(), &chosen.name, &chosen.signers);
        let manifest = manifest.map_err(failure)?;
        let life = (manifest.birth, manifest.incarnation);
        let keyring = self.keyring.choose(life, &chosen.signers)?;
        let has_keyring = keyring.copy.is_some();
        let disk = Arc::new(OsDisk::open(to).map_err(failure)?);
        let restoring = Restoring {
            name: &chosen.name,
            target: self.target(),
            trust: chosen.trust(),
            key: chosen.key.clone(),
            keyring: keyring.copy,
            keyring_key: keyring.key,
        };
        let bar = progress::bytes(None, "restoring");
        let restored = backup::restore(&chosen.store, disk, &restoring, &mut |progress| {
            bar.set_position(progress.done_bytes);
        });
        bar.finish_and_clear();
        let restored = restored.map_err(failure)?;
        let mut output = io::stdout().lock();
        if self.json {
            let mut line = manifest_json(&chosen.name, &restored.manifest);
            line["cut"] = restored.cut.lsn.to_string().into();
            line["new_incarnation"] = format!("{:032x}", restored.incarnation).into();
            line["accounts"] = restored.report.accounts_count.to_string().into();
            line["transfers"] = restored.report.transfers_count.to_string().into();
            line["keyring"] = has_keyring.into();
            line["lacks_keyring"] = restored.lacks_keyring.into();
            writeln!(output, "{line}")?;
            return Ok(self.exit(&restored));
        }
        write!(output, "{}", manifest_text(&chosen.name, &restored.manifest))?;
        writeln!(
            output,
            "restored     to {}, up to position {}: {} accounts, {} transfers, everything holds\n\
             incarnation  {:032x}, another than the one that was backed up",
            to.display(),
            restored.cut.lsn,
            restored.report.accounts_count,
            restored.report.transfers_count,
            restored.incarnation,
        )?;
        if restored.lacks_keyring {
            let finding =
                if self.without_keyring { "keyring      not restored" } else { "FINDING" };
            writeln!(output, "{finding}: {LACKS_KEYRING}; florin keyring restore puts one there")?;
        }
        Ok(self.exit(&restored))
    }

    fn exit(&self, restored: &Restored) -> Exit {
        if restored.lacks_keyring && !self.without_keyring { Exit::Findings } else { Exit::Done }
    }
}

fn time(text: &str) -> Result<Timestamp, String> {
    if let Ok(nanoseconds) = text.parse::<u64>() {
        return Ok(Timestamp(nanoseconds));
    }
    let time: jiff::Timestamp = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    u64::try_from(time.as_nanosecond())
        .map(Timestamp)
        .map_err(|_| String::from("it is before 1970"))
}
