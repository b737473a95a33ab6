//! What a standby needs before it may decide: promises of so many nodes that one of them has whatever was told, and
//! the furthest of their logs.

use crate::node::feeding::Feeding;
use crate::node::peers::{Bank, Peers};
use florin_client::group::{Promise, Promised};
use florin_core::following::Promotion;
use florin_core::group::{Group, GroupNode, Term};
use florin_core::shipping::{Missing, Replication};
use florin_core::{Database, Error, ErrorKind};
use florin_ledger::Lsn;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::block_in_place;
use tokio::time::timeout;
use tracing::{info, warn};

/// How often a higher term is tried when somebody has promised another meanwhile.
const ROUNDS_MAX: u32 = 5;
/// How long what the candidate lacks may take to come.
const FETCH_PATIENCE: Duration = Duration::from_secs(30);

/// On what grounds a standby is promoted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Warrant {
    /// Enough promises.
    Promises,
    /// Enough promises, and it would be on record if answers had gone without standbys.
    OnRecord,
    /// Somebody accepts that something that was told may be lost.
    Force,
}

/// Has the nodes of the group promise a term to this one, and fetches what it lacks of what they have. When it
/// returns, nothing that was ever told is missing here; by force, that may be.
///
/// # Errors
/// Why it must not decide. What was promised stays promised: the old primary may be one no more.
pub(crate) async fn elect(
    database: &Database,
    peers: &Peers,
    feeding: &Feeding,
    warrant: Warrant,
) -> Result<Promotion, Error> {
    check_copy(database, warrant)?;
    for _ in 0..ROUNDS_MAX {
        // The group that counts is that of all that is here, and durable before it is applied.
        let synced = database.replication().synchrony().synced;
        await_applied(database, synced).await?;
        let Some(group) = block_in_place(|| database.group())? else {
            return alone(database, warrant);
        };
        let candidate = Candidate { database, peers, feeding, group, warrant };
        if let Some(promotion) = candidate.stand().await? {
            return Ok(promotion);
        }
    }
    Err(Error::new(ErrorKind::Busy, "others promise later terms to somebody else: ask again"))
}

/// Whether this copy may become what all others are compared with.
fn check_copy(database: &Database, warrant: Warrant) -> Result<(), Error> {
    if let Replication::Standby(standing, _) = database.replication()
        && standing.has_stopped
    {
        let trouble = standing.trouble.unwrap_or_default();
        return Err(refused(format!("it follows no more ({trouble}): promote another")));
    }
    if database.node().must_compare && warrant != Warrant::Force {
        return Err(refused(
            "it was a primary before, and its state was not found the same as its new primary's yet: promote \
             another, or give --force",
        ));
    }
    Ok(())
}

/// Without a group nobody else is asked: whoever promotes it has looked, and stopped the old primary.
fn alone(database: &Database, warrant: Warrant) -> Result<Promotion, Error> {
    let term = database.node().promised.next_of(database.node_id()?);
    let promised = block_in_place(|| database.promise(term, None))?;
    match (promised.is_granted, warrant == Warrant::Force) {
        (_, true) => Ok(Promotion::Forced),
        (true, false) => Ok(Promotion::Elected(term)),
        (false, false) => {
            Err(Error::new(ErrorKind::Busy, "it has just promised another term: ask again"))
        }
    }
}

async fn await_applied(database: &Database, end: Lsn) -> Result<(), Error> {
    let (risen, mut applied) = watch::channel(());
    database.on_durable(move || risen.send_replace(()));
    let has_come =
        async { while database.durable_end() < end && applied.changed().await.is_ok() {} };
    match timeout(FETCH_PATIENCE, has_come).await {
        Ok(()) => Ok(()),
        Err(_) => Err(refused(format!("what it lacks up to {end} does not come"))),
    }
}

struct Candidate<'a> {
    database: &'a Database,
    peers: &'a Peers,
    feeding: &'a Feeding,
    group: Group,
    warrant: Warrant,
}

/// A promise of a node of the group.
struct Voice {
    address: String,
    promised: Promised,
}

