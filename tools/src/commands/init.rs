//! `florin init`: a new database, encrypted or not.

use crate::exit::{Exit, Failure};
use crate::key::KeyArguments;
use crate::target::open_database;
use clap::Args;
use florin_core::disk::os::OsDisk;
use florin_core::sealing;
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

    #[command(flatten)]
    key: KeyArguments,
}

impl Init {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let key = if self.encrypt { Some(self.key.required()?) } else { self.key.open()? };
        if key.is_some() && !self.encrypt {
            return Err(Failure::usage("a key is for an encrypted database: add --encrypt"));
        }
        if let Some(key) = &key {
            let failed = |error: florin_core::Error| {
                Failure::unavailable(format!("can't encrypt {}: {error}", self.data.display()))
            };
            let disk = OsDisk::open(&self.data).map_err(failed)?;
            sealing::create(&disk, key.as_ref()).map_err(failed)?;
        }
        let database = open_database(&self.data, None, key.clone())?;
        database.close().map_err(|error| Failure::at_close(&error))?;
        let data = self.data.display();
        let mut output = io::stdout().lock();
        match key {
            Some(key) => {
                writeln!(output, "made an encrypted database in {data}, its key is {}", key.id())?
            }
            None => writeln!(output, "made a database in {data}, not encrypted")?,
        }
        Ok(Exit::Done)
    }
}
