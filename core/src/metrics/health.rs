//! Whether a database does what it is for, and what an operator should look at: drawn from figures
//! alone, so that it can be told when the engine has stopped.

use super::MetricsSnapshot;
use crate::shipping::Replication;
use std::time::Duration;

/// How long answers may wait for standbys before an operator should look.
const MISSING_AFTER: Duration = Duration::from_secs(1);

/// How a database is doing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Health {
    /// What is wrong, the worst first; nothing, as a rule.
    pub troubles: Vec<Trouble>,
}

/// Something that an operator should look at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Trouble {
    /// A write or sync of the log failed.
    LogFailed,
    /// The database takes no more requests.
    Stopped,
    /// There is no room for more log.
    DiskFull,
    /// The machine's clock has jumped ahead.
    ClockJumped,
    /// This standby does not follow any more, until a person sees to it.
    StandbyStopped,
    /// This is a standby.
    Standby,
    /// Debits and credits differ on some ledger.
    Unbalanced,
    /// The scrubber found something that does not hold.
    Findings,
    /// There are no more checkpoints until the next opening.
    CheckpointFailed,
    /// What is answered may be on this machine alone, although standbys are asked for.
    Degraded,
    /// Answers wait for standbys.
    StandbysMissing,
}

impl Trouble {
    /// Every trouble, the worst first.
    pub const ALL: &'static [Trouble] = &[
        Trouble::LogFailed,
        Trouble::Stopped,
        Trouble::DiskFull,
        Trouble::ClockJumped,
        Trouble::StandbysMissing,
        Trouble::StandbyStopped,
        Trouble::Standby,
        Trouble::Unbalanced,
        Trouble::Findings,
        Trouble::CheckpointFailed,
        Trouble::Degraded,
    ];

    /// The name that figures and probes carry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Trouble::LogFailed => "log_failed",
            Trouble::Stopped => "stopped",
            Trouble::DiskFull => "disk_full",
            Trouble::ClockJumped => "clock_jumped",
            Trouble::CheckpointFailed => "checkpoint_failed",
            Trouble::Unbalanced => "unbalanced",
            Trouble::Findings => "findings",
            Trouble::StandbyStopped => "standby_stopped",
            Trouble::Standby => "standby",
            Trouble::Degraded => "degraded",
            Trouble::StandbysMissing => "standbys_missing",
        }
    }

    /// What it means and what to do, for people.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Trouble::LogFailed => "writing the log failed: check the disk, then restart",
            Trouble::Stopped => "the engine takes no more requests: restart",
            Trouble::DiskFull => "the disk is full, writes are refused: make room",
            Trouble::ClockJumped => {
                "the clock has jumped ahead, writes are refused: check it, restart to confirm it"
            }
            Trouble::Unbalanced => {
                "debits and credits differ on a ledger: stop, run florin verify, restore a backup"
            }
            Trouble::Findings => "the scrubber found damage: see the findings, run florin verify",
            Trouble::CheckpointFailed => {
                "there are no more checkpoints: make room or mend the disk, then restart"
            }
            Trouble::StandbyStopped => {
                "this standby follows no more: see its status, then copy the log anew"
            }
            Trouble::Standby => "this is a standby: writes go to its primary",
            Trouble::Degraded => {
                "too few standbys acknowledge, and answers go without them: see to the standbys"
            }
            Trouble::StandbysMissing => {
                "answers have waited for standbys for more than a second: see to the standbys"
            }
        }
    }

    /// Whether writes are refused because of it.
    #[must_use]
    pub const fn refuses_writes(self) -> bool {
        match self {
            Trouble::LogFailed
            | Trouble::Stopped
            | Trouble::DiskFull
            | Trouble::ClockJumped
            | Trouble::StandbysMissing
            | Trouble::StandbyStopped
            | Trouble::Standby => true,
            Trouble::CheckpointFailed
            | Trouble::Unbalanced
            | Trouble::Findings
            | Trouble::Degraded => false,
        }
    }

    fn is_in(self, metrics: &MetricsSnapshot) -> bool {
        match self {
            Trouble::LogFailed => metrics.log.has_failed,
            Trouble::Stopped => metrics.engine.is_stopped,
            Trouble::DiskFull => metrics.log.is_full,
            Trouble::ClockJumped => !metrics.engine.clock_jump.is_zero(),
            Trouble::CheckpointFailed => metrics.checkpoint.has_failed,
            Trouble::Unbalanced => {
                metrics.scrub.conservation.as_ref().is_some_and(|sums| !sums.unbalanced.is_empty())
            }
            Trouble::Findings => metrics.scrub.checks.iter().any(|check| check.standing != 0),
            Trouble::Standby => matches!(metrics.replication, Replication::Standby(..)),
            Trouble::StandbyStopped => matches!(
                &metrics.replication,
                Replication::Standby(standing, _) if standing.has_stopped
            ),
            Trouble::Degraded => metrics.replication.synchrony().is_degraded,
            Trouble::StandbysMissing => {
                let waiting = metrics.replication.synchrony().waiting;
                waiting.is_some_and(|waiting| MISSING_AFTER <= waiting)
            }
        }
    }
}

impl Health {
    /// Whether writes are taken.
    #[must_use]
    pub fn takes_writes(&self) -> bool {
        !self.troubles.iter().any(|trouble| trouble.refuses_writes())
    }
}

impl MetricsSnapshot {
    /// How the database is doing.
    #[must_use]
    pub fn health(&self) -> Health {
        let troubles = Trouble::ALL.iter().copied();
        Health { troubles: troubles.filter(|trouble| trouble.is_in(self)).collect() }
    }
}
