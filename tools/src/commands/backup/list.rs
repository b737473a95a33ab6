//! `florin backup list`.

use crate::backup::{failure, incarnation, manifest_json, shown, stored_bytes};
use crate::client_keys::public_key;
use crate::exit::{Exit, Failure};
use crate::store;
use clap::Args;
use florin_client::PublicKey;
use florin_core::ErrorKind;
use florin_core::backup::{self, check};
use std::io::{self, Write};

/// List the backups that there are, from the oldest to the newest (exit status 1 if one can't be read)
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Where backups lie: a directory, or s3://BUCKET/PREFIX
    #[arg(long, value_name = "LOCATION")]
    from: String,

    /// The public key that must have signed them, or a file with it; several may
    #[arg(long, value_name = "PUBLICKEY", value_parser = public_key, required = true)]
    signed_by: Vec<PublicKey>,

    /// Of one life of the bank
    #[arg(long, value_name = "HEX", value_parser = incarnation)]
    incarnation: Option<u128>,

    /// As one JSON object a backup
    #[arg(long)]
    json: bool,
}

impl List {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let store = store::open(&self.from)?;
        let signers: Vec<_> = self.signed_by.iter().map(|key| backup::PublicKey(key.0)).collect();
        let lives = match self.incarnation {
            Some(incarnation) => vec![incarnation],
            None => check::incarnations(store.as_ref()).map_err(failure)?,
        };
        let mut output = io::stdout().lock();
        let mut exit = Exit::Done;
        for life in lives {
            for name in check::manifest_names(store.as_ref(), life).map_err(failure)? {
                match check::read_manifest(store.as_ref(), &name, &signers) {
                    Ok(manifest) if self.json => {
                        writeln!(output, "{}", manifest_json(&name, &manifest))?;
                    }
                    Ok(manifest) => writeln!(
                        output,
                        "{name}  made {}  recorded up to {}  {} objects, {} bytes",
                        shown(manifest.created),
                        shown(manifest.time),
                        manifest.objects.len(),
                        stored_bytes(&manifest),
                    )?,
                    Err(error) if error.kind() == ErrorKind::Io => return Err(failure(error)),
                    Err(error) => {
                        exit = Exit::Findings;
                        if self.json {
                            let finding =
                                serde_json::json!({"name": name, "finding": error.to_string()});
                            writeln!(output, "{finding}")?;
                        } else {
                            writeln!(output, "FINDING: {error}")?;
                        }
                    }
                }
            }
        }
        Ok(exit)
    }
}
