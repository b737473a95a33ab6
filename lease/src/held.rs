//! A lease that is held: renewed, and certainly held until a deadline.
//!
//! The one thing that matters: nobody else can get the lease before the deadline.
//!
//! - etcd ends a lease `ttl` after it has taken the last renewal, by its own clock; a new leader of etcd gives
//!   it more time, never less. It takes a renewal after it was sent, so not before the instant that was read
//!   here **before** sending. Up to that instant + `ttl` the lease lives, if both clocks run alike.
//! - They may not: their rates differ by 1% at most on any machine worth its name, and between a look at the
//!   deadline and the act that it allows some time passes. One fifth of `ttl` is given up for both.
//! - A renewal counts only if a quorum then says that the key is still ours: an operator can delete a key whose
//!   lease lives.
//! - It counts only if etcd's leader has not changed meanwhile: renewals are answered without asking a quorum,
//!   also by a leader that was paused and does not know yet that there is another. The quorum's answer names its
//!   leader's term; if the renewal was answered in the same term, that leader was the only one when it was.
//! - The deadline only ever rises, to what a renewal has shown, and falls to zero once, for good.
//!
//! What this can't promise: that nobody pauses a whole machine so that even its clock since start stands
//! still, and that an etcd that has lost its store does not give the lease away again at once.

use crate::error::LeaseError;
use crate::etcd::{Etcd, Granted, Read, Renewed};
use crate::limits::{MARGIN_PER_TTL, RENEWALS_PER_TTL, RETRIES_PER_TTL};
use crate::messages::{Compare, DeleteRangeRequest, PutRequest, Request, TxnRequest};
use crate::record::{Alone, Holder, Keys};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

/// A lease that is held, and renewed by a task. Dropping it gives it up as far as that is possible at once; see
/// [`Held::release`].
pub struct Held {
    tenure: Arc<Tenure>,
    holder: Holder,
    standing: Standing,
    renewing: AbortHandle,
    is_released: bool,
}

/// One life of the key: what it takes to tell it from others, and to act in it.
pub(crate) struct Tenure {
    pub(crate) etcd: Arc<Etcd>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) lease: Granted,
    /// Of the key of the primary.
    pub(crate) create_revision: i64,
    pub(crate) clock: fn() -> Duration,
}

/// How it stands with a lease, for whoever has it and for the task that renews it.
#[derive(Clone)]
struct Standing {
    /// Nanoseconds of the holder's clock; zero: lost, for good.
    deadline: Arc<AtomicU64>,
    /// Why it was lost.
    lost: watch::Sender<Option<String>>,
}

impl Held {
    /// Goes on with a lease that was asked for at an instant and taken.
    pub(crate) fn begin(tenure: Tenure, holder: Holder, asked_at: Duration) -> Held {
        let tenure = Arc::new(tenure);
        let deadline = deadline_ns(asked_at, tenure.lease.ttl);
        let standing = Standing {
            deadline: Arc::new(AtomicU64::new(deadline)),
            lost: watch::Sender::new(None),
        };
        let renewing = tokio::spawn(keep_renewing(Arc::clone(&tenure), standing.clone()));
        let renewing = renewing.abort_handle();
        Held { tenure, holder, standing, renewing, is_released: false }
    }

