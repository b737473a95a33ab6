//! `florin group`: the nodes that hold a copy of a ledger, and how many must have what is told.

use crate::credentials::Credentials;
use crate::exit::{Exit, Failure};
use crate::node::flags::SyncMissing;
use crate::target::{PATIENCE, runtime};
use clap::{Args, Subcommand};
use florin_client::{Client, ClientOptions};
use florin_core::group::{Group, GroupNode, Term};
use florin_core::shipping::Missing;
use serde::Serialize;
use std::io::{self, Write};

/// Show or change the group: the nodes that hold a copy of the ledger, of which one decides
#[derive(Args, Debug)]
pub(crate) struct GroupCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Show(Show),
    Set(Set),
}

/// Show the group, and what its nodes say
#[derive(Args, Debug)]
struct Show {
    #[command(flatten)]
    server: Server,

    /// As one JSON object
    #[arg(long)]
    json: bool,
}

/// Say which nodes are the group and how many others must have what is told. All of them must be reachable, and
/// answers wait until nodes of the old group and of the new have the change
#[derive(Args, Debug)]
struct Set {
    #[command(flatten)]
    server: Server,

    /// A node and where the others reach it; the one that decides is one of them
    #[arg(long = "node", value_name = "NAME=HOST:PORT", required = true)]
    nodes: Vec<String>,

    /// Nodes beside the one that decides that must have what is told, durably; 0: none
    #[arg(long, value_name = "K")]
    sync: u32,

    /// What happens while fewer have it: answers wait, or after --patience go without
    #[arg(long, value_name = "WHAT", default_value = "wait", value_enum)]
    missing: SyncMissing,

    /// How long they may be missing before answers go without them
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    patience: u32,

    /// Although nodes of the old group can't be asked, which may have been told what the new ones never hear of: for
    /// when they are lost. It stays on record
    #[arg(long)]
    force: bool,
}

#[derive(Args, Debug)]
struct Server {
    /// Speak to the server that listens here
    #[arg(long, value_name = "HOST:PORT")]
    connect: String,

    #[command(flatten)]
    credentials: Credentials,
}

impl Server {
    fn options(&self) -> Result<ClientOptions, Failure> {
        let options = ClientOptions { deadline: PATIENCE, ..ClientOptions::default() };
        self.credentials.apply(options)
    }

    async fn client(&self) -> Result<Client, Failure> {
        connect(&self.connect, self.options()?).await
    }
}

async fn connect(address: &str, options: ClientOptions) -> Result<Client, Failure> {
    let client = Client::connect(address, options).await;
    client.map_err(|error| Failure::unavailable(format!("can't reach {address}: {error}")))
}

impl GroupCommand {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let runtime = runtime()?;
        match &self.command {
            Command::Show(show) => runtime.block_on(show.run()),
            Command::Set(set) => runtime.block_on(set.run()),
        }
    }
}

impl Set {
    async fn run(&self) -> Result<Exit, Failure> {
        let primary = self.server.client().await?;
        let mut nodes = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let named =
                node.split_once('=').filter(|(name, at)| !name.is_empty() && !at.is_empty());
            let Some((name, address)) = named else {
                return Err(Failure::usage(format!("a node is NAME=HOST:PORT, not {node}")));
            };
            // Where it listens it says which directory it has, and of which database.
            let client = connect(address, self.server.options()?).await?;
            let node = client.replication().await?.node;
            let own = primary.status().await?.incarnation;
            let other = client.status().await?.incarnation;
            if own != other {
                let message =
                    format!("{address} serves another database ({other:032x}, not {own:032x})");
                return Err(Failure::new(Exit::Findings, message));
            }
            nodes.push(GroupNode { node, name: name.to_owned(), address: address.to_owned() });
        }
        let group = Group {
            acknowledgements: self.sync,
            missing: self.missing.missing(self.patience),
            nodes,
            is_forced: self.force,
            ..Group::default()
        };
        group.check().map_err(|error| Failure::usage(error.to_string()))?;
        primary.change_group(group.to_bytes().into()).await?;
        writeln!(io::stdout().lock(), "{}", summary(&group))?;
        Ok(Exit::Done)
    }
}

