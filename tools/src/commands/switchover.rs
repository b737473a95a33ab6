//! `florin switchover`: another node of the group decides, and nothing is lost.

use super::promote::promote;
use crate::credentials::Credentials;
use crate::exit::{Exit, Failure};
use crate::target::{PATIENCE, runtime};
use clap::Args;
use florin_client::group::HandOver;
use florin_client::{Client, ClientOptions};
use florin_core::group::{Group, GroupNode};
use std::io::{self, Write};
use std::time::Instant;

/// Have another node of the group become the primary, losing nothing
#[derive(Args, Debug)]
#[command(
    after_help = "The primary decides nothing for as long as it takes: the other node gets what it lacks, the group \
promises it a term, and the old primary follows it. If that does not come about, the old one goes on by itself."
)]
pub(crate) struct Switchover {
    /// Speak to the primary that listens here
    #[arg(long, value_name = "HOST:PORT")]
    connect: String,

    #[command(flatten)]
    credentials: Credentials,

    /// The node that decides from then on
    #[arg(long, value_name = "NAME")]
    to: String,
}

/// How long the old primary decides nothing at most, if nothing comes of it.
const HAND_OVER_MS: u32 = 10_000;
/// How far the other may lag when it begins: catching up must not take long.
const LAG_BYTES_MAX: u64 = 16 << 20;

impl Switchover {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        runtime()?.block_on(self.switch())
    }

    async fn switch(&self) -> Result<Exit, Failure> {
        let primary = self.reach(&self.connect).await?;
        let standing = primary.replication().await?;
        if standing.standby.is_some() || standing.is_deposed {
            let message = format!("{} is not the primary: name that", self.connect);
            return Err(Failure::new(Exit::Findings, message));
        }
        let node = self.node(&primary.group().await?)?;
        if node.node == standing.node {
            let message = format!("{} is the primary already", self.to);
            return Err(Failure::new(Exit::Findings, message));
        }
        let other = self.reach(&node.address).await?;
        self.check_lag(&other).await?;
        let begun = Instant::now();
        let over = HandOver { node: node.node, patience_ms: HAND_OVER_MS };
        primary.hand_over(over).await?;
        promote(&other, false).await?;
        let took = begun.elapsed().as_millis();
        let GroupNode { name, address, .. } = node;
        writeln!(
            io::stdout().lock(),
            "{name} ({address}) is the primary; nothing was decided for {took} ms"
        )?;
        Ok(Exit::Done)
    }

    async fn check_lag(&self, other: &Client) -> Result<(), Failure> {
        let standing = other.replication().await?;
        let lag = standing.standby.as_ref().map(|standby| {
            let is_known = standby.is_connected && standby.trouble.is_empty();
            is_known.then(|| standby.primary_end.0.saturating_sub(standing.synced.0))
        });
        match lag {
            Some(Some(bytes)) if bytes <= LAG_BYTES_MAX => Ok(()),
            _ => Err(Failure::new(
                Exit::Findings,
                format!(
                    "{} does not follow closely enough to take over: see florin status",
                    self.to
                ),
            )),
        }
    }

    fn node(&self, group: &[u8]) -> Result<GroupNode, Failure> {
        let findings = |message: String| Failure::new(Exit::Findings, message);
        if group.is_empty() {
            return Err(findings(format!("{} is of no group: florin group set", self.connect)));
        }
        let group = Group::from_bytes(group).map_err(|error| findings(error.to_string()))?;
        let node = group.nodes.into_iter().find(|node| node.name == self.to);
        node.ok_or_else(|| {
            findings(format!("the group has no node {}: florin group show", self.to))
        })
    }

    async fn reach(&self, address: &str) -> Result<Client, Failure> {
        let options = ClientOptions { deadline: PATIENCE, ..ClientOptions::default() };
        let client = Client::connect(address, self.credentials.apply(options)?).await;
        client.map_err(|error| Failure::unavailable(format!("can't reach {address}: {error}")))
    }
}
