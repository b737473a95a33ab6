//! Objects on their way to a store, some at the same time. What is there already is read back before it is
//! believed.

use super::{Store, damaged, failed};
use crate::error::Error;
use crate::limits::BACKUP_AT_ONCE_MAX;
use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

/// An object to be stored.
pub(super) struct Upload {
    pub(super) name: String,
    /// Of what is stored.
    pub(super) hash: [u8; 32],
    pub(super) stored: Bytes,
}

/// Threads that store objects.
pub(super) struct Uploads<'a> {
    store: &'a dyn Store,
    came_to: Mutex<Result<(u64, u64), Error>>,
}

impl<'a> Uploads<'a> {
    pub(super) fn new(store: &'a dyn Store) -> Uploads<'a> {
        Uploads { store, came_to: Mutex::new(Ok((0, 0))) }
    }

    pub(super) fn start<'scope>(
        &'scope self,
        scope: &'scope thread::Scope<'scope, '_>,
    ) -> mpsc::SyncSender<Upload> {
        let (sender, receiver) = mpsc::sync_channel(0);
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..BACKUP_AT_ONCE_MAX {
            let receiver = receiver.clone();
            scope.spawn(move || self.work(&receiver));
        }
        sender
    }

    /// Stores objects until there are no more, or one could not be.
    fn work(&self, receiver: &Mutex<mpsc::Receiver<Upload>>) {
        loop {
            // Held while waiting: the others wait for the lock instead of for the next object.
            let next = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(upload) = next else { return };
            let result = upload.store(self.store);
            let mut came_to = self.came_to.lock().unwrap_or_else(PoisonError::into_inner);
            match (&mut *came_to, result) {
                (Ok((count, bytes)), Ok(is_new)) => {
                    *count += u64::from(is_new);
                    let stored = u64::try_from(upload.stored.len()).expect("it is in memory");
                    *bytes += if is_new { stored } else { 0 };
                }
                (Ok(_), Err(error)) => *came_to = Err(error),
                (Err(_), _) => {}
            }
            if came_to.is_err() {
                return;
            }
        }
    }

    /// How many objects were stored, and their bytes.
    ///
    /// # Errors
    /// The first, if one could not be.
    pub(super) fn finish(self) -> Result<(u64, u64), Error> {
        self.came_to.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Upload {
    /// Stores it; an object that is there is read back. Says whether there was none.
    ///
    /// # Errors
    /// The store's; [`crate::error::ErrorKind::Corrupt`] if what is there is something else.
    pub(super) fn store(&self, store: &dyn Store) -> Result<bool, Error> {
        let Upload { name, hash, stored } = self;
        let is_new = store.create(name, stored).map_err(|error| failed(name, &error))?;
        if !is_new {
            // Nobody has vouched for it: it may have been left by an attempt that was interrupted.
            let bytes_max = u64::try_from(stored.len()).expect("it is in memory");
            let there = store.read(name, bytes_max).map_err(|error| failed(name, &error))?;
            if blake3::hash(&there).as_bytes() != hash {
                return Err(damaged(name, "it is there and is not what its name says: remove it"));
            }
        }
        Ok(is_new)
    }
}