    /// Until when the lease is certainly held, in nanoseconds of the clock that [`Coordination::acquire`]
    /// was given; zero once it is lost. Whatever rests on the lease looks at that clock, then at this, and is
    /// allowed while the clock shows less: before each act, since the next deadline may never come.
    ///
    /// [`Coordination::acquire`]: crate::Coordination::acquire
    #[must_use]
    pub fn deadline(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.standing.deadline)
    }

    /// Why it was lost, once it is; await the change.
    #[must_use]
    pub fn lost(&self) -> watch::Receiver<Option<String>> {
        self.standing.lost.subscribe()
    }

    /// Who has it: what it was taken as, or announced since.
    #[must_use]
    pub fn holder(&self) -> &Holder {
        &self.holder
    }

    /// Says anew who has it: in which term, where it listens.
    ///
    /// # Errors
    /// [`LeaseError::NotHeld`] if it is not ours any more; otherwise as it says.
    pub async fn announce(&mut self, holder: Holder) -> Result<(), LeaseError> {
        let (key, lease) = (&self.tenure.keys.primary, self.tenure.lease.id);
        let put = PutRequest { key: key.clone().into(), value: holder.to_value()?, lease };
        if !self.change(Vec::new(), Request::Put(put)).await? {
            return Err(self.not_ours("the key is somebody else's"));
        }
        self.holder = holder;
        Ok(())
    }

    /// Puts on record that from a position of the log on the holder confirms what no standby has. Returns when
    /// a quorum of etcd has it: only then confirm anything so. It stays when the lease is lost.
    ///
    /// # Errors
    /// [`LeaseError::NotHeld`] if the lease is not ours any more: nothing was written.
    /// [`LeaseError::Unreachable`] if it may have been, or may yet be.
    pub async fn mark_alone(&self, position: u64) -> Result<(), LeaseError> {
        let Holder { node, term, .. } = self.holder;
        let value = Alone { node, term, position }.to_value();
        let put = PutRequest { key: self.tenure.keys.alone.clone().into(), value, lease: 0 };
        if self.change(Vec::new(), Request::Put(put)).await? {
            return Ok(());
        }
        Err(self.not_ours("the key is somebody else's"))
    }

    /// Takes back what [`Held::mark_alone`] put on record, whoever did: the standbys have caught up. Fine if
    /// nothing is on record. One that is late takes nothing back that was put on record after it.
    ///
    /// # Errors
    /// [`LeaseError::NotHeld`] if the lease is not ours any more: nothing was taken back.
    /// [`LeaseError::Refused`] if something was put on record meanwhile. [`LeaseError::Unreachable`] if it may
    /// have been taken back, or may yet be.
    pub async fn clear_alone(&self) -> Result<(), LeaseError> {
        let key = &self.tenure.keys.alone;
        if let Some(found) = self.tenure.etcd.read(key).await?.found {
            let delete = DeleteRangeRequest { key: key.clone().into() };
            let unchanged = vec![Compare::written_at(key, found.mod_revision)];
            if self.change(unchanged, Request::DeleteRange(delete)).await? {
                return Ok(());
            }
        }
        self.tenure.check().await.inspect_err(|error| self.note(error))?;
        match self.tenure.etcd.read(key).await?.found {
            None => Ok(()),
            Some(_) => {
                let message = format!("the key `{key}` was written meanwhile: look again");
                Err(LeaseError::Refused(message))
            }
        }
    }

    /// Gives it up at once, so that another can have it. Whatever rests on it must have ended before. Without
    /// an answer it ends by itself, after its time at most.
    ///
    /// # Errors
    /// As it says; it is given up all the same.
    pub async fn release(mut self) -> Result<(), LeaseError> {
        self.is_released = true;
        self.end();
        self.tenure.etcd.revoke(self.tenure.lease.id).await
    }

    /// Changes something if the lease is ours, and what is compared holds.
    async fn change(&self, more: Vec<Compare>, change: Request) -> Result<bool, LeaseError> {
        if self.standing.is_lost() {
            return Err(LeaseError::NotHeld(String::from("it was lost before")));
        }
        let mut compare = self.tenure.is_ours();
        compare.extend(more);
        let transaction = TxnRequest { compare, success: vec![change.into()], failure: Vec::new() };
        Ok(self.tenure.etcd.transact(transaction).await?.succeeded)
    }

    fn not_ours(&self, reason: &str) -> LeaseError {
        let error = LeaseError::NotHeld(String::from(reason));
        self.note(&error);
        error
    }

    fn note(&self, error: &LeaseError) {
        if let LeaseError::NotHeld(reason) = error {
            self.standing.lose(reason);
        }
    }

    fn end(&self) {
        self.standing.lose("it was given up");
        self.renewing.abort();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.is_released {
            self.end();
            self.tenure.revoke_soon();
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Held { holder, standing, .. } = self;
        let deadline = &standing.deadline;
        f.debug_struct("Held")
            .field("holder", holder)
            .field("deadline", deadline)
            .finish_non_exhaustive()
    }
}

impl Standing {
    /// `false` if it was lost before.
    fn extend(&self, deadline_ns: u64) -> bool {
        let risen = |before: u64| (before != 0).then(|| before.max(deadline_ns));
        // Relaxed: the number guards no other memory.
        self.deadline.fetch_update(Ordering::Relaxed, Ordering::Relaxed, risen).is_ok()
    }

    fn lose(&self, reason: &str) {
        self.deadline.store(0, Ordering::Relaxed);
        self.lost.send_if_modified(|lost| {
            let is_first = lost.is_none();
            lost.get_or_insert_with(|| String::from(reason));
            is_first
        });
    }

    fn is_lost(&self) -> bool {
        self.deadline.load(Ordering::Relaxed) == 0
    }

    /// How long it is certainly held yet.
    fn left(&self, now: Duration) -> Duration {
        let deadline = Duration::from_nanos(self.deadline.load(Ordering::Relaxed));
        deadline.saturating_sub(now)
    }
}

impl Tenure {
    /// What holds while the lease is ours.
    fn is_ours(&self) -> Vec<Compare> {
        let key = &self.keys.primary;
        vec![
            Compare::created_at(key, self.create_revision),
            Compare::attached_to(key, self.lease.id),
        ]
    }

