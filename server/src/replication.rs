//! How replication stands, as clients are told.

use florin_core::group::NodeStanding;
use florin_core::shipping::{Missing, ReplicaStanding, Replication, StandbyStanding};
use florin_ledger::Lsn;
use florin_wire::replication::{ReplicaStatus, ReplicationStatus, StandbyStatus};
use std::time::Duration;

/// What a client is told of it; with the names of the database and its life.
pub(crate) fn status(
    replication: &Replication,
    node: &NodeStanding,
    (incarnation, life): (u128, u128),
) -> ReplicationStatus {
    let standby = match replication {
        Replication::Primary(_) => None,
        Replication::Standby(standing, _) => Some(standby_status(standing)),
    };
    let synchrony = replication.synchrony();
    let degrade_ms = match synchrony.synchrony.missing {
        Missing::Wait => None,
        Missing::Degrade(patience) => Some(milliseconds(patience)),
    };
    ReplicationStatus {
        standby,
        node: node.node,
        incarnation,
        life,
        term: node.term.0,
        promised: node.promised.0,
        is_deposed: synchrony.is_deposed,
        standbys: synchrony.synchrony.standbys,
        degrade_ms,
        is_degraded: synchrony.is_degraded,
        degradations: synchrony.degradations,
        waiting_ms: synchrony.waiting.map_or(0, milliseconds),
        synced: synchrony.synced,
        released: synchrony.released,
        replicas: synchrony.replicas.iter().map(replica_status).collect(),
    }
}

fn standby_status(standing: &StandbyStanding) -> StandbyStatus {
    StandbyStatus {
        primary: standing.primary.clone(),
        is_connected: standing.is_connected,
        applied: standing.applied,
        primary_end: standing.primary_end.unwrap_or(Lsn::NONE),
        lag_ms: milliseconds(standing.lag),
        was_in_step: standing.was_in_step,
        compared: standing.compared,
        trouble: standing.trouble.clone().unwrap_or_default(),
        has_stopped: standing.has_stopped,
    }
}

fn replica_status(replica: &ReplicaStanding) -> ReplicaStatus {
    ReplicaStatus {
        node: replica.node,
        acknowledged: replica.acknowledged,
        silent_ms: milliseconds(replica.silent),
        name: replica.name.clone(),
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
