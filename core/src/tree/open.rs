//! The tree of an open database, and its threads.

use super::capturing::CaptureThread;
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
    threads: Mutex<Option<(TreeThread, CaptureThread)>>,
}

impl OpenTree {
    /// Begins to build.
    pub(crate) fn start(
        disk: &Arc<dyn Disk>,
        reads: Arc<Reads>,
        life: LifeRecord,
        proving: &Proving,
        observer: &Observer,
        decides: bool,
    ) -> Result<OpenTree, Error> {
        let tree = Arc::new(Tree::new(Arc::clone(disk), reads, life, proving)?);
        let failed = |error| Error::new(ErrorKind::Io, format!("starting a thread: {error}"));
        let thread = TreeThread::start(Arc::clone(&tree), observer.clone()).map_err(failed)?;
        let interval = if decides { proving.capture_bytes } else { 0 };
        let capturing = CaptureThread::start(Arc::clone(&tree), interval, observer.clone());
        Ok(OpenTree {
            tree: Mutex::new(Some(tree)),
            threads: Mutex::new(Some((thread, capturing.map_err(failed)?))),
        })
    }

    /// The tree; [`ErrorKind::Stopped`] once the database was closed.
    pub(crate) fn tree(&self) -> Result<Arc<Tree>, Error> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(stopped)
    }

    /// `None` once the database was closed.
    pub(crate) fn figures(&self, last_event: Timestamp) -> Option<TreeFigures> {
        Some(self.tree().ok()?.figures(last_event))
    }

    /// Ends the threads, once the log was closed.
    pub(crate) fn end(&self) {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((thread, capturing)) = threads {
            capturing.join();
            thread.join();
        }
        *self.tree.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
