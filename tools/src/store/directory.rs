//! A directory of objects. An object is written beside its name, synced, and given its name if none has it
//! (fault 45: the directory that holds it is synced too, and those above it that were made).

use florin_core::backup::{Store, StoredObject};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

/// What is being written begins so.
const PARTIAL: &str = ".partial-";
const OWNER_FILE: u32 = 0o600;
const OWNER_DIRECTORY: u32 = 0o700;

/// A directory of objects.
pub(super) struct DirectoryStore {
    root: PathBuf,
}

impl DirectoryStore {
    pub(super) fn open(root: &Path) -> io::Result<DirectoryStore> {
        if !root.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "there is no such directory"));
        }
        Ok(DirectoryStore { root: root.to_path_buf() })
    }

    pub(super) fn make(root: &Path) -> io::Result<()> {
        make_durably(root)
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
}

impl Store for DirectoryStore {
    fn create(&self, name: &str, bytes: &[u8]) -> io::Result<bool> {
        let path = self.path(name)?;
        if path.exists() {
            return Ok(false);
        }
        let directory = path.parent().unwrap_or(&self.root);
        make_durably(directory)?;
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let partial = directory.join(format!("{PARTIAL}{:016x}", u64::from_le_bytes(random)));
        let created = write_synced(&partial, bytes).and_then(|()| name_if_free(&partial, &path));
        if !matches!(created, Ok(true)) {
            let _ = fs::remove_file(&partial);
        }
        // Durable before anybody is told that it is there, whoever made it.
        File::open(directory)?.sync_all()?;
        created
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path(name)?)
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<StoredObject>> {
        let mut found = Vec::new();
        walk(&self.path(prefix.trim_end_matches('/'))?, prefix, &mut found)?;
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
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(OWNER_FILE).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Gives a file a name that no other has; `false` if one has it.
fn name_if_free(from: &Path, to: &Path) -> io::Result<bool> {
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

fn walk(directory: &Path, prefix: &str, found: &mut Vec<StoredObject>) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &format!("{name}/"), found)?;
        } else if !entry.file_name().to_string_lossy().starts_with(PARTIAL) {
            found.push(StoredObject { name, bytes: entry.metadata()?.len() });
        }
    }
    Ok(())
}

/// Makes a directory and those above it, each durable in the one that holds it.
fn make_durably(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let above = match directory.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    };
    make_durably(above)?;
    match DirBuilder::new().mode(OWNER_DIRECTORY).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => File::open(above)?.sync_all(),
    }
}
