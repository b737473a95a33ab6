//! How a call ends that did not get its answer, why a consumer does not go on, and why nobody could
//! be called.

use florin_ledger::Position;
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

/// A named consumer that does not go on.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConsumerError {
    /// Another instance of it has read on. Nothing of what this one sent took effect, nor will
    /// anything else: end it, or drop it and open it anew.
    #[error(
        "another instance of the consumer `{name}` has read on, its cursor has version {version} \
         now: end this one, or open it anew"
    )]
    Fenced {
        /// The consumer's name.
        name: String,
        /// The cursor's version now.
        version: Position,
    },
    /// The document that should hold its cursor holds something else.
    #[error(
        "the document `{name}` of table 2 holds no cursor: write one there, or delete it to begin \
         anew"
    )]
    NotACursor {
        /// The consumer's name.
        name: String,
    },
    /// A call did not get its answer.
    #[error(transparent)]
    Client(#[from] ClientError),
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