    /// That the key is ours; returns in which term of etcd's leader a quorum says so.
    async fn check(&self) -> Result<u64, LeaseError> {
        let key = &self.keys.primary;
        let Read { raft_term, found, .. } = self.etcd.read(key).await?;
        let why = match found {
            None => "is gone",
            Some(found) if found.lease != self.lease.id => "is not attached to it",
            Some(found) if found.create_revision != self.create_revision => "was made anew",
            Some(_) => return Ok(raft_term),
        };
        Err(LeaseError::NotHeld(format!("the key `{key}` {why}")))
    }

    /// Renews it; returns for how long, counted from any instant before this was called.
    async fn renew(&self) -> Result<Duration, LeaseError> {
        let Some(renewed) = self.etcd.renew(self.lease.id).await? else {
            return Err(LeaseError::NotHeld(String::from("etcd has ended it")));
        };
        counted(renewed, self.check().await?)
    }

    /// Ends it in the background, if that can be done.
    pub(crate) fn revoke_soon(&self) {
        let (etcd, id) = (Arc::clone(&self.etcd), self.lease.id);
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = etcd.revoke(id).await {
                    debug!(%error, "a lease was not given up and ends by itself");
                }
            });
        }
    }
}

/// For how long a lease was renewed, if the renewal is that of the leader for which a quorum spoke after it.
fn counted(renewed: Renewed, raft_term: u64) -> Result<Duration, LeaseError> {
    if renewed.raft_term == raft_term {
        return Ok(renewed.ttl);
    }
    let before = renewed.raft_term;
    let message = format!("its leader changed during a renewal, from term {before} to {raft_term}");
    Err(LeaseError::Unreachable(message))
}

/// Up to when a lease is relied on that was asked for at an instant.
fn deadline_ns(asked_at: Duration, ttl: Duration) -> u64 {
    let deadline = asked_at + (ttl - ttl / MARGIN_PER_TTL);
    u64::try_from(deadline.as_nanos()).expect("no machine runs for five centuries")
}

/// Renews a lease until it is lost.
async fn keep_renewing(tenure: Arc<Tenure>, standing: Standing) {
    let Tenure { lease, clock, .. } = *tenure;
    let mut pause = lease.ttl / RENEWALS_PER_TTL;
    let mut trouble = String::from("no renewal came about in time");
    while !standing.left(clock()).is_zero() {
        sleep(pause.min(standing.left(clock()))).await;
        let asked_at = clock();
        let Ok(renewed) = timeout(standing.left(asked_at), tenure.renew()).await else { continue };
        match renewed {
            Ok(ttl) if standing.extend(deadline_ns(asked_at, ttl.min(lease.ttl))) => {
                pause = lease.ttl / RENEWALS_PER_TTL;
            }
            Ok(_) => return,
            Err(LeaseError::NotHeld(reason)) => {
                trouble = reason;
                break;
            }
            Err(error) => {
                warn!(%error, "the lease was not renewed, and is tried again");
                trouble = error.to_string();
                pause = lease.ttl / RETRIES_PER_TTL;
            }
        }
    }
    standing.lose(&trouble);
    tenure.revoke_soon();
}

#[cfg(test)]
mod tests {
    use super::{Standing, counted, deadline_ns};
    use crate::error::LeaseError;
    use crate::etcd::Renewed;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;
    use std::time::Duration;
    use tokio::sync::watch;

    const SECOND_NS: u64 = 1_000_000_000;

    /// A deadline that rises again after the lease was given up lets two decide.
    #[test]
    fn a_deadline_rises_until_it_falls_for_good() {
        let standing =
            Standing { deadline: Arc::new(AtomicU64::new(10)), lost: watch::Sender::new(None) };
        assert!(standing.extend(12));
        assert!(standing.extend(11));
        assert_eq!(standing.left(Duration::from_nanos(5)), Duration::from_nanos(7));
        assert_eq!(standing.left(Duration::from_nanos(13)), Duration::ZERO);
        standing.lose("first");
        standing.lose("second");
        assert_eq!(standing.lost.borrow().as_deref(), Some("first"));
        assert!(!standing.extend(20));
        assert!(standing.is_lost());
        assert_eq!(standing.left(Duration::ZERO), Duration::ZERO);
    }

    /// A leader of etcd that was paused renews what its successor, which it does not know of, will end.
    #[test]
    fn what_a_leader_of_before_renewed_does_not_count() {
        let ttl = Duration::from_secs(10);
        assert_eq!(counted(Renewed { ttl, raft_term: 4 }, 4), Ok(ttl));
        let counted = counted(Renewed { ttl, raft_term: 4 }, 5);
        assert!(matches!(counted, Err(LeaseError::Unreachable(_))), "{counted:?}");
    }

    #[test]
    fn a_fifth_of_a_life_is_not_relied_on() {
        let ten = Duration::from_secs(10);
        assert_eq!(deadline_ns(Duration::from_secs(100), ten), 108 * SECOND_NS);
        assert_eq!(deadline_ns(Duration::ZERO, Duration::from_secs(2)), 1_600_000_000);
    }
}
