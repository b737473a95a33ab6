//! Where an export is written: beside its place, under a name that says that it is not whole, until it is.

use crate::exit::Failure;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

/// A file, or a directory of files, on its way.
#[derive(Debug)]
pub(crate) struct Staging {
    output: PathBuf,
    partial: PathBuf,
}

/// One file of it.
pub(crate) type Output = BufWriter<File>;

impl Staging {
    /// Where an export shall be, which must be free.
    ///
    /// # Errors
    /// If there is something already.
    pub(crate) fn new(output: &Path) -> Result<Staging, Failure> {
        let mut partial = output.as_os_str().to_owned();
        partial.push(".partial");
        let staging = Staging { output: output.to_owned(), partial: partial.into() };
        for path in [&staging.output, &staging.partial] {
            if path.symlink_metadata().is_ok() {
                let path = path.display();
                return Err(Failure::usage(format!(
                    "{path} is there already: remove it, or name another"
                )));
            }
        }
        Ok(staging)
    }

    /// Makes the file, if it is one.
    pub(crate) fn file(&self) -> Result<Output, Failure> {
        self.create(&self.partial)
    }

    /// Makes a file of the directory, which is made with the first.
    pub(crate) fn file_within(&self, name: &str) -> Result<Output, Failure> {
        fs::create_dir_all(&self.partial).map_err(|error| self.failed(&error))?;
        self.create(&self.partial.join(name))
    }

    /// Ends a file: it is durable.
    pub(crate) fn finish_file(&self, file: Output) -> Result<(), Failure> {
        let finished = file.into_inner().map_err(io::IntoInnerError::into_error);
        finished.and_then(|file| file.sync_all()).map_err(|error| self.failed(&error))
    }

    /// Puts all in its place.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let parent = match self.output.parent() {
            Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
            Some(parent) => parent,
            None => return Err(Failure::usage("an export is a file or a directory of its own")),
        };
        fs::rename(&self.partial, &self.output)
            .and_then(|()| File::open(parent)?.sync_all())
            .map_err(|error| self.failed(&error))
    }

    /// What is said when it can't be written.
    pub(crate) fn failed(&self, error: &io::Error) -> Failure {
        Failure::unavailable(format!("writing {}: {error}", self.partial.display()))
    }

    fn create(&self, path: &Path) -> Result<Output, Failure> {
        File::create_new(path).map(BufWriter::new).map_err(|error| self.failed(&error))
    }
}

impl Drop for Staging {
    /// What is not finished is of no use.
    fn drop(&mut self) {
        if self.partial.is_dir() {
            let _ = fs::remove_dir_all(&self.partial);
        } else {
            let _ = fs::remove_file(&self.partial);
        }
    }
}
