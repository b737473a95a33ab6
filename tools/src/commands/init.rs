//! `florin init`: a new database, encrypted or not.

use crate::client_keys::{ClientKeys, public_key};
use crate::exit::{Exit, Failure};
use crate::key::KeyArguments;
use crate::signing_key::SigningKeyArguments;
use crate::target::{Ledger, runtime};
use clap::Args;
use florin_client::PublicKey;
use florin_core::disk::os::OsDisk;
use florin_core::sealing;
use florin_server::{KeyChange, KeyDocument};
use std::io::{self, Write};
use std::path::PathBuf;

/// Make a new database in an empty directory, encrypted with --encrypt
#[derive(Args, Debug)]
#[command(
    after_help = "A database that is not encrypted needs no init: every command that opens a \
directory makes one. An encrypted one is encrypted from its first byte, and every command needs its \
key. Without the key nothing in it can ever be read: keep a copy where the data is not."
)]
pub(crate) struct Init {
    /// The data directory (made if it is new)
    #[arg(long, value_name = "DIR")]
    data: PathBuf,

    /// Encrypt everything that is stored
    #[arg(long)]
    encrypt: bool,

    /// Let in this public key (or the one in a file) as the first operator, so that the others can
    /// be let in while the server runs
    #[arg(long, value_name = "PUBLICKEY", value_parser = public_key)]
    operator_key: Option<PublicKey>,

    /// The operator's name
    #[arg(long, value_name = "NAME", default_value = "operator", requires = "operator_key")]
    operator_name: String,

    #[command(flatten)]
    key: KeyArguments,

    #[command(flatten)]
    signing_key: SigningKeyArguments,
}

impl Init {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let key = if self.encrypt { Some(self.key.required()?) } else { self.key.open()? };
        if key.is_some() && !self.encrypt {
            return Err(Failure::usage("a key is for an encrypted database: add --encrypt"));
        }
        let operator = KeyDocument::operator(&self.operator_name);
        operator.check().map_err(|error| Failure::usage(error.to_string()))?;
        if let Some(key) = &key {
            let failed = |error: florin_core::Error| {
                Failure::unavailable(format!("can't encrypt {}: {error}", self.data.display()))
            };
            let disk = OsDisk::open(&self.data).map_err(failed)?;
            sealing::create(&disk, key.as_ref()).map_err(failed)?;
        }
        let runtime = runtime()?;
        let ledger = Ledger::open(&runtime, &self.data, None, key.clone())?;
        let let_in = self.operator_key.map(|key| {
            let keys = ClientKeys::read(&runtime, &ledger)?;
            let change = KeyChange { key, document: Some(operator) };
            keys.change(&format!("init {}", self.operator_name), &[change])
        });
        let closed = ledger.close();
        let_in.transpose()?;
        closed?;
        let signing_key = self.signing_key.open_or_make(&self.data)?;
        let data = self.data.display();
        let mut output = io::stdout().lock();
        match key {
            Some(key) => {
                writeln!(output, "made an encrypted database in {data}, its key is {}", key.id())?
            }
            None => writeln!(output, "made a database in {data}, not encrypted")?,
        }
        if let Some(operator) = self.operator_key {
            writeln!(output, "the key {operator} may operate it, as `{}`", self.operator_name)?;
        }
        let path = self.signing_key.path(&self.data);
        let public = signing_key.public();
        writeln!(output, "proofs are signed with {}, its public key is {public}", path.display())?;
        Ok(Exit::Done)
    }
}
