//! What a standby needs before it may decide: promises of so many nodes that one of them has whatever was told, and
//! the furthest of their logs.

use crate::node::feeding::Feeding;
use crate::node::peers::Peers;
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
    if let Replication::Standby(standing, _) = database.replication()
        && standing.has_stopped
    {
        let trouble = standing.trouble.unwrap_or_default();
        return Err(refused(format!("it follows no more ({trouble}): promote another")));
    }
    for _ in 0..ROUNDS_MAX {
        let Some(group) = block_in_place(|| database.group())? else {
            return alone(database, is_forced);
        };
        let candidate = Candidate { database, peers, feeding, group, is_forced };
        if let Some(promotion) = candidate.stand().await? {
            return Ok(promotion);
        }
    }
    Err(Error::new(ErrorKind::Busy, "others promise later terms to somebody else: ask again"))
}

/// Without a group nobody else is asked: whoever promotes it has looked, and stopped the old primary.
fn alone(database: &Database, is_forced: bool) -> Result<Promotion, Error> {
    let term = database.node().promised.next_of(database.node_id()?);
    let promised = database.promise(term, None)?;
    Ok(if promised.is_granted && !is_forced { Promotion::Elected(term) } else { Promotion::Forced })
}

struct Candidate<'a> {
    database: &'a Database,
    peers: &'a Peers,
    feeding: &'a Feeding,
    group: Group,
    is_forced: bool,
}

impl Candidate<'_> {
    /// One round; `None` if another one is needed.
    async fn stand(&self) -> Result<Option<Promotion>, Error> {
        let node = self.database.node_id()?;
        let others: Vec<&GroupNode> =
            self.group.nodes.iter().filter(|it| it.node != node).collect();
        let addresses: Vec<String> = others.iter().map(|it| it.address.clone()).collect();
        // Promises that are not enough would end the old primary for nothing.
        let views = self.peers.survey(&addresses).await;
        let present = views.iter().map(|view| view.address.as_str());
        self.check_enough(1 + views.len(), &missing(&others, present))?;
        let heard = views.iter().map(|view| view.status.promised.max(view.status.term)).max();
        let highest = self.database.node().promised.max(Term(heard.unwrap_or(0)));
        let term = highest.next_of(node);
        let own = block_in_place(|| self.database.promise(term, None))?;
        if !own.is_granted {
            return Ok(None);
        }
        let incarnation = self.database.incarnation()?;
        let promise = Promise { incarnation, candidate: node, term: term.0 };
        let answers = self.peers.promises(&addresses, promise).await;
        let granted: Vec<_> = answers.iter().filter(|(_, promised)| promised.is_granted).collect();
        if granted.len() < answers.len() && !self.is_forced {
            return Ok(None);
        }
        let present = granted.iter().map(|(address, _)| address.as_str());
        self.check_enough(1 + granted.len(), &missing(&others, present))?;
        if let Some((address, best)) = granted.iter().max_by_key(|(_, it)| (it.term, it.end)) {
            self.catch_up(address, best, own.term, own.end).await?;
        }
        // What was fetched may have changed the group.
        let group = block_in_place(|| self.database.group())?.unwrap_or_default();
        let is_same = (group.acknowledgements, &group.nodes)
            == (self.group.acknowledgements, &self.group.nodes);
        if !is_same && !self.is_forced {
            return Ok(None);
        }
        info!(term = %term, promises = 1 + granted.len(), "elected");
        let is_enough = self.needed() <= 1 + granted.len();
        Ok(Some(if is_enough { Promotion::Elected(term) } else { Promotion::Forced }))
    }

    /// Nodes that must promise: where answers may go without standbys, nobody else knows what they told.
    fn needed(&self) -> usize {
        match self.group.missing {
            Missing::Wait => self.group.promises_needed(),
            Missing::Degrade(_) => self.group.nodes.len(),
        }
    }

    fn check_enough(&self, count: usize, missing: &[String]) -> Result<(), Error> {
        let needed = self.needed();
        if needed <= count || self.is_forced {
            return Ok(());
        }
        let missing = missing.join(", ");
        Err(refused(format!(
            "{count} of the group's nodes can promise, and {needed} must, so that one of them has what was told; \
             missing: {missing}. Start them, or give --force and lose what only they have"
        )))
    }

    /// Fetches what another has and this one lacks.
    async fn catch_up(
        &self,
        address: &str,
        best: &Promised,
        own_term: Term,
        own_end: Lsn,
    ) -> Result<(), Error> {
        if (best.term, best.end) <= (own_term.0, own_end) {
            return Ok(());
        }
        let fetched = if own_term.0 < best.term {
            Err(refused(format!(
                "{address} has followed a later primary (term {}, this one {own_term}): promote that",
                Term(best.term)
            )))
        } else {
            info!(from = address, until = best.end.0, "fetching what this node lacks");
            self.database.fetch_from(own_term);
            self.feeding.follow(address);
            self.await_applied(best.end).await
        };
        match fetched {
            Err(error) if self.is_forced => {
                warn!("by force, without what {address} has: {error}");
                Ok(())
            }
            fetched => fetched,
        }
    }

    async fn await_applied(&self, end: Lsn) -> Result<(), Error> {
        let (risen, mut applied) = watch::channel(());
        self.database.on_durable(move || risen.send_replace(()));
        let has_come =
            async { while self.database.durable_end() < end && applied.changed().await.is_ok() {} };
        match timeout(FETCH_PATIENCE, has_come).await {
            Ok(()) => Ok(()),
            Err(_) => Err(refused(format!("what it lacks up to {end} does not come"))),
        }
    }
}

fn missing<'a>(others: &[&GroupNode], present: impl Iterator<Item = &'a str>) -> Vec<String> {
    let present: Vec<&str> = present.collect();
    let missing = others.iter().filter(|it| !present.contains(&it.address.as_str()));
    missing.map(|it| format!("{} ({})", it.name, it.address)).collect()
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, message)
}
