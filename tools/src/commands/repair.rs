//! `florin repair`: a damaged log, made whole again from another copy of it.

use crate::backup::{BackupFrom, failure, incarnation};
use crate::client_keys::public_key;
use crate::credentials::Credentials;
use crate::exit::{Exit, Failure};
use crate::key::KeyArguments;
use crate::progress;
use crate::source::AnySource;
use clap::Args;
use florin_client::PublicKey;
use florin_core::backup::{Source, Trust};
use florin_core::repair::{BackedUp, DerivedFiles, Repaired, Replaced, repair};
use florin_core::sealing;
use florin_keys::KeyEncryptionKey;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// Replace what is damaged of a log by what another copy of it has
#[derive(Args, Debug)]
#[command(
    after_help = "The source is a server (the primary, or a standby) or a backup of this very bank. \
What is taken from it must fit the chain of the log on both sides; another bank, another life of this one, a \
fork, or a source that is damaged itself is refused, and nothing is changed. The damaged files are kept in the \
directory `damaged`. Checkpoint, runs and tree are derived again if they are damaged; the keyring is in no log: \
what is wrong with it is said. Then everything is verified. May be interrupted and run again. Exit status 1: \
something could not be repaired. No process may have the directory open."
)]
pub(crate) struct Repair {
    /// The data directory
    #[arg(long, value_name = "DIR")]
    data: PathBuf,

    /// A server that has a copy of the log; its key needs the role replicate
    #[arg(
        long = "from",
        value_name = "HOST:PORT",
        required_unless_present = "from_backup",
        conflicts_with = "from_backup"
    )]
    connect: Option<String>,

    #[command(flatten)]
    credentials: Credentials,

    /// Where a backup lies: a directory, or s3://BUCKET/PREFIX
    #[arg(long, value_name = "LOCATION", requires = "signed_by")]
    from_backup: Option<String>,

    /// The public key that must have signed it, or a file with it; several may
    #[arg(long, value_name = "PUBLICKEY", value_parser = public_key, requires = "from_backup")]
    signed_by: Vec<PublicKey>,

    /// The backup [default: the newest]
    #[arg(long, value_name = "NAME", requires = "from_backup", conflicts_with = "incarnation")]
    backup: Option<String>,

    /// The life of the bank, where there are backups of several
    #[arg(long, value_name = "HEX", value_parser = incarnation, requires = "from_backup")]
    incarnation: Option<u128>,

    #[command(flatten)]
    key: KeyArguments,

    /// As one JSON object
    #[arg(long)]
    json: bool,
}

impl Repair {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let key = self.key.open()?;
        let is_encrypted = self.data.join(sealing::FILE_NAME).exists();
        let (database_key, backup_key) = if is_encrypted { (key, None) } else { (None, key) };
        let source = self.source(backup_key)?;
        let bar = progress::bytes(None, "repairing");
        let repaired =
            repair(&self.data, database_key.as_deref(), source.as_ref(), &mut |progress| {
                bar.set_position(progress.position.0);
            });
        bar.finish_and_clear();
        let repaired = repaired.map_err(failure)?;
        let mut output = io::stdout().lock();
        if self.json {
            writeln!(output, "{}", in_json(&repaired))?;
        } else {
            output.write_all(text(&repaired).as_bytes())?;
        }
        Ok(if repaired.report.findings.is_empty() { Exit::Done } else { Exit::Findings })
    }

    /// The key of an encrypted database is not needed to read a backup of it, and may have been changed since.
    fn source(
        &self,
        backup_key: Option<Arc<dyn KeyEncryptionKey>>,
    ) -> Result<Box<dyn Source>, Failure> {
        if let Some(address) = &self.connect {
            return Ok(Box::new(AnySource::served(address, &self.credentials)?));
        }
        self.credentials.check_absent()?;
        let location = self.from_backup.clone();
        let chosen = BackupFrom {
            from: location.ok_or_else(|| Failure::usage("name a source"))?,
            signed_by: self.signed_by.clone(),
            backup: self.backup.clone(),
            incarnation: self.incarnation,
            key: KeyArguments::default(),
        }
        .choose()?;
        let trust = Trust { signers: &chosen.signers, key: backup_key.as_deref() };
        let backed_up = BackedUp::open(&chosen.store, &chosen.name, trust).map_err(failure)?;
        Ok(Box::new(backed_up))
    }
}

fn in_json(repaired: &Repaired) -> Value {
    let segment = |Replaced { damaged, kept }: &Replaced| {
        json!({
            "segment": damaged.number.to_string(),
            "position": damaged.at.to_string(),
            "damage": damaged.what,
            "kept": kept,
        })
    };
    json!({
        "segments": repaired.segments.iter().map(segment).collect::<Vec<_>>(),
        "end": repaired.end.to_string(),
        "derived": match repaired.derived {
            DerivedFiles::Whole => "whole",
            DerivedFiles::Rebuilt => "rebuilt",
            DerivedFiles::Deleted => "deleted",
        },
        "holds": repaired.report.findings.is_empty(),
        "contents_verified": !repaired.report.is_locked,
        "findings": repaired.report.findings,
    })
}

fn text(repaired: &Repaired) -> String {
    let mut text = String::new();
    for Replaced { damaged, kept } in &repaired.segments {
        let kept = kept.as_ref().map_or_else(
            || String::from("there was no file"),
            |kept| format!("the file that was there is kept as {kept}"),
        );
        text.push_str(&format!(
            "segment {}: could be read up to log position {} ({}): replaced; {kept}\n",
            damaged.number, damaged.at, damaged.what
        ));
    }
    if repaired.segments.is_empty() {
        text.push_str(&format!("nothing of the log is damaged, up to position {}\n", repaired.end));
    }
    text.push_str(match repaired.derived {
        DerivedFiles::Whole => "",
        DerivedFiles::Rebuilt => "checkpoint, runs and tree were damaged, and derived again\n",
        DerivedFiles::Deleted => {
            "checkpoint, runs and tree were damaged, and deleted: the standby derives them when it is \
             served\n"
        }
    });
    for finding in &repaired.report.findings {
        text.push_str(&format!("FINDING: {finding}\n"));
    }
    text.push_str(match (repaired.report.findings.is_empty(), repaired.report.is_locked) {
        (false, _) => "",
        (true, false) => "everything holds\n",
        (true, true) => {
            "every checksum and the chain hold; contents are sealed and were not recomputed: give \
             the key to verify them\n"
        }
    });
    text
}
