//! `florin status`: how a ledger is doing.

use crate::exit::{Exit, Failure};
use crate::target::{Destination, runtime};
use clap::Args;
use florin_client::{ReplicaStatus, ReplicationStatus, StandbyStatus, Status};
use florin_core::group::Term;
use florin_ledger::Lsn;
use serde::Serialize;
use std::io::{self, Write};
use std::time::Duration;

/// How long a server is asked whose answers wait for standbys.
const WAITING_PATIENCE: Duration = Duration::from_secs(2);

/// Show how a ledger is doing (exit status 1 while its disk is full, it goes without standbys that are
/// asked for, or as a standby it does not follow)
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
    #[serde(skip_serializing_if = "Option::is_none")]
    replication: Option<ReplicationJson>,
}

/// How replication stands.
#[derive(Serialize)]
struct ReplicationJson {
    role: &'static str,
    node: String,
    term: String,
    promised: String,
    synced: String,
    released: String,
    sync_standbys: u32,
    degraded: bool,
    waiting_ms: u64,
    standbys: Vec<ReplicaJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    standby: Option<StandbyJson>,
}

#[derive(Serialize)]
struct ReplicaJson {
    name: String,
    node: String,
    acknowledged: String,
    silent_ms: u64,
}

#[derive(Serialize)]
struct StandbyJson {
    primary: String,
    connected: bool,
    applied: String,
    primary_end: String,
    lag_bytes: String,
    lag_ms: u64,
    was_in_step: bool,
    compared: String,
    stopped: bool,
    trouble: String,
}

impl From<&ReplicationStatus> for ReplicationJson {
    fn from(status: &ReplicationStatus) -> ReplicationJson {
        let replica = |replica: &ReplicaStatus| ReplicaJson {
            name: replica.name.clone(),
            node: format!("{:032x}", replica.node),
            acknowledged: replica.acknowledged.to_string(),
            silent_ms: replica.silent_ms,
        };
        let standby = |standby: &StandbyStatus| StandbyJson {
            primary: standby.primary.clone(),
            connected: standby.is_connected,
            applied: standby.applied.to_string(),
            primary_end: standby.primary_end.to_string(),
            lag_bytes: lag_bytes(standby, status).to_string(),
            lag_ms: standby.lag_ms,
            was_in_step: standby.was_in_step,
            compared: standby.compared.to_string(),
            stopped: standby.has_stopped,
            trouble: standby.trouble.clone(),
        };
        ReplicationJson {
            role: role(status),
            node: format!("{:032x}", status.node),
            term: Term(status.term).to_string(),
            promised: Term(status.promised).to_string(),
            synced: status.synced.to_string(),
            released: status.released.to_string(),
            sync_standbys: status.standbys,
            degraded: status.is_degraded,
            waiting_ms: status.waiting_ms,
            standbys: status.replicas.iter().map(replica).collect(),
            standby: status.standby.as_ref().map(standby),
        }
    }
}

/// Bytes of log that the primary is known to have and this standby has not.
fn lag_bytes(standby: &StandbyStatus, status: &ReplicationStatus) -> u64 {
    standby.primary_end.0.saturating_sub(status.synced.0)
}

fn role(status: &ReplicationStatus) -> &'static str {
    match &status.standby {
        Some(_) => "standby",
        None if status.is_deposed => "deposed",
        None => "primary",
    }
}

/// Whether nobody has to look.
fn is_well(status: &ReplicationStatus) -> bool {
    let follows = status.standby.as_ref().is_none_or(|standby| standby.trouble.is_empty());
    follows && !status.is_degraded && !status.is_deposed
}

/// One fact a line.
fn replication_text(status: &ReplicationStatus) -> String {
    let mut text = String::new();
    if status.node != 0 {
        let (term, promised) = (Term(status.term), Term(status.promised));
        let (role, node) = (role(status), status.node);
        text += &format!("node         {node:032x}, {role}, term {term}");
        text +=
            &if term < promised { format!(", promised {promised}\n") } else { String::from("\n") };
    }
    if let Some(standby) = &status.standby {
        let StandbyStatus { primary, lag_ms, trouble, .. } = standby;
        let how = match (standby.is_connected, trouble.as_str()) {
            (true, "") => String::from("follows"),
            (_, "") => String::from("has not reached its primary yet"),
            (_, trouble) if standby.has_stopped => format!("FOLLOWS NO MORE: {trouble}"),
            (_, trouble) => format!("DOES NOT FOLLOW: {trouble}"),
        };
        text += &format!("standby      of {primary}, {how}\n");
        let seconds = lag_ms / 1_000;
        let bytes = lag_bytes(standby, status);
        let bytes = match (standby.primary_end, standby.was_in_step) {
            (Lsn::NONE, _) => format!("unknown: nothing heard of the primary for {seconds} s"),
            (_, false) => format!("{bytes} bytes of log, never had all, for {seconds} s"),
            (_, true) => format!("{bytes} bytes of log, {seconds} s since it had all"),
        };
        text += &format!(
            "lag          {bytes}; applied to {}, state compared at {}\n",
            standby.applied, standby.compared
        );
    }
    if status.standbys != 0 {
        let missing = match (status.is_degraded, status.waiting_ms) {
            (true, _) => "; DEGRADED: answers go without standbys",
            (false, 0) => "",
            (false, _) => "; answers wait for standbys",
        };
        text += &format!("synchronous  with {} standbys{missing}\n", status.standbys);
    }
    for replica in &status.replicas {
        let behind = status.synced.0.saturating_sub(replica.acknowledged.0);
        text += &format!(
            "followed by  {} ({:032x}): has all to {}, {behind} bytes behind, heard {} ms ago\n",
            replica.name, replica.node, replica.acknowledged, replica.silent_ms
        );
    }
    text
}

impl StatusCommand {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        self.destination.refuse_new()?;
        let runtime = runtime()?;
        let ledger = self.destination.open(&runtime, None)?;
        // Of a directory that was opened here, and of an older server, there is none.
        let replication = runtime.block_on(ledger.client.replication()).ok();
        let is_waiting = replication.as_ref().is_some_and(|status| 0 < status.waiting_ms);
        // Where answers wait for standbys, this one may, too.
        let client = if is_waiting {
            ledger.client.with_deadline(WAITING_PATIENCE)
        } else {
            ledger.client.clone()
        };
        let status = runtime.block_on(client.status());
        drop(client);
        let closed = ledger.close();
        if let (Err(_), Some(replication), false) = (&status, &replication, self.json) {
            write!(io::stdout().lock(), "{}", replication_text(replication))?;
        }
        let status = status?;
        closed?;
        let mut output = io::stdout().lock();
        if self.json {
            let replication = replication.as_ref().map(ReplicationJson::from);
            let line =
                serde_json::to_string(&StatusJson { replication, ..StatusJson::from(&status) })
                    .expect("strings and truth values can't fail");
            writeln!(output, "{line}")?;
        } else {
            write!(output, "{}", text(&status))?;
            if let Some(replication) = &replication {
                write!(output, "{}", replication_text(replication))?;
            }
        }
        let is_well = !status.disk_full && replication.as_ref().is_none_or(is_well);
        Ok(if is_well { Exit::Done } else { Exit::Findings })
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
            replication: None,
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
