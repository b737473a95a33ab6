//! What a node has promised, whom it hears, and whether it decides.
//!
//! - A promise is durable before it is given. It comes before a batch of frames or after it, never between a
//!   frame that is taken and the end that is told with the promise.
//! - Who decides and promises another term tells nobody anything more from then on.

use super::{Group, Term};
use crate::disk::Disk;
use crate::driver::promise::stopped;
use crate::driver::release::Release;
use crate::error::{Error, ErrorKind};
use crate::following::mark::{MarkState, StandbyMark};
use crate::opening::random_u128;
use florin_ledger::Lsn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

/// Shared by whoever takes frames, ships them, asks for promises, and the engine.
pub(crate) struct Allegiance {
    /// `None` once the database was closed: it holds the data directory open.
    disk: Mutex<Option<Arc<dyn Disk>>>,
    state: Mutex<State>,
    /// As the file says, for whoever must not wait for frames.
    told: Mutex<NodeStanding>,
    /// Held while the group is changed.
    change: Mutex<()>,
    /// Of one that decides the group, once it was read: no other changes it.
    group: Mutex<Option<Option<Group>>>,
}

struct State {
    /// `None`: of one that decides and was never in a group.
    mark: Option<StandbyMark>,
    /// Heard although a higher term was promised: by who promised it to itself, and fetches what it lacks.
    fetched: Option<Term>,
    /// Whom the last promise was given to, since this was opened.
    candidate: Option<u128>,
    deposed: Deposed,
}

enum Deposed {
    NotYet(Option<Box<dyn FnOnce() + Send>>),
    Yes,
}

/// How a node stands to those that may decide.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NodeStanding {
    /// Names its directory; zero as long as it has no part in replication.
    pub node: u128,
    /// Its log is a beginning of that of this term's primary.
    pub term: Term,
    /// It hears no lower one.
    pub promised: Term,
    /// Whether it must be found the same as its primary before it acknowledges anything.
    pub must_compare: bool,
    /// The node that it gave its last promise to, since it was opened, if it knows.
    pub candidate: Option<u128>,
}

/// A node's answer to whoever wants to be promoted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Promised {
    /// Whether it hears no lower term from now on. If not, it has promised this one or a higher one before.
    pub is_granted: bool,
    /// What it has promised.
    pub promised: Term,
    /// Its log is a beginning of that of this term's primary.
    pub term: Term,
    /// All that it ever acknowledged lies before it, durably.
    pub end: Lsn,
    /// Names its directory.
    pub node: u128,
}

/// Frames may be taken as long as it is held.
pub(crate) struct Hearing<'a>(#[expect(dead_code, reason = "held")] MutexGuard<'a, State>);

impl Allegiance {
    pub(crate) fn new(disk: Arc<dyn Disk>, mark: Option<StandbyMark>) -> Allegiance {
        let told = Mutex::new(standing(mark.as_ref(), None));
        Allegiance {
            disk: Mutex::new(Some(disk)),
            told,
            state: Mutex::new(State {
                mark,
                fetched: None,
                candidate: None,
                deposed: Deposed::NotYet(None),
            }),
            change: Mutex::new(()),
            group: Mutex::new(None),
        }
    }

    /// The term of the log.
    pub(crate) fn term(&self) -> Term {
        self.standing().term
    }

    /// The term of one that decides, and whether it was promoted by force.
    pub(crate) fn reign(&self) -> (Term, bool) {
        self.lock().mark.as_ref().map_or((Term::NONE, false), |mark| (mark.term, mark.is_forced))
    }

