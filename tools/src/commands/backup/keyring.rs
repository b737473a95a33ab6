//! `florin backup keyring`.

use crate::exit::{Exit, Failure};
use crate::source::SourceArguments;
use crate::{backup, store};
use clap::Args;
use florin_core::backup::keyring;
use florin_core::clock::{Clock, SystemClock};
use std::io::{self, Write};

/// Copy the keyring, and remove copies of it that are older than seven days
#[derive(Args, Debug)]
#[command(
    after_help = "The copy is sealed as the keyring is: it and the key-encryption key open everything \
that is sealed under keys that were not destroyed when it was made. Keep it where the backups are not, and \
nowhere else: a key is gone for good once every older copy is."
)]
pub(crate) struct Keyring {
    #[command(flatten)]
    source: SourceArguments,

    /// Where to: a directory, made if it is new
    #[arg(long, value_name = "LOCATION")]
    to: String,
}

impl Keyring {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let source = self.source.open()?;
        let copy = source.keyring()?.ok_or_else(|| {
            Failure::unavailable("there is no keyring: it is begun with the first key that is made")
        })?;
        let store = store::make(&self.to)?;
        let now = SystemClock::new().now();
        let (name, removed) = keyring::keep(store.as_ref(), &copy, now).map_err(backup::failure)?;
        writeln!(io::stdout(), "copied to {name}; removed {removed} copies older than seven days")?;
        Ok(Exit::Done)
    }
}
