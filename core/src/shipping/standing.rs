//! How a primary stands to those who follow it, and a standby to its primary.

use crate::database::Database;
use florin_ledger::Lsn;
use std::collections::BTreeSet;
use std::time::Duration;

/// How many standbys must have what is answered.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Synchrony {
    /// How many; 0: none, what is durable here is answered.
    pub standbys: u32,
    /// What happens while there are fewer.
    pub missing: Missing,
    /// Those that count; `None`: all that follow.
    pub nodes: Option<BTreeSet<u128>>,
}

impl Synchrony {
    /// The same, however long they may be missing.
    #[must_use]
    pub fn waited_for(self) -> Synchrony {
        Synchrony { missing: Missing::Wait, ..self }
    }
}

/// What happens while too few standbys acknowledge.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Missing {
    /// Answers wait for them.
    #[default]
    Wait,
    /// After so long without an acknowledgement answers go without, until enough of them have caught up.
    Degrade(Duration),
}

/// How far those who follow are, and what that holds up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SynchronyStanding {
    /// Whether another term was promised, and nothing is told any more.
    pub is_deposed: bool,
    /// What is asked for.
    pub synchrony: Synchrony,
    /// Whether answers go without standbys, although they are asked for.
    pub is_degraded: bool,
    /// How often that began since the opening.
    pub degradations: u64,
    /// For how long something has waited for standbys, if something does.
    pub waiting: Option<Duration>,
    /// Everything before it is durable here.
    pub synced: Lsn,
    /// Everything before it is told.
    pub released: Lsn,
    /// Who follows.
    pub replicas: Vec<ReplicaStanding>,
}

/// One that follows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplicaStanding {
    /// Names its directory.
    pub node: u128,
    /// The name of its key, or the one that it gave itself.
    pub name: String,
    /// It has everything before it, durably.
    pub acknowledged: Lsn,
    /// Since when it has said nothing.
    pub silent: Duration,
}

/// How a standby stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StandbyStanding {
    /// Where its primary is.
    pub primary: String,
    /// Names its directory.
    pub node: u128,
    /// Whether it hears of its primary.
    pub is_connected: bool,
    /// Everything before it is durable here.
    pub durable: Lsn,
    /// Everything before it is applied, and can be read.
    pub applied: Lsn,
    /// What the primary last said to be durable there; `None` before it said anything.
    pub primary_end: Option<Lsn>,
    /// For how long it has not been known to have all that its primary had: since it had, or was opened.
    pub lag: Duration,
    /// Whether it had, at some time since it was opened.
    pub was_in_step: bool,
    /// The last position at which the whole state was found to be the primary's.
    pub compared: Lsn,
    /// Why it does not follow, if it does not.
    pub trouble: Option<String>,
    /// Whether only a person can end that.
    pub has_stopped: bool,
}

/// A database's part in replication.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Replication {
    /// It decides.
    Primary(SynchronyStanding),
    /// It follows; others may follow it in turn.
    Standby(StandbyStanding, SynchronyStanding),
}

impl Replication {
    /// Who follows it, and what that holds up.
    #[must_use]
    pub fn synchrony(&self) -> &SynchronyStanding {
        match self {
            Replication::Primary(synchrony) | Replication::Standby(_, synchrony) => synchrony,
        }
    }
}

impl Database {
    /// Its part in replication: who follows it and how far, or whom it follows. Waits for nothing.
    #[must_use]
    pub fn replication(&self) -> Replication {
        self.watch().replication()
    }
}
