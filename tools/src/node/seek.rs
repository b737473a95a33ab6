//! Which primary a standby should follow: the one of the latest term, wherever in the group it is.

use crate::node::feeding::Feeding;
use crate::node::peers::{Peers, View};
use florin_client::RefusalKind;
use florin_core::group::Term;
use florin_core::shipping::Replication;
use florin_core::Database;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::sleep;
use tracing::info;

/// How often a standby that is cut off looks around.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Keeps a standby at the primary of its group. Returns where a later one is whose log is another than this one's:
/// what that never had is to be set aside first.
pub(crate) async fn seek(
    database: &Database,
    peers: &Peers,
    feeding: &Feeding,
    named: Option<&str>,
) -> String {
    loop {
        sleep(LOOK_EVERY).await;
        if is_connected(database) {
            continue;
        }
        let views = peers.survey(&candidates(database, &feeding.primary(), named)).await;
        let node = database.node();
        let Some(latest) = latest(&views).filter(|view| node.promised.0 <= view.status.term) else {
            continue;
        };
        let has_parted = feeding.parted().is_some_and(|parted| {
            parted.address == latest.address
                && [RefusalKind::Fork, RefusalKind::NotYet].contains(&parted.kind)
        });
        if has_parted && node.term.0 < latest.status.term {
            return latest.address.clone();
        }
        if feeding.primary() != latest.address {
            let term = Term(latest.status.term);
            info!(primary = latest.address, term = %term, "following another primary");
            feeding.follow(&latest.address);
        }
    }
}

/// Of those that decide the one of the latest term.
pub(crate) fn latest(views: &[View]) -> Option<&View> {
    views.iter().filter(|view| view.is_primary()).max_by_key(|view| view.status.term)
}

/// Where a primary may be: in the group, where it was last, and where an operator says.
fn candidates(database: &Database, last: &str, named: Option<&str>) -> Vec<String> {
    let own = database.node().node;
    // A group that can't be read is asked of nobody; what is known otherwise is.
    let group = database.group().ok().flatten().unwrap_or_default();
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
