//! Why a key can't be used, by what its owner does next.

/// Why a key can't be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyError {
    /// The key can't be reached: no such file or token, a wrong PIN. The message says what to mend.
    #[error("{0}")]
    Unavailable(String),
    /// The key is there, and is not the one that wrapped these bytes.
    #[error("{id} is not the key that wrapped it: name the key that did")]
    WrongKey {
        /// The key that was tried.
        id: String,
    },
}
