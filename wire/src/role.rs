//! What a client's key may ask for. The numbers are the protocol's and never change.

use core::fmt;

/// One kind of right.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// Look-ups, histories, queries, sums.
    Read,
    /// Accounts and transfers.
    Write,
    /// To follow the log.
    Stream,
    /// What a standby asks.
    Replicate,
    /// What changes the server itself.
    Operate,
    /// What `Read` may, for those who only check.
    Audit,
    /// Keys that must be destroyable, the keys themselves too: no other role gets at them.
    Keyring,
}

impl Role {
    /// Every role, in order of bits.
    pub const ALL: &'static [Role] = &[
        Role::Read,
        Role::Write,
        Role::Stream,
        Role::Replicate,
        Role::Operate,
        Role::Audit,
        Role::Keyring,
    ];

    /// Its bit in a set.
    #[must_use]
    pub const fn bit(self) -> u16 {
        match self {
            Role::Read => 1,
            Role::Write => 2,
            Role::Stream => 4,
            Role::Replicate => 8,
            Role::Operate => 16,
            Role::Audit => 32,
            Role::Keyring => 64,
        }
    }

    /// The name that messages and key documents use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Role::Read => "read",
            Role::Write => "write",
            Role::Stream => "stream",
            Role::Replicate => "replicate",
            Role::Operate => "operate",
            Role::Audit => "audit",
            Role::Keyring => "keyring",
        }
    }

    /// The role of a name, `None` for a name that none has.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Role> {
        Role::ALL.iter().copied().find(|role| role.name() == name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of roles.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Roles(u16);

impl Roles {
    /// No role.
    pub const NONE: Roles = Roles(0);

    /// The roles whose bits are set; bits that no role has are dropped, so that what a later server
    /// grants beyond is not taken for something else.
    #[must_use]
    pub fn from_bits(bits: u16) -> Roles {
        Role::ALL.iter().filter(|role| bits & role.bit() != 0).copied().collect()
    }

    /// One bit a role.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether a role is in it.
    #[must_use]
    pub const fn contains(self, role: Role) -> bool {
        self.0 & role.bit() != 0
    }

    /// Whether it is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its roles, in order of bits.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.iter().copied().filter(move |role| self.contains(*role))
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Roles {
        Roles(roles.into_iter().fold(0, |bits, role| bits | role.bit()))
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, role) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{role}")?;
        }
        Ok(())
    }
}
