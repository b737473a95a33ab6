//! What may leave: answers, and the position that readers and streams see. Without synchronous standbys
//! that is what is durable here; with them, what enough of them have acknowledged too.
//!
//! Invariants:
//! - the released position rises, but for the moment in which standbys are demanded, and never passes what is durable here, nor, at a standby, what is applied;
//! - only standbys that follow now count, each once, however often it connects, and of a group only its nodes; while
//!   the group changes, what the old one and the new one ask for;
//! - once another term was promised, or while the lease may have run out, nothing new is told: what was told before
//!   may be read;
//! - an acknowledgement is a number in a table: whoever brings it waits for no turn of the engine and no
//!   sync, and no sync waits for it.
//!
//! Answers leave on the thread that brings what they waited for: the log thread, or whoever brings an
//! acknowledgement.

use super::durable::Durable;
use super::log_thread::Waiting;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind};
use crate::shipping::{Missing, ReplicaStanding, Synchrony, SynchronyStanding};
use florin_ledger::Lsn;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often the log thread looks whether standbys have been missing for too long.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How near standbys must have come, once they were missing, to be waited for again.
const CAUGHT_UP_BYTES: u64 = 1 << 20;
/// Digests that are remembered for standbys that are behind.
const DIGESTS_MAX: usize = 16;

/// Shared by the log thread, those who bring acknowledgements, and those who ship.
pub(crate) struct Release {
    synced: Arc<Durable>,
    released: Arc<Durable>,
    clock: Arc<dyn Clock>,
    /// Whether what was there when standbys were demanded is not known to be theirs yet: then nothing at all is
    /// told, whatever the engine knows to be durable here.
    is_gated: AtomicBool,
    has_lease: AtomicBool,
    state: Mutex<State>,
    /// Told of acknowledgements.
    acknowledged: Condvar,
}

struct State {
    /// What was durable here when standbys were demanded; `None` once they have it.
    gate: Option<Lsn>,
    /// Of a standby, how far its engine has applied: what it tells is not older.
    applied: Option<Lsn>,
    synchrony: Synchrony,
    /// What was asked for before, as long as nodes of the new group alone may have the change.
    before: Vec<Synchrony>,
    /// Another term was promised: nothing is told any more.
    is_deposed: bool,
    lease: Option<Lease>,
    replicas: BTreeMap<u64, Replica>,
    next_id: u64,
    /// Answers, and the position that must be released before them.
    waiting: VecDeque<(Lsn, Vec<Waiting>)>,
    /// The furthest that enough standbys have acknowledged.
    seen: Lsn,
    /// Since when something has waited for standbys.
    waiting_since: Option<Duration>,
    /// What was durable here when standbys had been missing for too long; `None` while they are not.
    degraded_at: Option<Lsn>,
    /// What was told without standbys until they were waited for again; `None` once they have it.
    told_alone: Option<Lsn>,
    degradations: u64,
    /// Nobody waits for standbys any more: what would is answered that the database stops.
    has_given_up: bool,
    /// What the whole state hashed to, by position.
    digests: VecDeque<(Lsn, [u8; 32])>,
    /// Somebody follows who waits for one.
    wants_digest: bool,
}

/// What whoever decides under a lease may tell.
struct Lease {
    /// Until when it is certainly held: nanoseconds of its clock.
    until: Arc<AtomicU64>,
    clock: fn() -> Duration,
    /// Whether it is on record that answers go without standbys.
    may_be_alone: bool,
    /// Whether they would go, if it were.
    wants_alone: bool,
}

impl Lease {
    fn is_held(&self) -> bool {
        (self.clock)() < Duration::from_nanos(self.until.load(Ordering::Acquire))
    }
}

