//! `florin backup keyring`.

use super::create::signer;
use crate::backup::failure;
use crate::client_keys::public_key;
use crate::exit::{Exit, Failure};
use crate::source::SourceArguments;
use crate::store;
use clap::Args;
use florin_client::PublicKey;
use florin_core::backup::keyring::{Keeping, Kept, keep};
use florin_core::backup::{self, Source};
use florin_core::clock::{Clock, SystemClock};
use std::io::{self, Write};
use std::path::PathBuf;

/// Copy the keyring, and remove copies of it that are older than seven days
#[derive(Args, Debug)]
#[command(
    after_help = "The copy is sealed as the keyring is: it and the key-encryption key open everything \
that is sealed under keys that were not destroyed when it was made. Keep it where the backups are not, and \
nowhere else: a key is gone for good once every older copy is. Exit status 1: it is copied, and older copies \
stay because a clock seems to be wrong, or because there was none for seven days: the next time they go."
)]
pub(crate) struct Keyring {
    #[command(flatten)]
    source: SourceArguments,

    /// Where to: a directory, made if it is new, or s3://BUCKET/PREFIX
    #[arg(long, value_name = "LOCATION")]
    to: String,

    /// The private key that signs it, as for backups (PEM, as florin keys generate writes it)
    #[arg(long, value_name = "FILE")]
    signing_key: PathBuf,

    /// The public key that copies before may be signed by, too, or a file with it; several may
    #[arg(long, value_name = "PUBLICKEY", value_parser = public_key)]
    also_signed_by: Vec<PublicKey>,
}

impl Keyring {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let signer = signer(&self.signing_key)?;
        let also_trusted: Vec<_> =
            self.also_signed_by.iter().map(|key| backup::PublicKey(key.0)).collect();
        let source = self.source.open(None)?;
        let snapshot = source.snapshot().map_err(failure)?;
        let copy = source.keyring()?.ok_or_else(|| {
            Failure::unavailable("there is no keyring: it is begun with the first key that is made")
        })?;
        let store = store::make(&self.to)?;
        let keeping = Keeping {
            incarnation: snapshot.incarnation,
            signer: &signer,
            also_trusted: &also_trusted,
            now: SystemClock::new().now(),
        };
        let Kept { name, removed_count, findings } =
            keep(store.as_ref(), &copy, &keeping).map_err(failure)?;
        let mut output = io::stdout().lock();
        writeln!(output, "copied to {name}; removed {removed_count} copies older than seven days")?;
        for finding in &findings {
            writeln!(output, "FINDING: {finding}")?;
        }
        Ok(if findings.is_empty() { Exit::Done } else { Exit::Findings })
    }
}
