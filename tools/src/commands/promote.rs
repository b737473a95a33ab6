//! `florin promote`: a standby becomes the primary.

use crate::credentials::Credentials;
use crate::exit::{Exit, Failure};
use crate::target::{Ledger, PATIENCE, Target, runtime};
use clap::Args;
use florin_client::{Client, ClientError, ClientOptions, StandbyStatus};
use florin_core::following;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Make a standby the primary
#[derive(Args, Debug)]
#[command(
    after_help = "Stop the old primary first, for good: nothing here can know whether it still takes \
writes, and if it does there are two histories. With --connect the standby that serves there stops \
following, ends its connections and serves again as the primary. With --data a directory that nobody has \
open becomes one that florin serve opens as a primary."
)]
pub(crate) struct Promote {
    #[command(flatten)]
    target: Target,

    #[command(flatten)]
    credentials: Credentials,

    /// Although the standby is known to lack what its primary had
    #[arg(long)]
    force: bool,
}

/// How often a standby that is being promoted is asked whether it is.
const ASK_EVERY: Duration = Duration::from_millis(50);

impl Promote {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        match (&self.target.data, &self.target.connect) {
            (Some(path), _) => {
                self.credentials.check_absent()?;
                promote_directory(path)
            }
            (None, Some(address)) => self.promote_server(address),
            (None, None) => {
                Err(Failure::usage("name a standby: --data DIR or --connect HOST:PORT"))
            }
        }
    }

    fn promote_server(&self, address: &str) -> Result<Exit, Failure> {
        let options = ClientOptions { deadline: PATIENCE, ..ClientOptions::default() };
        let options = self.credentials.apply(options)?;
        let runtime = runtime()?;
        let ledger = Ledger::connect(&runtime, address, options)?;
        let standing = runtime.block_on(ledger.client.replication())?;
        let Some(standby) = standing.standby else {
            return Err(Failure::new(Exit::Findings, format!("{address} is a primary already")));
        };
        let missing = standby.primary_end.0.saturating_sub(standing.synced.0);
        if 0 < missing && !self.force {
            return Err(Failure::new(
                Exit::Findings,
                format!(
                    "the standby lacks {missing} bytes of log that its primary had: promote another, or \
                     give --force and lose what they say"
                ),
            ));
        }
        refuse_stopped(&standby, self.force)?;
        runtime.block_on(promote(&ledger.client))?;
        let mut output = io::stdout().lock();
        writeln!(output, "{address} is the primary; its log was copied up to {}", standing.synced)?;
        Ok(Exit::Done)
    }
}

fn refuse_stopped(standby: &StandbyStatus, force: bool) -> Result<(), Failure> {
    if !standby.has_stopped || force {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Findings,
        format!("the standby follows no more ({}): promote another", standby.trouble),
    ))
}

/// Asks for it, and waits until it is done.
async fn promote(client: &Client) -> Result<(), ClientError> {
    client.promote().await?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        // While it stops and starts there is nobody to ask.
        match client.replication().await {
            Ok(standing) if standing.standby.is_none() => return Ok(()),
            Err(error) if deadline <= Instant::now() => return Err(error),
            Ok(_) | Err(_) => sleep(ASK_EVERY).await,
        }
    }
}

fn promote_directory(path: &Path) -> Result<Exit, Failure> {
    following::promote(path).map_err(|error| {
        Failure::unavailable(format!("can't promote {}: {error}", path.display()))
    })?;
    let mut output = io::stdout().lock();
    writeln!(output, "{} is a primary's from now on: serve it", path.display())?;
    Ok(Exit::Done)
}
