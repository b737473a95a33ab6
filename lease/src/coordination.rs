//! What servers of one ledger agree on in etcd: who decides, and whether it does so alone.

use crate::error::LeaseError;
use crate::etcd::{Etcd, Granted, Read};
use crate::held::{Held, Tenure};
use crate::limits::{RETRY_PAUSE, TTL_MAX, TTL_MIN, WATCH_MAX};
use crate::messages::{
    Compare, KeyValue, PutRequest, RangeRequest, Request, Response, ResponseOp, TxnRequest,
    TxnResponse,
};
use crate::options::CoordinationOptions;
use crate::record::{Alone, Holder, Keys};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// A group of servers of one ledger, in etcd. Clones are the same group.
#[derive(Clone)]
pub struct Coordination {
    etcd: Arc<Etcd>,
    keys: Arc<Keys>,
}

/// What came of wanting the lease.
#[derive(Debug)]
pub enum Acquired {
    /// It is ours.
    Held(Held),
    /// Somebody else has it.
    HeldBy(Holder),
}

impl Coordination {
    /// A group by its name (1 to 64 letters, digits, `-`, `_`, `.`), in the etcd whose members listen at these
    /// addresses (`HOST:PORT`, 1 to 16 of one cluster). The first question connects. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`LeaseError::Invalid`] if something of it can't be used.
    pub fn connect(
        endpoints: &[String],
        group: &str,
        options: &CoordinationOptions,
    ) -> Result<Coordination, LeaseError> {
        let keys = Arc::new(Keys::of(group)?);
        Ok(Coordination { etcd: Arc::new(Etcd::new(endpoints, options)?), keys })
    }

    /// Takes the lease if nobody has it, for `ttl` (2 seconds to an hour, whole seconds), and renews it from
    /// then on. Dropped before it is done, it may have taken the lease, which then ends after `ttl`.
    ///
    /// `clock` says how much time has passed since some instant; [`since_boot`](crate::since_boot) is meant.
    /// It tells the deadline of what is held: see [`Held::deadline`].
    ///
    /// # Errors
    /// [`LeaseError::Unreachable`]: the lease may have been taken and ends after `ttl`, ask again. Otherwise as
    /// it says.
    pub async fn acquire(
        &self,
        holder: &Holder,
        ttl: Duration,
        clock: fn() -> Duration,
    ) -> Result<Acquired, LeaseError> {
        let ttl_s = seconds(ttl)?;
        let value = holder.to_value()?;
        if let Some(other) = self.holder().await? {
            return Ok(Acquired::HeldBy(other));
        }
        // Before etcd begins to count.
        let asked_at = clock();
        let granted = self.etcd.grant(ttl_s).await?;
        // etcd may grant more than was asked for; nothing rests on that.
        let lease = Granted { ttl: granted.ttl.min(ttl), ..granted };
        let tenure = |create_revision| Tenure {
            etcd: Arc::clone(&self.etcd),
            keys: Arc::clone(&self.keys),
            lease,
            create_revision,
            clock,
        };
        match self.put_primary(value, lease.id).await {
            Ok(Put::Ours { create_revision }) => {
                Ok(Acquired::Held(Held::begin(tenure(create_revision), holder.clone(), asked_at)))
            }
            Ok(Put::Theirs(found)) => {
                tenure(found.create_revision).revoke_soon();
                Ok(Acquired::HeldBy(Holder::of_value(&self.keys.primary, &found.value)?))
            }
            Err(error) => {
                tenure(0).revoke_soon();
                Err(error)
            }
        }
    }

    /// Who has the lease.
    ///
    /// # Errors
    /// As it says.
    pub async fn holder(&self) -> Result<Option<Holder>, LeaseError> {
        let found = self.etcd.read(&self.keys.primary).await?.found;
        found.map(|found| Holder::of_value(&self.keys.primary, &found.value)).transpose()
    }

    /// Who began to confirm without its standbys and has not said that they have caught up, also if it has not
    /// the lease any more: whoever else decides may lack what it confirmed.
    ///
    /// # Errors
    /// As it says.
    pub async fn alone(&self) -> Result<Option<Alone>, LeaseError> {
        let found = self.etcd.read(&self.keys.alone).await?.found;
        found.map(|found| Alone::of_value(&self.keys.alone, &found.value)).transpose()
    }

