//! `florin keyring`: keys that must be destroyable.

use crate::backup::failure;
use crate::client_keys::public_key;
use crate::exit::{Exit, Failure};
use crate::json::hexadecimal::from_hexadecimal;
use crate::key::{KeyArguments, KeyringKeyArguments};
use crate::keyring_copy;
use crate::target::{Destination, open_database, runtime};
use clap::{Args, Subcommand};
use florin_client::{DestroyResult, KeyringStatus, PublicKey};
use florin_core::backup;
use florin_core::disk::Disk;
use florin_core::disk::os::OsDisk;
use florin_core::sealing;
use florin_core::snapshot::StillLog;
use florin_keys::KeyEncryptionKey;
use serde_json::json;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
    /// Put a copy of the keyring back where it is lost, and its log is not
    #[command(
        after_help = "No process may have the directory open, and there may be no files in its directory \
keyring: move away what is left of it. What the log says is destroyed is destroyed again when the directory \
is opened."
    )]
    Restore {
        /// Where copies lie, a directory or s3://BUCKET/PREFIX: the newest of the life that the bank is in is taken
        #[arg(long, value_name = "LOCATION")]
        from: String,
        /// The copy to take: where another life of the bank has a newer one, or a clock was wrong
        #[arg(long, value_name = "NAME")]
        keyring_copy: Option<String>,
        /// The public key that must have signed it, or a file with it; several may
        #[arg(long, value_name = "PUBLICKEY", value_parser = public_key, required = true)]
        signed_by: Vec<PublicKey>,
        /// The data directory
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        #[command(flatten)]
        key: KeyArguments,
        #[command(flatten)]
        keyring_key: KeyringKeyArguments,
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
            Action::Restore { from, keyring_copy, signed_by, data, key, keyring_key } => {
                let signers: Vec<_> =
                    signed_by.iter().map(|key| backup::PublicKey(key.0)).collect();
                let keys = (key.required()?, KeyArguments::from(keyring_key).open()?);
                restore((from, keyring_copy), &signers, data, keys)
            }
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

/// Puts a copy into a directory.
fn restore(
    (from, name): (&str, &Option<String>),
    signers: &[backup::PublicKey],
    data: &Path,
    (key, copied_under): (Arc<dyn KeyEncryptionKey>, Option<Arc<dyn KeyEncryptionKey>>),
) -> Result<Exit, Failure> {
    if !data.is_dir() {
        return Err(Failure::unavailable(format!("there is no directory {}", data.display())));
    }
    let disk: Arc<dyn Disk> = Arc::new(OsDisk::open(data).map_err(failure)?);
    let unlocked = sealing::unlock(disk.clone(), Some(key.as_ref())).map_err(failure)?;
    let log = StillLog::open(&unlocked).map_err(failure)?;
    let life = (log.snapshot().birth, log.snapshot().incarnation);
    let copy = keyring_copy::chosen(from, name, life, signers)?;
    let status = backup::keyring::put_back(&disk, &copy, key.as_ref(), copied_under.as_deref());
    let florin_core::keyring::KeyringStatus { keys_count, destroyed_count } =
        status.map_err(failure)?;
    say_status(&KeyringStatus { keys_count, destroyed_count })
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