/// Answers that nobody waits for standbys for: dropped, they say that the database stops.
pub(crate) struct GivenUp(#[expect(dead_code, reason = "held")] VecDeque<(Lsn, Vec<Waiting>)>);

struct Replica {
    node: u128,
    name: String,
    acknowledged: Lsn,
    /// When it said so last.
    heard: Duration,
}

impl Release {
    /// Of a database that is durable so far; `is_standby`: what it tells is what it has applied.
    pub(crate) fn new(synced: Arc<Durable>, clock: Arc<dyn Clock>, is_standby: bool) -> Release {
        let released = Arc::new(Durable::new(synced.get()));
        let state = State {
            gate: None,
            applied: is_standby.then(|| synced.get()),
            synchrony: Synchrony::default(),
            before: Vec::new(),
            is_deposed: false,
            lease: None,
            replicas: BTreeMap::new(),
            next_id: 0,
            waiting: VecDeque::new(),
            seen: Lsn::NONE,
            waiting_since: None,
            degraded_at: None,
            told_alone: None,
            degradations: 0,
            has_given_up: false,
            digests: VecDeque::new(),
            wants_digest: false,
        };
        let (is_gated, state) = (AtomicBool::new(false), Mutex::new(state));
        let (has_lease, acknowledged) = (AtomicBool::new(false), Condvar::new());
        Release { synced, released, clock, is_gated, has_lease, state, acknowledged }
    }

    /// Everything before it is durable here.
    pub(crate) fn synced(&self) -> &Arc<Durable> {
        &self.synced
    }

    /// Everything before it may be told.
    pub(crate) fn released(&self) -> &Arc<Durable> {
        &self.released
    }

    /// Asks for acknowledgements from now on, or for others than before; of what is here already, too: the end
    /// of the log may be what a crash left, that no standby ever had and nobody was told. As long as standbys are not
    /// known to have that, for what was asked `before`, too.
    pub(crate) fn demand(&self, synchrony: Synchrony, before: Vec<Synchrony>) {
        let mut state = self.lock();
        if state.synchrony.standbys < synchrony.standbys || !before.is_empty() {
            state.gate = Some(self.synced.get());
            self.is_gated.store(true, Ordering::Release);
            self.released.take_back();
        }
        state.before = before;
        self.ask_for(state, synchrony);
    }

    /// Asks for others from now on, and until [`Release::demand_alone`] for those before and for `more`, too; none of
    /// them goes missing meanwhile. Gives what is asked for no more then.
    pub(crate) fn demand_too(&self, synchrony: Synchrony, more: Option<Synchrony>) -> Synchrony {
        let mut state = self.lock();
        let before = std::mem::replace(&mut state.synchrony, synchrony.clone());
        let all = [Some(before.clone()), Some(synchrony.clone()), more];
        state.before.extend(all.into_iter().flatten().map(Synchrony::waited_for));
        self.ask_for(state, synchrony);
        before
    }

    /// Asks for these alone.
    pub(crate) fn demand_alone(&self, synchrony: Synchrony) {
        let mut state = self.lock();
        state.before.clear();
        self.ask_for(state, synchrony);
    }

    fn ask_for(&self, mut state: MutexGuard<'_, State>, synchrony: Synchrony) {
        state.synchrony = synchrony;
        if state.degraded_at.take().is_some() {
            state.told_alone = Some(self.synced.get());
        }
        self.look(state);
    }

    /// Nothing is told any more, for good: another may decide. Who waits is answered that the database stops, once
    /// what is given is dropped.
    pub(crate) fn depose(&self) -> GivenUp {
        let mut state = self.lock();
        state.is_deposed = true;
        state.has_given_up = true;
        self.is_gated.store(true, Ordering::Release);
        self.acknowledged.notify_all();
        GivenUp(state.give_up())
    }

    /// Tells nothing new from now on but before this moment, in nanoseconds of a clock; whoever moves it calls
    /// [`Release::look_again`]. What goes without standbys must be on record first ([`Release::allow_alone`]).
    pub(crate) fn hold_lease(&self, until: Arc<AtomicU64>, clock: fn() -> Duration) {
        let mut state = self.lock();
        state.lease = Some(Lease { until, clock, may_be_alone: false, wants_alone: false });
        // Under another lease it is not on record.
        if state.degraded_at.take().is_some() {
            state.told_alone = Some(self.synced.get());
        }
        self.has_lease.store(true, Ordering::Release);
    }

    /// Whether answers would go without standbys, if it were on record.
    pub(crate) fn wants_alone(&self) -> bool {
        self.lock().lease.as_ref().is_some_and(|lease| lease.wants_alone)
    }

    /// It is on record that answers go without standbys, or will not be any more; `false` if they go so now, and it
    /// must stay there.
    pub(crate) fn allow_alone(&self, may: bool) -> bool {
        let mut state = self.lock();
        let is_alone = state.degraded_at.is_some() || state.told_alone.is_some();
        if !may && is_alone {
            return false;
        }
        if let Some(lease) = &mut state.lease {
            (lease.may_be_alone, lease.wants_alone) = (may, false);
        }
        self.look(state);
        true
    }

    /// Whether nothing may be told: standbys have not what was here when they were demanded, or another may decide.
    pub(crate) fn is_gated(&self) -> bool {
        let has_lease = self.has_lease.load(Ordering::Acquire);
        self.is_gated.load(Ordering::Acquire) || (has_lease && !self.lock().may_tell())
    }

    /// Everything up to `end` is durable here; `answers` wait for it to be released.
    pub(crate) fn make(&self, end: Lsn, answers: Vec<Waiting>) {
        if self.synced.get() < end {
            self.synced.raise(end);
        }
        let mut state = self.lock();
        if state.tells_what_is_synced() {
            self.raise(end);
            drop(state);
            return answers.into_iter().for_each(Waiting::release);
        }
        if !answers.is_empty() {
            state.waiting.push_back((end, answers));
        }
        self.look(state);
    }

    /// A standby's engine has applied everything before a position.
    pub(crate) fn apply(&self, position: Lsn) {
        let mut state = self.lock();
        state.applied = Some(position);
        self.look(state);
    }

    /// How far a standby's engine has applied; of whoever decides, what is durable.
    pub(crate) fn applied(&self) -> Lsn {
        self.lock().applied.unwrap_or_else(|| self.synced.get())
    }

    /// Nothing more will be durable: what waits is answered that the engine has stopped.
    pub(crate) fn fail(&self) {
        self.synced.fail();
        self.released.fail();
        self.give_up();
    }

    /// Lets go, as stopped, the answers that wait for standbys now or would later: they may or may not have
    /// taken effect.
    pub(crate) fn give_up(&self) {
        let mut state = self.lock();
        state.has_given_up = true;
        self.look(state);
    }

    /// Whether time alone could release something.
    pub(crate) fn may_degrade(&self) -> bool {
        let state = self.lock();
        state.waiting_since.is_some() && matches!(state.missing(), Missing::Degrade(_))
    }

    /// Releases what may be released by now.
    pub(crate) fn look_again(&self) {
        self.look(self.lock());
    }

    /// A standby follows from now on. It counts once: what an earlier connection of it says does not any more.
    pub(crate) fn join(&self, node: u128, name: &str, acknowledged: Lsn) -> u64 {
        let mut state = self.lock();
        state.replicas.retain(|_, replica| replica.node != node);
        state.next_id += 1;
        let id = state.next_id;
        let (name, heard) = (name.to_owned(), self.clock.elapsed());
        state.replicas.insert(id, Replica { node, name, acknowledged, heard });
        self.look(state);
        self.acknowledged.notify_all();
        id
    }

    /// A standby has everything before a position, durably.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if nothing of it was sent: then it is not a standby of this log.
    pub(crate) fn acknowledge(&self, id: u64, position: Lsn) -> Result<(), Error> {
        let synced = self.synced.get();
        if synced < position {
            let message =
                format!("{position} was acknowledged, and the log is durable only to {synced}");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let heard = self.clock.elapsed();
        let mut state = self.lock();
        if let Some(replica) = state.replicas.get_mut(&id) {
            replica.acknowledged = replica.acknowledged.max(position);
            replica.heard = heard;
            self.look(state);
            self.acknowledged.notify_all();
        }
        Ok(())
    }

    /// Waits until a standby has everything that is durable here; `false` if it does not within `patience`.
    pub(crate) fn await_all_at(&self, node: u128, patience: Duration) -> bool {
        let is_lacking = |state: &mut State| {
            let synced = self.synced.get();
            let has_all = |it: &Replica| it.node == node && synced <= it.acknowledged;
            !state.is_deposed && !state.replicas.values().any(has_all)
        };
        let waited = self.acknowledged.wait_timeout_while(self.lock(), patience, is_lacking);
        let (_state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        !waited.timed_out()
    }

    /// A standby does not follow any more. What was released stays so.
    pub(crate) fn leave(&self, id: u64) {
        self.lock().replicas.remove(&id);
    }

    /// Whether anybody follows.
    pub(crate) fn is_followed(&self) -> bool {
        !self.lock().replicas.is_empty()
    }

    /// Whether it is of a database that follows.
    pub(crate) fn is_standby(&self) -> bool {
        self.lock().applied.is_some()
    }

    /// Somebody follows who acknowledges nothing before the state was found the same.
    pub(crate) fn ask_for_digest(&self) {
        self.lock().wants_digest = true;
    }

    /// Whether somebody asked for one since this was asked last.
    pub(crate) fn take_wish_for_digest(&self) -> bool {
        std::mem::take(&mut self.lock().wants_digest)
    }

    /// Remembers what the whole state hashed to. To be called before anything behind the position is
    /// decided: so no frame behind it is shipped before this is known.
    pub(crate) fn remember_digest(&self, at: Lsn, digest: [u8; 32]) {
        let mut state = self.lock();
        state.digests.push_back((at, digest));
        if DIGESTS_MAX < state.digests.len() {
            state.digests.pop_front();
        }
    }

    /// What the whole state hashed to at a position, if it was asked.
    pub(crate) fn digest_at(&self, at: Lsn) -> Option<[u8; 32]> {
        let state = self.lock();
        state.digests.iter().find(|(lsn, _)| *lsn == at).map(|(_, digest)| *digest)
    }

    /// How it stands.
    pub(crate) fn standing(&self) -> SynchronyStanding {
        let state = self.lock();
        let now = self.clock.elapsed();
        let is_deposed = state.is_deposed;
        let replicas = state.replicas.values().map(|replica| ReplicaStanding {
            node: replica.node,
            name: replica.name.clone(),
            acknowledged: replica.acknowledged,
            silent: now.saturating_sub(replica.heard),
        });
        SynchronyStanding {
            is_deposed,
            synchrony: state.synchrony.clone(),
            is_degraded: state.degraded_at.is_some() || state.told_alone.is_some(),
            degradations: state.degradations,
            waiting: state.waiting_since.map(|since| now.saturating_sub(since)),
            synced: self.synced.get(),
            released: self.released.get(),
            replicas: replicas.collect(),
        }
    }

    /// Releases what may be released, and lets the answers go that waited for it.
    fn look(&self, mut state: MutexGuard<'_, State>) {
        let synced = self.synced.get();
        let now = self.clock.elapsed();
        if !state.may_tell() {
            let given_up = state.give_up();
            drop(state);
            return drop(given_up);
        }
        let acknowledged = state.acknowledged().min(synced);
        if state.degraded_at.is_some_and(|at| at <= acknowledged)
            && synced.0 - acknowledged.0 <= CAUGHT_UP_BYTES
        {
            state.degraded_at = None;
            // Answers wait again, and what was told meanwhile is still on this machine alone.
            state.told_alone = Some(self.released.get());
        }
        if state.told_alone.is_some_and(|told| told <= acknowledged) {
            state.told_alone = None;
        }
        let has_come = state.seen < acknowledged;
        state.seen = state.seen.max(acknowledged);
        if acknowledged == synced || state.degraded_at.is_some() {
            state.waiting_since = None;
        } else if has_come || state.waiting_since.is_none() {
            state.waiting_since = Some(now);
        } else if let (Missing::Degrade(patience), Some(since)) =
            (state.missing(), state.waiting_since)
            && patience <= now.saturating_sub(since)
            && state.may_be_alone()
        {
            state.degraded_at = Some(synced);
            state.degradations += 1;
            state.waiting_since = None;
        }
        let position = if state.degraded_at.is_some() { synced } else { acknowledged };
        let mut left = Vec::new();
        while state.waiting.front().is_some_and(|(end, _)| *end <= position) {
            left.extend(state.waiting.pop_front());
        }
        let given_up = state.give_up();
        // Under the lock, so that it rises in order; what hears of it asks nothing here.
        // As long as standbys have not what was here when they were demanded, nothing of it is told.
        if state.gate.is_none_or(|gate| gate <= position) {
            self.raise(position.min(state.applied.unwrap_or(position)));
        }
        if state.gate.is_some_and(|gate| gate <= position) {
            state.gate = None;
            state.before.clear();
            self.is_gated.store(false, Ordering::Release);
        }
        drop(state);
        drop(given_up);
        left.into_iter().flat_map(|(_, answers)| answers).for_each(Waiting::release);
    }

    fn raise(&self, position: Lsn) {
        if self.released.get() < position {
            self.released.raise(position);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether what is durable here may be told at once.
    fn tells_what_is_synced(&self) -> bool {
        let asks_for_none = self.synchrony.standbys == 0 && self.before.is_empty();
        asks_for_none && self.applied.is_none() && !self.is_deposed && self.lease.is_none()
    }

    /// Whether anything may be told: nobody else can decide now.
    fn may_tell(&self) -> bool {
        !self.is_deposed && self.lease.as_ref().is_none_or(Lease::is_held)
    }

    /// Whether answers may go without standbys, as they now would.
    fn may_be_alone(&mut self) -> bool {
        let Some(lease) = &mut self.lease else { return true };
        lease.wants_alone = !lease.may_be_alone;
        lease.may_be_alone
    }

    /// The answers that nobody waits for standbys for.
    fn give_up(&mut self) -> VecDeque<(Lsn, Vec<Waiting>)> {
        if self.has_given_up { std::mem::take(&mut self.waiting) } else { VecDeque::new() }
    }

    /// What enough standbys have; everything, if none is asked for.
    fn acknowledged(&self) -> Lsn {
        let acknowledged = |synchrony| self.acknowledged_by(synchrony);
        self.asked().map(acknowledged).min().expect("something is asked for")
    }

    /// All that is asked for.
    fn asked(&self) -> impl Iterator<Item = &Synchrony> {
        self.before.iter().chain([&self.synchrony])
    }

    /// What happens while standbys are missing: answers go without them only if all that is asked for lets them.
    fn missing(&self) -> Missing {
        let longest = |one, synchrony: &Synchrony| match (one, synchrony.missing) {
            (Missing::Degrade(one), Missing::Degrade(other)) => Missing::Degrade(one.max(other)),
            _ => Missing::Wait,
        };
        self.asked().fold(Missing::Degrade(Duration::ZERO), longest)
    }

    fn acknowledged_by(&self, synchrony: &Synchrony) -> Lsn {
        let Some(last) = usize::try_from(synchrony.standbys).unwrap_or(usize::MAX).checked_sub(1)
        else {
            return Lsn(u64::MAX);
        };
        let counts =
            |node: &u128| synchrony.nodes.as_ref().is_none_or(|nodes| nodes.contains(node));
        let replicas = self.replicas.values().filter(|replica| counts(&replica.node));
        let mut positions: Vec<Lsn> = replicas.map(|replica| replica.acknowledged).collect();
        positions.sort_unstable_by(|one, other| other.cmp(one));
        positions.get(last).copied().unwrap_or(Lsn::NONE)
    }
}
