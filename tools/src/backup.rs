//! What the commands about backups share: which backup is meant, by whom it is believed, and how it is
//! shown.

use crate::client_keys::public_key;
use crate::exit::{Exit, Failure};
use crate::key::KeyArguments;
use crate::store;
use clap::Args;
use florin_client::PublicKey;
use florin_core::backup::{self, Lost, Manifest, Store, Trust, manifest::Sealed};
use florin_core::{Error, ErrorKind};
use florin_keys::KeyEncryptionKey;
use florin_ledger::Timestamp;
use jiff::SpanRound;
use serde_json::{Value, json};
use std::sync::Arc;

/// A backup that is named, and by whom it is believed.
#[derive(Args, Clone, Debug)]
pub(crate) struct BackupFrom {
    /// Where backups lie: a directory, or s3://BUCKET/PREFIX
    #[arg(long, value_name = "LOCATION")]
    pub(crate) from: String,

    /// The public key that must have signed it, or a file with it; several may
    #[arg(long, value_name = "PUBLICKEY", value_parser = public_key, required = true)]
    pub(crate) signed_by: Vec<PublicKey>,

    /// The backup [default: the newest]
    #[arg(long, value_name = "NAME", conflicts_with = "incarnation")]
    pub(crate) backup: Option<String>,

    /// The life of the bank, where there are backups of several
    #[arg(long, value_name = "HEX", value_parser = incarnation)]
    pub(crate) incarnation: Option<u128>,

    #[command(flatten)]
    pub(crate) key: KeyArguments,
}

/// The same, opened.
pub(crate) struct Chosen {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) name: String,
    pub(crate) key: Option<Arc<dyn KeyEncryptionKey>>,
    pub(crate) signers: Vec<backup::PublicKey>,
}

impl BackupFrom {
    /// Opens the store and finds the backup.
    pub(crate) fn choose(&self) -> Result<Chosen, Failure> {
        let store = store::open(&self.from)?;
        let name = match &self.backup {
            Some(name) => name.clone(),
            None => backup::newest_that_reads(store.as_ref(), self.incarnation, &self.signers())
                .map_err(failure)?,
        };
        let (key, signers) = (self.key.open()?, self.signers());
        Ok(Chosen { store, name, key, signers })
    }

    pub(crate) fn signers(&self) -> Vec<backup::PublicKey> {
        self.signed_by.iter().map(|key| backup::PublicKey(key.0)).collect()
    }
}

impl Chosen {
    pub(crate) fn trust(&self) -> Trust<'_> {
        Trust { signers: &self.signers, key: self.key.as_deref() }
    }
}

pub(crate) fn incarnation(text: &str) -> Result<u128, String> {
    backup::name::incarnation(text)
        .ok_or_else(|| String::from("an incarnation has 32 hexadecimal digits"))
}

/// Damage is what was asked about; all else is in the way of asking.
pub(crate) fn failure(error: Error) -> Failure {
    let exit = match error.kind() {
        ErrorKind::Corrupt | ErrorKind::Fork => Exit::Findings,
        ErrorKind::Invalid => Exit::Usage,
        _ => Exit::Unavailable,
    };
    Failure::new(exit, error.to_string())
}

/// An instant for people.
pub(crate) fn shown(time: Timestamp) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(time.0)) {
        Ok(time) => format!("{time:.3}"),
        Err(_) => time.to_string(),
    }
}

/// A span of time for people.
pub(crate) fn span(nanoseconds: u64) -> String {
    let span = jiff::SignedDuration::from_nanos(i64::try_from(nanoseconds).unwrap_or(i64::MAX));
    let round = SpanRound::new()
        .smallest(jiff::Unit::Millisecond)
        .largest(jiff::Unit::Day)
        .days_are_24_hours();
    let rounded = jiff::Span::try_from(span).and_then(|span| span.round(round));
    rounded.map_or_else(|_| format!("{span:#}"), |span| format!("{span:#}"))
}

/// A backup as one JSON object; wide integers are strings, as `exec` writes them.
pub(crate) fn manifest_json(name: &str, manifest: &Manifest) -> Value {
    json!({
        "name": name,
        "incarnation": format!("{:032x}", manifest.incarnation),
        "birth": format!("{:032x}", manifest.birth),
        "epoch": manifest.epoch.to_string(),
        "end": manifest.end.lsn.to_string(),
        "time": manifest.time.to_string(),
        "created": manifest.created.to_string(),
        "objects": manifest.objects.len(),
        "bytes": stored_bytes(manifest).to_string(),
        "encrypted": encrypted(manifest),
    })
}

pub(crate) fn manifest_text(name: &str, manifest: &Manifest) -> String {
    format!(
        "backup       {name}\nmade         {}\nrecorded     up to {}, position {}, epoch {}\n\
         objects      {}, {} bytes, {}\n",
        shown(manifest.created),
        shown(manifest.time),
        manifest.end.lsn,
        manifest.epoch,
        manifest.objects.len(),
        stored_bytes(manifest),
        encrypted(manifest),
    )
}

pub(crate) fn stored_bytes(manifest: &Manifest) -> u64 {
    manifest.objects.iter().map(|entry| entry.stored_bytes).sum()
}

fn encrypted(manifest: &Manifest) -> &'static str {
    match manifest.sealing {
        Sealed::No => "in the clear",
        Sealed::ByDatabase(_) => "encrypted as the database is",
        Sealed::ByBackup(_) => "encrypted under a key of the backup",
    }
}

pub(crate) fn lost_json(lost: &Lost) -> Value {
    json!({
        "frames": lost.frames_count.to_string(),
        "records": lost.records_count.to_string(),
        "accounts": lost.accounts_count.to_string(),
        "transfers": lost.transfers_count.to_string(),
        "documents_written": lost.documents_put_count.to_string(),
        "documents_ended": lost.documents_ended_count.to_string(),
        "commits": lost.commits_count.to_string(),
        "events": lost.events_count.to_string(),
        "first": lost.times.map(|(first, _)| first.to_string()),
        "last": lost.times.map(|(_, last)| last.to_string()),
    })
}

pub(crate) fn lost_text(lost: &Lost) -> String {
    let Some((first, last)) = lost.times else {
        return String::from("nothing of this backup is lost\n");
    };
    format!(
        "lost         {} frames, {} records: {} transfers, {} accounts, {} commits, {} documents \
         written and {} ended, {} events\n             from {} to {}, {}\n",
        lost.frames_count,
        lost.records_count,
        lost.transfers_count,
        lost.accounts_count,
        lost.commits_count,
        lost.documents_put_count,
        lost.documents_ended_count,
        lost.events_count,
        shown(first),
        shown(last),
        span(last.0.saturating_sub(first.0)),
    )
}
