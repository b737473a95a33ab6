//! Which primary a standby should follow: the one of the latest term, wherever in the group it is.

use crate::node::feeding::Feeding;
use crate::node::peers::{Bank, Peers, View};
use florin_client::RefusalKind;
use florin_core::Database;
use florin_core::group::{Group, Term};
use florin_core::shipping::Replication;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

/// How often a standby that is cut off asks the others.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// How often it looks whether it is, and whom it has promised.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How often one that follows looks whether it follows the primary, and not another standby.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// Keeps a standby at the primary of its group. Returns where a later one is whose log is another than this one's:
/// what that never had is to be set aside first.
pub(crate) async fn seek(
    database: &Database,
    peers: &Peers,
    feeding: &Feeding,
    named: Option<&str>,
) -> String {
    let mut asked = Instant::now();
    let mut well = Instant::now();
    let mut candidate = None;
    // The primary whose refusal counts: it was asked again since it was seen to decide.
    let mut suspected = None;
    loop {
        sleep(LOOK_EVERY).await;
        let node = database.node();
        // Whoever was promised a term is the primary in a moment.
        if node.candidate != candidate {
            candidate = node.candidate;
            if let Some(address) = candidate.and_then(|node| address_of(database, node)) {
                feeding.follow(&address);
            }
        }
        // A connection over which nothing comes, or no comparison, is made anew: whoever serves it asks again then.
        if is_connected(database) && !node.must_compare {
            well = Instant::now();
        } else if CHECK_EVERY <= well.elapsed() {
            well = Instant::now();
            feeding.ask_again();
        }
        let pause = if is_connected(database) { CHECK_EVERY } else { ASK_EVERY };
        if asked.elapsed() < pause {
            continue;
        }
        let addresses = candidates(database, &feeding.primary(), named);
        let views = peers.survey(Bank::of(database), &addresses).await;
        asked = Instant::now();
        let Some(latest) = latest(&views).filter(|view| node.promised.0 <= view.status.term) else {
            continue;
        };
        let term = Term(latest.status.term);
        if feeding.primary() != latest.address {
            info!(primary = latest.address, %term, "following another primary");
            feeding.follow(&latest.address);
            continue;
        }
        let has_parted = feeding.parted().is_some_and(|parted| {
            parted.address == latest.address
                && [RefusalKind::Fork, RefusalKind::NotYet].contains(&parted.kind)
        });
        if !has_parted || term <= node.term {
            continue;
        }
        let seen = Some((latest.address.clone(), term));
        if suspected == seen {
            return latest.address.clone();
        }
        // It may have refused what it had not fetched yet itself, before it decided.
        suspected = seen;
        feeding.ask_again();
    }
}

/// Waits until another of the group was promoted, or is being, which a primary that slept through it hears from
/// nobody: the others follow the new one. Asks only while some of them do not follow this one.
pub(crate) async fn watch_for_successor(database: &Database, peers: &Peers) {
    loop {
        sleep(ASK_EVERY).await;
        if has_all(database) {
            continue;
        }
        if give_way(database, peers, None).await {
            return;
        }
    }
}

/// Whether another of the group was promoted, or is being, while this one was away: then it has promised so.
pub(crate) async fn give_way(database: &Database, peers: &Peers, named: Option<&str>) -> bool {
    let own = database.node();
    let views = peers.survey(Bank::of(database), &candidates(database, "", named)).await;
    let heard = views.iter().map(|view| view.status.promised.max(view.status.term)).max();
    let Some(later) = heard.map(Term).filter(|heard| own.term < *heard) else { return false };
    if let Err(error) = block_in_place(|| database.promise(later, None)) {
        // It tells nothing any more all the same.
        warn!("can't write down that term {later} has begun: {error}");
    }
    true
}

/// Whether all others of the group follow.
fn has_all(database: &Database) -> bool {
    let own = database.node().node;
    let group = group_of(database).unwrap_or_default();
    let replication = database.replication();
    let replicas = &replication.synchrony().replicas;
    let follows = |node: u128| replicas.iter().any(|replica| replica.node == node);
    group.nodes.iter().all(|it| it.node == own || follows(it.node))
}

/// The group, if there is one. One that can't be read now is read again.
fn group_of(database: &Database) -> Option<Group> {
    // A standby's is read from the disk, or from its engine.
    block_in_place(|| database.group()).ok().flatten()
}

fn address_of(database: &Database, node: u128) -> Option<String> {
    group_of(database)?.node(node).map(|it| it.address.clone())
}

/// Of those that decide the one of the latest term.
fn latest(views: &[View]) -> Option<&View> {
    views.iter().filter(|view| view.is_primary()).max_by_key(|view| view.status.term)
}

/// Where a primary may be: in the group, where it was last, and where an operator says.
fn candidates(database: &Database, last: &str, named: Option<&str>) -> Vec<String> {
    let own = database.node().node;
    let group = group_of(database).unwrap_or_default();
    let others = group.nodes.into_iter().filter(|it| it.node != own).map(|it| it.address);
    let known = [Some(last), named].into_iter().flatten().map(str::to_owned);
    let all: BTreeSet<String> = others.chain(known).filter(|address| !address.is_empty()).collect();
    all.into_iter().collect()
}

fn is_connected(database: &Database) -> bool {
    match database.replication() {
        Replication::Standby(standing, _) => standing.is_connected || standing.has_stopped,
        Replication::Primary(_) => true,
    }
}
