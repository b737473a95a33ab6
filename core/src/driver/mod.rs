//! The driver: the threads that act on what the pure engine decides, and what connects them.
//!
//! ```text
//! callers -> Inbox -> engine thread -> turns -> log thread -> replies
//!                      |    ^                     |
//!                      |    +---- RoomAhead ------+-- preparer thread
//!                      +-> jobs -> background thread (runs, merges, checkpoints)
//! scrubber thread -> Inbox, as any reader
//! ```
//!
//! Of a standby there is neither log thread nor preparer: whoever has the connection puts frames that are
//! durable here into the [`intake`], and the engine applies them. What waits for standbys waits in
//! [`release`], and leaves on the thread that brings their acknowledgement.
//!
//! Who waits for whom, and never the other way round: the engine for the preparer and for the log
//! thread (when too many turns are queued); the background thread for the durable position. Nobody
//! waits for a reply's receiver or a reader, nor, but at a close, for the background thread.

pub(crate) mod background;
pub(crate) mod backstage;
pub(crate) mod durable;
pub(crate) mod engine_thread;
pub(crate) mod inbox;
pub(crate) mod intake;
pub(crate) mod log_thread;
pub(crate) mod promise;
mod read_ahead;
pub(crate) mod release;
pub(crate) mod room;
mod threads;

pub(crate) use threads::{Role, Running, RunningParts, Threads, Watching};
