//! The tree of an open database, and the thread that builds it.

use super::thread::TreeThread;
use super::{Proving, Tree, TreeFigures};
use crate::disk::Disk;
use crate::driver::promise::stopped;
use crate::error::{Error, ErrorKind};
use crate::event::Observer;
use crate::reads::Reads;
use florin_ledger::Timestamp;
use florin_ledger::record::LifeRecord;
use std::sync::{Arc, Mutex, PoisonError};

/// A tree that is being built.
pub(crate) struct OpenTree {
    /// `None` once it was ended: it holds the data directory open.
    tree: Mutex<Option<Arc<Tree>>>,
    thread: Mutex<Option<TreeThread>>,
}

impl OpenTree {
    /// Begins to build.
    pub(crate) fn start(
        disk: &Arc<dyn Disk>,
        reads: Arc<Reads>,
        life: LifeRecord,
        proving: &Proving,
        observer: &Observer,
    ) -> Result<OpenTree, Error> {
        let tree = Arc::new(Tree::new(Arc::clone(disk), reads, life, proving)?);
        let thread = TreeThread::start(Arc::clone(&tree), observer.clone())
            .map_err(|error| Error::new(ErrorKind::Io, format!("starting a thread: {error}")))?;
        Ok(OpenTree { tree: Mutex::new(Some(tree)), thread: Mutex::new(Some(thread)) })
    }

    /// The tree; [`ErrorKind::Stopped`] once the database was closed.
    pub(crate) fn tree(&self) -> Result<Arc<Tree>, Error> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(stopped)
    }

    /// `None` once the database was closed.
    pub(crate) fn figures(&self, last_event: Timestamp) -> Option<TreeFigures> {
        Some(self.tree().ok()?.figures(last_event))
    }

    /// Ends the thread, once the log was closed.
    pub(crate) fn end(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            thread.join();
        }
        *self.tree.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
