//! `florin status`: how a ledger is doing.

use crate::exit::{Exit, Failure};
use crate::target::{Destination, runtime};
use clap::Args;
use florin_client::Status;
use serde::Serialize;
use std::io::{self, Write};

/// Show how a ledger is doing (exit status 1 while its disk is full)
#[derive(Args, Debug)]
#[command(
    after_help = "With --data it opens the database for writing, as a server does: that takes \
an epoch and a segment, but never makes a new one. florin inspect looks without touching."
)]
pub(crate) struct StatusCommand {
    #[command(flatten)]
    destination: Destination,

    /// As one JSON object
    #[arg(long)]
    json: bool,
}

/// The state, wide integers as strings, as `exec` writes them.
#[derive(Serialize)]
struct StatusJson {
    incarnation: String,
    epoch: String,
    applied: String,
    durable: String,
    checkpoint: String,
    timestamp: String,
    accounts: String,
    transfers: String,
    holds: String,
    documents: String,
    disk_full: bool,
}

impl StatusCommand {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        self.destination.refuse_new()?;
        let runtime = runtime()?;
        let ledger = self.destination.open(&runtime, None)?;
        let status = runtime.block_on(ledger.client.status());
        let closed = ledger.close();
        let status = status?;
        closed?;
        let mut output = io::stdout().lock();
        if self.json {
            let line = serde_json::to_string(&StatusJson::from(&status))
                .expect("strings and truth values can't fail");
            writeln!(output, "{line}")?;
        } else {
            write!(output, "{}", text(&status))?;
        }
        Ok(if status.disk_full { Exit::Findings } else { Exit::Done })
    }
}

impl From<&Status> for StatusJson {
    fn from(status: &Status) -> StatusJson {
        StatusJson {
            incarnation: format!("{:032x}", status.incarnation),
            epoch: status.epoch.to_string(),
            applied: status.applied.to_string(),
            durable: status.durable.to_string(),
            checkpoint: status.checkpoint.to_string(),
            timestamp: status.timestamp.to_string(),
            accounts: status.accounts_count.to_string(),
            transfers: status.transfers_count.to_string(),
            holds: status.holds_count.to_string(),
            documents: status.documents_count.to_string(),
            disk_full: status.disk_full,
        }
    }
}

/// One fact a line. Also what the shell shows.
pub(crate) fn text(status: &Status) -> String {
    let disk = if status.disk_full {
        "full: writes are refused until there is room, reads go on"
    } else {
        "has room"
    };
    format!(
        "incarnation  {:032x}\nepoch        {}\nlog          applied to {}, durable to {}, \
         checkpoint at {}\nlast event   {}\naccounts     {}\ntransfers    {}\nholds        {}\n\
         documents    {}\ndisk         {disk}\n",
        status.incarnation,
        status.epoch,
        status.applied,
        status.durable,
        status.checkpoint,
        status.timestamp,
        status.accounts_count,
        status.transfers_count,
        status.holds_count,
        status.documents_count,
    )
}
