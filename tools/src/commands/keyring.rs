//! `florin keyring`: keys that must be destroyable.

use crate::exit::{Exit, Failure};
use crate::json::hexadecimal::from_hexadecimal;
use crate::key::KeyArguments;
use crate::target::{Destination, open_database, runtime};
use clap::{Args, Subcommand};
use florin_client::{DestroyResult, KeyringStatus};
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;

/// Look at the keyring, and destroy keys of it
#[derive(Args, Debug)]
pub(crate) struct Keyring {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// How many names have keys, and of how many the key is destroyed
    Status {
        #[command(flatten)]
        destination: Destination,
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Destroy the keys of names, for ever: what was sealed under them is unreadable from then on,
    /// whatever is restored
    #[command(
        after_help = "Who destroyed a key, and when, is on record in the log. Copies of the directory \
keyring that were made before have the keys still: destroy them within the time that was promised."
    )]
    Destroy {
        #[command(flatten)]
        destination: Destination,
        /// Names as they were made with, as text; or as 0x and hexadecimal digits
        #[arg(required = true, value_name = "NAME", value_parser = name)]
        names: Vec<Name>,
        /// As one JSON object a name
        #[arg(long)]
        json: bool,
    },
    /// Begin an empty keyring where the old one is lost, and every copy of it
    #[command(
        after_help = "Restore the newest copy of the directory keyring instead if there is one: what \
was sealed under the keys of the lost one can't be read any more."
    )]
    Begin {
        /// The data directory
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        #[command(flatten)]
        key: KeyArguments,
    },
}

/// A name, as it is given and as it is.
#[derive(Clone, Debug)]
struct Name {
    given: String,
    bytes: Vec<u8>,
}

impl Keyring {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        match &self.action {
            Action::Status { destination, json } => status(destination, *json),
            Action::Destroy { destination, names, json } => destroy(destination, names, *json),
            Action::Begin { data, key } => {
                if !data.is_dir() {
                    let message = format!("there is no directory {}", data.display());
                    return Err(Failure::unavailable(message));
                }
                let database = open_database(data, None, Some(key.required()?))?;
                let begun = database.begin_keyring();
                let closed = database.close();
                let florin_core::keyring::KeyringStatus { keys_count, destroyed_count } =
                    begun.map_err(|error| Failure::unavailable(error.to_string()))?;
                closed.map_err(|error| Failure::at_close(&error))?;
                say_status(&KeyringStatus { keys_count, destroyed_count })
            }
        }
    }
}

fn status(destination: &Destination, json: bool) -> Result<Exit, Failure> {
    destination.refuse_new()?;
    let runtime = runtime()?;
    let ledger = destination.open(&runtime, None)?;
    let status = runtime.block_on(ledger.client.keyring_status());
    let closed = ledger.close();
    let status = status?;
    closed?;
    if !json {
        return say_status(&status);
    }
    let KeyringStatus { keys_count, destroyed_count } = status;
    // Wide integers are strings, as `exec` writes them.
    let line = json!({ "keys": keys_count.to_string(), "destroyed": destroyed_count.to_string() });
    writeln!(io::stdout(), "{line}")?;
    Ok(Exit::Done)
}

fn say_status(status: &KeyringStatus) -> Result<Exit, Failure> {
    let KeyringStatus { keys_count, destroyed_count } = status;
    writeln!(
        io::stdout(),
        "{keys_count} names have keys, of {destroyed_count} the key is destroyed"
    )?;
    Ok(Exit::Done)
}

fn destroy(destination: &Destination, names: &[Name], json: bool) -> Result<Exit, Failure> {
    destination.refuse_new()?;
    let runtime = runtime()?;
    let ledger = destination.open(&runtime, None)?;
    let asked: Vec<&[u8]> = names.iter().map(|name| name.bytes.as_slice()).collect();
    let results = runtime.block_on(ledger.client.destroy_keys(&asked));
    let closed = ledger.close();
    let results = results?;
    let mut output = io::stdout().lock();
    for (Name { given, .. }, result) in names.iter().zip(results) {
        if json {
            writeln!(output, "{}", json!({ "name": given, "result": result.name() }))?;
            continue;
        }
        let said = match result {
            DestroyResult::Destroyed => "destroyed",
            DestroyResult::AlreadyDestroyed => "was destroyed before",
            DestroyResult::Unknown => "had no key, and gets none any more",
        };
        writeln!(output, "{given}: {said}")?;
    }
    closed?;
    Ok(Exit::Done)
}

fn name(given: &str) -> Result<Name, String> {
    let bytes = match given.strip_prefix("0x") {
        None => given.as_bytes().to_vec(),
        Some(digits) => {
            from_hexadecimal(digits).ok_or("0x is followed by pairs of hexadecimal digits")?
        }
    };
    Ok(Name { given: String::from(given), bytes })
}
