//! A directory of objects. An object is written beside its name, synced, and given its name if none has it
//! (fault 45: the directory that holds it is synced too, and those above it).

use bytes::Bytes;
use florin_core::backup::{Store, StoredObject};
use florin_ledger::Timestamp;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, DirEntry, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

/// What is being written begins so.
const PARTIAL: &str = ".partial-";
const OWNER_FILE: u32 = 0o600;
const OWNER_DIRECTORY: u32 = 0o700;

/// A directory of objects.
pub(super) struct DirectoryStore {
    root: PathBuf,
    /// Directories that are durable in the one that holds them.
    durable: Mutex<BTreeSet<PathBuf>>,
}

impl DirectoryStore {
    pub(super) fn open(root: &Path) -> io::Result<DirectoryStore> {
        let store = DirectoryStore { root: root.to_path_buf(), durable: Mutex::default() };
        store.check_root()?;
        Ok(store)
    }

    /// Makes it, and those above it.
    pub(super) fn make(root: &Path) -> io::Result<()> {
        make_durably(root, &mut BTreeSet::new())
    }

    /// One that is gone, because a disk is not mounted, is no empty one.
    fn check_root(&self) -> io::Result<()> {
        if self.root.is_dir() {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::NotFound, "there is no such directory"))
    }

    /// Names come from stores that others may have written to: none leads out of this one.
    fn path(&self, name: &str) -> io::Result<PathBuf> {
        let path = Path::new(name);
        let is_inside = path.components().all(|part| matches!(part, Component::Normal(_)));
        if is_inside && !name.is_empty() {
            return Ok(self.root.join(path));
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, "no object has such a name"))
    }

    /// Makes a directory and those above it, each durable in the one that holds it, whoever made it: one
    /// that is there may have been made by an attempt that was cut off before it was synced.
    fn make_durably(&self, directory: &Path) -> io::Result<()> {
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        make_durably(directory, &mut durable)
    }
}

impl Store for DirectoryStore {
    fn create(&self, name: &str, bytes: &Bytes) -> io::Result<bool> {
        let path = self.path(name)?;
        self.check_root()?;
        let directory = path.parent().unwrap_or(&self.root);
        self.make_durably(directory)?;
        if let Ok(there) = File::open(&path) {
            // Durable before anybody is told that it is there, whoever made it.
            there.sync_all()?;
            File::open(directory)?.sync_all()?;
            return Ok(false);
        }
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let partial = directory.join(format!("{PARTIAL}{:016x}", u64::from_le_bytes(random)));
        let created = write_synced(&partial, bytes).and_then(|()| name_if_free(&partial, &path));
        if !matches!(created, Ok(true)) {
            let _ = fs::remove_file(&partial);
        }
        File::open(directory)?.sync_all()?;
        created
    }

    fn read(&self, name: &str, bytes_max: u64) -> io::Result<Vec<u8>> {
        let file = File::open(self.path(name)?)?;
        let too_large = || io::Error::from(io::ErrorKind::FileTooLarge);
        let bytes = file.metadata()?.len();
        if bytes_max < bytes {
            return Err(too_large());
        }
        let mut content = Vec::with_capacity(usize::try_from(bytes).map_err(|_| too_large())?);
        // It may grow while it is read.
        file.take(bytes_max.saturating_add(1)).read_to_end(&mut content)?;
        if bytes_max < u64::try_from(content.len()).map_err(|_| too_large())? {
            return Err(too_large());
        }
        Ok(content)
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<StoredObject>> {
        self.check_root()?;
        let mut found = Vec::new();
        walk(&self.path(prefix.trim_end_matches('/'))?, prefix, &mut |name, is_partial, entry| {
            if !is_partial {
                let metadata = entry.metadata()?;
                found.push(StoredObject {
                    name,
                    bytes: metadata.len(),
                    stored: changed(&metadata)?,
                });
            }
            Ok(())
        })?;
        found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    fn tops(&self) -> io::Result<Vec<String>> {
        let mut tops = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                tops.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        tops.sort_unstable();
        Ok(tops)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.path(name)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            removed => removed?,
        }
        File::open(path.parent().unwrap_or(&self.root))?.sync_all()
    }

    fn remove_partials(&self, before: Timestamp) -> io::Result<usize> {
        self.check_root()?;
        let mut removed_count = 0;
        walk(&self.root, "", &mut |_, is_partial, entry| {
            if is_partial && changed(&entry.metadata()?)? < before {
                fs::remove_file(entry.path())?;
                removed_count += 1;
            }
            Ok(())
        })?;
        Ok(removed_count)
    }

    fn keeps_versions(&self) -> bool {
        false
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(OWNER_FILE).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Gives a file, or a directory, a name that no other has; `false` if one has it. Not durable yet.
pub(crate) fn name_if_free(from: &Path, to: &Path) -> io::Result<bool> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        // A file system that does not know how has at least links.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => match fs::hard_link(from, to) {
            Ok(()) => fs::remove_file(from).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        },
        Err(error) => Err(error.into()),
    }
}

