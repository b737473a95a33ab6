//! Why something about a lease did not come about.

/// Why something about a lease did not come about, by what the caller does next.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LeaseError {
    /// No member of etcd answered. What was asked may have taken effect: ask again.
    #[error("etcd can't be asked: {0}")]
    Unreachable(String),
    /// etcd refused, and nothing happened: see to it that it does not.
    #[error("etcd refused: {0}")]
    Refused(String),
    /// The lease is not held any more, and nothing happened: stop deciding.
    #[error("the lease is not held any more: {0}")]
    NotHeld(String),
    /// A key holds what nobody here wrote: find out who did, then delete it.
    #[error(
        "the key `{key}` of etcd holds something else than florin writes there ({reason}): find out \
         who wrote it, then delete it"
    )]
    Malformed {
        /// The key.
        key: String,
        /// What is wrong with its value.
        reason: String,
    },
    /// What was given can't be used: mend it.
    #[error("{0}")]
    Invalid(String),
}
