//! Every limit of the client that is not an option.

use std::time::Duration;

/// Requests taken at once for one write.
pub(crate) const REQUESTS_PER_WRITE_MAX: usize = 64;
/// Bytes of small requests gathered before they are written although more requests wait.
pub(crate) const WRITE_BYTES: usize = 64 << 10;
/// Bodies up to here are copied next to their headers, to save writes; larger ones are written
/// from where they lie.
pub(crate) const BODY_BYTES_COPIED_MAX: usize = 16 << 10;
/// Bytes that a connection's read buffer has when it is idle.
pub(crate) const READ_BUFFER_BYTES: usize = 16 << 10;
/// Longest pause before the first retry; it doubles with each.
pub(crate) const BACKOFF_FIRST: Duration = Duration::from_millis(10);
/// Longest pause before any retry.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// A connection that owes an answer and has said nothing for so long is given up; or for half of
/// the usual deadline, if that is longer.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(5);
/// How long a server is asked to wait for a position at once: well below the silence after which it is
/// given up.
pub(crate) const AWAIT_PATIENCE_MAX: Duration = Duration::from_secs(2);
/// Servers of one ledger that may be named.
pub(crate) const ADDRESSES_MAX: usize = 16;
/// How long, once a primary has answered, others are waited for that may claim to be it, too.
pub(crate) const RIVAL_PATIENCE: Duration = Duration::from_millis(200);
/// Bytes of a stream that a server may send ahead of its reader.
pub(crate) const STREAM_WINDOW_BYTES: usize = 8 << 20;
/// Bytes of a stream that its reader has taken before more are granted.
pub(crate) const STREAM_GRANT_BYTES: usize = STREAM_WINDOW_BYTES / 8;
/// Bytes of a commit's items, as a consumer gathers them. A commit is smaller.
pub(crate) const COMMIT_ITEMS_BYTES_MAX: usize = 8 << 20;
/// Reads of history that an embedded engine answers at the same time.
#[cfg(feature = "embedded")]
pub(crate) const READS_AT_ONCE_MAX: usize = 16;
/// Bytes of one batch of an embedded engine's stream.
#[cfg(feature = "embedded")]
pub(crate) const STREAM_BATCH_BYTES_MAX: usize = 512 << 10;
