//! The durable position: the only state that threads share while the engine runs. It rises, and
//! whoever reads it may rely on everything before it.

use florin_ledger::Lsn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError, RwLock};
use std::time::Duration;

/// How far the log is durable, and whether it will ever be durable further.
#[derive(Default)]
pub(crate) struct Durable {
    position: AtomicU64,
    failed: AtomicBool,
    /// Guards nothing but the wait: the position is stored before the lock is taken to notify.
    waiting: Mutex<()>,
    risen: Condvar,
    /// Told of every rise, by the log thread.
    watchers: RwLock<Vec<Watcher>>,
}

type Watcher = Box<dyn Fn() + Send + Sync>;

impl Durable {
    pub(crate) fn new(position: Lsn) -> Durable {
        Durable { position: AtomicU64::new(position.0), ..Durable::default() }
    }

    /// Everything before this is durable.
    pub(crate) fn get(&self) -> Lsn {
        Lsn(self.position.load(Ordering::Acquire))
    }

    /// Called by the log thread alone, after a sync that covers everything before `position`.
    pub(crate) fn raise(&self, position: Lsn) {
        let before = self.position.swap(position.0, Ordering::AcqRel);
        assert!(before <= position.0, "the durable position never falls");
        self.notify();
    }

    /// Nothing is known to be so any more, until it is raised again: standbys are demanded that have to say so
    /// first.
    pub(crate) fn take_back(&self) {
        self.position.store(0, Ordering::Release);
    }

    /// A write or sync failed: nothing more will ever be durable.
    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::Release);
        self.notify();
    }

    /// Whether the log has failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Waits until everything before `position` is durable; `false` if it never will be.
    pub(crate) fn wait(&self, position: Lsn) -> bool {
        let guard = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let is_waiting = |(): &mut ()| self.get() < position && !self.has_failed();
        drop(self.risen.wait_while(guard, is_waiting));
        position <= self.get()
    }

    /// Waits until something past `position` is durable, the log has failed, or patience ends.
    pub(crate) fn wait_past(&self, position: Lsn, patience: Duration) {
        let guard = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let is_waiting = |(): &mut ()| self.get() <= position && !self.has_failed();
        drop(self.risen.wait_timeout_while(guard, patience, is_waiting));
    }

    /// Calls `watcher` whenever the position rises or the log fails; on the log's thread, so it
    /// must be quick.
    pub(crate) fn watch(&self, watcher: impl Fn() + Send + Sync + 'static) {
        let mut watchers = self.watchers.write().unwrap_or_else(PoisonError::into_inner);
        watchers.push(Box::new(watcher));
    }

    fn notify(&self) {
        drop(self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        self.risen.notify_all();
        let watchers = self.watchers.read().unwrap_or_else(PoisonError::into_inner);
        watchers.iter().for_each(|watcher| watcher());
    }
}
