//! Florin: a bank's ledger in one binary. Each command is a thin file under `commands`; what they
//! share lies beside it.
#![forbid(unsafe_code)]

mod adapter;
mod backup;
mod bank_figures;
mod bench;
mod certificates;
mod client_keys;
mod clock;
mod commands;
mod credentials;
mod doors;
mod events;
mod evidence;
mod exit;
mod export;
mod figure;
mod inspect;
mod json;
mod key;
mod keyring_copy;
mod mail;
mod messages;
mod node;
mod operation;
mod page_of_stream;
mod progress;
mod shell;
mod signing_key;
mod source;
mod store;
mod table;
mod target;

use clap::Parser;
use commands::Command;
use exit::{Exit, Failure};
use mimalloc::MiMalloc;
use std::io::{self, Write};
use std::process::ExitCode;

/// Whoever answers many small requests on many threads allocates much, and frees it elsewhere: the C library's own spends
/// a sixth of the time of a balance read on that (decision 0033).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// A bank's ledger in one binary: durable double entry, served, checked and measured
#[derive(Parser, Debug)]
#[command(name = "florin", version, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 done; 1 done with findings (a bad line, a refusal, a check \
that failed); 2 wrong command line; 3 can't open or reach the ledger; 4 stopped before the end.")]
struct Florin {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let florin = Florin::parse();
    match florin.command.run() {
        Ok(exit) => exit.into(),
        Err(failure) => {
            report(&failure);
            failure.exit.into()
        }
    }
}

/// Says on standard error what went wrong. If even that can't be written, the exit code says it.
fn report(failure: &Failure) {
    debug_assert_ne!(failure.exit, Exit::Done);
    let _ = writeln!(io::stderr(), "florin: {failure}");
}
