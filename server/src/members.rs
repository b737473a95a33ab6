//! What all connections of one key share: how many they are, and how fast they may ask.

use crate::key::ClientKey;
use crate::limits::{KEY_CONNECTIONS_MAX, KEYS_REMEMBERED_MAX};
use crate::rate::Meter;
use florin_wire::PublicKey;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The keys that have connections, or had.
#[derive(Clone, Default, Debug)]
pub(crate) struct Members(Arc<Mutex<HashMap<PublicKey, Member>>>);

#[derive(Default, Debug)]
struct Member {
    connections_count: u32,
    requests: Meter,
    bytes: Meter,
}

/// One connection of a key; dropping it gives its place back.
#[derive(Debug)]
pub(crate) struct Membership {
    members: Members,
    key: Arc<ClientKey>,
}

impl Members {
    /// A place for one more connection of a key, or the number that it has already.
    pub(crate) fn enter(&self, key: &Arc<ClientKey>) -> Result<Membership, u32> {
        let mut members = self.lock();
        if KEYS_REMEMBERED_MAX <= members.len() && !members.contains_key(&key.key) {
            members.retain(|_, member| 0 < member.connections_count);
        }
        let member = members.entry(key.key).or_default();
        let connections_max = key.limits.connections_max.unwrap_or(KEY_CONNECTIONS_MAX);
        if connections_max <= member.connections_count {
            return Err(member.connections_count);
        }
        member.connections_count += 1;
        Ok(Membership { members: self.clone(), key: Arc::clone(key) })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PublicKey, Member>> {
        // Every change under the lock is whole, so a panic elsewhere left nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Membership {
    pub(crate) fn key(&self) -> &Arc<ClientKey> {
        &self.key
    }

    /// Counts a request against what the key may ask; if that is too much already, how long to
    /// wait, and the request is not counted.
    pub(crate) fn admit(&self, bytes: usize, now: Instant) -> Result<(), Duration> {
        let limits = &self.key.limits;
        let requests_rate = limits.requests_per_second.map(|rate| u64::from(rate.get()));
        let bytes_rate = limits.bytes_per_second.map(std::num::NonZeroU64::get);
        if requests_rate.is_none() && bytes_rate.is_none() {
            return Ok(());
        }
        let mut members = self.members.lock();
        let member = members.entry(self.key.key).or_default();
        let requests_wait = requests_rate.and_then(|_| member.requests.wait(now));
        let bytes_wait = bytes_rate.and_then(|_| member.bytes.wait(now));
        if let Some(wait) = requests_wait.max(bytes_wait) {
            return Err(wait);
        }
        let bytes = u64::try_from(bytes).expect("a frame's length fits 64 bits");
        if let Some(rate) = requests_rate {
            member.requests.take(1, rate, now);
        }
        if let Some(rate) = bytes_rate {
            member.bytes.take(bytes, rate, now);
        }
        Ok(())
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut members = self.members.lock();
        let member = members.get_mut(&self.key.key).expect("a key with connections is remembered");
        member.connections_count -= 1;
    }
}