    /// The group of one that decides; `None` if it was not read.
    pub(super) fn known_group(&self) -> Option<Option<Group>> {
        self.group.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// It decides, and this is its group.
    pub(super) fn know_group(&self, group: Option<Group>) {
        *self.group.lock().unwrap_or_else(PoisonError::into_inner) = Some(group);
    }

    /// The right to change the group; `None` if somebody has it.
    pub(crate) fn begin_change(&self) -> Option<MutexGuard<'_, ()>> {
        match self.change.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Names the directory; a name is given durably to one that has none.
    pub(crate) fn node(&self) -> Result<u128, Error> {
        let mut state = self.lock();
        self.marked(&mut state).map(|mark| mark.node)
    }

    /// How it stands, as the file says. Waits for nothing.
    pub(crate) fn standing(&self) -> NodeStanding {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether what this node has may be acknowledged. Waits for nothing.
    pub(crate) fn may_acknowledge(&self) -> bool {
        !self.standing().must_compare
    }

    /// Hears a primary of a term, whose log is known to have this one's end. What it says is taken while the
    /// answer is held. A higher term than before is on record first.
    ///
    /// # Errors
    /// [`ErrorKind::Fenced`] for a term lower than what was promised; [`ErrorKind::Invalid`] for one that can't have
    /// come about; as writing the file.
    pub(crate) fn hear(&self, term: Term) -> Result<Hearing<'_>, Error> {
        let mut state = self.lock();
        let (own, promised) = terms(state.mark.as_ref());
        if term < promised && state.fetched != Some(term) {
            return Err(Error::new(
                ErrorKind::Fenced,
                format!(
                    "the primary is of term {term}, and this node has promised term {promised}: a later \
                         primary was, or is being, promoted"
                ),
            ));
        }
        if own < term {
            promised.check_after(term)?;
            let mut mark = self.marked(&mut state)?;
            (mark.term, mark.promised) = (term, promised.max(term));
            self.write(&mut state, mark)?;
        }
        Ok(Hearing(state))
    }

    /// Hears this term until the next promise, though a higher one was promised.
    pub(crate) fn fetch_from(&self, term: Term) {
        self.lock().fetched = Some(term);
    }

    /// Promises to hear no lower term than this from now on; one that decides tells nobody anything more.
    /// `candidate` wants to decide in it, if anybody is known to; `release` is of the database.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a term that can't have come about; as writing the file: then nothing is promised,
    /// and nothing told all the same.
    pub(crate) fn promise(
        &self,
        term: Term,
        candidate: Option<u128>,
        release: &Release,
    ) -> Result<Promised, Error> {
        let mut state = self.lock();
        let mut mark = self.marked(&mut state)?;
        let is_granted = mark.promised < term;
        let mut deposed = None;
        let mut written = Ok(());
        if is_granted {
            mark.promised.check_after(term)?;
            state.fetched = None;
            state.candidate = candidate;
            if mark.state == MarkState::Decides {
                // First: what is told after the end is read would be missing in it.
                deposed = Some((release.depose(), state.depose()));
            }
            mark.promised = term;
            written = self.write(&mut state, mark.clone());
        }
        let end = release.synced().get();
        // Whoever is told now may ask something of this node.
        drop(state);
        if let Some((given_up, callback)) = deposed {
            drop(given_up);
            if let Some(callback) = callback {
                callback();
            }
        }
        written?;
        let StandbyMark { promised, term, node, .. } = mark;
        Ok(Promised { is_granted, promised, term, end, node })
    }

    /// Calls `deposed` once this node, which decides, has promised another term: it is a standby then.
    pub(crate) fn on_deposed(&self, deposed: impl FnOnce() + Send + 'static) {
        let mut state = self.lock();
        match &mut state.deposed {
            Deposed::NotYet(waiting) => *waiting = Some(Box::new(deposed)),
            Deposed::Yes => {
                drop(state);
                deposed();
            }
        }
    }

    /// The whole state was found to be the primary's.
    pub(crate) fn compared(&self) -> Result<(), Error> {
        let mut state = self.lock();
        match state.mark.clone() {
            Some(mark) if mark.must_compare => {
                self.write(&mut state, StandbyMark { must_compare: false, ..mark })
            }
            _ => Ok(()),
        }
    }

    /// Notes durably that the state at a position is not the primary's.
    ///
    /// # Errors
    /// As writing the file.
    pub(crate) fn differs(&self, at: Lsn) -> Result<(), Error> {
        let mut state = self.lock();
        let mark = self.marked(&mut state)?;
        self.write(&mut state, StandbyMark { state: MarkState::Differs(at), ..mark })
    }

    /// An epoch of the node's term is in the log.
    pub(crate) fn begun(&self) -> Result<(), Error> {
        let mut state = self.lock();
        match state.mark.clone() {
            Some(mark) if mark.begins_term => {
                self.write(&mut state, StandbyMark { begins_term: false, ..mark })
            }
            _ => Ok(()),
        }
    }

    /// Lets go of the data directory: nothing is promised any more.
    pub(crate) fn close(&self) {
        *self.disk.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What the file says; one that decides and has none gets one.
    fn marked(&self, state: &mut MutexGuard<'_, State>) -> Result<StandbyMark, Error> {
        if let Some(mark) = &state.mark {
            return Ok(mark.clone());
        }
        let mark = StandbyMark::new(MarkState::Decides, random_u128()?, "");
        self.write(state, mark.clone())?;
        Ok(mark)
    }

    fn write(&self, state: &mut MutexGuard<'_, State>, mark: StandbyMark) -> Result<(), Error> {
        let disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner).clone();
        mark.write(disk.ok_or_else(stopped)?.as_ref())?;
        let told = standing(Some(&mark), state.candidate);
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = told;
        state.mark = Some(mark);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whoever is to be told that it decides no more.
    fn depose(&mut self) -> Option<Box<dyn FnOnce() + Send>> {
        match std::mem::replace(&mut self.deposed, Deposed::Yes) {
            Deposed::NotYet(callback) => callback,
            Deposed::Yes => None,
        }
    }
}

fn standing(mark: Option<&StandbyMark>, candidate: Option<u128>) -> NodeStanding {
    mark.map_or(NodeStanding::default(), |mark| NodeStanding {
        node: mark.node,
        term: mark.term,
        promised: mark.promised,
        must_compare: mark.must_compare,
        candidate,
    })
}

fn terms(mark: Option<&StandbyMark>) -> (Term, Term) {
    mark.map_or((Term::NONE, Term::NONE), |mark| (mark.term, mark.promised))
}

/// The refusal of a directory that decided, and has promised a later term.
pub(crate) fn deposed(mark: &StandbyMark) -> Error {
    Error::new(
        ErrorKind::Fenced,
        format!(
            "this node was the primary of term {}, and has promised term {}: another was, or is being, \
             promoted; follow that with --follow",
            mark.term, mark.promised
        ),
    )
}