/// When a file was written.
fn changed(metadata: &Metadata) -> io::Result<Timestamp> {
    let since = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Timestamp(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)))
}

/// Sees every file below a directory: its name, whether it is being written, the file. What goes meanwhile
/// is not seen.
fn walk(
    directory: &Path,
    prefix: &str,
    see: &mut dyn FnMut(String, bool, &DirEntry) -> io::Result<()>,
) -> io::Result<()> {
    let Some(entries) = unless_gone(fs::read_dir(directory))? else { return Ok(()) };
    for entry in entries {
        let Some(entry) = unless_gone(entry)? else { continue };
        let Some(kind) = unless_gone(entry.file_type())? else { continue };
        let file = entry.file_name().to_string_lossy().into_owned();
        let name = format!("{prefix}{file}");
        if kind.is_dir() {
            walk(&entry.path(), &format!("{name}/"), see)?;
        } else {
            unless_gone(see(name, file.starts_with(PARTIAL), &entry))?;
        }
    }
    Ok(())
}

fn unless_gone<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// Makes a directory and those above it, and syncs each in the one that holds it, unless it is known to be
/// durable.
fn make_durably(directory: &Path, durable: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    let Some(above) = directory.parent() else { return Ok(()) };
    if durable.contains(directory) {
        return Ok(());
    }
    let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
    if above != Path::new(".") {
        make_durably(above, durable)?;
    }
    match DirBuilder::new().mode(OWNER_DIRECTORY).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists && !directory.is_dir() => {
            return Err(error);
        }
        _ => {}
    }
    match File::open(above).and_then(|above| above.sync_all()) {
        // Directories above the store that nobody here may read were not made here.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
        synced => synced?,
    }
    durable.insert(directory.to_path_buf());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    fn store() -> (tempfile::TempDir, DirectoryStore) {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("a/b");
        DirectoryStore::make(&root).unwrap();
        let store = DirectoryStore::open(&root).unwrap();
        (directory, store)
    }

    fn names(store: &DirectoryStore, prefix: &str) -> Vec<String> {
        store.list(prefix).unwrap().into_iter().map(|object| object.name).collect()
    }

    #[test]
    fn an_object_is_created_once_and_read_up_to_a_bound() {
        let (_directory, store) = store();
        assert!(store.create("x/y/z", &Bytes::from_static(b"one")).unwrap());
        assert!(!store.create("x/y/z", &Bytes::from_static(b"two")).unwrap());
        assert_eq!(store.read("x/y/z", 3).unwrap(), b"one");
        assert_eq!(store.read("x/y/z", 2).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(store.read("x/y/w", 3).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(names(&store, "x/"), ["x/y/z"]);
        assert_eq!(names(&store, "nothing/"), [""; 0]);
        assert_eq!(store.tops().unwrap(), ["x"]);
        assert!(store.list("x/").unwrap()[0].stored > Timestamp(1_600_000_000_000_000_000));
        store.remove("x/y/z").unwrap();
        store.remove("x/y/z").unwrap();
        assert_eq!(names(&store, "x/"), [""; 0]);
    }

    #[test]
    fn no_name_leads_out_of_it() {
        let (_directory, store) = store();
        for name in ["../x", "/x", "x/../../y", "", "."] {
            assert!(store.create(name, &Bytes::from_static(b"x")).is_err(), "{name}");
            assert!(store.read(name, 9).is_err(), "{name}");
            assert!(store.remove(name).is_err(), "{name}");
        }
    }

    /// What is there is durable before anybody is told so: every directory above it is synced by whoever
    /// finds it, made or not.
    #[test]
    fn what_is_there_is_synced_up_to_the_root() {
        let (_directory, first) = store();
        fs::create_dir_all(first.root.join("x/y")).unwrap();
        fs::write(first.root.join("x/y/z"), b"left by an attempt that was cut off").unwrap();
        let store = DirectoryStore::open(&first.root).unwrap();
        assert!(!store.create("x/y/z", &Bytes::from_static(b"one")).unwrap());
        let durable = store.durable.lock().unwrap();
        for directory in ["", "x", "x/y"] {
            let directory = first.root.join(directory).components().collect::<PathBuf>();
            assert!(durable.contains(&directory), "{}", directory.display());
        }
    }

    /// Many create the same object: one of them has, and it is whole.
    #[test]
    fn of_many_who_create_one_object_one_has() {
        let (_directory, store) = store();
        let created = AtomicUsize::new(0);
        thread::scope(|scope| {
            for writer in 0..8_u8 {
                let (store, created) = (&store, &created);
                scope.spawn(move || {
                    for round in 0..20 {
                        let bytes = Bytes::from(vec![writer; 10_000]);
                        let is_new = store.create(&format!("x/{round}/z"), &bytes).unwrap();
                        created.fetch_add(usize::from(is_new), Ordering::Relaxed);
                        let read = store.read(&format!("x/{round}/z"), 10_000).unwrap();
                        assert!(read.len() == 10_000 && read.iter().all(|byte| *byte == read[0]));
                    }
                });
            }
        });
        assert_eq!(created.into_inner(), 20);
        assert_eq!(names(&store, "x/").len(), 20);
        assert_eq!(store.remove_partials(Timestamp(u64::MAX)).unwrap(), 0, "nothing is left over");
    }

    /// Others remove objects while they are listed.
    #[test]
    fn what_goes_while_it_is_listed_is_not_listed() {
        let (_directory, store) = store();
        thread::scope(|scope| {
            let remover = scope.spawn(|| {
                for round in 0..300 {
                    let name = format!("x/{round}/z");
                    store.create(&name, &Bytes::from_static(b"z")).unwrap();
                    store.remove(&name).unwrap();
                    fs::remove_dir(store.root.join(format!("x/{round}"))).unwrap();
                }
            });
            while !remover.is_finished() {
                assert!(store.list("x/").unwrap().len() <= 1);
            }
        });
    }

    /// What a creation that was cut off has left is no object, and goes once it is old.
    #[test]
    fn what_was_cut_off_is_no_object_and_goes() {
        let (_directory, store) = store();
        store.create("x/y", &Bytes::from_static(b"whole")).unwrap();
        fs::write(store.root.join("x/.partial-0123456789abcdef"), b"wh").unwrap();
        assert_eq!(names(&store, "x/"), ["x/y"]);
        assert_eq!(store.remove_partials(Timestamp(0)).unwrap(), 0);
        assert_eq!(store.remove_partials(Timestamp(u64::MAX)).unwrap(), 1);
        assert_eq!(fs::read_dir(store.root.join("x")).unwrap().count(), 1);
        assert_eq!(store.read("x/y", 5).unwrap(), b"whole");
    }

    /// A disk that is not mounted is no empty store.
    #[test]
    fn a_store_that_is_gone_is_not_an_empty_one() {
        let (_directory, store) = store();
        store.create("x/y", &Bytes::from_static(b"z")).unwrap();
        fs::rename(&store.root, store.root.with_extension("gone")).unwrap();
        assert!(store.list("x/").is_err());
        assert!(store.create("x/z", &Bytes::from_static(b"z")).is_err());
        assert!(store.tops().is_err());
    }
}
