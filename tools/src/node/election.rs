//! What a standby needs before it may decide: promises of so many nodes that one of them has whatever was told, and
//! the furthest of their logs.

use crate::node::feeding::Feeding;
use crate::node::peers::{Bank, Peers};
use florin_client::group::{Promise, Promised};
use florin_core::following::Promotion;
use florin_core::group::{CountedGroup, GroupNode, Term};
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

/// Has the nodes of the group promise a term to this one, and fetches what it lacks of what they have. When it
/// returns, nothing that was ever told is missing here; by force, that may be.
///
/// # Errors
/// Why it must not decide. What was promised stays promised: the old primary may be one no more.
pub(crate) async fn elect(
    database: &Database,
    peers: &Peers,
    feeding: &Feeding,
    is_forced: bool,
) -> Result<Promotion, Error> {
    check_copy(database, is_forced)?;
    for _ in 0..ROUNDS_MAX {
        // The group that counts is that of all that is here, and durable before it is applied.
        let synced = database.replication().synchrony().synced;
        await_applied(database, synced).await?;
        let groups = block_in_place(|| database.groups_that_count())?;
        if groups.is_empty() {
            return alone(database, is_forced);
        }
        let node = database.node_id()?;
        let candidate = Candidate { database, peers, feeding, node, groups, is_forced };
        if let Some(promotion) = candidate.stand().await? {
            return Ok(promotion);
        }
    }
    Err(Error::new(ErrorKind::Busy, "others promise later terms to somebody else: ask again"))
}

/// Whether this copy may become what all others are compared with.
fn check_copy(database: &Database, is_forced: bool) -> Result<(), Error> {
    if let Replication::Standby(standing, _) = database.replication()
        && standing.has_stopped
    {
        let trouble = standing.trouble.unwrap_or_default();
        return Err(refused(format!("it follows no more ({trouble}): promote another")));
    }
    if database.node().must_compare && !is_forced {
        return Err(refused(
            "it was a primary before, and its state was not found the same as its new primary's yet: promote \
             another, or give --force",
        ));
    }
    Ok(())
}

/// Without a group nobody else is asked: whoever promotes it has looked, and stopped the old primary.
fn alone(database: &Database, is_forced: bool) -> Result<Promotion, Error> {
    let term = database.node().promised.next_of(database.node_id()?);
    let promised = block_in_place(|| database.promise(term, None))?;
    match (promised.is_granted, is_forced) {
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
    node: u128,
    /// Each of them has a say: a change that was not told may be known to some and not to others.
    groups: Vec<CountedGroup>,
    is_forced: bool,
}

/// A promise of a node of the group.
struct Voice {
    address: String,
    promised: Promised,
}

impl Candidate<'_> {
    /// One round; `None` if another one is needed.
    async fn stand(&self) -> Result<Option<Promotion>, Error> {
        if self.groups[0].group.node(self.node).is_none() && !self.is_forced {
            return Err(refused(
                "this node is not of the group, so nothing that was told waited for it: promote one that is, or \
                 give --force",
            ));
        }
        let addresses: Vec<String> =
            self.others().into_iter().map(|it| it.address.clone()).collect();
        let bank = Bank::of(self.database);
        // Promises that are not enough would end the old primary for nothing.
        let views = self.peers.survey(bank, &addresses).await;
        let there = views.iter().map(|view| (view.address.as_str(), view.status.node));
        self.check_enough(there)?;
        let heard = views.iter().map(|view| view.status.promised.max(view.status.term)).max();
        let highest = self.database.node().promised.max(Term(heard.unwrap_or(0)));
        let term = highest.next_of(self.node);
        let own = block_in_place(|| self.database.promise(term, None))?;
        if !own.is_granted {
            return Ok(None);
        }
        let Bank { incarnation, life } = bank;
        let promise = Promise { incarnation, life, candidate: self.node, term: term.0 };
        let answers = self.peers.promises(&addresses, promise).await.into_iter();
        let (granted, denied): (Vec<_>, Vec<_>) = answers
            .map(|(address, promised)| Voice { address, promised })
            .partition(|voice| voice.promised.is_granted);
        if !denied.is_empty() && !self.is_forced {
            return Ok(None);
        }
        let granted = self.catch_up(granted, own.term, own.end).await?;
        // What was fetched may have changed the group.
        let groups = block_in_place(|| self.database.groups_that_count())?;
        if !self.is_same(&groups) && !self.is_forced {
            return Ok(None);
        }
        let there = granted.iter().map(|voice| (voice.address.as_str(), voice.promised.node));
        let is_enough = !self.is_forced && self.lacking(there).is_none();
        info!(%term, promises = 1 + granted.len(), is_enough, "elected");
        Ok(Some(if is_enough { Promotion::Elected(term) } else { Promotion::Forced }))
    }

    /// The nodes of all groups but this one.
    fn others(&self) -> Vec<&GroupNode> {
        let mut others: Vec<&GroupNode> = Vec::new();
        for node in self.groups.iter().flat_map(|it| &it.group.nodes) {
            if node.node != self.node && !others.contains(&node) {
                others.push(node);
            }
        }
        others
    }

    fn is_same(&self, groups: &[CountedGroup]) -> bool {
        let pairs = self.groups.iter().zip(groups);
        self.groups.len() == groups.len()
            && pairs.into_iter().all(|(own, other)| {
                own.group.asks_as(&other.group) && own.asks_all == other.asks_all
            })
    }

    /// The first group of which too few are there, with how many are, and who is missing. A node counts that answers
    /// where the group has it: another directory at the place of one that was lost has acknowledged nothing.
    fn lacking<'a>(
        &self,
        there: impl Iterator<Item = (&'a str, u128)> + Clone,
    ) -> Option<(usize, usize, Vec<String>)> {
        self.groups.iter().find_map(|counted| {
            let is_there = |it: &GroupNode| {
                it.node == self.node || there.clone().any(|at| at == (it.address.as_str(), it.node))
            };
            let nodes = &counted.group.nodes;
            let missing = nodes.iter().filter(|it| !is_there(it));
            let missing: Vec<String> =
                missing.map(|it| format!("{} ({})", it.name, it.address)).collect();
            let (count, needed) = (nodes.len() - missing.len(), needed(counted));
            (count < needed).then_some((count, needed, missing))
        })
    }

    fn check_enough<'a>(
        &self,
        there: impl Iterator<Item = (&'a str, u128)> + Clone,
    ) -> Result<(), Error> {
        let Some((count, needed, missing)) = self.lacking(there).filter(|_| !self.is_forced) else {
            return Ok(());
        };
        let missing = missing.join(", ");
        Err(refused(format!(
            "{count} of the group's nodes can promise, and {needed} must, so that one of them has what was told; \
             missing: {missing}. Start them, or give --force and lose what only they have"
        )))
    }

    /// Fetches what others have and this one lacks, from the one that has most. One that can't be fetched from counts
    /// as not there. Gives the promises that are left.
    async fn catch_up(
        &self,
        mut granted: Vec<Voice>,
        term: Term,
        end: Lsn,
    ) -> Result<Vec<Voice>, Error> {
        loop {
            let there = granted.iter().map(|voice| (voice.address.as_str(), voice.promised.node));
            self.check_enough(there)?;
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
        Ok(granted)
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

/// Nodes of a group that must promise: where answers may go without standbys, nobody else knows what they told.
fn needed(counted: &CountedGroup) -> usize {
    let CountedGroup { group, asks_all } = counted;
    match group.missing {
        Missing::Wait if !asks_all => group.promises_needed(),
        Missing::Wait | Missing::Degrade(_) => group.nodes.len(),
    }
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, message)
}
