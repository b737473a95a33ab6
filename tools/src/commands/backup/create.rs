//! `florin backup create`.

use crate::backup::{failure, manifest_json, manifest_text};
use crate::client_keys::public_key;
use crate::exit::{Exit, Failure};
use crate::key::KeyArguments;
use crate::source::{AnySource, SourceArguments};
use crate::{progress, store};
use clap::Args;
use florin_client::PublicKey;
use florin_core::backup::{self, Creation, Signer, Store};
use florin_core::clock::{Clock, SystemClock};
use florin_keys::KeyEncryptionKey;
use std::fs;
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Back up a ledger, or what was added to it since the last time
#[derive(Args, Debug)]
#[command(
    after_help = "Of an encrypted database the backup is encrypted already, and needs the same key. \
Of any other one --key-file names a key that its backups are encrypted with: without it nothing in them can \
ever be read. The keyring is not in it: florin backup keyring. Who asks an object store, and where it is, is taken from \
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL. Interrupted, run it again: what is there is \
not stored twice. Exit status 1: it is made, and an older one is damaged or could not be removed."
)]
pub(crate) struct Create {
    #[command(flatten)]
    source: SourceArguments,

    /// Where to: a directory, made if it is new, or s3://BUCKET/PREFIX
    #[arg(long, value_name = "LOCATION")]
    to: String,

    /// The private key that signs it (PEM, as florin keys generate writes it)
    #[arg(long, value_name = "FILE")]
    signing_key: PathBuf,

    /// The public key that older ones may be signed by, too, or a file with it: the key before this one, if
    /// it was changed; several may
    #[arg(long, value_name = "PUBLICKEY", value_parser = public_key)]
    also_signed_by: Vec<PublicKey>,

    #[command(flatten)]
    key: KeyArguments,

    /// Let the backup of a database that is not encrypted lie in the clear
    #[arg(long, conflicts_with = "key_file", conflicts_with = "pkcs11_module")]
    in_the_clear: bool,

    /// Go on, so many seconds after each backup, until SIGINT or SIGTERM
    #[arg(long, value_name = "SECONDS", requires = "connect")]
    every: Option<NonZeroU32>,

    /// Remove all but the newest N backups each time
    #[arg(long, value_name = "N")]
    keep: Option<NonZeroU32>,

    /// As one JSON object
    #[arg(long)]
    json: bool,
}

impl Create {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let signer = signer(&self.signing_key)?;
        let key = self.key.open()?;
        let store = store::make(&self.to)?;
        let source = self.source.open(key.as_deref())?;
        let Some(every) = self.every else {
            return self.create(&source, store.as_ref(), &signer, key.as_deref());
        };
        let pause = Duration::from_secs(every.get().into());
        let mut stopping = source.stopping()?;
        loop {
            // What fails now may not the next time; what was stored is found then.
            let result = self.create(&source, store.as_ref(), &signer, key.as_deref());
            if let Err(failure) = &result {
                writeln!(io::stderr(), "florin: no backup this time: {failure}")?;
            }
            if source.is_stopped_within(&mut stopping, pause) {
                return result;
            }
        }
    }

    fn create(
        &self,
        source: &AnySource,
        store: &dyn Store,
        signer: &Signer,
        key: Option<&dyn KeyEncryptionKey>,
    ) -> Result<Exit, Failure> {
        let also_trusted: Vec<_> =
            self.also_signed_by.iter().map(|key| backup::PublicKey(key.0)).collect();
        let creation = Creation {
            signer,
            also_trusted: &also_trusted,
            key,
            in_the_clear: self.in_the_clear,
            now: SystemClock::new().now(),
        };
        let bar = progress::bytes(None, "backing up");
        let created = backup::create(source, store, &creation, &mut |progress| {
            bar.set_position(progress.done_bytes);
        });
        bar.finish_and_clear();
        let created = created.map_err(failure)?;
        // Said before anything is removed: whatever comes of that, there is this backup.
        let mut output = io::stdout().lock();
        if !self.json {
            write!(output, "{}", manifest_text(&created.name, &created.manifest))?;
            writeln!(
                output,
                "stored       {} objects, {} bytes; {} were there",
                created.stored_count, created.stored_bytes, created.kept_count
            )?;
            output.flush()?;
        }
        let mut findings = created.passed_over.clone();
        let trusted = [&[signer.public()], &also_trusted[..]].concat();
        findings.extend(self.prune(store, created.manifest.incarnation, &trusted));
        if self.json {
            let mut line = manifest_json(&created.name, &created.manifest);
            line["stored_objects"] = created.stored_count.into();
            line["stored_bytes"] = created.stored_bytes.to_string().into();
            line["kept_objects"] = created.kept_count.into();
            line["findings"] = findings.clone().into();
            writeln!(output, "{line}")?;
            output.flush()?;
        } else {
            for finding in &findings {
                writeln!(output, "FINDING: {finding}")?;
            }
        }
        Ok(if findings.is_empty() { Exit::Done } else { Exit::Findings })
    }

    /// Removes old backups, if that was asked; what is in the way of it.
    fn prune(&self, store: &dyn Store, life: u128, trusted: &[backup::PublicKey]) -> Vec<String> {
        let Some(keep) = self.keep else { return Vec::new() };
        let keep = usize::try_from(keep.get()).expect("it fits");
        match backup::prune(store, life, keep, trusted) {
            Ok(pruned) => {
                let stays = |unread| format!("removed, and what it named is still there: {unread}");
                pruned.unread.into_iter().map(stays).collect()
            }
            Err(error) => vec![format!("older backups were not removed: {error}")],
        }
    }
}

pub(super) fn signer(path: &Path) -> Result<Signer, Failure> {
    let unusable = |error: String| {
        Failure::unavailable(format!("can't use the signing key {}: {error}", path.display()))
    };
    let pem = fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    Signer::from_pem(&pem).map_err(|error| unusable(error.to_string()))
}
