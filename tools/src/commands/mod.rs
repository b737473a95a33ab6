//! The commands, one noun each.

mod backup;
mod bank;
mod bench;
mod bench_bank;
mod cosign;
mod demo;
mod exec;
mod export;
mod group;
mod init;
mod inspect;
mod kek;
mod keyring;
mod keys;
mod promote;
mod proof;
mod rebuild;
mod repair;
mod restore;
mod serve;
mod shell;
mod status;
mod switchover;
pub(crate) mod tail;
mod verify;
mod verify_receipt;
mod version;

use crate::exit::{Exit, Failure};
use clap::Subcommand;

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    Demo(demo::Demo),
    Bank(Box<bank::BankCommand>),
    Init(init::Init),
    Serve(serve::Serve),
    Shell(shell::Shell),
    Exec(exec::Exec),
    Status(status::StatusCommand),
    Tail(tail::Tail),
    Export(Box<export::Export>),
    Verify(verify::Verify),
    Backup(Box<backup::BackupCommand>),
    Restore(Box<restore::Restore>),
    Rebuild(rebuild::Rebuild),
    Repair(Box<repair::Repair>),
    Inspect(inspect::Inspect),
    Kek(kek::Kek),
    Keyring(keyring::Keyring),
    Keys(keys::Keys),
    Group(group::GroupCommand),
    Promote(promote::Promote),
    Switchover(switchover::Switchover),
    Proof(proof::Proof),
    VerifyReceipt(verify_receipt::VerifyReceipt),
    Bench(bench::Bench),
    Version(version::Version),
}

impl Command {
    /// Does what the command line asks.
    ///
    /// # Errors
    /// Why it could not be done, with the exit code that says so to scripts.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        match self {
            Command::Demo(demo) => demo.run(),
            Command::Bank(bank) => bank.run(),
            Command::Init(init) => init.run(),
            Command::Serve(serve) => serve.run(),
            Command::Shell(shell) => shell.run(),
            Command::Exec(exec) => exec.run(),
            Command::Status(status) => status.run(),
            Command::Tail(tail) => tail.run(),
            Command::Export(export) => export.run(),
            Command::Verify(verify) => verify.run(),
            Command::Backup(backup) => backup.run(),
            Command::Restore(restore) => restore.run(),
            Command::Rebuild(rebuild) => rebuild.run(),
            Command::Repair(repair) => repair.run(),
            Command::Inspect(inspect) => inspect.run(),
            Command::Kek(kek) => kek.run(),
            Command::Keyring(keyring) => keyring.run(),
            Command::Keys(keys) => keys.run(),
            Command::Group(group) => group.run(),
            Command::Promote(promote) => promote.run(),
            Command::Switchover(switchover) => switchover.run(),
            Command::Proof(proof) => proof.run(),
            Command::VerifyReceipt(verify) => verify.run(),
            Command::Bench(bench) => bench.run(),
            Command::Version(version) => version.run(),
        }
    }
}