impl Candidate<'_> {
    /// One round; `None` if another one is needed.
    async fn stand(&self) -> Result<Option<Promotion>, Error> {
        let node = self.database.node_id()?;
        if self.group.node(node).is_none() && !self.is_forced() {
            return Err(refused(
                "this node is not of the group, so nothing that was told waited for it: promote one that is, or \
                 give --force",
            ));
        }
        let others: Vec<&GroupNode> =
            self.group.nodes.iter().filter(|it| it.node != node).collect();
        let addresses: Vec<String> = others.iter().map(|it| it.address.clone()).collect();
        let bank = Bank::of(self.database);
        // Promises that are not enough would end the old primary for nothing.
        let mut views = self.peers.survey(bank, &addresses).await;
        views.retain(|view| self.is_of_group(&view.address, view.status.node));
        let present: Vec<&str> = views.iter().map(|view| view.address.as_str()).collect();
        self.check_enough(1 + views.len(), &missing(&others, &present))?;
        let heard = views.iter().map(|view| view.status.promised.max(view.status.term)).max();
        let highest = self.database.node().promised.max(Term(heard.unwrap_or(0)));
        let term = highest.next_of(node);
        let own = block_in_place(|| self.database.promise(term, None))?;
        if !own.is_granted {
            return Ok(None);
        }
        let Bank { incarnation, life } = bank;
        let promise = Promise { incarnation, life, candidate: node, term: term.0 };
        let answers = self.peers.promises(&addresses, promise).await;
        let answers = answers.into_iter().filter(|(at, it)| self.is_of_group(at, it.node));
        let (granted, denied): (Vec<_>, Vec<_>) = answers
            .map(|(address, promised)| Voice { address, promised })
            .partition(|voice| voice.promised.is_granted);
        if !denied.is_empty() && !self.is_forced() {
            return Ok(None);
        }
        let granted = self.catch_up(&others, granted, own.term, own.end).await?;
        // What was fetched may have changed the group.
        let group = block_in_place(|| self.database.group())?.unwrap_or_default();
        if !self.is_same(&group) && !self.is_forced() {
            return Ok(None);
        }
        let is_enough = self.needed() <= 1 + granted && self.group.node(node).is_some();
        info!(%term, promises = 1 + granted, is_enough, "elected");
        Ok(Some(if is_enough { Promotion::Elected(term) } else { Promotion::Forced }))
    }

    /// Whether the node that answers at an address is the one that the group has there. Another directory at the
    /// place of one that was lost has acknowledged nothing.
    fn is_of_group(&self, address: &str, node: u128) -> bool {
        self.group.node(node).is_some_and(|it| it.address == address)
    }

    fn is_same(&self, group: &Group) -> bool {
        let own = &self.group;
        (own.acknowledgements, own.missing, &own.nodes)
            == (group.acknowledgements, group.missing, &group.nodes)
    }

    /// Nodes that must promise: where answers may go without standbys, nobody else knows what they told.
    fn needed(&self) -> usize {
        match self.group.missing {
            Missing::Degrade(_) if self.warrant != Warrant::OnRecord => self.group.nodes.len(),
            Missing::Wait | Missing::Degrade(_) => self.group.promises_needed(),
        }
    }

    fn is_forced(&self) -> bool {
        self.warrant == Warrant::Force
    }

    fn check_enough(&self, count: usize, missing: &[String]) -> Result<(), Error> {
        let needed = self.needed();
        if needed <= count || self.is_forced() {
            return Ok(());
        }
        let missing = missing.join(", ");
        Err(refused(format!(
            "{count} of the group's nodes can promise, and {needed} must, so that one of them has what was told; \
             missing: {missing}. Start them, or give --force and lose what only they have"
        )))
    }

    /// Fetches what others have and this one lacks, from the one that has most. One that can't be fetched from counts
    /// as not there. Says how many promises are left.
    async fn catch_up(
        &self,
        others: &[&GroupNode],
        mut granted: Vec<Voice>,
        term: Term,
        end: Lsn,
    ) -> Result<usize, Error> {
        loop {
            let present: Vec<&str> = granted.iter().map(|voice| voice.address.as_str()).collect();
            self.check_enough(1 + granted.len(), &missing(others, &present))?;
            granted.sort_by_key(|voice| (voice.promised.term, voice.promised.end));
            let Some(best) = granted.last() else { break };
            if (best.promised.term, best.promised.end) <= (term.0, end) {
                break;
            }
            match self.fetch(best, term).await {
                Ok(()) => break,
                Err(error) => {
                    warn!("without what {} has: {error}", best.address);
                    granted.pop();
                }
            }
        }
        await_applied(self.database, end).await?;
        Ok(granted.len())
    }

    async fn fetch(&self, from: &Voice, own: Term) -> Result<(), Error> {
        let Voice { address, promised } = from;
        if own.0 < promised.term {
            let term = Term(promised.term);
            return Err(refused(format!(
                "{address} has followed a later primary (term {term}, this one {own}): promote that"
            )));
        }
        info!(from = address, until = promised.end.0, "fetching what this node lacks");
        self.database.fetch_from(own);
        self.feeding.follow(address);
        await_applied(self.database, promised.end).await
    }
}

fn missing(others: &[&GroupNode], present: &[&str]) -> Vec<String> {
    let missing = others.iter().filter(|it| !present.contains(&it.address.as_str()));
    missing.map(|it| format!("{} ({})", it.name, it.address)).collect()
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, message)
}