    /// Waits until nobody has the lease, at most for `patience`; whether that is so. Whoever wants it may find
    /// that somebody else was faster.
    ///
    /// # Errors
    /// [`LeaseError::Unreachable`] if etcd could not be asked at the end of that time. Otherwise as it says.
    pub async fn wait_until_free(&self, patience: Duration) -> Result<bool, LeaseError> {
        let until = Instant::now() + patience;
        let mut outcome = Ok(false);
        loop {
            match timeout_at(until, self.etcd.read(&self.keys.primary)).await {
                Ok(Ok(Read { found: None, .. })) => return Ok(true),
                Ok(Ok(Read { revision, .. })) => {
                    outcome = Ok(false);
                    self.watch(revision + 1, until).await;
                }
                Ok(Err(error @ LeaseError::Unreachable(_))) => {
                    outcome = Err(error);
                    let again_at = until.min(Instant::now() + RETRY_PAUSE);
                    sleep(again_at.saturating_duration_since(Instant::now())).await;
                }
                Ok(Err(error)) => return Err(error),
                Err(_) => return outcome,
            }
            if until <= Instant::now() {
                return outcome;
            }
        }
    }

    /// Waits until the lease may have become free since a revision. Whether it has only reading it tells.
    async fn watch(&self, revision: i64, until: Instant) {
        let watch_until = until.min(Instant::now() + WATCH_MAX);
        let watching = self.etcd.await_deletion(&self.keys.primary, revision);
        if let Ok(Err(_)) = timeout_at(watch_until, watching).await {
            // A watch that is refused at once shall not become a flood of reads.
            let again_at = until.min(Instant::now() + RETRY_PAUSE);
            sleep(again_at.saturating_duration_since(Instant::now())).await;
        }
    }

    /// Writes who has the lease, if nobody has it.
    async fn put_primary(&self, value: Vec<u8>, lease: i64) -> Result<Put, LeaseError> {
        let key = &self.keys.primary;
        let put = PutRequest { key: key.clone().into(), value, lease };
        let range = RangeRequest { key: key.clone().into() };
        let transaction = TxnRequest {
            compare: vec![Compare::created_at(key, 0)],
            success: vec![Request::Put(put).into()],
            failure: vec![Request::Range(range).into()],
        };
        let TxnResponse { header, succeeded, responses } = self.etcd.transact(transaction).await?;
        if succeeded {
            return Ok(Put::Ours { create_revision: header.unwrap_or_default().revision });
        }
        match found(responses) {
            // An attempt before, whose answer was lost.
            Some(found) if found.lease == lease => {
                Ok(Put::Ours { create_revision: found.create_revision })
            }
            Some(found) => Ok(Put::Theirs(found)),
            None => Err(LeaseError::Refused(format!("it did not say what the key `{key}` holds"))),
        }
    }
}

/// What came of writing who has the lease.
enum Put {
    Ours { create_revision: i64 },
    Theirs(KeyValue),
}

/// What the only read of a transaction found.
fn found(responses: Vec<ResponseOp>) -> Option<KeyValue> {
    match responses.into_iter().next()?.response? {
        Response::Range(range) => range.kvs.into_iter().next(),
        Response::Put(_) | Response::DeleteRange(_) => None,
    }
}

fn seconds(ttl: Duration) -> Result<i64, LeaseError> {
    let seconds = i64::try_from(ttl.as_secs()).ok();
    let fits = (TTL_MIN..=TTL_MAX).contains(&ttl) && ttl.subsec_nanos() == 0;
    seconds.filter(|_| fits).ok_or_else(|| {
        LeaseError::Invalid(format!(
            "a lease for {ttl:?}: give whole seconds, {} to {}",
            TTL_MIN.as_secs(),
            TTL_MAX.as_secs()
        ))
    })
}

impl fmt::Debug for Coordination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coordination").field("primary", &self.keys.primary).finish_non_exhaustive()
    }
}
