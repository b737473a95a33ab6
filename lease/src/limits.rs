//! Every limit of a lease that is not an option.

use std::time::Duration;

/// Members of etcd that may be named.
pub(crate) const ENDPOINTS_MAX: usize = 16;
/// Bytes of a group's name.
pub(crate) const GROUP_BYTES_MAX: usize = 64;
/// Bytes of a value: far more than anything that is written here.
pub(crate) const VALUE_BYTES_MAX: usize = 4 << 10;
/// Bytes of an answer.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Bytes of the address at which a holder listens.
pub(crate) const ADDRESS_BYTES_MAX: usize = 1 << 10;
/// Shortest life of a lease: etcd counts whole seconds, and looks for what has ended twice in each.
pub(crate) const TTL_MIN: Duration = Duration::from_secs(2);
/// Longest life of a lease: a failover takes as long.
pub(crate) const TTL_MAX: Duration = Duration::from_secs(3_600);
/// A lease is renewed so often in its life.
pub(crate) const RENEWALS_PER_TTL: u32 = 3;
/// After a renewal that failed, the next try comes after so small a part of its life.
pub(crate) const RETRIES_PER_TTL: u32 = 20;
/// The part of its life for which a lease is not relied on: one fifth.
pub(crate) const MARGIN_PER_TTL: u32 = 5;
/// How long a key is watched before it is read again: a watch can be lost without a word.
pub(crate) const WATCH_MAX: Duration = Duration::from_secs(5);
/// Pause before asking again after etcd could not be asked.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_millis(200);
