//! A disk over another one, with every change kept in memory: what repairs a file while it opens it
//! can be let loose on a data directory of which nothing may change yet.
//!
//! Invariants:
//! - the disk below is only read: its files are opened for [`Access::Read`], and no call that
//!   changes anything is passed on;
//! - every answer is what it would be if the changes had been made below;
//! - memory holds the pages that were written, never those that were only read;
//! - nothing becomes durable: syncs do nothing, and the changes go with the overlay and its files.
//!
//! Nobody else may change the disk below in the meantime.

#[cfg(test)]
mod tests;

use crate::disk::{Access, Disk, DiskFile, PAGE_BYTES};
use crate::sealing::DatabaseKey;
use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The disk that takes the changes.
pub(crate) struct Overlay {
    below: Arc<dyn Disk>,
    /// Held while the disk below is asked for a name, so that all who open a file share its changes.
    names: Mutex<Names>,
}

#[derive(Default)]
struct Names {
    /// Those made here.
    directories: BTreeSet<String>,
    /// What is known of a name; `None`: there is no such file any more. Of any other name, the disk
    /// below knows.
    files: BTreeMap<String, Option<Source>>,
}

/// What a file is made of. It holds no open file: as many names may be known as there are segments.
#[derive(Clone)]
struct Source {
    /// The file's name on the disk below; `None` if it was created here.
    below: Option<String>,
    changes: Arc<RwLock<Changes>>,
}

/// What was done to a file.
struct Changes {
    /// Its length.
    bytes: u64,
    /// How much of the file below is still part of it: at most `bytes`, and never more again once
    /// the file was cut. What lies between is zeros, except in `pages`.
    below_bytes: u64,
    /// The pages written, by number: whole, with zeros past the file's end.
    pages: BTreeMap<u64, Box<Page>>,
}

type Page = [u8; PAGE_BYTES];

/// [`PAGE_BYTES`] as files count.
const PAGE: u64 = 4096;

const _: () = assert!(size_of::<Page>() == 4096);

impl Overlay {
    /// An overlay without changes.
    pub(crate) fn new(below: Arc<dyn Disk>) -> Overlay {
        Overlay { below, names: Mutex::default() }
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the file of this name is made of; `NotFound` if there is none.
    fn source(&self, names: &mut Names, name: &str) -> io::Result<Source> {
        if let Some(known) = names.files.get(name) {
            return known.clone().ok_or_else(|| io::ErrorKind::NotFound.into());
        }
        let bytes = self.below.open(name, Access::Read)?.bytes()?;
        let source = Source::new(Some(name.to_owned()), bytes);
        names.files.insert(name.to_owned(), Some(source.clone()));
        Ok(source)
    }

    fn open_source(&self, source: Source, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let below = source.below.map(|name| self.below.open(&name, Access::Read)).transpose()?;
        Ok(Arc::new(OverlayFile { below, changes: source.changes, access }))
    }

    /// The directory of a name must be there, as on any disk.
    fn check_directory_of(&self, names: &Names, name: &str) -> io::Result<()> {
        match name.rsplit_once('/') {
            Some((directory, _)) if !names.directories.contains(directory) => {
                self.below.list(directory).map(drop)
            }
            _ => Ok(()),
        }
    }
}

impl Disk for Overlay {
    fn create_directory(&self, name: &str) -> io::Result<()> {
        let mut names = self.names();
        self.check_directory_of(&names, name)?;
        names.directories.insert(name.to_owned());
        Ok(())
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let names = self.names();
        let mut inside: BTreeSet<String> = match self.below.list(directory) {
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    && names.directories.contains(directory) =>
            {
                BTreeSet::new()
            }
            listed => listed?.into_iter().collect(),
        };
        for (name, source) in &names.files {
            let (parent, last) = name.rsplit_once('/').unwrap_or(("", name));
            if parent != directory {
                continue;
            }
            match source {
                Some(_) => inside.insert(last.to_owned()),
                None => inside.remove(last),
            };
        }
        Ok(inside.into_iter().collect())
    }

