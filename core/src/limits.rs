//! Every limit of the engine. Reaching one is an answer, never a crash or unbounded growth.

/// Events in one request.
pub const BATCH_EVENTS_MAX: usize = 8_190;
/// Requests waiting for the engine; one more is answered `busy`.
pub const QUEUE_REQUESTS_MAX: usize = 16_384;
/// Bytes of batches waiting for the engine; more is answered `busy`.
pub const QUEUE_BYTES_MAX: usize = 64 << 20;
/// Holds that are neither posted, voided nor expired; a batch that could exceed it is answered
/// `busy`.
pub const HOLDS_MAX: usize = 16_000_000;
/// Accounts; slots are `u32`.
pub const ACCOUNTS_MAX: usize = 1 << 31;
