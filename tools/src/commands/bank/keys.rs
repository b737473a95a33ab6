//! `florin bank keys`: the bank's own keys, which its root key wraps.

use super::access::Access;
use crate::exit::{Exit, Failure};
use crate::key::{KeyArguments, NewKeyArguments};
use clap::{Args, Subcommand};
use florin_adapter::rekeying::{self, Moved, RetireRefused};
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
        /// What it is for: sealing, passwords or blind_index
        #[arg(long, value_name = "PURPOSE")]
        purpose: Purpose,
    },
    /// Take the version that florin bank keys rotate has made into use; adapters seal with it once they start again
    #[command(
        after_help = "That of blind_index is used at once, by adapters that run too. One that was not started again since the version was made answers 503 to whoever logs in or registers, until it is."
    )]
    Use {
        #[command(flatten)]
        access: Access,
        /// What it is for: sealing, passwords or blind_index
        #[arg(long, value_name = "PURPOSE")]
        purpose: Purpose,
    },
    /// Put what is found by the older version of blind_index under the newest, while the bank is open or not
    #[command(
        after_help = "It may be interrupted at any time, and be run again. What is said to be left expires by itself (login_counters in thirty days, mail_budgets in an hour), or is under it until its customer makes new ones (recovery_codes)."
    )]
    Rekey {
        #[command(flatten)]
        access: Access,
    },
    /// Let the older version of blind_index go, once nothing is under it
    Retire {
        #[command(flatten)]
        access: Access,
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
                match purpose {
                    Purpose::BlindIndex => format!(
                        "version {used} of {purpose} is written from now on: rekey what is under the older one"
                    ),
                    _ => {
                        format!(
                            "version {used} of {purpose} is used by adapters that start from now on"
                        )
                    }
                }
            }
            KeysAction::Rekey { access } => {
                let moved = access.with_bank(async |bank| {
                    let moved = rekeying::rekey(&bank.store).await;
                    moved.map_err(|error| Failure::unavailable(error.to_string()))
                })?;
                let moved = moved.ok_or_else(|| refusal(&RetireRefused::OneVersion))?;
                said_of(&moved)
            }
            KeysAction::Retire { access } => {
                let retired = access.with_bank(async |bank| {
                    rekeying::retire(&bank.store).await.map_err(|refused| refusal(&refused))
                })?;
                format!("version {retired} of blind_index is gone")
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

fn said_of(Moved { older, newest, count, left }: &Moved) -> String {
    let moved = format!("{count} documents are under version {newest} now");
    if left.is_empty() {
        format!("{moved}, and none under {older}: retire it")
    } else {
        format!("{moved}; under {older} there are still {}", rekeying::listed(left))
    }
}

/// Why a command does not do what it says.
trait Refused: std::fmt::Display {
    /// Whether it could not be tried.
    fn is_untried(&self) -> bool;
}

impl Refused for RotateRefused {
    fn is_untried(&self) -> bool {
        matches!(self, RotateRefused::Bank(_))
    }
}

impl Refused for RetireRefused {
    fn is_untried(&self) -> bool {
        matches!(self, RetireRefused::Bank(_))
    }
}

/// What is refused is a finding; what could not be tried is not.
fn refusal(refused: &impl Refused) -> Failure {
    if refused.is_untried() {
        return Failure::unavailable(refused.to_string());
    }
    Failure::new(Exit::Findings, refused.to_string())
}
