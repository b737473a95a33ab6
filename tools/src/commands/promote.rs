//! `florin promote`: a standby becomes the primary.

use crate::credentials::Credentials;
use crate::exit::{Exit, Failure};
use crate::target::{Ledger, PATIENCE, Target, runtime};
use clap::Args;
use florin_client::{Client, ClientError, ClientOptions, RefusalKind, StandbyStatus};
use florin_core::following::{self, Promotion};
use florin_ledger::Lsn;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Make a standby the primary
#[derive(Args, Debug)]
#[command(
    after_help = "In a group (florin group) the standby has the others promise to hear no earlier primary, fetches \
what it lacks, and is refused if too few promise; the old primary tells nothing any more, and follows. Without a \
group stop the old primary first, for good: nothing here can know whether it still takes writes, and if it does \
there are two histories; if the standby is not known to have had all that the primary had a moment ago, it takes \
--force. With --connect the standby that serves there ends its connections and serves again as the primary. With \
--data a directory that nobody has open becomes one that florin serve opens as a primary; that always takes \
--force."
)]
pub(crate) struct Promote {
    #[command(flatten)]
    target: Target,

    #[command(flatten)]
    credentials: Credentials,

    /// Although the standby lacks what its primary had, or nobody knows; with --data nobody ever does
    #[arg(long)]
    force: bool,
}

/// For how long what a standby heard of its primary is news: as long as people need to notice that it is gone.
const KNOWN_FOR_MS: u64 = 10 * 60 * 1_000;
/// How often a standby that is being promoted is asked whether it is.
const ASK_EVERY: Duration = Duration::from_millis(10);

impl Promote {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        match (&self.target.data, &self.target.connect) {
            (Some(path), _) => {
                self.credentials.check_absent()?;
                self.promote_directory(path)
            }
            (None, Some(address)) => self.promote_server(address),
            (None, None) => {
                Err(Failure::usage("name a standby: --data DIR or --connect HOST:PORT"))
            }
        }
    }

    fn promote_server(&self, address: &str) -> Result<Exit, Failure> {
        if address.contains(',') {
            return Err(Failure::usage(
                "name the one standby that shall be promoted: --connect HOST:PORT",
            ));
        }
        let options = ClientOptions { deadline: PATIENCE, ..ClientOptions::default() };
        let options = self.credentials.apply(options)?;
        let runtime = runtime()?;
        let ledger = Ledger::connect(&runtime, address, options)?;
        let standing = runtime.block_on(ledger.client.replication())?;
        let Some(standby) = standing.standby else {
            return Err(Failure::new(Exit::Findings, format!("{address} is a primary already")));
        };
        let group = runtime.block_on(ledger.client.group())?;
        // Nodes of a group ask each other, and know better.
        if let (true, false, Some(doubt)) =
            (group.is_empty(), self.force, doubt(&standby, standing.synced))
        {
            return Err(Failure::new(Exit::Findings, doubt));
        }
        match runtime.block_on(promote(&ledger.client, self.force)) {
            Err(ClientError::Refused { message, .. }) => {
                return Err(Failure::new(Exit::Findings, message));
            }
            promoted => promoted?,
        }
        let mut output = io::stdout().lock();
        writeln!(
            output,
            "{address} is the primary; its log was copied up to {}, {}",
            standing.synced,
            in_step(&standby)
        )?;
        Ok(Exit::Done)
    }
}

impl Promote {
    fn promote_directory(&self, path: &Path) -> Result<Exit, Failure> {
        if !self.force {
            return Err(Failure::new(
                Exit::Findings,
                "nobody knows what this directory lacks: serve it with --follow and promote it with \
                 --connect, or give --force if it is known to have all that was confirmed",
            ));
        }
        following::promote(path, Promotion::Forced).map_err(|error| {
            Failure::unavailable(format!("can't promote {}: {error}", path.display()))
        })?;
        let mut output = io::stdout().lock();
        writeln!(output, "{} is a primary's from now on: serve it", path.display())?;
        Ok(Exit::Done)
    }
}

/// Why nobody knows that the standby has all that its primary has confirmed; `None` if it had all a moment
/// ago.
fn doubt(standby: &StandbyStatus, synced: Lsn) -> Option<String> {
    let missing = standby.primary_end.0.saturating_sub(synced.0);
    let (why, primary) = (in_step(standby), &standby.primary);
    if standby.has_stopped {
        let trouble = &standby.trouble;
        return Some(format!("the standby follows no more ({trouble}): promote another"));
    }
    if standby.primary_end == Lsn::NONE {
        return Some(format!(
            "since it was started the standby has heard nothing of {primary}, so nobody knows what it lacks: \
             start the primary, or promote another; or give --force and lose what only others have"
        ));
    }
    if 0 < missing {
        return Some(format!(
            "the standby lacks {missing} bytes of log that its primary had ({why}): promote another, or give \
             --force and lose what they say"
        ));
    }
    if KNOWN_FOR_MS < standby.lag_ms {
        return Some(format!(
            "the standby was cut off: {why}. If the primary went on after that, with other standbys or alone, \
             promote another; give --force if it did not"
        ));
    }
    None
}

/// When it last had all that its primary had.
fn in_step(standby: &StandbyStatus) -> String {
    let seconds = standby.lag_ms / 1_000;
    if standby.was_in_step {
        format!("it had all that its primary had {seconds} s ago")
    } else {
        format!("it never had all that its primary had since it was started {seconds} s ago")
    }
}

/// Asks for it, and waits until it is done: until the server serves again, or has promised another.
pub(super) async fn promote(client: &Client, is_forced: bool) -> Result<(), ClientError> {
    let elected = client.promote(is_forced).await?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        // While it stops and starts there is nobody to ask.
        let message = match client.replication().await {
            Ok(standing) if standing.standby.is_none() => return Ok(()),
            Ok(standing) if elected != 0 && elected < standing.promised => {
                let message = String::from("this one has promised another a later term since");
                return Err(ClientError::Refused { kind: RefusalKind::Fenced, message });
            }
            Ok(_) => String::from("it is a standby still: another may have been promoted since"),
            Err(error) => error.to_string(),
        };
        if deadline <= Instant::now() {
            return Err(ClientError::Unknown { message });
        }
        sleep(ASK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a standby says that heard of its primary a second ago, and had all that it had.
    fn in_step() -> StandbyStatus {
        StandbyStatus {
            primary: String::from("ledger-1:3000"),
            primary_end: Lsn(10_000),
            lag_ms: 1_000,
            was_in_step: true,
            ..StandbyStatus::default()
        }
    }

    /// Prevents: "it was never heard of" taken for "nothing is lacking".
    #[test]
    fn only_what_was_heard_a_moment_ago_is_known() {
        let synced = Lsn(10_000);
        assert_eq!(doubt(&in_step(), synced), None);
        let unheard = StandbyStatus { primary_end: Lsn::NONE, was_in_step: false, ..in_step() };
        let cut_off = StandbyStatus { lag_ms: 3_600_000, ..in_step() };
        let stopped = StandbyStatus { has_stopped: true, ..in_step() };
        let behind = StandbyStatus { primary_end: Lsn(10_001), ..in_step() };
        for (standby, says) in [
            (unheard, "has heard nothing of ledger-1:3000"),
            (cut_off, "it had all that its primary had 3600 s ago"),
            (stopped, "follows no more"),
            (behind, "lacks 1 bytes"),
        ] {
            let said = doubt(&standby, synced).expect(says);
            assert!(said.contains(says), "{said}");
        }
    }
}
