//! What a proof is asked about.

use crate::commit::CommitId;
use crate::document::DocumentKey;
use crate::id::TransferId;
use crate::position::Position;

/// The record that a proof or receipt is asked about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Subject {
    /// The one that created a transfer, or says that its id has failed.
    Transfer(TransferId),
    /// The one that decided a commit: that it was done, or that it was refused for ever.
    Commit(CommitId),
    /// The one that a document was written by last.
    Document(DocumentKey),
    /// The one at a position: any that readers of the log are told of.
    Position(Position),
}
