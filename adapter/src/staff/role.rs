//! What members of the staff may do, by their roles.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// A role.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Helps customers: looks at what they have, lets them try again after too many wrong passwords, asks for them to
    /// be forgotten, or for another second factor for who has lost theirs.
    Support,
    /// Looks after fraud: suspends accounts, decides what is held for review.
    Fraud,
    /// Moves money over the counter, suspends accounts, changes limits, lets parked transfers try again, asks for
    /// reversals and approves those of others.
    Operations,
    /// Sets legal holds, asks for erasures, unlocks names, and approves what others asked for.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 4] = [Role::Support, Role::Fraud, Role::Operations, Role::Admin];

    /// As it is stored, and typed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::Support => "support",
            Role::Fraud => "fraud",
            Role::Operations => "operations",
            Role::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No role.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a role is support, fraud, operations or admin")]
pub struct NoSuchRole;

impl FromStr for Role {
    type Err = NoSuchRole;

    fn from_str(text: &str) -> Result<Role, NoSuchRole> {
        Role::ALL.into_iter().find(|role| role.name() == text).ok_or(NoSuchRole)
    }
}

/// The roles of a member.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Roles(BTreeSet<Role>);

impl Roles {
    /// Whether one of these is among them.
    #[must_use]
    pub fn has_any(&self, wanted: &[Role]) -> bool {
        wanted.iter().any(|role| self.0.contains(role))
    }

    /// Their names, in order.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|role| role.name()).collect()
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Roles {
        Roles(roles.into_iter().collect())
    }
}

/// As people read them.
impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join(", "))
    }
}
