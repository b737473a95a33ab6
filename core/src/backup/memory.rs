//! A store in memory, which can fail, and whose objects tests can alter.

use crate::backup::store::{Store, StoredObject};
use bytes::Bytes;
use florin_ledger::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The store; clones are handles to the same one.
#[derive(Clone, Default, Debug)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
}

#[derive(Default, Debug)]
struct State {
    objects: BTreeMap<String, Vec<u8>>,
    /// When objects were stored that were not at the beginning of time.
    stored: BTreeMap<String, Timestamp>,
    time: Timestamp,
    /// How many more changes succeed; `None`: all.
    changes_left: Option<u64>,
    changes_count: u64,
    keeps_versions: bool,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    /// A store of its own with the same objects.
    #[must_use]
    pub fn copy(&self) -> MemoryStore {
        let copy = MemoryStore::new();
        copy.state().objects.clone_from(&self.state().objects);
        copy.state().stored.clone_from(&self.state().stored);
        copy
    }

    /// Everything that is stored, by name.
    #[must_use]
    pub fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        self.state().objects.clone()
    }

    /// Puts an object there, over one that there may be: what a store never does by itself.
    pub fn put(&self, name: &str, bytes: Vec<u8>) {
        self.state().objects.insert(name.to_owned(), bytes);
    }

    /// What is stored from now on is stored at this time.
    pub fn set_time(&self, time: Timestamp) {
        self.state().time = time;
    }

    /// Says from now on that it keeps versions.
    pub fn keep_versions(&self) {
        self.state().keeps_versions = true;
    }

    /// Lets creations and removals fail after so many more; `None` lifts it.
    pub fn fail_after(&self, changes_count: Option<u64>) {
        self.state().changes_left = changes_count;
    }

    /// Creations and removals that were asked for.
    #[must_use]
    pub fn changes_count(&self) -> u64 {
        self.state().changes_count
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn change(&mut self) -> io::Result<()> {
        self.changes_count += 1;
        match &mut self.changes_left {
            Some(0) => Err(io::Error::other("the store is gone")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Store for MemoryStore {
    fn create(&self, name: &str, bytes: &Bytes) -> io::Result<bool> {
        let mut state = self.state();
        state.change()?;
        if state.objects.contains_key(name) {
            return Ok(false);
        }
        state.objects.insert(name.to_owned(), bytes.to_vec());
        let time = state.time;
        state.stored.insert(name.to_owned(), time);
        Ok(true)
    }

    fn read(&self, name: &str, bytes_max: u64) -> io::Result<Vec<u8>> {
        let state = self.state();
        let object = state.objects.get(name).ok_or(io::ErrorKind::NotFound)?;
        if bytes_max < u64::try_from(object.len()).expect("it is in memory") {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(object.clone())
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<StoredObject>> {
        let state = self.state();
        let found = state.objects.iter().filter(|(name, _)| name.starts_with(prefix));
        let object = |(name, bytes): (&String, &Vec<u8>)| StoredObject {
            name: name.clone(),
            bytes: u64::try_from(bytes.len()).expect("it is in memory"),
            stored: state.stored.get(name).copied().unwrap_or(Timestamp::NONE),
        };
        Ok(found.map(object).collect())
    }

    fn tops(&self) -> io::Result<Vec<String>> {
        let state = self.state();
        let tops = state.objects.keys().filter_map(|name| name.split_once('/'));
        Ok(tops.map(|(top, _)| top.to_owned()).collect::<BTreeSet<_>>().into_iter().collect())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.change()?;
        state.objects.remove(name);
        Ok(())
    }

    fn remove_partials(&self, _before: Timestamp) -> io::Result<usize> {
        Ok(0)
    }

    fn keeps_versions(&self) -> bool {
        self.state().keeps_versions
    }
}
