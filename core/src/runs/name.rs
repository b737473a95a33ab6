//! Names of run files: `runs/<kind>-<number>`, the number in 20 digits.

use std::fmt;
use std::str::FromStr;

/// The directory of run files.
pub const DIRECTORY: &str = "runs";

/// What the keys and values of a run are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum RunKind {
    /// Transfer id, created or failed -> what became of it.
    TransferIds = 1,
    /// Position of a hold -> position of the record that resolved it.
    HoldOutcomes = 2,
    /// Timestamp of an imported transfer -> its position.
    ImportedTimestamps = 3,
    /// Table and key of a document -> its newest record. These files have a layout of their own.
    Documents = 4,
    /// Id of a commit -> position of its record.
    CommitIds = 5,
}

impl RunKind {
    /// Every kind.
    pub const ALL: [RunKind; 5] = [
        RunKind::TransferIds,
        RunKind::HoldOutcomes,
        RunKind::ImportedTimestamps,
        RunKind::Documents,
        RunKind::CommitIds,
    ];

    /// The number that files carry.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            RunKind::TransferIds => 1,
            RunKind::HoldOutcomes => 2,
            RunKind::ImportedTimestamps => 3,
            RunKind::Documents => 4,
            RunKind::CommitIds => 5,
        }
    }

    /// The kind with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<RunKind> {
        RunKind::ALL.into_iter().find(|kind| kind.number() == number)
    }

    const fn prefix(self) -> &'static str {
        match self {
            RunKind::TransferIds => "transfer_ids",
            RunKind::HoldOutcomes => "hold_outcomes",
            RunKind::ImportedTimestamps => "imported_timestamps",
            RunKind::Documents => "documents",
            RunKind::CommitIds => "commit_ids",
        }
    }
}

/// Names one run for ever: a number is given once per kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RunName {
    /// What its keys are.
    pub kind: RunKind,
    /// Counts the runs of that kind.
    pub number: u64,
}

impl RunName {
    /// The file's name in the data directory.
    #[must_use]
    pub fn path(self) -> String {
        format!("{DIRECTORY}/{self}")
    }

    /// The name that the file has until it is whole and durable.
    #[must_use]
    pub fn partial_path(self) -> String {
        format!("{DIRECTORY}/{self}.partial")
    }
}

impl fmt::Display for RunName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:020}", self.kind.prefix(), self.number)
    }
}

/// A file name that no run can have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotARunName;

impl FromStr for RunName {
    type Err = NotARunName;

    fn from_str(text: &str) -> Result<RunName, NotARunName> {
        let (prefix, number) = text.rsplit_once('-').ok_or(NotARunName)?;
        let kind =
            RunKind::ALL.into_iter().find(|kind| kind.prefix() == prefix).ok_or(NotARunName)?;
        let name = RunName { kind, number: number.parse().map_err(|_| NotARunName)? };
        // Only the one spelling: `+7` and `007` parse as numbers too.
        if name.to_string() == text { Ok(name) } else { Err(NotARunName) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: a stray file taken for a run, or a run not recognised after a restart.
    #[test]
    fn only_the_one_spelling_names_a_run() {
        for kind in RunKind::ALL {
            for number in [0, 7, u64::MAX] {
                let name = RunName { kind, number };
                assert_eq!(name.to_string().parse(), Ok(name));
                assert_eq!(RunKind::from_number(kind.number()), Some(kind));
            }
        }
        for wrong in [
            "transfer_ids",
            "transfer_ids-7",
            "transfer_ids-+0000000000000000007",
            "transfer_ids-00000000000000000007.partial",
            "transfers-00000000000000000007",
        ] {
            assert_eq!(wrong.parse::<RunName>(), Err(NotARunName), "{wrong}");
        }
    }
}
