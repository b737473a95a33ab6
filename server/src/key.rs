//! A client's key as the server knows it: a name, roles, limits.

use florin_ledger::LedgerId;
use florin_wire::{PublicKey, Roles};
use std::collections::BTreeSet;
use std::num::{NonZeroU32, NonZeroU64};

/// A key that may come in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientKey {
    /// What the client proves.
    pub key: PublicKey,
    /// For people: names the key in messages and records.
    pub name: String,
    /// What it may ask for.
    pub roles: Roles,
    /// How much of it.
    pub limits: KeyLimits,
}

/// What bounds a key; `None`: nothing but the server's own limits.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct KeyLimits {
    /// The only ledgers that its requests may concern.
    pub ledgers: Option<BTreeSet<LedgerId>>,
    /// The only tables of documents that its requests may concern.
    pub tables: Option<BTreeSet<u16>>,
    /// Requests a second, over all its connections.
    pub requests_per_second: Option<NonZeroU32>,
    /// Bytes of requests a second, over all its connections.
    pub bytes_per_second: Option<NonZeroU64>,
    /// Connections at the same time; [`crate::limits::KEY_CONNECTIONS_MAX`] if it says nothing.
    pub connections_max: Option<u32>,
}

impl ClientKey {
    /// Whether its requests may concern a ledger.
    #[must_use]
    pub fn reaches_ledger(&self, ledger: LedgerId) -> bool {
        self.limits.ledgers.as_ref().is_none_or(|ledgers| ledgers.contains(&ledger))
    }

    /// Whether its requests may concern a table of documents.
    #[must_use]
    pub fn reaches_table(&self, table: u16) -> bool {
        self.limits.tables.as_ref().is_none_or(|tables| tables.contains(&table))
    }
}
