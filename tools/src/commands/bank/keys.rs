//! `florin bank keys`: the bank's own keys, which its root key wraps.

use super::access::Access;
use crate::exit::{Exit, Failure};
use crate::key::{KeyArguments, NewKeyArguments};
use clap::{Args, Subcommand};
use florin_adapter::vault::{KeyVersion, Purpose, RotateRefused, rotation};
use serde_json::json;
use std::io::{self, Write};

/// List the bank's own keys, make new versions, and change the root key over them
#[derive(Args, Debug)]
pub(super) struct Keys {
    #[command(subcommand)]
    action: KeysAction,
}

#[derive(Subcommand, Debug)]
enum KeysAction {
    /// Say which keys there are, and which root key wraps them
    List {
        #[command(flatten)]
        access: Access,
        /// As one JSON object a key
        #[arg(long)]
        json: bool,
    },
    /// Make a new version of a key, which reads but seals nothing yet
    #[command(
        after_help = "Start every adapter of the bank again, so that all of them know it; then \
florin bank keys use takes it into use. Older versions stay, and read what they sealed."
    )]
    Rotate {
        #[command(flatten)]
        access: Access,
        /// What it is for: sealing or passwords
        #[arg(long, value_name = "PURPOSE")]
        purpose: Purpose,
    },
    /// Take the version that florin bank keys rotate has made into use; adapters seal with it once they start again
    Use {
        #[command(flatten)]
        access: Access,
        /// What it is for: sealing or passwords
        #[arg(long, value_name = "PURPOSE")]
        purpose: Purpose,
    },
    /// Wrap every key with another root key; adapters that run go on, and start again with the new one
    #[command(
        after_help = "All or nothing: interrupted, either the old root key opens the bank or the new one. \
The old one still opens copies and backups from before."
    )]
    Rewrap {
        #[command(flatten)]
        access: Access,
        #[command(flatten)]
        new: NewKeyArguments,
    },
}

impl Keys {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        let said = match &self.action {
            KeysAction::List { access, json } => return list(access, *json),
            KeysAction::Rotate { access, purpose } => {
                let root = access.root()?;
                let made = access.with_client(async |client| {
                    let made = rotation::prepare(&client, root.as_ref(), *purpose).await;
                    made.map_err(|refused| refusal(&refused))
                })?;
                format!("made version {made} of {purpose}: start every adapter again, then use it")
            }
            KeysAction::Use { access, purpose } => {
                let used = access.with_client(async |client| {
                    let used = rotation::use_prepared(&client, *purpose).await;
                    used.map_err(|refused| refusal(&refused))
                })?;
                format!("version {used} of {purpose} is used by adapters that start from now on")
            }
            KeysAction::Rewrap { access, new } => {
                let (old, new) = (access.root()?, KeyArguments::from(new).required()?);
                let count = access.with_client(async |client| {
                    let wrapped = rotation::rewrap(&client, old.as_ref(), new.as_ref()).await;
                    wrapped.map_err(|error| Failure::unavailable(error.to_string()))
                })?;
                format!("{} wraps {count} keys of the bank from now on", new.id())
            }
        };
        writeln!(io::stdout().lock(), "{said}")?;
        Ok(Exit::Done)
    }
}

fn list(access: &Access, json: bool) -> Result<Exit, Failure> {
    let versions = access.with_client(async |client| {
        let versions = rotation::key_versions(&client).await;
        versions.map_err(|error| Failure::unavailable(error.to_string()))
    })?;
    let mut output = io::stdout().lock();
    for KeyVersion { purpose, version, is_prepared, root } in versions {
        if json {
            let purpose = purpose.name();
            let line = json!({
                "purpose": purpose, "version": version, "is_prepared": is_prepared, "root": root,
            });
            writeln!(output, "{line}")?;
        } else {
            let prepared = if is_prepared { "   prepared" } else { "" };
            writeln!(output, "{purpose} {version}   {root}{prepared}")?;
        }
    }
    output.flush()?;
    Ok(Exit::Done)
}

/// What is refused is a finding; what could not be tried is not.
fn refusal(refused: &RotateRefused) -> Failure {
    match refused {
        RotateRefused::Bank(error) => Failure::unavailable(error.to_string()),
        refused => Failure::new(Exit::Findings, refused.to_string()),
    }
}
