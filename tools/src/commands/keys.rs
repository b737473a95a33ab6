//! `florin keys`: who may come in.

use crate::client_keys::{ClientKeys, public_key};
use crate::exit::{Exit, Failure};
use crate::json::hexadecimal::from_hexadecimal;
use crate::target::{Destination, runtime};
use clap::{Args, Subcommand, ValueEnum};
use florin_client::{PublicKey, SecretKey};
use florin_server::{KeyChange, KeyDocument, KeyFlaw};
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::num::{NonZeroU32, NonZeroU64};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Make keys, and say who may come in with which
#[derive(Args, Debug)]
#[command(
    after_help = "Keys are documents of the ledger itself. With --connect a key that has the \
role operate changes them while the server runs; with --data whoever may open the directory does, \
while no server has it open: that is how the first key comes in, and the way back if nobody can \
operate any more."
)]
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
    /// Let a key in
    Add(Add),
    /// List all keys
    List {
        #[command(flatten)]
        destination: Destination,
        /// As JSON, one key a line
        #[arg(long)]
        json: bool,
    },
    /// Show one key
    Show(One),
    /// Give a key other roles or limits; what is not named stays as it is
    Limit(Limit),
    /// Let another key in in the place of one, with its name, roles and limits; the one is revoked
    Replace {
        #[command(flatten)]
        one: One,
        /// The public key that comes in, or a file that holds it
        #[arg(value_parser = public_key)]
        by: PublicKey,
    },
    /// Let a key in no more; its connections end at once
    Revoke(One),
    /// Forget the document of a key, revoked or broken: what was done with it keeps its name in the log
    Delete(One),
}

/// A key that is there.
#[derive(Args, Debug)]
struct One {
    #[command(flatten)]
    destination: Destination,
    /// Its name or the public key
    #[arg(value_name = "KEY")]
    wanted: String,
}

#[derive(Args, Debug)]
struct Add {
    #[command(flatten)]
    destination: Destination,

    /// The public key, as florin keys generate prints it, or a file that holds it
    #[arg(value_parser = public_key)]
    public_key: PublicKey,

    /// For people: names the key in messages and records
    #[arg(long)]
    name: String,

    /// What it may do, repeatable: read, write, stream, replicate, operate, audit, keyring
    #[arg(long = "role", required = true)]
    roles: Vec<String>,

    #[command(flatten)]
    limits: Limits,
}

#[derive(Args, Debug)]
struct Limit {
    #[command(flatten)]
    one: One,

    /// What it may do from now on, repeatable, in the place of all roles that it had
    #[arg(long = "role")]
    roles: Vec<String>,

    #[command(flatten)]
    limits: Limits,

    /// Take a limit away, repeatable
    #[arg(long, value_enum)]
    lift: Vec<Lift>,
}

#[derive(Args, Debug)]
struct Limits {
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

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
enum Lift {
    Ledgers,
    Tables,
    RequestsPerSecond,
    BytesPerSecond,
    Connections,
}

impl Keys {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        match &self.command {
            KeysCommand::Generate { file } => generate(file),
            // The first key may be let into a directory that this makes.
            KeysCommand::Add(add) => with(&add.destination, |keys| add.run(keys)),
            KeysCommand::List { destination, json } => {
                with_known(destination, |keys| list(keys, *json))
            }
            KeysCommand::Show(one) => with_known(&one.destination, |keys| {
                let (key, document) = find(keys, &one.wanted)?;
                say(key, &document)
            }),
            KeysCommand::Limit(limit) => with_known(&limit.one.destination, |keys| limit.run(keys)),
            KeysCommand::Replace { one, by } => {
                with_known(&one.destination, |keys| replace(keys, &one.wanted, *by))
            }
            KeysCommand::Revoke(one) => {
                with_known(&one.destination, |keys| revoke(keys, &one.wanted))
            }
            KeysCommand::Delete(one) => {
                with_known(&one.destination, |keys| delete(keys, &one.wanted))
            }
        }
    }
}

