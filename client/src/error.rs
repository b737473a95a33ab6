//! How a call ends that did not get its answer.

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
    #[error("unknown, send it again with the same ids: {message}")]
    Unknown {
        /// What became of the answer.
        message: String,
    },
}
