//! `florin bank activate`: makes a copy that was restored the bank.

use super::access::{Access, unavailable};
use crate::exit::{Exit, Failure};
use clap::Args;
use florin_adapter::activation::{self, Activated};
use std::io::{self, Write};

/// Make a restored copy the bank: it sends letters, ends transfers and answers from now on
#[derive(Args, Debug)]
#[command(
    after_help = "See to it first that the bank it was copied from is not served any more. Whoever was logged in must \
log in again; links in letters and codes under way are good no more."
)]
pub(super) struct Activate {
    #[command(flatten)]
    access: Access,
}

impl Activate {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        let root = self.access.root()?;
        let activated = self.access.with_bank(async |bank| {
            let activated = activation::activate(&bank.store, &*bank.clock, root.as_ref()).await;
            activated.map_err(|error| unavailable(&error))
        })?;
        let said = match activated {
            None => String::from("it is active already"),
            Some(Activated { ended_count }) => {
                format!("it is active; {ended_count} logins, links and codes of before are over")
            }
        };
        writeln!(io::stdout().lock(), "{said}")?;
        Ok(Exit::Done)
    }
}
