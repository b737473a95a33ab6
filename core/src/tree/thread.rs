//! The thread that builds the tree.

use super::Tree;
use super::builder::{Builder, is_passing};
use crate::driver::durable::Durable;
use crate::error::{Error, ErrorKind};
use crate::event::{Event, Observer};
use rustix::process::nice;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{Builder as ThreadBuilder, JoinHandle, panicking};
use std::time::Duration;

/// How much it gives way: commits go first, and it still has its share of a processor that is busy.
const TREE_NICE: i32 = 10;
/// After it has come to the end of the log it lets so much time pass: one look at many small frames costs
/// less than a look at each.
const PAUSE: Duration = Duration::from_millis(10);
/// How long it is patient with a full queue.
const PATIENCE: Duration = Duration::from_millis(1);
/// How often it looks for tiles that are wanted while the log stands still.
const LOOK: Duration = Duration::from_millis(100);
/// How long it leaves a disk alone that has refused.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The running thread, and what ends it.
pub(crate) struct TreeThread {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl TreeThread {
    /// Begins to build.
    pub(crate) fn start(tree: Arc<Tree>, observer: Observer) -> io::Result<TreeThread> {
        let (stop, stopping) = mpsc::channel();
        let named = ThreadBuilder::new().name(String::from("florin-tree"));
        let thread = named.spawn(move || {
            // Of this thread alone; where it can't be, it is as urgent as the others.
            let _ = nice(TREE_NICE);
            let _ending = Ending { tree: &tree, observer: &observer };
            run(&tree, &observer, &stopping);
        })?;
        Ok(TreeThread { stop, thread })
    }

    /// Waits for its end. The log must have been closed: a thread that waits for more hears of that.
    pub(crate) fn join(self) {
        drop(self.stop);
        // A defect in it was told when it happened ([`Ending`]).
        drop(self.thread.join());
    }
}

/// Tells all who wait that nothing moves any more, however the thread ends.
struct Ending<'a> {
    tree: &'a Tree,
    observer: &'a Observer,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.tree.end();
        if panicking() {
            self.tree.is_stuck.store(true, Ordering::Relaxed);
            let message = "a defect ended the thread that builds the tree of proofs: no head or proof is \
                           given any more before the database is opened again; the ledger goes on";
            self.observer.tell(&Event::TreeStuck(Error::new(ErrorKind::Stopped, message)));
        }
    }
}

fn run(tree: &Arc<Tree>, observer: &Observer, stopping: &Receiver<()>) {
    let mut builder = None;
    loop {
        // Asked first: what was durable when the log failed is taken.
        let has_failed = tree.reads.durable().has_failed();
        let wait = match step(tree, &mut builder) {
            Ok(true) => Duration::ZERO,
            Ok(false) if has_failed => return,
            Ok(false) => PAUSE,
            Err(error) if is_passing(&error) => PATIENCE,
            Err(error) if error.kind() == ErrorKind::Stopped => return,
            Err(error) => {
                if !tree.is_stuck.swap(true, Ordering::Relaxed) {
                    observer.tell(&Event::TreeStuck(error));
                }
                RETRY_AFTER
            }
        };
        if wait < RETRY_AFTER {
            tree.is_stuck.store(false, Ordering::Relaxed);
        }
        match stopping.recv_timeout(wait) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
        if wait == PAUSE
            && let Some(builder) = &builder
        {
            wait_for_more(tree.reads.durable(), builder);
        }
    }
}

fn step(tree: &Arc<Tree>, builder: &mut Option<Builder>) -> Result<bool, Error> {
    match builder {
        Some(_) if tree.derive_wanted() => Ok(true),
        Some(builder) => builder.step(),
        None => {
            *builder = Some(Builder::begin(Arc::clone(tree))?);
            Ok(true)
        }
    }
}

fn wait_for_more(durable: &Durable, builder: &Builder) {
    durable.wait_past(builder.position(), LOOK);
}
