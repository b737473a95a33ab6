//! `florin backup create`.

use crate::backup::{failure, manifest_json, manifest_text};
use crate::exit::{Exit, Failure};
use crate::key::KeyArguments;
use crate::source::{AnySource, SourceArguments};
use crate::{progress, store};
use clap::Args;
use florin_core::backup::{self, Creation, Signer, Store};
use florin_core::clock::{Clock, SystemClock};
use florin_keys::KeyEncryptionKey;
use std::fs;
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

/// Back up a ledger, or what was added to it since the last time
#[derive(Args, Debug)]
#[command(
    after_help = "Of an encrypted database the backup is encrypted already, and needs the same key. \
Of any other one --key-file names a key that its backups are encrypted with: without it nothing in them can \
ever be read. The keyring is not in it: florin backup keyring. Interrupted, run it again: what is there is \
not stored twice. Exit status 1: it is made, and an older one is damaged."
)]
pub(crate) struct Create {
    #[command(flatten)]
    source: SourceArguments,

    /// Where to: a directory, made if it is new
    #[arg(long, value_name = "LOCATION")]
    to: String,

    /// The private key that signs it (PEM, as florin keys generate writes it)
    #[arg(long, value_name = "FILE")]
    signing_key: PathBuf,

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
        let source = self.source.open()?;
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
        let creation = Creation {
            signer,
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
        if let Some(keep) = self.keep {
            let keep = usize::try_from(keep.get()).expect("it fits");
            let life = created.manifest.incarnation;
            backup::prune(store, life, keep, &[signer.public()]).map_err(failure)?;
        }
        let mut output = io::stdout().lock();
        if self.json {
            let mut line = manifest_json(&created.name, &created.manifest);
            line["stored_objects"] = created.stored_count.into();
            line["stored_bytes"] = created.stored_bytes.to_string().into();
            line["kept_objects"] = created.kept_count.into();
            line["findings"] = created.passed_over.clone().into();
            writeln!(output, "{line}")?;
            output.flush()?;
        } else {
            write!(output, "{}", manifest_text(&created.name, &created.manifest))?;
            writeln!(
                output,
                "stored       {} objects, {} bytes; {} were there",
                created.stored_count, created.stored_bytes, created.kept_count
            )?;
            for finding in &created.passed_over {
                writeln!(output, "FINDING: an older backup can't be used: {finding}")?;
            }
        }
        Ok(if created.passed_over.is_empty() { Exit::Done } else { Exit::Findings })
    }
}

fn signer(path: &PathBuf) -> Result<Signer, Failure> {
    let unusable = |error: String| {
        Failure::unavailable(format!("can't use the signing key {}: {error}", path.display()))
    };
    let pem = fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    Signer::from_pem(&pem).map_err(|error| unusable(error.to_string()))
}