    fn create(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        if access == Access::Read {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut names = self.names();
        self.check_directory_of(&names, name)?;
        match self.source(&mut names, name) {
            Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Err(_) => {}
        }
        let source = Source::new(None, 0);
        names.files.insert(name.to_owned(), Some(source.clone()));
        self.open_source(source, access)
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let source = self.source(&mut self.names(), name)?;
        self.open_source(source, access)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut names = self.names();
        self.source(&mut names, name)?;
        names.files.insert(name.to_owned(), None);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut names = self.names();
        let source = self.source(&mut names, from)?;
        self.check_directory_of(&names, to)?;
        names.files.insert(from.to_owned(), None);
        names.files.insert(to.to_owned(), Some(source));
        Ok(())
    }

    fn sync_directory(&self, _directory: &str) -> io::Result<()> {
        Ok(())
    }

    /// As below: nothing written here takes any of it.
    fn free_bytes(&self) -> io::Result<u64> {
        self.below.free_bytes()
    }

    fn database_key(&self) -> Option<&DatabaseKey> {
        self.below.database_key()
    }
}

impl Source {
    fn new(below: Option<String>, bytes: u64) -> Source {
        let changes = Changes { bytes, below_bytes: bytes, pages: BTreeMap::new() };
        Source { below, changes: Arc::new(RwLock::new(changes)) }
    }
}

impl Changes {
    fn set_bytes(&mut self, bytes: u64) {
        // Of what is cut nothing may come back when the file grows again.
        self.pages.split_off(&bytes.div_ceil(PAGE));
        if let Some(page) = self.pages.get_mut(&(bytes / PAGE)) {
            page[within_page(bytes)..].fill(0);
        }
        self.below_bytes = self.below_bytes.min(bytes);
        self.bytes = bytes;
    }
}

struct OverlayFile {
    below: Option<Arc<dyn DiskFile>>,
    /// Held while the file below is read: a page must not change between its two halves. Readers
    /// share it, so they wait only for writers.
    changes: Arc<RwLock<Changes>>,
    access: Access,
}

impl OverlayFile {
    fn changes(&self) -> RwLockReadGuard<'_, Changes> {
        self.changes.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn changes_to_make(&self) -> io::Result<RwLockWriteGuard<'_, Changes>> {
        if self.access == Access::Read {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(self.changes.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Fills `buffer` with what the file has at `offset` without the pages written: what is left of
    /// the file below, then zeros.
    fn read_below(&self, below_bytes: u64, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let left = below_bytes.saturating_sub(offset);
        let left = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let (there, zeros) = buffer.split_at_mut(left);
        zeros.fill(0);
        match &self.below {
            Some(below) if !there.is_empty() => below.read_exact_at(there, offset),
            _ => Ok(()),
        }
    }

    /// The page to write to, with what the file has there.
    fn page<'a>(&self, changes: &'a mut Changes, number: u64) -> io::Result<&'a mut Page> {
        match changes.pages.entry(number) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let mut page = Box::new([0; PAGE_BYTES]);
                self.read_below(changes.below_bytes, page.as_mut_slice(), number * PAGE)?;
                Ok(entry.insert(page))
            }
        }
    }
}

impl DiskFile for OverlayFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if buffer.is_empty() {
            return Ok(());
        }
        let changes = self.changes();
        let end = offset.checked_add(length(buffer)).filter(|end| *end <= changes.bytes);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.read_below(changes.below_bytes, buffer, offset)?;
        for (number, page) in changes.pages.range(offset / PAGE..end.div_ceil(PAGE)) {
            let start = offset.max(number * PAGE);
            let part = &page[within_page(start)..];
            let skipped = usize::try_from(start - offset).expect("inside the buffer");
            let rest = &mut buffer[skipped..];
            let count = part.len().min(rest.len());
            rest[..count].copy_from_slice(&part[..count]);
        }
        Ok(())
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut changes = self.changes_to_make()?;
        if offset.checked_add(length(bytes)).is_none() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let (mut at, mut rest) = (offset, bytes);
        while !rest.is_empty() {
            let within = within_page(at);
            let (part, behind) = rest.split_at(rest.len().min(PAGE_BYTES - within));
            let page = self.page(&mut changes, at / PAGE)?;
            page[within..within + part.len()].copy_from_slice(part);
            at += length(part);
            rest = behind;
            changes.bytes = changes.bytes.max(at);
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(self.changes().bytes)
    }

    fn set_bytes(&self, bytes: u64) -> io::Result<()> {
        self.changes_to_make()?.set_bytes(bytes);
        Ok(())
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("a length in memory fits")
}

fn within_page(offset: u64) -> usize {
    usize::try_from(offset % PAGE).expect("less than a page")
}
