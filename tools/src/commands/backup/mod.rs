//! `florin backup`: making, looking at, checking, trying and removing backups.

mod create;
mod drill;
mod keyring;
mod list;
mod prune;
mod verify;

use crate::exit::{Exit, Failure};
use clap::{Args, Subcommand};

/// Make, list, check, try and remove backups
#[derive(Args, Debug)]
pub(crate) struct BackupCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    Create(create::Create),
    List(list::List),
    Verify(verify::Verify),
    Drill(drill::Drill),
    Prune(prune::Prune),
    Keyring(keyring::Keyring),
}

impl BackupCommand {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        match &self.action {
            Action::Create(create) => create.run(),
            Action::List(list) => list.run(),
            Action::Verify(verify) => verify.run(),
            Action::Drill(drill) => drill.run(),
            Action::Prune(prune) => prune.run(),
            Action::Keyring(keyring) => keyring.run(),
        }
    }
}