/// The group as it is printed, wide integers as strings.
#[derive(Serialize)]
struct GroupJson {
    sync: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    degrade_ms: Option<u64>,
    /// Of the primary that wrote it.
    term: String,
    primary: String,
    forced: bool,
    nodes: Vec<NodeJson>,
}

#[derive(Serialize)]
struct NodeJson {
    name: String,
    address: String,
    node: String,
    /// `primary`, `standby`, `deposed`, or `unreachable`.
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    term: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    synced: Option<String>,
}

impl Show {
    async fn run(&self) -> Result<Exit, Failure> {
        let client = self.server.client().await?;
        let bytes = client.group().await?;
        if bytes.is_empty() {
            let address = &self.server.connect;
            return Err(Failure::new(Exit::Findings, format!("{address} is of no group")));
        }
        let group = Group::from_bytes(&bytes)
            .map_err(|error| Failure::new(Exit::Findings, error.to_string()))?;
        let mut nodes = Vec::with_capacity(group.nodes.len());
        for node in &group.nodes {
            nodes.push(look(node, self.server.options()?).await);
        }
        let is_well = nodes.iter().filter(|node| node.role == "primary").count() == 1
            && nodes.iter().all(|node| node.role != "unreachable");
        let mut output = io::stdout().lock();
        if self.json {
            let degrade_ms = match group.missing {
                Missing::Wait => None,
                Missing::Degrade(patience) => u64::try_from(patience.as_millis()).ok(),
            };
            let json = GroupJson {
                sync: group.acknowledgements,
                degrade_ms,
                term: group.term.to_string(),
                primary: format!("{:032x}", group.primary),
                forced: group.is_forced,
                nodes,
            };
            let line = serde_json::to_string(&json).expect("strings and numbers can't fail");
            writeln!(output, "{line}")?;
        } else {
            writeln!(output, "{}", summary(&group))?;
            if group.is_forced {
                writeln!(
                    output,
                    "by FORCE in term {}: something that was told may be lost",
                    group.term
                )?;
            }
            for NodeJson { name, address, node, role, term, synced } in nodes {
                let term = term.map_or_else(String::new, |term| format!(", term {term}"));
                let synced = synced.map_or_else(String::new, |lsn| format!(", durable to {lsn}"));
                writeln!(output, "{name:<12} {role:<11} {address} ({node}){term}{synced}")?;
            }
        }
        Ok(if is_well { Exit::Done } else { Exit::Findings })
    }
}

async fn look(node: &GroupNode, options: ClientOptions) -> NodeJson {
    let GroupNode { node, name, address } = node;
    let asked = async { connect(address, options).await.ok()?.replication().await.ok() }.await;
    let role = match &asked {
        None => "unreachable",
        Some(status) if status.is_deposed => "deposed",
        Some(status) if status.standby.is_some() => "standby",
        Some(_) => "primary",
    };
    NodeJson {
        name: name.clone(),
        address: address.clone(),
        node: format!("{node:032x}"),
        role,
        term: asked.as_ref().map(|status| Term(status.term).to_string()),
        synced: asked.as_ref().map(|status| status.synced.to_string()),
    }
}

fn summary(group: &Group) -> String {
    let Group { acknowledgements, missing, .. } = group;
    let missing = match missing {
        Missing::Wait => String::from("and waits for them"),
        Missing::Degrade(patience) => {
            format!("and goes without them after {} s", patience.as_secs())
        }
    };
    format!(
        "group of {} nodes: what is told, {acknowledgements} beside the primary have, {missing}; \
         whoever is promoted needs {} promises",
        group.nodes.len(),
        group.promises_needed()
    )
}
