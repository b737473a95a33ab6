//! `florin keys`: who may come in.

use crate::exit::{Exit, Failure};
use clap::{Args, Subcommand};
use florin_client::{PublicKey, SecretKey};
use florin_server::{KeyDocument, KeyFile, KeyFileError};
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::num::{NonZeroU32, NonZeroU64};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Make keys, and say who may come in with which
#[derive(Args, Debug)]
pub(crate) struct Keys {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Subcommand, Debug)]
enum KeysCommand {
    /// Make a private key, and print the public key that belongs to it
    Generate {
        /// Where to write it (PEM, readable for its owner alone); must be new
        file: PathBuf,
    },
    /// Let a key in, or give one other roles and limits
    Add(Add),
    /// List all keys
    List {
        #[command(flatten)]
        place: Place,
        /// As JSON, one key a line
        #[arg(long)]
        json: bool,
    },
    /// Show one key
    Show {
        #[command(flatten)]
        place: Place,
        /// Its name or the public key
        key: String,
    },
    /// Let a key in no more; its connections end within a second
    Revoke {
        #[command(flatten)]
        place: Place,
        /// Its name or the public key
        key: String,
    },
}

/// Where keys are kept.
#[derive(Args, Debug)]
struct Place {
    /// The file of keys that the server is given
    #[arg(long = "keys", value_name = "FILE")]
    path: PathBuf,
}

#[derive(Args, Debug)]
struct Add {
    #[command(flatten)]
    place: Place,

    /// The public key, as florin keys generate prints it
    public_key: PublicKey,

    /// For people: names the key in messages and records
    #[arg(long)]
    name: String,

    /// What it may do, repeatable: read, write, stream, replicate, operate, audit
    #[arg(long = "role", required = true)]
    roles: Vec<String>,

    /// Only in this ledger, repeatable
    #[arg(long = "ledger")]
    ledgers: Vec<u32>,

    /// Only in this table of documents, repeatable
    #[arg(long = "table")]
    tables: Vec<u16>,

    /// Requests a second, over all its connections
    #[arg(long, value_name = "COUNT")]
    requests_per_second: Option<NonZeroU32>,

    /// Bytes of requests a second, over all its connections
    #[arg(long, value_name = "BYTES")]
    bytes_per_second: Option<NonZeroU64>,

    /// Connections at the same time
    #[arg(long, value_name = "COUNT")]
    connections: Option<u32>,
}

impl Keys {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        match &self.command {
            KeysCommand::Generate { file } => generate(file),
            KeysCommand::Add(add) => add.run(),
            KeysCommand::List { place, json } => list(place, *json),
            KeysCommand::Show { place, key } => {
                let keys = place.read()?;
                let key = find(&keys, key)?;
                say(key, keys.document(key).expect("it was found"))
            }
            KeysCommand::Revoke { place, key } => revoke(place, key),
        }
    }
}

impl Place {
    fn read(&self) -> Result<KeyFile, Failure> {
        KeyFile::read(&self.path).map_err(|error| Failure::unavailable(error.to_string()))
    }

    /// The same, with no keys if there is no file yet.
    fn read_or_begin(&self) -> Result<KeyFile, Failure> {
        match KeyFile::read(&self.path) {
            Err(KeyFileError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                Ok(KeyFile::default())
            }
            read => read.map_err(|error| Failure::unavailable(error.to_string())),
        }
    }

    fn write(&self, keys: &KeyFile) -> Result<(), Failure> {
        keys.write(&self.path).map_err(|error| Failure::unavailable(error.to_string()))
    }
}

impl Add {
    fn run(&self) -> Result<Exit, Failure> {
        let mut keys = self.place.read_or_begin()?;
        let has_name = |(key, document): &(PublicKey, &KeyDocument)| {
            *key != self.public_key && !document.revoked && document.name == self.name
        };
        if let Some((key, _)) = keys.iter().find(has_name) {
            let name = &self.name;
            return Err(Failure::usage(format!(
                "the name {name} belongs to the key {key} already"
            )));
        }
        if keys.document(self.public_key).is_some_and(|document| document.revoked) {
            return Err(Failure::usage(
                "this key was revoked, and stays so: have its owner generate another",
            ));
        }
        let document = KeyDocument {
            version: 1,
            name: self.name.clone(),
            roles: self.roles.clone(),
            ledgers: some_if_any(&self.ledgers),
            tables: some_if_any(&self.tables),
            requests_per_second: self.requests_per_second,
            bytes_per_second: self.bytes_per_second,
            connections: self.connections,
            revoked: false,
        };
        document.check().map_err(|error| Failure::usage(error.to_string()))?;
        keys.put(self.public_key, document.clone());
        self.place.write(&keys)?;
        say(self.public_key, &document)
    }
}

fn some_if_any<T: Copy + Ord>(items: &[T]) -> Option<std::collections::BTreeSet<T>> {
    (!items.is_empty()).then(|| items.iter().copied().collect())
}

fn generate(path: &Path) -> Result<Exit, Failure> {
    let unavailable = |error: String| Failure::unavailable(format!("can't make a key: {error}"));
    let key = SecretKey::generate().map_err(|error| unavailable(error.to_string()))?;
    let pem = key.to_pem().map_err(|error| unavailable(error.to_string()))?;
    // Never in the place of another key, and never readable for others, not even for a moment.
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(pem.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| unavailable(format!("{}: {error}", path.display())))?;
    writeln!(io::stdout(), "{}", key.public())?;
    Ok(Exit::Done)
}

fn list(place: &Place, json: bool) -> Result<Exit, Failure> {
    let keys = place.read()?;
    let mut output = io::stdout().lock();
    for (key, document) in keys.iter() {
        if json {
            writeln!(output, "{}", line(key, document))?;
        } else {
            let state = if document.revoked { "revoked" } else { "may come in" };
            writeln!(output, "{key}  {}  {}  {state}", document.name, document.roles.join(","))?;
        }
    }
    Ok(Exit::Done)
}

fn revoke(place: &Place, key: &str) -> Result<Exit, Failure> {
    let mut keys = place.read()?;
    let key = find(&keys, key)?;
    let document =
        KeyDocument { revoked: true, ..keys.document(key).expect("it was found").clone() };
    keys.put(key, document.clone());
    place.write(&keys)?;
    say(key, &document)
}

/// The key of this name, or this key. A name may have belonged to keys that were revoked: the one
/// that may come in is meant.
fn find(keys: &KeyFile, wanted: &str) -> Result<PublicKey, Failure> {
    let matches = |(key, document): &(PublicKey, &KeyDocument)| {
        document.name == wanted || key.to_string() == wanted
    };
    let found = keys.iter().filter(matches).min_by_key(|(_, document)| document.revoked);
    found.map(|(key, _)| key).ok_or_else(|| {
        Failure::new(Exit::Findings, format!("there is no key {wanted}: see florin keys list"))
    })
}

fn say(key: PublicKey, document: &KeyDocument) -> Result<Exit, Failure> {
    writeln!(io::stdout(), "{}", line(key, document))?;
    Ok(Exit::Done)
}

fn line(key: PublicKey, document: &KeyDocument) -> serde_json::Value {
    serde_json::json!({ "key": key.to_string(), "document": document })
}
