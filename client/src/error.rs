//! How a call ends that did not get its answer, and why nobody could be called.

use florin_wire::RefusalKind;

/// A call that did not get its answer. The variant says whether it may have taken effect.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing was sent, or only a read whose answer was lost, so nothing happened: send it again
    /// when the server can be reached.
    #[error("not sent: {message}")]
    NotSent {
        /// What stood in the way.
        message: String,
    },
    /// The server refused. Nothing happened; the kind says what to do.
    #[error("refused ({kind}): {message}")]
    Refused {
        /// What the caller does next.
        kind: RefusalKind,
        /// What happened and what to do, for people.
        message: String,
    },
    /// It was sent and no answer came: it may or may not have taken effect. Send it again with the
    /// same ids; what took effect answers `exists` and takes effect only once. A chain that took
    /// effect whole answers `exists` and then `linked_event_failed`: look its members up before you
    /// believe that it failed. A transfer that failed for a reason that may pass answers
    /// `id_already_failed`.
    ///
    /// Writes of documents, being the first and declarations of tables have no id: this client does
    /// not send them again by itself, and their caller should read before it does.
    #[error("unknown, send it again only with the same ids: {message}")]
    Unknown {
        /// What became of the answer.
        message: String,
    },
}

/// Something that a connection needs and that can't be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConnectError {
    /// No certificates of authorities.
    #[error("the authorities to trust can't be used: {0}; give a PEM file with their certificates")]
    Authority(String),
    /// No name that a certificate could have.
    #[error("`{0}` is no name of a server: give a DNS name or an IP address")]
    ServerName(String),
    /// No ed25519 key.
    #[error(
        "that is no private ed25519 key in PEM (PKCS #8): {0}; `florin keys generate` makes one"
    )]
    SecretKey(String),
    /// The system gives no randomness.
    #[error("the system gives no randomness: {0}")]
    Randomness(String),
}
