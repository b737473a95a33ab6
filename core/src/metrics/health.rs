//! Whether a database does what it is for, and what an operator should look at: drawn from figures
//! alone, so that it can be told when the engine has stopped.

use super::MetricsSnapshot;

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
    /// Debits and credits differ on some ledger.
    Unbalanced,
    /// The scrubber found something that does not hold.
    Findings,
    /// There are no more checkpoints until the next opening.
    CheckpointFailed,
}

impl Trouble {
    /// Every trouble, the worst first.
    pub const ALL: &'static [Trouble] = &[
        Trouble::LogFailed,
        Trouble::Stopped,
        Trouble::DiskFull,
        Trouble::ClockJumped,
        Trouble::Unbalanced,
        Trouble::Findings,
        Trouble::CheckpointFailed,
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
        }
    }

    /// Whether writes are refused because of it.
    #[must_use]
    pub const fn refuses_writes(self) -> bool {
        match self {
            Trouble::LogFailed | Trouble::Stopped | Trouble::DiskFull | Trouble::ClockJumped => {
                true
            }
            Trouble::CheckpointFailed | Trouble::Unbalanced | Trouble::Findings => false,
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