/// Reads the keys, does something with them, and closes what was opened for it.
fn with(
    destination: &Destination,
    act: impl FnOnce(&ClientKeys<'_>) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let runtime = runtime()?;
    let ledger = destination.open(&runtime, None)?;
    let acted = ClientKeys::read(&runtime, &ledger).and_then(|keys| act(&keys));
    let closed = ledger.close();
    // What went wrong first may be why it can't be closed.
    let exit = acted?;
    closed.map(|()| exit)
}

/// The same with keys that there are: a mistyped directory must not make one.
fn with_known(
    destination: &Destination,
    act: impl FnOnce(&ClientKeys<'_>) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    destination.refuse_new()?;
    with(destination, act)
}

impl Add {
    fn run(&self, keys: &ClientKeys<'_>) -> Result<Exit, Failure> {
        if let Some(known) = keys.table.get(self.public_key)
            && !known.revoked
        {
            let name = &known.name;
            return Err(Failure::usage(format!(
                "this key is known as `{name}` already: florin keys limit changes what it may"
            )));
        }
        let roles = self.roles.clone();
        let mut document = KeyDocument { roles, ..KeyDocument::operator(&self.name) };
        self.limits.apply(&mut document);
        put(keys, &format!("add {}", self.name), self.public_key, document)
    }
}

impl Limits {
    /// Sets what is named.
    fn apply(&self, document: &mut KeyDocument) {
        if !self.ledgers.is_empty() {
            document.ledgers = Some(BTreeSet::from_iter(self.ledgers.iter().copied()));
        }
        if !self.tables.is_empty() {
            document.tables = Some(BTreeSet::from_iter(self.tables.iter().copied()));
        }
        document.requests_per_second = self.requests_per_second.or(document.requests_per_second);
        document.bytes_per_second = self.bytes_per_second.or(document.bytes_per_second);
        document.connections = self.connections.or(document.connections);
    }
}

impl Limit {
    fn run(&self, keys: &ClientKeys<'_>) -> Result<Exit, Failure> {
        let (key, mut document) = find(keys, &self.one.wanted)?;
        if document.revoked {
            return Err(Failure::usage("this key was revoked: it may do nothing any more"));
        }
        if !self.roles.is_empty() {
            document.roles.clone_from(&self.roles);
        }
        for lift in &self.lift {
            match lift {
                Lift::Ledgers => document.ledgers = None,
                Lift::Tables => document.tables = None,
                Lift::RequestsPerSecond => document.requests_per_second = None,
                Lift::BytesPerSecond => document.bytes_per_second = None,
                Lift::Connections => document.connections = None,
            }
        }
        self.limits.apply(&mut document);
        put(keys, &format!("limit {}", document.name), key, document)
    }
}

fn put(
    keys: &ClientKeys<'_>,
    what: &str,
    key: PublicKey,
    document: KeyDocument,
) -> Result<Exit, Failure> {
    keys.change(what, &[KeyChange { key, document: Some(document.clone()) }])?;
    say(key, &document)
}

fn replace(keys: &ClientKeys<'_>, old: &str, by: PublicKey) -> Result<Exit, Failure> {
    let (old, document) = find(keys, old)?;
    if document.revoked || keys.table.get(by).is_some() {
        return Err(Failure::usage(
            "a key that may come in is replaced by one that was never let in: see florin keys list",
        ));
    }
    let revoked = KeyDocument { revoked: true, ..document.clone() };
    let changes = [
        KeyChange { key: old, document: Some(revoked) },
        KeyChange { key: by, document: Some(document.clone()) },
    ];
    keys.change(&format!("replace {}", document.name), &changes)?;
    say(by, &document)
}

fn revoke(keys: &ClientKeys<'_>, key: &str) -> Result<Exit, Failure> {
    let (key, document) = find(keys, key)?;
    let document = KeyDocument { revoked: true, ..document };
    put(keys, &format!("revoke {}", document.name), key, document)
}

fn delete(keys: &ClientKeys<'_>, wanted: &str) -> Result<Exit, Failure> {
    let key = match find(keys, wanted) {
        Ok((_, document)) if !document.revoked => {
            return Err(Failure::usage("this key may come in: revoke it first"));
        }
        Ok((key, _)) => key.0.to_vec(),
        // A broken document has no name; its key need not even be one.
        Err(unknown) => match from_hexadecimal(wanted).filter(|key| keys.has_document(key)) {
            Some(key) => key,
            None => return Err(unknown),
        },
    };
    keys.delete("delete", key)?;
    Ok(Exit::Done)
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

fn list(keys: &ClientKeys<'_>, json: bool) -> Result<Exit, Failure> {
    let mut output = io::stdout().lock();
    for (key, document) in keys.table.iter() {
        if json {
            writeln!(output, "{}", line(key, document))?;
        } else {
            let state = if document.revoked { "revoked" } else { "may come in" };
            writeln!(output, "{key}  {}  {}  {state}", document.name, document.roles.join(","))?;
        }
    }
    for flaw in keys.table.flaws() {
        if json {
            let KeyFlaw { reason, .. } = flaw;
            writeln!(output, "{}", serde_json::json!({ "key": flaw.key_text(), "flaw": reason }))?;
        } else {
            writeln!(output, "{flaw}")?;
        }
    }
    Ok(if keys.table.flaws().is_empty() { Exit::Done } else { Exit::Findings })
}

/// The key of this name, or this key. A name may have belonged to keys that were revoked: the one
/// that may come in is meant.
fn find(keys: &ClientKeys<'_>, wanted: &str) -> Result<(PublicKey, KeyDocument), Failure> {
    let matches = |(key, document): &(PublicKey, &KeyDocument)| {
        document.name == wanted || key.to_string() == wanted
    };
    let found = keys.table.iter().filter(matches).min_by_key(|(_, document)| document.revoked);
    found.map(|(key, document)| (key, document.clone())).ok_or_else(|| {
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
